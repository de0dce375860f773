//! Would a manager open these files, and what would it find? Without the types of its records.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Layout;
use crate::error::{MiniStateError, Position, RejectedSnapshot};
use crate::journal::{self, Opened, Start, Through};
use crate::read_only::{believed, refuse_what_is_not_ours};
use crate::record::{Chain, Contents, Member, Record, Seq};
use crate::recovery;
use crate::storage::Storage;

/// From where on a journal is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// From the snapshot that recovery begins with, as recovery does.
    Recovery,
    /// From the first record that the files hold; all snapshots are read too.
    Everything,
}

/// What opening a journal finds.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Opening {
    /// The identity of the journal.
    pub journal: String,
    /// The snapshot that recovery begins with.
    pub snapshot: u64,
    /// Newer snapshots that it cannot use.
    pub rejected: Vec<RejectedSnapshot>,
    /// All snapshots, the newest first, where everything was read.
    pub snapshots: Vec<CheckedSnapshot>,
    /// The first mutation in the segments.
    pub first: u64,
    /// The last one.
    pub last: u64,
    /// How many records were read.
    pub records: u64,
    /// How many mutations recovery replays.
    pub replayed: u64,
    /// Those of what was read that are void: no recovery applies them.
    pub voided: Vec<u64>,
    /// How many bytes of segments were read.
    pub bytes: u64,
    /// The last manager was closed.
    pub was_closed: bool,
    /// The file that ends with leftovers of a batch that was never acknowledged, and how many bytes
    /// they are.
    pub torn: Option<(PathBuf, u64)>,
}

/// A snapshot, and what is wrong with it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CheckedSnapshot {
    /// Its mutation.
    pub seq: u64,
    /// The file.
    pub path: PathBuf,
    /// Why recovery cannot begin with it.
    pub unsound: Option<MiniStateError>,
}

/// How many bytes are read between two reports of progress.
const PROGRESS_BYTES: u64 = 1 << 20;

/// Reads a journal as opening it does, up to the types of the application, and changes nothing.
/// Beside a writer, what looks like damage is read again before it is believed.
///
/// `on_progress` is told how many bytes were read, and of how many, by any of the threads that read.
///
/// # Errors
///
/// Those that opening has.
pub fn opened_strictly(
    storage: &Arc<dyn Storage>,
    layout: &Layout,
    reach: Reach,
    on_progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<Opening, MiniStateError> {
    believed(|| {
        refuse_what_is_not_ours(&**storage, &layout.0)?;
        read(storage, layout, reach, on_progress)
    })
}

fn read(
    storage: &Arc<dyn Storage>,
    layout: &Layout,
    reach: Reach,
    on_progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<Opening, MiniStateError> {
    let names = &layout.0;
    let opened = Opened::live(storage, names)?;
    if opened.is_fresh() {
        let path = names.active();
        return Err(match opened.snapshots().next() {
            Some((seq @ 1.., _)) => MiniStateError::Missing { path, seq: seq + 1 },
            Some((0, _)) | None => MiniStateError::NoJournal { path },
        });
    }
    let usable = |seq: Seq, path: &Path| {
        recovery::of_journal(&**storage, &opened, seq, path).map(|snapshot| snapshot.start)
    };
    let (start, rejected) = recovery::newest_usable(names, &opened, Seq::MAX, usable)?;
    let mut snapshots: Vec<(Seq, PathBuf, Result<Start, MiniStateError>)> = Vec::new();
    let beginning = match reach {
        Reach::Recovery => start.clone(),
        Reach::Everything => {
            for (seq, path) in opened.snapshots() {
                let read = if seq == start.seq { Ok(start.clone()) } else { usable(seq, path) };
                snapshots.push((seq, path.clone(), read));
            }
            opened.beginning()
        }
    };
    let first = opened.first();
    let bytes = opened.bytes_behind(&beginning);
    let named: BTreeSet<Seq> = snapshots.iter().map(|(seq, _, _)| *seq).collect();
    let passed = Passed { total: bytes, bytes: AtomicU64::new(0), on_progress };
    let visit = |part: &mut Part, record: &Record<'_>, at: &Position| {
        part.count(record, at, &named)?;
        passed.add(part, at);
        Ok(())
    };
    let (parts, found) = match reach {
        Reach::Everything => opened.read_apart(&visit)?,
        Reach::Recovery => {
            let mut part = Part::default();
            let found = opened.read(&beginning, Through::End, &mut |record, at| {
                visit(&mut part, record, at).map(ControlFlow::Continue)
            })?;
            (vec![part], found)
        }
    };
    let (last, was_closed) = (found.seq(), found.was_closed());
    let records = parts.iter().map(|part| part.records).sum();
    let voided: Vec<Seq> = parts.iter().flat_map(|part| part.voided.iter().copied()).collect();
    // The checksums of the records that snapshots name.
    let named: BTreeMap<Seq, Chain> = [(beginning.seq, beginning.record)]
        .into_iter()
        .chain(parts.iter().flat_map(|part| part.named.iter().copied()))
        .collect();
    let checked = |start: &Start| {
        let (seq, path) = (start.seq, start.path.clone());
        match named.get(&seq) {
            Some(record) => journal::check_start(start, *record),
            None if seq > last => Err(MiniStateError::LostTail { path, found: last, synced: seq }),
            // Compaction put away the record.
            None => Ok(()),
        }
    };
    if reach == Reach::Everything {
        checked(&start)?;
    }
    let snapshots = snapshots
        .into_iter()
        .map(|(seq, path, read)| {
            let unsound = read.and_then(|start| checked(&start)).err();
            CheckedSnapshot { seq, path, unsound }
        })
        .collect();
    let are_not = voided.iter().filter(|seq| **seq > start.seq).count() as u64;
    let replayed = last - start.seq - are_not;
    Ok(Opening {
        journal: found.identity().to_string(),
        snapshot: start.seq,
        rejected,
        snapshots,
        first,
        last,
        records,
        replayed,
        voided,
        bytes,
        was_closed,
        torn: found.torn().map(|(path, bytes)| (path.to_path_buf(), bytes)),
    })
}

/// What was counted in a segment, or in those that were read as one.
#[derive(Debug, Default)]
struct Part {
    records: u64,
    voided: Vec<Seq>,
    /// The records that snapshots name.
    named: Vec<(Seq, Chain)>,
    /// Up to which byte of the segment who looks was told.
    told: u64,
}

impl Part {
    #[inline]
    fn count(
        &mut self,
        record: &Record<'_>,
        at: &Position,
        named: &BTreeSet<Seq>,
    ) -> Result<(), MiniStateError> {
        self.records += 1;
        let seq = record.head.seq;
        match record.head.contents {
            Contents::One(_) => {}
            Contents::Void { .. } => self.voided.push(seq),
            Contents::Several(_) => {
                for (seq, member) in (seq..).zip(record.members()) {
                    match member.ok_or_else(|| MiniStateError::malformed(at.clone(), seq))? {
                        Member::Applied(_) => {}
                        Member::Void(..) => self.voided.push(seq),
                    }
                }
            }
        }
        let last = seq + (record.head.contents.mutations() - 1);
        if named.contains(&last) {
            self.named.push((last, record.chain));
        }
        Ok(())
    }
}

/// How many bytes of all segments were read.
struct Passed<'a> {
    total: u64,
    bytes: AtomicU64,
    on_progress: &'a (dyn Fn(u64, u64) + Sync),
}

impl Passed<'_> {
    #[inline]
    fn add(&self, part: &mut Part, at: &Position) {
        // Behind the end of a segment, the next one begins.
        let more = at.byte.checked_sub(part.told).unwrap_or(at.byte);
        if more >= PROGRESS_BYTES {
            part.told = at.byte;
            let bytes = self.bytes.fetch_add(more, Ordering::Relaxed) + more;
            (self.on_progress)(bytes, self.total);
        }
    }
}
