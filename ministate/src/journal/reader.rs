//! Reads one segment line by line, each verified, and finds where its sound part ends.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::continuity::Continuity;
use super::header::{Header, SIGNATURE};
use super::lines::Lines;
use super::tail::{self, Verdict};
use crate::error::{MiniStateError, Position};
use crate::record::{self, Chain, Record, Seq};
use crate::storage::Storage;

/// Receives each record in order, with its place in the file.
pub(crate) type Visit<'a> =
    dyn FnMut(&Record<'_>, &Position) -> Result<ControlFlow<()>, MiniStateError> + 'a;

/// A segment whose header was read.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    pub(crate) header: Header,
    /// The header's checksum.
    chain: Chain,
    lines: Lines,
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
        let line = match lines.peek()? {
            Some(line) => &lines.buffer[line],
            None => &lines.buffer[..],
        };
        let (header, chain) = Header::parse(line, path)?;
        lines.advance();
        Ok(Segment { path: path.to_path_buf(), header, chain, lines })
    }

    pub(crate) fn file_bytes(&self) -> u64 {
        self.lines.file_bytes
    }

    /// Reads the records, which must continue `after`, and leaves there what the last one is.
    pub(crate) fn read(
        mut self,
        after: &mut Continuity,
        successor: Option<Seq>,
        visit: &mut Visit<'_>,
    ) -> Result<SegmentEnd, MiniStateError> {
        self.check_place(after)?;
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
        while let Some(range) = self.lines.peek()? {
            let line = &self.lines.buffer[range];
            if let Some(record) = continue_with(line, after) {
                end.unmarked = true;
                if visit(&record, &self.lines.position)?.is_break() {
                    end.stopped = true;
                    return Ok(end);
                }
            } else if is_line(line, &record::mark(after.seq, after.chain)) {
                end.mark = Some(self.lines.position.byte);
                end.unmarked = false;
            } else if is_line(line, &record::end(after.seq, after.chain)) {
                end.sealed = true;
                self.lines.advance();
                break;
            } else {
                break;
            }
            self.lines.advance();
        }
        end.data_bytes = self.lines.position.byte;
        end.torn = self.judge_tail(&end, after, successor)?;
        Ok(end)
    }

    fn check_place(&self, after: &Continuity) -> Result<(), MiniStateError> {
        if self.header.first == after.seq + 1 && self.header.previous() == after.record {
            return Ok(());
        }
        Err(MiniStateError::Corrupt {
            at: Position { file: self.path.clone(), line: 1, byte: 0 },
            seq: after.seq + 1,
            what: "the segment does not continue the one before it",
        })
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

/// The line as the record that continues `after`, which it then does.
fn continue_with<'a>(line: &'a [u8], after: &mut Continuity) -> Option<Record<'a>> {
    let record = record::parse_record(line, after.chain)?;
    let chain = record.chain;
    let head = &record.head;
    let last = after.seq.checked_add(head.contents.mutations())?;
    if head.seq != after.seq + 1 || ![0, after.next_place()].contains(&head.place) {
        return None;
    }
    *after = Continuity { seq: last, batch: head.batch(), chain, record: chain };
    Some(record)
}

fn is_line(line: &[u8], expected: &[u8]) -> bool {
    expected.strip_suffix(b"\n") == Some(line)
}
