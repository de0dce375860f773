//! What does a replica do, and how far is it?

use std::collections::BTreeMap;
use std::time::Duration;

use super::error::SharedError;
use super::journal::Place;

/// What a replica does and how far it is; from
/// [`SharedManager::status`](crate::shared::SharedManager::status).
///
/// ```
/// # #[cfg(not(feature = "testing"))]
/// # fn main() {}
/// # #[cfg(feature = "testing")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use ministate::Mutator;
/// # use ministate::shared::memory::{MemoryJournal, MemorySnapshots};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Default, Serialize, Deserialize)]
/// # struct Counter { value: u32 }
/// # #[derive(Serialize, Deserialize)]
/// # struct Inc { by: u32 }
/// # impl Mutator<Counter> for Inc {
/// #     fn apply(&self, state: &mut Counter) { state.value += self.by }
/// # }
/// # let (journal, snapshots) = (MemoryJournal::new(), MemorySnapshots::new());
/// use ministate::shared::{Role, SharedManager};
///
/// let replica = SharedManager::<Counter, Inc>::open(journal, snapshots).await?;
/// replica.apply(Inc { by: 1 }).await?;
///
/// // What a health check looks at.
/// let status = replica.status();
/// assert_eq!((status.role, status.sequence, status.behind), (Role::Current, 1, 0));
/// assert!(status.failure.is_none() && status.stale.as_secs() < 60);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SharedStatus {
    /// What it does.
    pub role: Role,
    /// The last mutation that its state holds.
    pub sequence: u64,
    /// The place of the last entry that its state holds.
    pub place: Place,
    /// By how many entries it is behind the last one that it has heard of.
    pub behind: u64,
    /// How long ago it is that its state was known to hold everything which had been acknowledged by then,
    /// to anybody: the state is no staler than that. Grows while the engine does not answer.
    pub stale: Duration,
    /// Why it stopped, or what the engine said when it last did not answer, or did not append; `None` once
    /// it did again, or nobody wants it to.
    pub failure: Option<SharedError>,
    /// The last mutation in the newest snapshot that this replica made or began with.
    pub snapshot: u64,
    /// Why the last snapshot that it made, or the trimming behind it, failed; `None` where it did not.
    pub snapshot_failure: Option<SharedError>,
    /// How often the operations were chosen that may be written: see
    /// [`admit_operations`](crate::shared::SharedManager::admit_operations).
    pub format: u64,
    /// Those operations, by name with their versions; none for a mutator written by hand.
    pub admitted: BTreeMap<String, u32>,
}

/// What a replica does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Role {
    /// It is as far as it knows the journal to be.
    Current,
    /// It reads what it has heard of.
    CatchingUp,
    /// The engine, or the store of snapshots when one was needed, does not answer, or does not append.
    CutOff,
    /// It was closed, or has stopped; the state stays as it is.
    Ended,
}
