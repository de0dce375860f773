//! The journal: segments of lines on a disk. It knows bytes and sequence numbers, never a state.

mod active;
#[cfg(feature = "inspect")]
mod apart;
#[cfg(feature = "inspect")]
mod carried;
mod continuity;
#[cfg(feature = "inspect")]
mod ends;
mod files;
mod header;
mod lines;
mod names;
mod onward;
mod opened;
mod reader;
mod settling;
mod tail;
mod writer;

use std::any::Any;
use std::path::PathBuf;
use std::sync::Arc;

use continuity::Continuity;
use files::Files;
use header::Header;
use reader::{Segment, SegmentEnd};

use crate::error::{MiniStateError, Position};
use crate::record::{Chain, Seq};
use crate::storage::{Access, Lock, Storage};

#[cfg(feature = "inspect")]
pub(crate) use carried::publish_next_with;
#[cfg(feature = "inspect")]
pub(crate) use continuity::Continuity as Reached;
#[cfg(feature = "inspect")]
pub(crate) use header::SIGNATURE;
pub(crate) use header::{FORMAT, line_of, object_of, publish_head};
pub(crate) use header::{Header as SegmentHeader, read_head as head_file};
pub(crate) use lines::Lines;
pub(crate) use names::{Kind, Names};
pub(crate) use onward::{History, Onward, SYNCING};
pub(crate) use opened::Opened;
#[cfg(feature = "inspect")]
pub(crate) use reader::{begins_with, continue_with};
#[cfg(feature = "inspect")]
pub(crate) use tail::{Verdict, judge};
#[cfg(feature = "shared")]
pub(crate) use writer::time_stamp;
pub(crate) use writer::{Failure, Journal, Settings, publish_active, publish_next};

/// A point of the history that reading starts behind.
#[derive(Debug, Clone)]
pub(crate) struct Start {
    pub(crate) seq: Seq,
    /// The checksum of the record there.
    pub(crate) record: Chain,
    /// The file that says so.
    pub(crate) path: PathBuf,
}

/// How much of a journal is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Through {
    End,
    /// The last record that is read holds this mutation.
    Seq(Seq),
}

impl Through {
    /// Whether nothing behind the mutation is read.
    pub(crate) fn is_reached(self, seq: Seq) -> bool {
        match self {
            Through::End => false,
            Through::Seq(last) => seq >= last,
        }
    }
}

/// What a journal holds, as read from the disk before anything there is changed.
#[derive(Debug)]
pub(crate) struct Found {
    storage: Arc<dyn Storage>,
    names: Names,
    identity: String,
    /// Files that a crash left without a name.
    temporaries: Vec<PathBuf>,
    /// The end of the history.
    end: Continuity,
    /// What the head file says; `None` where it is missing.
    head: Option<Seq>,
    state: FoundState,
}

#[derive(Debug)]
enum FoundState {
    /// There is no journal yet.
    Nothing,
    /// All is in place; the newest segment is the active one.
    Active(Newest),
    /// A crash interrupted the sealing of `predecessor`, behind which `newest` is empty.
    Sealing { newest: Newest, predecessor: Predecessor },
}

/// The newest segment.
#[derive(Debug)]
struct Newest {
    path: PathBuf,
    header: Header,
    end: SegmentEnd,
}

/// The segment that was being sealed, and whether its file bears its new name already.
#[derive(Debug)]
enum Predecessor {
    Renamed,
    Active { first: Seq, last: Continuity, end: SegmentEnd },
}

/// Refuses a file under the journal's name that no ministate of this format wrote. Needs no lock
/// and changes nothing.
pub(crate) fn refuse_foreign(storage: &dyn Storage, names: &Names) -> Result<(), MiniStateError> {
    let is_journal = || {
        let files = Files::list(storage, names)?;
        let head = storage.open(&names.head(), Access::Read);
        Ok(head.is_ok() || !files.sealed.is_empty() || !files.snapshots.is_empty())
    };
    match Segment::open(storage, &names.active()) {
        // The other files say that it was a segment, so it was damaged.
        Err(MiniStateError::Foreign { .. }) if is_journal()? => Ok(()),
        Err(error @ (MiniStateError::Foreign { .. } | MiniStateError::NewerFormat { .. })) => {
            Err(error)
        }
        // Everything else is for the reader, which knows more.
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Takes the journal's lock, or says who has it.
pub(crate) fn lock(
    storage: &dyn Storage,
    names: &Names,
) -> Result<Box<dyn Any + Send + Sync>, MiniStateError> {
    let path = names.lock();
    match storage.try_lock(&path).map_err(MiniStateError::io("locking", &path))? {
        Lock::Held(lock) => Ok(lock),
        Lock::Busy { holder } => Err(MiniStateError::Locked { path, holder }),
    }
}

/// The files that recovery may read, in the order in which to copy them: the head file says
/// how far the others reach at least, and the active segment goes on behind the sealed ones.
pub(crate) fn necessary_files(
    storage: &dyn Storage,
    names: &Names,
) -> Result<Vec<PathBuf>, MiniStateError> {
    let mut files = Files::list(storage, names)?;
    loop {
        // A listing can miss a segment that changes its name meanwhile.
        let now = Files::list(storage, names)?;
        if now.has_segments_of(&files) {
            break;
        }
        files = now;
    }
    let head = Some(names.head()).filter(|head| storage.open(head, Access::Read).is_ok());
    let active = files.active.then(|| names.active());
    let next = files.next.then(|| names.next());
    let Files { sealed, snapshots, .. } = files;
    let whole = snapshots.into_values().chain(sealed.into_values());
    Ok(head.into_iter().chain(whole).chain(active).chain(next).collect())
}

pub(crate) fn check_start(start: &Start, record: Chain) -> Result<(), MiniStateError> {
    if start.record == record {
        return Ok(());
    }
    Err(MiniStateError::Corrupt {
        at: Position { file: start.path.clone(), line: 1, byte: 0 },
        seq: start.seq,
        what: "the snapshot is of another history than the journal",
    })
}
