//! Who is measured, and with which state and mutation?

use std::collections::HashMap;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::runtime::{Builder, Runtime};

use crate::{Outcome, machine};

/// How many entries the state grows to, and stays at.
pub(crate) const ENTRIES: u64 = 1_000;

/// With the rest of a [`Put`] it makes about 100 bytes of JSON.
const VALUE: &str =
    "a value of some length, as names, addresses, sums and remarks have it together";

#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Map {
    values: HashMap<u64, String>,
}

impl Map {
    fn look_up(&self, key: u64) -> usize {
        self.values.get(&key).map_or(0, String::len)
    }

    /// About how much memory it takes.
    pub(crate) fn bytes(&self) -> u64 {
        const ALLOCATION: usize = 16;
        let entry = size_of::<(u64, String)>() + 1;
        let texts: usize = self.values.values().map(|value| value.capacity() + ALLOCATION).sum();
        (self.values.capacity() * entry + texts) as u64
    }
}

/// A mutation of about 100 bytes.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Put {
    key: u64,
    value: String,
}

impl Put {
    pub(crate) fn numbered(number: u64) -> Put {
        Put::among(number, ENTRIES)
    }

    /// One of so many entries.
    pub(crate) fn among(number: u64, entries: u64) -> Put {
        Put { key: number % entries, value: VALUE.to_string() }
    }

    fn put_into(&self, map: &mut Map) {
        map.values.insert(self.key, self.value.clone());
    }
}

impl ministate::Mutator<Map> for Put {
    fn apply(&self, map: &mut Map) {
        self.put_into(map);
    }
}

impl seed::Mutator<Map> for Put {
    fn apply(&self, map: &mut Map) {
        self.put_into(map);
    }
}

pub(crate) const JOURNAL: &str = "map.wal.jsonl";

pub(crate) trait Peer: Send + Sync + Sized + 'static {
    fn open(dir: &Path) -> impl Future<Output = Outcome<Self>> + Send;

    /// Durably.
    fn apply(&self, put: Put) -> impl Future<Output = Outcome<()>> + Send;

    /// One value, by the cheapest way there is to the current state.
    fn look_up(&self, key: u64) -> impl Future<Output = usize> + Send;

    fn sequence(&self) -> u64;

    fn close(&self) -> impl Future<Output = Outcome<()>> + Send;
}

#[derive(Debug)]
pub(crate) struct Ours(ministate::StateManager<Map, Put>);

impl Ours {
    pub(crate) async fn apply_batch(&self, puts: impl Iterator<Item = Put> + Send) -> Outcome<()> {
        self.0.apply_batch(puts).await?;
        Ok(())
    }
}

impl Peer for Ours {
    async fn open(dir: &Path) -> Outcome<Ours> {
        Ok(Ours(ministate::Options::new().open(dir, JOURNAL).await?))
    }

    async fn apply(&self, put: Put) -> Outcome<()> {
        self.0.apply(put).await?;
        Ok(())
    }

    async fn look_up(&self, key: u64) -> usize {
        self.0.read(|map| map.look_up(key))
    }

    fn sequence(&self) -> u64 {
        self.0.sequence()
    }

    async fn close(&self) -> Outcome<()> {
        Ok(self.0.close().await?)
    }
}

/// ministate 0.1.3.
#[derive(Debug)]
pub(crate) struct Seed(seed::StateManager<Map, Put>);

impl Peer for Seed {
    async fn open(dir: &Path) -> Outcome<Seed> {
        Ok(Seed(seed::StateManager::open(dir, JOURNAL).await?))
    }

    async fn apply(&self, put: Put) -> Outcome<()> {
        self.0.apply(put).await?;
        Ok(())
    }

    async fn look_up(&self, key: u64) -> usize {
        self.0.snapshot().await.look_up(key)
    }

    fn sequence(&self) -> u64 {
        self.0.sequence()
    }

    /// It has no such call; every record is on the disk already.
    async fn close(&self) -> Outcome<()> {
        Ok(())
    }
}

/// A new one for every measurement, so that no thread of one peer lives on beside the next.
pub(crate) fn runtime() -> Outcome<Runtime> {
    Ok(Builder::new_multi_thread().worker_threads(machine::cores()).build()?)
}

/// Applies so many mutations, many of them at a time.
pub(crate) async fn fill<P: Peer>(peer: &Arc<P>, records: u64) -> Outcome<()> {
    const TASKS: u64 = 1_000;
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let peer = Arc::clone(peer);
            tokio::spawn(async move {
                for number in (task..records).step_by(TASKS as usize) {
                    peer.apply(Put::numbered(number)).await?;
                }
                Outcome::Ok(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok(())
}
