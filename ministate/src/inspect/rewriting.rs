//! What do the lines of a journal become that is written again with others in it?

use super::{Chain, Control, Header, Layout, Record};
use crate::error::MiniStateError;
use crate::journal::{self, SegmentHeader};
use crate::record;
use crate::storage::Storage;

/// What the checksum of a line covers: all before it. `None` where the line has none.
pub fn covered(line: &[u8]) -> Option<&[u8]> {
    record::split_suffix(line).map(|(covered, _)| covered)
}

impl Chain {
    /// Writes the line behind this one that begins with these bytes and ends with its checksum and
    /// a newline.
    pub fn continued(self, covered: &[u8], out: &mut Vec<u8>) -> Chain {
        let start = out.len();
        out.extend_from_slice(covered);
        Chain(record::push_suffix(out, start, self.0))
    }
}

impl Header {
    /// The header that the line, without its newline, says, whatever its checksum is.
    pub fn unproven(line: &[u8]) -> Option<Header> {
        let header = SegmentHeader::unproven(line)?;
        let (_, chain) = header.line();
        Some(Header::of(header, chain))
    }

    /// The line of these words with its newline, and its checksum, whatever [`Header::chain`] is.
    pub fn line(&self) -> (Vec<u8>, Chain) {
        let Header { journal, first, previous, by, operations, .. } = self.clone();
        let header = SegmentHeader::of_words((journal, first), previous.0, by, operations);
        let (line, chain) = header.line();
        (line, Chain(chain))
    }
}

impl Record<'_> {
    /// What the record's checksum covers once its mutation `seq` is not to be applied; `None` where
    /// the record does not hold it, or it is void already.
    pub fn voided(&self, seq: u64, reason: &str) -> Option<Vec<u8>> {
        self.record.voided(self.line, seq, reason)
    }
}

impl Control {
    /// The line of this kind, with its newline, behind the mutation `seq` and a line with this
    /// checksum.
    pub fn line(self, seq: u64, before: Chain) -> Vec<u8> {
        match self {
            Control::Mark => record::mark(seq, before.0),
            Control::End => record::end(seq, before.0),
        }
    }
}

impl Layout {
    /// Publishes that everything through `head` is synced.
    ///
    /// # Errors
    ///
    /// Where the file cannot be written.
    pub fn publish_head(
        &self,
        storage: &dyn Storage,
        journal: &str,
        head: u64,
    ) -> Result<(), MiniStateError> {
        journal::publish_head(storage, &self.0, journal, head)
    }

    /// The same names in another directory.
    #[must_use]
    pub fn in_dir(&self, dir: &std::path::Path) -> Layout {
        Layout(self.0.in_dir(dir))
    }
}
