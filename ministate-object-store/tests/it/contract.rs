//! Does each kind of store keep what `SnapshotStore` promises?

use std::future::Future;
use std::sync::Arc;

use ministate::shared::{JournalId, SnapshotName, SnapshotStore, StoreError};
use ministate_object_store::ObjectStoreSnapshots;
use ministate_object_store::object_store::memory::InMemory;
use ministate_object_store::object_store::{ObjectStore, ObjectStoreExt, PutPayload};

use crate::buckets::{Bucket, Manners};
use crate::snapshot;

async fn each_store<F: Future<Output = ()>>(promise: impl Fn(ObjectStoreSnapshots) -> F) {
    let bucket = Bucket::new(Manners::NoConditions);
    promise(ObjectStoreSnapshots::new(bucket, "production")).await;
    each_conditional_store(promise).await;
}

async fn each_conditional_store<F: Future<Output = ()>>(
    promise: impl Fn(ObjectStoreSnapshots) -> F,
) {
    promise(ObjectStoreSnapshots::in_memory()).await;
    promise(ObjectStoreSnapshots::new(Arc::new(InMemory::new()), "production/bank")).await;
    #[cfg(feature = "fs")]
    {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("not/there/yet");
        promise(ObjectStoreSnapshots::in_directory(path).await.unwrap()).await;
    }
}

#[tokio::test]
async fn what_was_put_is_got() {
    each_store(async |snapshots| {
        let name = snapshot(&JournalId::random(), 42, 7);
        let bytes: Vec<u8> = (0..=255).collect();
        snapshots.put(&name, bytes.clone()).await.unwrap();
        assert_eq!(snapshots.get(&name).await.unwrap(), bytes);
    })
    .await;
}

#[tokio::test]
async fn a_snapshot_may_be_empty() {
    each_store(async |snapshots| {
        let name = snapshot(&JournalId::random(), 0, 0);
        snapshots.put(&name, Vec::new()).await.unwrap();
        assert_eq!(snapshots.get(&name).await.unwrap(), b"");
        assert_eq!(snapshots.list(&name.journal).await.unwrap(), [name]);
    })
    .await;
}

#[tokio::test]
async fn a_snapshot_may_have_20_mib() {
    each_store(async |snapshots| {
        let name = snapshot(&JournalId::random(), 1, 1);
        let bytes: Vec<u8> = (0..20 << 20).map(|at: u32| (at ^ (at >> 9)) as u8).collect();
        snapshots.put(&name, bytes.clone()).await.unwrap();
        assert!(snapshots.get(&name).await.unwrap() == bytes);
    })
    .await;
}

#[tokio::test]
async fn put_again_leaves_the_first() {
    each_store(async |snapshots| {
        let name = snapshot(&JournalId::random(), 42, 7);
        snapshots.put(&name, b"the first".to_vec()).await.unwrap();
        snapshots.put(&name, b"a second".to_vec()).await.unwrap();
        assert_eq!(snapshots.get(&name).await.unwrap(), b"the first");
        assert_eq!(snapshots.list(&name.journal).await.unwrap(), [name]);
    })
    .await;
}

#[tokio::test]
async fn snapshots_are_listed_oldest_first() {
    each_store(async |snapshots| {
        let journal = JournalId::random();
        let numbers =
            [(0, 0), (9, 2), (10, 1), (10, 3), (100, 4), (u64::MAX - 1, 5), (u64::MAX, u64::MAX)];
        let names: Vec<_> =
            numbers.iter().map(|&(seq, place)| snapshot(&journal, seq, place)).collect();
        for at in [3, 0, 6, 5, 1, 4, 2] {
            snapshots.put(&names[at], vec![at as u8]).await.unwrap();
        }
        assert_eq!(snapshots.list(&journal).await.unwrap(), names);
        assert_eq!(snapshots.latest(&journal).await.unwrap(), names.last().cloned());
    })
    .await;
}

#[tokio::test]
async fn a_journal_without_snapshots_has_none() {
    each_store(async |snapshots| {
        let journal = JournalId::random();
        assert_eq!(snapshots.list(&journal).await.unwrap(), []);
        assert_eq!(snapshots.latest(&journal).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn each_journal_has_its_own_snapshots() {
    each_store(async |snapshots| {
        let [one, other] = [JournalId::random(), JournalId::random()].map(|id| snapshot(&id, 1, 1));
        snapshots.put(&one, b"one".to_vec()).await.unwrap();
        snapshots.put(&other, b"other".to_vec()).await.unwrap();
        assert_eq!(snapshots.list(&one.journal).await.unwrap(), std::slice::from_ref(&one));
        assert_eq!(snapshots.get(&one).await.unwrap(), b"one");
        assert_eq!(snapshots.get(&other).await.unwrap(), b"other");
    })
    .await;
}

#[tokio::test]
async fn a_snapshot_that_is_not_there_is_said_to_be_missing() {
    each_store(async |snapshots| {
        let name = snapshot(&JournalId::random(), 42, 7);
        let is_missing = |error| matches!(error, StoreError::Missing { name: of } if of == name);
        assert!(is_missing(snapshots.get(&name).await.unwrap_err()));
        snapshots.put(&snapshot(&name.journal, 42, 8), b"another".to_vec()).await.unwrap();
        assert!(is_missing(snapshots.get(&name).await.unwrap_err()));
    })
    .await;
}

#[tokio::test]
async fn a_deleted_snapshot_is_gone_and_can_be_put_again() {
    each_store(async |snapshots| {
        let journal = JournalId::random();
        let [old, new] = [snapshot(&journal, 1, 1), snapshot(&journal, 2, 2)];
        for name in [&old, &new] {
            snapshots.put(name, b"the first".to_vec()).await.unwrap();
        }
        snapshots.delete(&old).await.unwrap();
        assert_eq!(snapshots.list(&journal).await.unwrap(), [new]);
        assert!(matches!(snapshots.get(&old).await, Err(StoreError::Missing { .. })));
        snapshots.put(&old, b"a second".to_vec()).await.unwrap();
        assert_eq!(snapshots.get(&old).await.unwrap(), b"a second");
    })
    .await;
}

#[tokio::test]
async fn deleting_what_is_not_there_does_nothing() {
    each_store(async |snapshots| {
        let name = snapshot(&JournalId::random(), 42, 7);
        snapshots.delete(&name).await.unwrap();
        snapshots.put(&name, b"the state".to_vec()).await.unwrap();
        snapshots.delete(&snapshot(&name.journal, 42, 8)).await.unwrap();
        assert_eq!(snapshots.list(&name.journal).await.unwrap(), [name]);
    })
    .await;
}

#[tokio::test]
async fn of_many_that_put_one_name_at_once_one_stays() {
    each_conditional_store(async |snapshots| {
        let name = snapshot(&JournalId::random(), 42, 7);
        let all: Vec<_> = (0..16_u8)
            .map(|own| {
                let (snapshots, name) = (snapshots.clone(), name.clone());
                tokio::spawn(async move {
                    snapshots.put(&name, vec![own; 10_000]).await.unwrap();
                    snapshots.get(&name).await.unwrap()
                })
            })
            .collect();
        let mut seen = Vec::new();
        for one in all {
            seen.push(one.await.unwrap());
        }
        assert_eq!(seen[0], vec![seen[0][0]; 10_000]);
        assert!(seen.iter().all(|bytes| *bytes == seen[0]));
    })
    .await;
}

#[tokio::test]
async fn objects_lie_under_the_prefix_in_a_folder_of_their_journal() {
    let store = Arc::new(InMemory::new());
    let snapshots = ObjectStoreSnapshots::new(store.clone(), "production/bank");
    let name = snapshot(&JournalId::random(), 42, 7);
    snapshots.put(&name, b"the state".to_vec()).await.unwrap();
    let location = format!(
        "production/bank/{}/snapshot.00000000000000000042.00000000000000000007.json",
        name.journal
    );
    assert_eq!(store.get(&location.into()).await.unwrap().bytes().await.unwrap(), "the state");
}

#[tokio::test]
async fn names_of_others_are_passed_over() {
    let store = Arc::new(InMemory::new());
    let snapshots = ObjectStoreSnapshots::new(store.clone(), "production");
    let name = snapshot(&JournalId::random(), 42, 7);
    let another = snapshot(&name.journal, 43, 8);
    snapshots.put(&name, b"the state".to_vec()).await.unwrap();
    put_foreign(&*store, "production", &name, &another).await;
    assert_eq!(snapshots.list(&name.journal).await.unwrap(), [name]);
}

async fn put_foreign(
    store: &dyn ObjectStore,
    prefix: &str,
    name: &SnapshotName,
    another: &SnapshotName,
) {
    let (journal, file_name) = (&name.journal, another.file_name());
    for foreign in [
        format!("{prefix}/{journal}/notes.txt"),
        format!("{prefix}/{journal}/snapshot.43.8.json"),
        format!("{prefix}/{journal}/{file_name}.tmp"),
        format!("{prefix}/{journal}/deeper/{file_name}"),
        format!("{prefix}/{journal}0/{file_name}"),
        format!("{prefix}/{file_name}"),
        format!("{journal}/{file_name}"),
    ] {
        store.put(&foreign.into(), PutPayload::from("foreign")).await.unwrap();
    }
}
