//! Histories of an object that is linearizable, and what becomes of them when one answer is changed.

use ministate_cluster::linearizability::Outcome::{Failed, Returned, Unknown};
use ministate_cluster::linearizability::RegisterAnswer::{Done as Told, Is, Swapped, Was};
use ministate_cluster::linearizability::RegisterCall::{Add, CompareAndSet, Put, Read};
use ministate_cluster::linearizability::{Outcome, RegisterAnswer, RegisterCall, check};

use crate::random::Random;
use crate::{Checked, Done, operation};

/// What kind of history.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) processes: usize,
    pub(crate) operations: usize,
    pub(crate) numbers: Numbers,
    /// How many of 100 have an unknown outcome, half of them without effect.
    pub(crate) unknown_percent: u64,
    pub(crate) failed_percent: u64,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Numbers {
    /// No number is written twice.
    Distinct,
    /// There are three.
    Few,
}

struct Planned {
    done: Done,
    /// When the object does it, if it does.
    effect: Option<u64>,
}

/// What clients would be told by one object, each asking one thing after another.
pub(crate) fn history(plan: Plan, random: &mut Random) -> Vec<Done> {
    let mut planned = Vec::new();
    let mut clocks = vec![0; plan.processes];
    for at in 0..plan.operations {
        let process = random.below(plan.processes as u64) as usize;
        let invoked = clocks[process] + random.below(50);
        let latency = if random.happens(2) { 2000 } else { 50 };
        let effect = invoked + random.below(latency);
        let returned = effect + random.below(50);
        clocks[process] = returned + 1;
        let number = |random: &mut Random| match plan.numbers {
            Numbers::Distinct => at as i64 + 1,
            Numbers::Few => random.below(3) as i64,
        };
        let call = match random.below(4) {
            0 => Put(number(random)),
            1 => CompareAndSet(None, number(random)),
            2 if plan.numbers == Numbers::Few => Add(random.below(2) as i64 + 1),
            // Sums that come but once, too.
            2 => Add(1 << 32),
            _ => Read,
        };
        let mut one = operation(process, (invoked, returned), call, Unknown);
        let mut effect = Some(effect);
        if random.happens(plan.unknown_percent) {
            effect = random.happens(50).then(|| invoked + random.below(5_000));
        } else if random.happens(plan.failed_percent) {
            (one.outcome, effect) = (Failed, None);
        } else {
            one.outcome = Returned(Told);
        }
        planned.push(Planned { done: one, effect });
    }
    answer_in_order(&mut planned, random);
    planned.into_iter().map(|planned| planned.done).collect()
}

fn answer_in_order(planned: &mut [Planned], random: &mut Random) {
    let mut order: Vec<_> = (0..planned.len()).filter(|&at| planned[at].effect.is_some()).collect();
    order.sort_by_key(|&at| planned[at].effect);
    let mut state = None;
    for at in order {
        let one = &mut planned[at].done;
        // A condition that was true when the client looked, mostly.
        if let CompareAndSet(old, _) = &mut one.call {
            *old = if random.happens(80) { state } else { Some(-7) };
        }
        let answer = applied(&mut state, one.call);
        if one.outcome != Unknown {
            one.outcome = Returned(answer);
        }
    }
}

fn applied(state: &mut Option<i64>, call: RegisterCall) -> RegisterAnswer {
    match call {
        Put(number) => Was(state.replace(number)),
        CompareAndSet(old, new) => {
            let fits = *state == old;
            if fits {
                *state = Some(new);
            }
            Swapped(fits)
        }
        Add(number) => {
            *state = Some(state.unwrap_or(0) + number);
            Is(*state)
        }
        Read => Is(*state),
    }
}

/// The places of the operations that were answered.
pub(crate) fn answered(history: &[Done]) -> Vec<usize> {
    let is_answered = |&at: &usize| matches!(history[at].outcome, Returned(_));
    (0..history.len()).filter(is_answered).collect()
}

/// Another answer to the same call.
pub(crate) fn changed(
    outcome: &Outcome<RegisterAnswer>,
    random: &mut Random,
) -> Outcome<RegisterAnswer> {
    let mut another = |is: Option<i64>| match random.below(5) {
        number @ 0..=3 if is != Some(number as i64) => Some(number as i64),
        _ if is.is_some() => None,
        _ => Some(9),
    };
    Returned(match outcome {
        Returned(Was(was)) => Was(another(*was)),
        Returned(Is(is)) => Is(another(*is)),
        Returned(Swapped(done)) => Swapped(!done),
        Returned(Told) | Unknown | Failed => panic!("{outcome:?} is no answer"),
    })
}

const LONG: Plan = Plan {
    processes: 16,
    operations: 4_000,
    numbers: Numbers::Distinct,
    unknown_percent: 0,
    failed_percent: 2,
};

#[test]
fn what_a_linearizable_object_answers_is_accepted() {
    let few = Plan { operations: 60, processes: 4, numbers: Numbers::Few, ..LONG };
    for seed in 0..300 {
        let plan = Plan { unknown_percent: seed % 3 * 5, ..few };
        let history = history(plan, &mut Random(seed));
        assert_eq!(check(history), Checked::Linearizable, "seed {seed}");
    }
}

#[test]
fn thousands_of_operations_of_16_clients_on_one_key_are_accepted() {
    for seed in 0..10 {
        let history = history(LONG, &mut Random(seed));
        assert_eq!(check(history), Checked::Linearizable, "seed {seed}");
    }
}

#[test]
fn some_of_thousands_may_have_an_unknown_outcome() {
    for seed in 0..10 {
        let history = history(Plan { unknown_percent: 1, ..LONG }, &mut Random(seed));
        assert_eq!(check(history), Checked::Linearizable, "seed {seed}");
    }
}

#[test]
fn one_stale_answer_among_thousands_is_found() {
    for seed in 0..5 {
        let mut random = Random(seed);
        let mut history = history(LONG, &mut random);
        let reads = answered(&history).into_iter().filter(|&at| history[at].call == Read);
        let at = reads.rev().nth(random.below(200) as usize).unwrap();
        // What was there long before, and came but once.
        let old = history.iter().find_map(|one| match (one.call, &one.outcome) {
            (Put(number), Returned(_)) if one.returned + 10_000 < history[at].invoked => {
                Some(number)
            }
            _ => None,
        });
        history[at].outcome = Returned(Is(Some(old.unwrap())));
        let stale = history[at].clone();
        match check(history) {
            Checked::NotLinearizable(violation) => {
                // Another may have returned in the same moment.
                assert_eq!(violation.stuck.returned, stale.returned, "seed {seed}: {violation}");
            }
            other => panic!("seed {seed}: {other:?}"),
        }
    }
}
