//! Would a manager open these files, and what would it find? Without the types of its records.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
/// `on_progress` is told how many bytes were read, and of how many.
///
/// # Errors
///
/// Those that opening has.
pub fn opened_strictly(
    storage: &Arc<dyn Storage>,
    layout: &Layout,
    reach: Reach,
    on_progress: &dyn Fn(u64, u64),
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
    on_progress: &dyn Fn(u64, u64),
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
    // The checksums of the records that snapshots name.
    let mut named: BTreeMap<Seq, Option<Chain>> =
        snapshots.iter().map(|(seq, _, _)| (*seq, None)).collect();
    named.insert(beginning.seq, Some(beginning.record));
    let mut progress = Passed::new(opened.bytes_behind(&beginning));
    let (mut records, mut replayed, mut next_named) = (0, 0, 0);
    let mut voided = Vec::new();
    let mut visit = |record: &Record<'_>, at: &Position| {
        records += 1;
        let seq = record.head.seq;
        let last = seq + (record.head.contents.mutations() - 1);
        match record.head.contents {
            Contents::One(_) => {}
            Contents::Void { .. } => voided.push(seq),
            Contents::Several(_) => {
                for (seq, member) in (seq..).zip(record.members()) {
                    match member.ok_or_else(|| MiniStateError::malformed(at.clone(), seq))? {
                        Member::Applied(_) => {}
                        Member::Void(..) => voided.push(seq),
                    }
                }
            }
        }
        replayed += last.saturating_sub(start.seq).min(last + 1 - seq);
        if last >= next_named {
            if let Some(named) = named.get_mut(&last) {
                *named = Some(record.chain);
            }
            next_named = named.range(last + 1..).next().map_or(Seq::MAX, |(seq, _)| *seq);
        }
        progress.pass(at, on_progress);
        Ok(ControlFlow::Continue(()))
    };
    let bytes = opened.bytes_behind(&beginning);
    let found = opened.read(&beginning, Through::End, &mut visit)?;
    let (last, was_closed) = (found.seq(), found.was_closed());
    let checked = |start: &Start| {
        let (seq, path) = (start.seq, start.path.clone());
        match named.get(&seq).copied().flatten() {
            Some(record) => journal::check_start(start, record),
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
    let replayed = replayed - are_not;
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

/// How many bytes of all segments were read.
struct Passed {
    total: u64,
    /// Of the segments before.
    before: u64,
    /// Of the segment at hand.
    byte: u64,
    told: u64,
}

impl Passed {
    fn new(total: u64) -> Passed {
        Passed { total, before: 0, byte: 0, told: 0 }
    }

    #[inline]
    fn pass(&mut self, at: &Position, on_progress: &dyn Fn(u64, u64)) {
        if at.byte < self.byte {
            self.before += self.byte;
        }
        self.byte = at.byte;
        if self.before + self.byte >= self.told + PROGRESS_BYTES {
            self.told = self.before + self.byte;
            on_progress(self.told, self.total);
        }
    }
}
