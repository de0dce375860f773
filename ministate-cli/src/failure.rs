//! What keeps the command from its answer, and what to do about it?

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use ministate::MiniStateError;

use crate::reading::Damage;
use crate::rewriting::Refusal;

/// Why there is no answer. The text is one line that ends with the remedy.
#[derive(Debug)]
pub(crate) enum Failure {
    /// There is no such directory.
    NoDirectory { dir: PathBuf },
    /// The directory has no journal.
    NoJournal { dir: PathBuf },
    /// It has others.
    UnknownName { dir: PathBuf, name: String, journals: Vec<String> },
    /// It has several, and none was named.
    Several { dir: PathBuf, journals: Vec<String> },
    /// A time that cannot be read.
    BadTime { text: String },
    /// A stretch of the history that ends before it begins.
    BadRange { from: u64, to: u64 },
    /// A file of the schema that cannot be read.
    BadLock { path: PathBuf, line: usize },
    /// Bytes that cannot be read.
    Unread { path: PathBuf, source: io::Error },
    /// A journal with damage is neither copied nor compacted.
    Damaged { journal: PathBuf, damage: Box<Damage>, damages: usize },
    /// The state before the first mutation of a journal of 0.1 is in no file.
    NoInitialState { journal: PathBuf },
    /// Nobody said what the records of a journal of 0.1 are to look like.
    NotDeclared { journal: PathBuf, records: u64 },
    /// A file that holds no state.
    BadState { path: PathBuf },
    /// Bytes that cannot be written.
    Unmade { path: PathBuf, source: io::Error },
    /// Why no new directory is written.
    Refused(Refusal),
    /// What the library says.
    Library(MiniStateError),
    /// Nobody reads on: `head` had enough.
    ClosedPipe,
    /// The answer could not be written.
    Unwritten { source: io::Error },
}

impl Failure {
    pub(crate) fn unread(path: &Path, source: io::Error) -> Failure {
        Failure::Unread { path: path.to_path_buf(), source }
    }

    /// Whether a file was not there, which somebody may just have renamed or put away.
    pub(crate) fn is_of_missing_file(&self) -> bool {
        matches!(self, Failure::Unread { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    /// What the process says to who started it.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Failure::ClosedPipe => 0,
            Failure::Damaged { .. } => 1,
            Failure::Refused(refusal) => refusal.exit_code(),
            Failure::BadTime { .. }
            | Failure::NotDeclared { .. }
            | Failure::BadRange { .. }
            | Failure::UnknownName { .. }
            | Failure::Several { .. } => 2,
            Failure::NoDirectory { .. }
            | Failure::NoJournal { .. }
            | Failure::BadLock { .. }
            | Failure::NoInitialState { .. }
            | Failure::BadState { .. }
            | Failure::Unread { .. }
            | Failure::Unmade { .. }
            | Failure::Library(_)
            | Failure::Unwritten { .. } => 3,
        }
    }
}

fn dir_of(journal: &Path) -> String {
    match journal.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.display().to_string(),
        Some(_) | None => ".".to_string(),
    }
}

impl From<MiniStateError> for Failure {
    fn from(error: MiniStateError) -> Failure {
        Failure::Library(error)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        Failure::Refused(refusal)
    }
}

impl From<io::Error> for Failure {
    /// Of writing the answer; what is read has a path.
    fn from(source: io::Error) -> Failure {
        match source.kind() {
            io::ErrorKind::BrokenPipe => Failure::ClosedPipe,
            _ => Failure::Unwritten { source },
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::NoDirectory { dir } => {
                write!(f, "there is no directory {}; check the path", dir.display())
            }
            Failure::NoJournal { dir } => write!(
                f,
                "there is no journal in {}; check the path, or let a manager create one",
                dir.display()
            ),
            Failure::UnknownName { dir, name, journals } => write!(
                f,
                "there is no journal `{name}` in {}; name one of: {}",
                dir.display(),
                journals.join(", ")
            ),
            Failure::Several { dir, journals } => write!(
                f,
                "there are several journals in {}; choose with --name: {}",
                dir.display(),
                journals.join(", ")
            ),
            Failure::BadTime { text } => write!(
                f,
                "`{text}` is no time; write `2026-11-22`, `2026-11-22T12:00` or how long ago: `2h`"
            ),
            Failure::BadRange { from, to } => {
                write!(f, "mutation {to} is before {from}; let --from be the smaller one")
            }
            Failure::BadLock { path, line } => write!(
                f,
                "{} line {line} is not one of a schema lock; let `cargo test` write the file again",
                path.display()
            ),
            Failure::Unread { path, source } => {
                write!(f, "reading {} failed: {source}; mend that first", path.display())
            }
            Failure::Damaged { journal, damage, damages } => {
                let (journal, dir) = (journal.display(), dir_of(journal));
                let what = damage.what_and_where();
                write!(f, "{journal} is damaged, nothing was changed: {what}")?;
                if *damages > 1 {
                    write!(f, ", and {} more", damages - 1)?;
                }
                write!(f, "; see all of it with `ministate verify {dir}`, and repair that first")
            }
            Failure::NoInitialState { journal } => write!(
                f,
                "{} has no snapshot, so the state that it began with is known to the application \
                 alone; open it once with that, or name a file with this state: --initial FILE",
                journal.display()
            ),
            Failure::NotDeclared { journal, records } => write!(
                f,
                "{} has {records} records behind its snapshot; say how the application declares \
                 its mutations by now: --mutations by-hand, or --mutations derived",
                journal.display()
            ),
            Failure::BadState { path } => write!(
                f,
                "{} does not hold one JSON value; write the state into it as serde_json does",
                path.display()
            ),
            Failure::Unmade { path, source } => {
                write!(f, "writing {} failed: {source}; mend that and run again", path.display())
            }
            Failure::Refused(refusal) => refusal.fmt(f),
            Failure::Library(MiniStateError::NotTakenOver { path }) => write!(
                f,
                "{} is a journal of ministate 0.1; open it once with a manager, which takes it \
                 over, or see `ministate import --help`",
                path.display()
            ),
            Failure::Library(error) => write!(f, "{error:#}"),
            Failure::ClosedPipe => f.write_str("nobody reads the answer"),
            Failure::Unwritten { source } => {
                write!(f, "the answer could not be written: {source}; make room for it")
            }
        }
    }
}
