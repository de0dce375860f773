//! Nodes are killed and stopped while entries are appended.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ministate::shared::{AppendError, Journal, JournalError, Place};
use ministate_cluster::etcd::Cluster;
use tokio::task::{JoinHandle, block_in_place};

use crate::{all_to, append_all, appended, entry, in_time, options, own_prefix, three_nodes};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_entries_survive_nodes_that_are_killed_and_stopped() {
    let Some((mut cluster, _turn)) = three_nodes().await else { return };
    let prefix = own_prefix();
    let progress = Arc::new(AtomicU64::new(0));
    let writers = ["a", "b"].map(|name| writer(&cluster, &prefix, name, &progress));

    reached(&progress, 50).await;
    let killed = block_in_place(|| cluster.leader());
    cluster.kill(killed);
    reached(&progress, 100).await;
    block_in_place(|| cluster.restart(killed));
    let stopped = block_in_place(|| cluster.leader());
    cluster.pause(stopped);
    reached(&progress, 150).await;
    cluster.resume(stopped);
    let killed = block_in_place(|| cluster.leader());
    cluster.kill(killed);
    block_in_place(|| cluster.restart(killed));

    let mut acknowledged = Vec::new();
    for writer in writers {
        acknowledged.extend(in_time(writer).await.unwrap());
    }
    acknowledged.sort();
    let journal = options(&cluster, &prefix).open().await.unwrap();
    let last = journal.barrier().await.unwrap();
    let entries = all_to(&journal, last).await;
    let entries: Vec<_> = entries.into_iter().map(|entry| (entry.place, entry.bytes)).collect();
    assert_eq!(acknowledged, entries);
}

/// Appends 100 entries of its own, and returns where each was acknowledged.
fn writer(
    cluster: &Cluster,
    prefix: &str,
    name: &'static str,
    progress: &Arc<AtomicU64>,
) -> JoinHandle<Vec<(Place, Arc<[u8]>)>> {
    let (options, progress) = (options(cluster, prefix), Arc::clone(progress));
    tokio::spawn(async move {
        let journal = options.request_timeout(Duration::from_secs(1)).open().await.unwrap();
        let mut acknowledged = Vec::new();
        let mut end = Place::START;
        for number in 0..100 {
            let bytes = entry(&format!("{name} {number}"));
            end = appended(&journal, end, &bytes).await;
            acknowledged.push((end, bytes));
            progress.fetch_add(1, Ordering::Relaxed);
        }
        acknowledged
    })
}

async fn reached(progress: &AtomicU64, count: u64) {
    let reached = async {
        while progress.load(Ordering::Relaxed) < count {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    in_time(reached).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_majority_nothing_is_confirmed() {
    let Some((mut cluster, _turn)) = three_nodes().await else { return };
    let journal = options(&cluster, &own_prefix()).request_timeout(Duration::from_millis(500));
    let journal = journal.open().await.unwrap();
    append_all(&journal, 1).await;
    cluster.kill(1);
    cluster.kill(2);
    for _ in 0..6 {
        let append = in_time(journal.append(Place::new(1), entry("x"))).await;
        assert!(
            matches!(append, Err(AppendError::Ambiguous { .. } | AppendError::NotWritten { .. })),
            "{append:?}"
        );
        let barrier = in_time(journal.barrier()).await;
        assert!(matches!(barrier, Err(JournalError::Unreachable { .. })), "{barrier:?}");
    }
    block_in_place(|| cluster.restart(1));
    assert_eq!(appended(&journal, Place::new(1), &entry("x")).await, Place::new(2));
    assert_eq!(all_to(&journal, Place::new(2)).await.len(), 2);
}
