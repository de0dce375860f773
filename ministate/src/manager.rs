//! `StateManager`: the state in memory, and the only way to change it.

use std::cell::Cell;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::backup::Backup;
use crate::commit::{Change, Core, Done, Mutations, Work, ground};
use crate::compaction::Compaction;
use crate::error::{MiniStateError, Refusal};
use crate::fidelity::{self, Encoded, Fidelity};
use crate::import;
use crate::journal::{self, Names, Settings};
use crate::mutation::{Accepts, Mutator, Operation, Reply};
use crate::options::Options;
use crate::record::Body;
use crate::recovery::{self, Recovered, Recovery, TornTail};
use crate::rhythm::Rhythm;
use crate::upkeep::{self, Newest, Upkeep};
use crate::usage::Usage;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Applied<T> {
    /// The operation's sequence number.
    pub seq: u64,
    /// What its handler returned.
    pub output: T,
}

/// How far a journal is ahead of its newest snapshot, from [`StateManager::journal_status`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct JournalStatus {
    /// The last mutation.
    pub sequence: u64,
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

    /// How far the journal is ahead of the newest snapshot. Does not look at the disk.
    pub fn journal_status(&self) -> JournalStatus {
        let newest = self.upkeep.newest();
        let (snapshot, snapshot_failure) = (newest.seq, newest.failure.clone());
        JournalStatus { sequence: self.sequence(), snapshot, snapshot_failure }
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
    /// [`Io`](MiniStateError::Io).
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
    /// the future lets the work finish there, and then releases the journal.
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
    pub async fn open(
        state_dir: impl AsRef<Path>,
        journal_file: impl AsRef<Path>,
    ) -> Result<Self, MiniStateError> {
        Options::new().open(state_dir, journal_file).await
    }
}

impl Options {
    /// Opens the journal and recovers the state. See [`StateManager::open`].
    ///
    /// # Errors
    ///
    /// As [`StateManager::open`].
    pub async fn open<S, M>(
        self,
        state_dir: impl AsRef<Path>,
        journal_file: impl AsRef<Path>,
    ) -> Result<StateManager<S, M>, MiniStateError>
    where
        S: Default + Serialize + DeserializeOwned + Send + Sync + 'static,
        M: Mutator<S> + Serialize + DeserializeOwned + Send + 'static,
    {
        let (dir, file) = (state_dir.as_ref().to_path_buf(), journal_file.as_ref().to_path_buf());
        ground::run(move || self.blocking_open(dir, file)).await
    }

    /// [`open`](Self::open) for callers without a runtime: blocks the thread.
    ///
    /// # Errors
    ///
    /// As [`StateManager::open`].
    pub fn blocking_open<S, M>(
        self,
        state_dir: impl AsRef<Path>,
        journal_file: impl AsRef<Path>,
    ) -> Result<StateManager<S, M>, MiniStateError>
    where
        S: Default + Serialize + DeserializeOwned + Send + Sync + 'static,
        M: Mutator<S> + Serialize + DeserializeOwned + Send + 'static,
    {
        self.recovered(state_dir.as_ref(), journal_file.as_ref(), S::default)
    }

    /// Opens the journal and recovers the state; where there is no journal yet, the history begins
    /// with `initial`, which the first snapshot keeps. In all later openings `initial` is dropped:
    /// it does not change history.
    ///
    /// For states without a default, and for those that begin with what a program was configured
    /// with.
    ///
    /// # Errors
    ///
    /// As [`StateManager::open`].
    pub async fn open_with<S, M>(
        self,
        state_dir: impl AsRef<Path>,
        journal_file: impl AsRef<Path>,
        initial: S,
    ) -> Result<StateManager<S, M>, MiniStateError>
    where
        S: Serialize + DeserializeOwned + Send + Sync + 'static,
        M: Mutator<S> + Serialize + DeserializeOwned + Send + 'static,
    {
        let (dir, file) = (state_dir.as_ref().to_path_buf(), journal_file.as_ref().to_path_buf());
        ground::run(move || self.blocking_open_with(dir, file, initial)).await
    }

    /// [`open_with`](Self::open_with) for callers without a runtime: blocks the thread.
    ///
    /// # Errors
    ///
    /// As [`StateManager::open`].
    pub fn blocking_open_with<S, M>(
        self,
        state_dir: impl AsRef<Path>,
        journal_file: impl AsRef<Path>,
        initial: S,
    ) -> Result<StateManager<S, M>, MiniStateError>
    where
        S: Serialize + DeserializeOwned + Send + Sync + 'static,
        M: Mutator<S> + Serialize + DeserializeOwned + Send + 'static,
    {
        self.recovered(state_dir.as_ref(), journal_file.as_ref(), || initial)
    }

    fn recovered<S, M>(
        self,
        state_dir: &Path,
        journal_file: &Path,
        initial: impl FnOnce() -> S,
    ) -> Result<StateManager<S, M>, MiniStateError>
    where
        S: Serialize + DeserializeOwned + Send + Sync + 'static,
        M: Mutator<S> + Serialize + DeserializeOwned + Send + 'static,
    {
        let started = Instant::now();
        let Options {
            segment_bytes,
            record_bytes_max,
            fidelity,
            snapshot_every,
            snapshots_kept,
            disposal,
            on_progress,
            storage,
        } = self;
        let state_dir = state_dir.to_path_buf();
        let journal_path = state_dir.join(journal_file);
        let names = Names::new(&state_dir, journal_file)?;
        storage
            .create_dir_all(names.dir())
            .map_err(MiniStateError::io("creating the directory", names.dir()))?;
        if !import::is_due(&*storage, &names)? {
            journal::refuse_foreign(&*storage, &names)?;
        }
        let lock = journal::lock(&*storage, &names)?;

        // What an import begins with, recovery finds in the snapshot that it left.
        let initial = Cell::new(Some(initial));
        let begin = || (initial.take().expect("a history begins once"))();
        let taken_over = import::take_over::<S, M>(&storage, &names, begin, &*on_progress)?;
        let (imported, torn_off) = taken_over.unzip();
        let recovered = recovery::recover::<S, M>(&storage, &names, begin, &*on_progress)?;
        let Recovered { state, found, created, snapshot, rejected, replayed, bytes_read } =
            recovered;
        let was_closed = found.was_closed();
        let after = found.seq();
        let identity = found.identity().to_string();
        if created {
            // From now on no replay begins with the initial state, which may change.
            let genesis = (found.seq(), found.record());
            upkeep::publish::<S, M>(&*storage, &names, &identity, genesis, &state)?;
        }
        let settings = Settings { segment_bytes, schema: M::__schema() };
        let (journal, settled) = found.settle(settings, lock)?;
        let recovery = Recovery {
            created,
            was_closed,
            snapshot,
            rejected_snapshots: rejected,
            replayed,
            torn_tail: settled
                .torn
                .map(|(bytes, kept_in)| TornTail { after, bytes, kept_in })
                .or(torn_off.flatten()),
            rewritten_bytes: settled.rewritten_bytes,
            imported,
            duration: started.elapsed(),
        };
        let one_at_a_time = Mutex::new(());
        let upkeep = Arc::new(Upkeep {
            storage,
            names,
            snapshots_kept,
            disposal,
            rhythm: Rhythm::new(snapshot_every, replayed, bytes_read),
            turn: Upkeep::snapshot_and_compact::<S, M>,
            newest: Mutex::new(Newest { seq: snapshot, failure: None }),
            one_at_a_time,
        });
        let rebuild = Box::new({
            let upkeep = Arc::clone(&upkeep);
            move |seq| upkeep.rebuild::<S, M>(seq)
        });
        let core = Arc::new(Core::new(journal, state, rebuild));
        Ok(StateManager {
            core,
            upkeep,
            fidelity,
            record_bytes_max,
            recovery,
            state_dir,
            journal_path,
        })
    }
}

impl<S, M> StateManager<S, M>
where
    S: Serialize + DeserializeOwned + Send + Sync + 'static,
    M: Mutator<S> + Serialize + DeserializeOwned + Send + 'static,
{
    /// Writes the state, as it is at one sequence number, into a snapshot: the next opening begins
    /// with it and replays only what comes after.
    ///
    /// Nobody waits for it. The active segment is sealed; then, on the runtime's pool for blocking
    /// work, its records are applied to the state of the snapshot before (*shadow replay*), and
    /// the result is written, synced, read back, and published. That takes no lock and no clone of
    /// the state, but the memory of a second one while it runs; and it proves that the journal
    /// replays.
    ///
    /// Does not remove anything: see [`compact`](Self::compact). Where nothing happened since the
    /// last snapshot, does nothing.
    ///
    /// Dropping the future lets a snapshot that was begun complete.
    ///
    /// # Errors
    ///
    /// - [`Closed`](MiniStateError::Closed), [`Poisoned`](MiniStateError::Poisoned).
    /// - [`NotWritten`](MiniStateError::NotWritten): the segment could not be sealed, which poisons
    ///   the manager.
    /// - [`Refused`](MiniStateError::Refused): JSON cannot say some value of the state.
    /// - [`UnreadableState`](MiniStateError::UnreadableState): what was written cannot be read
    ///   back, since the serde attributes of the state do not agree.
    /// - [`Io`](MiniStateError::Io), and all that reading a journal can find. The journal and the
    ///   snapshots before are as they were.
    pub async fn create_snapshot(&self) -> Result<(), MiniStateError> {
        let seq = self.core.submit(Work::Seal).await?.seq;
        let upkeep = Arc::clone(&self.upkeep);
        ground::run(move || upkeep.snapshot::<S, M>(seq)).await
    }

    /// [`create_snapshot`](Self::create_snapshot) for callers without a runtime: blocks the thread.
    ///
    /// # Errors
    ///
    /// As [`create_snapshot`](Self::create_snapshot).
    pub fn blocking_create_snapshot(&self) -> Result<(), MiniStateError> {
        let seq = self.core.submit_blocking(Work::Seal)?.seq;
        self.upkeep.snapshot::<S, M>(seq)
    }

    /// Writes a clone of the state into a snapshot, in place of one that is replayed.
    ///
    /// Writers wait while the state is cloned, and readers do not; the rest is done beside both.
    /// [`create_snapshot`](Self::create_snapshot) lets nobody wait, needs no `Clone`, and proves
    /// that the journal replays, but takes as long as the replay does: this is for where much was
    /// journaled since the last snapshot, and the state is small.
    ///
    /// # Errors
    ///
    /// As [`create_snapshot`](Self::create_snapshot).
    ///
    /// # Panics
    ///
    /// As [`read`](Self::read).
    pub async fn create_snapshot_by_clone(&self) -> Result<(), MiniStateError>
    where
        S: Clone,
    {
        let (state, seq) = self.core.read_at(|state, seq| (state.clone(), seq));
        self.core.submit(Work::Seal).await?;
        let upkeep = Arc::clone(&self.upkeep);
        ground::run(move || upkeep.snapshot_of::<S, M>(seq, &state)).await
    }

    /// [`create_snapshot_by_clone`](Self::create_snapshot_by_clone) for callers without a runtime:
    /// blocks the thread.
    ///
    /// # Errors
    ///
    /// As [`create_snapshot`](Self::create_snapshot).
    ///
    /// # Panics
    ///
    /// As [`read`](Self::read).
    pub fn blocking_create_snapshot_by_clone(&self) -> Result<(), MiniStateError>
    where
        S: Clone,
    {
        let (state, seq) = self.core.read_at(|state, seq| (state.clone(), seq));
        self.core.submit_blocking(Work::Seal)?;
        self.upkeep.snapshot_of::<S, M>(seq, &state)
    }

    /// Replays the journal from a snapshot before, and compares with the state in memory, up to the
    /// order of maps and sets.
    ///
    /// This is what finds a handler that is not deterministic before the next start does. Writers
    /// wait while the state in memory is serialized; the active segment is sealed, and its replay
    /// is beside everybody.
    ///
    /// # Errors
    ///
    /// - [`Diverged`](MiniStateError::Diverged): the two differ, and from which mutation on. Which
    ///   of them is right is yours to say.
    /// - As [`create_snapshot`](Self::create_snapshot).
    ///
    /// # Panics
    ///
    /// As [`read`](Self::read).
    pub async fn verify_replay(&self) -> Result<(), MiniStateError> {
        let (state, seq) = self.state_as_json()?;
        self.core.submit(Work::Seal).await?;
        let upkeep = Arc::clone(&self.upkeep);
        ground::run(move || upkeep.verify::<S, M>(seq, &state)).await
    }

    /// [`verify_replay`](Self::verify_replay) for callers without a runtime: blocks the thread.
    ///
    /// # Errors
    ///
    /// As [`verify_replay`](Self::verify_replay).
    ///
    /// # Panics
    ///
    /// As [`read`](Self::read).
    pub fn blocking_verify_replay(&self) -> Result<(), MiniStateError> {
        let (state, seq) = self.state_as_json()?;
        self.core.submit_blocking(Work::Seal)?;
        self.upkeep.verify::<S, M>(seq, &state)
    }

    fn state_as_json(&self) -> Result<(Vec<u8>, u64), MiniStateError> {
        let (state, seq) = self.core.read_at(|state, seq| (serde_json::to_vec(state), seq));
        let refused = |error| Refusal::NotEncodable(Arc::new(error));
        Ok((state.map_err(|error| MiniStateError::Refused { reason: refused(error) })?, seq))
    }

    /// Puts away what recovery no longer needs: keeps the newest
    /// [`snapshots_kept`](Options::snapshots_kept) snapshots and all of the journal behind the
    /// oldest of them, and moves the rest to the archive, or removes it
    /// ([`disposal`](Options::disposal)). Each kept snapshot is read back first.
    ///
    /// This is the compaction of replicated logs (a prefix goes), not that of key-value stores.
    ///
    /// # Errors
    ///
    /// [`Io`](MiniStateError::Io). A compaction that failed half way is completed by the next.
    pub async fn compact(&self) -> Result<Compaction, MiniStateError> {
        let upkeep = Arc::clone(&self.upkeep);
        ground::run(move || upkeep.compact::<S, M>()).await
    }

    /// [`compact`](Self::compact) for callers without a runtime: blocks the thread.
    ///
    /// # Errors
    ///
    /// As [`compact`](Self::compact).
    pub fn blocking_compact(&self) -> Result<Compaction, MiniStateError> {
        self.upkeep.compact::<S, M>()
    }

    /// Counts the operations in the journal by their tags and versions, and says which of the old
    /// versions that this program reads are no longer needed for it.
    ///
    /// Reads the whole journal, on the runtime's pool for blocking work; nobody waits for it but
    /// snapshots and compactions.
    ///
    /// # Errors
    ///
    /// [`Io`](MiniStateError::Io), and all that reading a journal can find.
    pub async fn usage(&self) -> Result<Usage, MiniStateError> {
        let (upkeep, seq) = (Arc::clone(&self.upkeep), self.sequence());
        ground::run(move || upkeep.usage(&M::__schema(), seq)).await
    }

    /// [`usage`](Self::usage) for callers without a runtime: blocks the thread.
    ///
    /// # Errors
    ///
    /// As [`usage`](Self::usage).
    pub fn blocking_usage(&self) -> Result<Usage, MiniStateError> {
        self.upkeep.usage(&M::__schema(), self.sequence())
    }

    /// Makes a copy of the journal in the directory `to`, while writers go on. It opens there, under
    /// the same file name, with the state as it is at [`Backup::seq`]: at least all that was
    /// acknowledged before the call. Restoring is copying it back.
    ///
    /// The active segment is sealed; then the sealed segments and the snapshots get hard links in
    /// `to`, or are copied where there can be none (another file system). Links are safe: these
    /// files never change once they have their names, and removing one of the names leaves the
    /// other. But they are the same bytes: what damages the one damages the other. A backup against
    /// the loss of a disk goes to another disk.
    ///
    /// What recovery does not read stays out: the archive, torn bytes, files of ministate 0.1.
    ///
    /// `to` is created where it is not there. What a failure or a crash leaves in it does not open:
    /// remove it. The files are not read, but for the last segment: that
    /// [`read_only`](Options::read_only) opens the copy shows that it can be recovered.
    ///
    /// Dropping the future lets a backup that was begun complete.
    ///
    /// ```
    /// # use ministate::{Mutator, StateManager};
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Default, Clone, Serialize, Deserialize)]
    /// # struct Counter { value: u32 }
    /// # #[derive(Serialize, Deserialize)]
    /// # struct Inc { by: u32 }
    /// # impl Mutator<Counter> for Inc {
    /// #     fn apply(&self, state: &mut Counter) { state.value += self.by }
    /// # }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let tmp = tempfile::tempdir()?;
    /// # let (dir, backups) = (tmp.path().join("state"), tmp.path().join("backups"));
    /// let manager = StateManager::<Counter, Inc>::open(&dir, "counter.wal.jsonl").await?;
    /// manager.apply(Inc { by: 10 }).await?;
    /// let monday = backups.join("monday");
    /// let backup = manager.backup(&monday).await?;
    /// assert_eq!(backup.seq, 1);
    /// manager.apply(Inc { by: 1000 }).await?;
    /// manager.close().await?;
    ///
    /// // Restoring: the files in place of the old ones, with the program stopped.
    /// std::fs::remove_dir_all(&dir)?;
    /// std::fs::create_dir(&dir)?;
    /// for file in &backup.files {
    ///     std::fs::copy(file, dir.join(file.file_name().unwrap_or_default()))?;
    /// }
    /// let manager = StateManager::<Counter, Inc>::open(&dir, "counter.wal.jsonl").await?;
    /// assert_eq!(manager.snapshot().await.value, 10);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`Occupied`](MiniStateError::Occupied): files of a journal of this name are in `to`. Nothing
    ///   was written there. [`Locked`](MiniStateError::Locked): somebody makes one at this moment.
    /// - [`Closed`](MiniStateError::Closed), [`Poisoned`](MiniStateError::Poisoned): copy the files
    ///   once the manager is dropped.
    /// - [`NotWritten`](MiniStateError::NotWritten): the segment could not be sealed, which poisons
    ///   the manager.
    /// - [`Io`](MiniStateError::Io), and all that reading a segment can find. The journal is as it
    ///   was.
    pub async fn backup(&self, to: impl AsRef<Path>) -> Result<Backup, MiniStateError> {
        let to = to.as_ref().to_path_buf();
        let (upkeep, dir) = (Arc::clone(&self.upkeep), to.clone());
        ground::run(move || upkeep.refuse_occupied(&dir)).await?;
        let sealed = self.core.submit(Work::Seal).await?.seq;
        let upkeep = Arc::clone(&self.upkeep);
        ground::run(move || upkeep.backup(&M::__schema(), sealed, &to)).await
    }

    /// [`backup`](Self::backup) for callers without a runtime: blocks the thread.
    ///
    /// # Errors
    ///
    /// As [`backup`](Self::backup).
    pub fn blocking_backup(&self, to: impl AsRef<Path>) -> Result<Backup, MiniStateError> {
        self.upkeep.refuse_occupied(to.as_ref())?;
        let sealed = self.core.submit_blocking(Work::Seal)?.seq;
        self.upkeep.backup(&M::__schema(), sealed, to.as_ref())
    }

    /// The state as it was after mutation `seq`: reads the newest snapshot that is not newer, and
    /// replays the journal behind it, on the runtime's pool for blocking work.
    ///
    /// `seq` can be any from that of the oldest snapshot to [`sequence`](Self::sequence). The oldest
    /// is the state that the journal began with, at 0, until compaction puts it away. A `seq` within a
    /// batch of [`apply_batch`](Self::apply_batch) gives a state that no reader ever saw.
    ///
    /// # Errors
    ///
    /// - [`OutOfReach`](MiniStateError::OutOfReach): there is no such mutation yet, or compaction has
    ///   put away what is needed.
    /// - All that reading a journal can find.
    pub async fn state_at(&self, seq: u64) -> Result<S, MiniStateError> {
        let (upkeep, last) = (Arc::clone(&self.upkeep), self.sequence());
        ground::run(move || upkeep.state_at::<S, M>(seq, last)).await
    }

    /// [`state_at`](Self::state_at) for callers without a runtime: blocks the thread.
    ///
    /// # Errors
    ///
    /// As [`state_at`](Self::state_at).
    pub fn blocking_state_at(&self, seq: u64) -> Result<S, MiniStateError> {
        self.upkeep.state_at::<S, M>(seq, self.sequence())
    }
}

impl<S, M> StateManager<S, M>
where
    S: Send + Sync + 'static,
    M: Mutator<S> + Serialize + DeserializeOwned + Send + 'static,
{
    /// Journals the mutation, and applies it once it is on stable storage. Returns its sequence
    /// number.
    ///
    /// `Ok` means both: the record survives a power loss, and readers see its effect.
    ///
    /// # Where it blocks
    ///
    /// On a multi-threaded Tokio runtime the calling task may be the one that syncs the batch. Its
    /// thread hands its other tasks over first; but other futures of the *same* task, such as a
    /// timeout around this call, or what is joined or selected with it, wait until the disk has
    /// answered. Spawn the call where that matters. On a current-thread runtime the disk work runs
    /// on the pool for blocking work, of which it needs a thread.
    ///
    /// # Cancellation
    ///
    /// Dropping the future before its mutation was handed over to be written means that nothing
    /// happened. Dropping it later lets the mutation complete without its caller. There is no
    /// third outcome, and the journal and the state agree in both.
    ///
    /// # Errors
    ///
    /// - [`Refused`](MiniStateError::Refused), [`Closed`](MiniStateError::Closed),
    ///   [`Poisoned`](MiniStateError::Poisoned): nothing was written.
    /// - [`NotWritten`](MiniStateError::NotWritten): the write failed, was undone, and poisoned
    ///   the manager.
    /// - [`OutcomeUnknown`](MiniStateError::OutcomeUnknown): the sync failed and poisoned the
    ///   manager; reopening tells whether the mutation is there.
    /// - [`HandlerPanicked`](MiniStateError::HandlerPanicked): the mutation is in the journal, its
    ///   handler panicked, and the manager is poisoned. Readers have the state before it.
    pub async fn apply(&self, mutation: M) -> Result<u64, MiniStateError> {
        let change = self.change(mutation, Reply::discarded())?;
        Ok(self.submit(change).await?.seq)
    }

    /// [`apply`](Self::apply) for callers without a runtime: blocks the thread.
    ///
    /// # Errors
    ///
    /// As [`apply`](Self::apply).
    pub fn blocking_apply(&self, mutation: M) -> Result<u64, MiniStateError> {
        let change = self.change(mutation, Reply::discarded())?;
        Ok(self.submit_blocking(change)?.seq)
    }

    /// Applies all mutations or none: they share one line of the journal, and no reader sees some
    /// of them without the others. Returns their sequence numbers, which are consecutive.
    ///
    /// An empty batch writes nothing and returns an empty range.
    ///
    /// # Errors
    ///
    /// As [`apply`](Self::apply). An `Err` is the answer for all mutations of the batch.
    pub async fn apply_batch(
        &self,
        mutations: impl IntoIterator<Item = M>,
    ) -> Result<RangeInclusive<u64>, MiniStateError> {
        match self.batch(mutations)? {
            Some(change) => {
                let mutations = change.body.mutations;
                Ok(range(self.submit(change).await?.seq, mutations))
            }
            None => Ok(range(self.sequence(), 0)),
        }
    }

    /// [`apply_batch`](Self::apply_batch) for callers without a runtime: blocks the thread.
    ///
    /// # Errors
    ///
    /// As [`apply_batch`](Self::apply_batch).
    pub fn blocking_apply_batch(
        &self,
        mutations: impl IntoIterator<Item = M>,
    ) -> Result<RangeInclusive<u64>, MiniStateError> {
        match self.batch(mutations)? {
            Some(change) => {
                let mutations = change.body.mutations;
                Ok(range(self.submit_blocking(change)?.seq, mutations))
            }
            None => Ok(range(self.sequence(), 0)),
        }
    }

    /// Journals the operation, executes it once it is on stable storage, and returns what its
    /// handler returned.
    ///
    /// A rejection is an outcome: where the handler returns an `Err`, the operation is in the
    /// journal all the same, and is rejected again at every replay. To leave no trace of a
    /// hopeless operation, look with [`read`](Self::read) first.
    ///
    /// `M` is an enum with `#[derive(Mutations)]`; the operation is the payload of one of its
    /// newtype variants, or, with `#[mutations(output = ..)]`, the enum itself.
    ///
    /// # Errors
    ///
    /// As [`apply`](Self::apply). What the handler returns is in [`Applied::output`].
    pub async fn execute<O>(&self, operation: O) -> Result<Applied<O::Output>, MiniStateError>
    where
        O: Operation<S, Output: Send + 'static>,
        M: Accepts<O>,
    {
        let change = self.change(M::from(operation), Reply::wanted::<O::Output>())?;
        Ok(applied(self.submit(change).await?))
    }

    /// [`execute`](Self::execute) for callers without a runtime: blocks the thread.
    ///
    /// # Errors
    ///
    /// As [`execute`](Self::execute).
    pub fn blocking_execute<O>(&self, operation: O) -> Result<Applied<O::Output>, MiniStateError>
    where
        O: Operation<S, Output: Send + 'static>,
        M: Accepts<O>,
    {
        let change = self.change(M::from(operation), Reply::wanted::<O::Output>())?;
        Ok(applied(self.submit_blocking(change)?))
    }

    /// Ends the journal: completes what was handed over, marks it as synced, trims the file, and
    /// releases the lock. Later writes are refused as [`Closed`](MiniStateError::Closed); reads
    /// work on. Closing again does nothing.
    ///
    /// # Errors
    ///
    /// - [`Poisoned`](MiniStateError::Poisoned): the manager was poisoned; the lock is released.
    /// - [`Io`](MiniStateError::Io): the mark could not be written. All that was acknowledged is
    ///   durable none the less, and the lock is released.
    pub async fn close(&self) -> Result<(), MiniStateError> {
        self.core.submit(Work::Close).await.map(drop)
    }

    /// [`close`](Self::close) for callers without a runtime: blocks the thread.
    ///
    /// # Errors
    ///
    /// As [`close`](Self::close).
    pub fn blocking_close(&self) -> Result<(), MiniStateError> {
        self.core.submit_blocking(Work::Close).map(drop)
    }

    async fn submit(&self, change: Change<M>) -> Result<Done, MiniStateError> {
        let (mutations, bytes) = (change.body.mutations, change.body.record_bytes());
        let done = self.core.submit(Work::Apply(change)).await?;
        if let Some(turn) = self.upkeep.turn_after(mutations, bytes) {
            let sealed = self.core.submit(Work::Seal).await;
            ground::run(move || turn.complete(sealed.map(|sealed| sealed.seq))).await;
        }
        Ok(done)
    }

    fn submit_blocking(&self, change: Change<M>) -> Result<Done, MiniStateError> {
        let (mutations, bytes) = (change.body.mutations, change.body.record_bytes());
        let done = self.core.submit_blocking(Work::Apply(change))?;
        if let Some(turn) = self.upkeep.turn_after(mutations, bytes) {
            let sealed = self.core.submit_blocking(Work::Seal);
            turn.complete(sealed.map(|sealed| sealed.seq));
        }
        Ok(done)
    }

    fn change(&self, mutation: M, reply: Reply) -> Result<Change<M>, MiniStateError> {
        let Encoded { mutation, tag, payload } = self.encode(mutation)?;
        let body = self.limit(Body::one(tag, &payload))?;
        Ok(Change { body, mutations: Mutations::One(tag, mutation), reply })
    }

    fn batch(
        &self,
        mutations: impl IntoIterator<Item = M>,
    ) -> Result<Option<Change<M>>, MiniStateError> {
        let encoded: Vec<Encoded<M>> = mutations
            .into_iter()
            .map(|mutation| self.encode(mutation))
            .collect::<Result<_, _>>()?;
        if encoded.is_empty() {
            return Ok(None);
        }
        let members = encoded.iter().map(|encoded| (encoded.tag, encoded.payload.as_slice()));
        let body = self.limit(Body::several(members))?;
        let mutations = encoded.into_iter().map(|encoded| (encoded.tag, encoded.mutation));
        let mutations = Mutations::Several(mutations.collect());
        Ok(Some(Change { body, mutations, reply: Reply::discarded() }))
    }

    fn encode(&self, mutation: M) -> Result<Encoded<M>, MiniStateError> {
        fidelity::encode::<S, M>(mutation, self.fidelity)
            .map_err(|reason| MiniStateError::Refused { reason })
    }

    fn limit(&self, body: Body) -> Result<Body, MiniStateError> {
        let (bytes, limit) = (body.len() as u64, self.record_bytes_max);
        if bytes > limit {
            return Err(MiniStateError::Refused { reason: Refusal::TooLarge { bytes, limit } });
        }
        Ok(body)
    }
}

fn range(last: u64, mutations: u64) -> RangeInclusive<u64> {
    last + 1 - mutations..=last
}

fn applied<T: 'static>(done: Done) -> Applied<T> {
    let Done { seq, output } = done;
    let output = output.and_then(|output| output.downcast().ok());
    Applied { seq, output: *output.expect("the derive's `Accepts` pairs operation and handler") }
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
