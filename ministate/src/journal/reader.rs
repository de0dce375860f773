//! Reads one segment line by line, each verified, and finds where its sound part ends.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::Start;
use super::continuity::Continuity;
use super::header::{self, Header, SIGNATURE};
use super::lines::{Lines, Place};
use super::tail::{self, Verdict};
use crate::error::{MiniStateError, Position};
use crate::planted::{Bug, planted};
use crate::record::{self, Chain, Familiar, Record, Seq};
use crate::storage::Storage;
#[cfg(feature = "inspect")]
use crate::storage::StorageFile;

/// Receives each record in order, with its place in the file.
pub(crate) type Visit<'a> =
    dyn FnMut(&Record<'_>, &Position) -> Result<ControlFlow<()>, MiniStateError> + 'a;

/// A segment whose header was read.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    pub(crate) header: Header,
    /// The header's checksum.
    pub(super) chain: Chain,
    /// Behind the header, until records are read.
    pub(super) lines: Lines,
}

/// Where the sound part of a segment ends, and what follows.
#[derive(Debug)]
pub(crate) struct SegmentEnd {
    /// The first byte behind the last sound line.
    pub(crate) data_bytes: u64,
    /// The length of the file.
    pub(crate) file_bytes: u64,
    /// The first byte of the last mark.
    pub(crate) mark: Option<u64>,
    /// Records stand behind the last mark.
    pub(crate) unmarked: bool,
    /// The last line is an end line.
    pub(crate) sealed: bool,
    /// Leftovers of a batch that was never acknowledged.
    pub(crate) torn: Option<Vec<u8>>,
    /// The reader of the records asked for no more.
    pub(crate) stopped: bool,
}

impl Segment {
    pub(crate) fn open(storage: &dyn Storage, path: &Path) -> Result<Segment, MiniStateError> {
        let mut lines = Lines::open(storage, path)?;
        // Before looking for the end of a line that may be long.
        lines.read_chunk()?;
        if !lines.buffer.starts_with(SIGNATURE) {
            return Err(MiniStateError::Foreign { path: path.to_path_buf() });
        }
        let (header, chain) = match lines.peek()? {
            Some(line) => Header::parse(&lines.buffer[line], path)?,
            // A newer format may have another end of a line.
            None => {
                Header::parse(&lines.buffer[..], path).and_then(|_| Err(header::unsound(path)))?
            }
        };
        lines.advance();
        Ok(Segment { path: path.to_path_buf(), header, chain, lines })
    }

    /// Opens a segment of this journal; `None` where there is no file of this name.
    pub(crate) fn open_if_there(
        storage: &dyn Storage,
        path: &Path,
    ) -> Result<Option<Segment>, MiniStateError> {
        match Segment::open(storage, path) {
            Err(error) if error.is_of_missing_file() => Ok(None),
            opened => opened.map(Some),
        }
    }

    pub(crate) fn file_bytes(&self) -> u64 {
        self.lines.file_bytes
    }

    /// The open file, whatever name it bears by now.
    #[cfg(feature = "inspect")]
    pub(crate) fn file(&self) -> &dyn StorageFile {
        self.lines.file()
    }

    /// Reads the records, which must continue `after`, and leaves there what the last one is.
    pub(crate) fn read(
        mut self,
        after: &mut Continuity,
        successor: Option<Seq>,
        visit: &mut Visit<'_>,
    ) -> Result<SegmentEnd, MiniStateError> {
        check_place(&start_of(&self), after)?;
        *after = Continuity { batch: None, chain: self.chain, ..*after };
        let mut end = SegmentEnd {
            data_bytes: 0,
            file_bytes: self.lines.file_bytes,
            mark: None,
            unmarked: false,
            sealed: false,
            torn: None,
            stopped: false,
        };
        loop {
            let (text, mut place) = self.lines.text();
            if read_lines(text, &mut place, after, &mut end, visit)?.is_break() {
                end.stopped = true;
                return Ok(end);
            }
            if end.sealed || !self.lines.read_line()? {
                break;
            }
        }
        end.data_bytes = self.lines.position.byte;
        end.torn = self.judge_tail(&end, after, successor)?;
        Ok(end)
    }

    fn judge_tail(
        &mut self,
        end: &SegmentEnd,
        after: &Continuity,
        successor: Option<Seq>,
    ) -> Result<Option<Vec<u8>>, MiniStateError> {
        let at = self.lines.position.clone();
        let mut tail = self.lines.rest()?;
        let verdict = match tail::judge(&tail, at.byte, after, successor) {
            Verdict::Clean => Verdict::Clean,
            Verdict::Torn | Verdict::Damaged(_) if end.sealed => {
                Verdict::Damaged("there is more behind the end of a sealed segment")
            }
            verdict => verdict,
        };
        match verdict {
            Verdict::Damaged(_) if planted(Bug::TailNeverClassified) && !end.sealed => {
                Ok(Some(tail))
            }
            Verdict::Clean => Ok(None),
            Verdict::Torn => {
                let kept = tail.iter().rposition(|byte| !matches!(byte, 0 | b'\n'));
                tail.truncate(kept.map_or(0, |last| last + 1));
                Ok(Some(tail))
            }
            Verdict::Damaged(what) => Err(MiniStateError::Corrupt { at, seq: after.seq + 1, what }),
        }
    }
}

/// The point of the history that the segment says it begins behind.
pub(super) fn start_of(Segment { path, header, .. }: &Segment) -> Start {
    Start { seq: header.first - 1, record: header.previous(), path: path.clone() }
}

/// Refuses a segment that begins elsewhere than behind `after`.
pub(super) fn check_place(start: &Start, after: &Continuity) -> Result<(), MiniStateError> {
    if start.seq == after.seq && start.record == after.record {
        return Ok(());
    }
    Err(MiniStateError::Corrupt {
        at: Position { file: start.path.clone(), line: 1, byte: 0 },
        seq: after.seq + 1,
        what: "the segment does not continue the one before it",
    })
}

/// Reads lines up to the end of the segment, or to one that is not there as a whole or not sound.
fn read_lines(
    mut text: &str,
    place: &mut Place<'_>,
    after: &mut Continuity,
    end: &mut SegmentEnd,
    visit: &mut Visit<'_>,
) -> Result<ControlFlow<()>, MiniStateError> {
    let mut familiar = Familiar::default();
    while !end.sealed {
        let bytes = if let Some(record) = continue_with(text, after, &mut familiar) {
            end.unmarked = true;
            if visit(&record, place.position)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            record.bytes + 1
        } else if let Some(bytes) = begins_with(text, &record::mark(after.seq, after.chain)) {
            end.mark = Some(place.position.byte);
            end.unmarked = false;
            bytes
        } else if let Some(bytes) = begins_with(text, &record::end(after.seq, after.chain)) {
            end.sealed = true;
            bytes
        } else {
            break;
        };
        text = &text[bytes..];
        place.advance(bytes);
    }
    Ok(ControlFlow::Continue(()))
}

pub(crate) fn begins_with(text: &str, line: &[u8]) -> Option<usize> {
    text.as_bytes().starts_with(line).then_some(line.len())
}

/// The line with which the text begins as the record that continues `after`, which it then does.
pub(crate) fn continue_with<'a>(
    text: &'a str,
    after: &mut Continuity,
    familiar: &mut Familiar,
) -> Option<Record<'a>> {
    let record = record::parse_record(text, after.chain, familiar)?;
    if text.as_bytes().get(record.bytes) != Some(&b'\n') {
        return None;
    }
    let chain = record.chain;
    let head = &record.head;
    let last = after.seq.checked_add(head.contents.mutations()).filter(|last| *last < Seq::MAX)?;
    if head.seq != after.seq + 1 || ![0, after.next_place()].contains(&head.place) {
        return None;
    }
    *after = Continuity { seq: last, batch: head.batch(), chain, record: chain };
    Some(record)
}
