//! An etcd that has no space left, and what helps.

use std::sync::Arc;

use ministate::shared::{AppendError, Journal, Place};
use ministate_cluster::etcd::{self, Cluster};
use ministate_etcd::EtcdJournal;

use crate::{all_to, entry, options, own_prefix, revision};

#[tokio::test]
async fn of_a_full_etcd_it_is_known_what_was_written() {
    let Some(node) = small_node() else { return };
    let prefix = own_prefix();
    let journal = options(&node, &prefix).open().await.unwrap();
    let (end, refused) = filled(&journal).await;
    assert!(matches!(refused, AppendError::NotWritten { .. }), "{refused:?}");
    assert_eq!(journal.barrier().await.unwrap(), end);
    assert_eq!(all_to(&journal, end).await.len() as u64, end.number());
}

/// Opening a journal wrote before it read, so that nobody could open that of a full etcd, and trim it.
#[tokio::test]
async fn a_journal_in_a_full_etcd_is_opened_and_trimmed_and_goes_on() {
    let Some(node) = small_node() else { return };
    let prefix = own_prefix();
    let (end, _) = filled(&options(&node, &prefix).open().await.unwrap()).await;

    let journal = options(&node, &prefix).open().await.unwrap();
    assert_eq!(journal.barrier().await.unwrap(), end);
    journal.trim(end.next()).await.unwrap();
    node.etcdctl(&["compaction", "--physical", &revision(&node).to_string()]);
    node.etcdctl(&["defrag"]);
    node.etcdctl(&["alarm", "disarm"]);
    assert_eq!(journal.append(end, entry("room again")).await.unwrap(), end.next());
}

fn small_node() -> Option<Cluster> {
    etcd::nodes(1).argument("--quota-backend-bytes=16777216").start()
}

/// Where the journal ends when etcd is full, and how it refuses the next entry.
async fn filled(journal: &EtcdJournal) -> (Place, AppendError) {
    let large: Arc<[u8]> = vec![b'x'; 1 << 20].into();
    let mut end = Place::START;
    loop {
        match journal.append(end, Arc::clone(&large)).await {
            Ok(place) => end = place,
            Err(AppendError::Conflict) => end = end.next(),
            Err(error) => return (end, error),
        }
        assert!(end < Place::new(64), "etcd does not fill up");
    }
}
