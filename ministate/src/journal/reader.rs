//! Reads one segment line by line, each verified, and finds where its sound part ends.

use std::io;
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};

use super::continuity::Continuity;
use super::header::{Header, SIGNATURE};
use super::tail::{self, Verdict};
use crate::error::{MiniStateError, Position};
use crate::record::{self, Chain, Record, Seq};
use crate::storage::{self, Access, Storage, StorageFile};

/// How much is read at a time.
const CHUNK_BYTES: usize = 256 * 1024;

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

/// The lines of a file, a chunk in memory at a time.
#[derive(Debug)]
struct Lines {
    file: Box<dyn StorageFile>,
    file_bytes: u64,
    /// The current line.
    position: Position,
    /// What was read from the file and not yet left behind, and where in it the current line is.
    buffer: Vec<u8>,
    start: usize,
    current: Option<usize>,
}

impl Lines {
    fn open(storage: &dyn Storage, path: &Path) -> Result<Lines, MiniStateError> {
        let file = storage.open(path, Access::Read).map_err(MiniStateError::io("opening", path))?;
        let file_bytes = file.len().map_err(MiniStateError::io("reading", path))?;
        let position = Position { file: path.to_path_buf(), line: 1, byte: 0 };
        Ok(Lines { file, file_bytes, position, buffer: Vec::new(), start: 0, current: None })
    }

    /// Where the current line is in the buffer; `None` where no newline ends it.
    fn peek(&mut self) -> Result<Option<Range<usize>>, MiniStateError> {
        let mut searched = self.start;
        loop {
            if let Some(found) = memchr::memchr(b'\n', &self.buffer[searched..]) {
                let end = searched + found;
                self.current = Some(end);
                return Ok(Some(self.start..end));
            }
            searched = self.buffer.len() - self.start;
            self.buffer.drain(..self.start);
            self.start = 0;
            if !self.read_chunk()? {
                return Ok(None);
            }
        }
    }

    /// Goes on to the next line; the current one has been peeked at.
    fn advance(&mut self) {
        if let Some(end) = self.current.take() {
            self.position.byte += (end + 1 - self.start) as u64;
            self.position.line += 1;
            self.start = end + 1;
        }
    }

    /// All from the current line on.
    fn rest(&mut self) -> Result<Vec<u8>, MiniStateError> {
        while self.read_chunk()? {}
        Ok(self.buffer[self.start..].to_vec())
    }

    fn read_chunk(&mut self) -> Result<bool, MiniStateError> {
        let from = self.position.byte + (self.buffer.len() - self.start) as u64;
        let to = self.file_bytes.min(from + CHUNK_BYTES as u64);
        let before = self.buffer.len();
        storage::read_range(&*self.file, from, to, &mut self.buffer)
            .or_else(|error| self.accept_a_shorter_file(error))
            .map_err(MiniStateError::io("reading", &self.position.file))?;
        Ok(self.buffer.len() > before)
    }

    /// The writer of a live segment cuts its fill when it seals it: no data is behind that.
    fn accept_a_shorter_file(&mut self, error: io::Error) -> io::Result<()> {
        let bytes = self.file.len()?;
        if error.kind() != io::ErrorKind::UnexpectedEof || bytes >= self.file_bytes {
            return Err(error);
        }
        self.file_bytes = bytes;
        Ok(())
    }
}
