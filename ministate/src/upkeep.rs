//! Makes snapshots and puts files away, beside a manager that works.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::backup::{self, Backup};
use crate::compaction::{self, Compaction, Disposal};
use crate::error::MiniStateError;
use crate::journal::{self, Names, Opened};
use crate::json::Json;
use crate::mutation::Mutator;
use crate::record::{Chain, Seq};
use crate::recovery::{self, Watched};
use crate::rhythm::Rhythm;
use crate::schema::Schema;
use crate::snapshot::{self, Snapshot};
use crate::storage::Storage;
use crate::sync::{Mutex, MutexGuard};
use crate::unsayable;
use crate::usage::{self, Usage};

/// The files beside the active segment.
#[derive(Debug)]
pub(crate) struct Upkeep {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) names: Names,
    pub(crate) snapshots_kept: usize,
    pub(crate) disposal: Disposal,
    pub(crate) rhythm: Rhythm,
    /// Makes a snapshot at a mutation and compacts, with the types of the manager.
    pub(crate) turn: fn(&Upkeep, Seq) -> Result<(), MiniStateError>,
    /// The newest snapshot, and why the last attempt to make one by itself failed.
    pub(crate) newest: Mutex<Newest>,
    /// Who makes a snapshot or puts files away waits for others who do.
    pub(crate) one_at_a_time: Mutex<()>,
}

/// What is known of snapshots without looking at the disk.
#[derive(Debug, Default)]
pub(crate) struct Newest {
    pub(crate) seq: Seq,
    pub(crate) failure: Option<MiniStateError>,
}

/// The turn of one caller to make a snapshot. Dropped, it is over.
pub(crate) struct Turn(Arc<Upkeep>);

impl Turn {
    /// Makes a snapshot at `sealed`, compacts, and leaves word of a failure.
    pub(crate) fn complete(self, sealed: Result<Seq, MiniStateError>) {
        let made = sealed.and_then(|seq| (self.0.turn)(&self.0, seq));
        self.0.newest().failure = made.err();
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.rhythm.end_turn();
    }
}

/// So many states of a replay are compared with those of another before it is known about where
/// they differ.
const STATES_COMPARED: u64 = 256;

impl Upkeep {
    /// Counts what was written, and says whether it is the caller's turn to make a snapshot.
    pub(crate) fn turn_after(self: &Arc<Self>, mutations: u64, bytes: u64) -> Option<Turn> {
        self.rhythm.takes_turn(mutations, bytes).then(|| Turn(Arc::clone(self)))
    }

    pub(crate) fn newest(&self) -> MutexGuard<'_, Newest> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn snapshot_and_compact<S, M>(&self, seq: Seq) -> Result<(), MiniStateError>
    where
        S: Serialize + DeserializeOwned,
        M: Mutator<S> + Serialize + DeserializeOwned,
    {
        self.snapshot::<S, M>(seq)?;
        self.compact::<S, M>().map(drop)
    }

    /// Makes a snapshot at `seq` by *shadow replay*: the records behind the last snapshot, all of
    /// them in sealed segments, are applied to its state.
    pub(crate) fn snapshot<S, M>(&self, seq: Seq) -> Result<(), MiniStateError>
    where
        S: Serialize + DeserializeOwned,
        M: Mutator<S> + Serialize + DeserializeOwned,
    {
        let _alone = self.one_at_a_time.lock().unwrap_or_else(PoisonError::into_inner);
        let observed = self.names.observer().making_snapshot(seq);
        let made = self.publish_replayed::<S, M>(seq);
        observed.snapshot_ended(seq, &made);
        made.map(drop)
    }

    fn publish_replayed<S, M>(&self, seq: Seq) -> Result<Option<u64>, MiniStateError>
    where
        S: Serialize + DeserializeOwned,
        M: Mutator<S> + Serialize + DeserializeOwned,
    {
        let (storage, names) = (&*self.storage, &self.names);
        let opened = Opened::sealed(&self.storage, names)?;
        let identity = opened.identity().unwrap_or_default().to_string();
        if self.is_overtaken::<S, M>(&opened, seq) {
            return Ok(None);
        }
        let (state, record) = recovery::state_at::<S, M>(storage, names, opened, seq)?;
        self.publish::<S, M>(&identity, (seq, record), &state).map(Some)
    }

    /// Makes a snapshot of a clone of the state, as it was at `seq`, which is in a sealed segment.
    pub(crate) fn snapshot_of<S, M>(&self, seq: Seq, state: &S) -> Result<(), MiniStateError>
    where
        S: Serialize + DeserializeOwned,
        M: Mutator<S>,
    {
        let _alone = self.one_at_a_time.lock().unwrap_or_else(PoisonError::into_inner);
        let observed = self.names.observer().making_snapshot(seq);
        let made = self.publish_clone::<S, M>(seq, state);
        observed.snapshot_ended(seq, &made);
        made.map(drop)
    }

    fn publish_clone<S, M>(&self, seq: Seq, state: &S) -> Result<Option<u64>, MiniStateError>
    where
        S: Serialize + DeserializeOwned,
        M: Mutator<S>,
    {
        let opened = Opened::sealed(&self.storage, &self.names)?;
        // Its records may be put away by now.
        if self.is_overtaken::<S, M>(&opened, seq) {
            return Ok(None);
        }
        let identity = opened.identity().unwrap_or_default().to_string();
        let record = opened.record_at(seq)?;
        self.publish::<S, M>(&identity, (seq, record), state).map(Some)
    }

    /// Whether there is a snapshot at `seq` or behind it that recovery can begin with.
    fn is_overtaken<S, M>(&self, opened: &Opened, seq: Seq) -> bool
    where
        S: DeserializeOwned,
        M: Mutator<S>,
    {
        let is_usable = |(known, path): (Seq, &PathBuf)| {
            recovery::sound::<S, M>(&*self.storage, opened, known, path).is_ok()
        };
        opened.snapshots().take_while(|(known, _)| *known >= seq).any(is_usable)
    }

    fn publish<S, M>(
        &self,
        identity: &str,
        point: (Seq, Chain),
        state: &S,
    ) -> Result<u64, MiniStateError>
    where
        S: Serialize + DeserializeOwned,
        M: Mutator<S>,
    {
        let bytes = publish::<S, M>(&*self.storage, &self.names, identity, point, state)?;
        self.rhythm.note_snapshot(bytes);
        let mut newest = self.newest();
        newest.seq = newest.seq.max(point.0);
        Ok(bytes)
    }

    pub(crate) fn compact<S, M>(&self) -> Result<Compaction, MiniStateError>
    where
        S: DeserializeOwned,
        M: Mutator<S>,
    {
        let _alone = self.one_at_a_time.lock().unwrap_or_else(PoisonError::into_inner);
        let observed = self.names.observer().compacting();
        let compacted = self.put_away::<S, M>();
        let files = |compaction: &Compaction| compaction.segments + compaction.snapshots;
        let put_away = compacted.as_ref().map(|(compaction, bytes)| (files(compaction), *bytes));
        observed.compaction_ended(put_away);
        compacted.map(|(compaction, _)| compaction)
    }

    /// Which journal it is.
    #[cfg(feature = "shared")]
    pub(crate) fn identity(&self) -> Result<String, MiniStateError> {
        let opened = Opened::live(&self.storage, &self.names)?;
        Ok(opened.identity().unwrap_or_default().to_string())
    }

    /// Puts away the segments that hold nothing from `before` on, where all records through `sealed`
    /// are in sealed ones and `state` is the state at any mutation.
    #[cfg(feature = "shared")]
    pub(crate) fn trim<S, M>(
        &self,
        before: Seq,
        sealed: Seq,
        state: &S,
    ) -> Result<(), MiniStateError>
    where
        S: Serialize + DeserializeOwned,
        M: Mutator<S>,
    {
        {
            let _alone = self.one_at_a_time.lock().unwrap_or_else(PoisonError::into_inner);
            let opened = Opened::sealed(&self.storage, &self.names)?;
            let identity = opened.identity().unwrap_or_default().to_string();
            let start = opened.beginning_of_segment_with(before.min(sealed));
            let Some(start) = start.filter(|start| start.seq > 0 || before > sealed) else {
                return Ok(());
            };
            let seq = if before > sealed { sealed } else { start.seq };
            if self.is_overtaken::<S, M>(&opened, seq) {
                return Ok(());
            }
            let record = if before > sealed { opened.record_at(seq)? } else { start.record };
            self.publish::<S, M>(&identity, (seq, record), state)?;
        }
        self.compact::<S, M>().map(drop)
    }

    /// Says also how many bytes the segments had that were put away.
    fn put_away<S, M>(&self) -> Result<(Compaction, u64), MiniStateError>
    where
        S: DeserializeOwned,
        M: Mutator<S>,
    {
        let opened = Opened::sealed(&self.storage, &self.names)?;
        let (kept, disposal) = (self.snapshots_kept, self.disposal);
        let is_usable =
            |seq, path: &Path| recovery::sound::<S, M>(&*self.storage, &opened, seq, path).is_ok();
        let compaction =
            compaction::compact(&*self.storage, &self.names, &opened, kept, disposal, &is_usable)?;
        Ok((compaction, opened.bytes_of_first(compaction.segments)))
    }

    /// Replays the journal through `seq`, all of it in sealed segments, and compares with the JSON of
    /// the state that there was. False where compaction has put away what leads there.
    pub(crate) fn verify<S, M>(&self, seq: Seq, state: &[u8]) -> Result<bool, MiniStateError>
    where
        S: Serialize + DeserializeOwned,
        M: Mutator<S> + Serialize + DeserializeOwned,
    {
        let _alone = self.one_at_a_time.lock().unwrap_or_else(PoisonError::into_inner);
        let replay = |looked_at: &dyn Fn(Seq) -> bool| {
            let opened = Opened::sealed(&self.storage, &self.names)?;
            let storage = &*self.storage;
            recovery::replay_watched::<S, M>(storage, &self.names, opened, seq, looked_at)
        };
        let replayed = replay(&|_| false);
        if replayed.is_err() && self.newest_snapshot()?.is_some_and(|newest| newest > seq) {
            return Ok(false);
        }
        let Watched { begun, end, .. } = replayed?;
        if Json::parse(state).map(Json::in_order) == Some(end) {
            return Ok(true);
        }
        if begun == seq {
            return Err(MiniStateError::Diverged { first: seq, through: seq });
        }
        // The state in memory does not say where it went astray, but two replays that differ do.
        let differ = |looked_at: &dyn Fn(Seq) -> bool| {
            let (one, other) = (replay(looked_at)?.states, replay(looked_at)?.states);
            let same = one.iter().zip(&other).take_while(|(one, other)| one == other).count();
            let last_same = same.checked_sub(1).map_or(begun, |last| one[last].0);
            Ok::<_, MiniStateError>((last_same, one.get(same).map(|(seq, _)| *seq)))
        };
        let stride = (seq - begun).div_ceil(STATES_COMPARED).max(1);
        let (same, different) = differ(&|at| (at - begun) % stride == 0 || at == seq)?;
        let first = match different {
            None => begun + 1,
            Some(different) => differ(&|at| same < at && at <= different)?.1.unwrap_or(different),
        };
        Err(MiniStateError::Diverged { first, through: seq })
    }

    fn newest_snapshot(&self) -> Result<Option<Seq>, MiniStateError> {
        let opened = Opened::sealed(&self.storage, &self.names)?;
        let newest = opened.snapshots().next().map(|(seq, _)| seq);
        Ok(newest)
    }

    /// Counts what the journal holds through `seq`.
    pub(crate) fn usage(&self, schema: &Schema, seq: Seq) -> Result<Usage, MiniStateError> {
        // So that compaction does not put away what is being read.
        let _alone = self.one_at_a_time.lock().unwrap_or_else(PoisonError::into_inner);
        usage::count(&self.storage, &self.names, schema, seq)
    }

    /// Refuses a directory that cannot take a backup.
    pub(crate) fn refuse_occupied(&self, to: &Path) -> Result<(), MiniStateError> {
        backup::refuse_occupied(&*self.storage, &self.names, to)
    }

    /// Copies the journal into the directory `to`, through `sealed` at least, which a segment ends
    /// with.
    pub(crate) fn backup(
        &self,
        schema: &Schema,
        sealed: Seq,
        to: &Path,
    ) -> Result<Backup, MiniStateError> {
        // So that compaction does not put away what is being copied.
        let _alone = self.one_at_a_time.lock().unwrap_or_else(PoisonError::into_inner);
        let observed = self.names.observer().backing_up(to);
        let backup = backup::copy_sealed(&self.storage, &self.names, schema, sealed, to)?;
        observed.copied(backup.seq, backup.files.len(), backup.bytes);
        Ok(backup)
    }

    pub(crate) fn necessary_files(&self) -> Result<Vec<PathBuf>, MiniStateError> {
        journal::necessary_files(&*self.storage, &self.names)
    }

    /// The state after mutation `asked`, through `last` at most, which is durable.
    pub(crate) fn state_at<S, M>(&self, asked: Seq, last: Seq) -> Result<S, MiniStateError>
    where
        S: DeserializeOwned,
        M: Mutator<S> + Serialize + DeserializeOwned,
    {
        // So that compaction does not put away what is being read.
        let _alone = self.one_at_a_time.lock().unwrap_or_else(PoisonError::into_inner);
        let opened = Opened::live(&self.storage, &self.names)?;
        recovery::state_within_reach::<S, M>(&*self.storage, &self.names, opened, asked, last)
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
/// name. Returns how large it is, in bytes.
pub(crate) fn publish<S, M>(
    storage: &dyn Storage,
    names: &Names,
    identity: &str,
    point: (Seq, Chain),
    state: &S,
) -> Result<u64, MiniStateError>
where
    S: Serialize + DeserializeOwned,
    M: Mutator<S>,
{
    unsayable::find(state).map_err(|reason| MiniStateError::Refused { reason })?;
    let write = |out: &mut dyn Write| Ok(serde_json::to_writer(out, state)?);
    let check = |read: &Snapshot| recovery::decode::<S, M>(read).map(drop);
    snapshot::publish(storage, names, identity, point, &M::__schema(), write, check)
}
