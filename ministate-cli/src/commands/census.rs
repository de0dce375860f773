//! How often, when and how large is what a journal holds?

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use ministate::storage::Storage;

use super::printed::warn;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::reading::{
    Content, Damage, Files, Line, Mutation, Segment, mutations, segments, walked,
};

/// An operation and its version; `None` for a mutator written by hand.
pub(super) type Key = Option<(String, u32)>;

/// What there is of one operation in one version.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    pub(super) mutations: u64,
    /// Of the payloads.
    pub(super) bytes: u64,
    pub(super) reach: Option<Reach>,
}

/// The first and the last of some mutations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reach {
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) first_time: String,
    pub(super) last_time: String,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Census {
    pub(super) operations: BTreeMap<Key, Tally>,
    pub(super) all: Tally,
    pub(super) records: u64,
    /// Mutations that are not to be applied. They are of no operation: nobody has to know theirs.
    pub(super) voided: u64,
    /// Of the records' lines.
    pub(super) line_bytes: u64,
    /// How many records have fewer bytes than the power of two with this exponent, and not fewer
    /// than the one before.
    pub(super) sizes: BTreeMap<u32, u64>,
    /// How many mutations were written at times that begin so.
    pub(super) times: BTreeMap<String, u64>,
    /// How many bytes of a time are told apart.
    time_bytes: usize,
    /// What each segment's program says that it writes, in the order of history.
    pub(super) announced: Vec<BTreeMap<String, u32>>,
    pub(super) damages: Vec<Damage>,
}

/// `2026-11-22T12:00`, `2026-11-22T12`, `2026-11-22`, `2026-11`, `2026`.
const TIME_BYTES: [usize; 5] = [16, 13, 10, 7, 4];

/// So many times are told apart at most.
const TIMES_MAX: usize = 24;

/// Counts the mutations from the one to the other, and gives each to `visit`.
pub(super) fn counted(
    storage: &dyn Storage,
    files: &Files,
    (from, to): (u64, u64),
    visit: &mut dyn FnMut(&Mutation<'_>) -> Result<(), Failure>,
) -> Result<Census, Failure> {
    let total = segments(storage, files)?.iter().map(|segment| segment.bytes).sum();
    let progress = Progress::of_bytes(total);
    let mut census = Census { time_bytes: TIME_BYTES[0], ..Census::default() };
    let (mut done, mut at) = (0, 0);
    let mut visit_line = |segment: &Segment, line: &Line<'_>| {
        if line.byte < at {
            done += at;
        }
        at = line.byte;
        progress.reached(done + at, total);
        match &line.content {
            Content::Header(header) => census.announced.push(header.operations.clone()),
            Content::Damaged { what, seq } => {
                let damage = Damage::at(&segment.path, line.number, line.byte, *seq, what);
                warn(&damage);
                census.damages.push(damage);
            }
            Content::Record(_) | Content::Adrift(_) => {
                let mut is_counted = false;
                for mutation in mutations(&line.content) {
                    if mutation.seq > to {
                        return Ok(ControlFlow::Break(()));
                    }
                    if mutation.seq >= from {
                        is_counted = true;
                        census.count(&mutation);
                        visit(&mutation)?;
                    }
                }
                if is_counted {
                    census.count_line(line.bytes);
                }
            }
            Content::Mark(_) | Content::End(_) | Content::Fill | Content::Torn => {}
        }
        Ok(ControlFlow::Continue(()))
    };
    walked(storage, files, from, &mut visit_line)?;
    Ok(census)
}

impl Census {
    fn count(&mut self, mutation: &Mutation<'_>) {
        if mutation.void.is_some() {
            self.voided += 1;
        } else {
            let key = mutation.operation.map(|(name, version)| (name.to_string(), version));
            self.operations.entry(key).or_default().add(mutation);
        }
        self.all.add(mutation);
        let time = mutation.time.get(..self.time_bytes).unwrap_or(mutation.time);
        match self.times.get_mut(time) {
            Some(count) => *count += 1,
            None => drop(self.times.insert(time.to_string(), 1)),
        }
        while self.times.len() > TIMES_MAX && self.coarsened() {}
    }

    fn count_line(&mut self, bytes: u64) {
        self.records += 1;
        self.line_bytes += bytes;
        *self.sizes.entry(u64::BITS - bytes.leading_zeros()).or_default() += 1;
    }

    /// Tells fewer times apart; false where that cannot be.
    fn coarsened(&mut self) -> bool {
        let Some(bytes) = TIME_BYTES.iter().copied().find(|bytes| *bytes < self.time_bytes) else {
            return false;
        };
        self.time_bytes = bytes;
        for (time, count) in std::mem::take(&mut self.times) {
            let time = time.get(..bytes).unwrap_or(&time).to_string();
            *self.times.entry(time).or_default() += count;
        }
        true
    }
}

impl Tally {
    fn add(&mut self, mutation: &Mutation<'_>) {
        self.mutations += 1;
        self.bytes += mutation.payload.len() as u64;
        let (seq, time) = (mutation.seq, mutation.time);
        match &mut self.reach {
            Some(reach) => {
                reach.last = seq;
                reach.last_time.clear();
                reach.last_time.push_str(time);
            }
            None => {
                let (first_time, last_time) = (time.to_string(), time.to_string());
                self.reach = Some(Reach { first: seq, last: seq, first_time, last_time });
            }
        }
    }
}

/// The operation as people name it.
pub(super) fn name_of(key: &Key) -> String {
    match key {
        Some((name, version)) => format!("{name}@{version}"),
        None => "(without a name)".to_string(),
    }
}
