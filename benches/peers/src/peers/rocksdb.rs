//! RocksDB: a log-structured tree whose writers share syncs of its write-ahead log
//! (`WriteOptions::sync`).

use std::path::Path;

use ministate_benches::Outcome;
use ministate_benches::peers::{Callers, Peer, Put, State};
use rocksdb::{DB, IteratorMode, WriteBatch, WriteOptions};

use super::{see, text};

#[derive(Debug)]
pub(crate) struct Rocksdb(DB);

fn synced() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.set_sync(true);
    options
}

impl Peer for Rocksdb {
    const CALLERS: Callers = Callers::Threads;
    const STATE: State = State::Native;

    async fn open(dir: &Path) -> Outcome<Rocksdb> {
        Ok(Rocksdb(DB::open_default(dir)?))
    }

    async fn apply(&self, put: Put) -> Outcome<()> {
        Ok(self.0.put_opt(put.key.to_be_bytes(), text(&put)?, &synced())?)
    }

    async fn apply_batch(&self, puts: impl Iterator<Item = Put> + Send) -> Outcome<()> {
        let mut batch = WriteBatch::default();
        for put in puts {
            batch.put(put.key.to_be_bytes(), text(&put)?);
        }
        Ok(self.0.write_opt(batch, &synced())?)
    }

    async fn look_up(&self, key: u64) -> usize {
        let value = self.0.get_pinned(key.to_be_bytes()).ok().flatten();
        value.map_or(0, |value| value.len())
    }

    async fn visit(&self, mut seen: impl FnMut(u64, &str) + Send) -> Outcome<()> {
        for entry in self.0.iterator(IteratorMode::Start) {
            see(&entry?.1, &mut seen)?;
        }
        Ok(())
    }

    fn sequence(&self) -> Option<u64> {
        None
    }
}
