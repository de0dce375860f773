//! Snapshots by themselves or by clone, beginnings that are given, and compaction beside writers.

mod verification;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use ministate::storage::{Fault, Simulated, Storage};
use ministate::{Disposal, Mutator, Options, SnapshotEvery, StateManager};
use ministate_tests::{JOURNAL, List, Lists, Push, entries, open_simulated, push};
use serde::{Deserialize, Serialize};

/// A state without a default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Quota {
    left: u32,
}

#[derive(Serialize, Deserialize)]
struct Take(u32);

impl Mutator<Quota> for Take {
    fn apply(&self, quota: &mut Quota) {
        quota.left -= self.0;
    }
}

fn quota(disk: &Simulated, left: u32) -> StateManager<Quota, Take> {
    let options = Options::new().storage(disk.clone());
    options.blocking_open_with("quota", "quota.wal.jsonl", Quota { left }).unwrap()
}

#[test]
fn a_history_begins_with_the_state_that_is_given_and_keeps_it() {
    let disk = Simulated::new();
    quota(&disk, 100).blocking_apply(Take(1)).unwrap();
    // Another initial state changes nothing that has begun.
    let quota = quota(&disk, 5);
    assert_eq!(quota.read(Quota::clone), Quota { left: 99 });
    assert_eq!(quota.recovery().replayed, 1);
}

#[tokio::test]
async fn a_state_without_a_default_opens_in_a_task() {
    let options = Options::new().storage(Simulated::new());
    let quota =
        options.open_with::<Quota, Take>("quota", "quota.wal.jsonl", Quota { left: 3 }).await;
    assert_eq!(quota.unwrap().read(|quota| quota.left), 3);
}

fn snapshots(disk: &Simulated) -> Vec<u64> {
    let mut seqs: Vec<u64> = disk
        .list(Path::new("lists"))
        .unwrap()
        .iter()
        .filter_map(|name| name.strip_prefix("list.wal.snapshot.")?.strip_suffix(".json"))
        .map(|seq| seq.parse().unwrap())
        .collect();
    seqs.sort_unstable();
    seqs
}

/// Each snapshot, with the journal behind it, leads to the state that all of the journal does.
fn assert_each_snapshot_leads_to(disk: &Simulated, expected: &[u64]) {
    for seq in snapshots(disk).into_iter().rev() {
        let lists = open_simulated(disk, 600).unwrap();
        assert_eq!(lists.recovery().snapshot, seq);
        assert_eq!(entries(&lists), expected, "behind the snapshot at {seq}");
        drop(lists);
        disk.remove(&Path::new("lists").join(format!("list.wal.snapshot.{seq:020}.json"))).unwrap();
    }
}

// ministate 0.1 read the sequence number and the state apart, so that a snapshot could hold a
// mutation that was replayed again.
#[test]
fn a_snapshot_under_way_holds_each_mutation_once() {
    for by_clone in [false, true] {
        let disk = Simulated::new();
        let lists = open_simulated(&disk, 600).unwrap();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for writer in 0..4_u64 {
                let (lists, done) = (&lists, &done);
                scope.spawn(move || {
                    let mut number = writer << 32;
                    while !done.load(Ordering::Relaxed) {
                        lists.blocking_apply(push(number)).unwrap();
                        number += 1;
                    }
                });
            }
            let mut before = 0;
            for _ in 0..20 {
                while lists.sequence() == before {
                    std::thread::yield_now();
                }
                before = lists.sequence();
                if by_clone {
                    lists.blocking_create_snapshot_by_clone().unwrap();
                } else {
                    lists.blocking_create_snapshot().unwrap();
                }
            }
            done.store(true, Ordering::Relaxed);
        });
        let expected = entries(&lists);
        drop(lists);
        assert!(snapshots(&disk).len() > 1);
        assert_each_snapshot_leads_to(&disk, &expected);
    }
}

#[test]
fn a_snapshot_by_clone_reads_no_journal() {
    let disk = Simulated::new();
    let lists = open_simulated(&disk, 600).unwrap();
    for entry in 0..30 {
        lists.blocking_apply(push(entry)).unwrap();
    }
    lists.blocking_create_snapshot_by_clone().unwrap();
    drop(lists);
    let lists = open_simulated(&disk, 600).unwrap();
    assert_eq!((lists.recovery().snapshot, lists.recovery().replayed), (30, 0));
}

#[tokio::test]
async fn a_snapshot_by_clone_can_be_awaited() {
    let disk = Simulated::new();
    let options = Options::new().storage(disk.clone());
    let lists: Lists = options.open("lists", JOURNAL).await.unwrap();
    lists.apply(push(0)).await.unwrap();
    lists.create_snapshot_by_clone().await.unwrap();
    assert_eq!(snapshots(&disk), [0, 1]);
    assert_eq!(lists.journal_status().snapshot, 1);
}

fn open_with_rhythm(disk: &Simulated, every: SnapshotEvery) -> Lists {
    Options::new()
        .segment_bytes(600)
        .snapshot_every(every)
        .disposal(Disposal::Delete)
        .storage(disk.clone())
        .blocking_open("lists", JOURNAL)
        .unwrap()
}

#[test]
fn the_call_that_crosses_the_limit_makes_the_snapshot() {
    let disk = Simulated::new();
    let lists = open_with_rhythm(&disk, SnapshotEvery::Mutations(10));
    for entry in 0..9 {
        lists.blocking_apply(push(entry)).unwrap();
    }
    assert_eq!(snapshots(&disk), [0]);
    assert_eq!(lists.journal_status().snapshot, 0);
    lists.blocking_apply(push(9)).unwrap();
    assert_eq!(snapshots(&disk), [0, 10]);
    let status = lists.journal_status();
    assert_eq!((status.sequence, status.snapshot), (10, 10));
    assert!(status.snapshot_failure.is_none());
}

#[test]
fn what_an_opening_replayed_counts_towards_the_limit() {
    let disk = Simulated::new();
    for entry in 0..10 {
        open_with_rhythm(&disk, SnapshotEvery::Mutations(10)).blocking_apply(push(entry)).unwrap();
    }
    assert_eq!(snapshots(&disk), [0, 10]);
}

#[test]
fn with_a_limit_disk_and_start_up_stay_bounded() {
    for every in [SnapshotEvery::Mutations(20), SnapshotEvery::Bytes(2_000)] {
        let disk = Simulated::new();
        let lists = open_with_rhythm(&disk, every);
        for entry in 0..600 {
            lists.blocking_apply(push(entry)).unwrap();
        }
        let files = disk.list(Path::new("lists")).unwrap();
        assert!(files.len() < 16, "{files:?}");
        drop(lists);
        let lists = open_simulated(&disk, 600).unwrap();
        assert_eq!(entries(&lists), (0..600).collect::<Vec<_>>());
        assert!(lists.recovery().replayed < 40, "{:?}", lists.recovery());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_tasks_share_the_limit() {
    let disk = Simulated::new();
    let lists = std::sync::Arc::new(open_with_rhythm(&disk, SnapshotEvery::Mutations(50)));
    let tasks: Vec<_> = (0..500)
        .map(|entry| {
            let lists = std::sync::Arc::clone(&lists);
            tokio::spawn(async move { lists.apply(push(entry)).await.unwrap() })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let expected = entries(&lists);
    assert_eq!(expected.len(), 500);
    assert!(lists.journal_status().snapshot >= 50);
    drop(lists);
    assert_eq!(entries(&open_simulated(&disk, 600).unwrap()), expected);
}

#[test]
fn a_snapshot_that_fails_by_itself_fails_no_mutation_and_is_told() {
    // The disk is full at one call or another while the snapshot is written.
    let mut told = 0;
    for call in 0..40 {
        let disk = Simulated::new();
        let lists = open_with_rhythm(&disk, SnapshotEvery::Mutations(4));
        for entry in 0..3 {
            lists.blocking_apply(push(entry)).unwrap();
        }
        // The first two calls write and sync the mutation.
        disk.fail_at(disk.calls() + 2 + call, Fault::Full);
        lists.blocking_apply(push(3)).unwrap();
        let Some(_failure) = lists.journal_status().snapshot_failure else { continue };
        told += 1;
        drop(lists);
        let lists = open_with_rhythm(&disk.after_kill(), SnapshotEvery::Mutations(4));
        assert_eq!(entries(&lists), [0, 1, 2, 3], "call {call}");
        for entry in 4..8 {
            lists.blocking_apply(push(entry)).unwrap();
        }
        assert!(lists.journal_status().snapshot > 4, "call {call}");
    }
    assert!(told > 5, "only {told} calls of a snapshot failed");
}

#[test]
fn compaction_and_snapshots_beside_writers_lose_nothing() {
    let disk = Simulated::new();
    let options = Options::new().segment_bytes(600).snapshots_kept(1).disposal(Disposal::Delete);
    let lists: Lists = options.storage(disk.clone()).blocking_open("lists", JOURNAL).unwrap();
    std::thread::scope(|scope| {
        for writer in 0..100_u64 {
            let lists = &lists;
            scope.spawn(move || {
                for number in 0..3 {
                    lists.blocking_apply(push(writer * 3 + number)).unwrap();
                }
            });
        }
        // Two snapshots at once, and compactions between them.
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..10 {
                    lists.blocking_create_snapshot().unwrap();
                    lists.blocking_compact().unwrap();
                }
            });
        }
    });
    let expected = entries(&lists);
    assert_eq!(expected.len(), 300);
    drop(lists);
    assert_eq!(entries(&open_simulated(&disk, 600).unwrap()), expected);
}

/// Reads the list of the tests, but not every state of it.
#[derive(Debug, Serialize)]
struct ShortList(Vec<u64>);

impl<'de> Deserialize<'de> for ShortList {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let List { entries } = List::deserialize(deserializer)?;
        if entries.len() > 3 {
            return Err(serde::de::Error::custom("the list is too long"));
        }
        Ok(ShortList(entries))
    }
}

impl Mutator<ShortList> for Push {
    fn apply(&self, list: &mut ShortList) {
        list.0.push(self.entry);
        list.0.drain(..list.0.len().saturating_sub(2));
    }
}

#[test]
fn compaction_keeps_what_this_program_can_begin_with() {
    let disk = Simulated::new();
    let lists = open_simulated(&disk, 600).unwrap();
    for entry in 0..20 {
        lists.blocking_apply(push(entry)).unwrap();
        if entry % 5 == 4 {
            lists.blocking_create_snapshot().unwrap();
        }
    }
    drop(lists);
    let open = || {
        Options::new()
            .disposal(Disposal::Delete)
            .storage(disk.clone())
            .blocking_open_with::<ShortList, Push>("lists", JOURNAL, ShortList(Vec::new()))
            .unwrap()
    };
    let short = open();
    assert_eq!((short.recovery().snapshot, short.recovery().replayed), (0, 20));
    let compaction = short.blocking_compact().unwrap();
    assert_eq!((compaction.oldest_snapshot, compaction.segments), (0, 0));
    drop(short);
    assert_eq!(open().read(|list| list.0.clone()), [18, 19]);
}
