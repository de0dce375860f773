//! What keeps the command from its answer, and what to do about it?

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use ministate::MiniStateError;

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
            Failure::BadTime { .. }
            | Failure::BadRange { .. }
            | Failure::UnknownName { .. }
            | Failure::Several { .. } => 2,
            Failure::NoDirectory { .. }
            | Failure::NoJournal { .. }
            | Failure::BadLock { .. }
            | Failure::Unread { .. }
            | Failure::Library(_)
            | Failure::Unwritten { .. } => 3,
        }
    }
}

impl From<MiniStateError> for Failure {
    fn from(error: MiniStateError) -> Failure {
        Failure::Library(error)
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
            Failure::Library(MiniStateError::NotTakenOver { path }) => write!(
                f,
                "{} is a journal of ministate 0.1; open it once with a manager, which takes it over",
                path.display()
            ),
            Failure::Library(error) => {
                write!(f, "{error}")?;
                match error.source() {
                    Some(source) => write!(f, " ({source})"),
                    None => Ok(()),
                }
            }
            Failure::ClosedPipe => f.write_str("nobody reads the answer"),
            Failure::Unwritten { source } => {
                write!(f, "the answer could not be written: {source}; make room for it")
            }
        }
    }
}
