//! What a recovery found and did, for operators.

use std::path::PathBuf;
use std::time::Duration;

use crate::error::RejectedSnapshot;

/// What opening a journal found and did, for operators.
///
/// ```
/// # use ministate::{Mutator, Options};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Default, Serialize, Deserialize)]
/// # struct Counter(u64);
/// # #[derive(Serialize, Deserialize)]
/// # struct Inc;
/// # impl Mutator<Counter> for Inc {
/// #     fn apply(&self, state: &mut Counter) { state.0 += 1 }
/// # }
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// let manager = Options::new().blocking_open::<Counter, Inc>(dir.path(), "app.wal.jsonl")?;
/// let recovery = manager.recovery();
/// assert!(recovery.created);
/// assert_eq!(recovery.replayed, 0);
/// assert!(recovery.torn_tail.is_none());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Recovery {
    /// There was no journal, and now there is.
    pub created: bool,
    /// The manager before was closed: [`StateManager::close`](crate::StateManager::close) marked
    /// the end of the journal. False after a crash, and after a drop without a close.
    pub was_closed: bool,
    /// The last mutation in the snapshot that the recovery began with; 0 for the initial state.
    pub snapshot: u64,
    /// Newer snapshots that could not be used.
    pub rejected_snapshots: Vec<RejectedSnapshot>,
    /// How many mutations behind the snapshot were replayed.
    pub replayed: u64,
    /// The mutations behind the snapshot that were not replayed, since `ministate void` has marked
    /// them as not to be applied. Their numbers stay theirs.
    pub voided: Vec<u64>,
    /// What a crash left of mutations that were never acknowledged.
    pub torn_tail: Option<TornTail>,
    /// Bytes at the end of the journal of which no mark said that they had been synced. The segment
    /// that they are in was written and synced again, as a new file. 0 where the journal was closed.
    pub rewritten_bytes: u64,
    /// What was taken over from ministate 0.1; the recovery then began behind it.
    pub imported: Option<Imported>,
    /// How long it took.
    pub duration: Duration,
}

/// A directory of ministate 0.1 that this opening took over. See
/// [`StateManager::open`](crate::StateManager::open).
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
/// // What ministate 0.1 left.
/// let journal = "// MINISTORE JOURNAL v0.1.4\n{\"by\":10}\n{\"by\":5}\n";
/// std::fs::write(dir.join("app.wal.jsonl"), journal)?;
///
/// let manager = Options::new().blocking_open::<Counter, Inc>(dir, "app.wal.jsonl")?;
/// let imported = manager.recovery().imported.as_ref().ok_or("nothing was taken over")?;
/// assert_eq!(imported.mutations, 2);
/// assert_eq!(std::fs::read_to_string(&imported.kept[0])?, journal);
/// assert_eq!(manager.blocking_apply(Inc { by: 1 })?, 3);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Imported {
    /// How many mutations the old journal holds. The next one has the number behind.
    pub mutations: u64,
    /// The last mutation in the old snapshot that the import began with; `None` where it began
    /// with the default state. Also `None` where this opening only ended an import that a crash
    /// had interrupted.
    pub snapshot: Option<u64>,
    /// Old snapshots that could not be used, under the names that they had.
    pub rejected_snapshots: Vec<RejectedSnapshot>,
    /// The old files, under the names that they have now, and those of earlier imports under this
    /// journal's name. ministate does not read them again.
    pub kept: Vec<PathBuf>,
}

/// The leftovers of a batch that was never acknowledged: cut off, and kept aside. A reader beside
/// the writer can also see a batch so that is being written.
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
/// let manager = Options::new().blocking_open::<Counter, Inc>(dir, "app.wal.jsonl")?;
/// manager.blocking_apply(Inc { by: 10 })?;
/// manager.blocking_apply(Inc { by: 5 })?;
/// let path = manager.journal_path().to_path_buf();
/// drop(manager);
///
/// // As a crash leaves it that comes while the second one is written.
/// let journal = std::fs::read_to_string(&path)?;
/// std::fs::write(&path, &journal[..journal.trim_end().len() - 20])?;
///
/// let manager = Options::new().blocking_open::<Counter, Inc>(dir, "app.wal.jsonl")?;
/// let torn = manager.recovery().torn_tail.as_ref().ok_or("nothing is torn")?;
/// assert_eq!(torn.after, 1);
/// assert_eq!(std::fs::metadata(&torn.kept_in)?.len(), torn.bytes);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TornTail {
    /// The last mutation before them.
    pub after: u64,
    /// How many bytes there were.
    pub bytes: u64,
    /// The file that keeps them. ministate never reads it. Where the journal was opened
    /// [`read_only`](crate::Options::read_only), the segment that they stand in.
    pub kept_in: PathBuf,
}

/// How far a recovery is; see [`Options::on_progress`](crate::Options::on_progress).
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
/// let options = Options::new().on_progress(|progress| {
///     let percent = progress.bytes_read * 100 / progress.bytes_total.max(1);
///     eprintln!("{percent} % read, {} mutations replayed", progress.replayed);
/// });
/// let manager = options.blocking_open::<Counter, Inc>(dir, "app.wal.jsonl")?;
/// # manager.blocking_close()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Progress {
    /// Bytes of the journal that were read.
    pub bytes_read: u64,
    /// Bytes of the journal there are to read.
    pub bytes_total: u64,
    /// Mutations that were replayed.
    pub replayed: u64,
}
