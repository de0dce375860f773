//! okaywal: a write-ahead log whose writers share syncs, beside a map of the program.
//!
//! Segments are allocated 64 MiB ahead, which its documentation recommends for throughput, and no
//! checkpoint ever removes a record, since it would have to write the map elsewhere. The map takes
//! a mutation once it is on the disk, and in any order: a program for which that matters would
//! have to do more.

use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use ministate_benches::Outcome;
use ministate_benches::peers::{Callers, Map, Peer, Put, State};
use okaywal::{Configuration, Entry, EntryId, LogManager, SegmentReader, WriteAheadLog};

use super::text;

#[derive(Debug)]
pub(crate) struct Okaywal {
    log: WriteAheadLog,
    map: Arc<RwLock<Map>>,
}

/// Puts what the log has into the map.
#[derive(Debug)]
struct Recovers(Arc<RwLock<Map>>);

impl LogManager for Recovers {
    fn recover(&mut self, entry: &mut Entry<'_>) -> io::Result<()> {
        // None of an entry that was not written to its end.
        let chunks = entry.read_all_chunks()?.unwrap_or_default();
        let mut map = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for chunk in chunks {
            map.insert(serde_json::from_slice(&chunk)?);
        }
        Ok(())
    }

    fn checkpoint_to(
        &mut self,
        _: EntryId,
        _: &mut SegmentReader,
        _: &WriteAheadLog,
    ) -> io::Result<()> {
        Err(io::Error::other("no checkpoint was to be"))
    }
}

impl Peer for Okaywal {
    const CALLERS: Callers = Callers::Threads;
    const STATE: State = State::InMemory;

    async fn open(dir: &Path) -> Outcome<Okaywal> {
        let map = Arc::default();
        let log = Configuration::default_for(dir)
            .preallocate_bytes(64 << 20)
            .checkpoint_after_bytes(u64::MAX)
            .open(Recovers(Arc::clone(&map)))?;
        Ok(Okaywal { log, map })
    }

    async fn apply(&self, put: Put) -> Outcome<()> {
        let text = text(&put)?;
        let mut entry = self.log.begin_entry()?;
        entry.write_chunk(text.as_bytes())?;
        entry.commit()?;
        self.map.write().unwrap_or_else(PoisonError::into_inner).insert(put);
        Ok(())
    }

    async fn apply_batch(&self, puts: impl Iterator<Item = Put> + Send) -> Outcome<()> {
        let puts: Vec<Put> = puts.collect();
        let texts = puts.iter().map(text).collect::<Outcome<Vec<String>>>()?;
        let mut entry = self.log.begin_entry()?;
        for text in texts {
            entry.write_chunk(text.as_bytes())?;
        }
        entry.commit()?;
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        puts.into_iter().for_each(|put| map.insert(put));
        Ok(())
    }

    async fn look_up(&self, key: u64) -> usize {
        self.map.read().unwrap_or_else(PoisonError::into_inner).look_up(key)
    }

    async fn visit(&self, see: impl FnMut(u64, &str) + Send) -> Outcome<()> {
        self.map.read().unwrap_or_else(PoisonError::into_inner).visit(see);
        Ok(())
    }

    fn sequence(&self) -> Option<u64> {
        None
    }
}
