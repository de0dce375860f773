//! Does the journal replay to the state in memory, and where does it begin not to?

use std::sync::atomic::Ordering;
use std::task::{Context, Waker};

use ministate::storage::Simulated;
use ministate::{MiniStateError, Mutator, Options};
use ministate_tests::{JOURNAL, Lists, push};
use serde::{Deserialize, Serialize};

/// Counts what is taken from a counter of the process: as wrong as a handler can be.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Wrong {
    taken: Vec<u64>,
}

#[derive(Serialize, Deserialize)]
enum Draw {
    /// What is deterministic.
    Fixed(u64),
    /// What is not.
    Chance,
}

impl Mutator<Wrong> for Draw {
    fn apply(&self, wrong: &mut Wrong) {
        static DRAWN: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1_000);
        wrong.taken.push(match self {
            Draw::Fixed(number) => *number,
            Draw::Chance => DRAWN.fetch_add(1, Ordering::Relaxed),
        });
    }
}

#[test]
fn a_state_that_the_journal_does_not_replay_to_is_found_with_its_first_mutation() {
    for (count, astray) in [(10_u64, 7_u64), (2_000, 1_234), (1, 1)] {
        let disk = Simulated::new();
        let options = Options::new().segment_bytes(60_000).storage(disk.clone());
        let wrong = options.blocking_open::<Wrong, Draw>("wrong", "wrong.wal.jsonl").unwrap();
        for seq in 1..astray {
            wrong.blocking_apply(Draw::Fixed(seq)).unwrap();
        }
        wrong.blocking_verify_replay().unwrap();
        wrong.blocking_apply(Draw::Chance).unwrap();
        let more = (astray + 1..=count).map(Draw::Fixed);
        wrong.blocking_apply_batch(more).unwrap();
        match wrong.blocking_verify_replay() {
            Err(MiniStateError::Diverged { first, through }) => {
                assert_eq!((first, through), (astray, count));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_journal_that_replays_to_the_state_is_verified_beside_writers() {
    let disk = Simulated::new();
    let lists: Lists = Options::new().storage(disk).open("lists", JOURNAL).await.unwrap();
    lists.verify_replay().await.unwrap();
    for entry in 0..20 {
        lists.apply(push(entry)).await.unwrap();
    }
    lists.create_snapshot().await.unwrap();
    lists.verify_replay().await.unwrap();
    lists.apply(push(20)).await.unwrap();
    lists.verify_replay().await.unwrap();
}

/// Once, a replay wanted a snapshot before the mutation, and said that there is none.
#[test]
fn a_journal_of_which_one_snapshot_is_left_is_verified() {
    let disk = Simulated::new();
    let options = Options::new().segment_bytes(600).snapshots_kept(1).storage(disk);
    let lists: Lists = options.blocking_open("lists", JOURNAL).unwrap();
    for round in 0..3 {
        for entry in 0..20 {
            lists.blocking_apply(push(round * 20 + entry)).unwrap();
        }
        lists.blocking_create_snapshot().unwrap();
        lists.blocking_compact().unwrap();
        lists.blocking_verify_replay().unwrap();
        lists.blocking_apply(push(1)).unwrap();
        lists.blocking_verify_replay().unwrap();
    }
}

#[test]
fn a_state_that_differs_from_the_only_snapshot_is_found() {
    let options = Options::new().snapshots_kept(1).storage(Simulated::new());
    let wrong = options.blocking_open::<Wrong, Draw>("wrong", "wrong.wal.jsonl").unwrap();
    wrong.blocking_apply(Draw::Chance).unwrap();
    wrong.blocking_apply(Draw::Fixed(1)).unwrap();
    wrong.blocking_create_snapshot().unwrap();
    wrong.blocking_compact().unwrap();
    let verified = wrong.blocking_verify_replay();
    let expected = matches!(verified, Err(MiniStateError::Diverged { first: 2, through: 2 }));
    assert!(expected, "{verified:?}");
}

/// Once, a compaction that came between the taking of the state and its replay was an error.
#[tokio::test]
async fn a_replay_that_a_compaction_overtakes_begins_anew() {
    let options = Options::new().segment_bytes(600).snapshots_kept(1).storage(Simulated::new());
    let lists: Lists = options.open("lists", JOURNAL).await.unwrap();
    lists.apply_batch((0..10).map(push)).await.unwrap();
    let mut verification = Box::pin(lists.verify_replay());
    let mut context = Context::from_waker(Waker::noop());
    assert!(verification.as_mut().poll(&mut context).is_pending());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for entry in 10..30 {
                lists.blocking_apply(push(entry)).unwrap();
            }
            lists.blocking_create_snapshot().unwrap();
            lists.blocking_compact().unwrap();
        });
    });
    verification.await.unwrap();
}
