//! How does a manager come to be? What it finds on the disk, and in which order it is looked at.

use std::any::Any;
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::StateManager;
use crate::commit::{Core, ground};
use crate::error::MiniStateError;
use crate::import;
use crate::journal::{self, Names, Settings};
use crate::mutation::Mutator;
use crate::observation;
use crate::options::Options;
use crate::recovery::{self, Imported, Recovered, Recovery, TornTail};
use crate::rhythm::Rhythm;
use crate::sync::Mutex;
use crate::upkeep::{self, Newest, Upkeep};

/// An opening whose files have been read.
pub(crate) struct Opening {
    pub(crate) started: Instant,
    pub(crate) state_dir: PathBuf,
    pub(crate) journal_path: PathBuf,
    pub(crate) names: Names,
    pub(crate) lock: Box<dyn Any + Send + Sync>,
    pub(crate) imported: Option<Imported>,
    /// What an import has cut off.
    pub(crate) torn_off: Option<TornTail>,
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
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let dir = dir.path();
    /// // What the program was configured with.
    /// let initial = Counter { value: 1000 };
    /// let manager = Options::new()
    ///     .open_with::<Counter, Inc>(dir, "app.wal.jsonl", initial)
    ///     .await?;
    /// manager.apply(Inc { by: 1 }).await?;
    /// assert_eq!(manager.read(|counter| counter.value), 1001);
    /// # Ok(())
    /// # }
    /// ```
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
        let (storage, on_progress) = (Arc::clone(&self.storage), Arc::clone(&self.on_progress));
        let state_dir = state_dir.to_path_buf();
        let journal_path = state_dir.join(journal_file);
        let names = Names::new(&state_dir, journal_file)?;
        let _opening = names.observer().opening();
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
        let recovering = names.observer().recovering();
        let recovered = recovery::recover::<S, M>(&storage, &names, begin, &*on_progress)?;
        drop(recovering);
        let torn_off = torn_off.flatten();
        let opening = Opening { started, state_dir, journal_path, names, lock, imported, torn_off };
        self.managed::<S, M>(opening, recovered)
    }

    /// Settles the files, and makes a manager of what was recovered from them.
    pub(crate) fn managed<S, M>(
        self,
        opening: Opening,
        recovered: Recovered<S>,
    ) -> Result<StateManager<S, M>, MiniStateError>
    where
        S: Serialize + DeserializeOwned + Send + Sync + 'static,
        M: Mutator<S> + Serialize + DeserializeOwned + Send + 'static,
    {
        let Options {
            segment_bytes,
            record_bytes_max,
            fidelity,
            snapshot_every,
            snapshots_kept,
            disposal,
            storage,
            look_every: _,
            on_progress: _,
        } = self;
        let Opening { started, state_dir, journal_path, names, lock, imported, torn_off } = opening;
        let Recovered { state, found, created, snapshot, rejected, replayed, voided, bytes_read } =
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
            voided,
            torn_tail: settled
                .torn
                .map(|(bytes, kept_in)| TornTail { after, bytes, kept_in })
                .or(torn_off),
            rewritten_bytes: settled.rewritten_bytes,
            imported,
            duration: started.elapsed(),
        };
        recovery::leave_note(&*storage, &names.lock(), &recovery)?;
        names.observer().opened(&observation::Opening {
            seq: journal.seq(),
            snapshot,
            rejected: &recovery.rejected_snapshots,
            replayed,
            voided: &recovery.voided,
            took: recovery.duration,
        });
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
