//! Whatever thread goes on at whatever lock: who is told `Ok` is durable and visible, once and in
//! order, and everybody is told something.
//!
//! The sources of ministate, compiled with the locks, atomics and threads of a model checker,
//! which runs each scenario under many schedules. A scenario that hangs is a deadlock to it.

mod controls;
mod disk;
mod explored;
mod ledger;

use std::sync::Arc;

use ministate_shuttled::model::Handle;
use ministate_shuttled::storage::Fault;
use ministate_shuttled::{MiniStateError, SnapshotEvery};
use shuttle::future::block_on;
use shuttle::rand::{Rng, thread_rng};
use shuttle::thread::{self, JoinHandle};

use disk::Behavior;
use explored::explore;
use ledger::{Ledger, PANICS, reopen};

fn below(bound: u64) -> u64 {
    thread_rng().gen_range(0..bound)
}

/// Does something beside the others.
fn beside(ledger: &Arc<Ledger>, work: impl FnOnce(Arc<Ledger>) + Send + 'static) -> JoinHandle<()> {
    let ledger = Arc::clone(ledger);
    thread::spawn(move || work(ledger))
}

/// Pushes the entries, one after the other, from a thread of its own.
fn pusher<const N: usize>(ledger: &Arc<Ledger>, entries: [u64; N]) -> JoinHandle<()> {
    beside(ledger, move |ledger| {
        for entry in entries {
            ledger.push(entry).unwrap();
        }
    })
}

fn join(threads: impl IntoIterator<Item = JoinHandle<()>>) {
    for thread in threads {
        thread.join().unwrap();
    }
}

/// A runtime of any kind.
fn any_runtime() -> Handle {
    match below(3) {
        0 => Handle::current_thread(),
        workers => Handle::multi_thread(workers as usize),
    }
}

#[test]
fn blocking_callers() {
    explore("blocking_callers", || {
        let ledger = Ledger::open(Behavior::Works);
        let pair = beside(&ledger, |ledger| ledger.push_two([30, 31]).unwrap());
        join([pusher(&ledger, [10, 11]), pusher(&ledger, [20, 21]), pair]);
        assert_eq!(ledger.lists.sequence(), 6);
        ledger.check();
    });
}

/// On an executor that is not Tokio's.
#[test]
fn tasks_without_a_runtime() {
    explore("tasks_without_a_runtime", || {
        let ledger = Ledger::open(Behavior::Works);
        let tasks = [10, 20, 30].map(|entry| {
            let ledger = Arc::clone(&ledger);
            shuttle::future::spawn(async move {
                ledger.push_async(entry).await.unwrap();
                ledger.push_async(entry + 1).await.unwrap();
            })
        });
        for task in tasks {
            block_on(task).unwrap();
        }
        assert_eq!(ledger.lists.sequence(), 6);
        ledger.check();
    });
}

#[test]
fn tasks_of_a_runtime() {
    explore("tasks_of_a_runtime", || {
        let (ledger, runtime) = (Ledger::open(Behavior::Works), any_runtime());
        let tasks = [10, 20, 30].map(|entry| {
            let ledger = Arc::clone(&ledger);
            runtime.spawn(async move {
                ledger.push_async(entry).await.unwrap();
                ledger.push_async(entry + 1).await.unwrap();
            })
        });
        for task in tasks {
            block_on(task).unwrap();
        }
        assert_eq!(ledger.lists.sequence(), 6);
        ledger.check();
    });
}

/// Some of them block the workers that the others' leader would need.
#[test]
fn tasks_and_threads() {
    explore("tasks_and_threads", || {
        let (ledger, runtime) = (Ledger::open(Behavior::Works), any_runtime());
        let thread = pusher(&ledger, [10, 11]);
        let tasks = [20, 30, 40].map(|entry| {
            let ledger = Arc::clone(&ledger);
            runtime.spawn(async move {
                if entry == 40 {
                    ledger.push(entry).unwrap();
                } else {
                    ledger.push_async(entry).await.unwrap();
                }
                ledger.push_async(entry + 1).await.unwrap();
            })
        });
        for task in tasks {
            block_on(task).unwrap();
        }
        join([thread]);
        assert_eq!(ledger.lists.sequence(), 8);
        ledger.check();
    });
}

/// Among them the one whose poll leads, or called the leader.
#[test]
fn callers_that_leave() {
    explore("callers_that_leave", || {
        let (ledger, runtime) = (Ledger::open(Behavior::Works), any_runtime());
        let thread = pusher(&ledger, [10]);
        let stays = {
            let ledger = Arc::clone(&ledger);
            runtime.spawn(async move { ledger.push_async(20).await.unwrap() })
        };
        let leave = [30, 40].map(|entry| {
            let (ledger, polls) = (Arc::clone(&ledger), below(4) as usize);
            runtime.spawn(async move { ledger.push_and_leave(entry, polls).await })
        });
        let elsewhere = {
            let (ledger, polls) = (Arc::clone(&ledger), below(3) as usize);
            shuttle::future::spawn(async move { ledger.push_and_leave(50, polls).await })
        };
        block_on(stays).unwrap();
        for task in leave {
            block_on(task).unwrap();
        }
        block_on(elsewhere).unwrap();
        join([thread]);
        ledger.push(60).unwrap();
        ledger.check();
    });
}

/// Its tasks are dropped wherever they are, the leader that was called among them.
#[test]
fn a_runtime_that_shuts_down() {
    explore("a_runtime_that_shuts_down", || {
        let (ledger, runtime) = (Ledger::open(Behavior::Works), any_runtime());
        let tasks = [20, 30].map(|entry| {
            let ledger = Arc::clone(&ledger);
            runtime.spawn(async move { ledger.push_and_leave(entry, 1_000).await })
        });
        let thread = pusher(&ledger, [10]);
        let shut_down = thread::spawn(move || runtime.shut_down());
        join([thread, shut_down]);
        for task in tasks {
            block_on(task).ok();
        }
        ledger.push(40).unwrap();
        ledger.check();
    });
}

/// Any one call of the disk fails, a sync among them.
#[test]
fn a_disk_that_fails() {
    explore("a_disk_that_fails", || {
        let ledger = Ledger::open(Behavior::Works);
        let disk = &ledger.disk.simulated;
        disk.fail_at(disk.calls() + below(6), Fault::Fails);
        check_poisoning(ledger);
    });
}

#[test]
fn a_disk_that_panics() {
    explore("a_disk_that_panics", || {
        let syncs = Ledger::open(Behavior::Works).disk.syncs();
        check_poisoning(Ledger::open(Behavior::PanicsAt(syncs + below(3))));
    });
}

/// Callers of all kinds until the manager is poisoned, if it is, and one call of each behind it.
fn check_poisoning(ledger: Arc<Ledger>) {
    let runtime = any_runtime();
    let push_all = |entries: [u64; 3]| {
        beside(&ledger, move |ledger| {
            let mut failed = false;
            for entry in entries {
                let answer = ledger.push(entry);
                assert!(!failed || is_poisoned(&answer), "{answer:?} after a failure");
                failed |= answer.is_err();
            }
        })
    };
    let threads = [push_all([10, 11, 12]), push_all([20, 21, 22])];
    let task = {
        let ledger = Arc::clone(&ledger);
        runtime.spawn(async move {
            let failed = ledger.push_async(30).await.is_err();
            let answer = ledger.push_async(31).await;
            assert!(!failed || is_poisoned(&answer), "{answer:?} after a failure");
        })
    };
    block_on(task).unwrap();
    join(threads);
    let answer = ledger.push(40);
    assert_eq!(is_poisoned(&answer), answer.is_err(), "{answer:?}");
    let closed = ledger.lists.blocking_close();
    assert_eq!(is_poisoned(&closed), is_poisoned(&answer), "{closed:?}");
    ledger.check();
}

fn is_poisoned<T>(answer: &Result<T, MiniStateError>) -> bool {
    matches!(answer, Err(MiniStateError::Poisoned { .. }))
}

/// Readers never see what it left half done.
#[test]
fn a_handler_that_panics() {
    explore("a_handler_that_panics", || {
        let ledger = Ledger::open(Behavior::Works);
        let push = |entry| beside(&ledger, move |ledger| drop(ledger.push(entry)));
        let reader = beside(&ledger, |ledger| {
            let mut list = Vec::new();
            for _ in 0..40 {
                list = ledger.look(&list);
                assert!(!list.contains(&PANICS), "half an operation was seen");
            }
        });
        let panics = beside(&ledger, |ledger| {
            let answer = ledger.push(PANICS);
            let panicked = matches!(answer, Err(MiniStateError::HandlerPanicked { .. }));
            assert!(panicked, "{answer:?}");
        });
        join([push(10), panics, push(20), reader]);
        assert!(is_poisoned(&ledger.push(30)));
        assert!(is_poisoned(&block_on(ledger.push_async(40))));
        ledger.check();
    });
}

#[test]
fn a_close_beside_callers() {
    explore("a_close_beside_callers", || {
        let (ledger, runtime) = (Ledger::open(Behavior::Works), any_runtime());
        let push = |entry| {
            beside(&ledger, move |ledger| {
                for entry in [entry, entry + 1] {
                    let answer = ledger.push(entry);
                    assert!(matches!(answer, Ok(_) | Err(MiniStateError::Closed)), "{answer:?}");
                }
            })
        };
        let close = beside(&ledger, |ledger| {
            ledger.lists.blocking_close().unwrap();
            // The lock is free, and the journal at its end.
            let on_disk = reopen(&ledger.disk.simulated);
            assert_eq!(ledger.lists.read(|list| list.entries.clone()), on_disk);
            assert!(matches!(ledger.push(90), Err(MiniStateError::Closed)));
        });
        let again = {
            let ledger = Arc::clone(&ledger);
            runtime.spawn(async move {
                ledger.push_async(30).await.ok();
                ledger.lists.close().await.unwrap();
            })
        };
        let threads = [push(10), push(20), close];
        block_on(again).unwrap();
        join(threads);
        ledger.check();
    });
}

/// They see whole batches, and nothing that a power cut could take.
#[test]
fn readers_beside_writers() {
    explore("readers_beside_writers", || {
        let ledger = Ledger::open(Behavior::Works);
        let pair = beside(&ledger, |ledger| ledger.push_two([30, 31]).unwrap());
        let reader = || {
            beside(&ledger, |ledger| {
                let mut before = Vec::new();
                while before.len() < 5 {
                    let list = ledger.look(&before);
                    assert!(list.starts_with(&before), "a reader saw the past");
                    assert_eq!(list.contains(&30), list.contains(&31), "half a batch was seen");
                    before = list;
                    thread::yield_now();
                }
            })
        };
        join([pusher(&ledger, [10, 11]), reader(), pair, reader(), pusher(&ledger, [20])]);
        ledger.check();
    });
}

#[test]
fn snapshots_and_compaction_beside_writers() {
    explore("snapshots_and_compaction_beside_writers", || {
        let ledger = Ledger::open_with_snapshots(SnapshotEvery::Mutations(3));
        let upkeep = beside(&ledger, |ledger| {
            match below(3) {
                0 => ledger.lists.blocking_create_snapshot().unwrap(),
                1 => ledger.lists.blocking_create_snapshot_by_clone().unwrap(),
                _ => ledger.lists.blocking_verify_replay().unwrap(),
            }
            ledger.lists.blocking_compact().unwrap();
        });
        let by_clone = beside(&ledger, |ledger| {
            for _ in 0..3 {
                ledger.lists.blocking_create_snapshot_by_clone().unwrap();
            }
        });
        join([pusher(&ledger, [10, 11]), pusher(&ledger, [20, 21]), upkeep, by_clone]);
        let status = ledger.lists.journal_status();
        assert!(status.snapshot_failure.is_none(), "{status:?}");
        ledger.lists.blocking_verify_replay().unwrap();
        ledger.check();
    });
}

/// Once, it was published all the same, with the place of another record in the journal.
#[test]
fn a_clone_that_a_compaction_overtakes() {
    explore("a_clone_that_a_compaction_overtakes", || {
        let ledger = Ledger::open_with_snapshots(SnapshotEvery::Mutations(1_000));
        ledger.push(10).unwrap();
        let by_clone = beside(&ledger, |ledger| {
            ledger.lists.blocking_create_snapshot_by_clone().unwrap();
        });
        let overtakes = beside(&ledger, |ledger| {
            for entry in [11, 12] {
                ledger.push(entry).unwrap();
                ledger.lists.blocking_create_snapshot().unwrap();
            }
            ledger.lists.blocking_compact().unwrap();
        });
        join([by_clone, overtakes]);
        ledger.check();
    });
}
