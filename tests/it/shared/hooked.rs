//! A journal in memory, some calls of which a test answers itself.

use std::sync::Arc;

use ministate::shared::memory::MemoryJournal;
use ministate::shared::{Answer, AppendError, Journal, JournalError, JournalId, Place, Tail};

type OnAppend = dyn Fn() -> Option<AppendError> + Send + Sync;
type OnBarrier = dyn Fn() -> Option<Result<Place, JournalError>> + Send + Sync;

/// Asks the test first; where that says nothing, the journal is asked.
pub(super) struct Hooked {
    journal: MemoryJournal,
    append: Box<OnAppend>,
    barrier: Box<OnBarrier>,
}

impl Hooked {
    pub(super) fn on(journal: &MemoryJournal) -> Hooked {
        let journal = journal.clone_connected();
        Hooked { journal, append: Box::new(|| None), barrier: Box::new(|| None) }
    }

    pub(super) fn append(
        mut self,
        hook: impl Fn() -> Option<AppendError> + Send + Sync + 'static,
    ) -> Self {
        self.append = Box::new(hook);
        self
    }

    pub(super) fn barrier(
        mut self,
        hook: impl Fn() -> Option<Result<Place, JournalError>> + Send + Sync + 'static,
    ) -> Self {
        self.barrier = Box::new(hook);
        self
    }
}

impl Journal for Hooked {
    fn id(&self) -> &JournalId {
        self.journal.id()
    }

    fn entry_bytes_max(&self) -> usize {
        self.journal.entry_bytes_max()
    }

    fn append(&self, expected: Place, entry: Arc<[u8]>) -> Answer<'_, Result<Place, AppendError>> {
        match (self.append)() {
            Some(failure) => Box::pin(async { Err(failure) }),
            None => self.journal.append(expected, entry),
        }
    }

    fn tail(&self, after: Place) -> Box<dyn Tail> {
        self.journal.tail(after)
    }

    fn barrier(&self) -> Answer<'_, Result<Place, JournalError>> {
        match (self.barrier)() {
            Some(answer) => Box::pin(async { answer }),
            None => self.journal.barrier(),
        }
    }

    fn trim(&self, before: Place) -> Answer<'_, Result<(), JournalError>> {
        self.journal.trim(before)
    }
}
