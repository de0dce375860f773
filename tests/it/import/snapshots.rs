//! Which old snapshot does an import begin with, and what becomes of the others?

use std::fs;

use ministate::{MiniStateError, Mutator, StateManager};
use ministate_tests::Inc;
use serde::{Deserialize, Serialize};

use super::{Counters, JOURNAL, copied, counter, opened, reached};

#[test]
fn the_import_begins_with_the_newest_old_snapshot() {
    for (case, seq) in [("snapshot", 3), ("numbered_snapshots", 4)] {
        let dir = copied(case);
        fs::create_dir(dir.path().join("below")).unwrap();
        fs::write(dir.path().join("notes.txt"), "mine").unwrap();
        let counter = counter(dir.path());
        let imported = counter.recovery().imported.as_ref().unwrap();
        assert_eq!(imported.snapshot, Some(seq), "{case}");
        assert!(imported.rejected_snapshots.is_empty());
    }
}

/// A default that was changed since shows what the state was built from.
#[test]
fn records_that_an_old_snapshot_holds_are_not_applied_again() {
    #[derive(Serialize, Deserialize)]
    struct Odd {
        value: u64,
    }

    impl Default for Odd {
        fn default() -> Self {
            Odd { value: 7_000_000 }
        }
    }

    impl Mutator<Odd> for Inc {
        fn apply(&self, odd: &mut Odd) {
            odd.value += self.by;
        }
    }

    for (case, value) in [("snapshot", 11_111), ("counter", 7_000_111)] {
        let dir = copied(case);
        let odd: StateManager<Odd, Inc> = opened(dir.path(), JOURNAL).unwrap();
        assert_eq!(odd.read(|odd| odd.value), value, "{case}");
    }
}

#[test]
fn an_old_snapshot_that_cannot_be_read_is_reported_and_the_one_before_is_used() {
    let dir = copied("numbered_snapshots");
    let path = |seq| dir.path().join(format!("snapshot_{seq:020}.json"));
    fs::write(path(4), "{\"seq\": 4, \"state\": {").unwrap();
    let counter = counter(dir.path());
    assert_eq!(reached(&counter), (11_111, 5));
    let imported = counter.recovery().imported.as_ref().unwrap();
    assert_eq!(imported.snapshot, Some(2));
    let [rejected] = imported.rejected_snapshots.as_slice() else { panic!("{imported:?}") };
    assert_eq!(rejected.path, path(4));
    assert!(matches!(rejected.why.as_deref(), Some(MiniStateError::Corrupt { .. })));
}

#[test]
fn without_a_readable_snapshot_the_whole_journal_is_replayed() {
    for (file, content) in [
        ("snapshot.json", "{\n  \"value\": 111\n}}"),
        ("snapshot.json", ""),
        ("snapshot.seq", "three"),
        ("snapshot.seq", ""),
        ("snapshot.seq", "-3"),
    ] {
        let dir = copied("snapshot");
        fs::write(dir.path().join(file), content).unwrap();
        let counter = counter(dir.path());
        assert_eq!(reached(&counter), (11_111, 5), "{file} {content:?}");
        let imported = counter.recovery().imported.as_ref().unwrap();
        assert_eq!((imported.snapshot, imported.rejected_snapshots.len()), (None, 1));
    }
}

#[test]
fn a_snapshot_whose_two_files_may_not_belong_together_is_not_used() {
    let dir = copied("half_replaced_snapshot");
    let counter = counter(dir.path());
    assert_eq!(reached(&counter), (11_111, 5));
    let imported = counter.recovery().imported.as_ref().unwrap();
    assert_eq!((imported.snapshot, imported.rejected_snapshots.len()), (None, 1));
}

#[test]
fn a_snapshot_that_two_journals_share_is_neither_used_nor_moved() {
    let dir = copied("two_journals_and_one_snapshot");
    for (journal, reaches) in [(JOURNAL, (11_111, 5)), ("other.wal.jsonl", (2_222, 4))] {
        let counter: Counters = opened(dir.path(), journal).unwrap();
        assert_eq!(reached(&counter), reaches);
        let imported = counter.recovery().imported.as_ref().unwrap();
        assert_eq!((imported.snapshot, imported.rejected_snapshots.len()), (None, 1));
        assert!(dir.path().join("snapshot.json").exists());
        assert!(dir.path().join("snapshot.seq").exists());
    }
}

#[test]
fn a_number_without_a_state_is_no_snapshot() {
    let dir = copied("snapshot");
    fs::remove_file(dir.path().join("snapshot.json")).unwrap();
    let counter = counter(dir.path());
    assert_eq!(reached(&counter), (11_111, 5));
    assert_eq!(counter.recovery().imported.as_ref().unwrap().snapshot, None);
}

/// minisnap writes snapshots in another form than JSON where it is asked to.
#[test]
fn a_snapshot_that_is_not_json_is_reported_and_put_away() {
    let dir = copied("numbered_snapshots");
    fs::write(dir.path().join("snapshot_00000000000000000005"), [0x92, 5]).unwrap();
    let counter = counter(dir.path());
    assert_eq!(reached(&counter), (11_111, 5));
    let imported = counter.recovery().imported.as_ref().unwrap();
    assert_eq!((imported.snapshot, imported.rejected_snapshots.len()), (Some(4), 1));
    assert_eq!(imported.kept.len(), 4);
}
