//! Many callers, few syncs, one order; readers wait for none of it.

mod drivers;

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use ministate::storage::Simulated;
use ministate::{Options, StateManager};
use ministate_tests::{Gated, JOURNAL, List, Lists, Push, entries, open, push};

async fn open_gated(gated: &Gated) -> Arc<Lists> {
    let lists = Options::new().storage(gated.clone()).open("lists", JOURNAL).await;
    Arc::new(lists.unwrap())
}

/// Every acknowledged mutation once, in the order of the sequence numbers that were returned.
fn check_order(dir: &std::path::Path, mut acknowledged: Vec<(u64, u64)>) {
    acknowledged.sort_unstable();
    let seqs: Vec<u64> = acknowledged.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(seqs, (1..=acknowledged.len() as u64).collect::<Vec<_>>());
    let lists = open(dir).unwrap();
    let expected: Vec<u64> = acknowledged.iter().map(|(_, entry)| *entry).collect();
    assert_eq!(entries(&lists), expected);
}

async fn push_from_many_tasks(lists: &Arc<Lists>, tasks: u64, each: u64) -> Vec<(u64, u64)> {
    let tasks: Vec<_> = (0..tasks)
        .map(|task| {
            let lists = Arc::clone(lists);
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                for entry in task * each..(task + 1) * each {
                    acknowledged.push((lists.apply(push(entry)).await.unwrap(), entry));
                }
                acknowledged
            })
        })
        .collect();
    let mut acknowledged = Vec::new();
    for task in tasks {
        acknowledged.extend(task.await.unwrap());
    }
    acknowledged
}

/// How many batches are in the active segment.
fn batches(disk: &Simulated, lists: &Lists) -> usize {
    let journal = disk.content(lists.journal_path()).unwrap();
    let text = String::from_utf8(journal).unwrap();
    let begins = |line: &&str| line.contains(r#""seq":"#) && !line.contains(r#""b":"#);
    text.lines().filter(begins).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn mutations_of_64_tasks_are_journaled_once_in_order_while_readers_read() {
    let dir = tempfile::tempdir().unwrap();
    let lists: Arc<Lists> = Arc::new(StateManager::open(dir.path(), JOURNAL).await.unwrap());
    let stop = Arc::new(AtomicBool::new(false));
    let reader = thread::spawn({
        let (lists, stop) = (Arc::clone(&lists), Arc::clone(&stop));
        move || {
            let mut longest = 0;
            while !stop.load(Ordering::Relaxed) {
                let length = lists.read(|list| list.entries.len());
                assert!(length >= longest, "a reader saw the past");
                longest = length;
            }
        }
    });
    let acknowledged = push_from_many_tasks(&lists, 64, 20).await;
    stop.store(true, Ordering::Relaxed);
    reader.join().unwrap();
    assert_eq!(lists.sequence(), 64 * 20);
    drop(lists);
    check_order(dir.path(), acknowledged);
}

/// Joined in one task, they would each have their own sync if the first led at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn applies_joined_in_one_task_share_a_batch() {
    const ROUNDS: usize = 20;
    let gated = Gated::default();
    let lists = open_gated(&gated).await;
    let before = batches(&gated.disk, &lists);
    let rounds = tokio::spawn({
        let (gated, lists) = (gated.clone(), Arc::clone(&lists));
        async move {
            for _ in 0..ROUNDS {
                gated.shut();
                let polled = open_in_the_end(&gated);
                let mut applies: Vec<_> =
                    (0..50).map(|entry| Box::pin(lists.apply(push(entry)))).collect();
                poll_fn(|context| {
                    let polls = applies.iter_mut().map(|apply| apply.as_mut().poll(context));
                    assert!(polls.into_iter().all(|poll| poll.is_pending()));
                    Poll::Ready(())
                })
                .await;
                drop(polled);
                gated.open();
                for apply in applies {
                    apply.await.unwrap();
                }
            }
        }
    });
    rounds.await.unwrap();
    // A called leader may have begun with the first of them.
    assert!(batches(&gated.disk, &lists) - before <= 2 * ROUNDS);
}

/// Lets a test fail that would hang: opens the gate after a while, unless the sender is dropped.
fn open_in_the_end(gated: &Gated) -> Sender<()> {
    let (sender, receiver) = channel::<()>();
    let gated = gated.clone();
    thread::spawn(move || {
        if let Err(RecvTimeoutError::Timeout) = receiver.recv_timeout(Duration::from_secs(20)) {
            gated.open();
        }
    });
    sender
}

/// Callers that come back took turns with those who waited, each of them waiting for two syncs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_back_shares_the_sync_of_those_who_waited() {
    const ROUNDS: usize = 40;
    let mut shared = [0; 5];
    for shared in &mut shared {
        for _ in 0..ROUNDS {
            *shared += usize::from(shares_the_sync().await);
        }
        // Nobody waits for long, and while the machine does something else it is in vain.
        if *shared >= ROUNDS / 4 {
            return;
        }
    }
    panic!("{shared:?} of {ROUNDS} each");
}

/// Whether one who comes back a moment after its answer shares the sync of one who waits already.
async fn shares_the_sync() -> bool {
    let gated = Gated::default();
    let lists = open_gated(&gated).await;
    gated.shut();
    let who_comes_back = tokio::spawn({
        let lists = Arc::clone(&lists);
        async move {
            lists.apply(push(1)).await.unwrap();
            // Longer than a leader that waits for nobody needs to go on.
            let answered = Instant::now();
            while answered.elapsed() < Duration::from_micros(200) {
                tokio::task::yield_now().await;
            }
            lists.apply(push(2)).await.unwrap()
        }
    });
    gated.wait_for_a_sync();
    let mut who_waited = Box::pin(lists.apply(push(3)));
    assert!(who_waited.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    // So long a sync lets others wait for company as long as they ever do.
    thread::sleep(Duration::from_millis(3));
    gated.open();
    assert_eq!(who_waited.await.unwrap(), 2);
    assert_eq!(who_comes_back.await.unwrap(), 3);
    batches(&gated.disk, &lists) == 2
}

/// The thread has led until then, and lets another one lead.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_with_an_answer_does_not_wait_for_the_syncs_of_others() {
    let gated = Gated::default();
    let lists = open_gated(&gated).await;
    gated.shut();
    let (answered, answer) = channel();
    let thread = thread::spawn({
        let lists = Arc::clone(&lists);
        move || answered.send(lists.blocking_apply(push(1)).unwrap()).unwrap()
    });
    gated.wait_for_a_sync();
    let mut other = Box::pin(lists.apply(push(2)));
    assert!(other.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    gated.let_one_through();
    let patience = Duration::from_secs(20);
    let answer = answer.recv_timeout(patience);
    gated.open();
    assert_eq!(answer, Ok(1));
    thread.join().unwrap();
    assert_eq!(other.await.unwrap(), 2);
}

/// Who writes little does not wait for a sync of all that others write.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_ends_with_the_record_that_reaches_4_mebibytes() {
    let gated = Gated::default();
    let lists = open_gated(&gated).await;
    gated.shut();
    let first = tokio::spawn({
        let lists = Arc::clone(&lists);
        async move { lists.apply(push(0)).await }
    });
    tokio::task::spawn_blocking({
        let gated = gated.clone();
        move || gated.wait_for_a_sync()
    })
    .await
    .unwrap();
    let large = |entry| Push { entry, padding: "x".repeat(3 << 20) };
    let mut waiting: Vec<_> = (1..=4).map(|entry| Box::pin(lists.apply(large(entry)))).collect();
    for apply in &mut waiting {
        assert!(apply.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    gated.open();
    first.await.unwrap().unwrap();
    for apply in waiting {
        apply.await.unwrap();
    }
    assert_eq!(batches(&gated.disk, &lists), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_does_not_wait_for_a_sync() {
    let gated = Gated::default();
    let lists = open_gated(&gated).await;
    lists.apply(push(1)).await.unwrap();
    gated.shut();
    let apply = tokio::spawn({
        let lists = Arc::clone(&lists);
        async move { lists.apply(push(2)).await }
    });
    tokio::task::spawn_blocking({
        let gated = gated.clone();
        move || gated.wait_for_a_sync()
    })
    .await
    .unwrap();
    // The sync is under way and cannot end: this would never return if readers waited for it.
    assert_eq!(entries(&lists), [1]);
    assert_eq!(lists.snapshot().await, List { entries: vec![1] });
    assert_eq!(lists.sequence(), 1);
    gated.open();
    assert_eq!(apply.await.unwrap().unwrap(), 2);
    assert_eq!(entries(&lists), [1, 2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_of_mutations_is_one_line_with_consecutive_numbers() {
    let disk = Simulated::new();
    let lists: Lists = Options::new().storage(disk.clone()).open("lists", JOURNAL).await.unwrap();
    lists.apply(push(0)).await.unwrap();
    let seqs = lists.apply_batch((1..=3).map(push)).await.unwrap();
    assert_eq!(seqs, 2..=4);
    assert!(lists.apply_batch(std::iter::empty::<Push>()).await.unwrap().is_empty());
    assert_eq!(lists.apply(push(4)).await.unwrap(), 5);
    let journal = disk.content(lists.journal_path()).unwrap();
    let text = String::from_utf8(journal).unwrap();
    assert_eq!(text.lines().filter(|line| line.contains(r#""seq":"#)).count(), 3);
    drop(lists);
    let lists: Lists = Options::new().storage(disk).open("lists", JOURNAL).await.unwrap();
    assert_eq!(entries(&lists), [0, 1, 2, 3, 4]);
}
