//! Does doing all again that was done in the end come to what was told on the way?

use std::collections::{BTreeMap, BTreeSet};

use ministate::Operation as _;

use super::{Evidence, Wrong, process_of};
use crate::state::Registers;

/// What the final states lack, or should.
pub(super) fn wrong_finals(evidence: &Evidence<'_>) -> Vec<Wrong> {
    let mut wrongs = Vec::new();
    if evidence.finals.is_empty() {
        return vec![Wrong::NoFinalState];
    }
    let first = evidence.applied();
    for (process, applied, _) in &evidence.finals {
        let process = *process;
        if *applied != first {
            wrongs.push(Wrong::FinalStatesDiffer { process });
        }
        for (&id, &(_, seq, _)) in &evidence.changed {
            if nth(applied, seq) != Some(&id) {
                wrongs.push(Wrong::Lost { id, seq, process });
            }
        }
    }
    let mut seen = BTreeSet::new();
    for &id in first {
        if !seen.insert(id) {
            wrongs.push(Wrong::AppliedTwice { id });
        }
        if evidence.refused.contains(&id) {
            wrongs.push(Wrong::AppliedThoughRefused { id });
        }
        if !evidence.asked.contains_key(&id) {
            wrongs.push(Wrong::NeverAsked { id });
        }
    }
    wrongs
}

/// Does all again that was done, and compares each answer and each state that anybody saw.
pub(super) fn wrong_states(evidence: &Evidence<'_>) -> Vec<Wrong> {
    let mut wrongs = Vec::new();
    let mut registers = Registers::default();
    let mut digests = vec![registers.digest];
    let mut reads = BTreeMap::<u64, Vec<_>>::new();
    for (&id, &(_, seen)) in &evidence.read {
        reads.entry(seen.seq).or_default().push((id, seen));
    }
    let wrong_reads = |registers: &Registers, seq: usize| {
        let of_this = reads.get(&(seq as u64)).into_iter().flatten();
        let here = registers.seen().numbers;
        let wrong = of_this.filter(|(_, seen)| seen.numbers != here);
        wrong.map(|&(id, _)| Wrong::OtherAnswer { id }).collect::<Vec<_>>()
    };
    wrongs.extend(wrong_reads(&registers, 0));
    for &id in evidence.applied() {
        let Some((_, change)) = evidence.asked.get(&id) else { return wrongs };
        let answer = (*change).clone().execute(&mut registers);
        if evidence.changed.get(&id).is_some_and(|(_, _, told)| *told != answer) {
            wrongs.push(Wrong::OtherAnswer { id });
        }
        wrongs.extend(wrong_reads(&registers, digests.len()));
        digests.push(registers.digest);
    }
    let finals = evidence.finals.iter();
    let finals = finals.map(|(process, applied, digest)| (*process, applied.len() as u64, *digest));
    let read = evidence.read.iter();
    let read = read.map(|(&id, (_, seen))| (process_of(id), seen.seq, seen.digest));
    for (process, seq, digest) in evidence.sampled.iter().copied().chain(finals).chain(read) {
        if digests.get(seq as usize) != Some(&digest) {
            wrongs.push(Wrong::Diverged { process, seq });
        }
    }
    wrongs
}

fn nth(applied: &[u64], seq: u64) -> Option<&u64> {
    applied.get(usize::try_from(seq).ok()?.checked_sub(1)?)
}
