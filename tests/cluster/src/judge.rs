//! Did the replicas keep their promises? What they and their clients wrote down is held against them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use ministate::Operation as _;

use crate::history::{Event, Line};
use crate::linearizability::{
    self, Operation, Outcome, Register, RegisterAnswer, RegisterCall, Verdict,
};
use crate::replica::IDS;
use crate::state::{Answer, Call, Change, Registers};

/// What must not be.
#[expect(missing_docs, reason = "each says what its fields are")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// An acknowledged change is not where it was said to be in the final state of a process.
    Lost { id: u64, seq: u64, process: usize },
    /// A change was applied more than once.
    AppliedTwice { id: u64 },
    /// A change was applied that was said not to be.
    AppliedThoughRefused { id: u64 },
    /// A change was applied that nobody asked for.
    NeverAsked { id: u64 },
    /// A change was acknowledged with another answer than its place among the others gives.
    OtherAnswer { id: u64 },
    /// A process had another state after so many mutations than the others.
    Diverged { process: usize, seq: u64 },
    /// A process, in the end, had not the mutations that the first has.
    FinalStatesDiffer { process: usize },
    /// The state of a process went back.
    WentBack { process: usize, seq: u64 },
    /// Something happened in a process that must not.
    Broken { process: usize, what: String },
    /// No process told a final state.
    NoFinalState,
    /// The answers cannot have come from one process alone.
    NotLinearizable { why: String },
}

/// How much happened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Changes that were acknowledged.
    pub acknowledged: usize,
    /// Linearizable reads that were answered.
    pub reads: usize,
    /// Changes of which the client knew nothing, or that were killed with it.
    pub unknown: usize,
    /// Changes that were said not to be applied.
    pub refused: usize,
    /// Samples of states.
    pub samples: usize,
    /// Snapshots that were made.
    pub snapshots: usize,
    /// The longest time in which nothing was acknowledged, to anybody.
    pub stall: Duration,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { acknowledged, reads, unknown, refused, samples, snapshots, stall } = self;
        write!(
            f,
            "{acknowledged} acknowledged, {reads} reads, {unknown} unknown, {refused} refused, \
             {samples} samples, {snapshots} snapshots, longest stall {} ms",
            stall.as_millis()
        )
    }
}

/// Holds what the processes wrote down, each its own, against what must be.
///
/// # Errors
///
/// All that must not be.
pub fn judged(processes: &[Vec<Line>]) -> Result<Counts, Vec<Wrong>> {
    let evidence = Evidence::of(processes);
    let mut wrongs = evidence.wrongs.clone();
    wrongs.extend(evidence.wrong_finals());
    wrongs.extend(evidence.wrong_states());
    if wrongs.is_empty() {
        wrongs.extend(evidence.wrong_order());
    }
    if wrongs.is_empty() { Ok(evidence.counts()) } else { Err(wrongs) }
}

/// What was written down, sorted.
#[derive(Default)]
struct Evidence<'a> {
    asked: BTreeMap<u64, (u64, &'a Change)>,
    changed: BTreeMap<u64, (u64, u64, Answer)>,
    asked_to_read: BTreeMap<u64, (u64, u8)>,
    read: BTreeMap<u64, (u64, Option<i64>)>,
    refused: BTreeSet<u64>,
    sampled: Vec<(usize, u64, u64)>,
    finals: Vec<(usize, &'a [u64], u64)>,
    snapshots: BTreeSet<u64>,
    wrongs: Vec<Wrong>,
}

impl<'a> Evidence<'a> {
    fn of(processes: &'a [Vec<Line>]) -> Evidence<'a> {
        let mut evidence = Evidence::default();
        for (process, lines) in processes.iter().enumerate() {
            let mut reached = 0;
            for Line { at, event } in lines {
                match event {
                    Event::Asked(change) => {
                        evidence.asked.insert(change.id, (*at, change));
                    }
                    Event::Changed { id, seq, answer } => {
                        evidence.changed.insert(*id, (*at, *seq, *answer));
                    }
                    Event::AskedToRead { id, key } => {
                        evidence.asked_to_read.insert(*id, (*at, *key));
                    }
                    Event::Read { id, number } => {
                        evidence.read.insert(*id, (*at, *number));
                    }
                    Event::Refused { id, .. } => {
                        evidence.refused.insert(*id);
                    }
                    Event::Sampled { seq, digest } => {
                        if *seq < reached {
                            evidence.wrongs.push(Wrong::WentBack { process, seq: *seq });
                        }
                        reached = *seq;
                        evidence.sampled.push((process, *seq, *digest));
                    }
                    Event::Snapshot(seq) => {
                        evidence.snapshots.insert(*seq);
                    }
                    Event::Final { applied, digest } => {
                        evidence.finals.push((process, applied, *digest));
                    }
                    Event::Broken(what) => {
                        let what = what.clone();
                        evidence.wrongs.push(Wrong::Broken { process, what });
                    }
                    // What became of those is open.
                    Event::Unknown { .. } | Event::Opened(_) | Event::Quiet => {}
                }
            }
        }
        evidence
    }

    /// What the final states lack, or should.
    fn wrong_finals(&self) -> Vec<Wrong> {
        let mut wrongs = Vec::new();
        let Some((_, first, _)) = self.finals.first() else { return vec![Wrong::NoFinalState] };
        for (process, applied, _) in &self.finals {
            let process = *process;
            if applied != first {
                wrongs.push(Wrong::FinalStatesDiffer { process });
            }
            for (&id, &(_, seq, _)) in &self.changed {
                if nth(applied, seq) != Some(&id) {
                    wrongs.push(Wrong::Lost { id, seq, process });
                }
            }
        }
        let mut seen = BTreeSet::new();
        for &id in *first {
            if !seen.insert(id) {
                wrongs.push(Wrong::AppliedTwice { id });
            }
            if self.refused.contains(&id) {
                wrongs.push(Wrong::AppliedThoughRefused { id });
            }
            if !self.asked.contains_key(&id) {
                wrongs.push(Wrong::NeverAsked { id });
            }
        }
        wrongs
    }

    /// Does all again that was done, and compares each answer and each state.
    fn wrong_states(&self) -> Vec<Wrong> {
        let mut wrongs = Vec::new();
        let mut registers = Registers::default();
        let mut digests = vec![registers.digest];
        for &id in self.applied() {
            let Some((_, change)) = self.asked.get(&id) else { return wrongs };
            let answer = (*change).clone().execute(&mut registers);
            digests.push(registers.digest);
            if self.changed.get(&id).is_some_and(|(_, _, told)| *told != answer) {
                wrongs.push(Wrong::OtherAnswer { id });
            }
        }
        let finals = self.finals.iter();
        let finals = finals.map(|(process, applied, digest)| (*process, applied.len(), *digest));
        let samples = self.sampled.iter();
        let samples = samples.map(|(process, seq, digest)| (*process, *seq as usize, *digest));
        for (process, seq, digest) in samples.chain(finals) {
            if digests.get(seq) != Some(&digest) {
                wrongs.push(Wrong::Diverged { process, seq: seq as u64 });
            }
        }
        wrongs
    }

    /// Whether the answers contradict the order in time.
    fn wrong_order(&self) -> Option<Wrong> {
        match linearizability::check::<u8, Register>(self.operations()) {
            Verdict::Linearizable => None,
            Verdict::NotLinearizable(violation) => {
                Some(Wrong::NotLinearizable { why: violation.to_string() })
            }
            Verdict::GivenUp { key, configurations } => {
                let why = format!("unknown: key {key} given up after {configurations} steps");
                Some(Wrong::NotLinearizable { why })
            }
        }
    }

    fn operations(&self) -> Vec<Operation<u8, RegisterCall, RegisterAnswer>> {
        let applied: BTreeSet<_> = self.applied().iter().copied().collect();
        let changes = self.asked.iter().map(|(&id, &(invoked, change))| {
            let (outcome, returned) = match self.changed.get(&id) {
                Some(&(at, _, answer)) => (Outcome::Returned(told(answer)), at),
                None if applied.contains(&id) => (Outcome::Unknown, u64::MAX),
                None => (Outcome::Failed, u64::MAX),
            };
            let (call, key) = (asked(change.call), change.key);
            Operation { process: process(id), key, call, outcome, invoked, returned }
        });
        let reads = self.read.iter().filter_map(|(&id, &(returned, number))| {
            let &(invoked, key) = self.asked_to_read.get(&id)?;
            let outcome = Outcome::Returned(RegisterAnswer::Is(number));
            let (process, call) = (process(id), RegisterCall::Read);
            Some(Operation { process, key, call, outcome, invoked, returned })
        });
        changes.chain(reads).collect()
    }

    fn applied(&self) -> &'a [u64] {
        self.finals.first().map_or(&[], |(_, applied, _)| applied)
    }

    fn counts(&self) -> Counts {
        let mut acknowledged: Vec<_> = self.changed.values().map(|(at, ..)| *at).collect();
        acknowledged.sort_unstable();
        let gaps = acknowledged.windows(2).map(|pair| pair[1] - pair[0]);
        let is_change = |id: &&u64| self.asked.contains_key(id);
        let refused = self.refused.iter().filter(is_change).count();
        Counts {
            acknowledged: self.changed.len(),
            reads: self.read.len(),
            unknown: self.asked.len() - self.changed.len() - refused,
            refused,
            samples: self.sampled.len(),
            snapshots: self.snapshots.len(),
            stall: Duration::from_nanos(gaps.max().unwrap_or(0)),
        }
    }
}

fn nth(applied: &[u64], seq: u64) -> Option<&u64> {
    applied.get(usize::try_from(seq).ok()?.checked_sub(1)?)
}

fn process(id: u64) -> usize {
    (id / IDS) as usize
}

fn asked(call: Call) -> RegisterCall {
    match call {
        Call::Put(number) => RegisterCall::Put(number),
        Call::CompareAndSet(old, new) => RegisterCall::CompareAndSet(old, new),
        Call::Add(number) => RegisterCall::Add(number),
    }
}

fn told(answer: Answer) -> RegisterAnswer {
    match answer {
        Answer::Was(number) => RegisterAnswer::Was(number),
        Answer::Is(number) => RegisterAnswer::Is(number),
        Answer::Swapped(was_swapped) => RegisterAnswer::Swapped(was_swapped),
    }
}
