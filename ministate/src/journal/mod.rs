//! The journal: segments of lines on a disk. It knows bytes and sequence numbers, never a state.

mod continuity;
mod header;
mod names;
mod reader;
mod tail;
mod writer;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use continuity::Continuity;
use reader::{Segment, SegmentEnd, Visit};

use crate::error::{MiniStateError, Position};
use crate::record::Seq;
use crate::storage::Storage;

pub(crate) use names::Names;
pub(crate) use writer::{Failure, Journal, Settings};

/// What a journal holds, as read from the disk before anything there is changed.
#[derive(Debug)]
pub(crate) struct Found {
    storage: Arc<dyn Storage>,
    names: Names,
    /// Files that a crash left without a name.
    temporaries: Vec<PathBuf>,
    /// The end of the history.
    end: Continuity,
    head: Seq,
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
    journal: String,
    first: Seq,
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
    match Segment::open(storage, &names.active()) {
        Err(MiniStateError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Ok(())
        }
        Err(error @ (MiniStateError::Foreign { .. } | MiniStateError::NewerFormat { .. })) => {
            Err(error)
        }
        // Everything else is for the reader, which knows more.
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Reads the whole journal and gives every record to `visit`; `bytes_total` hears first how much
/// there is to read.
pub(crate) fn read(
    storage: &Arc<dyn Storage>,
    names: &Names,
    bytes_total: impl FnOnce(u64),
    visit: &mut Visit<'_>,
) -> Result<Found, MiniStateError> {
    let files = Files::list(&**storage, names)?;
    let head = header::read_head(&**storage, names)?;
    let mut found = Found {
        storage: Arc::clone(storage),
        names: names.clone(),
        temporaries: files.temporaries.clone(),
        end: Continuity::START,
        head: head.as_ref().map_or(0, |(_, head)| *head),
        state: FoundState::Nothing,
    };
    if files.is_fresh() && head.is_none() {
        return Ok(found);
    }
    let segments = files.open(&**storage, names)?;
    let journal = one_identity(&segments, names, head.as_ref())?;
    bytes_total(segments.iter().map(Segment::file_bytes).sum());

    let firsts: Vec<Seq> = segments.iter().map(|segment| segment.header.first).collect();
    let mut ends = Vec::new();
    let mut before_newest = found.end;
    for (index, segment) in segments.into_iter().enumerate() {
        refuse_gap(names, found.end.seq, firsts[index])?;
        let successor = firsts.get(index + 1).copied();
        let path = segment.path.clone();
        before_newest = found.end;
        let end = segment.read(&mut found.end, successor, visit)?;
        if end.stopped {
            return Ok(found);
        }
        ends.push((path, end));
    }
    // While a segment is being sealed, its name is free for a moment; the next one is there then.
    if !files.active && !files.next {
        return Err(MiniStateError::Missing { path: names.active(), seq: found.end.seq + 1 });
    }
    if found.end.seq < found.head {
        let path = names.head();
        return Err(MiniStateError::LostTail { path, found: found.end.seq, synced: found.head });
    }
    let (path, end) = ends.pop().expect("the active or the next segment was read");
    let first = firsts[firsts.len() - 1];
    if end.sealed {
        return Err(MiniStateError::Missing { path: names.next(), seq: found.end.seq + 1 });
    }
    let newest = Newest { path, journal, first, end };
    found.state = if !files.next {
        FoundState::Active(newest)
    } else if newest.end.unmarked {
        return Err(MiniStateError::Corrupt {
            at: Position { file: newest.path, line: 2, byte: 0 },
            seq: newest.first,
            what: "a segment that is not active yet has records",
        });
    } else {
        let predecessor = match ends.pop() {
            Some((_, end)) if files.active => {
                Predecessor::Active { first: firsts[firsts.len() - 2], last: before_newest, end }
            }
            Some(_) | None => Predecessor::Renamed,
        };
        FoundState::Sealing { newest, predecessor }
    };
    Ok(found)
}

/// The files of a journal.
#[derive(Debug, Default)]
struct Files {
    sealed: BTreeMap<Seq, PathBuf>,
    active: bool,
    next: bool,
    temporaries: Vec<PathBuf>,
}

impl Files {
    fn list(storage: &dyn Storage, names: &Names) -> Result<Files, MiniStateError> {
        let mut files = Files::default();
        let dir = names.dir();
        for name in storage.list(dir).map_err(MiniStateError::io("listing", dir))? {
            match names.kind(&name) {
                Some(names::Kind::Active) => files.active = true,
                Some(names::Kind::Next) => files.next = true,
                Some(names::Kind::Sealed(first)) => {
                    files.sealed.insert(first, dir.join(name));
                }
                Some(names::Kind::Temporary) => files.temporaries.push(dir.join(name)),
                None => {}
            }
        }
        Ok(files)
    }

    fn is_fresh(&self) -> bool {
        self.sealed.is_empty() && !self.active && !self.next
    }

    /// Opens the segments in the order of history.
    fn open(&self, storage: &dyn Storage, names: &Names) -> Result<Vec<Segment>, MiniStateError> {
        let mut segments = Vec::new();
        for (first, path) in &self.sealed {
            let segment = Segment::open(storage, path)?;
            if segment.header.first != *first {
                return Err(MiniStateError::Corrupt {
                    at: Position { file: path.clone(), line: 1, byte: 0 },
                    seq: *first,
                    what: "the segment bears the name of another",
                });
            }
            segments.push(segment);
        }
        if self.active {
            segments.push(Segment::open(storage, &names.active())?);
        }
        if self.next {
            segments.push(Segment::open(storage, &names.next())?);
        }
        Ok(segments)
    }
}

fn one_identity(
    segments: &[Segment],
    names: &Names,
    head: Option<&(String, Seq)>,
) -> Result<String, MiniStateError> {
    let head_path = names.head();
    let segments = segments.iter().map(|segment| (&segment.path, &segment.header.journal));
    let mut all = segments.chain(head.map(|(journal, _)| (&head_path, journal)));
    let first = all.next().map(|(_, journal)| journal.clone()).unwrap_or_default();
    match all.find(|(_, journal)| **journal != first) {
        None => Ok(first),
        Some((path, _)) => Err(MiniStateError::Corrupt {
            at: Position { file: path.clone(), line: 1, byte: 0 },
            seq: 0,
            what: "the file belongs to another journal",
        }),
    }
}

fn refuse_gap(names: &Names, last: Seq, first: Seq) -> Result<(), MiniStateError> {
    if first > last + 1 {
        return Err(MiniStateError::Missing { path: names.sealed(last + 1), seq: last + 1 });
    }
    Ok(())
}
