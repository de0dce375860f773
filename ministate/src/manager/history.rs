//! What was the state, and does the journal replay to what it is?

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::StateManager;
use crate::commit::{Work, ground};
use crate::error::{MiniStateError, Refusal};
use crate::mutation::Mutator;

impl<S, M> StateManager<S, M>
where
    S: Serialize + DeserializeOwned + Send + Sync + 'static,
    M: Mutator<S> + Serialize + DeserializeOwned + Send + 'static,
{
    /// Replays the journal from a snapshot before, and compares with the state in memory, up to the
    /// order of maps and sets.
    ///
    /// This is what finds a handler that is not deterministic before the next start does. Writers
    /// wait while the state in memory is serialized; the active segment is sealed, and its replay
    /// is beside everybody. Where compaction puts away what is needed before its turn comes, it
    /// begins anew with the state of that moment.
    ///
    /// Where the only snapshot is of the state as it is now, as behind a compaction that keeps
    /// [one](crate::Options::snapshots_kept), it is compared with that snapshot, and nothing is
    /// replayed.
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
    /// manager.verify_replay().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`Diverged`](MiniStateError::Diverged): the two differ, and from which mutation on; where
    ///   nothing was replayed, from there or from an earlier one. Which of them is right is yours
    ///   to say.
    /// - [`NoSnapshot`](MiniStateError::NoSnapshot), [`Missing`](MiniStateError::Missing): what the
    ///   replay needs is damaged or gone.
    /// - As [`create_snapshot`](Self::create_snapshot).
    ///
    /// # Panics
    ///
    /// As [`read`](Self::read).
    pub async fn verify_replay(&self) -> Result<(), MiniStateError> {
        loop {
            let (state, seq) = self.state_as_json()?;
            self.core.submit(Work::Seal).await?;
            let upkeep = Arc::clone(&self.upkeep);
            if ground::run(move || upkeep.verify::<S, M>(seq, &state)).await? {
                return Ok(());
            }
        }
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
        loop {
            let (state, seq) = self.state_as_json()?;
            self.core.submit_blocking(Work::Seal)?;
            if self.upkeep.verify::<S, M>(seq, &state)? {
                return Ok(());
            }
        }
    }

    fn state_as_json(&self) -> Result<(Vec<u8>, u64), MiniStateError> {
        let (state, seq) = self.core.read_at(|state, seq| (serde_json::to_vec(state), seq));
        let refused = |error| Refusal::NotEncodable(Arc::new(error));
        Ok((state.map_err(|error| MiniStateError::Refused { reason: refused(error) })?, seq))
    }

    /// The state as it was after mutation `seq`: reads the newest snapshot that is not newer, and
    /// replays the journal behind it, on the runtime's pool for blocking work.
    ///
    /// `seq` can be any from that of the oldest snapshot to [`sequence`](Self::sequence). The oldest
    /// is the state that the journal began with, at 0, until compaction puts it away. A `seq` within a
    /// batch of [`apply_batch`](Self::apply_batch) gives a state that no reader ever saw.
    ///
    /// ```
    /// # use ministate::{MiniStateError, Mutator, StateManager};
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
    /// for by in [1, 2, 3] {
    ///     manager.apply(Inc { by }).await?;
    /// }
    /// assert_eq!(manager.state_at(2).await?.value, 3);
    /// let later = manager.state_at(4).await;
    /// assert!(matches!(later, Err(MiniStateError::OutOfReach { first: 0, last: 3, .. })));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`OutOfReach`](MiniStateError::OutOfReach): there is no such mutation yet, or compaction has
    ///   put away what is needed.
    /// - [`Io`](MiniStateError::Io), [`Corrupt`](MiniStateError::Corrupt),
    ///   [`Missing`](MiniStateError::Missing), [`LostTail`](MiniStateError::LostTail),
    ///   [`NoSnapshot`](MiniStateError::NoSnapshot),
    ///   [`UnknownOperations`](MiniStateError::UnknownOperations),
    ///   [`Undecodable`](MiniStateError::Undecodable),
    ///   [`HandlerPanicked`](MiniStateError::HandlerPanicked): as by
    ///   [`open`](StateManager::open).
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
