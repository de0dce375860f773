//! A journal that is only read: no lock, no repair, beside a manager that may be writing it.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::commit::ground;
use crate::error::MiniStateError;
use crate::import;
use crate::journal::{self, Names, Opened};
use crate::mutation::Mutator;
use crate::options::Options;
use crate::record::Seq;
use crate::recovery::{self, Recovered, Recovery, TornTail};
use crate::storage::Storage;

/// The state of a journal as it was at one moment, from [`Options::read_only`].
///
/// It does not follow what is written later: a [`Follower`](crate::Follower) does.
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
///
/// let seen = Options::new().blocking_read_only::<Counter, Inc>(dir, "app.wal.jsonl")?;
/// manager.blocking_apply(Inc { by: 5 })?;
/// assert_eq!(seen.sequence(), 1);
/// assert_eq!(seen.read(|counter| counter.value), 10);
/// assert_eq!(seen.blocking_state_at(0)?.value, 0);
/// # Ok(())
/// # }
/// ```
pub struct ReadOnly<S, M> {
    storage: Arc<dyn Storage>,
    names: Names,
    state: S,
    seq: Seq,
    recovery: Recovery,
    mutations: PhantomData<fn() -> M>,
}

impl Options {
    /// Recovers the state of a journal, and changes nothing: takes no lock, repairs nothing, and
    /// creates no file. Works on the directory of a manager that is writing, on a backup, and on a
    /// medium that cannot be written.
    ///
    /// Beside a manager the state may hold the mutations of one batch that is being synced at that
    /// moment: nobody has been told yet that they are durable, and a crash can undo them. What is
    /// there of a batch that is being written, or that a crash left, is where the reading ends; it
    /// is reported as the [`torn_tail`](Recovery::torn_tail) and stays in its file. What looks
    /// damaged is read again before it is reported.
    ///
    /// Of the options [`storage`](Options::storage) and [`on_progress`](Options::on_progress) matter;
    /// a second reading tells of its progress from the beginning.
    ///
    /// ```
    /// # use ministate::{Mutator, Options, StateManager};
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
    /// # let tmp = tempfile::tempdir()?;
    /// # let dir = tmp.path();
    /// let manager = StateManager::<Counter, Inc>::open(dir, "counter.wal.jsonl").await?;
    /// manager.apply(Inc { by: 10 }).await?;
    /// manager.apply(Inc { by: 5 }).await?;
    ///
    /// // In another process, say.
    /// let counter = Options::new().read_only::<Counter, Inc>(dir, "counter.wal.jsonl").await?;
    /// assert_eq!(counter.read(|counter| counter.value), 15);
    /// assert_eq!(counter.state_at(1).await?.value, 10);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`NoJournal`](MiniStateError::NoJournal): there is none, so there is no state.
    /// - [`NotTakenOver`](MiniStateError::NotTakenOver): it is one of ministate 0.1.
    /// - All but [`Locked`](MiniStateError::Locked) and [`Refused`](MiniStateError::Refused) that
    ///   [`StateManager::open`](crate::StateManager::open) names, for the same reasons.
    pub async fn read_only<S, M>(
        self,
        state_dir: impl AsRef<Path>,
        journal_file: impl AsRef<Path>,
    ) -> Result<ReadOnly<S, M>, MiniStateError>
    where
        S: DeserializeOwned + Send + 'static,
        M: Mutator<S> + Serialize + DeserializeOwned + 'static,
    {
        let (dir, file) = (state_dir.as_ref().to_path_buf(), journal_file.as_ref().to_path_buf());
        ground::run(move || self.blocking_read_only(dir, file)).await
    }

    /// [`read_only`](Self::read_only) for callers without a runtime: blocks the thread.
    ///
    /// # Errors
    ///
    /// As [`read_only`](Self::read_only).
    pub fn blocking_read_only<S, M>(
        self,
        state_dir: impl AsRef<Path>,
        journal_file: impl AsRef<Path>,
    ) -> Result<ReadOnly<S, M>, MiniStateError>
    where
        S: DeserializeOwned,
        M: Mutator<S> + Serialize + DeserializeOwned,
    {
        let started = Instant::now();
        let Options { storage, on_progress, .. } = self;
        let names = Names::new(state_dir.as_ref(), journal_file.as_ref())?;
        let Recovered { state, found, snapshot, rejected, replayed, voided, .. } =
            believed(|| {
                refuse_what_is_not_ours(&*storage, &names)?;
                recovery::recover_beside_writer::<S, M>(&storage, &names, &*on_progress)
            })?;
        let seq = found.seq();
        let torn_tail = found.torn().map(|(path, bytes)| TornTail {
            after: seq,
            bytes,
            kept_in: path.to_path_buf(),
        });
        let recovery = Recovery {
            created: false,
            was_closed: found.was_closed(),
            snapshot,
            rejected_snapshots: rejected,
            replayed,
            voided,
            torn_tail,
            rewritten_bytes: 0,
            imported: None,
            duration: started.elapsed(),
        };
        Ok(ReadOnly { storage, names, state, seq, recovery, mutations: PhantomData })
    }
}

pub(crate) fn refuse_what_is_not_ours(
    storage: &dyn Storage,
    names: &Names,
) -> Result<(), MiniStateError> {
    let path = names.active();
    match storage.list(names.dir()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(MiniStateError::NoJournal { path });
        }
        listed => drop(listed.map_err(MiniStateError::io("listing", names.dir()))?),
    }
    match import::is_due(storage, names)? {
        true => Err(MiniStateError::NotTakenOver { path }),
        false => journal::refuse_foreign(storage, names),
    }
}

impl<S, M> ReadOnly<S, M> {
    /// Lends the state to `reader`.
    pub fn read<R>(&self, reader: impl FnOnce(&S) -> R) -> R {
        reader(&self.state)
    }

    /// The last mutation that the state holds.
    pub fn sequence(&self) -> u64 {
        self.seq
    }

    /// What the opening found. A torn tail is still where it was found, and its file is what
    /// [`kept_in`](TornTail::kept_in) names.
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }
}

impl<S, M> ReadOnly<S, M>
where
    S: DeserializeOwned + Send + 'static,
    M: Mutator<S> + Serialize + DeserializeOwned + 'static,
{
    /// The state as it was after mutation `seq`: reads the newest snapshot that is not newer, and
    /// replays the journal behind it.
    ///
    /// `seq` can be any from that of the oldest snapshot to [`sequence`](Self::sequence). The oldest
    /// is the state that the journal began with, at 0, until compaction puts it away. A `seq` within a
    /// batch of [`apply_batch`](crate::StateManager::apply_batch) gives a state that no reader of
    /// the manager ever saw.
    ///
    /// # Errors
    ///
    /// - [`OutOfReach`](MiniStateError::OutOfReach): `seq` is later than
    ///   [`sequence`](Self::sequence), or compaction has put away what is needed.
    /// - [`Io`](MiniStateError::Io), [`Corrupt`](MiniStateError::Corrupt),
    ///   [`Missing`](MiniStateError::Missing), [`LostTail`](MiniStateError::LostTail),
    ///   [`NoSnapshot`](MiniStateError::NoSnapshot),
    ///   [`UnknownOperations`](MiniStateError::UnknownOperations),
    ///   [`Undecodable`](MiniStateError::Undecodable),
    ///   [`HandlerPanicked`](MiniStateError::HandlerPanicked): as by
    ///   [`open`](crate::StateManager::open).
    pub async fn state_at(&self, seq: u64) -> Result<S, MiniStateError> {
        let (storage, names, last) = (Arc::clone(&self.storage), self.names.clone(), self.seq);
        ground::run(move || state_at::<S, M>(&storage, &names, seq, last)).await
    }

    /// [`state_at`](Self::state_at) for callers without a runtime: blocks the thread.
    ///
    /// # Errors
    ///
    /// As [`state_at`](Self::state_at).
    pub fn blocking_state_at(&self, seq: u64) -> Result<S, MiniStateError> {
        state_at::<S, M>(&self.storage, &self.names, seq, self.seq)
    }
}

fn state_at<S, M>(
    storage: &Arc<dyn Storage>,
    names: &Names,
    asked: Seq,
    last: Seq,
) -> Result<S, MiniStateError>
where
    S: DeserializeOwned,
    M: Mutator<S> + Serialize + DeserializeOwned,
{
    believed(|| {
        let opened = Opened::live(storage, names)?;
        recovery::state_within_reach::<S, M>(&**storage, names, opened, asked, last)
    })
}

/// How long a writer gets to complete what it was seen in the middle of.
const PAUSE: Duration = Duration::from_millis(10);

/// A writer that goes on and on lets each reading find something else.
const READINGS_MAX: usize = 100;

/// Reads until there is a result, or the same error twice in a row.
///
/// What is being written while it is read can look like damage, and what is put away meanwhile like
/// a missing file. Both are gone, or are elsewhere, when the same is read a moment later; damage
/// stays where it is.
pub(crate) fn believed<T>(
    mut read: impl FnMut() -> Result<T, MiniStateError>,
) -> Result<T, MiniStateError> {
    let mut result = read();
    for _ in 1..READINGS_MAX {
        let Err(doubtful) = &result else { break };
        if !can_be_of_the_moment(doubtful) {
            break;
        }
        let before = doubtful.to_string();
        thread::sleep(PAUSE);
        result = read();
        let is_same =
            |error: &MiniStateError| error.to_string() == before && !names_what_was_put_away(error);
        if result.as_ref().is_err_and(is_same) {
            break;
        }
    }
    result
}

/// Whether a file was listed and then was not there: the files changed between the two, and the
/// next reading sees others.
fn names_what_was_put_away(error: &MiniStateError) -> bool {
    match error {
        MiniStateError::NoSnapshot { rejected, .. } => {
            let mut causes = rejected.iter().filter_map(|snapshot| snapshot.why.as_deref());
            causes.any(MiniStateError::is_of_missing_file)
        }
        other => other.is_of_missing_file(),
    }
}

/// Whether a journal that is sound can look like this for a moment.
fn can_be_of_the_moment(error: &MiniStateError) -> bool {
    match error {
        MiniStateError::Io { .. }
        | MiniStateError::Corrupt { .. }
        | MiniStateError::Missing { .. }
        | MiniStateError::LostTail { .. }
        | MiniStateError::Trimmed { .. }
        | MiniStateError::Withdrawn { .. }
        | MiniStateError::NoSnapshot { .. } => true,
        MiniStateError::BadName { .. }
        | MiniStateError::Locked { .. }
        | MiniStateError::Foreign { .. }
        | MiniStateError::NewerFormat { .. }
        | MiniStateError::NoJournal { .. }
        | MiniStateError::NotTakenOver { .. }
        | MiniStateError::Occupied { .. }
        | MiniStateError::OutOfReach { .. }
        | MiniStateError::UnreadableState { .. }
        | MiniStateError::UnknownOperations { .. }
        | MiniStateError::Undecodable { .. }
        | MiniStateError::HandlerPanicked { .. }
        | MiniStateError::Lagging { .. }
        | MiniStateError::Diverged { .. }
        | MiniStateError::Refused { .. }
        | MiniStateError::NotWritten { .. }
        | MiniStateError::OutcomeUnknown { .. }
        | MiniStateError::Poisoned { .. }
        | MiniStateError::Closed => false,
    }
}

impl<S, M> fmt::Debug for ReadOnly<S, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadOnly")
            .field("journal_path", &self.names.active())
            .field("sequence", &self.seq)
            .finish_non_exhaustive()
    }
}
