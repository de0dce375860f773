//! From a journal to a state: decodes and applies every record, in order, once.

use std::any::Any;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{MiniStateError, Position, operation_name};
use crate::journal::{self, Found, Names};
use crate::mutation::{Mutator, Reply};
use crate::record::{Member, Record, Seq};
use crate::schema::DecodeError;
use crate::storage::Storage;

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
    /// How many mutations were replayed.
    pub replayed: u64,
    /// What a crash left of mutations that were never acknowledged.
    pub torn_tail: Option<TornTail>,
    /// Bytes at the end of the journal that were written and synced again, since no mark said that
    /// they had been synced. 0 where the journal was closed.
    pub rewritten_bytes: u64,
    /// How long it took.
    pub duration: Duration,
}

/// The leftovers of a batch that was never acknowledged: cut off, and kept aside.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TornTail {
    /// The last mutation before them.
    pub after: u64,
    /// How many bytes there were.
    pub bytes: u64,
    /// The file that keeps them. ministate never reads it.
    pub kept_in: PathBuf,
}

/// How far a recovery is; see [`Options::on_progress`](crate::Options::on_progress).
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

/// How many bytes are read between two reports of progress.
const PROGRESS_BYTES: u64 = 1 << 20;

/// How much of the journal is replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Through {
    End,
    Seq(Seq),
}

/// Applies the journal's records to the state.
pub(crate) fn replay<S, M>(
    storage: &Arc<dyn Storage>,
    names: &Names,
    state: &mut S,
    through: Through,
    on_progress: &mut dyn FnMut(Progress),
) -> Result<Found, MiniStateError>
where
    M: Mutator<S> + Serialize + DeserializeOwned,
{
    let mut progress = Progress { bytes_read: 0, bytes_total: 0, replayed: 0 };
    let mut bytes_before = 0;
    let mut segment = Position { file: PathBuf::new(), line: 0, byte: 0 };
    let mut bytes_total = 0;
    let mut visit = |record: &Record<'_>, at: &Position| {
        let last = record.head.seq + record.head.contents.mutations() - 1;
        if matches!(through, Through::Seq(through) if last > through) {
            return Ok(ControlFlow::Break(()));
        }
        for (seq, member) in (record.head.seq..).zip(record.members()) {
            let (tag, payload) = member.ok_or_else(|| unreadable(at, seq))?;
            replay_one::<S, M>((tag, payload), seq, at, state)?;
            progress.replayed += 1;
        }
        if segment.file != at.file {
            bytes_before += segment.byte;
            segment.file.clone_from(&at.file);
        }
        segment.byte = at.byte;
        if bytes_before + at.byte >= progress.bytes_read + PROGRESS_BYTES {
            progress.bytes_read = bytes_before + at.byte;
            on_progress(progress);
        }
        Ok(ControlFlow::Continue(()))
    };
    let found = journal::read(storage, names, |total| bytes_total = total, &mut visit)?;
    on_progress(Progress { bytes_read: bytes_total, bytes_total, ..progress });
    Ok(found)
}

fn replay_one<S, M>(
    (tag, payload): Member<'_>,
    seq: Seq,
    at: &Position,
    state: &mut S,
) -> Result<(), MiniStateError>
where
    M: Mutator<S> + Serialize + DeserializeOwned,
{
    let decoded = M::__decode(tag, payload)
        .map_err(|error| MiniStateError::undecodable(at.clone(), seq, tag, error))?;
    match decoded {
        Some(mutation) => apply(mutation, state, &mut Reply::discarded())
            .map_err(|message| handler_panicked(seq, tag, message)),
        // The operation was retired, and its records are to have no effect.
        None => Ok(()),
    }
}

fn unreadable(at: &Position, seq: Seq) -> MiniStateError {
    use serde::de::Error;
    let what = "the members of the record are not written as they should be";
    let source = DecodeError::from(serde_json::Error::custom(what));
    MiniStateError::undecodable(at.clone(), seq, None, source)
}

/// Applies a mutation; where its handler panics, returns what the panic said.
pub(crate) fn apply<S, M: Mutator<S>>(
    mutation: M,
    state: &mut S,
    reply: &mut Reply,
) -> Result<(), String> {
    // The state may be half changed after a panic. Both callers throw it away then.
    catch_unwind(AssertUnwindSafe(|| mutation.__execute(state, reply))).map_err(panic_message)
}

pub(crate) fn handler_panicked(
    seq: Seq,
    tag: Option<(&str, u32)>,
    message: String,
) -> MiniStateError {
    MiniStateError::HandlerPanicked { seq, operation: tag.map(operation_name), message }
}

fn panic_message(payload: Box<dyn Any + Send>) -> String {
    match payload.downcast::<String>() {
        Ok(message) => *message,
        Err(payload) => match payload.downcast::<&'static str>() {
            Ok(message) => (*message).to_string(),
            Err(_) => "it said nothing".to_string(),
        },
    }
}
