//! What can be chosen when a shared state is opened.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::SharedError;
use super::journal::Journal;
use super::manager::SharedManager;
use super::snapshots::SnapshotStore;
use crate::fidelity::Fidelity;
use crate::mutation::Mutator;

/// Choices for opening a shared state.
///
/// ```
/// use std::num::NonZeroU64;
/// use std::time::Duration;
///
/// use ministate::shared::SharedOptions;
///
/// let options = SharedOptions::new()
///     .snapshot_every(NonZeroU64::new(100_000).expect("not zero"))
///     .patience(Duration::from_secs(10));
/// # let _ = options;
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing happens until `open` is called"]
pub struct SharedOptions {
    pub(super) fidelity: Fidelity,
    pub(super) patience: Option<Duration>,
    pub(super) snapshot_every: Option<NonZeroU64>,
    pub(super) look_every: Duration,
}

impl Default for SharedOptions {
    fn default() -> Self {
        SharedOptions {
            fidelity: Fidelity::default(),
            patience: None,
            snapshot_every: None,
            look_every: Duration::from_secs(1),
        }
    }
}

impl SharedOptions {
    /// The defaults.
    pub fn new() -> Self {
        SharedOptions::default()
    }

    /// Whether a mutation is read back before it is written. Default: [`Fidelity::Checked`].
    pub fn fidelity(mut self, fidelity: Fidelity) -> Self {
        self.fidelity = fidelity;
        self
    }

    /// How long a mutation, [`read_at_least`](SharedManager::read_at_least) and
    /// [`read_linearizable`](SharedManager::read_linearizable) wait for an engine that does not answer.
    /// After that they return [`Unavailable`](SharedError::Unavailable), or
    /// [`OutcomeUnknown`](SharedError::OutcomeUnknown) for a mutation that may have been appended, or
    /// still may be. Default: for ever.
    ///
    /// Should be longer than the adapter lets an engine take for one request: before that has failed, it is
    /// not known what became of it.
    ///
    /// [`read`](SharedManager::read) never waits.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = Some(patience);
        self
    }

    /// Makes a snapshot each time that so many mutations were appended, and trims the journal behind the
    /// one before it: see [`create_snapshot`](SharedManager::create_snapshot). The replica does it whose
    /// entry passes the number, so give all replicas the same. Default: never.
    ///
    /// How it went is in the [`status`](SharedManager::status).
    pub fn snapshot_every(mut self, mutations: NonZeroU64) -> Self {
        self.snapshot_every = Some(mutations);
        self
    }

    /// How often the engine is asked where the journal ends, which is how
    /// [`status`](SharedManager::status) knows how stale the state is. Default: 1 second. An engine that says
    /// nothing for 10 seconds is taken for one that does not answer.
    pub fn look_every(mut self, time: Duration) -> Self {
        self.look_every = time;
        self
    }

    /// Opens the state. See [`SharedManager::open`].
    ///
    /// # Errors
    ///
    /// As [`SharedManager::open`].
    ///
    /// # Panics
    ///
    /// Panics outside of a Tokio runtime.
    pub async fn open<S, M>(
        self,
        journal: impl Journal,
        snapshots: impl SnapshotStore,
    ) -> Result<SharedManager<S, M>, SharedError>
    where
        S: Default + Serialize + DeserializeOwned + Send + Sync + 'static,
        M: Mutator<S> + Serialize + DeserializeOwned + Send + 'static,
    {
        self.open_with(journal, snapshots, S::default()).await
    }

    /// Opens the state; a journal that is new begins with `initial`, which the first snapshot keeps.
    /// Where there is a journal, or where another replica is faster, `initial` is dropped.
    ///
    /// # Errors
    ///
    /// As [`SharedManager::open`].
    ///
    /// # Panics
    ///
    /// Panics outside of a Tokio runtime.
    pub async fn open_with<S, M>(
        self,
        journal: impl Journal,
        snapshots: impl SnapshotStore,
        initial: S,
    ) -> Result<SharedManager<S, M>, SharedError>
    where
        S: Serialize + DeserializeOwned + Send + Sync + 'static,
        M: Mutator<S> + Serialize + DeserializeOwned + Send + 'static,
    {
        SharedManager::begun(self, Arc::new(journal), Arc::new(snapshots), initial).await
    }
}
