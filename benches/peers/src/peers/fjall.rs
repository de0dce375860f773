//! fjall: a log-structured tree with a journal, which is synced before a call is over.
//!
//! An insertion and a `persist` after it, as its documentation shows; a batch with its durability
//! for many.

use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use ministate_benches::Outcome;
use ministate_benches::peers::{Callers, Peer, Put, State};

use super::{see, text};

pub(crate) struct Fjall {
    database: Database,
    map: Keyspace,
}

impl Peer for Fjall {
    const CALLERS: Callers = Callers::Threads;
    const STATE: State = State::Native;

    async fn open(dir: &Path) -> Outcome<Fjall> {
        let database = Database::builder(dir).open()?;
        let map = database.keyspace("map", KeyspaceCreateOptions::default)?;
        Ok(Fjall { database, map })
    }

    async fn apply(&self, put: Put) -> Outcome<()> {
        self.map.insert(put.key.to_be_bytes(), text(&put)?)?;
        Ok(self.database.persist(PersistMode::SyncAll)?)
    }

    async fn apply_batch(&self, puts: impl Iterator<Item = Put> + Send) -> Outcome<()> {
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncAll));
        for put in puts {
            batch.insert(&self.map, put.key.to_be_bytes(), text(&put)?);
        }
        Ok(batch.commit()?)
    }

    async fn look_up(&self, key: u64) -> usize {
        self.map.get(key.to_be_bytes()).ok().flatten().map_or(0, |value| value.len())
    }

    async fn visit(&self, mut seen: impl FnMut(u64, &str) + Send) -> Outcome<()> {
        for entry in self.map.iter() {
            see(&entry.value()?, &mut seen)?;
        }
        Ok(())
    }

    fn sequence(&self) -> Option<u64> {
        None
    }
}
