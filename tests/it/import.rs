//! A directory of ministate 0.1 opens with its state, goes on in ours, and keeps its old files.

mod interruptions;
mod records;
mod refusals;
mod snapshots;
mod tails;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use ministate::{MiniStateError, Mutator, Options, StateManager};
use ministate_tests::{Counter, Inc};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::TempDir;

type Counters = StateManager<Counter, Inc>;

const JOURNAL: &str = "counter.wal.jsonl";

/// The directories that open, with their journal, its state and its last mutation.
const SOUND: [(&str, &str, u64, u64); 12] = [
    ("oldest", JOURNAL, 111, 3),
    ("counter", JOURNAL, 111, 3),
    ("three_digits", JOURNAL, 111_111_110, 8),
    ("rotated", JOURNAL, 111_111_110, 8),
    ("interrupted_rotation", JOURNAL, 111_111_110, 8),
    ("snapshot", JOURNAL, 11_111, 5),
    ("half_replaced_snapshot", JOURNAL, 11_111, 5),
    ("numbered_snapshots", JOURNAL, 11_111, 5),
    ("two_journals_and_one_snapshot", JOURNAL, 11_111, 5),
    ("two_journals_and_one_snapshot", "other.wal.jsonl", 2_222, 4),
    ("lost_newline", JOURNAL, 1_111, 4),
    ("torn_tail", JOURNAL, 11, 2),
];

type Files = BTreeMap<String, Vec<u8>>;

fn files(dir: &Path) -> Files {
    let paths = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    paths
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_string();
            (name, fs::read(path).unwrap())
        })
        .collect()
}

fn fixture(case: &str) -> Files {
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/0.1").join(case))
}

fn copied(case: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in fixture(case) {
        fs::write(dir.path().join(name), content).unwrap();
    }
    dir
}

fn opened<S, M>(dir: &Path, journal: &str) -> Result<StateManager<S, M>, MiniStateError>
where
    S: Default + Serialize + DeserializeOwned + Send + Sync + 'static,
    M: Mutator<S> + Serialize + DeserializeOwned + Send + 'static,
{
    Options::new().blocking_open(dir, journal)
}

fn counter(dir: &Path) -> Counters {
    opened(dir, JOURNAL).unwrap()
}

/// The state's value, and the last mutation.
fn reached(counter: &Counters) -> (u64, u64) {
    (counter.read(|counter| counter.value), counter.sequence())
}

#[track_caller]
fn refused(dir: &Path) -> MiniStateError {
    let but_for_the_lock = || {
        let mut files = files(dir);
        files.remove("counter.wal.lock");
        files
    };
    let before = but_for_the_lock();
    let error = opened::<Counter, Inc>(dir, JOURNAL).expect_err("bad input was accepted");
    assert!(but_for_the_lock() == before, "{error}");
    error
}

/// Every file that 0.1 wrote is there, once, with the bytes that it had.
#[track_caller]
fn assert_kept(old: &Files, now: &Files) {
    for content in old.values() {
        let copies = |files: &Files| files.values().filter(|other| *other == content).count();
        assert_eq!(copies(now), copies(old), "{:?}", now.keys());
    }
}

#[test]
fn each_release_of_0_1_left_directories_that_open_with_their_state() {
    for (case, journal, value, seq) in SOUND {
        let dir = copied(case);
        let counter = opened(dir.path(), journal).unwrap_or_else(|error| panic!("{case}: {error}"));
        assert_eq!(reached(&counter), (value, seq), "{case}");
        let imported = counter.recovery().imported.as_ref().unwrap();
        assert_eq!(imported.mutations, seq, "{case}");
    }
}

#[test]
fn history_goes_on_with_the_next_number() {
    for (case, journal, value, seq) in SOUND {
        let dir = copied(case);
        let counter: Counters = opened(dir.path(), journal).unwrap();
        assert_eq!(counter.blocking_apply(Inc { by: 5 }).unwrap(), seq + 1, "{case}");
        counter.blocking_create_snapshot().unwrap();
        assert_eq!(counter.blocking_apply(Inc { by: 6 }).unwrap(), seq + 2, "{case}");
        counter.blocking_compact().unwrap();
        drop(counter);
        assert_eq!(reached(&opened(dir.path(), journal).unwrap()), (value + 11, seq + 2), "{case}");
    }
}

#[test]
fn a_directory_is_taken_over_once() {
    for (case, journal, value, seq) in SOUND {
        let dir = copied(case);
        drop(opened::<Counter, Inc>(dir.path(), journal).unwrap());
        let but_the_lock = || {
            let mut files = files(dir.path());
            // Each opening says in it how long it took.
            files.retain(|name, _| !name.ends_with(".lock"));
            files
        };
        let before = but_the_lock();
        for _ in 0..2 {
            let counter = opened(dir.path(), journal).unwrap();
            assert_eq!(reached(&counter), (value, seq), "{case}");
            assert!(counter.recovery().imported.is_none());
            assert_eq!(counter.recovery().replayed, 0);
            assert!(counter.recovery().torn_tail.is_none());
        }
        assert_eq!(but_the_lock(), before, "{case}");
    }
}

#[test]
fn old_files_are_kept_as_they_were_under_other_names() {
    for (case, journal, ..) in SOUND {
        let dir = copied(case);
        let counter: Counters = opened(dir.path(), journal).unwrap();
        let now = files(dir.path());
        assert_kept(&fixture(case), &now);
        let stem = journal.strip_suffix(".jsonl").unwrap();
        for path in &counter.recovery().imported.as_ref().unwrap().kept {
            let name = path.file_name().unwrap().to_str().unwrap();
            assert!(name.starts_with(&format!("{stem}.from-0.1.")), "{case}: {name}");
            assert!(fixture(case).values().any(|content| now[name] == *content), "{case}: {name}");
        }
        let active = now.get(&format!("{stem}.from-0.1.jsonl"));
        assert_eq!(active, fixture(case).get(journal), "{case}");
    }
}

#[test]
fn all_old_files_of_the_journal_are_put_away() {
    for (case, kept) in [
        ("rotated", &["jsonl", "jsonl.000001", "jsonl.000002", "jsonl.000003"][..]),
        ("interrupted_rotation", &["jsonl.000001", "jsonl.000002", "jsonl.000003", "jsonl.000004"]),
        ("three_digits", &["jsonl", "jsonl.001", "jsonl.002", "jsonl.003"]),
        ("snapshot", &["jsonl", "snapshot.json", "snapshot.seq"]),
        ("half_replaced_snapshot", &["jsonl", "snapshot.json", "snapshot.seq", "snapshot.seq.tmp"]),
        (
            "numbered_snapshots",
            &["jsonl", "snapshot_00000000000000000002.json", "snapshot_00000000000000000004.json"],
        ),
    ] {
        let dir = copied(case);
        let names: Vec<_> = kept
            .iter()
            .map(|name| dir.path().join(format!("counter.wal.from-0.1.{name}")))
            .collect();
        let counter = counter(dir.path());
        assert_eq!(counter.recovery().imported.as_ref().unwrap().kept, names, "{case}");
        let of_ours = ["jsonl", "snapshot", "head", "lock", "from-0.1"];
        for name in files(dir.path()).keys() {
            let rest =
                name.strip_prefix("counter.wal.").unwrap_or_else(|| panic!("{case}: {name}"));
            assert!(of_ours.iter().any(|ours| rest.starts_with(ours)), "{case}: {name}");
        }
    }
}

#[test]
fn files_of_the_application_stay_where_they_are() {
    let dir = copied("counter");
    for name in ["snapshot.json", "snapshot_42.json", "snapshot.json.tmp", "counter.wal.jsonl.bak"]
    {
        fs::write(dir.path().join(name), "mine").unwrap();
    }
    let before = files(dir.path());
    assert_eq!(reached(&counter(dir.path())), (111, 3));
    let after = files(dir.path());
    for (name, content) in before.iter().filter(|(name, _)| *name != JOURNAL) {
        assert_eq!(after.get(name), Some(content), "{name}");
    }
}

#[test]
fn an_earlier_import_is_not_overwritten() {
    let dir = copied("counter");
    drop(counter(dir.path()));
    let kept = dir.path().join("counter.wal.from-0.1.jsonl");
    for name in files(dir.path()).keys().filter(|name| !name.contains("from-0.1")) {
        fs::remove_file(dir.path().join(name)).unwrap();
    }
    let restored = "// MINISTORE JOURNAL v0.1.4\n{\"by\":4}\n";
    fs::write(dir.path().join(JOURNAL), restored).unwrap();
    let counter = counter(dir.path());
    assert_eq!(reached(&counter), (4, 1));
    assert_eq!(fs::read(&kept).unwrap(), fixture("counter")[JOURNAL]);
    let imported = counter.recovery().imported.as_ref().unwrap();
    let other = imported.kept.iter().find(|path| **path != kept).unwrap();
    assert_eq!(fs::read(other).unwrap(), restored.as_bytes());
}

#[test]
fn progress_is_told_of_an_old_journal() {
    use std::sync::{Arc, Mutex};
    let dir = tempfile::tempdir().unwrap();
    let records = format!("{{\"by\":1{}}}\n", " ".repeat(90)).repeat(40_000);
    fs::write(dir.path().join(JOURNAL), format!("// MINISTORE JOURNAL v0.1.4\n{records}")).unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let listener = {
        let told = Arc::clone(&told);
        move |progress: ministate::Progress| told.lock().unwrap().push(progress.replayed)
    };
    let counter: Counters =
        Options::new().on_progress(listener).blocking_open(dir.path(), JOURNAL).unwrap();
    assert_eq!(reached(&counter), (40_000, 40_000));
    let told = told.lock().unwrap();
    assert!(told.len() > 3 && told.contains(&40_000), "{told:?}");
}

#[test]
fn paths_of_kept_files_are_in_the_directory_of_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("below")).unwrap();
    fs::write(dir.path().join("below/journal"), &fixture("counter")[JOURNAL]).unwrap();
    let counter: Counters = opened(dir.path(), "below/journal").unwrap();
    assert_eq!(reached(&counter), (111, 3));
    let kept: Vec<PathBuf> = counter.recovery().imported.as_ref().unwrap().kept.clone();
    assert_eq!(kept, [dir.path().join("below/journal.journal.from-0.1.journal")]);
}
