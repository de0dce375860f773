//! A subscription yields every mutation that was acknowledged, once, in order, and nothing else.

mod first_and_last;
mod histories;
mod runtimes;
mod versions;

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::thread;

use ministate::storage::{Fault, Simulated};
use ministate::{Change, Disposal, MiniStateError, Mutator, Options, StateManager, Subscription};
use ministate_tests::{Gated, JOURNAL, List, Lists, Push, open, open_simulated, push};
use serde::{Deserialize, Serialize};

type Changes = Subscription<Push>;
type Next = Option<Result<Change<Push>, MiniStateError>>;

fn push_all(lists: &Lists, range: std::ops::Range<u64>) {
    for entry in range {
        assert_eq!(lists.blocking_apply(push(entry)).unwrap(), entry + 1);
    }
}

/// A list on a simulated disk that keeps one snapshot, and seals often.
fn compacting(disk: &Simulated, disposal: Disposal) -> Lists {
    let options = Options::new().segment_bytes(400).snapshots_kept(1).disposal(disposal);
    options.storage(disk.clone()).blocking_open("lists", JOURNAL).unwrap()
}

/// What is there without waiting for anything; `None` where there is nothing.
fn there(changes: &mut Changes) -> Option<Next> {
    let mut next = pin!(changes.next());
    match next.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(next) => Some(next),
        Poll::Pending => None,
    }
}

/// The next entry, whose sequence number is the one behind it.
fn entry(next: Next) -> u64 {
    let change = next.unwrap().unwrap();
    assert_eq!(change.seq, change.mutation.entry + 1);
    change.mutation.entry
}

/// All entries that are there without waiting.
fn entries_there(changes: &mut Changes) -> Vec<u64> {
    std::iter::from_fn(|| there(changes)).map(entry).collect()
}

fn all_until_the_end(mut changes: Changes) -> Vec<u64> {
    std::iter::from_fn(|| Some(changes.blocking_next()?.unwrap().mutation.entry)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_mutations_of_many_tasks_are_yielded_once_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options::new().segment_bytes(2_000);
    let lists: Lists = options.open(dir.path(), JOURNAL).await.unwrap();
    let lists = Arc::new(lists);
    let collected = |from| {
        let mut changes = lists.subscribe(from);
        tokio::spawn(async move {
            let mut seen = Vec::new();
            while let Some(change) = changes.next().await {
                let change = change.unwrap();
                seen.push((change.seq, change.mutation.entry));
            }
            seen
        })
    };
    let (from_the_first, from_within) = (collected(0), collected(101));
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let lists = Arc::clone(&lists);
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                for entry in writer * 40..(writer + 1) * 40 {
                    acknowledged.push((lists.apply(push(entry)).await.unwrap(), entry));
                }
                acknowledged
            })
        })
        .collect();
    let mut acknowledged = Vec::new();
    for writer in writers {
        acknowledged.extend(writer.await.unwrap());
    }
    acknowledged.sort_unstable();
    lists.close().await.unwrap();
    assert_eq!(from_the_first.await.unwrap(), acknowledged);
    assert_eq!(from_within.await.unwrap(), acknowledged[100..]);
}

#[test]
fn nothing_is_yielded_before_it_is_synced() {
    let gated: Gated = Gated::before(Simulated::new());
    let lists: Lists =
        Options::new().storage(gated.clone()).blocking_open("lists", JOURNAL).unwrap();
    let mut changes = lists.subscribe(1);
    gated.shut();
    thread::scope(|scope| {
        let writer = scope.spawn(|| lists.blocking_apply(push(0)));
        gated.wait_for_a_sync();
        let is_early = there(&mut changes).is_some();
        let lag = changes.lag();
        gated.open();
        assert_eq!(writer.join().unwrap().unwrap(), 1);
        assert!(!is_early && lag == 0);
    });
    assert_eq!(entries_there(&mut changes), [0]);
}

#[test]
fn who_waits_is_woken_by_the_next_mutation() {
    let lists = open_simulated(&Simulated::new(), 400).unwrap();
    let mut changes = lists.subscribe(1);
    thread::scope(|scope| {
        let waits = scope.spawn(|| (0..20).map(|_| entry(changes.blocking_next())).collect());
        push_all(&lists, 0..20);
        let seen: Vec<u64> = waits.join().unwrap();
        assert_eq!(seen, (0..20).collect::<Vec<_>>());
    });
}

#[test]
fn a_replay_yields_what_it_replays_only_to_who_asks_for_it() {
    let disk = Simulated::new();
    push_all(&open_simulated(&disk, 400).unwrap(), 0..15);
    let lists = open_simulated(&disk, 400).unwrap();
    assert_eq!(lists.recovery().replayed, 15);
    let (mut new, mut all) = (lists.subscribe(16), lists.subscribe(1));
    assert!(there(&mut new).is_none());
    assert_eq!(entries_there(&mut all), (0..15).collect::<Vec<_>>());
    push_all(&lists, 15..16);
    assert_eq!((entries_there(&mut new), entries_there(&mut all)), (vec![15], vec![15]));
}

#[test]
fn a_mutation_that_is_not_there_yet_is_waited_for() {
    let lists = open_simulated(&Simulated::new(), 400).unwrap();
    let mut changes = lists.subscribe(9);
    push_all(&lists, 0..8);
    assert!(there(&mut changes).is_none());
    assert_eq!((changes.lag(), changes.next_sequence()), (0, 9));
    push_all(&lists, 8..10);
    assert_eq!(changes.lag(), 2);
    assert_eq!(entries_there(&mut changes), [8, 9]);
}

#[test]
fn each_mutation_of_a_batch_is_yielded_also_from_within_it() {
    let lists = open_simulated(&Simulated::new(), 1 << 20).unwrap();
    push_all(&lists, 0..1);
    lists.blocking_apply_batch((1..5).map(push)).unwrap();
    for from in 1..=5 {
        let expected: Vec<u64> = (from - 1..5).collect();
        assert_eq!(entries_there(&mut lists.subscribe(from)), expected);
    }
}

#[test]
fn a_subscriber_that_is_too_slow_is_told_once_and_goes_on() {
    let lists = open_simulated(&Simulated::new(), 400).unwrap();
    let mut changes = lists.subscribe(1).lag_limit(3);
    push_all(&lists, 0..3);
    assert_eq!(entry(there(&mut changes).unwrap()), 0);
    push_all(&lists, 3..8);
    let lagging = |next: Next| match next {
        Some(Err(MiniStateError::Lagging { next, behind })) => (next, behind),
        other => panic!("{other:?}"),
    };
    assert_eq!(changes.lag(), 7);
    assert_eq!(lagging(there(&mut changes).unwrap()), (2, 7));
    assert_eq!(entries_there(&mut changes), (1..8).collect::<Vec<_>>());
    push_all(&lists, 8..12);
    assert_eq!(lagging(there(&mut changes).unwrap()), (9, 4));
    assert_eq!(entries_there(&mut changes), (8..12).collect::<Vec<_>>());
}

fn first_left(next: Option<Next>) -> u64 {
    match next {
        Some(Some(Err(MiniStateError::Trimmed { seq, first }))) if first > seq => first,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_compaction_has_put_away_is_trimmed_and_the_rest_is_yielded() {
    for disposal in [Disposal::Archive, Disposal::Delete] {
        let disk = Simulated::new();
        let lists = compacting(&disk, disposal);
        push_all(&lists, 0..20);
        lists.blocking_create_snapshot().unwrap();
        lists.blocking_compact().unwrap();
        push_all(&lists, 20..30);
        let first = first_left(there(&mut lists.subscribe(1)));
        let mut changes = lists.subscribe(first);
        assert_eq!(entries_there(&mut changes), (first - 1..30).collect::<Vec<_>>());
        let (held, seq) = lists.read_with_sequence(|list, seq| (list.entries.len() as u64, seq));
        assert_eq!((held, seq), (30, 30));
    }
}

#[test]
fn a_compaction_under_a_subscriber_takes_what_it_has_not_begun_to_read() {
    let disk = Simulated::new();
    let lists = compacting(&disk, Disposal::Delete);
    push_all(&lists, 0..2);
    let mut changes = lists.subscribe(1);
    assert_eq!(entry(there(&mut changes).unwrap()), 0);
    push_all(&lists, 2..30);
    lists.blocking_create_snapshot().unwrap();
    lists.blocking_compact().unwrap();
    let mut seen = vec![0];
    let first = loop {
        match there(&mut changes) {
            Some(next @ Some(Ok(_))) => seen.push(entry(next)),
            next => break first_left(next),
        }
    };
    // The segment that it was reading is read to its end.
    assert!(seen.len() >= 2 && (seen.len() as u64) < first - 1);
    assert_eq!(seen, (0..seen.len() as u64).collect::<Vec<_>>());
    assert_eq!(first_left(there(&mut changes)), first);
}

#[test]
fn a_failed_sync_ends_a_subscription_behind_what_is_durable() {
    let disk = Simulated::new();
    let lists = open_simulated(&disk, 1 << 20).unwrap();
    let mut changes = lists.subscribe(1);
    push_all(&lists, 0..3);
    // The write is the next call, and the sync comes behind it.
    disk.fail_at(disk.calls() + 1, Fault::Fails);
    let failed = lists.blocking_apply(push(3));
    assert!(matches!(failed, Err(MiniStateError::OutcomeUnknown { seq: 4, .. })), "{failed:?}");
    let journal = disk.content(lists.journal_path()).unwrap();
    assert!(String::from_utf8(journal).unwrap().contains(r#"{"seq":4,"#));
    for seen in 0..3 {
        assert_eq!(entry(there(&mut changes).unwrap()), seen);
    }
    for _ in 0..2 {
        match there(&mut changes) {
            Some(Some(Err(MiniStateError::Poisoned { seq: 3, .. }))) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Panics at 13.
#[derive(Debug, Serialize, Deserialize)]
struct Fragile(u64);

impl Mutator<List> for Fragile {
    fn apply(&self, list: &mut List) {
        assert_ne!(self.0, 13);
        list.entries.push(self.0);
    }
}

#[test]
fn a_mutation_whose_handler_panics_is_not_yielded() {
    let options = Options::new().storage(Simulated::new());
    let lists: StateManager<List, Fragile> = options.blocking_open("lists", JOURNAL).unwrap();
    let mut changes = lists.subscribe(1);
    lists.blocking_apply(Fragile(1)).unwrap();
    assert!(lists.blocking_apply(Fragile(13)).is_err());
    assert_eq!(changes.blocking_next().unwrap().unwrap().mutation.0, 1);
    match changes.blocking_next() {
        Some(Err(MiniStateError::Poisoned { seq: 1, .. })) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_manager_that_is_closed_or_dropped_ends_its_subscriptions() {
    let disk = Simulated::new();
    let lists = open_simulated(&disk, 400).unwrap();
    push_all(&lists, 0..10);
    let (closed, dropped) = (lists.subscribe(1), lists.subscribe(5));
    lists.blocking_close().unwrap();
    assert_eq!(all_until_the_end(closed), (0..10).collect::<Vec<_>>());
    let late = lists.subscribe(8);
    drop(lists);
    // Somebody else goes on with the journal, and nothing of that is yielded.
    push_all(&open_simulated(&disk, 400).unwrap(), 10..12);
    assert_eq!(all_until_the_end(dropped), (4..10).collect::<Vec<_>>());
    assert_eq!(all_until_the_end(late), (7..10).collect::<Vec<_>>());
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Traced {
    #[serde(skip)]
    token: Arc<()>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Touch;

impl Mutator<Traced> for Touch {
    fn apply(&self, _: &mut Traced) {}
}

#[test]
fn a_subscription_keeps_neither_the_state_nor_the_lock() {
    let disk = Simulated::new();
    let open = || Options::new().storage(disk.clone()).blocking_open("traced", "traced.jsonl");
    let traced: StateManager<Traced, Touch> = open().unwrap();
    let state: Weak<()> = traced.read(|traced| Arc::downgrade(&traced.token));
    traced.blocking_apply(Touch).unwrap();
    let mut changes = traced.subscribe(1);
    drop(traced);
    assert!(state.upgrade().is_none());
    drop(open().unwrap() as StateManager<Traced, Touch>);
    assert_eq!(changes.blocking_next().unwrap().unwrap().seq, 1);
}

#[tokio::test(flavor = "current_thread")]
async fn a_call_that_is_dropped_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let lists = open(dir.path()).unwrap();
    lists.apply_batch((0..2_000).map(push)).await.unwrap();
    for entry in 2_000..2_100 {
        lists.apply(push(entry)).await.unwrap();
    }
    let mut changes = lists.subscribe(1);
    lists.close().await.unwrap();
    let (mut seen, mut dropped) = (Vec::new(), 0);
    loop {
        match there(&mut changes) {
            Some(None) => break,
            Some(next) => seen.push(entry(next)),
            None => {
                dropped += 1;
                tokio::task::yield_now().await;
            }
        }
    }
    assert_eq!(seen, (0..2_100).collect::<Vec<_>>());
    // The files are read on another thread, so at least the first call had to wait.
    assert!(dropped > 0);
}
