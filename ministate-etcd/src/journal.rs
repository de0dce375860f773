//! A journal in etcd: which one is it, and where does it end?

use std::sync::Arc;
use std::time::Duration;

use ministate::shared::{Answer, AppendError, Journal, JournalError, JournalId, Place, Tail};

use crate::appending;
use crate::connection::Connection;
use crate::keys::Keys;
use crate::page;
use crate::tailing::EtcdTail;
use crate::trimming;

/// A journal that etcd keeps; from [`EtcdOptions::open`](crate::EtcdOptions::open) and
/// [`open_existing`](crate::EtcdOptions::open_existing). May be used from many tasks at once, and belongs
/// to the runtime that it was opened on.
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
    pub(crate) fn of(kept: Kept) -> EtcdJournal {
        EtcdJournal { kept: Arc::new(kept) }
    }
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
