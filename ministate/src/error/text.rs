//! What an error says: what went wrong, where, and the remedy.

use std::error::Error;
use std::{fmt, io};

use super::{MiniStateError, Refusal, RejectedSnapshot};

impl fmt::Display for MiniStateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tell(f)?;
        write_causes(f, self)
    }
}

/// The causes of an error behind its text, where they are asked for (`{:#}`).
pub(crate) fn write_causes(f: &mut fmt::Formatter<'_>, error: &dyn Error) -> fmt::Result {
    let mut cause = error.source().filter(|_| f.alternate());
    while let Some(error) = cause {
        write!(f, ": {error}")?;
        cause = error.source();
    }
    Ok(())
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
