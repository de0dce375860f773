//! How a call of the disk in memory fails, and how many there were.

use std::io;

/// How a call fails; see [`Simulated::fail_at`](super::Simulated::fail_at).
///
/// ```
/// # use ministate::{MiniStateError, Mutator, Options};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Default, Serialize, Deserialize)]
/// # struct Counter { value: u32 }
/// # #[derive(Serialize, Deserialize)]
/// # struct Inc { by: u32 }
/// # impl Mutator<Counter> for Inc {
/// #     fn apply(&self, state: &mut Counter) { state.value += self.by }
/// # }
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use ministate::storage::{Fault, Simulated};
///
/// let disk = Simulated::new();
/// let open = |disk: &Simulated| {
///     Options::new().storage(disk.clone()).blocking_open::<Counter, Inc>("app", "app.wal.jsonl")
/// };
/// let manager = open(&disk)?;
/// disk.fail_at(disk.calls(), Fault::Fails);
/// let refused = manager.blocking_apply(Inc { by: 1 });
/// assert!(matches!(refused, Err(MiniStateError::NotWritten { .. })));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Nothing happens, and the call reports an I/O error. A sync that fails drops what it should
    /// have made durable, while reading still shows it: this is what Linux does. Where the file had
    /// grown, what is written again in the same place is lost too, although its sync succeeds: this
    /// is what ext4 does.
    Fails,
    /// A write puts half of its bytes, and the call reports an I/O error. Other calls fail as by
    /// [`Fails`](Self::Fails).
    Breaks,
    /// A write puts half of its bytes, and the call reports that the disk is full. Other calls fail
    /// as by [`Fails`](Self::Fails), but for what they report.
    Full,
}

/// How many calls of each kind there were; see [`Simulated::counts`](super::Simulated::counts).
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
/// use ministate::storage::Simulated;
///
/// let disk = Simulated::new();
/// let open = |disk: &Simulated| {
///     Options::new().storage(disk.clone()).blocking_open::<Counter, Inc>("app", "app.wal.jsonl")
/// };
/// let manager = open(&disk)?;
/// let before = disk.counts();
/// manager.blocking_apply_batch([Inc { by: 1 }, Inc { by: 2 }])?;
/// assert_eq!(disk.counts().syncs, before.syncs + 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Listings, openings, lengths and bytes asked for, and locks.
    pub reads: u64,
    /// Bytes written.
    pub writes: u64,
    /// Lengths set.
    pub lengths: u64,
    /// Files and directories created, renamed and removed.
    pub names: u64,
    /// Files synced.
    pub syncs: u64,
    /// Directories synced.
    pub dir_syncs: u64,
    /// Calls that failed because they were made to.
    pub failed: u64,
}

impl Fault {
    pub(super) fn error(self) -> io::Error {
        match self {
            Fault::Fails | Fault::Breaks => io::Error::other("the disk failed"),
            Fault::Full => io::ErrorKind::StorageFull.into(),
        }
    }
}
