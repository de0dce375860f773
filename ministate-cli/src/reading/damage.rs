//! What is wrong, where, and what to do about it?

use std::fmt;
use std::path::{Path, PathBuf};

use ministate::MiniStateError;
use serde::Serialize;

/// One damage, named as the library names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Damage {
    /// What is wrong.
    pub(crate) what: String,
    pub(crate) file: PathBuf,
    /// Counted from 1; `None` where it is the whole file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) line: Option<u64>,
    /// The first byte.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) byte: Option<u64>,
    /// How many bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bytes: Option<u64>,
    /// The mutation that should begin there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) seq: Option<u64>,
    /// The command to run next.
    pub(crate) next: String,
}

impl Damage {
    /// Damage to a line of a segment.
    pub(crate) fn at(file: &Path, line: u64, byte: u64, seq: Option<u64>, what: &str) -> Damage {
        Damage {
            what: what.to_string(),
            file: file.to_path_buf(),
            line: Some(line),
            byte: Some(byte),
            bytes: None,
            seq: seq.filter(|seq| *seq > 0),
            next: repair(&parent(file)),
        }
    }

    /// Damage to a file as a whole.
    pub(crate) fn of_file(file: &Path, what: impl Into<String>, next: String) -> Damage {
        let (what, file) = (what.into(), file.to_path_buf());
        Damage { what, file, line: None, byte: None, bytes: None, seq: None, next }
    }

    /// What the library refuses; `None` where it is no damage.
    pub(crate) fn of_error(error: &MiniStateError) -> Option<Damage> {
        let what_is_left = |file: &Path| repair(&parent(file));
        match error {
            MiniStateError::Corrupt { at, seq, what } => {
                Some(Damage::at(&at.file, at.line, at.byte, Some(*seq), what))
            }
            MiniStateError::Missing { path, seq } => Some(Damage {
                seq: Some(*seq),
                ..Damage::of_file(path, "the file is missing", what_is_left(path))
            }),
            MiniStateError::LostTail { path, found, synced } => Some(Damage {
                seq: Some(found + 1),
                ..Damage::of_file(
                    path,
                    format!(
                        "the journal ends at mutation {found}, and this file says that {synced} \
                         was synced"
                    ),
                    what_is_left(path),
                )
            }),
            MiniStateError::NoSnapshot { dir, first, .. } => Some(Damage::of_file(
                dir,
                format!("no snapshot can be read before mutation {first}"),
                format!("ministate snapshots {}", dir.display()),
            )),
            MiniStateError::Undecodable { at, seq, .. } => {
                let what = "the members of the record are not written as they should be";
                Some(Damage::at(&at.file, at.line, at.byte, Some(*seq), what))
            }
            MiniStateError::Foreign { path } => {
                Some(Damage::at(path, 1, 0, None, "the file is not a journal of ministate"))
            }
            _ => None,
        }
    }

    /// What is wrong and where, without the remedy.
    pub(crate) fn what_and_where(&self) -> String {
        let mut text = format!("{}: {}", self.what, self.file.display());
        if let (Some(line), Some(byte)) = (self.line, self.byte) {
            text += &format!(" line {line} (byte {byte})");
        }
        if let Some(seq) = self.seq {
            text += &format!(", where mutation {seq} should begin");
        }
        text
    }

    /// Whether both are about the same place.
    pub(crate) fn is_where(&self, other: &Damage) -> bool {
        (&self.file, self.line) == (&other.file, other.line)
    }
}

/// Writes what is sound into another directory, and tells what is not.
fn repair(dir: &str) -> String {
    let to = match Path::new(dir).file_name() {
        Some(_) => format!("{dir}.repaired"),
        // `.` and `..` are names of something else.
        None => format!("{dir}/../repaired"),
    };
    format!("ministate repair {dir} --to {to}")
}

fn parent(file: &Path) -> String {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.display().to_string(),
        Some(_) | None => ".".to_string(),
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; next: {}", self.what_and_where(), self.next)
    }
}
