//! What an application chooses when it opens a journal; every default is stated here, once.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::compaction::Disposal;
use crate::fidelity::Fidelity;
use crate::recovery::Progress;
use crate::rhythm::SnapshotEvery;
use crate::storage::{Disk, Storage};

/// How a journal is opened.
///
/// ```
/// # use ministate::Mutator;
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Default, Serialize, Deserialize)]
/// # struct Counter(u64);
/// # #[derive(Serialize, Deserialize)]
/// # struct Inc;
/// # impl Mutator<Counter> for Inc {
/// #     fn apply(&self, state: &mut Counter) { state.0 += 1 }
/// # }
/// use ministate::Options;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let dir = dir.path();
/// let manager = Options::new()
///     .segment_bytes(8 << 20)
///     .on_progress(|progress| eprintln!("{} mutations replayed", progress.replayed))
///     .open::<Counter, Inc>(dir, "counter.wal.jsonl")
///     .await?;
/// # manager.close().await?;
/// # Ok(())
/// # }
/// ```
///
/// | option | default |
/// |---|---|
/// | [`segment_bytes`](Self::segment_bytes) | 64 MiB |
/// | [`record_bytes_max`](Self::record_bytes_max) | 16 MiB |
/// | [`fidelity`](Self::fidelity) | [`Fidelity::Checked`] |
/// | [`snapshot_every`](Self::snapshot_every) | never |
/// | [`snapshots_kept`](Self::snapshots_kept) | 2 |
/// | [`disposal`](Self::disposal) | [`Disposal::Archive`] |
/// | [`look_every`](Self::look_every) | 100 ms |
/// | [`on_progress`](Self::on_progress) | nobody listens |
/// | [`storage`](Self::storage) | [`Disk`] |
#[derive(Clone)]
pub struct Options {
    pub(crate) segment_bytes: u64,
    pub(crate) record_bytes_max: u64,
    pub(crate) fidelity: Fidelity,
    pub(crate) snapshot_every: Option<SnapshotEvery>,
    pub(crate) snapshots_kept: usize,
    pub(crate) disposal: Disposal,
    pub(crate) look_every: Duration,
    pub(crate) on_progress: Arc<dyn Fn(Progress) + Send + Sync>,
    pub(crate) storage: Arc<dyn Storage>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            segment_bytes: 64 << 20,
            record_bytes_max: 16 << 20,
            fidelity: Fidelity::Checked,
            snapshot_every: None,
            snapshots_kept: 2,
            disposal: Disposal::Archive,
            look_every: Duration::from_millis(100),
            on_progress: Arc::new(|_| {}),
            storage: Arc::new(Disk),
        }
    }
}

impl Options {
    /// The defaults.
    pub fn new() -> Self {
        Options::default()
    }

    /// A segment of at least so many bytes is sealed, and the next batch begins a new one.
    /// Segments are never removed by this.
    pub fn segment_bytes(mut self, bytes: u64) -> Self {
        self.segment_bytes = bytes;
        self
    }

    /// A mutation, or a batch of them, is refused if its record would have more bytes than this.
    /// Replay reads records of any size.
    pub fn record_bytes_max(mut self, bytes: u64) -> Self {
        self.record_bytes_max = bytes;
        self
    }

    /// Whether a mutation is read back before it is written.
    pub fn fidelity(mut self, fidelity: Fidelity) -> Self {
        self.fidelity = fidelity;
        self
    }

    /// Makes a snapshot and compacts, again and again, as the journal grows.
    ///
    /// The call that crosses the limit does it, after its mutation has been applied and before it
    /// returns; other callers go on meanwhile. No thread does it in hiding. Where it fails, the
    /// mutation is durable all the same and its caller gets `Ok`; what failed is in
    /// [`StateManager::journal_status`](crate::StateManager::journal_status), and the next attempt
    /// comes after as much again.
    pub fn snapshot_every(mut self, every: SnapshotEvery) -> Self {
        self.snapshot_every = Some(every);
        self
    }

    /// How many snapshots [`StateManager::compact`](crate::StateManager::compact) keeps, the
    /// newest ones, and all of the journal behind the oldest of them. At least 1; with 2, recovery
    /// has another way should the newest be damaged.
    pub fn snapshots_kept(mut self, snapshots: usize) -> Self {
        self.snapshots_kept = snapshots;
        self
    }

    /// What [`StateManager::compact`](crate::StateManager::compact) does with the rest.
    pub fn disposal(mut self, disposal: Disposal) -> Self {
        self.disposal = disposal;
        self
    }

    /// How long a [`Follower`](crate::Follower) waits between two looks at the files: it can be behind
    /// its writer by about that. A look that finds nothing new makes about ten calls of the system,
    /// and reads no more than a few bytes. Nothing else heeds this option.
    pub fn look_every(mut self, pause: Duration) -> Self {
        self.look_every = pause;
        self
    }

    /// Is called about once a MiB during recovery, and once at its end; before that in the same way
    /// for a journal of ministate 0.1 that is taken over. On the thread that recovers: keep it
    /// short.
    pub fn on_progress(mut self, listener: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.on_progress = Arc::new(listener);
        self
    }

    /// Where the files are. Tests put a storage in memory here.
    pub fn storage(mut self, storage: impl Storage + 'static) -> Self {
        self.storage = Arc::new(storage);
        self
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("segment_bytes", &self.segment_bytes)
            .field("record_bytes_max", &self.record_bytes_max)
            .field("fidelity", &self.fidelity)
            .field("snapshot_every", &self.snapshot_every)
            .field("snapshots_kept", &self.snapshots_kept)
            .field("disposal", &self.disposal)
            .field("look_every", &self.look_every)
            .field("storage", &self.storage)
            .finish_non_exhaustive()
    }
}
