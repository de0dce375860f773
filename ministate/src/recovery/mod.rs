//! From a snapshot and a journal to a state: every record is applied, in order, once.

mod note;
mod piece;
mod replay;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{MiniStateError, Position, Refusal, RejectedSnapshot, operation_name};
use crate::journal::{Found, Names, Opened, SegmentHeader, Start, Through};
use crate::json::Json;
use crate::mutation::Mutator;
use crate::record::{Chain, Member, Record, Seq};
use crate::schema;
use crate::snapshot::{self, Snapshot};
use crate::storage::Storage;
pub(crate) use note::leave_note;
use piece::replay_one;
pub(crate) use piece::{apply, decode_one, handler_panicked};
pub use replay::decode_records;
use replay::{Ended, Replay, replay_ahead, replay_here};

/// What opening a journal found and did, for operators.
///
/// ```
/// # use ministate::{Mutator, Options};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Default, Serialize, Deserialize)]
/// # struct Counter(u64);
/// # #[derive(Serialize, Deserialize)]
/// # struct Inc;
/// # impl Mutator<Counter> for Inc {
/// #     fn apply(&self, state: &mut Counter) { state.0 += 1 }
/// # }
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// let manager = Options::new().blocking_open::<Counter, Inc>(dir.path(), "app.wal.jsonl")?;
/// let recovery = manager.recovery();
/// assert!(recovery.created);
/// assert_eq!(recovery.replayed, 0);
/// assert!(recovery.torn_tail.is_none());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Recovery {
    /// There was no journal, and now there is.
    pub created: bool,
    /// The manager before was closed: [`StateManager::close`](crate::StateManager::close) marked
    /// the end of the journal. False after a crash, and after a drop without a close.
    pub was_closed: bool,
    /// The last mutation in the snapshot that the recovery began with; 0 for the initial state.
    pub snapshot: u64,
    /// Newer snapshots that could not be used.
    pub rejected_snapshots: Vec<RejectedSnapshot>,
    /// How many mutations behind the snapshot were replayed.
    pub replayed: u64,
    /// The mutations behind the snapshot that were not replayed, since `ministate void` has marked
    /// them as not to be applied. Their numbers stay theirs.
    pub voided: Vec<u64>,
    /// What a crash left of mutations that were never acknowledged.
    pub torn_tail: Option<TornTail>,
    /// Bytes at the end of the journal of which no mark said that they had been synced. The segment
    /// that they are in was written and synced again, as a new file. 0 where the journal was closed.
    pub rewritten_bytes: u64,
    /// What was taken over from ministate 0.1; the recovery then began behind it.
    pub imported: Option<Imported>,
    /// How long it took.
    pub duration: Duration,
}

/// A directory of ministate 0.1 that this opening took over. See
/// [`StateManager::open`](crate::StateManager::open).
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
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let dir = dir.path();
/// // What ministate 0.1 left.
/// let journal = "// MINISTORE JOURNAL v0.1.4\n{\"by\":10}\n{\"by\":5}\n";
/// std::fs::write(dir.join("app.wal.jsonl"), journal)?;
///
/// let manager = Options::new().blocking_open::<Counter, Inc>(dir, "app.wal.jsonl")?;
/// let imported = manager.recovery().imported.as_ref().ok_or("nothing was taken over")?;
/// assert_eq!(imported.mutations, 2);
/// assert_eq!(std::fs::read_to_string(&imported.kept[0])?, journal);
/// assert_eq!(manager.blocking_apply(Inc { by: 1 })?, 3);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Imported {
    /// How many mutations the old journal holds. The next one has the number behind.
    pub mutations: u64,
    /// The last mutation in the old snapshot that the import began with; `None` where it began
    /// with the default state. Also `None` where this opening only ended an import that a crash
    /// had interrupted.
    pub snapshot: Option<u64>,
    /// Old snapshots that could not be used, under the names that they had.
    pub rejected_snapshots: Vec<RejectedSnapshot>,
    /// The old files, under the names that they have now, and those of earlier imports under this
    /// journal's name. ministate does not read them again.
    pub kept: Vec<PathBuf>,
}

/// The leftovers of a batch that was never acknowledged: cut off, and kept aside. A reader beside
/// the writer can also see a batch so that is being written.
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
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let dir = dir.path();
/// let manager = Options::new().blocking_open::<Counter, Inc>(dir, "app.wal.jsonl")?;
/// manager.blocking_apply(Inc { by: 10 })?;
/// manager.blocking_apply(Inc { by: 5 })?;
/// let path = manager.journal_path().to_path_buf();
/// drop(manager);
///
/// // As a crash leaves it that comes while the second one is written.
/// let journal = std::fs::read_to_string(&path)?;
/// std::fs::write(&path, &journal[..journal.trim_end().len() - 20])?;
///
/// let manager = Options::new().blocking_open::<Counter, Inc>(dir, "app.wal.jsonl")?;
/// let torn = manager.recovery().torn_tail.as_ref().ok_or("nothing is torn")?;
/// assert_eq!(torn.after, 1);
/// assert_eq!(std::fs::metadata(&torn.kept_in)?.len(), torn.bytes);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TornTail {
    /// The last mutation before them.
    pub after: u64,
    /// How many bytes there were.
    pub bytes: u64,
    /// The file that keeps them. ministate never reads it. Where the journal was opened
    /// [`read_only`](crate::Options::read_only), the segment that they stand in.
    pub kept_in: PathBuf,
}

/// How far a recovery is; see [`Options::on_progress`](crate::Options::on_progress).
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
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let dir = dir.path();
/// let options = Options::new().on_progress(|progress| {
///     let percent = progress.bytes_read * 100 / progress.bytes_total.max(1);
///     eprintln!("{percent} % read, {} mutations replayed", progress.replayed);
/// });
/// let manager = options.blocking_open::<Counter, Inc>(dir, "app.wal.jsonl")?;
/// # manager.blocking_close()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Progress {
    /// Bytes of the journal that were read.
    pub bytes_read: u64,
    /// Bytes of the journal there are to read.
    pub bytes_total: u64,
    /// Mutations that were replayed.
    pub replayed: u64,
}

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

/// The oldest snapshot that replay can begin with.
fn oldest_sound<S: DeserializeOwned, M: Mutator<S>>(
    storage: &dyn Storage,
    opened: &Opened,
) -> Option<Seq> {
    let mut reached: Vec<_> =
        opened.snapshots().filter(|(seq, _)| seq + 1 >= opened.first()).collect();
    reached.reverse();
    let mut reached = reached.into_iter();
    reached
        .find(|(seq, path)| sound::<S, M>(storage, opened, *seq, path).is_ok())
        .map(|(seq, _)| seq)
}

/// The newest snapshot that is sound, not newer than `newest`, and that the journal reaches.
///
/// A snapshot of a newer version of the state ends the search: a newer program wrote it, and what
/// this one would make of the records before it is not what that one made of them.
fn newest_sound<S: DeserializeOwned, M: Mutator<S>>(
    storage: &dyn Storage,
    names: &Names,
    opened: &Opened,
    newest: Seq,
) -> Result<(S, Start, Vec<RejectedSnapshot>), MiniStateError> {
    let is_sound = |seq, path: &Path| sound::<S, M>(storage, opened, seq, path);
    let ((state, start), rejected) = newest_usable(names, opened, newest, is_sound)?;
    Ok((state, start, rejected))
}

/// What `read` makes of the newest snapshot that it accepts, as [`newest_sound`] chooses it.
pub(crate) fn newest_usable<T>(
    names: &Names,
    opened: &Opened,
    newest: Seq,
    read: impl Fn(Seq, &Path) -> Result<T, MiniStateError>,
) -> Result<(T, Vec<RejectedSnapshot>), MiniStateError> {
    let mut rejected = Vec::new();
    for (seq, path) in opened.snapshots().filter(|(seq, _)| *seq <= newest) {
        let reaches = seq + 1 >= opened.first();
        let why = match reaches.then(|| read(seq, path)) {
            Some(Ok(used)) => return Ok((used, rejected)),
            Some(Err(newer @ MiniStateError::UnknownOperations { .. })) => return Err(newer),
            Some(Err(why)) => Some(Box::new(why)),
            None => None,
        };
        rejected.push(RejectedSnapshot { path: path.clone(), why });
    }
    let newest = opened.snapshots().map(|(seq, _)| seq).find(|seq| *seq <= newest);
    Err(match newest {
        Some(newest) if rejected.iter().all(|snapshot| snapshot.why.is_none()) => {
            MiniStateError::Missing { path: names.sealed(newest + 1), seq: newest + 1 }
        }
        Some(_) | None => {
            let dir = names.dir().to_path_buf();
            MiniStateError::NoSnapshot { dir, first: opened.first(), rejected }
        }
    })
}

/// A snapshot of this journal, with a state that this program can read.
pub(crate) fn sound<S: DeserializeOwned, M: Mutator<S>>(
    storage: &dyn Storage,
    opened: &Opened,
    seq: Seq,
    path: &Path,
) -> Result<(S, Start), MiniStateError> {
    let snapshot = of_journal(storage, opened, seq, path)?;
    let state = decode::<S, M>(&snapshot)?;
    Ok((state, snapshot.start))
}

/// A snapshot of this journal, whatever its state is.
pub(crate) fn of_journal(
    storage: &dyn Storage,
    opened: &Opened,
    seq: Seq,
    path: &Path,
) -> Result<Snapshot, MiniStateError> {
    let snapshot = snapshot::read(storage, path)?;
    let other = |what| MiniStateError::Corrupt {
        at: Position { file: path.to_path_buf(), line: 1, byte: 0 },
        seq,
        what,
    };
    if opened.identity() != Some(&*snapshot.journal) {
        return Err(other("the snapshot belongs to another journal"));
    }
    if snapshot.start.seq != seq {
        return Err(other("the snapshot bears the name of another"));
    }
    Ok(snapshot)
}

/// The state of a snapshot, whichever version of it this program still reads.
pub(crate) fn decode<S: DeserializeOwned, M: Mutator<S>>(
    snapshot: &Snapshot,
) -> Result<S, MiniStateError> {
    let (path, version) = (&snapshot.start.path, snapshot.version);
    if version > M::__schema().state {
        let unknown = vec![format!("version {version} of the state")];
        let (path, by) = (path.clone(), snapshot.by.clone());
        return Err(MiniStateError::UnknownOperations { path, by, unknown });
    }
    decode_version::<S, M>(version, &snapshot.state, path)
}

/// The state in the JSON, which has this version and stands in the file.
pub(crate) fn decode_version<S: DeserializeOwned, M: Mutator<S>>(
    version: u32,
    json: &[u8],
    path: &Path,
) -> Result<S, MiniStateError> {
    let current = version == M::__schema().state;
    let decoded = schema::text(json).and_then(|json| match current {
        true => schema::decode_content(json),
        false => M::__decode_old_state(version, json),
    });
    decoded.map_err(|source| MiniStateError::UnreadableState {
        path: path.to_path_buf(),
        version,
        source: Arc::new(source),
    })
}
