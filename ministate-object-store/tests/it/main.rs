//! What is promised of snapshots, asked of a directory, of memory, and of stores that answer as some
//! buckets do.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod buckets;
mod contract;
#[cfg(feature = "fs")]
mod directory;
#[cfg(all(feature = "fs", target_os = "linux"))]
mod synced;

use ministate::shared::{JournalId, Place, SnapshotName};

fn snapshot(journal: &JournalId, seq: u64, place: u64) -> SnapshotName {
    SnapshotName { journal: journal.clone(), seq, place: Place::new(place) }
}
