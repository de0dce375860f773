//! Whoever waits for a subscription, and wherever: what reads the files is always there.

use std::future::Future;
use std::pin::pin;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};

use ministate::storage::Simulated;
use ministate_tests::open_simulated;
use tokio::runtime::{Builder, Runtime};

use super::{Changes, entry, push_all, there};

/// A runtime whose pool has one thread.
fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).max_blocking_threads(1).build().unwrap()
}

/// Occupies the only thread of the pool until what is returned is dropped.
fn occupied(runtime: &Runtime) -> Sender<()> {
    let (until, is_over) = channel::<()>();
    runtime.spawn_blocking(move || is_over.recv());
    until
}

/// Asks for the next mutation on a runtime that has no thread left to read it.
fn asked_in_vain(changes: &mut Changes, runtime: &Runtime) {
    let _within = runtime.enter();
    assert!(there(changes).is_none());
}

#[test]
fn who_blocks_the_only_thread_of_the_pool_reads_on_it() {
    let lists = open_simulated(&Simulated::new(), 400).unwrap();
    push_all(&lists, 0..5);
    let mut changes = lists.subscribe(1);
    let runtime = runtime();
    let reads = runtime.spawn_blocking(move || entry(changes.blocking_next()));
    assert_eq!(runtime.block_on(reads).unwrap(), 0);
}

#[test]
fn who_blocks_does_not_wait_for_a_reading_that_was_asked_for_elsewhere() {
    let lists = open_simulated(&Simulated::new(), 400).unwrap();
    push_all(&lists, 0..5);
    let mut changes = lists.subscribe(1);
    let runtime = runtime();
    let until = occupied(&runtime);
    asked_in_vain(&mut changes, &runtime);
    assert_eq!(entry(changes.blocking_next()), 0);
    drop(until);
    for seen in 1..5 {
        assert_eq!(entry(runtime.block_on(changes.next())), seen);
    }
}

#[test]
fn a_subscription_goes_on_on_another_runtime_when_its_own_is_gone() {
    let lists = open_simulated(&Simulated::new(), 400).unwrap();
    push_all(&lists, 0..5);
    let mut changes = lists.subscribe(1);
    let gone = runtime();
    let until = occupied(&gone);
    asked_in_vain(&mut changes, &gone);
    gone.shutdown_background();
    drop(until);
    let runtime = runtime();
    for seen in 0..5 {
        assert_eq!(entry(runtime.block_on(changes.next())), seen);
    }
}

/// The waker of a task that owns a subscription.
struct Task {
    _changes: Mutex<Changes>,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {}
}

#[test]
fn a_task_that_ends_with_its_last_waker_may_own_a_subscription() {
    let lists = open_simulated(&Simulated::new(), 400).unwrap();
    let mut changes = lists.subscribe(1);
    let task = Task { _changes: Mutex::new(lists.subscribe(1)) };
    let task = Waker::from(Arc::new(task));
    let polled = pin!(changes.next()).poll(&mut Context::from_waker(&task)).is_pending();
    assert!(polled);
    drop(task);
    assert!(there(&mut changes).is_none());
    push_all(&lists, 0..1);
    assert!(matches!(there(&mut changes), Some(Some(Ok(_)))));
}
