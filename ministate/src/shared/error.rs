//! What can go wrong with a shared state, and what to do about it.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use super::journal::{Cause, JournalError, JournalId, Place};
use super::snapshots::{SnapshotName, StoreError};
use crate::error::{Refusal, write_causes};

/// Every error of a shared state, grouped by what its caller can do.
///
/// | variants | what happened to the mutation | the replica |
/// |---|---|---|
/// | [`Refused`](Self::Refused), [`TooLarge`](Self::TooLarge), [`NotAdmitted`](Self::NotAdmitted) | nothing was written | works on |
/// | [`Unavailable`](Self::Unavailable) | nothing was written | works on, and waits for the engine |
/// | [`OutcomeUnknown`](Self::OutcomeUnknown) | it is there once, or never will be | works on, unless it has stopped |
/// | [`Stopped`](Self::Stopped), [`Closed`](Self::Closed) | nothing was written | takes no more; reads go on |
/// | [`HandlerPanicked`](Self::HandlerPanicked) | it is in the journal, and panics on every replica | stopped: mend the handler |
/// | [`Trimmed`](Self::Trimmed), [`Lagging`](Self::Lagging) | come from subscriptions; all is as it was | works on |
/// | all others | come from opening, from snapshots, and as the cause of `Stopped` | |
///
/// The text is one line that ends with the remedy. With `{:#}` the causes follow. Errors are cheap to
/// clone.
///
/// ```
/// # #[cfg(not(feature = "testing"))]
/// # fn main() {}
/// # #[cfg(feature = "testing")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use ministate::Mutator;
/// # use ministate::shared::memory::{MemoryJournal, MemorySnapshots};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Default, Serialize, Deserialize)]
/// # struct Counter { value: u32 }
/// # #[derive(Serialize, Deserialize)]
/// # struct Inc { by: u32 }
/// # impl Mutator<Counter> for Inc {
/// #     fn apply(&self, state: &mut Counter) { state.value += self.by }
/// # }
/// # let (journal, snapshots) = (MemoryJournal::new(), MemorySnapshots::new());
/// use std::time::Duration;
///
/// use ministate::shared::{SharedError, SharedManager, SharedOptions};
///
/// # let faults = journal.faults();
/// let options = SharedOptions::new().patience(Duration::from_millis(50));
/// let replica: SharedManager<Counter, Inc> = options.open(journal, snapshots).await?;
///
/// // The engine goes away.
/// # faults.cut_off();
/// match replica.apply(Inc { by: 1 }).await {
///     Ok(seq) => println!("done, as change {seq}"),
///     Err(SharedError::OutcomeUnknown { .. }) => println!("perhaps done"),
///     Err(error @ SharedError::Unavailable { .. }) => println!("not done: {error:#}"),
///     Err(error) => return Err(error.into()),
/// }
/// assert_eq!(replica.read(|counter| counter.value), 0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum SharedError {
    /// The mutation was not accepted, and nothing was written.
    Refused {
        /// Why.
        reason: Refusal,
    },
    /// Not all replicas are known to read this operation, or this version of the state: nothing was
    /// written.
    NotAdmitted {
        /// The operation, such as `deposit@2`, or `version 2 of the state`.
        operation: String,
        /// Which choice of operations is in force.
        format: u64,
    },
    /// The record would be larger than the engine takes; nothing was written.
    TooLarge {
        /// The size of an entry with it, in bytes.
        bytes: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The engine did not answer within [`patience`](crate::shared::SharedOptions::patience): of a
    /// mutation nothing was written, and nothing will be.
    Unavailable {
        /// What it said last, if anything.
        source: Option<Cause>,
    },
    /// It is not known, and here will not be, whether the mutation was appended.
    OutcomeUnknown {
        /// What went wrong.
        source: Option<Cause>,
    },
    /// The replica has stopped: its state stays as it is, and it takes no more mutations.
    Stopped {
        /// The last mutation that its state holds.
        seq: u64,
        /// Why.
        cause: Arc<SharedError>,
    },
    /// The manager was closed.
    Closed,
    /// The journal no longer holds what a [`SharedSubscription`](crate::shared::SharedSubscription) wants
    /// next.
    Trimmed {
        /// The first mutation that is wanted.
        seq: u64,
        /// The first that the journal still holds.
        first: u64,
    },
    /// A [`SharedSubscription`](crate::shared::SharedSubscription) is further behind than its
    /// [`lag_limit`](crate::shared::SharedSubscription::lag_limit).
    Lagging {
        /// The mutation that comes next.
        next: u64,
        /// How many mutations this replica has applied that were not yielded yet.
        behind: u64,
    },
    /// A newer program wrote what this one cannot read: operations, or a version of the state.
    UnknownOperations {
        /// The place of the entry, or of the snapshot, that says so.
        place: Place,
        /// Name and version of the crate that declared them, where they are known.
        by: Option<String>,
        /// What this program cannot read, such as `deposit@3` or `version 2 of the state`.
        unknown: Vec<String>,
    },
    /// A newer version of ministate wrote it.
    NewerFormat {
        /// The place of the entry or of the snapshot.
        place: Place,
        /// Its format.
        found: u64,
        /// The newest that this version of ministate reads.
        supported: u64,
    },
    /// A sound record is not a mutation of this program.
    Undecodable {
        /// The place of its entry.
        place: Place,
        /// Its sequence number.
        seq: u64,
        /// The operation that it names, such as `deposit@2`.
        operation: Option<String>,
        /// Why it cannot be read.
        source: Cause,
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
    /// What stands in the journal is not what was written, or does not continue what this replica has
    /// read: the engine, or somebody, changed it.
    Damaged {
        /// The place of the entry.
        place: Place,
        /// The first mutation that cannot be read.
        seq: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// The journal ends before a place that it had: the engine lost what it had confirmed.
    Regressed {
        /// Where it ends.
        last: Place,
        /// The last place that this replica has read, or was told of.
        read: Place,
    },
    /// The journal is not there any more, or another one is in its place.
    WrongJournal {
        /// The one that was opened.
        expected: JournalId,
        /// The one that is there.
        found: Option<JournalId>,
    },
    /// There is no snapshot to begin with.
    NoSnapshot {
        /// The journal.
        journal: JournalId,
        /// The snapshots that are there, and what is wrong with each.
        rejected: Vec<(SnapshotName, Arc<SharedError>)>,
    },
    /// A snapshot is not what was written.
    UnsoundSnapshot {
        /// Which.
        name: SnapshotName,
        /// What is wrong.
        what: &'static str,
    },
    /// A snapshot is sound, and is not a state of this program.
    UnreadableState {
        /// The snapshot.
        name: SnapshotName,
        /// The version of the state that it holds.
        version: u32,
        /// Why it cannot be read.
        source: Cause,
    },
    /// The store of snapshots failed.
    Store {
        /// What ministate was about to do.
        doing: &'static str,
        /// What the store said.
        source: StoreError,
    },
    /// The engine of the journal failed.
    Journal {
        /// What ministate was about to do.
        doing: &'static str,
        /// What the engine said.
        source: JournalError,
    },
}

impl SharedError {
    pub(super) fn store(doing: &'static str) -> impl FnOnce(StoreError) -> SharedError {
        move |source| SharedError::Store { doing, source }
    }

    /// What a call of the journal came to that tells where it ends, or trims it.
    pub(super) fn journal(
        doing: &'static str,
        expected: &JournalId,
    ) -> impl FnOnce(JournalError) -> SharedError {
        move |source| match source {
            JournalError::WrongJournal { found } => {
                SharedError::WrongJournal { expected: expected.clone(), found }
            }
            JournalError::Unreachable { .. } => SharedError::Journal { doing, source },
        }
    }
}

impl fmt::Display for SharedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tell(f)?;
        write_causes(f, self)
    }
}

impl SharedError {
    /// What, where, and the remedy; not the causes.
    fn tell(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |operation: &Option<String>| match operation {
            Some(operation) => format!(" of operation `{operation}`"),
            None => String::new(),
        };
        match self {
            Self::Refused { reason } => write!(f, "the mutation was refused: {reason}"),
            Self::NotAdmitted { operation, format } => write!(
                f,
                "{operation} is not written in format {format} of this journal; once every replica runs a \
                 program that reads it, call `admit_operations`"
            ),
            Self::TooLarge { bytes, limit } => write!(
                f,
                "an entry with it has {bytes} bytes and the engine takes {limit}, nothing was written; \
                 divide it, or raise the limit of the engine"
            ),
            Self::Unavailable { .. } => f.write_str(
                "the engine of the journal did not answer in time, nothing was written; see to the \
                 engine, and try again",
            ),
            Self::OutcomeUnknown { .. } => f.write_str(
                "it is not known whether the mutation was appended; read the state once the engine \
                 answers, before trying again",
            ),
            Self::Stopped { seq, .. } => write!(
                f,
                "the replica has stopped behind mutation {seq}; see to the cause, then open it again"
            ),
            Self::Closed => f.write_str("the manager was closed; open the state again"),
            Self::Trimmed { seq, first } => write!(
                f,
                "mutation {seq} was trimmed, the journal begins at {first}; take the state, and \
                 subscribe behind it"
            ),
            Self::Lagging { next, behind } => write!(
                f,
                "the subscription is {behind} mutations behind, at {next}; take them faster, or \
                 subscribe again behind the state"
            ),
            Self::UnknownOperations { place, by, unknown } => write!(
                f,
                "{} chose at place {place} what this program cannot read ({}); run a program that does",
                by.as_deref().unwrap_or("another program"),
                unknown.join(", ")
            ),
            Self::NewerFormat { place, found, supported } => write!(
                f,
                "what stands at place {place} has format {found} and this program reads up to format \
                 {supported}; use a program built with a newer ministate"
            ),
            Self::Undecodable { place, seq, operation, .. } => write!(
                f,
                "mutation {seq}{} at place {place} is not one of this program; run a program that \
                 reads it",
                of(operation)
            ),
            Self::HandlerPanicked { seq, operation, message } => write!(
                f,
                "the handler{} panicked at mutation {seq} ({message}), as it will on every replica; mend \
                 it, then open again",
                of(operation)
            ),
            Self::Damaged { place, seq, what } => write!(
                f,
                "the entry at place {place} (mutation {seq}) cannot be used, {what}; compare with the \
                 other replicas, and bring back what the engine held"
            ),
            Self::Regressed { last, read } => write!(
                f,
                "the journal ends at place {last} and had place {read} before; bring back what the \
                 engine lost before anybody writes"
            ),
            Self::WrongJournal { expected, found } => match found {
                Some(found) => write!(
                    f,
                    "journal {found} has taken the place of {expected}; open again if it is the right one"
                ),
                None => write!(f, "journal {expected} is not there any more; see who removed it"),
            },
            Self::NoSnapshot { journal, rejected } => {
                write!(f, "there is no snapshot of journal {journal} to begin with")?;
                for (name, why) in rejected {
                    match f.alternate() {
                        true => write!(f, " ({}: {why:#})", name.file_name())?,
                        false => write!(f, " ({}: {why})", name.file_name())?,
                    }
                }
                f.write_str("; bring one back into the store, or run a program that reads one")
            }
            Self::UnsoundSnapshot { name, what } => write!(
                f,
                "snapshot {name} cannot be used, {what}; look at the store, and remove it"
            ),
            Self::UnreadableState { name, version, .. } => write!(
                f,
                "version {version} of the state in snapshot {name} cannot be read; run a program that \
                 reads it"
            ),
            Self::Store { doing, .. } => {
                write!(f, "{doing} failed; see to the store of snapshots, then try again")
            }
            Self::Journal { doing, .. } => {
                write!(f, "{doing} failed; see to the engine of the journal, then try again")
            }
        }
    }
}

impl Error for SharedError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unavailable { source } | Self::OutcomeUnknown { source } => {
                source.as_ref().map(|source| &**source as _)
            }
            Self::Undecodable { source, .. } | Self::UnreadableState { source, .. } => {
                Some(&**source)
            }
            Self::Stopped { cause, .. } => Some(&**cause),
            Self::Store { source, .. } => Some(source),
            Self::Journal { source, .. } => Some(source),
            Self::Refused { .. }
            | Self::TooLarge { .. }
            | Self::NotAdmitted { .. }
            | Self::Closed
            | Self::Trimmed { .. }
            | Self::Lagging { .. }
            | Self::UnknownOperations { .. }
            | Self::NewerFormat { .. }
            | Self::HandlerPanicked { .. }
            | Self::Damaged { .. }
            | Self::Regressed { .. }
            | Self::WrongJournal { .. }
            | Self::NoSnapshot { .. }
            | Self::UnsoundSnapshot { .. } => None,
        }
    }
}
