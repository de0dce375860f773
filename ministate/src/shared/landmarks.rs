//! At which place does reading for a mutation begin? A few that were passed are remembered.

use std::collections::BTreeMap;

use super::journal::Place;
use crate::record::{Chain, Seq};

/// Places that a replica has passed, each with the last mutation that is not behind it.
#[derive(Debug)]
pub(super) struct Landmarks {
    passed: BTreeMap<Seq, (Place, Chain)>,
    /// At least so many mutations lie between two.
    distance: u64,
}

/// No more of them are remembered; where there would be, every second one is forgotten.
const COUNT_MAX: usize = 4096;

impl Landmarks {
    pub(super) fn new(seq: Seq, place: Place, chain: Chain) -> Landmarks {
        Landmarks { passed: BTreeMap::from([(seq, (place, chain))]), distance: 64 }
    }

    /// The replica is there now, where the last line has this checksum.
    pub(super) fn pass(&mut self, seq: Seq, place: Place, chain: Chain) {
        let last = self.passed.last_key_value().map_or(0, |(seq, _)| *seq);
        if seq < last.saturating_add(self.distance) {
            return;
        }
        self.passed.insert(seq, (place, chain));
        if self.passed.len() > COUNT_MAX {
            let mut is_kept = false;
            self.passed.retain(|_, _| {
                is_kept = !is_kept;
                is_kept
            });
            self.distance *= 2;
        }
    }

    /// A place that mutation `seq` is behind, and the checksum of the last line there.
    pub(super) fn before(&self, seq: Seq) -> (Place, Chain) {
        let passed = self.passed.range(..seq).next_back();
        passed.map_or((Place::START, Chain::START), |(_, landmark)| *landmark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_before_the_mutation_and_not_far_before() {
        let mut landmarks = Landmarks::new(10, Place::new(1), Chain::START);
        // Two mutations in each entry.
        for place in 2..100_000 {
            landmarks.pass(8 + 2 * place, Place::new(place), Chain::START);
        }
        assert_eq!(landmarks.before(10).0, Place::START);
        for seq in (11..200_000).step_by(97) {
            let place = landmarks.before(seq).0.number();
            assert!(8 + 2 * place < seq, "{seq} is not behind place {place}");
            assert!(seq - (8 + 2 * place) <= 256, "{seq} is far behind place {place}");
        }
        assert!(landmarks.passed.len() <= COUNT_MAX);
    }
}
