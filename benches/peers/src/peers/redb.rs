//! redb: a copy-on-write tree in one file; a transaction is synced before its commit returns, which
//! is its default.

use std::path::Path;

use ministate_benches::Outcome;
use ministate_benches::peers::{Callers, Peer, Put, State};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

use super::{see, text};

const MAP: TableDefinition<'_, u64, &str> = TableDefinition::new("map");

#[derive(Debug)]
pub(crate) struct Redb(Database);

impl Redb {
    fn length(&self, key: u64) -> Outcome<usize> {
        let table = self.0.begin_read()?.open_table(MAP)?;
        Ok(table.get(key)?.map_or(0, |value| value.value().len()))
    }
}

impl Peer for Redb {
    const CALLERS: Callers = Callers::Threads;
    const STATE: State = State::Native;

    async fn open(dir: &Path) -> Outcome<Redb> {
        let redb = Redb(Database::create(dir.join("map.redb"))?);
        redb.apply_batch([].into_iter()).await?;
        Ok(redb)
    }

    async fn apply(&self, put: Put) -> Outcome<()> {
        self.apply_batch([put].into_iter()).await
    }

    async fn apply_batch(&self, puts: impl Iterator<Item = Put> + Send) -> Outcome<()> {
        let transaction = self.0.begin_write()?;
        {
            let mut table = transaction.open_table(MAP)?;
            for put in puts {
                table.insert(put.key, text(&put)?.as_str())?;
            }
        }
        Ok(transaction.commit()?)
    }

    async fn look_up(&self, key: u64) -> usize {
        self.length(key).unwrap_or(0)
    }

    async fn visit(&self, mut seen: impl FnMut(u64, &str) + Send) -> Outcome<()> {
        let table = self.0.begin_read()?.open_table(MAP)?;
        for entry in table.iter()? {
            see(entry?.1.value().as_bytes(), &mut seen)?;
        }
        Ok(())
    }

    fn sequence(&self) -> Option<u64> {
        None
    }
}
