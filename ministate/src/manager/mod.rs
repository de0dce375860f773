//! `StateManager`: the state in memory, and the only way to change it.

mod applying;
mod files;
mod history;
mod opening;
mod watching;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::commit::Core;
use crate::error::MiniStateError;
use crate::fidelity::Fidelity;
use crate::mutation::Mutator;
use crate::options::Options;
use crate::recovery::Recovery;
use crate::upkeep::Upkeep;
pub(crate) use opening::Opening;

/// A state in memory whose every change is in a journal on disk.
///
/// ```
/// use ministate::{Mutator, StateManager};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Default, Clone, Serialize, Deserialize)]
/// struct Counter { value: u32 }
///
/// #[derive(Serialize, Deserialize)]
/// struct Inc { by: u32 }
///
/// impl Mutator<Counter> for Inc {
///     fn apply(&self, state: &mut Counter) {
///         state.value += self.by;
///     }
/// }
///
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let tmp = tempfile::tempdir()?;
///     let dir = tmp.path();
///
///     let mgr = StateManager::open(dir, "counter.wal.jsonl").await?;
///     mgr.apply(Inc { by: 10 }).await?;
///     assert_eq!(mgr.snapshot().await.value, 10);
///     Ok(())
/// }
/// ```
///
/// Share it as an `Arc<StateManager<S, M>>` among tasks and threads: the more of them change the
/// state at the same time, the more mutations one sync of the disk makes durable (group commit).
///
/// Every call works on a multi-threaded and on a current-thread Tokio runtime, and the `blocking_`
/// twins without one. On another executor the asynchronous calls work as well, and block its
/// thread while the disk works. No thread and no task outlives the calls that need it.
///
/// # Dropping
///
/// Dropping the manager releases the journal, without a word about errors: what was acknowledged
/// is on the disk already. It waits for what was handed over by calls that were dropped.
/// [`close`](Self::close) also leaves the journal marked and trimmed.
pub struct StateManager<S, M> {
    core: Arc<Core<S, M>>,
    upkeep: Arc<Upkeep>,
    fidelity: Fidelity,
    record_bytes_max: u64,
    recovery: Recovery,
    state_dir: PathBuf,
    journal_path: PathBuf,
}

/// What an executed operation returned.
///
/// ```
/// # use ministate::{Mutations, Operation, Options};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Default, Serialize, Deserialize)]
/// # struct Stock { apples: u32 }
/// #[derive(Clone, Serialize, Deserialize)]
/// struct TakeApples {
///     count: u32,
/// }
///
/// impl Operation<Stock> for TakeApples {
///     /// Whether there were as many.
///     type Output = bool;
///
///     fn execute(self, stock: &mut Stock) -> bool {
///         let left = stock.apples.checked_sub(self.count);
///         stock.apples = left.unwrap_or(stock.apples);
///         left.is_some()
///     }
/// }
///
/// #[derive(Clone, Serialize, Deserialize, Mutations)]
/// #[mutations(state = Stock)]
/// enum StockOp {
///     Take(TakeApples),
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let dir = dir.path();
/// let options = Options::new();
/// let stock = options.blocking_open_with::<Stock, StockOp>(dir, "app.wal.jsonl", Stock { apples: 3 })?;
/// let taken = stock.blocking_execute(TakeApples { count: 2 })?;
/// assert_eq!((taken.seq, taken.output), (1, true));
/// // A rejection has a number, too: it is in the journal.
/// let rejected = stock.blocking_execute(TakeApples { count: 2 })?;
/// assert_eq!((rejected.seq, rejected.output), (2, false));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Applied<T> {
    /// The operation's sequence number.
    pub seq: u64,
    /// What its handler returned.
    pub output: T,
}

/// Whether a manager writes, and how far its journal is ahead of the newest snapshot; from
/// [`StateManager::journal_status`].
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
/// # let dir = tempfile::tempdir()?;
/// # let dir = dir.path();
/// let manager = Options::new().blocking_open::<Counter, Inc>(dir, "app.wal.jsonl")?;
/// manager.blocking_apply(Inc { by: 10 })?;
/// let status = manager.journal_status();
/// assert!(status.writes_refused.is_none());
/// assert_eq!(status.sequence - status.snapshot, 1);
/// manager.blocking_close()?;
/// let refused = manager.journal_status().writes_refused;
/// assert!(matches!(refused, Some(MiniStateError::Closed)));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct JournalStatus {
    /// The last mutation.
    pub sequence: u64,
    /// Why no more mutations are taken: [`Poisoned`](MiniStateError::Poisoned) with its cause, or
    /// [`Closed`](MiniStateError::Closed). `None` as long as they are. Reads go on in any case.
    pub writes_refused: Option<MiniStateError>,
    /// The last mutation in the newest snapshot that this manager made or began with.
    pub snapshot: u64,
    /// Why the last snapshot of [`Options::snapshot_every`], or the compaction behind it, failed;
    /// `None` where it did not.
    pub snapshot_failure: Option<MiniStateError>,
}

impl<S, M> StateManager<S, M> {
    /// Lends the current state to `reader`, without cloning it.
    ///
    /// The state holds every mutation through [`sequence`](Self::sequence), all of them durable.
    /// Readers never wait for the disk or for each other, but for a writer while it applies at most
    /// 64 records. (Once only, after a handler panicked, they wait until the state before it is
    /// built again from the journal.) Writers wait for readers: be short, and do not call this
    /// manager from within `reader`.
    ///
    /// # Panics
    ///
    /// Panics if a handler panicked before and the state without its half-done work could not be
    /// built again from the journal.
    pub fn read<R>(&self, reader: impl FnOnce(&S) -> R) -> R {
        self.core.read(reader)
    }

    /// A clone of the current state.
    ///
    /// Does not write anything, whatever its name suggests. Takes as long as the clone does, and
    /// writers wait for it: for a part of a large state use [`read`](Self::read).
    ///
    /// # Panics
    ///
    /// As [`read`](Self::read).
    pub async fn snapshot(&self) -> S
    where
        S: Clone,
    {
        self.read(S::clone)
    }

    /// The sequence number of the last mutation that is durable and visible to readers: 0 for a
    /// journal without mutations, one more with each.
    pub fn sequence(&self) -> u64 {
        self.core.seq()
    }

    /// The journal's active segment: `cat`, `grep` and `jq` work on it at any time. Sealed
    /// segments and the other files of the journal stand beside it and share its name's beginning.
    pub fn journal_path(&self) -> &Path {
        &self.journal_path
    }

    /// The directory that the journal was opened in.
    pub fn state_dir(&self) -> &Path {
        &self.state_dir
    }

    /// Whether mutations are taken, and how far the journal is ahead of the newest snapshot: what a
    /// health check asks for. Does not look at the disk, and does not wait for it.
    pub fn journal_status(&self) -> JournalStatus {
        let newest = self.upkeep.newest();
        let (snapshot, snapshot_failure) = (newest.seq, newest.failure.clone());
        let writes_refused = self.core.refusal();
        JournalStatus { sequence: self.sequence(), writes_refused, snapshot, snapshot_failure }
    }

    /// What opening the journal found and did.
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// The files that recovery needs, in the order in which a tool should copy them: the head file,
    /// the snapshots, the sealed segments, the active one. Reads the directory, so it blocks
    /// briefly.
    ///
    /// While nobody writes, a copy of them is a backup. While somebody does, a copy that a tool makes
    /// can fail, since compaction puts files away, and it can be useless: a segment that was sealed
    /// after its turn is not in it under its new name, and of the active one batches may be there
    /// whose predecessors are not. `open` refuses such a copy, so look whether
    /// [`read_only`](Options::read_only) opens it, and otherwise copy again.
    /// [`backup`](Self::backup) has none of these troubles.
    ///
    /// # Errors
    ///
    /// [`Io`](MiniStateError::Io): the directory cannot be listed.
    pub fn necessary_files(&self) -> Result<Vec<PathBuf>, MiniStateError> {
        self.upkeep.necessary_files()
    }
}

impl<S, M> StateManager<S, M>
where
    S: Default + Serialize + DeserializeOwned + Send + Sync + 'static,
    M: Mutator<S> + Serialize + DeserializeOwned + Send + 'static,
{
    /// Opens the journal `journal_file` in `state_dir` and recovers the state; creates what is not
    /// there.
    ///
    /// The first opening makes `S::default()` the snapshot at sequence number 0: changing the default
    /// later does not change history. Each later one begins with the newest sound snapshot, and
    /// applies the mutations behind it in order. What a crash left of mutations that were never acknowledged is cut off, kept aside
    /// and reported in [`recovery`](Self::recovery).
    ///
    /// A directory that ministate 0.1 wrote is taken over: the mutations in its journal are applied,
    /// behind the newest of its snapshots, and the next one has the next number. A derived enum
    /// reads the old records as version 1 of its operations. The old files stay as they are, under
    /// names that begin with `app.wal.from-0.1.` for the journal `app.wal.jsonl`;
    /// [`recovery`](Self::recovery) lists them. Stop the old program first: it takes no lock.
    ///
    /// Takes as long as the journal behind the snapshot is large, on the runtime's pool for blocking work. Dropping
    /// the future lets the work finish there, and then releases the journal. Where there is more than
    /// one processor and at least 256 KiB to replay, a second thread reads ahead, and ends before the
    /// opening does. It may also decode: your `Deserialize`, and the conversions of old versions, then
    /// run there. Handlers always run in order on one thread.
    ///
    /// # Errors
    ///
    /// An opening that is refused for what it reads has changed nothing, but for the directory and
    /// the lock file, which it creates.
    ///
    /// - [`Locked`](MiniStateError::Locked): another manager has the journal open.
    /// - [`Foreign`](MiniStateError::Foreign), [`NewerFormat`](MiniStateError::NewerFormat),
    ///   [`BadName`](MiniStateError::BadName): this is not a journal for this program.
    /// - [`Corrupt`](MiniStateError::Corrupt), [`Missing`](MiniStateError::Missing),
    ///   [`LostTail`](MiniStateError::LostTail): bytes that were synced are not what they were.
    /// - [`UnknownOperations`](MiniStateError::UnknownOperations): a newer program wrote it.
    /// - [`Undecodable`](MiniStateError::Undecodable): a record is sound, and this program has no
    ///   such operation.
    /// - [`HandlerPanicked`](MiniStateError::HandlerPanicked): a handler panicked at a record.
    /// - [`NoSnapshot`](MiniStateError::NoSnapshot): no snapshot is sound and old enough to begin with.
    /// - [`Refused`](MiniStateError::Refused): JSON cannot say the default state.
    /// - [`Io`](MiniStateError::Io): the system refused to read or write.
    pub async fn open<P1, P2>(state_dir: P1, journal_file: P2) -> Result<Self, MiniStateError>
    where
        P1: AsRef<Path>,
        P2: AsRef<Path>,
    {
        Options::new().open(state_dir, journal_file).await
    }
}

impl<S, M> Drop for StateManager<S, M> {
    fn drop(&mut self) {
        self.core.release();
    }
}

impl<S, M> fmt::Debug for StateManager<S, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateManager")
            .field("journal_path", &self.journal_path)
            .field("sequence", &self.sequence())
            .finish_non_exhaustive()
    }
}
