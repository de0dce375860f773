//! When is it time for the next snapshot?

use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// When a manager makes snapshots by itself; see
/// [`Options::snapshot_every`](crate::Options::snapshot_every).
///
/// ```
/// # use ministate::{Mutator, Options};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Default, Serialize, Deserialize)]
/// # struct Counter { value: u32 }
/// # #[derive(Serialize, Deserialize)]
/// # struct Inc { by: u32 }
/// # impl Mutator<Counter> for Inc {
/// #     fn apply(&self, state: &mut Counter) { state.value += self.by }
/// # }
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let dir = dir.path();
/// use ministate::SnapshotEvery;
///
/// let options = Options::new().snapshot_every(SnapshotEvery::Mutations(2));
/// let manager = options.blocking_open::<Counter, Inc>(dir, "app.wal.jsonl")?;
/// manager.blocking_apply(Inc { by: 1 })?;
/// assert_eq!(manager.journal_status().snapshot, 0);
/// manager.blocking_apply(Inc { by: 1 })?;
/// assert_eq!(manager.journal_status().snapshot, 2);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SnapshotEvery {
    /// When the journal behind the last one holds so many mutations.
    Mutations(u64),
    /// When the journal behind the last one has about so many bytes.
    Bytes(u64),
    /// When the journal behind the last one is about so many times as large as that is, and 1 MiB
    /// at least: an opening then takes about so many times as long as reading the state does.
    Growth(u64),
}

/// A growth of a state that is all but empty would ask for a snapshot with every mutation.
const SMALLEST_GROWTH_BYTES: u64 = 1 << 20;

/// How far the journal is behind the last snapshot, and who makes the next.
#[derive(Debug)]
pub(crate) struct Rhythm {
    every: Option<SnapshotEvery>,
    mutations: AtomicU64,
    bytes: AtomicU64,
    snapshot_bytes: AtomicU64,
    /// Somebody is at it.
    taken: AtomicBool,
}

impl Rhythm {
    pub(crate) fn new(every: Option<SnapshotEvery>, mutations: u64, bytes: u64) -> Rhythm {
        Rhythm {
            every,
            mutations: AtomicU64::new(mutations),
            bytes: AtomicU64::new(bytes),
            snapshot_bytes: AtomicU64::new(0),
            taken: AtomicBool::new(false),
        }
    }

    /// Counts what was written. True for the one caller whose turn it is to make a snapshot, who
    /// has to say so when that has [ended](Self::end_turn).
    pub(crate) fn takes_turn(&self, mutations: u64, bytes: u64) -> bool {
        let Some(every) = self.every else { return false };
        let mutations = self.mutations.fetch_add(mutations, Ordering::Relaxed) + mutations;
        let bytes = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let due = match every {
            SnapshotEvery::Mutations(limit) => mutations >= limit.max(1),
            SnapshotEvery::Bytes(limit) => bytes >= limit.max(1),
            SnapshotEvery::Growth(times) => {
                let grown = self.snapshot_bytes.load(Ordering::Relaxed).saturating_mul(times);
                bytes >= grown.max(SMALLEST_GROWTH_BYTES)
            }
        };
        if !due || self.taken.swap(true, Ordering::AcqRel) {
            return false;
        }
        // What is written from now on is behind the snapshot that is to be made. Where it cannot be
        // made, the next attempt comes after as much again.
        self.mutations.store(0, Ordering::Relaxed);
        self.bytes.store(0, Ordering::Relaxed);
        true
    }

    /// Lets others have a turn.
    pub(crate) fn end_turn(&self) {
        self.taken.store(false, Ordering::Release);
    }

    /// Remembers the size of the newest snapshot.
    pub(crate) fn note_snapshot(&self, bytes: u64) {
        self.snapshot_bytes.store(bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::{Rhythm, SnapshotEvery};

    #[test]
    fn it_is_time_when_the_limit_is_reached_and_again_after_as_much() {
        let rhythm = Rhythm::new(Some(SnapshotEvery::Mutations(3)), 1, 0);
        assert!(!rhythm.takes_turn(1, 9));
        assert!(rhythm.takes_turn(1, 9));
        rhythm.end_turn();
        assert!(!rhythm.takes_turn(2, 9));
        assert!(rhythm.takes_turn(1, 9));
    }

    #[test]
    fn it_is_the_turn_of_one_at_a_time() {
        let rhythm = Rhythm::new(Some(SnapshotEvery::Bytes(10)), 0, 0);
        assert!(rhythm.takes_turn(1, 10));
        assert!(!rhythm.takes_turn(1, 10));
        rhythm.end_turn();
        assert!(rhythm.takes_turn(1, 0));
    }

    #[test]
    fn a_growth_is_measured_by_the_last_snapshot() {
        let rhythm = Rhythm::new(Some(SnapshotEvery::Growth(2)), 0, 0);
        rhythm.note_snapshot(4 << 20);
        assert!(!rhythm.takes_turn(1, (8 << 20) - 1));
        assert!(rhythm.takes_turn(1, 1));
        rhythm.end_turn();
        rhythm.note_snapshot(10);
        assert!(!rhythm.takes_turn(1, 1 << 10));
        assert!(rhythm.takes_turn(1, 1 << 20));
    }

    #[test]
    fn without_a_wish_it_is_never_time() {
        assert!(!Rhythm::new(None, 0, 0).takes_turn(u64::MAX, u64::MAX));
    }
}
