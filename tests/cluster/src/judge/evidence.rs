//! What did the processes write down? Sorted by what it is about.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Counts, Wrong};
use crate::history::{Event, Line};
use crate::state::{Answer, Change, Seen};

/// What was written down, sorted. Times are those of the lines.
#[derive(Default)]
pub(super) struct Evidence<'a> {
    pub(super) asked: BTreeMap<u64, (u64, &'a Change)>,
    /// When, the sequence number, and the answer.
    pub(super) changed: BTreeMap<u64, (u64, u64, Answer)>,
    pub(super) asked_to_read: BTreeMap<u64, (u64, u8)>,
    pub(super) read: BTreeMap<u64, (u64, &'a Seen)>,
    pub(super) refused: BTreeSet<u64>,
    /// The process, the sequence number, and the digest.
    pub(super) sampled: Vec<(usize, u64, u64)>,
    /// The process, what was applied, and the digest.
    pub(super) finals: Vec<(usize, &'a [u64], u64)>,
    snapshots: BTreeSet<u64>,
    left: BTreeSet<u64>,
    given: usize,
    trimmed: usize,
    lagged: usize,
    /// What needs no more than one process to be seen.
    pub(super) wrongs: Vec<Wrong>,
}

impl<'a> Evidence<'a> {
    pub(super) fn of(processes: &'a [Vec<Line>]) -> Evidence<'a> {
        let mut evidence = Evidence::default();
        for (process, lines) in processes.iter().enumerate() {
            let mut reached = 0;
            for Line { at, event } in lines {
                if let Event::Sampled { seq, .. } = event {
                    if *seq < reached {
                        evidence.wrongs.push(Wrong::WentBack { process, seq: *seq });
                    }
                    reached = *seq;
                }
                evidence.take(process, *at, event);
            }
        }
        evidence
    }

    fn take(&mut self, process: usize, at: u64, event: &'a Event) {
        match event {
            Event::Asked(change) => {
                self.asked.insert(change.id, (at, change));
            }
            Event::Changed { id, seq, answer } => {
                self.changed.insert(*id, (at, *seq, *answer));
            }
            Event::AskedToRead { id, key } => {
                self.asked_to_read.insert(*id, (at, *key));
            }
            Event::Read { id, seen } => {
                self.read.insert(*id, (at, seen));
            }
            Event::Refused { id, .. } => {
                self.refused.insert(*id);
            }
            Event::Sampled { seq, digest } => self.sampled.push((process, *seq, *digest)),
            Event::Snapshot(seq) => {
                self.snapshots.insert(*seq);
            }
            Event::Final { applied, digest } => self.finals.push((process, applied, *digest)),
            Event::Broken(what) => {
                self.wrongs.push(Wrong::Broken { process, what: what.clone() });
            }
            Event::Left { id } => {
                self.left.insert(*id);
            }
            Event::Given { .. } => self.given += 1,
            Event::Trimmed { .. } => self.trimmed += 1,
            Event::Lagged(_) => self.lagged += 1,
            // What became of those is open.
            Event::Unknown { .. } | Event::Opened { .. } | Event::Quiet | Event::Subscribed(_) => {}
        }
    }

    /// The changes, in their order.
    pub(super) fn applied(&self) -> &'a [u64] {
        self.finals.first().map_or(&[], |(_, applied, _)| applied)
    }

    pub(super) fn counts(&self) -> Counts {
        let mut acknowledged: Vec<_> = self.changed.values().map(|(at, ..)| *at).collect();
        acknowledged.sort_unstable();
        let gaps = acknowledged.windows(2).map(|pair| pair[1] - pair[0]);
        let is_change = |id: &&u64| self.asked.contains_key(id);
        let refused = self.refused.iter().filter(is_change).count();
        let left = self.left.iter().filter(is_change).count();
        Counts {
            acknowledged: self.changed.len(),
            reads: self.read.len(),
            unknown: self.asked.len() - self.changed.len() - refused - left,
            left: self.left.len(),
            refused,
            samples: self.sampled.len(),
            given: self.given,
            trimmed: self.trimmed,
            lagged: self.lagged,
            snapshots: self.snapshots.len(),
            stall: Duration::from_nanos(gaps.max().unwrap_or(0)),
        }
    }
}
