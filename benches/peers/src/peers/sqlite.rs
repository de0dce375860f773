//! rusqlite, which is SQLite: a table beside a write-ahead log (`journal_mode=WAL`) that is synced
//! with every commit (`synchronous=FULL`).
//!
//! It has one writer at a time, so all share one connection behind a lock, with its statement
//! prepared: writers with connections of their own would wait for each other by trying again.
//! Readers have a second connection, which does not wait for the first.

use std::path::Path;

use ministate_benches::Outcome;
use ministate_benches::peers::{Callers, Peer, Put, State};
use rusqlite::{Connection, params};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{see, text};

#[derive(Debug)]
pub(crate) struct Sqlite {
    writes: Mutex<Connection>,
    reads: Mutex<Connection>,
}

fn locked(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

fn insert(connection: &Connection, put: &Put) -> Outcome<()> {
    let mut statement =
        connection.prepare_cached("INSERT OR REPLACE INTO map (key, value) VALUES (?1, ?2)")?;
    statement.execute(params![put.key as i64, text(put)?])?;
    Ok(())
}

impl Sqlite {
    fn length(&self, key: u64) -> Outcome<usize> {
        let connection = locked(&self.reads);
        let mut statement = connection.prepare_cached("SELECT value FROM map WHERE key = ?1")?;
        Ok(statement.query_row([key as i64], |row| Ok(row.get_ref(0)?.as_str()?.len()))?)
    }
}

impl Peer for Sqlite {
    const CALLERS: Callers = Callers::Threads;
    const STATE: State = State::Native;

    async fn open(dir: &Path) -> Outcome<Sqlite> {
        let connect = || {
            let connection = Connection::open(dir.join("map.sqlite"))?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            Outcome::Ok(connection)
        };
        let writes = connect()?;
        writes.execute_batch(
            "CREATE TABLE IF NOT EXISTS map (key INTEGER PRIMARY KEY, value TEXT NOT NULL)",
        )?;
        Ok(Sqlite { writes: Mutex::new(writes), reads: Mutex::new(connect()?) })
    }

    async fn apply(&self, put: Put) -> Outcome<()> {
        insert(&locked(&self.writes), &put)
    }

    async fn apply_batch(&self, puts: impl Iterator<Item = Put> + Send) -> Outcome<()> {
        let mut connection = locked(&self.writes);
        let transaction = connection.transaction()?;
        for put in puts {
            insert(&transaction, &put)?;
        }
        Ok(transaction.commit()?)
    }

    async fn look_up(&self, key: u64) -> usize {
        self.length(key).unwrap_or(0)
    }

    async fn visit(&self, mut seen: impl FnMut(u64, &str) + Send) -> Outcome<()> {
        let connection = locked(&self.reads);
        let mut statement = connection.prepare("SELECT value FROM map")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            see(row.get_ref(0)?.as_str()?.as_bytes(), &mut seen)?;
        }
        Ok(())
    }

    fn sequence(&self) -> Option<u64> {
        None
    }
}
