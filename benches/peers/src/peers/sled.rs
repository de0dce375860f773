//! sled: a log-structured tree, flushed before a call is over.
//!
//! Writers are threads that call `flush`. Tasks that wait for `flush_async` are no alternative: with
//! 64 of them it does not come back, at least on two cores.
//!
//! Insertions of the value that is there already write nothing, so that a flush after them is free:
//! it is for sled above all that no two mutations are the same.

use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use ministate_benches::Outcome;
use ministate_benches::peers::{Callers, Peer, Put, State};
use sled::{Batch, Db, Error};

use super::{see, text};

#[derive(Debug)]
pub(crate) struct Sled(Db);

impl Peer for Sled {
    const CALLERS: Callers = Callers::Threads;
    const STATE: State = State::Native;

    /// An earlier one of this process lets go of its lock some time after it was dropped.
    async fn open(dir: &Path) -> Outcome<Sled> {
        const PATIENCE: Duration = Duration::from_secs(10);
        let began = Instant::now();
        loop {
            match sled::open(dir) {
                Err(Error::Io(error)) if is_locked(&error) && began.elapsed() < PATIENCE => {
                    thread::sleep(Duration::from_millis(1));
                }
                opened => return Ok(Sled(opened?)),
            }
        }
    }

    async fn apply(&self, put: Put) -> Outcome<()> {
        self.0.insert(put.key.to_be_bytes(), text(&put)?.into_bytes())?;
        self.0.flush()?;
        Ok(())
    }

    async fn apply_batch(&self, puts: impl Iterator<Item = Put> + Send) -> Outcome<()> {
        let mut batch = Batch::default();
        for put in puts {
            batch.insert(&put.key.to_be_bytes(), text(&put)?.into_bytes());
        }
        self.0.apply_batch(batch)?;
        self.0.flush()?;
        Ok(())
    }

    async fn look_up(&self, key: u64) -> usize {
        self.0.get(key.to_be_bytes()).ok().flatten().map_or(0, |value| value.len())
    }

    async fn visit(&self, mut seen: impl FnMut(u64, &str) + Send) -> Outcome<()> {
        for entry in self.0.iter() {
            see(&entry?.1, &mut seen)?;
        }
        Ok(())
    }

    fn sequence(&self) -> Option<u64> {
        None
    }
}

/// Its errors tell their kind in their text alone.
fn is_locked(error: &io::Error) -> bool {
    error.to_string().contains("could not acquire lock")
}
