//! Makes snapshots and puts files away, beside a manager that works.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::compaction::{self, Compaction, Disposal};
use crate::error::MiniStateError;
use crate::journal::{Names, Opened};
use crate::mutation::Mutator;
use crate::record::{Chain, Seq};
use crate::recovery;
use crate::schema::Schema;
use crate::snapshot::{self, Snapshot};
use crate::storage::Storage;
use crate::unsayable;
use crate::usage::{self, Usage};

/// The files beside the active segment.
#[derive(Debug)]
pub(crate) struct Upkeep {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) names: Names,
    pub(crate) snapshots_kept: usize,
    pub(crate) disposal: Disposal,
    /// Who makes a snapshot or puts files away waits for others who do.
    pub(crate) one_at_a_time: Mutex<()>,
}

impl Upkeep {
    /// Makes a snapshot at `seq` by *shadow replay*: the records behind the last snapshot, all of
    /// them in sealed segments, are applied to its state.
    pub(crate) fn snapshot<S, M>(&self, seq: Seq) -> Result<(), MiniStateError>
    where
        S: Serialize + DeserializeOwned,
        M: Mutator<S> + Serialize + DeserializeOwned,
    {
        let _alone = self.one_at_a_time.lock().unwrap_or_else(PoisonError::into_inner);
        let (storage, names) = (&*self.storage, &self.names);
        let opened = Opened::sealed(&self.storage, names)?;
        let identity = opened.identity().unwrap_or_default().to_string();
        if opened.snapshots().next().is_some_and(|(newest, _)| newest >= seq) {
            return Ok(());
        }
        let (state, record) = recovery::state_at::<S, M>(storage, names, opened, seq)?;
        publish::<S, M>(storage, names, &identity, (seq, record), &state)
    }

    pub(crate) fn compact(&self) -> Result<Compaction, MiniStateError> {
        let _alone = self.one_at_a_time.lock().unwrap_or_else(PoisonError::into_inner);
        let opened = Opened::sealed(&self.storage, &self.names)?;
        let (kept, disposal) = (self.snapshots_kept, self.disposal);
        compaction::compact(&*self.storage, &self.names, &opened, kept, disposal)
    }

    /// Counts what the journal holds through `seq`.
    pub(crate) fn usage(&self, schema: &Schema, seq: Seq) -> Result<Usage, MiniStateError> {
        // So that compaction does not put away what is being read.
        let _alone = self.one_at_a_time.lock().unwrap_or_else(PoisonError::into_inner);
        usage::count(&self.storage, &self.names, schema, seq)
    }

    /// The state through `seq`, from the journal, while nobody writes.
    pub(crate) fn rebuild<S, M>(&self, seq: Seq) -> Result<S, MiniStateError>
    where
        S: DeserializeOwned,
        M: Mutator<S> + Serialize + DeserializeOwned,
    {
        let opened = Opened::all(&self.storage, &self.names)?;
        let (state, _) = recovery::state_at::<S, M>(&*self.storage, &self.names, opened, seq)?;
        Ok(state)
    }
}

/// Writes the state at a point of the history into a file, reads it back, and gives the file its
/// name.
pub(crate) fn publish<S, M>(
    storage: &dyn Storage,
    names: &Names,
    identity: &str,
    point: (Seq, Chain),
    state: &S,
) -> Result<(), MiniStateError>
where
    S: Serialize + DeserializeOwned,
    M: Mutator<S>,
{
    unsayable::find(state).map_err(|reason| MiniStateError::Refused { reason })?;
    let write = |out: &mut dyn Write| Ok(serde_json::to_writer(out, state)?);
    let check = |read: &Snapshot| recovery::decode::<S, M>(read).map(drop);
    snapshot::publish(storage, names, identity, point, &M::__schema(), write, check)
}
