//! raft-engine: a write-ahead log whose writers share syncs, with a map of its own in memory.
//!
//! A write of a key and a value goes to the log, is synced, and is then in the map of its region,
//! which all of it is read from. Nothing is purged, since there is less than the 10 GB from which
//! on its documentation would have it.

use std::path::Path;

use ministate_benches::peers::{Callers, Peer, Put, State};
use ministate_benches::{Failure, Outcome};
use raft_engine::{Config, Engine, LogBatch};

use super::{see, text};

const REGION: u64 = 1;

pub(crate) struct RaftEngine(Engine);

impl Peer for RaftEngine {
    const CALLERS: Callers = Callers::Threads;
    const STATE: State = State::Native;

    async fn open(dir: &Path) -> Outcome<RaftEngine> {
        let dir = dir.to_str().ok_or("the directory's name is no text")?.to_string();
        Ok(RaftEngine(Engine::open(Config { dir, ..Config::default() })?))
    }

    async fn apply(&self, put: Put) -> Outcome<()> {
        self.apply_batch([put].into_iter()).await
    }

    async fn apply_batch(&self, puts: impl Iterator<Item = Put> + Send) -> Outcome<()> {
        let mut batch = LogBatch::default();
        for put in puts {
            batch.put(REGION, put.key.to_be_bytes().to_vec(), text(&put)?.into_bytes())?;
        }
        self.0.write(&mut batch, true)?;
        Ok(())
    }

    async fn look_up(&self, key: u64) -> usize {
        self.0.get(REGION, &key.to_be_bytes()).map_or(0, |value| value.len())
    }

    async fn visit(&self, mut seen: impl FnMut(u64, &str) + Send) -> Outcome<()> {
        let mut failure: Option<Failure> = None;
        self.0.scan_raw_messages(REGION, None, None, false, |_, value| {
            failure = see(value, &mut seen).err();
            failure.is_none()
        })?;
        failure.map_or(Ok(()), Err)
    }

    fn sequence(&self) -> Option<u64> {
        None
    }
}
