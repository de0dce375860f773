//! Does the order in which all was done contradict the order in time?

use std::collections::BTreeSet;

use super::{Evidence, Wrong, process_of};
use crate::linearizability::{
    self, Operation, Outcome, Register, RegisterAnswer, RegisterCall, Verdict,
};
use crate::state::{Answer, Call};

/// What was asked after an answer, and came before it in the order.
pub(super) fn stale(evidence: &Evidence<'_>) -> Vec<Wrong> {
    let known = known(evidence);
    let known_at = |time: u64| match known.partition_point(|(returned, _)| *returned < time) {
        0 => 0,
        count => known[count - 1].1,
    };
    let mut wrongs = Vec::new();
    for (seq, &id) in (1..).zip(evidence.applied()) {
        let Some((invoked, _)) = evidence.asked.get(&id) else { continue };
        let known = known_at(*invoked);
        if seq <= known {
            wrongs.push(Wrong::Stale { id, seq, known });
        }
    }
    for (&id, (_, seen)) in &evidence.read {
        let Some((invoked, _)) = evidence.asked_to_read.get(&id) else { continue };
        let (seq, known) = (seen.seq, known_at(*invoked));
        if seq < known {
            wrongs.push(Wrong::Stale { id, seq, known });
        }
    }
    wrongs
}

/// The last mutation that somebody had been told of, by time.
fn known(evidence: &Evidence<'_>) -> Vec<(u64, u64)> {
    let changed = evidence.changed.values().map(|(at, seq, _)| (*at, *seq));
    let read = evidence.read.values().map(|(at, seen)| (*at, seen.seq));
    let mut known: Vec<_> = changed.chain(read).collect();
    known.sort_unstable();
    let mut most = 0;
    for (_, seq) in &mut known {
        most = most.max(*seq);
        *seq = most;
    }
    known
}

/// Whether no order explains the answers: found without a look at the order in which all was done.
pub(super) fn not_linearizable(evidence: &Evidence<'_>) -> Option<Wrong> {
    match linearizability::check::<u8, Register>(operations(evidence)) {
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

fn operations(evidence: &Evidence<'_>) -> Vec<Operation<u8, RegisterCall, RegisterAnswer>> {
    let applied: BTreeSet<_> = evidence.applied().iter().copied().collect();
    let changes = evidence.asked.iter().map(|(&id, &(invoked, change))| {
        let (outcome, returned) = match evidence.changed.get(&id) {
            Some(&(at, _, answer)) => (Outcome::Returned(told(answer)), at),
            None if applied.contains(&id) => (Outcome::Unknown, u64::MAX),
            None => (Outcome::Failed, u64::MAX),
        };
        let (call, key) = (asked(change.call), change.key);
        Operation { process: process_of(id), key, call, outcome, invoked, returned }
    });
    let reads = evidence.read.iter().filter_map(|(&id, &(returned, seen))| {
        let &(invoked, key) = evidence.asked_to_read.get(&id)?;
        let number = seen.numbers.get(&key).copied();
        let outcome = Outcome::Returned(RegisterAnswer::Is(number));
        let (process, call) = (process_of(id), RegisterCall::Read);
        Some(Operation { process, key, call, outcome, invoked, returned })
    });
    changes.chain(reads).collect()
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
