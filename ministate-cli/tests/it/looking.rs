//! What is in a journal is told as it was written.

use std::fs;

use serde_json::json;

use crate::command::ask;
use crate::journals::{BankOp, active, closed, deposit, open, varied};

#[test]
fn cat_prints_every_mutation_across_segments_and_batches() {
    let dir = varied();
    let all = ask("cat", dir.path());
    assert_eq!(all.seqs(), (1..=30).collect::<Vec<u64>>());
    let objects = all.objects();
    assert_eq!(objects[0]["d"], json!({"cents": 1, "memo": "number 1"}));
    assert_eq!((&objects[0]["op"], &objects[0]["v"]), (&json!("deposit"), &json!(1)));
    assert_eq!(objects[11]["together"], json!({"first": 11, "n": 3}));
    assert_eq!(objects[11]["op"], "freeze");
    assert_eq!(objects[0].get("together"), None);
}

#[test]
fn cat_prints_what_is_asked_for() {
    let dir = varied();
    let seqs = |words: &str| ask(&format!("cat {words}"), dir.path()).seqs();
    assert_eq!(seqs("--from 9 --to 12"), [9, 10, 11, 12]);
    assert_eq!(seqs("--op freeze"), [12]);
    assert_eq!(seqs("--op freeze --op deposit --from 29"), [29, 30]);
    assert_eq!(seqs("--since 1h").len(), 30);
    assert_eq!(seqs("--since 2999-01-01"), [0; 0]);
    assert_eq!(seqs("--from 31"), [0; 0]);
    assert_eq!(ask("tail -n 3", dir.path()).seqs(), [28, 29, 30]);
    assert_eq!(ask("tail -n 2 --op freeze", dir.path()).seqs(), [12]);
    assert_eq!(ask("tail -n 100", dir.path()).seqs().len(), 30);
}

#[test]
fn payloads_are_printed_to_the_letter() {
    let dir = closed(0, u64::MAX);
    let bank = open(dir.path(), u64::MAX);
    let memo = "\u{e9}\"\\ \u{1f600}".to_string();
    bank.blocking_apply(BankOp::Deposit { cents: u64::MAX, memo }).unwrap();
    bank.blocking_close().unwrap();
    let journal = fs::read_to_string(active(dir.path())).unwrap();
    let (_, payload) = journal.split_once("\"d\":").unwrap();
    let (payload, _) = payload.split_once(",\"crc\"").unwrap();
    let printed = ask("cat", dir.path()).out;
    assert!(printed.contains(payload), "{printed}: {payload}");
}

#[test]
fn nothing_is_coloured_where_nobody_sees_colours() {
    let dir = varied();
    for words in ["status", "verify", "schema", "stats", "snapshots", "diff --from 3"] {
        assert!(!ask(words, dir.path()).out.contains('\u{1b}'), "{words}");
    }
}

#[test]
fn diff_counts_what_happened_between_two_mutations() {
    let dir = varied();
    let diff = ask("diff --json --from 10 --to 13", dir.path());
    let objects = diff.objects();
    assert_eq!(objects[0]["op"], "deposit");
    assert_eq!((&objects[0]["mutations"], &objects[1]["mutations"]), (&json!(2), &json!(1)));
    assert_eq!(diff.summary()["mutations"], 3);
    assert_eq!(ask("diff --json --records --from 10 --to 12", dir.path()).seqs(), [11, 12]);
}

#[test]
fn diff_compares_the_states_of_two_snapshots() {
    let dir = varied();
    let diff = ask("diff --state --from 0 --to 13", dir.path());
    assert!(diff.out.contains(".cents: 0 -> 79"), "{diff:?}");
    assert!(diff.out.contains(".memos[0]: nothing -> \"number 13\""), "{diff:?}");
    let without = ask("diff --state --from 0 --to 12", dir.path());
    assert_eq!(without.code, 3, "{without:?}");
}

#[test]
fn stats_count_operations_bytes_and_times() {
    let dir = varied();
    let stats = ask("stats --json", dir.path()).summary();
    assert_eq!((&stats["mutations"], &stats["records"]), (&json!(30), &json!(28)));
    assert_eq!(stats["operations"][0]["op"], "deposit");
    assert_eq!(stats["operations"][0]["mutations"], 29);
    let sum = |key: &str, count: &str| {
        let classes = stats[key].as_array().unwrap();
        classes.iter().map(|class| class[count].as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!((sum("sizes", "records"), sum("times", "mutations")), (28, 30));
    assert!(ask("stats", dir.path()).out.contains("####"));
}

#[test]
fn schema_counts_versions_and_compares_directories_and_locks() {
    let dir = varied();
    let schema = ask("schema --json", dir.path());
    let objects = schema.objects();
    assert_eq!(objects[0]["op"], "deposit");
    assert_eq!((&objects[0]["first"], &objects[0]["last"]), (&json!(1), &json!(30)));
    assert_eq!(objects[1]["first_time"], objects[1]["last_time"]);
    assert_eq!(objects[0]["status"], "written");
    assert_eq!(objects[2], json!({"state": 1, "snapshots": 2}));

    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/evolve_schema");
    let versions = |version: &str| std::path::PathBuf::from(format!("{fixtures}/{version}"));
    let old = ask("schema --json", &versions("v2"));
    assert!(old.objects().iter().any(|object| object["status"] == "needed"), "{old:?}");
    let same = ask(&format!("schema {}", dir.path().display()), dir.path());
    assert_eq!(same.code, 0, "{same:?}");
    let other = ask(&format!("schema {}", versions("v1").display()), &versions("v2"));
    assert_eq!(other.code, 1, "{other:?}");
    assert!(other.out.contains("only in the first"), "{other:?}");

    let lock = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/schema/evolve_schema.lock.jsonl");
    let known = ask(&format!("schema --lock {lock}"), &versions("v2"));
    assert_eq!(known.code, 0, "{known:?}");
    let unknown = ask(&format!("schema --lock {lock}"), dir.path());
    assert_eq!(unknown.code, 1, "{unknown:?}");
    assert!(unknown.out.contains("freeze@1: not in the lock"), "{unknown:?}");
    let no_lock = ask(&format!("schema --lock {}", active(dir.path()).display()), dir.path());
    assert_eq!(no_lock.code, 3, "{no_lock:?}");
}

#[test]
fn snapshots_are_listed() {
    let dir = varied();
    let listed = ask("snapshots --json", dir.path());
    assert_eq!(listed.seqs(), [0, 13]);
    assert!(listed.objects().iter().all(|one| one["sound"] == true && one["v"] == 1));
    let bank = open(dir.path(), 1_000);
    bank.blocking_apply(deposit(1)).unwrap();
    bank.blocking_create_snapshot().unwrap();
    assert_eq!(ask("snapshots --json", dir.path()).seqs(), [0, 13, 31]);
}
