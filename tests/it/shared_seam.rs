//! An engine keeps the rules of the seam, or the suite for adapters says which one it breaks.

mod broken;
mod faults;
mod files;

use std::sync::Arc;

use ministate::shared::conformance::{self, Handle, JournalFixture, SnapshotFixture};
use ministate::shared::memory::{MemoryJournal, MemorySnapshots};
use ministate::shared::{Answer, JournalId, SnapshotStore};

/// Journals in memory.
#[derive(Default)]
struct InMemory(MemoryJournal);

impl JournalFixture for InMemory {
    fn made(&mut self) -> Answer<'_, Handle> {
        self.0 = MemoryJournal::with_entry_bytes_max(100_000);
        self.reopened()
    }

    fn reopened(&mut self) -> Answer<'_, Handle> {
        Box::pin(async { Arc::new(self.0.reopened()) as Handle })
    }

    fn another(&mut self) -> Answer<'_, Option<Handle>> {
        Box::pin(async { Some(Arc::new(self.0.clone()) as Handle) })
    }

    fn recreated(&mut self) -> Answer<'_, Option<Handle>> {
        self.0.recreate();
        Box::pin(async { Some(Arc::new(self.0.reopened()) as Handle) })
    }
}

/// A store in memory.
#[derive(Default)]
struct Shelf(MemorySnapshots);

impl SnapshotFixture for Shelf {
    fn store(&mut self) -> Answer<'_, Arc<dyn SnapshotStore>> {
        Box::pin(async { Arc::new(self.0.clone()) as Arc<dyn SnapshotStore> })
    }

    fn another(&mut self) -> Answer<'_, Arc<dyn SnapshotStore>> {
        self.store()
    }

    fn put_foreign<'a>(&'a mut self, journal: &'a JournalId, file_name: &'a str) -> Answer<'a, ()> {
        Box::pin(async move { self.0.put_foreign(journal, file_name, b"?".to_vec()) })
    }
}

#[tokio::test]
async fn a_journal_in_memory_keeps_the_rules() {
    conformance::journal(&mut InMemory::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_in_memory_keeps_the_rules_on_several_threads() {
    conformance::journal(&mut InMemory::default()).await;
}

#[tokio::test]
async fn a_store_in_memory_keeps_the_rules() {
    conformance::snapshots(&mut Shelf::default()).await;
}
