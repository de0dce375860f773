//! What is a new directory to hold? Only words: nothing is read or written here.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

use ministate::inspect::{Chain, Header};

/// A journal that is to be written.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The identity of the journal.
    journal: String,
    /// The checksum of the record before the first segment.
    previous: Chain,
    snapshots: BTreeMap<u64, PathBuf>,
    /// In the order of history; the last one is to be active.
    segments: Vec<NewSegment>,
}

/// A segment of it.
#[derive(Debug, Clone)]
pub(crate) struct NewSegment {
    pub(crate) first: u64,
    pub(crate) by: Option<String>,
    pub(crate) operations: BTreeMap<String, u32>,
    /// `None` for a segment without records.
    pub(crate) lines: Option<Lines>,
}

/// Lines that are there already, whatever their checksums are.
#[derive(Debug, Clone)]
pub(crate) struct Lines {
    pub(crate) from: PathBuf,
    /// Stretches of whole lines, in order.
    pub(crate) bytes: Vec<Range<u64>>,
    /// By the first byte of a line, what its checksum covers instead.
    pub(crate) instead: BTreeMap<u64, Vec<u8>>,
}

/// One file of it.
#[derive(Debug)]
pub(crate) enum Step {
    /// The file, byte for byte.
    Snapshot {
        seq: u64,
        from: PathBuf,
    },
    Segment {
        place: Place,
        segment: NewSegment,
    },
    /// How far all is synced: through the last mutation.
    Head,
}

/// What a segment is in the new directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Sealed,
    Active,
}

impl Plan {
    pub(crate) fn new(journal: &str, previous: Chain) -> Plan {
        let (snapshots, segments) = (BTreeMap::new(), Vec::new());
        Plan { journal: journal.to_string(), previous, snapshots, segments }
    }

    pub(crate) fn with_snapshots(mut self, snapshots: &BTreeMap<u64, PathBuf>) -> Plan {
        self.snapshots.clone_from(snapshots);
        self
    }

    pub(crate) fn with_segments(mut self, segments: Vec<NewSegment>) -> Plan {
        self.segments = segments;
        self
    }

    /// The checksum of the record before the first segment.
    pub(crate) fn previous(&self) -> Chain {
        self.previous
    }

    pub(crate) fn journal(&self) -> &str {
        &self.journal
    }

    /// The files in the order in which they are written.
    pub(crate) fn steps(self) -> Vec<Step> {
        let snapshots = self.snapshots.into_iter().map(|(seq, from)| Step::Snapshot { seq, from });
        let last = self.segments.len();
        let segments = (1..).zip(self.segments).map(|(number, segment)| {
            let place = if number == last { Place::Active } else { Place::Sealed };
            Step::Segment { place, segment }
        });
        snapshots.chain(segments).chain([Step::Head]).collect()
    }
}

impl NewSegment {
    /// A segment that was there before, with these lines.
    pub(crate) fn of(header: &Header, lines: Option<Lines>) -> NewSegment {
        let (by, operations) = (header.by.clone(), header.operations.clone());
        NewSegment { first: header.first, by, operations, lines }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(first: u64) -> NewSegment {
        NewSegment { first, by: None, operations: BTreeMap::new(), lines: None }
    }

    #[test]
    fn snapshots_come_first_then_the_segments_of_which_the_last_is_active_then_the_head() {
        let snapshots = BTreeMap::from([(7, PathBuf::from("b")), (0, PathBuf::from("a"))]);
        let plan = Plan::new("identity", Chain::START)
            .with_snapshots(&snapshots)
            .with_segments(vec![segment(1), segment(8), segment(9)]);
        let words: Vec<String> = plan
            .steps()
            .iter()
            .map(|step| match step {
                Step::Snapshot { seq, .. } => format!("snapshot {seq}"),
                Step::Segment { place, segment } => format!("{place:?} {}", segment.first),
                Step::Head => "head".to_string(),
            })
            .collect();
        assert_eq!(words, ["snapshot 0", "snapshot 7", "Sealed 1", "Sealed 8", "Active 9", "head"]);
    }
}
