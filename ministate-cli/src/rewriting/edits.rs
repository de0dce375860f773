//! Which lines of a journal did somebody edit, and what are they to be?
//!
//! An edited line is one that does not continue the line before it, as that one says its checksum
//! or as it should. Every line has to be a whole record with the next number, a mark, an end line or
//! a header: nothing else is ever given a checksum, so torn bytes and garbage never become records.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ministate::inspect::{
    Chain, Control, Familiar, Form, Header, Reached, Record, covered, stated_checksum,
};
use ministate::storage::Storage;

use super::canonical::canonical;
use super::plan::{Lines, NewSegment};
use super::refusal::Refusal;
use crate::failure::Failure;
use crate::reading::{Bytes, Files, Segment, segments};

/// One edited line.
#[derive(Debug, Clone)]
pub(crate) struct Edit {
    pub(crate) file: PathBuf,
    pub(crate) line: u64,
    /// Its first mutation.
    pub(crate) seq: u64,
    /// As it stands there.
    pub(crate) was: String,
    /// As it becomes.
    pub(crate) becomes: String,
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Edits {
    /// The identity of the journal.
    pub(crate) journal: String,
    /// The checksum of the record before the first segment.
    pub(crate) previous: Chain,
    pub(crate) segments: Vec<NewSegment>,
    pub(crate) edits: Vec<Edit>,
    /// How many lines behind them only get another checksum.
    pub(crate) chained: u64,
}

/// Reads every line of every segment.
pub(crate) fn edits(storage: &dyn Storage, files: &Files) -> Result<Edits, Failure> {
    let mut reader: Option<Reader> = None;
    for segment in segments(storage, files)? {
        let mut lines = Raw::open(storage, &segment)?;
        let (header, is_edited) = header(&mut lines)?;
        let reader = match &mut reader {
            Some(reader) => {
                reader.goes_on(&lines, &header)?;
                reader
            }
            none => none.insert(Reader::new(&header)),
        };
        reader.segment(lines, &header, is_edited)?;
    }
    let dir = || files.dir().to_path_buf();
    reader.map(|reader| reader.edits).ok_or_else(|| Refusal::NothingSound { dir: dir() }.into())
}

const NO_RECORD: &str = "the line is no whole record with the next number";
const NO_HEADER: &str = "the first line is no header of this segment";
const NO_NEWLINE: &str = "no newline ends the line";
const BLANK: &str = "a blank line stands between others";
const BEHIND_END: &str = "there is more behind the end of a sealed segment";
const OTHER: &str = "the segment does not continue the one before it";

/// A segment, line by line.
struct Raw {
    path: PathBuf,
    /// By the name of the file.
    first: Option<u64>,
    bytes: Bytes,
}

impl Raw {
    fn open(storage: &dyn Storage, segment: &Segment) -> Result<Raw, Failure> {
        let path = segment.path.clone();
        let bytes = Bytes::open(storage, &path);
        let bytes = bytes.map_err(|source| Failure::unread(&path, source))?;
        Ok(Raw { path, first: segment.first, bytes })
    }

    /// The line at the place, without its newline; `None` where only fill is left.
    fn next(&mut self, seq: u64) -> Result<Option<&[u8]>, Failure> {
        let path = self.path.clone();
        let unread = |source| Failure::unread(&path, source);
        let length = self.bytes.whole_line().map_err(unread)?;
        if matches!(length, None | Some(0)) {
            if self.bytes.is_gone_to_the_end().map_err(unread)? {
                return Ok(None);
            }
            let what = if length.is_none() { NO_NEWLINE } else { BLANK };
            return Err(self.refused(seq, what));
        }
        Ok(length.map(|length| &self.bytes.ahead()[..length]))
    }

    fn refused(&self, seq: u64, what: &'static str) -> Failure {
        let (file, line, byte) = (self.path.clone(), self.bytes.line, self.bytes.position);
        Refusal::NoRecord { file, line, byte, seq, what }.into()
    }
}

/// The header with which the segment begins, and whether it was edited.
fn header(lines: &mut Raw) -> Result<(Header, bool), Failure> {
    let (seq, path) = (lines.first.unwrap_or(1), lines.path.clone());
    let no_header = |lines: &Raw| lines.refused(seq, NO_HEADER);
    let Some(line) = lines.next(seq)? else { return Err(no_header(lines)) };
    if let Ok(header) = Header::parse(line, &path) {
        return Ok((header, false));
    }
    match Header::unproven(line) {
        Some(header) if lines.first.is_none_or(|first| first == header.first) => Ok((header, true)),
        Some(_) | None => Err(no_header(lines)),
    }
}

struct Reader {
    edits: Edits,
    /// The end of what was read, as it becomes.
    reached: Option<Reached>,
    /// The checksums that the next line may cover, as the lines are now.
    before: Vec<Chain>,
    /// The same for the next header.
    record_before: Vec<Chain>,
    familiar: Familiar,
}

impl Reader {
    fn new(header: &Header) -> Reader {
        let (journal, previous) = (header.journal.clone(), header.previous);
        let (segments, edits) = (Vec::new(), Vec::new());
        Reader {
            edits: Edits { journal, previous, segments, edits, chained: 0 },
            reached: None,
            before: Vec::new(),
            record_before: Vec::new(),
            familiar: Familiar::default(),
        }
    }

    /// Refuses a segment that is not the next one of this journal.
    fn goes_on(&self, lines: &Raw, header: &Header) -> Result<(), Failure> {
        let next = self.reached.map_or(1, |reached| reached.seq() + 1);
        let is_known = self.record_before.is_empty() // nothing is known behind a lost checksum
            || self.record_before.contains(&header.previous);
        match header.first == next && header.journal == self.edits.journal && is_known {
            true => Ok(()),
            false => Err(lines.refused(next, OTHER)),
        }
    }

    fn segment(&mut self, mut lines: Raw, header: &Header, is_edited: bool) -> Result<(), Failure> {
        let length = lines.next(header.first)?.map_or(0, <[u8]>::len);
        let line = &lines.bytes.ahead()[..length];
        let previous = self.reached.map_or(header.previous, |reached| reached.last_record());
        let mut new = Header { previous, ..header.clone() };
        let (becomes, chain) = new.line();
        new.chain = chain;
        self.before = stated_checksum(line).into_iter().chain([header.chain]).collect();
        self.before.dedup();
        let (was, at) = (text(line), (lines.path.as_path(), 1));
        if is_edited {
            self.edited(at, header.first, was, text(becomes.trim_ascii_end()));
        } else if was.as_bytes() != becomes.trim_ascii_end() {
            self.edits.chained += 1;
        }
        self.record_before = vec![header.previous];
        let mut reached = Reached::header(&new);
        lines.bytes.pass_line(length + 1);
        let start = lines.bytes.position;
        let instead = self.records(&mut lines, &mut reached)?;
        let data = start..lines.bytes.position;
        let lines = Lines { from: lines.path, bytes: Vec::from([data]), instead };
        self.edits.segments.push(NewSegment::of(&new, Some(lines)));
        self.reached = Some(reached);
        Ok(())
    }

    /// Reads the lines behind the header, and says which are to be others.
    fn records(
        &mut self,
        lines: &mut Raw,
        reached: &mut Reached,
    ) -> Result<BTreeMap<u64, Vec<u8>>, Failure> {
        let (mut instead, mut is_sealed) = (BTreeMap::new(), false);
        loop {
            let seq = reached.seq() + 1;
            let Some(line) = lines.next(seq)? else { return Ok(instead) };
            let length = line.len();
            if is_sealed {
                return Err(lines.refused(seq, BEHIND_END));
            }
            if Form::of(line) == Form::Control {
                is_sealed = line.starts_with(br#"{"end":"#);
                let kind = if is_sealed { Control::End } else { Control::Mark };
                if line != kind.line(reached.seq(), reached.chain()).trim_ascii_end() {
                    self.edits.chained += 1;
                }
            } else {
                let Some(new) = str::from_utf8(line).ok().and_then(canonical) else {
                    return Err(lines.refused(seq, NO_RECORD));
                };
                let mut becomes = Vec::new();
                let chain = reached.chain().continued(new.as_bytes(), &mut becomes);
                let becomes = String::from_utf8(becomes).unwrap_or_default();
                let record = Record::next(&becomes, reached, &mut self.familiar);
                if !record.is_some_and(|record| record.members().all(|member| member.is_some())) {
                    return Err(lines.refused(seq, NO_RECORD));
                }
                let is_as_written = covered(line) == Some(new.as_bytes())
                    && self.before.iter().any(|before| before.is_continued_by(line));
                let line = &lines.bytes.ahead()[..length];
                if !is_as_written {
                    let at = (lines.path.as_path(), lines.bytes.line);
                    self.edited(at, seq, text(line), becomes.trim_end().to_string());
                    instead.insert(lines.bytes.position, new.into_bytes());
                } else if stated_checksum(line) != Some(chain) {
                    self.edits.chained += 1;
                }
                self.passed(line);
            }
            lines.bytes.pass_line(length + 1);
        }
    }

    /// The record, as it stands there, is what the next line may cover.
    fn passed(&mut self, line: &[u8]) {
        // Whoever changed the ends of lines left the checksums.
        let line = line.trim_ascii_end();
        let stated = stated_checksum(line);
        let covered = covered(line).unwrap_or(line);
        let should_be = self.before.iter().map(|before| before.continued(covered, &mut Vec::new()));
        self.before = stated.into_iter().chain(should_be).collect();
        self.before.dedup();
        self.before.truncate(CANDIDATES_MAX);
        self.record_before = if stated.is_some() { self.before.clone() } else { Vec::new() };
    }

    fn edited(&mut self, (file, line): (&Path, u64), seq: u64, was: String, becomes: String) {
        let file = file.to_path_buf();
        self.edits.edits.push(Edit { file, line, seq, was, becomes });
    }
}

/// So many checksums are tried for the line before.
const CANDIDATES_MAX: usize = 3;

fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line).into_owned()
}
