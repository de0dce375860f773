//! A process that dies before any call of the disk, a real one, leaves what was acknowledged.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use ministate::Options;
use ministate_tests::{Counter, Inc, entries, open, push, say_loudly};

/// Runs the program `crash/mortal.rs`, and returns the last mutation that it said was acknowledged,
/// and whether it lived.
fn run(dir: &Path, mode: &str, call: u64) -> (u64, bool) {
    let output = Command::new(env!("CARGO_BIN_EXE_mortal"))
        .arg(dir)
        .args([mode, &call.to_string()])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let last = said.lines().filter_map(|line| line.parse().ok()).next_back().unwrap_or(0);
    assert!(output.status.success() || output.status.code().is_none(), "{}", output.status);
    (last, output.status.success())
}

#[test]
fn acknowledged_mutations_survive_a_death_at_every_step() {
    let mut call = 0;
    loop {
        let dir = tempfile::tempdir().unwrap();
        let (acknowledged, lived) = run(dir.path(), "lists", call);
        let lists = open(dir.path()).unwrap();
        let there = entries(&lists);
        assert_eq!(there, (0..there.len() as u64).collect::<Vec<_>>(), "call {call}");
        let count = there.len() as u64;
        assert!((acknowledged..=acknowledged + 1).contains(&count), "call {call}: {count}");
        assert_eq!(lists.blocking_apply(push(count)).unwrap(), count + 1);
        drop(lists);
        assert_eq!(entries(&open(dir.path()).unwrap()).len() as u64, count + 1, "call {call}");
        if lived {
            break;
        }
        call += 1;
    }
    assert!(call > 80, "there were only {call} calls to die before");
    say_loudly(&format!("died before each of {call} calls of snapshots, rotation and compaction"));
}

#[test]
fn an_import_can_die_at_every_step() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/0.1/rotated");
    let mut call = 0;
    loop {
        let dir = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(&fixture).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), dir.path().join(entry.file_name())).unwrap();
        }
        let (_, lived) = run(dir.path(), "import", call);
        let options = Options::new();
        let counter =
            options.blocking_open::<Counter, Inc>(dir.path(), "counter.wal.jsonl").unwrap();
        let reached = (counter.read(|counter| counter.value), counter.sequence());
        assert_eq!(reached, (111_111_110, 8), "call {call}");
        assert_eq!(counter.blocking_apply(Inc { by: 1 }).unwrap(), 9);
        if lived {
            break;
        }
        call += 1;
    }
    assert!(call > 10, "there were only {call} calls to die before");
}
