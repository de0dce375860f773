//! What is in the journal? Entries behind each other, and those that are still on their way.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};

use tokio::sync::watch;

use crate::shared::journal::{AppendError, Entry, JournalId, Place, TailError};
use crate::sync::{Mutex, MutexGuard};

/// What all handles share.
#[derive(Debug)]
pub(super) struct Shared {
    engine: Mutex<Engine>,
    changes: watch::Sender<()>,
    entry_bytes_max: usize,
}

impl Shared {
    pub(super) fn new(entry_bytes_max: usize) -> Shared {
        let engine = Engine {
            id: Some(JournalId::random()),
            first: Place::START.next(),
            entries: VecDeque::new(),
            late: Vec::new(),
        };
        Shared { engine: Mutex::new(engine), changes: watch::Sender::new(()), entry_bytes_max }
    }

    pub(super) fn entry_bytes_max(&self) -> usize {
        self.entry_bytes_max
    }

    pub(super) fn engine(&self) -> MutexGuard<'_, Engine> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets tails that wait look again.
    pub(super) fn tell(&self) {
        self.changes.send_replace(());
    }

    /// What is told from now on.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }
}

/// The journal itself.
#[derive(Debug)]
pub(super) struct Engine {
    /// `None` once the journal was removed.
    id: Option<JournalId>,
    /// The place of the first entry that is kept, or of the next one where none is.
    first: Place,
    entries: VecDeque<Arc<[u8]>>,
    late: Vec<Late>,
}

/// An append that nobody waits for any more.
#[derive(Debug)]
struct Late {
    journal: JournalId,
    expected: Place,
    entry: Arc<[u8]>,
}

/// The journal is another one now, or none.
pub(super) struct Replaced {
    pub(super) found: Option<JournalId>,
}

impl Engine {
    /// The identity of the journal; one is made where there is none any more.
    pub(super) fn id_made(&mut self) -> JournalId {
        self.id.get_or_insert_with(JournalId::random).clone()
    }

    pub(super) fn is(&self, journal: &JournalId) -> Result<(), Replaced> {
        match &self.id {
            Some(id) if id == journal => Ok(()),
            found => Err(Replaced { found: found.clone() }),
        }
    }

    pub(super) fn end(&self) -> Place {
        Place::new(self.first.number() + self.entries.len() as u64 - 1)
    }

    pub(super) fn appended(
        &mut self,
        journal: &JournalId,
        expected: Place,
        entry: Arc<[u8]>,
    ) -> Result<Place, AppendError> {
        self.is(journal)?;
        if self.end() != expected {
            return Err(AppendError::Conflict);
        }
        self.entries.push_back(entry);
        Ok(self.end())
    }

    pub(super) fn another_appended(&mut self, entry: Arc<[u8]>) -> Place {
        self.entries.push_back(entry);
        self.end()
    }

    /// The entry behind `after`; `None` where it is still to come.
    pub(super) fn behind(
        &self,
        journal: &JournalId,
        after: Place,
    ) -> Result<Option<Entry>, TailError> {
        self.is(journal)?;
        let end = self.end();
        if end < after {
            return Err(TailError::Regressed { last: end });
        }
        let place = after.next();
        let Some(index) = place.number().checked_sub(self.first.number()) else {
            return Err(TailError::Trimmed { first: self.first.min(end) });
        };
        let bytes = usize::try_from(index).ok().and_then(|index| self.entries.get(index));
        Ok(bytes.map(|bytes| Entry { place, bytes: Arc::clone(bytes) }))
    }

    pub(super) fn trim(&mut self, before: Place) {
        while self.first < before && self.entries.pop_front().is_some() {
            self.first = self.first.next();
        }
    }

    pub(super) fn regress(&mut self, to: Place) {
        while self.end() > to && self.entries.pop_back().is_some() {}
        if self.end() > to {
            self.first = to.next();
        }
    }

    pub(super) fn become_another(&mut self, id: Option<JournalId>) {
        self.id = id;
        self.first = Place::START.next();
        self.entries.clear();
    }

    /// Keeps an append for later.
    pub(super) fn keep_late(&mut self, journal: JournalId, expected: Place, entry: Arc<[u8]>) {
        self.late.push(Late { journal, expected, entry });
    }

    /// Lets the late appends arrive, in order. Returns how many were appended; the others came too late.
    pub(super) fn late_landed(&mut self) -> usize {
        let late = std::mem::take(&mut self.late);
        let landed = late
            .into_iter()
            .map(|late| self.appended(&late.journal, late.expected, late.entry).is_ok());
        landed.filter(|landed| *landed).count()
    }

    pub(super) fn entries(&self) -> Vec<Entry> {
        let places = std::iter::successors(Some(self.first), |place| Some(place.next()));
        let entries = places.zip(&self.entries);
        entries.map(|(place, bytes)| Entry { place, bytes: Arc::clone(bytes) }).collect()
    }
}

impl From<Replaced> for AppendError {
    fn from(replaced: Replaced) -> AppendError {
        AppendError::WrongJournal { found: replaced.found }
    }
}

impl From<Replaced> for TailError {
    fn from(replaced: Replaced) -> TailError {
        TailError::WrongJournal { found: replaced.found }
    }
}
