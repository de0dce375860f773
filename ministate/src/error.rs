//! What can go wrong, where, and what to do about it.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::{fmt, io};

use crate::schema::DecodeError;

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
    /// Compaction has put the mutations away that a [`Subscription`](crate::Subscription) wants next.
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

/// Why a mutation was not accepted.
///
/// ```
/// # use ministate::{MiniStateError, Mutator, Options, Refusal};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Default, Serialize, Deserialize)]
/// # struct Limits { upper: f64 }
/// #[derive(Serialize, Deserialize)]
/// struct SetUpper {
///     upper: f64,
/// }
/// # impl Mutator<Limits> for SetUpper {
/// #     fn apply(&self, limits: &mut Limits) { limits.upper = self.upper }
/// # }
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let dir = dir.path();
/// let limits = Options::new().blocking_open::<Limits, SetUpper>(dir, "app.wal.jsonl")?;
/// match limits.blocking_apply(SetUpper { upper: f64::NAN }) {
///     Err(MiniStateError::Refused { reason: Refusal::Unsayable { field, .. } }) => {
///         assert_eq!(field, "upper");
///     }
///     other => panic!("{other:?}"),
/// }
/// assert_eq!(limits.blocking_apply(SetUpper { upper: 1.5 })?, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Refusal {
    /// The mutation has no JSON form.
    NotEncodable(Arc<serde_json::Error>),
    /// What would have been written cannot be read back.
    NotDecodable(Arc<dyn Error + Send + Sync>),
    /// JSON has no way to say this value, and writes `null`: a float that is not finite, or a
    /// `Some` of something that is `null` itself.
    Unsayable {
        /// Where in the mutation the value is, such as `limits.upper`.
        field: String,
        /// What the value is.
        value: &'static str,
    },
    /// What would have been written reads back as another mutation.
    NotFaithful,
    /// The record would be larger than the limit of [`Options::record_bytes_max`](crate::Options::record_bytes_max).
    TooLarge {
        /// Its size in bytes.
        bytes: u64,
        /// The limit in bytes.
        limit: u64,
    },
}

/// A snapshot that recovery did not use. Its text is one line for an operator, which ends with the
/// remedy; with `{:#}` the causes follow.
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
/// manager.blocking_create_snapshot()?;
/// drop(manager);
/// let snapshot = dir.join("app.wal.snapshot.00000000000000000001.json");
/// std::fs::write(&snapshot, std::fs::read_to_string(&snapshot)?.replace("10", "11"))?;
///
/// let manager = Options::new().blocking_open::<Counter, Inc>(dir, "app.wal.jsonl")?;
/// assert_eq!(manager.read(|counter| counter.value), 10);
/// let rejected = &manager.recovery().rejected_snapshots[0];
/// assert_eq!(rejected.path, snapshot);
/// assert!(rejected.why.is_some());
/// assert!(rejected.to_string().ends_with("so look at the disk, and remove the file"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RejectedSnapshot {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it; `None` where the journal begins only behind it.
    pub why: Option<Box<MiniStateError>>,
}

/// A place in a file: `sed -n {line}p {file}` prints it.
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
/// let manager = Options::new().blocking_open::<Counter, Inc>(dir, "app.wal.jsonl")?;
/// manager.blocking_apply(Inc { by: 10 })?;
/// manager.blocking_close()?;
/// let path = dir.join("app.wal.jsonl");
/// std::fs::write(&path, std::fs::read_to_string(&path)?.replace("10", "11"))?;
///
/// match Options::new().blocking_open::<Counter, Inc>(dir, "app.wal.jsonl") {
///     Err(MiniStateError::Corrupt { at, seq: 1, .. }) => assert_eq!((at.file, at.line), (path, 2)),
///     other => panic!("{other:?}"),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The file.
    pub file: PathBuf,
    /// The line, counted from 1.
    pub line: u64,
    /// The line's first byte, counted from 0.
    pub byte: u64,
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

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} line {} (byte {})", self.file.display(), self.line, self.byte)
    }
}

impl fmt::Display for MiniStateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tell(f)?;
        if f.alternate() {
            let mut cause = self.source();
            while let Some(error) = cause {
                write!(f, ": {error}")?;
                cause = error.source();
            }
        }
        Ok(())
    }
}

impl MiniStateError {
    /// What, where, and the remedy; not the causes.
    fn tell(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |operation: &Option<String>| match operation {
            Some(operation) => format!(" of operation `{operation}`"),
            None => String::new(),
        };
        match self {
            Self::Io { doing, path, source } => {
                let remedy = match source.kind() {
                    io::ErrorKind::NotADirectory => "name a directory, not a file",
                    io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                        "the program needs to read and write there"
                    }
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room",
                    _ => "mend what the system reports, then open again",
                };
                write!(f, "{doing} {} failed; {remedy}", path.display())
            }
            Self::BadName { name } => write!(
                f,
                "`{}` cannot name a journal; use a plain file name such as `app.wal.jsonl`",
                name.display()
            ),
            Self::Locked { path, holder } => {
                match holder {
                    Some(pid) => write!(f, "process {pid} has the journal open")?,
                    None => f.write_str("another manager has the journal open")?,
                }
                write!(f, " (lock file {}); close it there first", path.display())
            }
            Self::Foreign { path } => write!(
                f,
                "{} is not a journal of ministate; choose another name, or move the file away",
                path.display()
            ),
            Self::NewerFormat { path, found, supported } => write!(
                f,
                "{} has format {found} and this program reads up to format {supported}; \
                 use a program built with a newer ministate",
                path.display()
            ),
            Self::Corrupt { at, seq, what } => {
                write!(f, "{what}: {at}")?;
                if *seq > 0 {
                    write!(f, ", where mutation {seq} should begin")?;
                }
                f.write_str(
                    "; restore the file from a backup, or keep what `ministate repair` can, nothing \
                     was changed",
                )
            }
            Self::Missing { path, seq } => write!(
                f,
                "{} is missing, and with it mutation {seq} and those after it; \
                 restore the file from a backup, or keep what `ministate repair` can, nothing was \
                 changed",
                path.display()
            ),
            Self::NoJournal { path } => write!(
                f,
                "there is no journal {}; check the name, or let a manager create it",
                path.display()
            ),
            Self::NotTakenOver { path } => write!(
                f,
                "{} is a journal of ministate 0.1; open it once with a manager, which takes it over",
                path.display()
            ),
            Self::Occupied { path } => write!(
                f,
                "{} is there already, nothing was written; name another directory",
                path.display()
            ),
            Self::OutOfReach { asked, first, last } => write!(
                f,
                "the files do not reach mutation {asked}; ask for one from {first} to {last}, or \
                 look in a backup or in the archive"
            ),
            Self::LostTail { path, found, synced } => write!(
                f,
                "the journal ends at mutation {found}, but {} says that {synced} was synced; \
                 restore the last segment from a backup, nothing was changed",
                path.display()
            ),
            Self::NoSnapshot { dir, first, rejected } => {
                write!(f, "no snapshot in {} can be read before mutation {first}", dir.display())?;
                for RejectedSnapshot { path, why } in rejected {
                    match why {
                        Some(why) if f.alternate() => write!(f, " ({why:#})")?,
                        Some(why) => write!(f, " ({why})")?,
                        None => write!(f, " ({} is too old)", path.display())?,
                    }
                }
                f.write_str(
                    "; restore one from a backup, or run a program that reads one, nothing was \
                     changed",
                )
            }
            Self::UnknownOperations { path, by, unknown } => {
                write!(f, "{} was written by ", path.display())?;
                f.write_str(by.as_deref().unwrap_or("another program"))?;
                write!(
                    f,
                    ", and this program does not know {}; run that program or a newer one, \
                     nothing was changed",
                    unknown.join(", ")
                )
            }
            Self::UnreadableState { path, version, .. } => write!(
                f,
                "the snapshot {}, version {version} of the state, is not a state of this program; \
                 run a program that knows it, or teach this one with `state_from`",
                path.display()
            ),
            Self::Undecodable { at, seq, operation, .. } => write!(
                f,
                "cannot read mutation {seq}{} in {at}; run a program that can, give this one `from` or \
                 `retired` for it, or make it void with `ministate void`",
                of(operation)
            ),
            Self::Trimmed { seq, first } => write!(
                f,
                "mutation {seq} was put away by a compaction; take the state as it is, and \
                 subscribe behind it, or from mutation {first}"
            ),
            Self::Lagging { next, behind } => write!(
                f,
                "{behind} mutations wait to be taken; go on with mutation {next}, or take the \
                 state as it is and subscribe behind it"
            ),
            Self::Withdrawn { seq } => write!(
                f,
                "the journal no longer holds mutation {seq} as it was read; read the state anew"
            ),
            Self::Diverged { first, through } => write!(
                f,
                "the journal through mutation {through} does not replay to the state in memory, \
                 from mutation {first} on; keep clocks, chance and the order of hash maps out of \
                 handlers"
            ),
            Self::HandlerPanicked { seq, operation, message } => write!(
                f,
                "the handler{} panicked at mutation {seq}: {message}; it is in the journal, so \
                 mend the handler and open again",
                of(operation)
            ),
            Self::Refused { reason } => write!(f, "refused, nothing was written: {reason}"),
            Self::NotWritten { .. } => f.write_str(
                "the write failed and nothing was written; mend the disk, open again, and repeat \
                 the mutation",
            ),
            Self::OutcomeUnknown { seq, .. } => write!(
                f,
                "the outcome of mutation {seq} is unknown; open again to learn whether it is in the \
                 journal"
            ),
            Self::Poisoned { seq, .. } => write!(
                f,
                "an earlier failure stopped all writes, nothing was written; mend its cause and \
                 open again (mutation {seq} is the last that is durable)"
            ),
            Self::Closed => {
                f.write_str("the manager is closed, nothing was written; open the journal again")
            }
        }
    }
}

impl fmt::Display for RejectedSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} was not used", self.path.display())?;
        match &self.why {
            None => f.write_str(", because the journal begins behind it; it may be removed"),
            Some(why) => match &**why {
                // An older snapshot and the records behind it have all that it held.
                MiniStateError::Corrupt { at, what, .. } => write!(
                    f,
                    ", {what}: line {} (byte {}); nothing was lost, so look at the disk, and \
                     remove the file",
                    at.line, at.byte
                ),
                why if f.alternate() => write!(f, ": {why:#}"),
                why => write!(f, ": {why}"),
            },
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotEncodable(_) => f.write_str("the mutation has no JSON form; change its type"),
            Self::NotDecodable(_) => f.write_str(
                "what would be written could not be read back; make its serde attributes agree",
            ),
            Self::Unsayable { field, value } => write!(
                f,
                "JSON cannot say {value}{}; check the value, or use another type",
                if field.is_empty() { String::new() } else { format!(" in `{field}`") }
            ),
            Self::NotFaithful => f.write_str(
                "what would be written reads back as another mutation; make its serde attributes \
                 agree",
            ),
            Self::TooLarge { bytes, limit } => write!(
                f,
                "its record has {bytes} bytes and the limit is {limit}; split it, or raise \
                 `record_bytes_max`"
            ),
        }
    }
}

impl Error for MiniStateError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io { source, .. } | Self::NotWritten { source } => Some(&**source),
            Self::OutcomeUnknown { source, .. } | Self::Undecodable { source, .. } => {
                Some(&**source)
            }
            Self::UnreadableState { source, .. } => Some(&**source),
            Self::Refused { reason: Refusal::NotEncodable(source) } => Some(&**source),
            Self::Refused { reason: Refusal::NotDecodable(source) } => Some(&**source),
            Self::Refused { .. } => None,
            Self::Poisoned { cause, .. } => Some(&**cause),
            Self::BadName { .. }
            | Self::Locked { .. }
            | Self::Foreign { .. }
            | Self::NewerFormat { .. }
            | Self::Corrupt { .. }
            | Self::Missing { .. }
            | Self::LostTail { .. }
            | Self::NoJournal { .. }
            | Self::NotTakenOver { .. }
            | Self::Occupied { .. }
            | Self::OutOfReach { .. }
            | Self::NoSnapshot { .. }
            | Self::UnknownOperations { .. }
            | Self::HandlerPanicked { .. }
            | Self::Trimmed { .. }
            | Self::Lagging { .. }
            | Self::Withdrawn { .. }
            | Self::Diverged { .. }
            | Self::Closed => None,
        }
    }
}
