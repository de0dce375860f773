//! heed, which is LMDB: a copy-on-write tree in a mapped file; a transaction is synced before its
//! commit returns, which is its default.
#![expect(unsafe_code, reason = "to map a file is unsafe: nobody else may change it")]

use std::path::Path;

use heed::byteorder::BigEndian;
use heed::types::{Str, U64};
use heed::{Database, Env, EnvOpenOptions};
use ministate_benches::Outcome;
use ministate_benches::peers::{Callers, Peer, Put, State};

use super::{see, text};

/// Address space, and no more than that, for all there may ever be.
const MAPPED_BYTES: usize = 16 << 30;

pub(crate) struct Lmdb {
    environment: Env,
    map: Database<U64<BigEndian>, Str>,
}

impl Lmdb {
    fn length(&self, key: u64) -> Outcome<usize> {
        let transaction = self.environment.read_txn()?;
        Ok(self.map.get(&transaction, &key)?.map_or(0, str::len))
    }
}

impl Peer for Lmdb {
    const CALLERS: Callers = Callers::Threads;
    const STATE: State = State::Native;

    async fn open(dir: &Path) -> Outcome<Lmdb> {
        // SAFETY: the directory is the harness's own, and one process at a time opens it.
        let environment = unsafe { EnvOpenOptions::new().map_size(MAPPED_BYTES).open(dir)? };
        let mut transaction = environment.write_txn()?;
        let map = environment.create_database(&mut transaction, None)?;
        transaction.commit()?;
        Ok(Lmdb { environment, map })
    }

    async fn apply(&self, put: Put) -> Outcome<()> {
        self.apply_batch([put].into_iter()).await
    }

    async fn apply_batch(&self, puts: impl Iterator<Item = Put> + Send) -> Outcome<()> {
        let mut transaction = self.environment.write_txn()?;
        for put in puts {
            self.map.put(&mut transaction, &put.key, &text(&put)?)?;
        }
        Ok(transaction.commit()?)
    }

    async fn look_up(&self, key: u64) -> usize {
        self.length(key).unwrap_or(0)
    }

    async fn visit(&self, mut seen: impl FnMut(u64, &str) + Send) -> Outcome<()> {
        let transaction = self.environment.read_txn()?;
        for entry in self.map.iter(&transaction)? {
            see(entry?.1.as_bytes(), &mut seen)?;
        }
        Ok(())
    }

    fn sequence(&self) -> Option<u64> {
        None
    }
}
