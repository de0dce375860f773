//! Where a subscription can begin: behind what was imported, and at numbers that nobody has reached.

use std::path::Path;

use ministate::storage::Simulated;
use ministate::{Follower, MiniStateError, Options, StateManager};
use ministate_tests::{Counter, Inc, open_simulated};

use super::{push_all, there};

const OLD: &str = "counter.wal.jsonl";

#[test]
fn what_was_imported_is_trimmed_and_what_comes_behind_it_is_yielded() {
    let dir = tempfile::tempdir().unwrap();
    let old = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/0.1/counter");
    for file in old.read_dir().unwrap().map(Result::unwrap) {
        std::fs::copy(file.path(), dir.path().join(file.file_name())).unwrap();
    }
    let counter: StateManager<Counter, Inc> =
        Options::new().blocking_open(dir.path(), OLD).unwrap();
    assert!(counter.recovery().imported.is_some());
    let (imported, before) = (counter.sequence(), counter.read(|counter| counter.value));
    let follower: Follower<Counter, Inc> = Options::new().blocking_follow(dir.path(), OLD).unwrap();
    let mut changes = counter.subscribe(imported + 1);
    for wanted in 1..=imported {
        match counter.subscribe(wanted).blocking_next() {
            Some(Err(MiniStateError::Trimmed { seq, first })) => {
                assert_eq!((seq, first), (wanted, imported + 1));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(changes.lag(), 0);
    counter.blocking_apply(Inc { by: 7 }).unwrap();
    let change = changes.blocking_next().unwrap().unwrap();
    assert_eq!((change.seq, change.mutation.by), (imported + 1, 7));
    follower.blocking_wait_for(imported + 1).unwrap();
    assert_eq!(follower.read(|counter| counter.value), before + 7);
}

#[test]
fn a_subscription_to_the_last_number_that_there_is_waits_and_ends() {
    let lists = open_simulated(&Simulated::new(), 400).unwrap();
    let mut changes = lists.subscribe(u64::MAX);
    push_all(&lists, 0..3);
    assert!(there(&mut changes).is_none());
    assert_eq!((changes.lag(), changes.next_sequence()), (0, u64::MAX));
    drop(lists);
    assert!(changes.blocking_next().is_none());
}
