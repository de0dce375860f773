//! What can go wrong, where, and what to do about it.

mod position;
mod reasons;
mod text;

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::schema::DecodeError;
pub use position::Position;
pub use reasons::{Refusal, RejectedSnapshot};
#[cfg(feature = "shared")]
pub(crate) use text::write_causes;

/// Every error of ministate, grouped by what its caller can do.
///
/// | variants | what happened to the mutation | the manager |
/// |---|---|---|
/// | [`Refused`](Self::Refused) | nothing was written | works on |
/// | [`NotWritten`](Self::NotWritten) | nothing was written | poisoned: reopen |
/// | [`OutcomeUnknown`](Self::OutcomeUnknown) | it is there after reopening, or it never was | poisoned: reopen |
/// | [`HandlerPanicked`](Self::HandlerPanicked) | it is in the journal, and panics at every replay | poisoned: mend the handler |
/// | [`Poisoned`](Self::Poisoned), [`Closed`](Self::Closed) | nothing was written | refuses writes |
/// | [`Trimmed`](Self::Trimmed), [`Lagging`](Self::Lagging), [`Withdrawn`](Self::Withdrawn) | come from subscriptions and followers; all is as it was | works on |
/// | all others | come from opening, from snapshots and backups, and from closing; what was acknowledged is as it was | |
///
/// A poisoned manager still serves reads, from the last state that is durable.
///
/// The text is one line that ends with the remedy. With `{:#}` the causes follow, such as what the
/// system said: that is the line for a log.
///
/// Errors are cheap to clone: one failed write can be the answer to a thousand callers.
///
/// ```
/// # use ministate::{MiniStateError, Mutator, Options};
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
/// /// What the program tells the user who asked for the change.
/// fn answer(result: Result<u64, MiniStateError>) -> String {
///     match result {
///         Ok(seq) => format!("done, as change {seq}"),
///         Err(MiniStateError::Refused { reason }) => format!("not done: {reason}"),
///         Err(error @ MiniStateError::OutcomeUnknown { .. }) => format!("perhaps done: {error}"),
///         Err(error) => format!("not done, call the operator: {error:#}"),
///     }
/// }
///
/// let manager = Options::new().blocking_open::<Counter, Inc>(dir, "app.wal.jsonl")?;
/// assert_eq!(answer(manager.blocking_apply(Inc { by: 1 })), "done, as change 1");
/// manager.blocking_close()?;
/// assert!(answer(manager.blocking_apply(Inc { by: 1 })).starts_with("not done, call"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum MiniStateError {
    /// The operating system refused to read or to write.
    Io {
        /// What ministate was about to do.
        doing: &'static str,
        /// To which file or directory.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// The journal's name is not one that a file can have, or one that ministate gives itself.
    BadName {
        /// The name as it was given.
        name: PathBuf,
    },
    /// Another manager, in this or another process, has the journal open.
    Locked {
        /// The lock file.
        path: PathBuf,
        /// The process that holds the lock, where it is known.
        holder: Option<u32>,
    },
    /// There is a file under the journal's name, and it is not a journal of ministate.
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file was written in a newer format of ministate.
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u64,
        /// The newest format that this version of ministate reads.
        supported: u64,
    },
    /// The bytes are not what was written, or not where it was written.
    Corrupt {
        /// The first unsound line.
        at: Position,
        /// The sequence number of the first mutation that cannot be read; 0 where it is not known.
        seq: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// A file that must be there is not.
    Missing {
        /// The file, as ministate would name it.
        path: PathBuf,
        /// The first mutation that is missing.
        seq: u64,
    },
    /// There is no journal of this name, and a reader makes none.
    NoJournal {
        /// The file that its active segment would be.
        path: PathBuf,
    },
    /// The journal is one of ministate 0.1, which only a manager takes over.
    NotTakenOver {
        /// Its active segment.
        path: PathBuf,
    },
    /// A backup would mix its files with those of a journal, or of another backup.
    Occupied {
        /// The file that is there.
        path: PathBuf,
    },
    /// The files do not say what the state was at this mutation.
    OutOfReach {
        /// The mutation that was asked for.
        asked: u64,
        /// The first that they reach: that of the oldest snapshot which can be used.
        first: u64,
        /// The last that they reach.
        last: u64,
    },
    /// The journal ends earlier than it did when it was last known to be synced.
    LostTail {
        /// The file that remembers how far the journal was synced.
        path: PathBuf,
        /// The last mutation that could be read.
        found: u64,
        /// The last mutation that was synced.
        synced: u64,
    },
    /// No snapshot can be the beginning of the recovery.
    NoSnapshot {
        /// The directory.
        dir: PathBuf,
        /// The first mutation that is in the journal: a snapshot of the mutation before it, or of
        /// a later one, is needed.
        first: u64,
        /// The snapshots that are there, and what is wrong with each.
        rejected: Vec<RejectedSnapshot>,
    },
    /// A snapshot is sound, and is not a state of this program.
    UnreadableState {
        /// The snapshot.
        path: PathBuf,
        /// The version of the state that it holds.
        version: u32,
        /// Why it cannot be read.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// A newer program wrote the journal: with operations, or a version of the state, that this
    /// one lacks.
    UnknownOperations {
        /// The segment or snapshot whose header says so.
        path: PathBuf,
        /// Name and version of the crate that declared them, where they are known.
        by: Option<String>,
        /// What this program cannot read, such as `deposit@3` or `version 2 of the state`.
        unknown: Vec<String>,
    },
    /// A sound record is not a mutation of this program.
    Undecodable {
        /// The record.
        at: Position,
        /// Its sequence number.
        seq: u64,
        /// The operation that it names, such as `deposit@2`.
        operation: Option<String>,
        /// Why it cannot be read.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// Compaction has put the mutations away that a [`Subscription`](crate::Subscription) or a
    /// [`Follower`](crate::Follower) wants next.
    Trimmed {
        /// The first mutation that is wanted.
        seq: u64,
        /// The first that the journal still holds.
        first: u64,
    },
    /// A [`Subscription`](crate::Subscription) is further behind than its
    /// [`lag_limit`](crate::Subscription::lag_limit).
    Lagging {
        /// The mutation that comes next.
        next: u64,
        /// How many mutations are durable and were not yielded yet.
        behind: u64,
    },
    /// The journal no longer holds a mutation that was read from it: its writer took back what it
    /// could not make durable, or the files were replaced.
    Withdrawn {
        /// The mutation.
        seq: u64,
    },
    /// The journal replays to another state than the one in memory: a handler is not deterministic,
    /// or something else changed the state.
    Diverged {
        /// The first mutation behind which the states differ; where two replays agree with each
        /// other, the first that was replayed; where none was, the last.
        first: u64,
        /// The mutation at which the states were compared.
        through: u64,
    },
    /// A handler panicked. The mutation is in the journal, and was not applied.
    HandlerPanicked {
        /// The mutation's sequence number.
        seq: u64,
        /// The operation, such as `deposit@2`, where it has a name.
        operation: Option<String>,
        /// What the panic said.
        message: String,
    },
    /// The mutation was not accepted, and nothing was written.
    Refused {
        /// Why.
        reason: Refusal,
    },
    /// The write failed and was undone: the mutation is not in the journal and never will be.
    NotWritten {
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// The sync failed, or an earlier handler of the same batch panicked, which leaves open
    /// whether the mutation is in the journal. Reopening decides it, once and for all.
    OutcomeUnknown {
        /// The sequence number that the mutation has, should it be there; of a batch, the last. 0
        /// where it is not known.
        seq: u64,
        /// What the system said, or [`HandlerPanicked`](Self::HandlerPanicked).
        source: Arc<dyn Error + Send + Sync>,
    },
    /// An earlier write failed, or a handler panicked; no later write is attempted.
    Poisoned {
        /// The last mutation that is durable and visible.
        seq: u64,
        /// What went wrong then.
        cause: Arc<MiniStateError>,
    },
    /// The manager was closed.
    Closed,
}

impl MiniStateError {
    pub(crate) fn io(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> MiniStateError {
        let path = path.into();
        move |source| MiniStateError::Io { doing, path, source: Arc::new(source) }
    }

    pub(crate) fn undecodable(
        at: Position,
        seq: u64,
        tag: Option<(&str, u32)>,
        source: DecodeError,
    ) -> MiniStateError {
        let operation = tag.map(operation_name);
        MiniStateError::Undecodable { at, seq, operation, source: Arc::new(source) }
    }

    /// Whether there is no file of this name, which somebody may just have given another one.
    pub(crate) fn is_of_missing_file(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    /// A record of several mutations whose checksum is right, and whose members are not.
    pub(crate) fn malformed(at: Position, seq: u64) -> MiniStateError {
        use serde::de::Error;
        let what = "the members of the record are not written as they should be";
        let source = DecodeError::from(serde_json::Error::custom(what));
        MiniStateError::undecodable(at, seq, None, source)
    }
}

/// The name of an operation as messages have it: `deposit@2`.
pub(crate) fn operation_name((name, version): (&str, u32)) -> String {
    format!("{name}@{version}")
}
