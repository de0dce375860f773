//! From a snapshot and a journal to a state: every record is applied, in order, once.

mod beginning;
mod note;
mod piece;
mod replay;
mod report;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{MiniStateError, Position, Refusal, RejectedSnapshot, operation_name};
use crate::journal::{Found, Names, Opened, SegmentHeader, Start, Through};
use crate::json::Json;
use crate::mutation::Mutator;
use crate::record::{Chain, Member, Record, Seq};
use crate::snapshot;
use crate::storage::Storage;
pub(crate) use beginning::{decode, decode_version, sound};
use beginning::{newest_sound, oldest_sound};
#[cfg(feature = "inspect")]
pub(crate) use beginning::{newest_usable, of_journal};
pub(crate) use note::leave_note;
use piece::replay_one;
pub(crate) use piece::{apply, decode_one, handler_panicked};
pub use replay::decode_records;
use replay::{Ended, Replay, replay_ahead, replay_here};
pub use report::{Imported, Progress, Recovery, TornTail};

/// A state and the journal that it was recovered from, before anything is changed on disk.
pub(crate) struct Recovered<S> {
    pub(crate) state: S,
    pub(crate) found: Found,
    /// There was no journal.
    pub(crate) created: bool,
    /// The snapshot that the recovery began with.
    pub(crate) snapshot: Seq,
    pub(crate) rejected: Vec<RejectedSnapshot>,
    pub(crate) replayed: u64,
    pub(crate) voided: Vec<Seq>,
    /// How many bytes of the journal were read for that.
    pub(crate) bytes_read: u64,
}

/// Recovers the state from the newest sound snapshot and the records behind it. Where there is no
/// journal, the state is `initial`.
pub(crate) fn recover<S, M>(
    storage: &Arc<dyn Storage>,
    names: &Names,
    initial: impl FnOnce() -> S,
    on_progress: &dyn Fn(Progress),
) -> Result<Recovered<S>, MiniStateError>
where
    S: DeserializeOwned,
    M: Mutator<S> + Serialize + DeserializeOwned + Send,
{
    let opened = Opened::all(storage, names)?;
    if opened.is_fresh() {
        return begin::<S, M>(&**storage, names, opened, initial);
    }
    from_files::<S, M>(&**storage, names, opened, replay_ahead::<S, M>, on_progress)
}

/// Recovers the state of a journal that is there, of which nobody else writes.
pub(crate) fn recover_existing<S, M>(
    storage: &Arc<dyn Storage>,
    names: &Names,
    on_progress: &dyn Fn(Progress),
) -> Result<Recovered<S>, MiniStateError>
where
    S: DeserializeOwned,
    M: Mutator<S> + Serialize + DeserializeOwned + Send,
{
    let opened = Opened::all(storage, names)?;
    if opened.is_fresh() {
        return Err(MiniStateError::NoJournal { path: names.active() });
    }
    from_files::<S, M>(&**storage, names, opened, replay_ahead::<S, M>, on_progress)
}

/// What the files hold behind a record whose state is known, of which nobody else writes.
pub(crate) fn end_behind(
    storage: &Arc<dyn Storage>,
    names: &Names,
    start: &Start,
) -> Result<Found, MiniStateError> {
    let opened = Opened::all(storage, names)?;
    opened.read(start, Through::End, &mut |_, _| Ok(ControlFlow::Continue(())))
}

/// Recovers the state of a journal that somebody may be writing to, as it is now.
pub(crate) fn recover_beside_writer<S, M>(
    storage: &Arc<dyn Storage>,
    names: &Names,
    on_progress: &dyn Fn(Progress),
) -> Result<Recovered<S>, MiniStateError>
where
    S: DeserializeOwned,
    M: Mutator<S> + Serialize + DeserializeOwned,
{
    let opened = Opened::live(storage, names)?;
    if opened.is_fresh() {
        let path = names.active();
        // Without a first segment there was never more than the genesis.
        return Err(match opened.snapshots().next() {
            Some((seq @ 1.., _)) => MiniStateError::Missing { path, seq: seq + 1 },
            Some((0, _)) | None => MiniStateError::NoJournal { path },
        });
    }
    from_files::<S, M>(&**storage, names, opened, replay_here::<S, M>, on_progress)
}

fn from_files<S, M>(
    storage: &dyn Storage,
    names: &Names,
    opened: Opened,
    replay: Replay<S>,
    on_progress: &dyn Fn(Progress),
) -> Result<Recovered<S>, MiniStateError>
where
    S: DeserializeOwned,
    M: Mutator<S> + Serialize + DeserializeOwned,
{
    let (mut state, start, rejected) = newest_sound::<S, M>(storage, names, &opened, Seq::MAX)?;
    refuse_unknown::<S, M>(&opened, &start)?;
    let (snapshot, bytes_read) = (start.seq, opened.bytes_behind(&start));
    let Ended { found, replayed, voided } =
        replay(opened, &start, Through::End, &mut state, on_progress)?;
    let created = false;
    Ok(Recovered { state, found, created, snapshot, rejected, replayed, voided, bytes_read })
}

/// Refuses what a newer program wrote, before any record is read.
fn refuse_unknown<S, M: Mutator<S>>(opened: &Opened, start: &Start) -> Result<(), MiniStateError> {
    let mut headers = opened.headers_behind(start);
    headers.try_for_each(|(path, header)| refuse_unknown_in::<S, M>(path, header))
}

/// Refuses a segment of a newer program.
pub(crate) fn refuse_unknown_in<S, M: Mutator<S>>(
    path: &Path,
    header: &SegmentHeader,
) -> Result<(), MiniStateError> {
    let schema = M::__schema();
    let unknown: Vec<String> = header
        .ops
        .iter()
        .filter(|(name, version)| !schema.reads(name, **version))
        .map(|(name, version)| operation_name((name, *version)))
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let (path, by) = (path.to_path_buf(), header.by.clone());
    Err(MiniStateError::UnknownOperations { path, by, unknown })
}

/// The state where there is no journal yet: the initial one, or the one that a crash in the first
/// opening left as a snapshot.
fn begin<S: DeserializeOwned, M: Mutator<S>>(
    storage: &dyn Storage,
    names: &Names,
    opened: Opened,
    initial: impl FnOnce() -> S,
) -> Result<Recovered<S>, MiniStateError> {
    let newest = opened.snapshots().next().map(|(seq, path)| (seq, path.clone()));
    let (state, identity, created) = match newest {
        None => {
            let identity = format!("{:016x}{:016x}", storage.unique(), storage.unique());
            (initial(), identity, true)
        }
        Some((0, path)) => {
            let snapshot = snapshot::read(storage, &path)?;
            (decode::<S, M>(&snapshot)?, snapshot.journal, false)
        }
        Some((seq, _)) => {
            return Err(MiniStateError::Missing { path: names.active(), seq: seq + 1 });
        }
    };
    let found = opened.fresh(identity);
    let (rejected, voided) = (Vec::new(), Vec::new());
    let (snapshot, replayed, bytes_read) = (0, 0, 0);
    Ok(Recovered { state, found, created, snapshot, rejected, replayed, voided, bytes_read })
}

/// The state through `seq`, and the checksum of the record there. `opened` holds the records.
pub(crate) fn state_at<S, M>(
    storage: &dyn Storage,
    names: &Names,
    opened: Opened,
    seq: Seq,
) -> Result<(S, Chain), MiniStateError>
where
    S: DeserializeOwned,
    M: Mutator<S> + Serialize + DeserializeOwned,
{
    let (mut state, start, _) = newest_sound::<S, M>(storage, names, &opened, seq)?;
    let through = Through::Seq(seq);
    let ended = replay_here::<S, M>(opened, &start, through, &mut state, &|_| {})?;
    Ok((state, ended.found.record()))
}

/// What a replay went through.
pub(crate) struct Watched {
    /// The snapshot that it began with.
    pub(crate) begun: Seq,
    /// The states that were looked at, up to the order of maps and sets.
    pub(crate) states: Vec<(Seq, u64)>,
    /// The last state.
    pub(crate) end: Json,
}

/// Replays the records through `seq`, which `opened` holds, from a snapshot before it, and looks at
/// the state behind some of them. Where there is none before it, the one at `seq` is all there is.
pub(crate) fn replay_watched<S, M>(
    storage: &dyn Storage,
    names: &Names,
    opened: Opened,
    seq: Seq,
    looked_at: &dyn Fn(Seq) -> bool,
) -> Result<Watched, MiniStateError>
where
    S: Serialize + DeserializeOwned,
    M: Mutator<S> + Serialize + DeserializeOwned,
{
    let sound_through = |newest| newest_sound::<S, M>(storage, names, &opened, newest);
    let (mut state, start, _) = match sound_through(seq.saturating_sub(1)) {
        Err(MiniStateError::NoSnapshot { .. } | MiniStateError::Missing { .. }) => {
            sound_through(seq)?
        }
        before => before?,
    };
    let mut states = Vec::new();
    let mut visit = |record: &Record<'_>, at: &Position| {
        let mut last = record.head.seq;
        for (seq, member) in (record.head.seq..).zip(record.members()) {
            let member = member.ok_or_else(|| MiniStateError::malformed(at.clone(), seq))?;
            match member {
                Member::Applied(mutation) => replay_one::<S, M>(mutation, seq, at, &mut state)?,
                Member::Void(..) => {}
            }
            last = seq;
        }
        if looked_at(last) {
            let mut hasher = DefaultHasher::new();
            json_of(&state)?.to_string().hash(&mut hasher);
            states.push((last, hasher.finish()));
        }
        Ok(ControlFlow::Continue(()))
    };
    let begun = start.seq;
    opened.read(&start, Through::Seq(seq), &mut visit)?;
    Ok(Watched { begun, states, end: json_of(&state)? })
}

/// The state's JSON, up to the order of maps and sets.
fn json_of(state: &impl Serialize) -> Result<Json, MiniStateError> {
    use serde::ser::Error;
    let refused =
        |error| MiniStateError::Refused { reason: Refusal::NotEncodable(Arc::new(error)) };
    let text = serde_json::to_vec(state).map_err(refused)?;
    let json = Json::parse(&text).map(Json::in_order);
    json.ok_or_else(|| refused(serde_json::Error::custom("the state is nested too deep")))
}

/// The state after mutation `asked`, which may be any that the files reach, through `last`, which
/// is durable.
pub(crate) fn state_within_reach<S, M>(
    storage: &dyn Storage,
    names: &Names,
    opened: Opened,
    asked: Seq,
    last: Seq,
) -> Result<S, MiniStateError>
where
    S: DeserializeOwned,
    M: Mutator<S> + Serialize + DeserializeOwned,
{
    let out_of_reach = |first| MiniStateError::OutOfReach { asked, first, last };
    let first = || oldest_sound::<S, M>(storage, &opened);
    if asked > last {
        return Err(out_of_reach(first().unwrap_or(last)));
    }
    match newest_sound::<S, M>(storage, names, &opened, asked) {
        Ok((mut state, start, _)) => {
            let replayed =
                replay_here::<S, M>(opened, &start, Through::Seq(asked), &mut state, &|_| {});
            match replayed?.found.seq() {
                // What was there of a batch has been undone since.
                last if last < asked => {
                    Err(MiniStateError::OutOfReach { asked, first: start.seq, last })
                }
                _ => Ok(state),
            }
        }
        Err(error) => {
            let is_too_old = match &error {
                MiniStateError::NoSnapshot { rejected, .. } => {
                    rejected.iter().all(|snapshot| snapshot.why.is_none())
                }
                other => matches!(other, MiniStateError::Missing { .. }),
            };
            let first = is_too_old.then(first).flatten();
            Err(first.map_or(error, out_of_reach))
        }
    }
}
