//! A second copy of a state, in another process than its writer's, that goes on with it.

mod looking;
mod promotion;

use std::fmt;
use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::commit::ground;
use crate::commit::news::{Known, News, block_on};
use crate::error::MiniStateError;
use crate::journal::Names;
use crate::mutation::Mutator;
use crate::options::Options;
use crate::read_only::refuse_what_is_not_ours;
use crate::record::Seq;
use crate::sync::mpsc::Sender;
use crate::sync::thread::JoinHandle;
use crate::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard};
use looking::Looker;
pub use promotion::NotPromoted;

/// The state of a journal that another process writes, kept up to date by looking at its files.
///
/// It takes no lock and changes no file. A thread of its own looks every
/// [`Options::look_every`], and ends once the follower is dropped, behind the look that it is at.
///
/// ```
/// use ministate::{Follower, Mutator, StateManager};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Default, Serialize, Deserialize)]
/// # struct Counter { value: u32 }
/// # #[derive(Serialize, Deserialize)]
/// # struct Inc { by: u32 }
/// # impl Mutator<Counter> for Inc {
/// #     fn apply(&self, state: &mut Counter) { state.value += self.by }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let dir = dir.path();
/// let writer = StateManager::<Counter, Inc>::open(dir, "counter.wal.jsonl").await?;
///
/// // In another process, say.
/// let follower = Follower::<Counter, Inc>::open(dir, "counter.wal.jsonl").await?;
/// let seq = writer.apply(Inc { by: 5 }).await?;
/// follower.wait_for(seq).await?;
/// assert_eq!(follower.read(|counter| counter.value), 5);
///
/// // The writer is gone: here is the next one.
/// drop(writer);
/// let writer = follower.promote().await?;
/// assert_eq!(writer.apply(Inc { by: 1 }).await?, 2);
/// # Ok(())
/// # }
/// ```
///
/// # What it shows
///
/// The state as it was behind some record, and later behind a later one; never half of a batch. What it
/// shows is durable: what its writer has not proved to have synced, the follower syncs itself before it
/// applies it. So it can be ahead of what the writer has acknowledged by the batch that is being synced.
///
/// Beside a writer whose disk fails, it can show two things that are not durable: records of a batch
/// whose write failed behind them and was undone, and a batch whose sync failed in the writer before
/// the follower's succeeded. If the journal then goes on without these records, the follower notices
/// at its next look ([`Withdrawn`](MiniStateError::Withdrawn)) and reads the state anew, which then
/// goes back.
///
/// # Reading anew
///
/// Where compaction has put away what the follower was to read next, and where records were withdrawn,
/// it recovers the state from the newest snapshot, beside the one that it shows meanwhile, and reports
/// it in [`status`](Self::status).
pub struct Follower<S, M> {
    shared: Arc<Shared<S>>,
    /// `None` while no thread looks.
    running: Option<Box<Running<S, M>>>,
    origin: Box<Origin>,
}

/// What was opened, and how.
struct Origin {
    options: Options,
    names: Names,
    state_dir: PathBuf,
    journal_path: PathBuf,
}

/// How far a follower is; from [`Follower::status`].
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
/// let manager = Options::new().blocking_open::<Counter, Inc>(dir, "counter.wal.jsonl")?;
/// manager.blocking_apply(Inc { by: 10 })?;
/// let follower = Options::new().blocking_follow::<Counter, Inc>(dir, "counter.wal.jsonl")?;
///
/// // What a health check says.
/// let status = follower.status();
/// assert_eq!((status.sequence, status.behind), (1, 0));
/// assert!(status.failure.is_none() && !status.has_ended);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FollowerStatus {
    /// The last mutation that the state holds.
    pub sequence: u64,
    /// How many mutations behind it were seen in the files, or in the head file as synced. What was
    /// written since the last look is not among them.
    pub behind: u64,
    /// When the files were looked at last with success.
    pub looked: Instant,
    /// Why the last look failed; `None` where it did not.
    pub failure: Option<MiniStateError>,
    /// No more is looked at, for the reason in `failure`, since looking again would not help. The
    /// state stays as it is.
    pub has_ended: bool,
    /// How often the state was read anew.
    pub reloads: u64,
    /// The last time that it was.
    pub last_reload: Option<Reload>,
}

/// A state that a follower read anew.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Reload {
    /// [`Trimmed`](MiniStateError::Trimmed) or [`Withdrawn`](MiniStateError::Withdrawn).
    pub cause: MiniStateError,
    /// The last mutation in the state before.
    pub from: u64,
    /// The last mutation in the state that took its place.
    pub to: u64,
}

/// What readers and the thread that looks have in common.
#[derive(Debug)]
struct Shared<S> {
    state: RwLock<Held<S>>,
    news: Arc<News>,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Held<S> {
    /// An error where a handler panicked and the state before it could not be built again.
    state: Result<S, MiniStateError>,
    seq: Seq,
}

/// What looking came to.
#[derive(Debug)]
struct Seen {
    seq: Seq,
    looked: Instant,
    failure: Option<MiniStateError>,
    has_ended: bool,
    reloads: u64,
    last_reload: Option<Reload>,
}

/// The thread that looks.
struct Running<S, M> {
    thread: JoinHandle<Looker<S, M>>,
    /// The thread ends once this is dropped.
    goes_on: Sender<()>,
}

impl<S> Held<S> {
    /// The state through the mutation, which then is not here any more.
    fn taken_at(&mut self, seq: Seq) -> Option<S> {
        if self.seq != seq || self.state.is_err() {
            return None;
        }
        std::mem::replace(&mut self.state, Err(MiniStateError::Closed)).ok()
    }
}

impl<S> Shared<S> {
    fn held(&self) -> RwLockReadGuard<'_, Held<S>> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S, M> Follower<S, M>
where
    S: DeserializeOwned + Send + Sync + 'static,
    M: Mutator<S> + Serialize + DeserializeOwned + Send + 'static,
{
    /// Recovers the state of the journal `journal_file` in `state_dir` as it is now, beside its writer
    /// if there is one, and goes on with it.
    ///
    /// # Errors
    ///
    /// As [`Options::read_only`]; and [`Io`](MiniStateError::Io) where what nobody has synced cannot
    /// be synced, or there is no thread to be had.
    pub async fn open(
        state_dir: impl AsRef<Path>,
        journal_file: impl AsRef<Path>,
    ) -> Result<Self, MiniStateError> {
        Options::new().follow(state_dir, journal_file).await
    }
}

impl Options {
    /// Follows the journal, which another process writes. See [`Follower`].
    ///
    /// Of the options [`look_every`](Options::look_every), [`storage`](Options::storage) and
    /// [`on_progress`](Options::on_progress) matter; the others do once the follower is
    /// [promoted](Follower::promote).
    ///
    /// # Errors
    ///
    /// As [`Follower::open`].
    pub async fn follow<S, M>(
        self,
        state_dir: impl AsRef<Path>,
        journal_file: impl AsRef<Path>,
    ) -> Result<Follower<S, M>, MiniStateError>
    where
        S: DeserializeOwned + Send + Sync + 'static,
        M: Mutator<S> + Serialize + DeserializeOwned + Send + 'static,
    {
        let (dir, file) = (state_dir.as_ref().to_path_buf(), journal_file.as_ref().to_path_buf());
        ground::run(move || self.blocking_follow(dir, file)).await
    }

    /// [`follow`](Self::follow) for callers without a runtime: blocks the thread.
    ///
    /// # Errors
    ///
    /// As [`Follower::open`].
    pub fn blocking_follow<S, M>(
        self,
        state_dir: impl AsRef<Path>,
        journal_file: impl AsRef<Path>,
    ) -> Result<Follower<S, M>, MiniStateError>
    where
        S: DeserializeOwned + Send + Sync + 'static,
        M: Mutator<S> + Serialize + DeserializeOwned + Send + 'static,
    {
        let (state_dir, file) = (state_dir.as_ref().to_path_buf(), journal_file.as_ref());
        let (names, journal_path) = (Names::new(&state_dir, file)?, state_dir.join(file));
        refuse_what_is_not_ours(&*self.storage, &names)?;
        let looker = Looker::<S, M>::begun(&self.storage, &names, &*self.on_progress)?;
        let shared = Arc::clone(looker.shared());
        let origin = Box::new(Origin { options: self, names, state_dir, journal_path });
        let mut follower = Follower { shared, running: None, origin };
        follower.start(looker)?;
        Ok(follower)
    }
}

impl<S, M> Follower<S, M> {
    /// Lends the state to `reader`. It never waits for the disk, but for the thread that looks while
    /// that applies at most 64 records. (Once only, after a handler panicked, until the state before
    /// it is built again from the journal.)
    ///
    /// # Panics
    ///
    /// Panics if a handler panicked before and the state without its half-done work could not be built
    /// again from the journal.
    pub fn read<R>(&self, reader: impl FnOnce(&S) -> R) -> R {
        self.read_with_sequence(|state, _| reader(state))
    }

    /// Lends the state to `reader`, with the last mutation that it holds.
    ///
    /// # Panics
    ///
    /// As [`read`](Self::read).
    pub fn read_with_sequence<R>(&self, reader: impl FnOnce(&S, u64) -> R) -> R {
        let held = self.shared.held();
        match &held.state {
            Ok(state) => reader(state, held.seq),
            Err(cause) => {
                let cause = cause.clone();
                drop(held);
                panic!("there is no sound state to read: {cause}");
            }
        }
    }

    /// A clone of the state. Writes nothing.
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

    /// The last mutation that the state holds. It goes back only where records were withdrawn.
    pub fn sequence(&self) -> u64 {
        self.shared.held().seq
    }

    /// How far it is, and what the last look at the files came to: what a health check asks for. Does
    /// not look at the disk.
    pub fn status(&self) -> FollowerStatus {
        let sequence = self.sequence();
        let seen = self.shared.seen();
        FollowerStatus {
            sequence,
            behind: seen.seq.saturating_sub(sequence),
            looked: seen.looked,
            failure: seen.failure.clone(),
            has_ended: seen.has_ended,
            reloads: seen.reloads,
            last_reload: seen.last_reload.clone(),
        }
    }

    /// Returns once the state holds mutation `seq`: what the writer has acknowledged can then be read
    /// here. Waits for ever where that never comes; put a timeout around it, and look at
    /// [`status`](Self::status).
    ///
    /// Dropping the future has no effect.
    ///
    /// # Errors
    ///
    /// The follower has ended, and its state does not hold the mutation:
    ///
    /// - [`HandlerPanicked`](MiniStateError::HandlerPanicked): a handler panicked at a record.
    /// - [`UnknownOperations`](MiniStateError::UnknownOperations),
    ///   [`Undecodable`](MiniStateError::Undecodable),
    ///   [`UnreadableState`](MiniStateError::UnreadableState),
    ///   [`NewerFormat`](MiniStateError::NewerFormat): this program cannot read what was written.
    /// - [`Io`](MiniStateError::Io): a state that was read anew could not be synced, or the storage
    ///   panicked.
    pub async fn wait_for(&self, seq: u64) -> Result<(), MiniStateError> {
        let listener = self.shared.news.listener();
        poll_fn(|context| reached(listener.poll(seq, context))).await
    }

    /// [`wait_for`](Self::wait_for) for callers without a runtime: blocks the thread.
    ///
    /// # Errors
    ///
    /// As [`wait_for`](Self::wait_for).
    pub fn blocking_wait_for(&self, seq: u64) -> Result<(), MiniStateError> {
        let listener = self.shared.news.listener();
        block_on(|context: &mut Context<'_>| reached(listener.poll(seq, context)))
    }

    /// The journal's active segment.
    pub fn journal_path(&self) -> &Path {
        &self.origin.journal_path
    }
}

fn reached(known: Poll<Known>) -> Poll<Result<(), MiniStateError>> {
    known.map(|known| match known {
        Known::Through(_) => Ok(()),
        Known::Ended(why) => Err(why),
    })
}

impl<S, M> fmt::Debug for Follower<S, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower")
            .field("journal_path", &self.journal_path())
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}
