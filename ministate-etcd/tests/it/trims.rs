//! What is trimmed goes little by little, the oldest first, and disturbs nobody.

use std::time::Duration;

use ministate::shared::{Journal, Place, TailError};
use ministate_cluster::etcd::{self, Cluster};
use ministate_etcd::etcd_client::{Client, EventType, Txn, TxnOp, WatchOptions};
use tokio::time::timeout;

use crate::logins::{as_registry, as_root, ask_who_is_there};
use crate::{append_all, entry, in_time, next_of, one_node, options, own_prefix, revision};

/// All was deleted by one request, however much it was, and nothing else was carried out meanwhile.
#[tokio::test]
async fn a_long_journal_is_trimmed_in_steps_from_the_oldest_entry_on() {
    let Some(node) = one_node() else { return };
    let prefix = own_prefix();
    let journal = options(&node, &prefix).open().await.unwrap();
    put_entries(&node, &prefix, 2500).await;
    let begun = revision(&node);
    journal.trim(Place::new(2401)).await.unwrap();
    journal.trim(Place::new(2401)).await.unwrap();

    let deleted = deletions(&node, &format!("{prefix}/log/"), begun + 1, 2400).await;
    assert!(deleted.is_sorted(), "not the oldest first");
    for step in deleted.chunk_by(|one, next| one.0 == next.0) {
        assert!(step.len() <= 1000, "{} at once", step.len());
    }
    let trimmed = journal.tail(Place::new(2399)).next().await;
    assert!(
        matches!(trimmed, Err(TailError::Trimmed { first }) if first == Place::new(2401)),
        "{trimmed:?}"
    );
    assert_eq!(next_of(&mut journal.tail(Place::new(2400))).await.place, Place::new(2401));
    assert_eq!(journal.barrier().await.unwrap(), Place::new(2500));
}

#[tokio::test]
async fn a_trim_beyond_the_end_goes_to_the_end() {
    let Some(node) = one_node() else { return };
    let journal = options(&node, &own_prefix()).open().await.unwrap();
    for before in [1, u64::MAX] {
        in_time(journal.trim(Place::new(before))).await.unwrap();
    }
    append_all(&journal, 3).await;
    in_time(journal.trim(Place::new(u64::MAX))).await.unwrap();
    assert_eq!(journal.barrier().await.unwrap(), Place::new(3));
    assert_eq!(journal.append(Place::new(3), entry("x")).await.unwrap(), Place::new(4));
    assert_eq!(next_of(&mut journal.tail(Place::new(3))).await.place, Place::new(4));
}

/// Each trim had all tails give up their watches, rest, and read again.
#[tokio::test]
async fn a_trim_of_what_a_tail_has_read_does_not_disturb_its_watch() {
    let Some(node) = etcd::nodes(1).start() else { return };
    let prefix = own_prefix();
    ask_who_is_there(&node, &prefix);
    let journal = options(&node, &prefix).user("root", "secret").open().await.unwrap();
    let watching = as_registry(&node, &prefix).look_every(Duration::from_secs(600));
    let watching = watching.open().await.unwrap();
    append_all(&journal, 3).await;
    let mut tail = watching.tail(Place::START);
    for place in 1..=3 {
        assert_eq!(next_of(&mut tail).await.place, Place::new(place));
    }
    // Waits for the next entry, and thus watches.
    assert!(timeout(Duration::from_millis(300), tail.next()).await.is_err());
    // Who watches already goes on; who reads is refused.
    as_root(&node, "user revoke-role registry writer");
    journal.trim(Place::new(3)).await.unwrap();
    journal.append(Place::new(3), entry("x")).await.unwrap();
    assert_eq!(in_time(tail.next()).await.unwrap().place, Place::new(4));
}

/// Puts so many entries into an empty journal, without appending one after the other.
async fn put_entries(node: &Cluster, prefix: &str, count: u64) {
    let mut client = Client::connect(node.endpoints(), None).await.unwrap();
    let places: Vec<_> = (1..=count).collect();
    for places in places.chunks(100) {
        let put = |place| TxnOp::put(format!("{prefix}/log/{place:020}"), "entry\n", None);
        let entries = places.iter().map(put).collect::<Vec<_>>();
        client.txn(Txn::new().and_then(entries)).await.unwrap();
    }
    client.put(format!("{prefix}/head"), count.to_string(), None).await.unwrap();
}

/// The revision and the key of the deletions since a revision, so many, in their order.
async fn deletions(node: &Cluster, prefix: &str, since: i64, count: usize) -> Vec<(i64, Vec<u8>)> {
    let mut client = Client::connect(node.endpoints(), None).await.unwrap();
    let options = WatchOptions::new().with_prefix().with_start_revision(since);
    let mut watch = client.watch(prefix, Some(options)).await.unwrap();
    let mut deletions = Vec::new();
    while deletions.len() < count {
        let message = in_time(watch.message()).await.unwrap().unwrap();
        for event in message.events() {
            assert_eq!(event.event_type(), EventType::Delete);
            let pair = event.kv().unwrap();
            deletions.push((pair.mod_revision(), pair.key().to_vec()));
        }
    }
    deletions
}
