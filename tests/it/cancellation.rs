//! An `apply` that is dropped has either done nothing, or completes without its caller.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use ministate::Options;
use ministate_tests::{Gated, JOURNAL, Lists, entries, open_simulated, push};

fn poll_once<F: Future>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

/// The journal holds what the state holds.
fn check_agreement(lists: Arc<Lists>, gated: &Gated, expected: &[u64]) {
    assert_eq!(entries(&lists), expected);
    assert_eq!(lists.sequence(), expected.len() as u64);
    drop(lists);
    let again = open_simulated(&gated.disk.after_kill(), u64::MAX).unwrap();
    assert_eq!(entries(&again), expected);
}

async fn open(gated: &Gated) -> Arc<Lists> {
    Arc::new(Options::new().storage(gated.clone()).open("lists", JOURNAL).await.unwrap())
}

/// Something whose sync is under way and cannot end before the gate is opened.
async fn occupy(lists: &Arc<Lists>, gated: &Gated) -> tokio::task::JoinHandle<()> {
    gated.shut();
    let apply = tokio::spawn({
        let lists = Arc::clone(lists);
        async move {
            lists.apply(push(1)).await.unwrap();
        }
    });
    let gated = gated.clone();
    tokio::task::spawn_blocking(move || gated.wait_for_a_sync()).await.unwrap();
    apply
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropped_before_it_was_polled_nothing_happened() {
    let gated = Gated::default();
    let lists = open(&gated).await;
    drop(lists.apply(push(1)));
    check_agreement(lists, &gated, &[]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropped_while_it_waits_for_another_batch_nothing_happened() {
    let gated = Gated::default();
    let lists = open(&gated).await;
    let occupied = occupy(&lists, &gated).await;
    let mut waiting = Box::pin(lists.apply(push(2)));
    assert!(poll_once(&mut waiting).is_pending());
    drop(waiting);
    gated.open();
    occupied.await.unwrap();
    lists.apply(push(3)).await.unwrap();
    check_agreement(lists, &gated, &[1, 3]);
}

async fn dropped_while_its_batch_is_synced() {
    let gated = Gated::default();
    let lists = open(&gated).await;
    let occupied = occupy(&lists, &gated).await;
    occupied.abort();
    assert!(occupied.await.unwrap_err().is_cancelled());
    assert_eq!(lists.sequence(), 0);
    gated.open();
    assert_eq!(lists.apply(push(2)).await.unwrap(), 2);
    check_agreement(lists, &gated, &[1, 2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropped_while_its_batch_is_synced_it_completes() {
    dropped_while_its_batch_is_synced().await;
}

#[tokio::test(flavor = "current_thread")]
async fn dropped_while_its_batch_is_synced_it_completes_on_one_thread() {
    dropped_while_its_batch_is_synced().await;
}

/// At every poll of many, on both kinds of runtimes: whatever happened, it happened once, and the
/// journal and the state agree.
#[test]
fn dropped_after_any_number_of_polls_the_journal_and_the_state_agree() {
    for threads in [1, 2] {
        let mut builder = match threads {
            1 => tokio::runtime::Builder::new_current_thread(),
            _ => tokio::runtime::Builder::new_multi_thread(),
        };
        builder.build().unwrap().block_on(async {
            for polls in 0..40 {
                let gated = Gated::default();
                let lists = open(&gated).await;
                let mut futures: Vec<_> =
                    (0..4).map(|entry| Box::pin(lists.apply(push(entry)))).collect();
                let mut answered = Vec::new();
                for poll in 0..polls {
                    let at = poll % futures.len().max(1);
                    if let Some(future) = futures.get_mut(at)
                        && let Poll::Ready(result) = poll_once(future)
                    {
                        answered.push(result.unwrap());
                        drop(futures.remove(at));
                    }
                    tokio::task::yield_now().await;
                }
                drop(futures);
                lists.apply(push(9)).await.unwrap();
                let list = entries(&lists);
                assert!(answered.iter().all(|seq| *seq < list.len() as u64));
                let mut once = list.clone();
                once.sort_unstable();
                once.dedup();
                assert_eq!(once.len(), list.len());
                check_agreement(lists, &gated, &list);
            }
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_close_that_is_dropped_leaves_the_journal_open_or_closed() {
    let gated = Gated::default();
    let lists = open(&gated).await;
    let occupied = occupy(&lists, &gated).await;
    let mut close = Box::pin(lists.close());
    assert!(poll_once(&mut close).is_pending());
    drop(close);
    gated.open();
    occupied.await.unwrap();
    lists.apply(push(2)).await.unwrap();
    check_agreement(lists, &gated, &[1, 2]);
}
