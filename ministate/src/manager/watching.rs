//! How does one go from the state as it is to every change behind it?

use serde::de::DeserializeOwned;

use super::StateManager;
use crate::feed::Subscription;
use crate::mutation::Mutator;

impl<S, M> StateManager<S, M> {
    /// The mutations from number `from` on: those that there are already, and then those to come, each
    /// as soon as it is durable. `from` is the first that is wanted; 0 is taken for 1.
    ///
    /// Reads nothing yet. A `from` that the journal does not reach back to is
    /// [`Trimmed`](crate::MiniStateError::Trimmed) at the first call of
    /// [`next`](Subscription::next): compaction has put it away (the archive is not read), or an
    /// import from ministate 0.1 made it part of the first snapshot. One that is not there yet is
    /// waited for. Finding `from` takes as long as reading the segment does that holds it.
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
    /// let counter = StateManager::<Counter, Inc>::open(dir.path(), "counter.wal.jsonl").await?;
    /// counter.apply(Inc { by: 10 }).await?;
    ///
    /// let mut changes = counter.subscribe(1);
    /// counter.apply(Inc { by: 5 }).await?;
    /// counter.close().await?;
    ///
    /// let mut seen = Vec::new();
    /// while let Some(change) = changes.next().await {
    ///     let change = change?;
    ///     seen.push((change.seq, change.mutation.by));
    /// }
    /// assert_eq!(seen, [(1, 10), (2, 5)]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn subscribe(&self, from: u64) -> Subscription<M>
    where
        M: Mutator<S> + DeserializeOwned,
    {
        let news = self.core.news().listener();
        Subscription::new::<S>(news, &self.upkeep.storage, &self.upkeep.names, from)
    }

    /// Lends the current state to `reader` as [`read`](Self::read) does, with the last mutation that
    /// it holds: to [`subscribe`](Self::subscribe) from the one behind misses none and repeats none.
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
    /// let counter = StateManager::<Counter, Inc>::open(dir.path(), "counter.wal.jsonl").await?;
    /// counter.apply(Inc { by: 10 }).await?;
    /// let (mut copy, seq) = counter.read_with_sequence(|counter, seq| (counter.value, seq));
    /// let mut changes = counter.subscribe(seq + 1);
    /// counter.apply(Inc { by: 5 }).await?;
    /// if let Some(change) = changes.next().await {
    ///     copy += change?.mutation.by;
    /// }
    /// assert_eq!(copy, 15);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// As [`read`](Self::read).
    pub fn read_with_sequence<R>(&self, reader: impl FnOnce(&S, u64) -> R) -> R {
        self.core.read_at(reader)
    }
}
