//! A journal of ministate 0.1 is taken over without the application, which then finds its state.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use ministate::{MiniStateError, Mutations, Mutator, Options, StateManager};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::command::{Answer, ask};

#[derive(Debug, Default, Serialize, Deserialize)]
struct Counter {
    value: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Inc {
    by: u64,
}

impl Mutator<Counter> for Inc {
    fn apply(&self, counter: &mut Counter) {
        counter.value += self.by;
    }
}

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
struct Bank {
    cents: BTreeMap<String, u64>,
    frozen: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
#[mutations(state = Bank)]
enum BankOp {
    Open { account: String },
    Deposit(String, u64),
    Withdraw { account: String, cents: u64 },
    Freeze,
}

impl Bank {
    fn open(&mut self, account: String) {
        self.cents.insert(account, 0);
    }

    fn deposit(&mut self, account: String, cents: u64) {
        *self.cents.entry(account).or_default() += cents;
    }

    #[expect(clippy::needless_pass_by_value, reason = "an operation hands over its fields")]
    fn withdraw(&mut self, account: String, cents: u64) {
        if let Some(balance) = self.cents.get_mut(&account) {
            *balance -= cents;
        }
    }

    fn freeze(&mut self) {
        self.frozen = true;
    }
}

const JOURNAL: &str = "counter.wal.jsonl";

fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let paths = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_string();
    paths.map(|path| (name(&path), fs::read(&path).unwrap())).collect()
}

fn fixture(case: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/0.1").join(case)
}

fn copied(case: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in files(&fixture(case)) {
        fs::write(dir.path().join(name), content).unwrap();
    }
    dir
}

/// The file with the state that the counter and the bank begin with.
fn initial(dir: &Path, state: &str) -> String {
    let path = dir.join("initial.json");
    fs::write(&path, state).unwrap();
    format!("--initial {}", path.display())
}

fn counter(dir: &Path) -> Result<StateManager<Counter, Inc>, MiniStateError> {
    Options::new().blocking_open(dir, JOURNAL)
}

#[track_caller]
fn refused(dir: &Path, words: &str, code: i32, why: &str) -> Answer {
    let but_for_the_lock = || {
        let mut files = files(dir);
        files.remove("counter.wal.lock");
        files
    };
    let before = but_for_the_lock();
    let refused = ask(&format!("import {words}"), dir);
    assert_eq!((refused.code, refused.out.as_str()), (code, ""), "{refused:?}");
    assert!(refused.err.contains(why), "{refused:?}");
    assert!(but_for_the_lock() == before, "{refused:?} changed something");
    refused
}

#[test]
fn an_old_snapshot_and_the_records_behind_it_are_taken_over() {
    for (case, snapshot, replayed) in [("snapshot", 3, 2), ("numbered_snapshots", 4, 1)] {
        let dir = copied(case);
        refused(dir.path(), "", 2, "say how the application declares its mutations by now");
        let import = ask("import --json --mutations by-hand", dir.path());
        let summary = import.summary();
        assert_eq!((import.code, &summary["last"]), (0, &5.into()), "{import:?}");
        assert_eq!(
            (&summary["snapshot"], &summary["replayed"]),
            (&snapshot.into(), &replayed.into())
        );
        assert_eq!(ask("verify", dir.path()).code, 0);
        let app = counter(dir.path()).unwrap();
        assert!(app.recovery().imported.is_none());
        assert_eq!(app.recovery().replayed, replayed);
        assert_eq!((app.read(|counter| counter.value), app.sequence()), (11_111, 5), "{case}");
        assert_eq!(app.blocking_apply(Inc { by: 1 }).unwrap(), 6);
        app.blocking_create_snapshot().unwrap();
        app.blocking_close().unwrap();
        assert_eq!(counter(dir.path()).unwrap().read(|counter| counter.value), 11_112);
    }
}

#[test]
fn old_files_are_kept_as_they_were() {
    let dir = copied("numbered_snapshots");
    let import = ask("import --json --mutations by-hand", dir.path()).summary();
    let now = files(dir.path());
    let old = files(&fixture("numbered_snapshots"));
    for (name, content) in &old {
        let kept = format!("counter.wal.from-0.1.{}", name.trim_start_matches("counter.wal."));
        assert_eq!(now.get(&kept), Some(content), "{:?}", now.keys());
    }
    assert_eq!(import["kept"].as_array().unwrap().len(), old.len());
    // Once is enough.
    let again = ask("import --json", dir.path());
    assert_eq!((again.code, &again.summary()["imported"]), (0, &false.into()), "{again:?}");
    assert_eq!(files(dir.path()).len(), now.len());
}

#[test]
fn without_a_snapshot_the_initial_state_is_asked_for() {
    for (case, value, last) in [
        ("counter", 111, 3),
        ("oldest", 111, 3),
        ("rotated", 111_111_110, 8),
        ("interrupted_rotation", 111_111_110, 8),
        ("lost_newline", 1_111, 4),
        ("torn_tail", 11, 2),
        ("half_replaced_snapshot", 11_111, 5),
    ] {
        let dir = copied(case);
        refused(
            dir.path(),
            "--mutations by-hand",
            3,
            "name a file with this state: --initial FILE",
        );
        let initial = initial(dir.path(), "{\"value\": 0}\n");
        let import = ask(&format!("import --json --mutations by-hand {initial}"), dir.path());
        assert_eq!(import.code, 0, "{case}: {import:?}");
        assert_eq!(ask("verify", dir.path()).code, 0);
        let app = counter(dir.path()).unwrap();
        assert_eq!((app.read(|counter| counter.value), app.sequence()), (value, last), "{case}");
    }
}

#[test]
fn records_of_an_enum_that_is_derived_by_now_get_their_names() {
    let dir = copied("bank");
    let initial = initial(dir.path(), "{\"cents\":{},\"frozen\":false}");
    let import = ask(&format!("import --mutations derived {initial}"), dir.path());
    assert_eq!(import.code, 0, "{import:?}");
    assert!(import.out.contains("through mutation 5\n"), "{import:?}");
    let app: StateManager<Bank, BankOp> =
        Options::new().blocking_open(dir.path(), "bank.wal.jsonl").unwrap();
    let cents = [("alice".to_string(), 380), ("bob \"}{\" \u{fc}".to_string(), 7)];
    assert_eq!(app.read(Bank::clone), Bank { cents: cents.into(), frozen: true });
    let names: Vec<_> =
        ask("cat", dir.path()).objects().iter().map(|one| one["op"].to_string()).collect();
    assert_eq!(names, ["\"open\"", "\"deposit\"", "\"deposit\"", "\"withdraw\"", "\"freeze\""]);
}

#[test]
fn what_an_application_would_refuse_is_refused_before_anything_is_written() {
    let dir = copied("counter");
    let state = initial(dir.path(), "{\"value\":0}");
    let why = "it is not a variant of an enum in serde's default form";
    // `Inc` is a struct, and `{"by":1}` looks like a variant; a number is none.
    fs::write(dir.path().join(JOURNAL), "// MINISTORE JOURNAL v0.1.4\n[1]\n").unwrap();
    refused(dir.path(), &format!("--mutations derived {state}"), 3, why);
    fs::write(dir.path().join(JOURNAL), "// MINISTORE JOURNAL v0.1.4\n{\"\u{e4}\":1}\n").unwrap();
    refused(dir.path(), &format!("--mutations derived {state}"), 3, "cannot be a tag");
    let state = initial(dir.path(), "{\"value\":");
    refused(dir.path(), &format!("--mutations by-hand {state}"), 3, "does not hold one JSON value");
    let state = initial(dir.path(), "{\"value\":0}");
    fs::write(dir.path().join(JOURNAL), "// MINISTORE JOURNAL v0.1.4\n{\"by\n{\"by\":1}\n")
        .unwrap();
    refused(
        dir.path(),
        &format!("--mutations by-hand {state}"),
        3,
        "is not a record of ministate 0.1",
    );

    let dir = copied("rotated_and_removed");
    let state = initial(dir.path(), "{\"value\":0}");
    refused(dir.path(), &format!("--mutations by-hand {state}"), 3, "is missing");
}

/// As each moment of an interruption leaves it: the application, or a second run, ends it.
#[test]
fn an_import_that_was_interrupted_is_ended() {
    let whole = copied("snapshot");
    assert_eq!(ask("import --mutations by-hand", whole.path()).code, 0);
    let new = files(whole.path());
    let at = |switched: bool| {
        let dir = copied("snapshot");
        for (name, content) in &new {
            if name.contains(".wal.snapshot.") {
                fs::write(dir.path().join(name), content).unwrap();
            }
        }
        fs::write(dir.path().join("counter.wal.next.jsonl"), &new[JOURNAL]).unwrap();
        if switched {
            let kept = dir.path().join("counter.wal.from-0.1.jsonl");
            fs::rename(dir.path().join(JOURNAL), kept).unwrap();
        }
        dir
    };
    for switched in [false, true] {
        let dir = at(switched);
        let app = counter(dir.path()).unwrap();
        assert_eq!((app.read(|counter| counter.value), app.sequence()), (11_111, 5));
        drop(app);
        let dir = at(switched);
        let import = ask("import --mutations by-hand --json", dir.path());
        assert_eq!((import.code, &import.summary()["last"]), (0, &5.into()), "{import:?}");
        assert!(!dir.path().join("snapshot.seq").exists());
        let app = counter(dir.path()).unwrap();
        assert_eq!((app.read(|counter| counter.value), app.sequence()), (11_111, 5));
    }
}

#[test]
fn a_journal_that_an_application_has_open_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let app = counter(dir.path()).unwrap();
    let refused = ask("import", dir.path());
    assert_eq!(refused.code, 3, "{refused:?}");
    assert!(refused.err.contains("has the journal open"), "{refused:?}");
    drop(app);
}
