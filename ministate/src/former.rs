//! Which calls of ministate 0.1 have another name by now?

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::MiniStateError;
use crate::manager::StateManager;
use crate::mutation::Mutator;

impl<S, M> StateManager<S, M>
where
    S: Default + Serialize + DeserializeOwned + Send + Sync + 'static,
    M: Mutator<S> + Serialize + DeserializeOwned + Send + 'static,
{
    /// [`open`](Self::open), which begins with the newest snapshot by itself. ministate 0.1 had this
    /// name for it, with the same feature.
    ///
    /// ```
    /// # #![allow(deprecated)]
    /// # use ministate::{Mutator, StateManager};
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Default, Serialize, Deserialize)]
    /// # struct Counter(u32);
    /// # #[derive(Serialize, Deserialize)]
    /// # struct Inc;
    /// # impl Mutator<Counter> for Inc {
    /// #     fn apply(&self, counter: &mut Counter) { counter.0 += 1 }
    /// # }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// let counter = StateManager::open_with_snapshot(dir.path(), "counter.wal.jsonl").await?;
    /// counter.apply(Inc).await?;
    /// assert_eq!(counter.read(|counter: &Counter| counter.0), 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    #[deprecated(since = "0.2.0", note = "call `open`, which does the same")]
    pub async fn open_with_snapshot<P1, P2>(
        state_dir: P1,
        journal_file: P2,
    ) -> Result<Self, MiniStateError>
    where
        P1: AsRef<Path>,
        P2: AsRef<Path>,
    {
        Self::open(state_dir, journal_file).await
    }
}
