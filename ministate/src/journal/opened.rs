//! The files of a journal, opened together, and the history that they hold, read in order.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::continuity::Continuity;
use super::files::{Files, one_identity, refuse_gap};
use super::header::{self, Header};
use super::names::Names;
use super::reader::{Segment, Visit, start_of};
use super::{Found, FoundState, Newest, Predecessor, Start, Through, check_start};
use crate::error::{MiniStateError, Position};
use crate::planted::{Bug, planted};
use crate::record::{Chain, Record, Seq};
use crate::storage::Storage;
use crate::sync::thread;

/// The files of a journal, opened as far as their headers. Nothing is changed.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(super) storage: Arc<dyn Storage>,
    pub(super) names: Names,
    pub(super) files: Files,
    /// In the order of history.
    pub(super) segments: Vec<Segment>,
    /// The identity of the journal; `None` where there is no segment.
    pub(super) identity: Option<String>,
    /// What the head file says; `None` where it is missing.
    pub(super) head: Option<Seq>,
    pub(super) beside: Beside,
}

/// Who may change the files while they are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beside {
    Nobody,
    /// The newest segment may be sealed at any moment, and another one take its name.
    Writer,
}

/// So often is a file looked for that may be about to get its name.
pub(super) const ATTEMPTS: u32 = 1_000;

impl Opened {
    /// Opens the journal, of which nobody else writes.
    pub(crate) fn all(storage: &Arc<dyn Storage>, names: &Names) -> Result<Opened, MiniStateError> {
        Opened::open(storage, names, Files::list(&**storage, names)?)
    }

    /// Opens the sealed segments alone, which stay as they are while somebody writes.
    pub(crate) fn sealed(
        storage: &Arc<dyn Storage>,
        names: &Names,
    ) -> Result<Opened, MiniStateError> {
        let files = Files::list(&**storage, names)?;
        Opened::open(storage, names, Files { active: false, next: false, ..files })
    }

    /// Opens the journal beside its writer. What is durable may be read, and no further.
    ///
    /// All that was acknowledged before the call is in what is opened. What the writer seals
    /// meanwhile is read to its end, and nothing behind it.
    pub(crate) fn live(
        storage: &Arc<dyn Storage>,
        names: &Names,
    ) -> Result<Opened, MiniStateError> {
        for _ in 0..ATTEMPTS {
            if let Some(opened) = Opened::unless_overtaken(storage, names)? {
                return Ok(opened);
            }
            thread::yield_now();
        }
        // What is missing for so long is not about to come.
        Opened::all(storage, names)
    }

    /// Opens the journal beside its writer; `None` where the names changed meanwhile.
    fn unless_overtaken(
        storage: &Arc<dyn Storage>,
        names: &Names,
    ) -> Result<Option<Opened>, MiniStateError> {
        // First the head file: what it says of later segments would be missed in these.
        let head = header::read_head(&**storage, names)?;
        // Then the newest segment, whose name another one may have next: all before it bear names
        // that stay.
        let Some((newest, role)) = newest_segment(&**storage, names)? else { return Ok(None) };
        let first = newest.header.first;
        let mut files = Files::list(&**storage, names)?;
        if files.snapshots.keys().next_back().is_some_and(|snapshot| *snapshot >= first)
            && goes_on(&**storage, names, |_, other| other > first)
        {
            return Ok(None);
        }
        files.sealed.retain(|sealed, _| *sealed < first);
        files.active = false;
        files.next = false;
        let mut segments = match files.open(&**storage, names) {
            // Compaction put it away since it was listed.
            Err(error) if error.is_of_missing_file() => return Ok(None),
            opened => opened?,
        };
        segments.push(newest);
        match role {
            Role::Active => files.active = true,
            Role::Next => files.next = true,
        }
        Opened::of(storage, names, files, segments, head, Beside::Writer).map(Some)
    }

    fn open(
        storage: &Arc<dyn Storage>,
        names: &Names,
        files: Files,
    ) -> Result<Opened, MiniStateError> {
        let head = header::read_head(&**storage, names)?;
        let segments = files.open(&**storage, names)?;
        Opened::of(storage, names, files, segments, head, Beside::Nobody)
    }

    fn of(
        storage: &Arc<dyn Storage>,
        names: &Names,
        files: Files,
        segments: Vec<Segment>,
        head: Option<(String, Seq)>,
        beside: Beside,
    ) -> Result<Opened, MiniStateError> {
        let identity = one_identity(&segments, names, head.as_ref())?;
        let head = head.map(|(_, head)| head);
        let (storage, names) = (Arc::clone(storage), names.clone());
        Ok(Opened { storage, names, files, segments, identity, head, beside })
    }

    /// There is neither a segment nor the memory of one.
    pub(crate) fn is_fresh(&self) -> bool {
        self.identity.is_none()
    }

    pub(crate) fn identity(&self) -> Option<&str> {
        self.identity.as_deref()
    }

    pub(crate) fn dir(&self) -> &Path {
        self.names.dir()
    }

    /// The snapshots, the newest first.
    pub(crate) fn snapshots(&self) -> impl Iterator<Item = (Seq, &PathBuf)> {
        self.files.snapshots.iter().rev().map(|(seq, path)| (*seq, path))
    }

    /// The beginning of what the journal holds.
    pub(crate) fn beginning(&self) -> Start {
        match self.segments.first() {
            Some(segment) => start_of(segment),
            None => Start { seq: 0, record: Chain::START, path: self.names.active() },
        }
    }

    /// The first mutation that is in the journal; 1 where there is none yet.
    pub(crate) fn first(&self) -> Seq {
        self.segments.first().map_or(1, |segment| segment.header.first)
    }

    /// The first mutations of the sealed segments, in order.
    pub(crate) fn sealed_firsts(&self) -> Vec<Seq> {
        self.files.sealed.keys().copied().collect()
    }

    /// How many bytes the first so many segments have.
    pub(crate) fn bytes_of_first(&self, segments: usize) -> u64 {
        self.segments.iter().take(segments).map(Segment::file_bytes).sum()
    }

    /// The sealed segments that begin at a mutation or before it, in order.
    pub(crate) fn sealed_through(&self, seq: Seq) -> impl Iterator<Item = &PathBuf> {
        self.files.sealed.range(..=seq).map(|(_, path)| path)
    }

    /// The beginning of the segment that holds the mutation, or of the last one before; `None` where
    /// all begin behind it.
    pub(crate) fn beginning_of_segment_with(&self, seq: Seq) -> Option<Start> {
        let segment = self.segments.iter().rev().find(|segment| segment.header.first <= seq)?;
        Some(start_of(segment))
    }

    /// The headers of the segments that are read from the start on, with their files.
    pub(crate) fn headers_behind(&self, start: &Start) -> impl Iterator<Item = (&Path, &Header)> {
        let segments = &self.segments[self.index_of(start)..];
        segments.iter().map(|segment| (segment.path.as_path(), &segment.header))
    }

    /// How many bytes are read from the start on.
    pub(crate) fn bytes_behind(&self, start: &Start) -> u64 {
        self.segments[self.index_of(start)..].iter().map(Segment::file_bytes).sum()
    }

    /// The segment that holds the mutation behind the start.
    fn index_of(&self, start: &Start) -> usize {
        let behind = start.seq + u64::from(!planted(Bug::ReplayedTwice));
        let after = |segment: &&Segment| segment.header.first <= behind;
        self.segments.iter().take_while(after).count().saturating_sub(1)
    }

    /// The checksum of the record that ends with the mutation, which one of the segments holds.
    pub(crate) fn record_at(self, seq: Seq) -> Result<Chain, MiniStateError> {
        refuse_gap(&self.names, seq, self.first())?;
        let start = self.beginning_of_segment_with(seq).unwrap_or_else(|| self.beginning());
        let through = Through::Seq(seq);
        Ok(self.read(&start, through, &mut |_, _| Ok(ControlFlow::Continue(())))?.record())
    }

    /// What there is where there is no journal yet: room for one of this identity.
    pub(crate) fn fresh(self, identity: String) -> Found {
        Found {
            storage: self.storage,
            names: self.names,
            identity,
            temporaries: self.files.temporaries,
            end: Continuity::START,
            head: None,
            state: FoundState::Nothing,
        }
    }

    /// Gives every record behind the start to `visit`, in order.
    pub(crate) fn read(
        self,
        start: &Start,
        through: Through,
        visit: &mut Visit<'_>,
    ) -> Result<Found, MiniStateError> {
        let index = self.index_of(start);
        let Opened { storage, names, files, segments, identity, head, beside } = self;
        // Behind a start that no segment goes back to.
        let mut end = Continuity { seq: start.seq, record: start.record, ..Continuity::START };
        if let Some(segment) = segments.get(index) {
            end.seq = segment.header.first - 1;
            end.record = segment.header.previous();
        }
        let mut found = Found {
            storage,
            names: names.clone(),
            identity: identity.unwrap_or_default(),
            temporaries: files.temporaries.clone(),
            end,
            head,
            state: FoundState::Nothing,
        };
        if end.seq == start.seq {
            check_start(start, end.record)?;
            if through == Through::Seq(start.seq) {
                return Ok(found);
            }
        }
        let mut visit_behind = |record: &Record<'_>, at: &Position| {
            let last = record.head.seq + (record.head.contents.mutations() - 1);
            if last == start.seq {
                check_start(start, record.chain)?;
            }
            let twice = last == start.seq && planted(Bug::ReplayedTwice);
            if (record.head.seq > start.seq || twice) && visit(record, at)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            let read = through.is_reached(last);
            Ok(if read { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        };

        let firsts: Vec<Seq> = segments.iter().map(|segment| segment.header.first).collect();
        let mut ends = Vec::new();
        let mut before_newest = found.end;
        let mut newest_header = None;
        for (index, segment) in segments.into_iter().enumerate().skip(index) {
            refuse_gap(&names, found.end.seq, firsts[index])?;
            let successor = firsts.get(index + 1).copied();
            let path = segment.path.clone();
            newest_header = Some(segment.header.clone());
            before_newest = found.end;
            let end = segment.read(&mut found.end, successor, &mut visit_behind)?;
            if end.stopped {
                return Ok(found);
            }
            ends.push((path, end));
        }
        // While a segment is being sealed, its name is free for a moment; the next one is there
        // then.
        if !files.active && !files.next {
            return Err(MiniStateError::Missing { path: names.active(), seq: found.end.seq + 1 });
        }
        let head = found.head.unwrap_or(0);
        for (path, synced) in [(names.head(), head), (start.path.clone(), start.seq)] {
            if found.end.seq < synced && !planted(Bug::HeadIgnored) {
                return Err(MiniStateError::LostTail { path, found: found.end.seq, synced });
            }
        }
        let (Some((path, end)), Some(header)) = (ends.pop(), newest_header) else {
            unreachable!("the active or the next segment was read")
        };
        let first = header.first;
        let newest = Newest { path, header, end };
        if newest.end.sealed {
            // What is behind it is later than all that had to be read.
            let behind = found.end.seq.max(first);
            let is_sealed = |_, other| other > behind;
            if beside == Beside::Nobody || !goes_on(&*found.storage, &names, is_sealed) {
                return Err(MiniStateError::Missing { path: names.next(), seq: found.end.seq + 1 });
            }
            found.state = FoundState::Sealing { newest, predecessor: Predecessor::Renamed };
            return Ok(found);
        }
        let is_active = |role, other| match role {
            Role::Active => other >= first,
            Role::Next => other > first,
        };
        found.state = if !files.next {
            FoundState::Active(newest)
        } else if newest.end.unmarked
            && (beside == Beside::Nobody || !goes_on(&*found.storage, &names, is_active))
        {
            return Err(MiniStateError::Corrupt {
                at: Position { file: newest.path, line: 2, byte: 0 },
                seq: newest.header.first,
                what: "a segment that is not active yet has records",
            });
        } else {
            let predecessor = match ends.pop() {
                Some((_, end)) if files.active => {
                    let first = firsts[firsts.len() - 2];
                    Predecessor::Active { first, last: before_newest, end }
                }
                Some(_) | None => Predecessor::Renamed,
            };
            FoundState::Sealing { newest, predecessor }
        };
        Ok(found)
    }
}

/// Which name a segment bears that may be written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Active,
    Next,
}

/// The segment that is written to, or is about to be, and the name under which it was opened; `None`
/// where neither name is there to be found at this moment.
pub(super) fn newest_segment(
    storage: &dyn Storage,
    names: &Names,
) -> Result<Option<(Segment, Role)>, MiniStateError> {
    if let Some(active) = Segment::open_if_there(storage, &names.active())? {
        return Ok(Some((active, Role::Active)));
    }
    let Some(next) = Segment::open_if_there(storage, &names.next())? else { return Ok(None) };
    // Meanwhile the one before it may have become active, and have its lasting name only now.
    Ok(Some(match Segment::open_if_there(storage, &names.active())? {
        Some(active) => (active, Role::Active),
        None => (next, Role::Next),
    }))
}

/// Whether a segment that can be written to, or is about to be, begins where it should.
fn goes_on(storage: &dyn Storage, names: &Names, is_right: impl Fn(Role, Seq) -> bool) -> bool {
    let roles = [(Role::Active, names.active()), (Role::Next, names.next())];
    let is_there = |(role, path): &(Role, PathBuf)| {
        Segment::open(storage, path).is_ok_and(|segment| is_right(*role, segment.header.first))
    };
    // One can change its name between two looks.
    (0..ATTEMPTS).any(|attempt| {
        if attempt > 0 {
            thread::yield_now();
        }
        roles.iter().any(is_there)
    })
}
