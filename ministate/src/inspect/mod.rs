//! What do the files of a journal say to somebody who has none of its types? For the `ministate`
//! command alone: the parsing is the library's, and what to do behind damage is the caller's.

mod layout;
mod opening;
mod copying;
mod compacting;
mod importing;
#[cfg(all(test, feature = "testing"))]
mod interrupted;
mod rewriting;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use crate::error::MiniStateError;
use crate::journal::{self, Reached as Continuity, SegmentHeader};
use crate::options::Options;
use crate::record::{self, Contents, Piece};
use crate::snapshot;
use crate::storage::Storage;

pub use compacting::{Away, PlannedCompaction, compacted, compaction_planned};
pub use copying::{Copied, copied};
pub use importing::{Carried, Declared, carried_over};
pub use layout::{Layout, Role};
pub use opening::{CheckedSnapshot, Opening, Reach, opened_strictly};
pub use rewriting::covered;

/// With which every file of ministate begins, whatever its format.
pub const SIGNATURE: &[u8] = journal::SIGNATURE;

/// How many snapshots a compaction keeps where nobody chose.
pub fn snapshots_kept() -> usize {
    Options::new().snapshots_kept
}

/// The checksum of a line, which the line behind it covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chain(record::Chain);

impl Chain {
    /// What stands in place of a checksum where there is no line before.
    pub const START: Chain = Chain(record::Chain::START);

    /// Whether the line, without its newline, has the checksum of one behind this.
    pub fn is_continued_by(self, line: &[u8]) -> bool {
        record::split_suffix(line).is_some_and(|(covered, stated)| self.0.link(covered) == stated)
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The first line of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The identity of the journal.
    pub journal: String,
    /// The segment's first mutation.
    pub first: u64,
    /// The checksum of the record before it.
    pub previous: Chain,
    /// The program that made the segment.
    pub by: Option<String>,
    /// The operations that it writes, with their versions.
    pub operations: BTreeMap<String, u32>,
    /// Its own checksum.
    pub chain: Chain,
}

impl Header {
    /// The header that the line, without its newline, is.
    ///
    /// # Errors
    ///
    /// As opening a journal has.
    pub fn parse(line: &[u8], file: &Path) -> Result<Header, MiniStateError> {
        let (header, chain) = SegmentHeader::parse(line, file)?;
        Ok(Header::of(header, chain))
    }

    fn of(header: SegmentHeader, chain: record::Chain) -> Header {
        let (previous, chain) = (Chain(header.previous()), Chain(chain));
        let SegmentHeader { journal, first, by, ops: operations, .. } = header;
        Header { journal, first, previous, by, operations, chain }
    }
}

/// How far a history was read: what the next line has to continue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached(Continuity);

impl Reached {
    /// Nothing was read yet.
    pub const START: Reached = Reached(Continuity::START);

    /// A line of the segment's own records comes next.
    pub fn header(header: &Header) -> Reached {
        let (seq, record) = (header.first - 1, header.previous.0);
        Reached(Continuity { seq, batch: None, chain: header.chain.0, record })
    }

    /// A record with this checksum, whatever stood before it.
    pub fn record(last: u64, batch: Option<u64>, chain: Chain) -> Reached {
        Reached(Continuity { seq: last, batch, chain: chain.0, record: chain.0 })
    }

    /// The last mutation.
    pub fn seq(&self) -> u64 {
        self.0.seq
    }

    /// The checksum that the next line covers.
    pub fn chain(&self) -> Chain {
        Chain(self.0.chain)
    }

    /// The checksum of the last record.
    pub fn last_record(&self) -> Chain {
        Chain(self.0.record)
    }
}

/// What records that were read have in common, so that it is compared and not read again.
#[derive(Debug, Default)]
pub struct Familiar(record::Familiar);

/// A record whose checksum is right.
#[derive(Debug)]
pub struct Record<'a> {
    line: &'a str,
    record: record::Record<'a>,
}

/// One mutation of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member<'a> {
    /// Name and version, where the mutator is derived.
    pub operation: Option<(&'a str, u32)>,
    /// The JSON.
    pub payload: &'a str,
    /// Why it is not to be applied, as a JSON string; `None` where it is.
    pub void: Option<&'a str>,
}

impl<'a> Record<'a> {
    /// The record with which the text begins, if it continues `reached`, which it then does.
    #[inline]
    pub fn next(
        text: &'a str,
        reached: &mut Reached,
        familiar: &mut Familiar,
    ) -> Option<Record<'a>> {
        let record = journal::continue_with(text, &mut reached.0, &mut familiar.0)?;
        Some(Record { line: &text[..record.bytes], record })
    }

    /// The record that the whole line is, without its newline, behind a line with this checksum,
    /// whatever its number is.
    pub fn behind(line: &'a str, before: Chain) -> Option<Record<'a>> {
        let record = record::parse_record(line, before.0, &mut record::Familiar::default())?;
        (record.bytes == line.len()).then_some(Record { line, record })
    }

    /// The first mutation.
    pub fn seq(&self) -> u64 {
        self.record.head.seq
    }

    /// The last mutation.
    pub fn last(&self) -> u64 {
        self.seq().saturating_add(self.mutations() - 1)
    }

    /// The first mutation of the record's batch.
    pub fn batch(&self) -> Option<u64> {
        self.record.head.batch()
    }

    /// How many mutations there are.
    pub fn mutations(&self) -> u64 {
        self.record.head.contents.mutations()
    }

    /// Whether `apply_batch` wrote it, so that its mutations happen together or not at all.
    pub fn is_of_several(&self) -> bool {
        match self.record.head.contents {
            Contents::One(_) | Contents::Void { .. } => false,
            Contents::Several(_) => true,
        }
    }

    /// When it was written.
    pub fn time(&self) -> &'a str {
        self.record.head.time(self.line)
    }

    /// Its checksum.
    pub fn chain(&self) -> Chain {
        Chain(self.record.chain)
    }

    /// Its line, without the newline.
    pub fn line(&self) -> &'a str {
        self.line
    }

    /// The mutations in order; `None` in place of one that is not written as it should be.
    pub fn members(&self) -> impl Iterator<Item = Option<Member<'a>>> + use<'a> {
        let members = self.record.members();
        members.map(|member| {
            let ((operation, payload), void) = match member? {
                record::Member::Applied(mutation) => (mutation, None),
                record::Member::Void(mutation, reason) => (mutation, Some(reason)),
            };
            Some(Member { operation, payload, void })
        })
    }
}

/// Which of the lines that are no records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// Everything before it was synced.
    Mark,
    /// The segment is sealed.
    End,
}

impl Control {
    /// The control line with which the text begins, if it is one of what was reached, and its
    /// length with the newline.
    pub fn next(text: &str, reached: &Reached) -> Option<(Control, usize)> {
        let Continuity { seq, chain, .. } = reached.0;
        let mark = journal::begins_with(text, &record::mark(seq, chain));
        let end = || journal::begins_with(text, &record::end(seq, chain));
        mark.map(|bytes| (Control::Mark, bytes))
            .or_else(|| end().map(|bytes| (Control::End, bytes)))
    }
}

/// What a line looks like, whatever stood before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A record, with the checksum that it states.
    Record {
        /// Its first mutation.
        seq: u64,
        /// How many there are.
        mutations: u64,
        /// The first mutation of its batch.
        batch: Option<u64>,
        /// The checksum in the line.
        stated: Chain,
    },
    /// A mark or an end line.
    Control,
    /// No line of a journal.
    None,
}

impl Form {
    /// The form of a line without its newline.
    pub fn of(line: &[u8]) -> Form {
        let stated = record::split_suffix(line).map(|(_, stated)| Chain(stated));
        match (record::judge_piece(line), stated) {
            (Piece::Record(head), Some(stated)) => {
                let (seq, batch) = (head.seq, head.batch());
                Form::Record { seq, mutations: head.contents.mutations(), batch, stated }
            }
            (Piece::Control, _) => Form::Control,
            (Piece::Record(_) | Piece::Nothing, _) => Form::None,
        }
    }
}

/// The checksum that a line states, whatever it is.
pub fn stated_checksum(line: &[u8]) -> Option<Chain> {
    record::split_suffix(line).map(|(_, stated)| Chain(stated))
}

/// What the bytes are that do not continue a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing but fill.
    Clean,
    /// Leftovers of a batch that was never acknowledged.
    Torn,
    /// Something that no power cut leaves.
    Damaged(&'static str),
}

/// Judges all bytes from `position` to the end of a segment as opening it does. `successor` is the
/// first mutation of the segment behind it.
pub fn judged(tail: &[u8], position: u64, reached: &Reached, successor: Option<u64>) -> Verdict {
    match journal::judge(tail, position, &reached.0, successor) {
        journal::Verdict::Clean => Verdict::Clean,
        journal::Verdict::Torn => Verdict::Torn,
        journal::Verdict::Damaged(what) => Verdict::Damaged(what),
    }
}

/// A snapshot whose checksums are right.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The identity of the journal.
    pub journal: String,
    /// The last mutation that it holds.
    pub seq: u64,
    /// The checksum of that mutation's record.
    pub record: Chain,
    /// The program that made it.
    pub by: Option<String>,
    /// The version of the state.
    pub version: u32,
    /// The state's JSON.
    pub state: Vec<u8>,
}

impl Snapshot {
    /// Reads a snapshot.
    ///
    /// # Errors
    ///
    /// As opening a journal has for snapshots that it rejects.
    pub fn read(storage: &dyn Storage, path: &Path) -> Result<Snapshot, MiniStateError> {
        snapshot::read(storage, path).map(Snapshot::from)
    }
}

impl From<snapshot::Snapshot> for Snapshot {
    fn from(snapshot: snapshot::Snapshot) -> Snapshot {
        let snapshot::Snapshot { journal, start, by, version, state } = snapshot;
        Snapshot { journal, seq: start.seq, record: Chain(start.record), by, version, state }
    }
}
