//! What are the handles of a journal in memory? Each has its own connection to the one engine.

use std::fmt;
use std::io;
use std::sync::Arc;

use super::chaos::Fate;
use super::engine::{Replaced, Shared};
use super::faults::{AppendFault, Call, CallFault, Faults};
use crate::shared::journal::{
    Answer, AppendError, Cause, Entry, Journal, JournalError, JournalId, Place, Tail, TailError,
};

/// How large an entry may be where nobody said: 1 MiB.
const ENTRY_BYTES_MAX: usize = 1 << 20;

/// A [`Journal`] in memory, for tests: a clone is what another process has that opened it.
///
/// A clone has a connection of its own: [`faults`](Self::faults) are those of one handle. What is done
/// to the journal itself ([`regress`](Self::regress), [`recreate`](Self::recreate) and the like)
/// concerns all of them. [The module](super) has an example.
pub struct MemoryJournal {
    shared: Arc<Shared>,
    id: JournalId,
    faults: Faults,
}

impl MemoryJournal {
    /// An empty journal, whose entries may have 1 MiB.
    pub fn new() -> MemoryJournal {
        MemoryJournal::with_entry_bytes_max(ENTRY_BYTES_MAX)
    }

    /// An empty journal whose entries may have so many bytes.
    pub fn with_entry_bytes_max(bytes: usize) -> MemoryJournal {
        MemoryJournal::opened(&Arc::new(Shared::new(bytes)))
    }

    /// What a process has that opens the journal now: after [`recreate`](Self::recreate) the new one, and
    /// after [`remove`](Self::remove) one that it makes.
    pub fn reopened(&self) -> MemoryJournal {
        MemoryJournal::opened(&self.shared)
    }

    /// Another handle on the same connection, as two tasks of one process have it.
    pub fn clone_connected(&self) -> MemoryJournal {
        MemoryJournal {
            shared: Arc::clone(&self.shared),
            id: self.id.clone(),
            faults: self.faults.clone(),
        }
    }

    /// What goes wrong on the connection of this handle: for the test to keep when the handle is given
    /// away.
    pub fn faults(&self) -> Faults {
        self.faults.clone()
    }

    /// The entries that are there and were not trimmed.
    pub fn entries(&self) -> Vec<Entry> {
        self.shared.engine().entries()
    }

    /// Where the journal ends.
    pub fn end(&self) -> Place {
        self.shared.engine().end()
    }

    /// Appends another writer's entry at the end, wherever that is. Returns its place.
    pub fn append_as_another(&self, entry: Arc<[u8]>) -> Place {
        let place = self.shared.engine().another_appended(entry);
        self.shared.tell();
        place
    }

    /// Lets appends arrive that were [`AmbiguousLate`](AppendFault::AmbiguousLate): each is appended if
    /// the journal still ends where it expects. Returns how many were.
    pub fn land_late(&self) -> usize {
        let landed = self.shared.engine().late_landed();
        self.shared.tell();
        landed
    }

    /// Loses the entries behind `to`, as an engine does that is brought back from an old backup: a thing
    /// that no engine may do, and that must be found out.
    pub fn regress(&self, to: Place) {
        self.shared.engine().regress(to);
        self.shared.tell();
    }

    /// Removes the journal and makes another in its place, empty and with another
    /// [`id`](Journal::id).
    pub fn recreate(&self) {
        self.shared.engine().become_another(Some(JournalId::random()));
        self.shared.tell();
    }

    /// Removes the journal.
    pub fn remove(&self) {
        self.shared.engine().become_another(None);
        self.shared.tell();
    }

    fn opened(shared: &Arc<Shared>) -> MemoryJournal {
        let id = shared.engine().id_made();
        MemoryJournal { faults: Faults::none(shared), shared: Arc::clone(shared), id }
    }

    fn appended(&self, expected: Place, entry: Arc<[u8]>) -> Result<Place, AppendError> {
        let place = self.shared.engine().appended(&self.id, expected, entry)?;
        self.shared.tell();
        Ok(place)
    }

    async fn appended_despite(
        &self,
        fault: AppendFault,
        expected: Place,
        entry: Arc<[u8]>,
    ) -> Result<Place, AppendError> {
        match fault {
            AppendFault::Overtaken(other) => {
                self.append_as_another(other);
                self.appended(expected, entry)
            }
            AppendFault::ConflictLanded => {
                self.appended(expected, entry)?;
                Err(AppendError::Conflict)
            }
            AppendFault::NotWritten => Err(AppendError::NotWritten { source: lost() }),
            AppendFault::AmbiguousLanded => {
                // Whatever the answer was, it got lost.
                let _ = self.appended(expected, entry);
                Err(AppendError::Ambiguous { source: lost() })
            }
            AppendFault::AmbiguousLost => Err(AppendError::Ambiguous { source: lost() }),
            AppendFault::AmbiguousLate => {
                self.shared.engine().keep_late(self.id.clone(), expected, entry);
                Err(AppendError::Ambiguous { source: lost() })
            }
            AppendFault::RequestHeld => {
                self.faults.held().await;
                self.appended(expected, entry)
            }
            AppendFault::AnswerHeld => {
                let answer = self.appended(expected, entry);
                self.faults.held().await;
                answer
            }
        }
    }

    async fn called<T>(
        &self,
        call: Call,
        ask: impl Fn() -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        match self.faults.of_call(call) {
            Fate::Nothing => ask(),
            Fate::CutOff | Fate::Fault(CallFault::Unreachable) => {
                Err(JournalError::Unreachable { source: lost() })
            }
            Fate::SlowRequest(turns) => {
                others_had(turns).await;
                ask()
            }
            Fate::SlowAnswer(turns) => {
                let answer = ask();
                others_had(turns).await;
                answer
            }
            Fate::Fault(CallFault::RequestHeld) => {
                self.faults.held().await;
                ask()
            }
            Fate::Fault(CallFault::AnswerHeld) => {
                let answer = ask();
                self.faults.held().await;
                answer
            }
        }
    }
}

impl Default for MemoryJournal {
    fn default() -> MemoryJournal {
        MemoryJournal::new()
    }
}

/// Another process that has opened the same journal: with a connection of its own, on which all goes
/// well.
impl Clone for MemoryJournal {
    fn clone(&self) -> MemoryJournal {
        MemoryJournal {
            shared: Arc::clone(&self.shared),
            id: self.id.clone(),
            faults: Faults::none(&self.shared),
        }
    }
}

impl fmt::Debug for MemoryJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = self.end();
        f.debug_struct("MemoryJournal").field("id", &self.id).field("end", &end).finish()
    }
}

impl Journal for MemoryJournal {
    fn id(&self) -> &JournalId {
        &self.id
    }

    fn entry_bytes_max(&self) -> usize {
        self.shared.entry_bytes_max()
    }

    fn append(&self, expected: Place, entry: Arc<[u8]>) -> Answer<'_, Result<Place, AppendError>> {
        Box::pin(async move {
            let limit = self.entry_bytes_max();
            if entry.len() > limit {
                return Err(AppendError::TooLarge { limit });
            }
            match self.faults.of_append() {
                Fate::Nothing => self.appended(expected, entry),
                Fate::CutOff => Err(AppendError::NotWritten { source: lost() }),
                Fate::SlowRequest(turns) => {
                    others_had(turns).await;
                    self.appended(expected, entry)
                }
                Fate::SlowAnswer(turns) => {
                    let answer = self.appended(expected, entry);
                    others_had(turns).await;
                    answer
                }
                Fate::Fault(fault) => self.appended_despite(fault, expected, entry).await,
            }
        })
    }

    fn tail(&self, after: Place) -> Box<dyn Tail> {
        Box::new(MemoryTail { journal: self.clone_connected(), after })
    }

    fn barrier(&self) -> Answer<'_, Result<Place, JournalError>> {
        Box::pin(self.called(Call::Barrier, || {
            let engine = self.shared.engine();
            engine.is(&self.id)?;
            Ok(engine.end())
        }))
    }

    fn trim(&self, before: Place) -> Answer<'_, Result<(), JournalError>> {
        Box::pin(self.called(Call::Trim, move || {
            let mut engine = self.shared.engine();
            engine.is(&self.id)?;
            engine.trim(before);
            Ok(())
        }))
    }
}

struct MemoryTail {
    journal: MemoryJournal,
    after: Place,
}

impl Tail for MemoryTail {
    fn next(&mut self) -> Answer<'_, Result<Entry, TailError>> {
        Box::pin(async move {
            let mut changes = self.journal.shared.changes();
            let mut fate = self.journal.faults.of_call(Call::Next);
            loop {
                if let Some(entry) = self.looked(fate).await? {
                    self.after = entry.place;
                    return Ok(entry);
                }
                // The sender is the journal's.
                let _ = changes.changed().await;
                fate = self.journal.faults.of_waiting(Call::Next);
            }
        })
    }
}

impl MemoryTail {
    /// The next entry, if there is one.
    async fn looked(&self, fate: Fate<CallFault>) -> Result<Option<Entry>, TailError> {
        let look = || self.journal.shared.engine().behind(&self.journal.id, self.after);
        match fate {
            Fate::Nothing => look(),
            Fate::CutOff | Fate::Fault(CallFault::Unreachable) => {
                Err(TailError::Unreachable { source: lost() })
            }
            Fate::SlowRequest(turns) => {
                others_had(turns).await;
                look()
            }
            Fate::SlowAnswer(turns) => {
                let answer = look();
                others_had(turns).await;
                answer
            }
            Fate::Fault(CallFault::RequestHeld) => {
                self.journal.faults.held().await;
                look()
            }
            Fate::Fault(CallFault::AnswerHeld) => {
                let answer = look();
                self.journal.faults.held().await;
                answer
            }
        }
    }
}

/// Lets other tasks have so many turns.
async fn others_had(turns: u32) {
    for _ in 0..turns {
        tokio::task::yield_now().await;
    }
}

fn lost() -> Cause {
    Arc::new(io::Error::other("the test wants it so"))
}

impl From<Replaced> for JournalError {
    fn from(replaced: Replaced) -> JournalError {
        JournalError::WrongJournal { found: replaced.found }
    }
}
