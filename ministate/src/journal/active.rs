//! The segment that is written to: its data, and the fill ahead of it.

use std::io;
use std::path::Path;

use crate::error::MiniStateError;
use crate::planted::{Bug, planted};
use crate::record::Seq;
use crate::storage::{Access, Storage, StorageFile};

/// The active segment is filled ahead with newlines, so that most syncs have no new length or block
/// to make durable: up to a multiple of what so many batches like the one at hand take.
const FILL_BATCHES: u64 = 64;

/// The least that is filled where segments are not small. They are filled by their own size.
const FILL_BYTES: u64 = 64 * 1024;

/// The most: it is written together with a batch, whose callers wait for it.
const FILL_BYTES_MAX: u64 = 1024 * 1024;

/// The least that is filled: a page, which systems write as a whole.
const FILL_BYTES_MIN: u64 = 4 * 1024;

/// The segment that is written to.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) file: Box<dyn StorageFile>,
    pub(super) first: Seq,
    /// The first byte behind the last line.
    pub(super) data_bytes: u64,
    /// The first byte behind the fill: the length of the file.
    pub(super) filled_bytes: u64,
    pub(super) fill: Fill,
    pub(super) unmarked: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fill {
    Ahead,
    /// The disk was too full for it.
    Off,
}

impl Active {
    pub(super) fn open(
        storage: &dyn Storage,
        path: &Path,
        first: Seq,
        data_bytes: u64,
    ) -> Result<Active, MiniStateError> {
        let file =
            storage.open(path, Access::Write).map_err(MiniStateError::io("opening", path))?;
        let filled_bytes = data_bytes;
        Ok(Active { file, first, data_bytes, filled_bytes, fill: Fill::Ahead, unmarked: false })
    }

    /// Writes the lines behind the data, and fill behind them where they pass the old one.
    pub(super) fn write(&mut self, lines: &mut Vec<u8>, fill_bytes: u64) -> io::Result<()> {
        let line_bytes = lines.len();
        let data_bytes = self.data_bytes + line_bytes as u64;
        let passes_fill = data_bytes > self.filled_bytes;
        if passes_fill && self.fill == Fill::Ahead {
            let filled_bytes = data_bytes.next_multiple_of(fill_bytes);
            lines.resize((filled_bytes - self.data_bytes) as usize, b'\n');
            match self.file.write_at(lines, self.data_bytes) {
                Err(error) if is_full(&error) => {
                    self.fill = Fill::Off;
                    lines.truncate(line_bytes);
                    self.file.set_len(self.data_bytes)?;
                    self.filled_bytes = self.data_bytes;
                }
                result => {
                    result?;
                    self.filled_bytes = filled_bytes;
                    self.data_bytes = data_bytes;
                    return Ok(());
                }
            }
        }
        self.file.write_at(lines, self.data_bytes)?;
        self.filled_bytes = self.filled_bytes.max(data_bytes);
        self.data_bytes = data_bytes;
        Ok(())
    }

    /// Makes what was written durable.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if planted(Bug::AcknowledgedBeforeSync) {
            return Ok(());
        }
        match self.file.sync() {
            Err(_) if planted(Bug::SyncRetried) => self.file.sync(),
            result => result,
        }
    }

    /// Makes everything behind the data unwritten.
    pub(super) fn undo(&mut self) -> io::Result<()> {
        if planted(Bug::WriteNotUndone) {
            return Ok(());
        }
        if planted(Bug::CutNotSynced) {
            return self.file.set_len(self.data_bytes);
        }
        self.cut_to_data()
    }

    /// Ends the file with the data, durably.
    pub(super) fn cut_to_data(&self) -> io::Result<()> {
        self.file.set_len(self.data_bytes)?;
        self.file.sync()
    }

    /// Writes the control line behind the data, cuts the fill behind it, and syncs.
    pub(super) fn cut_behind(&mut self, control: &[u8]) -> io::Result<()> {
        self.file.write_at(control, self.data_bytes)?;
        self.data_bytes += control.len() as u64;
        self.filled_bytes = self.data_bytes;
        self.cut_to_data()
    }
}

/// By which multiples a segment is filled, a power of two where segments are not small.
pub(super) fn fill_bytes(segment_bytes: u64, batch_bytes: usize) -> u64 {
    let batches = (FILL_BATCHES * batch_bytes as u64).next_power_of_two();
    let fill = batches.clamp(FILL_BYTES, FILL_BYTES_MAX);
    segment_bytes.clamp(FILL_BYTES_MIN, fill).next_multiple_of(FILL_BYTES_MIN)
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
