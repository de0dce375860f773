//! How is a file read a piece at a time?

use std::io;
use std::path::Path;

use ministate::storage::{Access, Storage, StorageFile};

/// How much is read at a time.
const PIECE_BYTES: usize = 256 * 1024;

/// A line with more bytes is not held in memory, and is damaged.
const LINE_BYTES_MAX: usize = 1 << 30;

/// The bytes of a file, from a place on that moves ahead line by line.
#[derive(Debug)]
pub(crate) struct Bytes {
    file: Box<dyn StorageFile>,
    /// The length of the file when it was opened.
    pub(crate) length: u64,
    /// The place, in the file.
    pub(crate) position: u64,
    /// The number of the line there.
    pub(crate) line: u64,
    buffer: Vec<u8>,
    /// The place, in the buffer.
    start: usize,
}

impl Bytes {
    pub(crate) fn open(storage: &dyn Storage, path: &Path) -> io::Result<Bytes> {
        let file = storage.open(path, Access::Read)?;
        let length = file.len()?;
        Ok(Bytes { file, length, position: 0, line: 1, buffer: Vec::new(), start: 0 })
    }

    /// What is in memory from the place on.
    pub(crate) fn ahead(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// As much of it as is text.
    pub(crate) fn text(&self) -> &str {
        let ahead = self.ahead();
        str::from_utf8(ahead)
            .unwrap_or_else(|error| str::from_utf8(&ahead[..error.valid_up_to()]).unwrap_or(""))
    }

    /// Reads another piece; false where nothing is left.
    pub(crate) fn more(&mut self) -> io::Result<bool> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let known = self.buffer.len();
        let from = self.position + known as u64;
        let want = (self.length.saturating_sub(from)).min(PIECE_BYTES as u64) as usize;
        self.buffer.resize(known + want, 0);
        let mut read = 0;
        while read < want {
            match self.file.read_at(&mut self.buffer[known + read..], from + read as u64)? {
                // A writer cuts the fill when it seals a segment.
                0 => break,
                bytes => read += bytes,
            }
        }
        self.buffer.truncate(known + read);
        if read < want {
            self.length = from + read as u64;
        }
        Ok(read > 0)
    }

    /// Reads until the line at the place is there as a whole. The length without its newline; `None`
    /// where no newline ends it.
    pub(crate) fn whole_line(&mut self) -> io::Result<Option<usize>> {
        let mut searched = 0;
        loop {
            let found = self.ahead()[searched..].iter().position(|byte| *byte == b'\n');
            if let Some(found) = found {
                return Ok(Some(searched + found));
            }
            searched = self.ahead().len();
            if searched >= LINE_BYTES_MAX || !self.more()? {
                return Ok(None);
            }
        }
    }

    /// Moves to the beginning of a line.
    pub(crate) fn move_to(&mut self, position: u64, line: u64) {
        self.buffer.clear();
        self.start = 0;
        (self.position, self.line) = (position, line);
    }

    /// Moves behind a line of so many bytes, newline included.
    pub(crate) fn pass_line(&mut self, bytes: usize) {
        self.pass(bytes);
        self.line += 1;
    }

    /// Moves so many bytes ahead, of which none is a newline.
    pub(crate) fn pass(&mut self, bytes: usize) {
        self.start += bytes;
        self.position += bytes as u64;
    }

    /// Whether all from the place on is what a power cut leaves of bytes that were not synced.
    pub(crate) fn is_gone_to_the_end(&mut self) -> io::Result<bool> {
        let mut looked = 0;
        loop {
            if self.ahead()[looked..].iter().any(|byte| !matches!(byte, 0 | b'\n')) {
                return Ok(false);
            }
            looked = self.ahead().len();
            if looked >= 2 * PIECE_BYTES {
                return self.is_gone_behind(looked);
            }
            if !self.more()? {
                return Ok(true);
            }
        }
    }

    /// The same for bytes that need not stay in memory.
    fn is_gone_behind(&self, looked: usize) -> io::Result<bool> {
        let mut piece = vec![0; PIECE_BYTES];
        let mut from = self.position + looked as u64;
        while from < self.length {
            let read = self.file.read_at(&mut piece, from)?;
            if piece[..read].iter().any(|byte| !matches!(byte, 0 | b'\n')) {
                return Ok(false);
            }
            if read == 0 {
                break;
            }
            from += read as u64;
        }
        Ok(true)
    }

    /// All from the place on, or as much of it as there is below a limit.
    pub(crate) fn rest(&mut self, limit: usize) -> io::Result<&[u8]> {
        while self.ahead().len() < limit && self.more()? {}
        Ok(self.ahead())
    }
}
