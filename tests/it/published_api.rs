//! What ministate 0.1 documents works unchanged.

use std::path::Path;
use std::sync::Arc;

use ministate::{MiniStateError, Mutator, StateManager};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

#[derive(Default, Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Counter {
    value: u32,
}

#[derive(Serialize, Deserialize)]
struct Inc {
    by: u32,
}

impl Mutator<Counter> for Inc {
    fn apply(&self, state: &mut Counter) {
        state.value += self.by;
    }
}

async fn opened() -> (TempDir, StateManager<Counter, Inc>) {
    let tmp = tempfile::tempdir().unwrap();
    let mgr = StateManager::open(tmp.path(), "counter.wal.jsonl").await.unwrap();
    (tmp, mgr)
}

#[tokio::test]
async fn types_are_inferred_from_the_calls() -> Result<(), Box<dyn std::error::Error>> {
    let tmp = tempfile::tempdir()?;
    let mgr = StateManager::open(tmp.path(), "counter.wal.jsonl").await?;
    mgr.apply(Inc { by: 10 }).await?;
    assert_eq!(mgr.snapshot().await.value, 10);
    Ok(())
}

#[tokio::test]
async fn the_first_state_is_the_default() {
    let (_tmp, mgr) = opened().await;
    assert_eq!(mgr.snapshot().await, Counter { value: 0 });
    assert_eq!(mgr.sequence(), 0);
}

#[tokio::test]
async fn apply_returns_the_sequence_number() -> Result<(), MiniStateError> {
    let (_tmp, mgr) = opened().await;
    let first: u64 = mgr.apply(Inc { by: 5 }).await?;
    assert_eq!((first, mgr.sequence()), (1, 1));
    let second: u64 = mgr.apply(Inc { by: 10 }).await?;
    assert_eq!((second, mgr.sequence()), (2, 2));
    assert_eq!(mgr.snapshot().await.value, 15);
    Ok(())
}

#[tokio::test]
async fn the_state_is_there_after_a_restart() {
    let (tmp, mgr) = opened().await;
    mgr.apply(Inc { by: 100 }).await.unwrap();
    mgr.apply(Inc { by: 200 }).await.unwrap();
    drop(mgr);
    let mgr = StateManager::<Counter, Inc>::open(tmp.path(), "counter.wal.jsonl").await.unwrap();
    assert_eq!((mgr.snapshot().await.value, mgr.sequence()), (300, 2));
}

#[tokio::test]
async fn tasks_share_it() {
    let (_tmp, mgr) = opened().await;
    let mgr = Arc::new(mgr);
    let tasks: Vec<_> = (0..10)
        .map(|_| {
            let mgr = Arc::clone(&mgr);
            tokio::spawn(async move { mgr.apply(Inc { by: 1 }).await.unwrap() })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!((mgr.snapshot().await.value, mgr.sequence()), (10, 10));
}

#[tokio::test]
async fn it_says_where_its_files_are() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("created/on/the/way");
    let mgr: StateManager<Counter, Inc> = StateManager::open(&dir, "my.wal.jsonl").await.unwrap();
    assert_eq!(mgr.journal_path(), dir.join("my.wal.jsonl"));
    assert_eq!(mgr.state_dir(), dir);
    assert!(mgr.journal_path().exists());
}

/// The trait has no other required item, and stays usable behind a reference.
#[test]
fn a_mutator_is_object_safe() {
    let mutations: Vec<Box<dyn Mutator<Counter>>> = vec![Box::new(Inc { by: 2 })];
    let mut counter = Counter::default();
    mutations.iter().for_each(|mutation| mutation.apply(&mut counter));
    assert_eq!(counter.value, 2);
}

#[tokio::test]
async fn a_call_may_name_the_types_of_its_paths() {
    let tmp = tempfile::tempdir().unwrap();
    let open = StateManager::<Counter, Inc>::open::<&Path, &str>;
    let mgr = open(tmp.path(), "counter.wal.jsonl").await.unwrap();
    assert_eq!(mgr.sequence(), 0);
}
