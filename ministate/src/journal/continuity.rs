//! What the next line of a journal has to continue.

use crate::record::{Chain, Seq};

/// The end of a history: the last mutation, and what ties the next record to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Continuity {
    /// The last mutation; 0 where there is none.
    pub(crate) seq: Seq,
    /// The first mutation of the last record's batch. A segment begins with a new batch.
    pub(crate) batch: Option<Seq>,
    /// The last record's checksum; before the first of a segment, its header's.
    pub(crate) chain: Chain,
    /// The last record's checksum.
    pub(crate) record: Chain,
}

impl Continuity {
    pub(crate) const START: Continuity =
        Continuity { seq: 0, batch: None, chain: Chain::START, record: Chain::START };

    /// The place in its batch that the next record has if it belongs to the batch of the last one.
    pub(crate) fn next_place(&self) -> u64 {
        self.batch.map_or(0, |batch| self.seq + 1 - batch)
    }
}
