//! Why is no new directory written?

use std::fmt;
use std::path::PathBuf;

/// The reason. The text is one line that ends with the remedy.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The new directory is there, and not empty.
    Occupied { dir: PathBuf },
    /// It would lie in the old one, or has no name of its own.
    BadTarget { dir: PathBuf },
    /// What an earlier run left behind.
    Unfinished { dir: PathBuf },
    /// Nothing that a state can be built of.
    NothingSound { dir: PathBuf },
    /// What would have to be replayed is not there any more.
    NoBase { dir: PathBuf, archive: PathBuf, changed: u64, first: u64 },
    /// An unsound journal, where only a sound one can be changed.
    Unsound { dir: PathBuf, damage: String, next: String },
    /// No record holds the mutation.
    NotHeld { seq: u64, first: u64, last: u64 },
    /// It is void already.
    AlreadyVoid { seq: u64 },
    /// A line that is no whole record, whoever wrote it.
    NoRecord { file: PathBuf, line: u64, byte: u64, seq: u64, what: &'static str },
    /// All lines are as they were written.
    NothingEdited { dir: PathBuf },
    /// Nobody can be asked.
    NobodyToAsk,
    /// The answer was no.
    Declined,
    /// A file is not what it was when it was looked at.
    Changed { file: PathBuf, byte: u64 },
}

impl Refusal {
    /// As for the other commands: 2 where the words are to be others.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Refusal::Occupied { .. }
            | Refusal::BadTarget { .. }
            | Refusal::NotHeld { .. }
            | Refusal::AlreadyVoid { .. }
            | Refusal::NobodyToAsk => 2,
            Refusal::Unfinished { .. }
            | Refusal::NothingSound { .. }
            | Refusal::NoBase { .. }
            | Refusal::Unsound { .. }
            | Refusal::NoRecord { .. }
            | Refusal::NothingEdited { .. }
            | Refusal::Declined
            | Refusal::Changed { .. } => 3,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Occupied { dir } => write!(
                f,
                "{} is there already and is not empty; name a new directory with --to",
                dir.display()
            ),
            Refusal::BadTarget { dir } => write!(
                f,
                "{} cannot be the new directory; name one outside of the journal's with --to",
                dir.display()
            ),
            Refusal::Unfinished { dir } => write!(
                f,
                "{} is what an interrupted run left behind; remove it and run again",
                dir.display()
            ),
            Refusal::NothingSound { dir } => write!(
                f,
                "no sound snapshot and no record behind one is left in {}; restore a backup",
                dir.display()
            ),
            Refusal::NoBase { dir, archive, changed, first } => write!(
                f,
                "no sound snapshot in {} is before mutation {changed} and reached by the records, \
                 which begin with {first}, so the state cannot be built without the change; copy \
                 the directory, put back into the copy what compaction moved to {}, or a backup's \
                 files, and run on the copy",
                dir.display(),
                archive.display()
            ),
            Refusal::Unsound { dir, damage, next } => {
                write!(f, "{} is damaged ({damage}); run `{next}` first", dir.display())
            }
            Refusal::NotHeld { seq, first, last } => write!(
                f,
                "no record here holds mutation {seq}; give --seq one from {first} to {last}"
            ),
            Refusal::AlreadyVoid { seq } => {
                write!(f, "mutation {seq} is void already; `ministate cat` tells why")
            }
            Refusal::NoRecord { file, line, byte, seq, what } => write!(
                f,
                "{what}: {} line {line} (byte {byte}), where mutation {seq} should begin; mend the \
                 line, or leave it behind with `ministate repair`",
                file.display()
            ),
            Refusal::NothingEdited { dir } => write!(
                f,
                "no line in {} is other than it was written; edit one first",
                dir.display()
            ),
            Refusal::NobodyToAsk => f.write_str(
                "nothing was written, since nobody can be asked here; look at the lines and run \
                 again with --yes",
            ),
            Refusal::Declined => f.write_str("nothing was written; run again and answer `yes`"),
            Refusal::Changed { file, byte } => write!(
                f,
                "{} was changed at byte {byte} while it was read; stop who writes it and run again",
                file.display()
            ),
        }
    }
}
