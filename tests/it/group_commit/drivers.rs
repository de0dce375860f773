//! Which threads, runtimes and executors can drive the calls?

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use ministate::storage::Simulated;
use ministate::{Options, StateManager};
use ministate_tests::{Gated, JOURNAL, Lists, entries, open, push};

use super::{check_order, open_gated, push_from_many_tasks};

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
