//! What a manager does with the files of its journal, beside its writers.

use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::StateManager;
use crate::backup::Backup;
use crate::commit::{Work, ground};
use crate::compaction::Compaction;
use crate::error::MiniStateError;
use crate::mutation::Mutator;
use crate::usage::Usage;

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
    /// This way and not [the clone](Self::create_snapshot_by_clone) is the usual one, since no writer
    /// waits for the state to be cloned, and more of the throughput is left: see
    /// [the figures](crate::_documentation::performance#snapshots-under-load).
    ///
    /// Does not remove anything: see [`compact`](Self::compact). Where nothing happened since the
    /// last snapshot, does nothing.
    ///
    /// Dropping the future lets a snapshot that was begun complete.
    ///
    /// ```
    /// # use ministate::{Mutator, StateManager};
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
    /// let manager = StateManager::<Counter, Inc>::open(dir, "app.wal.jsonl").await?;
    /// manager.apply(Inc { by: 10 }).await?;
    /// manager.create_snapshot().await?;
    /// manager.apply(Inc { by: 5 }).await?;
    /// drop(manager);
    ///
    /// let manager = StateManager::<Counter, Inc>::open(dir, "app.wal.jsonl").await?;
    /// assert_eq!((manager.recovery().snapshot, manager.recovery().replayed), (1, 1));
    /// assert_eq!(manager.read(|counter| counter.value), 15);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`Closed`](MiniStateError::Closed), [`Poisoned`](MiniStateError::Poisoned).
    /// - [`NotWritten`](MiniStateError::NotWritten): the segment could not be sealed, which poisons
    ///   the manager.
    /// - [`Refused`](MiniStateError::Refused): JSON cannot say some value of the state.
    /// - [`UnreadableState`](MiniStateError::UnreadableState): what was written cannot be read
    ///   back, since the serde attributes of the state do not agree.
    /// - [`Io`](MiniStateError::Io), [`Corrupt`](MiniStateError::Corrupt),
    ///   [`Missing`](MiniStateError::Missing), [`LostTail`](MiniStateError::LostTail),
    ///   [`NoSnapshot`](MiniStateError::NoSnapshot), [`Undecodable`](MiniStateError::Undecodable),
    ///   [`HandlerPanicked`](MiniStateError::HandlerPanicked): the journal does not replay, or the
    ///   disk failed. The journal and the snapshots before are as they were.
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

    /// Puts away what recovery no longer needs: keeps the newest
    /// [`snapshots_kept`](crate::Options::snapshots_kept) snapshots and all of the journal behind the
    /// oldest of them, and moves the rest to the archive, or removes it
    /// ([`disposal`](crate::Options::disposal)). Each kept snapshot is read back first.
    ///
    /// This is the compaction of replicated logs (a prefix goes), not that of key-value stores.
    ///
    /// # Errors
    ///
    /// [`Io`](MiniStateError::Io), [`Corrupt`](MiniStateError::Corrupt),
    /// [`Missing`](MiniStateError::Missing): a file cannot be read or put away. A compaction that
    /// failed half way is completed by the next.
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
    /// [`Io`](MiniStateError::Io), [`Corrupt`](MiniStateError::Corrupt),
    /// [`Missing`](MiniStateError::Missing), [`LostTail`](MiniStateError::LostTail): a file cannot be
    /// read, or is not what was written. [`Undecodable`](MiniStateError::Undecodable): a batch is
    /// sound, and has no members; whether this program can read them is not looked at.
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
    /// [`read_only`](crate::Options::read_only) opens the copy shows that it can be recovered.
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
    /// - [`Io`](MiniStateError::Io), [`Corrupt`](MiniStateError::Corrupt),
    ///   [`Missing`](MiniStateError::Missing): a file cannot be read or written, or is not what was
    ///   written. The journal is as it was.
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

    /// Puts away the segments that hold nothing from `before` on, where `state` is the state at any
    /// mutation.
    #[cfg(feature = "shared")]
    pub(crate) fn blocking_trim(&self, before: u64, state: &S) -> Result<(), MiniStateError> {
        let sealed = self.core.submit_blocking(Work::Seal)?.seq;
        self.upkeep.trim::<S, M>(before, sealed, state)
    }

    /// Returns once everything is carried out that was handed over before, by callers that are gone too.
    /// Seals the segment.
    #[cfg(feature = "shared")]
    pub(crate) async fn settled(&self) -> Result<(), MiniStateError> {
        self.core.submit(Work::Seal).await.map(drop)
    }

    /// Which journal it is.
    #[cfg(feature = "shared")]
    pub(crate) fn identity(&self) -> Result<String, MiniStateError> {
        self.upkeep.identity()
    }
}
