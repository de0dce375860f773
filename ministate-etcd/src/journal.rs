//! A journal in etcd: which one is it, and where does it end?

use std::sync::Arc;
use std::time::Duration;

use etcd_client::{Compare, CompareOp, GetOptions, Txn, TxnOp};
use ministate::shared::{Answer, AppendError, Journal, JournalError, JournalId, Place, Tail};

use crate::appending;
use crate::connection::Connection;
use crate::error::EtcdError;
use crate::keys::Keys;
use crate::page;
use crate::tailing::EtcdTail;
use crate::trimming;
use crate::verdict::Verdict;

/// A journal that etcd keeps; from [`EtcdOptions::open`](crate::EtcdOptions::open). May be used from many
/// tasks at once, and belongs to the runtime that it was opened on.
///
/// Has one connection to etcd, and another for each [`tail`](Journal::tail); over each it logs in by itself.
#[derive(Debug)]
pub struct EtcdJournal {
    kept: Arc<Kept>,
}

/// What the journal and its tails know.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) id: JournalId,
    pub(crate) keys: Keys,
    pub(crate) connection: Connection,
    pub(crate) entry_bytes_max: usize,
    pub(crate) look_every: Duration,
}

impl Kept {
    /// The same journal: nobody may take what one tail is sent, for as long as its owner likes.
    fn over_another_connection(&self) -> Kept {
        Kept {
            id: self.id.clone(),
            keys: self.keys.clone(),
            connection: self.connection.another(),
            entry_bytes_max: self.entry_bytes_max,
            look_every: self.look_every,
        }
    }
}

impl EtcdJournal {
    /// Opens the journal under the keys, and makes it where there is none.
    pub(crate) async fn found_or_made(
        connection: Connection,
        keys: Keys,
        entry_bytes_max: usize,
        look_every: Duration,
    ) -> Result<EtcdJournal, EtcdError> {
        let mut tries_left = connection.node_count();
        let id = loop {
            match id_found_or_made(&connection, &keys).await {
                // Where the answer was lost, the next node tells what there is.
                Err(Refusal::Open(_)) if tries_left > 1 => tries_left -= 1,
                Err(Refusal::Open(error) | Refusal::Final(error)) => return Err(error),
                Ok(id) => break id,
            }
        };
        let kept = Kept { id, keys, connection, entry_bytes_max, look_every };
        Ok(EtcdJournal { kept: Arc::new(kept) })
    }
}

enum Refusal {
    Open(EtcdError),
    Final(EtcdError),
}

async fn id_found_or_made(connection: &Connection, keys: &Keys) -> Result<JournalId, Refusal> {
    let id = JournalId::random();
    let no_journal = Compare::version(keys.journal(), CompareOp::Equal, 0);
    // Entries that are left of a journal would become some of the new one.
    let no_keys = Compare::version(keys.all(), CompareOp::Equal, 0).with_range(keys.all_end());
    let txn = Txn::new()
        .when([no_journal, no_keys])
        .and_then([
            TxnOp::put(keys.journal(), id.as_str(), None),
            TxnOp::put(keys.head(), Place::START.to_string(), None),
        ])
        .or_else([TxnOp::get(keys.journal(), None::<GetOptions>)]);
    let answer = connection.transact(txn).await.map_err(|failure| match failure.verdict {
        Verdict::Open | Verdict::Decided => Refusal::Open(failure.error),
        Verdict::NotSent | Verdict::LoginEnded | Verdict::Refused | Verdict::TooLarge => {
            Refusal::Final(failure.error)
        }
    })?;
    if answer.succeeded() {
        return Ok(id);
    }
    let found = page::values_of(&answer).into_iter().flatten().next();
    let found = found.and_then(|pair| JournalId::parse(pair.value_str().ok()?));
    found.ok_or_else(|| Refusal::Final(EtcdError::NotAJournal { key: keys.journal() }))
}

impl Journal for EtcdJournal {
    fn id(&self) -> &JournalId {
        &self.kept.id
    }

    fn entry_bytes_max(&self) -> usize {
        self.kept.entry_bytes_max
    }

    fn append(&self, expected: Place, entry: Arc<[u8]>) -> Answer<'_, Result<Place, AppendError>> {
        Box::pin(appending::append(&self.kept, expected, entry))
    }

    fn tail(&self, after: Place) -> Box<dyn Tail> {
        Box::new(EtcdTail::behind(after, Arc::new(self.kept.over_another_connection())))
    }

    fn barrier(&self) -> Answer<'_, Result<Place, JournalError>> {
        Box::pin(page::head(&self.kept))
    }

    fn trim(&self, before: Place) -> Answer<'_, Result<(), JournalError>> {
        Box::pin(trimming::trim(&self.kept, before))
    }
}
