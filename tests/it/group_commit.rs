//! Many callers, few syncs, one order; readers wait for none of it.

use std::future::{Future, poll_fn};
use std::pin::pin;
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

#[tokio::test(flavor = "current_thread")]
async fn a_current_thread_runtime_commits_many_tasks() {
    let dir = tempfile::tempdir().unwrap();
    let lists: Arc<Lists> = Arc::new(StateManager::open(dir.path(), JOURNAL).await.unwrap());
    let acknowledged = push_from_many_tasks(&lists, 300, 3).await;
    drop(lists);
    check_order(dir.path(), acknowledged);
}

#[test]
fn threads_without_a_runtime_commit_together() {
    let dir = tempfile::tempdir().unwrap();
    let lists = open(dir.path()).unwrap();
    let acknowledged = thread::scope(|scope| {
        let threads: Vec<_> = (0..16)
            .map(|thread| {
                let lists = &lists;
                scope.spawn(move || {
                    (thread * 25..(thread + 1) * 25)
                        .map(|entry| (lists.blocking_apply(push(entry)).unwrap(), entry))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    drop(lists);
    check_order(dir.path(), acknowledged);
}

#[test]
fn tasks_and_threads_commit_together() {
    let dir = tempfile::tempdir().unwrap();
    let lists = Arc::new(open(dir.path()).unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let acknowledged = thread::scope(|scope| {
        let threads: Vec<_> = (0..4u64)
            .map(|thread| {
                let lists = &lists;
                scope.spawn(move || {
                    (10_000 + thread * 50..10_000 + (thread + 1) * 50)
                        .map(|entry| (lists.blocking_apply(push(entry)).unwrap(), entry))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        let mut acknowledged = runtime.block_on(push_from_many_tasks(&lists, 8, 25));
        acknowledged.extend(threads.into_iter().flat_map(|thread| thread.join().unwrap()));
        acknowledged
    });
    drop((lists, runtime));
    check_order(dir.path(), acknowledged);
}

/// Once, a leader on a task left the rest to a leader that no worker was free to start, since all
/// of them waited for it.
#[test]
fn callers_that_block_the_workers_of_a_runtime_do_not_lock_it_up() {
    for workers in [1, 2] {
        let dir = tempfile::tempdir().unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(workers).build().unwrap();
        let acknowledged = runtime.block_on(async {
            let lists: Arc<Lists> =
                Arc::new(StateManager::open(dir.path(), JOURNAL).await.unwrap());
            let tasks: Vec<_> = (0..8u64)
                .map(|task| {
                    let lists = Arc::clone(&lists);
                    tokio::spawn(async move {
                        let mut acknowledged = Vec::new();
                        for entry in task * 40..(task + 1) * 40 {
                            let seq = match task % 2 {
                                0 => lists.apply(push(entry)).await.unwrap(),
                                _ => lists.blocking_apply(push(entry)).unwrap(),
                            };
                            acknowledged.push((seq, entry));
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
        });
        check_order(dir.path(), acknowledged);
    }
}

#[test]
fn another_executor_can_drive_the_calls() {
    fn block_on<F: Future>(future: F) -> F::Output {
        let mut future = pin!(future);
        let mut context = Context::from_waker(Waker::noop());
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                return output;
            }
            thread::yield_now();
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let lists: Lists = block_on(StateManager::open(dir.path(), JOURNAL)).unwrap();
    assert_eq!(block_on(lists.apply(push(7))).unwrap(), 1);
    block_on(lists.close()).unwrap();
    drop(lists);
    assert_eq!(entries(&open(dir.path()).unwrap()), [7]);
}

/// The manager is still there; the runtime has nothing left to run, and ends at once.
#[test]
fn no_task_outlives_the_calls_that_need_it() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let lists = runtime.block_on(async {
        let lists: Arc<Lists> = Arc::new(StateManager::open(dir.path(), JOURNAL).await.unwrap());
        push_from_many_tasks(&lists, 20, 10).await;
        lists.create_snapshot().await.unwrap();
        lists
    });
    // The last leader answers its callers before it ends.
    let tasks = || runtime.metrics().num_alive_tasks();
    let mut patience = 2_000;
    while tasks() > 0 && patience > 0 {
        thread::sleep(Duration::from_millis(5));
        patience -= 1;
    }
    assert_eq!(tasks(), 0);
    drop(runtime);
    assert_eq!(lists.blocking_apply(push(0)).unwrap(), 201);
}

/// On a `LocalSet` inside a multi-threaded runtime `block_in_place` panics.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_local_set_can_drive_the_calls() {
    let dir = tempfile::tempdir().unwrap();
    let lists: Lists = StateManager::open(dir.path(), JOURNAL).await.unwrap();
    let lists = std::rc::Rc::new(lists);
    let local = tokio::task::LocalSet::new();
    let task = local.spawn_local({
        let lists = std::rc::Rc::clone(&lists);
        async move { lists.apply(push(7)).await.unwrap() }
    });
    local.await;
    assert_eq!(task.await.unwrap(), 1);
}

/// That tasks of the runtime can block says nothing of those of the `LocalSet`.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_local_set_and_its_runtime_can_drive_the_calls_in_turn() {
    let options = Options::new().storage(Simulated::new());
    let lists: Arc<Lists> = Arc::new(options.open("lists", JOURNAL).await.unwrap());
    let apply = |entry| {
        let lists = Arc::clone(&lists);
        async move { lists.apply(push(entry)).await.unwrap() }
    };
    let in_turn = async {
        for turn in (1..200).step_by(2) {
            let local = tokio::task::spawn_local(apply(turn));
            assert_eq!(local.await.unwrap(), turn);
            assert_eq!(tokio::spawn(apply(turn + 1)).await.unwrap(), turn + 1);
        }
    };
    tokio::task::LocalSet::new().run_until(in_turn).await;
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

#[test]
fn a_runtime_that_shuts_down_leaves_no_caller_without_an_answer() {
    for _ in 0..50 {
        let gated = Gated::default();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let lists = runtime.block_on(open_gated(&gated));
        // Polled once, on the runtime that goes away; the leader it called may not have run.
        let apply = runtime.spawn({
            let lists = Arc::clone(&lists);
            async move { lists.apply(push(1)).await }
        });
        runtime.shutdown_background();
        drop(apply);
        assert!(lists.blocking_apply(push(2)).is_ok());
        assert_eq!(lists.sequence(), entries(&lists).len() as u64);
    }
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
