//! Does the command hold out for a million records?

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::process::Stdio;
use std::thread;

use serde_json::json;
use tempfile::TempDir;

use crate::command::{ask, ministate};
use crate::journals::{deposit, open, sealed};

const RECORDS: u64 = 1_000_000;
const WRITERS: u64 = 64;

/// In segments of 64 MiB. Many write at once, so that a sync is of many records.
fn million() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let bank = open(dir.path(), 64 << 20);
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let bank = &bank;
            scope.spawn(move || {
                for cents in (writer..RECORDS).step_by(WRITERS as usize) {
                    bank.blocking_apply(deposit(cents)).unwrap();
                }
            });
        }
    });
    bank.blocking_close().unwrap();
    dir
}

#[test]
fn a_million_records_are_checked_counted_printed_and_repaired() {
    let dir = million();
    let verify = ask("verify --json", dir.path());
    let summary = verify.summary();
    assert_eq!((verify.code, &summary["records"]), (0, &json!(RECORDS)), "{verify:?}");
    assert_eq!((&summary["first"], &summary["last"]), (&json!(1), &json!(RECORDS)));
    let last = ask("cat --from 999999", dir.path());
    assert_eq!(last.seqs(), [RECORDS - 1, RECORDS]);

    // As `head -1` does: reads a line, and goes away.
    let mut cat = ministate().arg("cat").arg(dir.path()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(cat.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains(r#""seq":1,"#), "{line}");
    assert!(cat.wait().unwrap().success());

    let first = sealed(dir.path(), 1);
    let mut file = OpenOptions::new().read(true).write(true).open(&first).unwrap();
    let middle = file.metadata().unwrap().len() / 2;
    let mut byte = [0];
    file.seek(SeekFrom::Start(middle)).unwrap();
    file.read_exact(&mut byte).unwrap();
    file.seek(SeekFrom::Start(middle)).unwrap();
    file.write_all(&[byte[0] ^ 1]).unwrap();
    let verify = ask("verify --json", dir.path());
    let objects = verify.objects();
    assert_eq!((verify.code, objects.len()), (1, 2), "{verify:?}");
    let lost = objects[0]["seq"].as_u64().unwrap();
    assert_eq!(objects[1]["lost"], json!([[lost, lost]]));
    let repaired = dir.path().with_extension("repaired");
    let repair = ask(&format!("repair --json --to {}", repaired.display()), dir.path());
    assert_eq!((repair.code, &repair.summary()["last"]), (1, &json!(lost - 1)), "{repair:?}");
    assert_eq!(ask("verify --json", &repaired).summary()["records"], lost - 1);
    fs::remove_dir_all(&repaired).unwrap();
}
