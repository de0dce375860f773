//! Which lines of a segment continue each other from its header on, and which are left behind?
//!
//! A line is kept where the checksums prove that it is the next one of the history: it has the next
//! number, and covers the checksum of the record before it. What stands between two such lines, as
//! a line that was inserted or a damaged mark, is no part of the history, so it ends nothing. A
//! segment whose header is damaged proves nothing: its records are left behind.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};

use ministate::inspect::{Chain, Header, Record};
use ministate::storage::Storage;
use serde::Serialize;

use crate::failure::Failure;
use crate::reading::{Content, Files, Line, segments, walked_segment};

/// What of a segment can be kept.
#[derive(Debug, Clone)]
pub(crate) struct Stretch {
    pub(crate) path: PathBuf,
    pub(crate) header: Header,
    /// The last mutation.
    pub(crate) last: u64,
    /// The checksum of its record, or of that before the segment.
    pub(crate) record: Chain,
    /// The bytes of the lines behind the header.
    pub(crate) lines: Vec<Range<u64>>,
    /// The checksums of the records that were asked for.
    pub(crate) named: BTreeMap<u64, Chain>,
}

/// Bytes that are not in the new directory. They stay where they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct LeftBehind {
    /// Why.
    pub(crate) left: String,
    pub(crate) file: PathBuf,
    /// The first line, counted from 1, and how many there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) line: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lines: Option<u64>,
    /// The first byte.
    pub(crate) byte: u64,
    pub(crate) bytes: u64,
    /// The first and the last mutation that can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last: Option<u64>,
}

/// What was found in a segment.
#[derive(Debug)]
pub(crate) struct Found {
    /// `None` where the header is damaged.
    pub(crate) stretch: Option<Stretch>,
    /// What is left behind if the stretch is kept.
    pub(crate) left: Vec<LeftBehind>,
    /// What is if it is not.
    pub(crate) whole: LeftBehind,
}

impl LeftBehind {
    /// A whole file.
    pub(crate) fn file(path: &Path, bytes: u64, seq: Option<u64>, why: &str) -> LeftBehind {
        let (left, file) = (why.to_string(), path.to_path_buf());
        LeftBehind { left, file, line: None, lines: None, byte: 0, bytes, first: seq, last: seq }
    }
}

/// Reads every segment. `named` are the mutations whose records are asked for.
pub(crate) fn stretches(
    storage: &dyn Storage,
    files: &Files,
    named: &BTreeSet<u64>,
) -> Result<Vec<Found>, Failure> {
    let segments = segments(storage, files)?;
    let mut found = Vec::new();
    for (index, segment) in segments.iter().enumerate() {
        let successor = segments.get(index + 1).and_then(|next| next.first);
        let mut sieve = Sieve::new(&segment.path, named);
        let mut visit = |line: &Line<'_>| {
            sieve.line(line);
            Ok(ControlFlow::Continue(()))
        };
        walked_segment(storage, &segment.path, segment.first, successor, &mut visit)?;
        found.push(sieve.found());
    }
    Ok(found)
}

struct Sieve<'a> {
    path: &'a Path,
    asked: &'a BTreeSet<u64>,
    stretch: Option<Stretch>,
    /// What the next record continues: the checksum of the last record or header, and the first
    /// mutation of its batch.
    chain: Chain,
    batch: Option<u64>,
    left: Vec<LeftBehind>,
    open: Option<Region>,
    /// Of all that is no fill.
    end: u64,
    lines: u64,
    seqs: Seqs,
}

/// Lines that are left behind, one behind the other.
struct Region {
    why: &'static str,
    line: u64,
    byte: u64,
    seqs: Seqs,
    /// The mutation that was to begin there, if nothing goes on behind.
    expected: Option<u64>,
}

/// The first and the last of some mutations.
#[derive(Debug, Clone, Copy, Default)]
struct Seqs(Option<(u64, u64)>);

impl Seqs {
    fn take(&mut self, first: u64, last: u64) {
        let (begin, end) = self.0.unwrap_or((first, last));
        self.0 = Some((begin.min(first), end.max(last)));
    }
}

const NOT_PROVEN: &str = "behind what is lost";
const TORN: &str = "of a batch that was never acknowledged";

impl Sieve<'_> {
    fn new<'a>(path: &'a Path, asked: &'a BTreeSet<u64>) -> Sieve<'a> {
        let (stretch, left, open) = (None, Vec::new(), None);
        let (chain, batch, seqs) = (Chain::START, None, Seqs::default());
        Sieve { path, asked, stretch, chain, batch, left, open, end: 0, lines: 0, seqs }
    }

    fn line(&mut self, line: &Line<'_>) {
        match &line.content {
            Content::Header(header) => {
                self.chain = header.chain;
                self.stretch = Some(Stretch {
                    path: self.path.to_path_buf(),
                    header: header.clone(),
                    last: header.first - 1,
                    record: header.previous,
                    lines: Vec::new(),
                    named: BTreeMap::from([(header.first - 1, header.previous)]),
                });
            }
            Content::Record(record) => {
                self.seqs.take(record.seq(), record.last());
                match self.continues(record) {
                    true => self.kept_record(line, record),
                    false => self.left_line(line, NOT_PROVEN, Some((record.seq(), record.last()))),
                }
            }
            Content::Adrift(adrift) => {
                let last = adrift.seq.saturating_add(adrift.mutations - 1);
                self.seqs.take(adrift.seq, last);
                self.left_line(line, NOT_PROVEN, Some((adrift.seq, last)));
            }
            Content::Mark(seq) | Content::End(seq) => {
                match self.stretch.as_ref().is_some_and(|stretch| stretch.last == *seq) {
                    true => self.kept(line),
                    false => self.left_line(line, NOT_PROVEN, None),
                }
            }
            Content::Torn => self.left_line(line, TORN, None),
            Content::Damaged { what, seq } => {
                self.left_line(line, what, None);
                if let Some(open) = &mut self.open {
                    open.expected = open.expected.or(*seq);
                }
            }
            Content::Fill => return,
        }
        self.end = self.end.max(line.byte + line.bytes);
        self.lines = line.number;
    }

    fn continues(&self, record: &Record<'_>) -> bool {
        let batch = record.batch();
        self.stretch.as_ref().is_some_and(|stretch| record.seq() == stretch.last + 1)
            && self.chain.is_continued_by(record.line().as_bytes())
            && (batch == Some(record.seq()) || batch == self.batch)
            && record.members().all(|member| member.is_some())
    }

    fn kept_record(&mut self, line: &Line<'_>, record: &Record<'_>) {
        (self.chain, self.batch) = (record.chain(), record.batch());
        if let Some(stretch) = &mut self.stretch {
            (stretch.last, stretch.record) = (record.last(), record.chain());
            if self.asked.contains(&stretch.last) {
                stretch.named.insert(stretch.last, stretch.record);
            }
        }
        self.kept(line);
    }

    fn kept(&mut self, line: &Line<'_>) {
        if let Some(mut region) = self.open.take() {
            region.expected = None;
            self.close(&region, line.byte, line.number - 1);
        }
        let Some(stretch) = &mut self.stretch else { return };
        let end = line.byte + line.bytes + 1;
        match stretch.lines.last_mut() {
            Some(lines) if lines.end == line.byte => lines.end = end,
            Some(_) | None => stretch.lines.push(line.byte..end),
        }
    }

    fn left_line(&mut self, line: &Line<'_>, why: &'static str, seqs: Option<(u64, u64)>) {
        let (line, byte) = (line.number, line.byte);
        let begun = || Region { why, line, byte, seqs: Seqs::default(), expected: None };
        let region = self.open.get_or_insert_with(begun);
        if let Some((first, last)) = seqs {
            region.seqs.take(first, last);
        }
    }

    fn close(&mut self, region: &Region, end: u64, last_line: u64) {
        let Region { why, line, byte, mut seqs, expected } = *region;
        if let Some(expected) = expected {
            seqs.take(expected, expected);
        }
        let (first, last) = seqs.0.unzip();
        self.left.push(LeftBehind {
            left: why.to_string(),
            file: self.path.to_path_buf(),
            line: Some(line),
            lines: Some(last_line + 1 - line),
            byte,
            bytes: end - byte,
            first,
            last,
        });
    }

    fn found(mut self) -> Found {
        if let Some(region) = self.open.take() {
            self.close(&region, self.end, self.lines);
        }
        let (first, last) = self.seqs.0.unzip();
        let whole = LeftBehind {
            left: "not of the history that is kept".to_string(),
            file: self.path.to_path_buf(),
            line: Some(1),
            lines: Some(self.lines),
            byte: 0,
            bytes: self.end,
            first,
            last,
        };
        Found { stretch: self.stretch, left: self.left, whole }
    }
}
