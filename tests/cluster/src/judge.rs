//! Did the replicas keep their promises? What they and their clients wrote down is held against them.

mod evidence;
mod order;
mod replay;
mod subscriptions;

use std::fmt;
use std::time::Duration;

use crate::history::Line;
use crate::replica::IDS;
use evidence::Evidence;

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
    /// A change was acknowledged, or a read was answered, with something else than its place among the
    /// changes gives.
    OtherAnswer { id: u64 },
    /// An operation was asked for when somebody had been told of change `known`, and has its place before
    /// that: a read that lacks it, or a change.
    Stale { id: u64, seq: u64, known: u64 },
    /// A process had another state after so many mutations than the others.
    Diverged { process: usize, seq: u64 },
    /// A process, in the end, had not the mutations that the first has.
    FinalStatesDiffer { process: usize },
    /// The state of a process went back.
    WentBack { process: usize, seq: u64 },
    /// A subscription did not give this change, and went on, or had not given it in the end.
    Withheld { process: usize, seq: u64 },
    /// A subscription gave this change once more, or went back to it.
    GivenAgain { process: usize, seq: u64 },
    /// A subscription gave another change than the one that was applied with this number.
    GivenAnother { process: usize, seq: u64 },
    /// A subscription said that the journal does not hold this change, and that it does.
    TrimmedInVain { process: usize, seq: u64 },
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
    /// Changes and reads whose client went without waiting for the answer.
    pub left: usize,
    /// Changes that were said not to be applied.
    pub refused: usize,
    /// Samples of states.
    pub samples: usize,
    /// Changes that were given to subscriptions.
    pub given: usize,
    /// How often a subscription could not go on, since the journal was trimmed.
    pub trimmed: usize,
    /// How often a subscription said that it was behind.
    pub lagged: usize,
    /// Snapshots that were made.
    pub snapshots: usize,
    /// The longest time in which nothing was acknowledged, to anybody.
    pub stall: Duration,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { acknowledged, reads, unknown, left, refused, samples, .. } = self;
        let Counts { given, trimmed, lagged, snapshots, stall, .. } = self;
        write!(
            f,
            "{acknowledged} acknowledged, {reads} reads, {unknown} unknown, {left} left, \
             {refused} refused, {samples} samples, {given} given, {trimmed} times trimmed, {lagged} \
             times behind, {snapshots} snapshots, longest stall {} ms",
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
    wrongs.extend(replay::wrong_finals(&evidence));
    wrongs.extend(replay::wrong_states(&evidence));
    wrongs.extend(subscriptions::wrong_gifts(processes, evidence.applied()));
    // Of a place that an operation does not have there is nothing to say.
    if wrongs.is_empty() {
        wrongs.extend(order::stale(&evidence));
        wrongs.extend(order::not_linearizable(&evidence));
    }
    if wrongs.is_empty() { Ok(evidence.counts()) } else { Err(wrongs) }
}

/// The process that asked for this operation.
fn process_of(id: u64) -> usize {
    (id / IDS) as usize
}
