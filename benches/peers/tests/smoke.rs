//! Does every workload run to its end with every peer, and does `one` see what is missing?

use std::path::Path;
use std::process::{Command, Output};

const PEERS: &[&str] = &[
    "ours",
    "seed",
    "okaywal",
    "raft-engine",
    "redb",
    "fjall",
    "sled",
    "sqlite",
    "lmdb",
    #[cfg(feature = "rocksdb")]
    "rocksdb",
];

fn harness(line: &str, dir: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ministate-bench-peers"));
    let command = command.args(line.split(' ')).arg("--dir").arg(dir);
    command.output().expect("the harness starts")
}

fn said(line: &str, dir: &Path) -> String {
    let Output { status, stdout, stderr } = harness(line, dir);
    let said = String::from_utf8(stdout).expect("it says text");
    assert!(status.success(), "{line}: {said}{}", String::from_utf8_lossy(&stderr));
    said
}

/// The workload says something about every peer.
fn smoke(line: &str) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let said = said(&format!("{line} --rounds 1 --seconds 0.02"), dir.path());
    let tables = said.split_once("\n\n").map_or("", |(_, tables)| tables);
    assert!(PEERS.iter().all(|peer| tables.contains(peer)), "{said}");
}

#[test]
fn applies_run() {
    smoke("applies --tasks 1,8");
}

#[test]
fn bulk_runs() {
    smoke("bulk");
}

#[test]
fn recovery_runs() {
    smoke("recovery --records 2500 --keys 2500,300");
}

#[test]
fn reads_run() {
    smoke("reads");
}

/// Or says loudly that there is no server.
#[test]
fn redis_runs() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let said = said("redis --tasks 1,8 --rounds 1 --seconds 0.02", dir.path());
    assert!(said.contains(", redis") || said.contains("REDIS IS LEFT OUT"), "{said}");
}

#[test]
fn the_numbers_are_written_for_a_plot() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let csv = dir.path().join("applies.csv");
    let line = "applies --tasks 1 --rounds 1 --seconds 0.02 --peers ours,redb --csv";
    said(&format!("{line} {}", csv.display()), dir.path());
    #[expect(clippy::disallowed_methods, reason = "reads what the harness wrote")]
    let rows = std::fs::read_to_string(csv).expect("it is there");
    let peers: Vec<&str> = rows.lines().skip(1).filter_map(|row| row.split(',').nth(1)).collect();
    assert_eq!(peers, ["ours", "redb", "floor"]);
}

#[test]
fn one_does_its_work_and_finds_it_again() {
    for peer in PEERS {
        for work in ["applies --tasks 3", "bulk", "reads"] {
            let dir = tempfile::tempdir().expect("a temporary directory");
            let (work, flags) = work.split_once(' ').unwrap_or((work, "--tasks 1"));
            let line = format!("one {work} {peer} {flags} --operations 1100");
            let said = said(&line, dir.path());
            assert!(said.contains("\"operations\":1100"), "{line}: {said}");
        }
    }
}

#[test]
fn one_fails_where_something_is_missing() {
    for peer in PEERS {
        let dir = tempfile::tempdir().expect("a temporary directory");
        said(&format!("one fill {peer} --records 900 --keys 90"), dir.path());
        said(&format!("one recovery {peer} --records 900 --keys 90"), dir.path());
        let line = format!("one recovery {peer} --records 900 --keys 91");
        assert!(!harness(&line, dir.path()).status.success(), "{line}");
    }
}
