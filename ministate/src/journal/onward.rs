//! What is there in a live journal behind the last record that was read? Reads on from there, through
//! seals, compactions and openings of the journal by others.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use super::continuity::Continuity;
use super::files::Files;
use super::header::Header;
use super::lines::Lines;
use super::names::Names;
use super::opened::{ATTEMPTS, newest_segment};
use super::reader::{Segment, Visit, begins_with, continue_with};
use super::tail::{self, Verdict};
use crate::error::MiniStateError;
use crate::record::{self, Chain, Familiar, Seq};
use crate::storage::Storage;
use crate::sync::thread;

/// What a sync that failed was about to do.
pub(crate) const SYNCING: &str = "syncing";

/// What is asked of a segment before its records are read.
pub(crate) type Check = fn(&Path, &Header) -> Result<(), MiniStateError>;

/// A reader of a journal that somebody may be writing.
#[derive(Debug)]
pub(crate) struct Onward {
    storage: Arc<dyn Storage>,
    names: Names,
    check: Check,
    /// Everything through this mutation was read, or is not wanted.
    seq: Seq,
    /// What was read; `None` where any history of the journal will do.
    history: Option<History>,
    /// Where in a segment it goes on; `None` where that has to be looked for.
    place: Option<Place>,
    /// The segments that begin before this mutation were read to their ends.
    begins: Seq,
    /// Everything through this mutation was synced by its writer: what stands behind it says so.
    proven: Seq,
    /// The mutation through which a sync failed, and how.
    doubted: Option<(Seq, MiniStateError)>,
}

/// What tells a history from others.
#[derive(Debug, Clone)]
pub(crate) struct History {
    /// The identity of the journal.
    pub(crate) identity: String,
    /// The checksum of the last record.
    pub(crate) record: Chain,
}

/// How far a segment was read.
#[derive(Debug)]
struct Place {
    first: Seq,
    /// Behind the last sound line.
    lines: Lines,
    after: Continuity,
    /// Behind the line whose checksum the next record continues.
    chain_end: u64,
}

/// Whether a place is in the file that is there now.
#[derive(Clone, Copy)]
enum Look {
    /// It was when it was read last.
    Past,
    /// The file was looked at again, and another can have taken its name.
    File,
    /// The file was found by its name.
    Name,
}

/// Why no more of a segment was read.
enum Stop {
    /// Enough was read, or what follows is not wanted yet.
    Asked,
    /// Its end line was.
    Sealed,
    /// No sound line follows.
    Stuck,
}

impl Onward {
    /// Goes on behind the mutation, with the history that leads there where that is known.
    pub(crate) fn behind(
        storage: &Arc<dyn Storage>,
        names: &Names,
        seq: Seq,
        history: Option<History>,
        check: Check,
    ) -> Onward {
        let (storage, names) = (Arc::clone(storage), names.clone());
        let (place, begins, proven, doubted) = (None, 0, 0, None);
        Onward { storage, names, check, seq, history, place, begins, proven, doubted }
    }

    /// Everything through this mutation was read.
    pub(crate) fn seq(&self) -> Seq {
        self.seq
    }

    /// What is wanted next is not where it should be.
    pub(crate) fn missing(&self) -> MiniStateError {
        MiniStateError::Missing { path: self.names.active(), seq: self.seq + 1 }
    }

    /// The history through there, where it was known at first.
    pub(crate) fn history(&self) -> Option<&History> {
        self.history.as_ref()
    }

    /// Everything through this mutation is on stable storage, of what was read.
    pub(crate) fn durable(&self) -> Seq {
        self.proven.min(self.seq)
    }

    /// Gives the records that are there to `visit`, in order, through the record that ends with a
    /// mutation, or until `visit` has enough. A record that `visit` refuses is not counted as read.
    ///
    /// What can look like an error for a moment, beside a writer, is one.
    pub(crate) fn read_on(
        &mut self,
        through: Seq,
        visit: &mut Visit<'_>,
    ) -> Result<(), MiniStateError> {
        let mut look = Look::Past;
        while self.seq < through {
            let mut place = match self.place.take() {
                Some(place) => place,
                None => {
                    look = Look::Name;
                    self.entered()?
                }
            };
            match self.read_lines(&mut place, through, visit) {
                Ok(Stop::Asked) => {
                    self.place = Some(place);
                    break;
                }
                Ok(Stop::Sealed) => self.begins = place.after.seq + 1,
                Ok(Stop::Stuck) => match look {
                    Look::Past => {
                        place.lines.look_again()?;
                        look = Look::File;
                        self.place = Some(place);
                    }
                    Look::File => {
                        look = Look::Name;
                        self.place = self.found(place)?;
                    }
                    Look::Name => {
                        self.judge(&mut place)?;
                        place.lines.look_again()?;
                        self.place = Some(place);
                        break;
                    }
                },
                Err(error) => {
                    self.place = Some(place);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Syncs what was read, unless its writer has.
    ///
    /// After a sync that failed there is none until the writer has proved that it succeeded: a second
    /// one could succeed without the bytes.
    pub(crate) fn make_durable(&mut self) -> Result<(), MiniStateError> {
        match self.doubted.take() {
            Some((seq, failure)) if self.proven < seq => {
                self.doubted = Some((seq, failure.clone()));
                return Err(failure);
            }
            Some(_) | None => {}
        }
        if self.seq <= self.proven {
            return Ok(());
        }
        let Some(place) = &self.place else { return Ok(()) };
        let path = &place.lines.position.file;
        match place.lines.file().sync().map_err(MiniStateError::io(SYNCING, path)) {
            Ok(()) => {
                self.proven = self.seq;
                Ok(())
            }
            Err(failure) => {
                self.doubted = Some((self.seq, failure.clone()));
                Err(failure)
            }
        }
    }

    fn read_lines(
        &mut self,
        place: &mut Place,
        through: Seq,
        visit: &mut Visit<'_>,
    ) -> Result<Stop, MiniStateError> {
        let Place { lines, after, chain_end, .. } = place;
        // Fill is not read a chunk at a time.
        if lines.buffer.is_empty() && lines.is_at_gone()? {
            return Ok(Stop::Stuck);
        }
        let mut familiar = Familiar::default();
        loop {
            let (mut text, mut at) = lines.text();
            loop {
                let mut last = *after;
                let bytes = if let Some(record) = continue_with(text, &mut last, &mut familiar) {
                    if record.head.seq > through {
                        return Ok(Stop::Asked);
                    }
                    if record.head.place == 0 {
                        // A batch is written once the one before it is synced.
                        self.proven = self.proven.max(after.seq);
                    }
                    let mut asked = ControlFlow::Continue(());
                    let follows = record.head.seq > self.seq || self.history.is_none();
                    if last.seq > self.seq && follows {
                        asked = visit(&record, at.position)?;
                        self.seq = last.seq;
                        if let Some(history) = &mut self.history {
                            history.record = last.record;
                        }
                    } else if last.seq >= self.seq && !self.is_history(last.record) {
                        return Ok(Stop::Stuck);
                    }
                    *after = last;
                    at.advance(record.bytes + 1);
                    *chain_end = at.position.byte;
                    if asked.is_break() {
                        return Ok(Stop::Asked);
                    }
                    record.bytes + 1
                } else if let Some(bytes) = begins_with(text, &record::mark(after.seq, after.chain))
                {
                    self.proven = self.proven.max(after.seq);
                    at.advance(bytes);
                    bytes
                } else if begins_with(text, &record::end(after.seq, after.chain)).is_some() {
                    self.proven = self.proven.max(after.seq);
                    return Ok(Stop::Sealed);
                } else {
                    break;
                };
                text = &text[bytes..];
            }
            if !lines.read_line()? {
                return Ok(Stop::Stuck);
            }
        }
    }

    /// Whether the record with this checksum can be the one that was read last.
    fn is_history(&self, record: Chain) -> bool {
        self.history.as_ref().is_none_or(|history| history.record == record)
    }

    /// Whether it is right that no sound line follows: nothing does, or one that is being written.
    fn judge(&self, place: &mut Place) -> Result<(), MiniStateError> {
        let Place { first, lines, after, .. } = place;
        if after.seq < self.seq || !self.is_history(after.record) {
            return match self.history {
                Some(_) => Err(MiniStateError::Withdrawn { seq: self.seq }),
                None => Ok(()),
            };
        }
        let at = lines.position.clone();
        let damaged = if !lines.is_at_gone()? {
            let rest = lines.rest()?;
            match tail::judge(&rest, at.byte, after, None) {
                Verdict::Clean | Verdict::Torn => None,
                Verdict::Damaged(what) => Some(what),
            }
        } else if at.file == self.names.sealed(*first) {
            Some("a segment that has a successor does not end as it was sealed")
        } else {
            None
        };
        let seq = after.seq + 1;
        damaged.map_or(Ok(()), |what| Err(MiniStateError::Corrupt { at, seq, what }))
    }

    /// The same place in the segment that is there now, under whatever name; `None` where it is not.
    fn found(&self, mut place: Place) -> Result<Option<Place>, MiniStateError> {
        // Another file may have the name by now, with the same records: an opening after a crash
        // writes them again.
        let names = [self.names.active(), self.names.sealed(place.first), self.names.next()];
        for path in names {
            match place.lines.in_file(&*self.storage, &path) {
                Err(error) if error.is_of_missing_file() => {}
                opened => {
                    let found = Place { lines: opened?, ..place };
                    if found.is_there()? {
                        return Ok(Some(found));
                    }
                    place = found;
                }
            }
        }
        Ok(None)
    }

    /// The beginning of the segment with the mutation that comes next.
    fn entered(&mut self) -> Result<Place, MiniStateError> {
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                // A name is free for a moment while a segment is sealed.
                thread::yield_now();
            }
            if let Some(segment) = self.segment()? {
                return self.begun(segment);
            }
        }
        Err(self.missing())
    }

    /// The segment that holds the mutation that comes next, or will; `None` where the names change
    /// at this moment.
    fn segment(&self) -> Result<Option<Segment>, MiniStateError> {
        let (storage, names, wanted) = (&*self.storage, &self.names, self.seq + 1);
        let Some((newest, _)) = newest_segment(storage, names)? else { return Ok(None) };
        let first = newest.header.first;
        if first <= wanted && first >= self.begins {
            return Ok(Some(newest));
        }
        if first <= wanted {
            let next = Segment::open_if_there(storage, &names.next())?;
            return Ok(next.filter(|next| next.header.first == wanted));
        }
        // All before the newest bear names that stay, so none of them is missed.
        let sealed = Files::list(storage, names)?.sealed;
        match sealed.range(..=wanted).next_back() {
            None => {
                let first = sealed.keys().next().copied().unwrap_or(first);
                Err(MiniStateError::Trimmed { seq: wanted, first })
            }
            Some((first, path)) if *first >= self.begins => Segment::open_if_there(storage, path),
            Some(_) => {
                let (path, seq) = (names.sealed(self.begins), self.begins);
                Err(MiniStateError::Missing { path, seq })
            }
        }
    }

    fn begun(&mut self, segment: Segment) -> Result<Place, MiniStateError> {
        let Segment { path, header, chain, lines } = segment;
        let (before, record) = (header.first - 1, header.previous());
        let is_other = |history: &History| history.identity != header.journal;
        let misfits = before == self.seq && !self.is_history(record);
        if misfits || self.history.as_ref().is_some_and(is_other) {
            return Err(MiniStateError::Withdrawn { seq: self.seq });
        }
        (self.check)(&path, &header)?;
        self.proven = self.proven.max(before);
        let chain_end = lines.position.byte;
        let after = Continuity { seq: before, batch: None, chain, record };
        Ok(Place { first: header.first, lines, after, chain_end })
    }
}

impl Place {
    /// Whether the file has the line here that the next record continues, and so all before it.
    fn is_there(&self) -> Result<bool, MiniStateError> {
        const BYTES: usize = record::SUFFIX_BYTES + 1;
        let Some(bytes) = self.lines.bytes_before::<BYTES>(self.chain_end)? else {
            return Ok(false);
        };
        let stated = bytes.strip_suffix(b"\n").and_then(record::split_suffix);
        Ok(stated.is_some_and(|(_, chain)| chain == self.after.chain))
    }
}
