//! A file line by line, a chunk in memory at a time.

use std::io;
use std::ops::Range;
use std::path::Path;

use crate::error::{MiniStateError, Position};
use crate::storage::{self, Access, Storage, StorageFile};

/// How much is read at a time.
const CHUNK_BYTES: usize = 256 * 1024;

/// How much at first where little is expected before the fill.
const FEW_BYTES: usize = 8 * 1024;

/// The lines of a file.
#[derive(Debug)]
pub(crate) struct Lines {
    file: Box<dyn StorageFile>,
    pub(crate) file_bytes: u64,
    /// The current line.
    pub(crate) position: Position,
    /// What was read from the file and not yet left behind, and where in it the current line is.
    pub(crate) buffer: Vec<u8>,
    start: usize,
    current: Option<usize>,
    /// How much is read next.
    chunk_bytes: usize,
}

/// Where the current line is.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    pub(crate) position: &'a mut Position,
    start: &'a mut usize,
}

impl Place<'_> {
    /// Goes on to the next line, so many bytes behind.
    pub(crate) fn advance(&mut self, bytes: usize) {
        self.position.byte += bytes as u64;
        self.position.line += 1;
        *self.start += bytes;
    }
}

impl Lines {
    pub(crate) fn open(storage: &dyn Storage, path: &Path) -> Result<Lines, MiniStateError> {
        let file = storage.open(path, Access::Read).map_err(MiniStateError::io("opening", path))?;
        let file_bytes = file.len().map_err(MiniStateError::io("reading", path))?;
        let position = Position { file: path.to_path_buf(), line: 1, byte: 0 };
        let (buffer, start, current, chunk_bytes) = (Vec::new(), 0, None, CHUNK_BYTES);
        Ok(Lines { file, file_bytes, position, buffer, start, current, chunk_bytes })
    }

    /// The same line of another file.
    pub(super) fn in_file(
        &self,
        storage: &dyn Storage,
        path: &Path,
    ) -> Result<Lines, MiniStateError> {
        let mut lines = Lines::open(storage, path)?;
        lines.position = Position { file: path.to_path_buf(), ..self.position };
        lines.chunk_bytes = FEW_BYTES;
        Ok(lines)
    }

    /// Forgets what was read from the current line on, and how long the file was. Little is expected
    /// there.
    pub(super) fn look_again(&mut self) -> Result<(), MiniStateError> {
        (self.buffer, self.start, self.current) = (Vec::new(), 0, None);
        self.chunk_bytes = FEW_BYTES;
        let bytes = self.file.len();
        self.file_bytes = bytes.map_err(MiniStateError::io("reading", &self.position.file))?;
        Ok(())
    }

    /// Whether no line begins where the current one is: the file ends there, or is filled.
    pub(super) fn is_at_gone(&self) -> Result<bool, MiniStateError> {
        let mut byte = [0];
        let read = self.file.read_at(&mut byte, self.position.byte);
        let read = read.map_err(MiniStateError::io("reading", &self.position.file))?;
        Ok(read == 0 || matches!(byte, [0 | b'\n']))
    }

    /// The bytes before a place in the file; `None` where it ends earlier.
    pub(super) fn bytes_before<const N: usize>(
        &self,
        end: u64,
    ) -> Result<Option<[u8; N]>, MiniStateError> {
        let Some(from) = end.checked_sub(N as u64) else { return Ok(None) };
        let mut bytes = Vec::with_capacity(N);
        match storage::read_range(&*self.file, from, end, &mut bytes) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            read => {
                read.map_err(MiniStateError::io("reading", &self.position.file))?;
                Ok(bytes.try_into().ok())
            }
        }
    }

    pub(super) fn file(&self) -> &dyn StorageFile {
        &*self.file
    }

    /// Where the current line is in the buffer; `None` where no newline ends it.
    pub(crate) fn peek(&mut self) -> Result<Option<Range<usize>>, MiniStateError> {
        self.current = None;
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
    pub(crate) fn advance(&mut self) {
        if let Some(end) = self.current.take() {
            let bytes = end + 1 - self.start;
            Place { position: &mut self.position, start: &mut self.start }.advance(bytes);
        }
    }

    /// Of what was read, the current line and those behind it, as far as it is text; and where the
    /// current line is.
    pub(crate) fn text(&mut self) -> (&str, Place<'_>) {
        let ahead = &self.buffer[self.start..];
        let text = str::from_utf8(ahead).unwrap_or_else(|error| {
            str::from_utf8(&ahead[..error.valid_up_to()]).expect("it is text up to there")
        });
        (text, Place { position: &mut self.position, start: &mut self.start })
    }

    /// Reads until the current line is there as a whole. False where nothing was left to be read.
    pub(crate) fn read_line(&mut self) -> Result<bool, MiniStateError> {
        let known = self.buffer.len() - self.start;
        self.peek()?;
        Ok(self.buffer.len() - self.start > known)
    }

    /// All from the current line on.
    pub(crate) fn rest(&mut self) -> Result<Vec<u8>, MiniStateError> {
        while self.read_chunk()? {}
        Ok(self.buffer[self.start..].to_vec())
    }

    pub(crate) fn read_chunk(&mut self) -> Result<bool, MiniStateError> {
        let from = self.position.byte + (self.buffer.len() - self.start) as u64;
        let to = self.file_bytes.min(from + self.chunk_bytes as u64);
        self.chunk_bytes = CHUNK_BYTES.min(self.chunk_bytes * 2);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that has changed, or begun to fail, since it was opened.
    #[derive(Debug)]
    struct Changed {
        bytes: Vec<u8>,
        failure: Option<io::ErrorKind>,
    }

    impl StorageFile for Changed {
        fn len(&self) -> io::Result<u64> {
            Ok(self.bytes.len() as u64)
        }

        fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
            if let Some(failure) = self.failure {
                return Err(failure.into());
            }
            let rest = &self.bytes[self.bytes.len().min(position as usize)..];
            let bytes = rest.len().min(buffer.len());
            buffer[..bytes].copy_from_slice(&rest[..bytes]);
            Ok(bytes)
        }

        fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
            unreachable!("lines are only read")
        }

        fn set_len(&self, _: u64) -> io::Result<()> {
            unreachable!("lines are only read")
        }

        fn sync(&self) -> io::Result<()> {
            unreachable!("lines are only read")
        }
    }

    /// The lines of a file that had so many bytes when it was opened.
    fn lines(file_bytes: u64, bytes: &[u8], failure: Option<io::ErrorKind>) -> Lines {
        let file = Box::new(Changed { bytes: bytes.to_vec(), failure });
        let position = Position { file: "lines".into(), line: 1, byte: 0 };
        let (buffer, start, current, chunk_bytes) = (Vec::new(), 0, None, CHUNK_BYTES);
        Lines { file, file_bytes, position, buffer, start, current, chunk_bytes }
    }

    #[test]
    fn the_rest_begins_with_the_current_line_and_goes_on_to_the_end_of_the_file() {
        let bytes = [b"first\n".as_slice(), &vec![b'x'; 3 * CHUNK_BYTES]].concat();
        let mut lines = lines(bytes.len() as u64, &bytes, None);
        assert!(lines.peek().is_ok_and(|line| line == Some(0..5)));
        lines.advance();
        assert!(lines.rest().is_ok_and(|rest| rest == bytes[6..]));
    }

    #[test]
    fn a_file_that_was_cut_ends_where_it_was_cut() {
        let mut lines = lines(100, b"first\nsec", None);
        assert!(lines.peek().is_ok_and(|line| line == Some(0..5)));
        lines.advance();
        assert!(lines.rest().is_ok_and(|rest| rest == b"sec"));
        assert_eq!(lines.file_bytes, 9);
    }

    #[test]
    fn a_file_that_cannot_be_read_has_not_ended() {
        for failure in [io::ErrorKind::Other, io::ErrorKind::UnexpectedEof] {
            let mut lines = lines(6, b"first\n", Some(failure));
            assert!(lines.peek().is_err(), "{failure}");
        }
    }

    #[test]
    fn a_file_that_was_cut_and_cannot_be_read_has_not_ended() {
        assert!(lines(100, b"first\n", Some(io::ErrorKind::Other)).peek().is_err());
    }
}
