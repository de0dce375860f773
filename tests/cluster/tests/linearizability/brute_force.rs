//! All orders, one after another: slow, and too simple to be wrong. The checker must agree.

use ministate_cluster::linearizability::{Model, Outcome, Register, check};

use crate::random::Random;
use crate::simulated::{Numbers, Plan, answered, changed, history};
use crate::{Checked, Done};

/// An operation, and whether it must be in the order.
type Wanted<'a> = (&'a Done, bool);

fn has_order(left: &[Wanted<'_>], state: Option<i64>) -> bool {
    left.iter().all(|(_, must)| !must)
        || (0..left.len()).any(|at| {
            let (one, _) = left[at];
            let answer = match &one.outcome {
                Outcome::Returned(answer) => Some(answer),
                Outcome::Unknown => None,
                Outcome::Failed => return false,
            };
            let comes_late = left.iter().any(|(other, must)| *must && other.returned < one.invoked);
            let mut others = left.to_vec();
            others.remove(at);
            !comes_late
                && Register::step(&state, &one.call, answer)
                    .is_some_and(|state| has_order(&others, state))
        })
}

fn is_linearizable(history: &[Done]) -> bool {
    let must = |one: &Done| matches!(one.outcome, Outcome::Returned(_));
    has_order(&history.iter().map(|one| (one, must(one))).collect::<Vec<_>>(), None)
}

/// Whether there is an order of what returned by then. What was invoked by then and returned later may be
/// in it, with the answer that it had.
fn has_order_until(history: &[Done], is_in: impl Fn(u64) -> bool, end: u64) -> bool {
    let begun = history.iter().filter(|one| one.invoked <= end);
    let must = |one: &Done| matches!(one.outcome, Outcome::Returned(_)) && is_in(one.returned);
    has_order(&begun.map(|one| (one, must(one))).collect::<Vec<_>>(), None)
}

fn small(random: &mut Random) -> Vec<Done> {
    let plan = Plan {
        processes: 2 + random.below(3) as usize,
        operations: 2 + random.below(6) as usize,
        numbers: [Numbers::Few, Numbers::Few, Numbers::Distinct][random.below(3) as usize],
        unknown_percent: random.below(3) * 20,
        failed_percent: 5,
    };
    history(plan, random)
}

#[test]
fn the_checker_agrees_with_brute_force_on_whatever_one_answer_is_changed_to() {
    let mut verdicts = [0, 0];
    for seed in 0..20_000 {
        let mut random = Random(seed);
        let mut history = small(&mut random);
        assert!(is_linearizable(&history), "seed {seed}: {history:#?}");
        let mut times = random.below(3);
        while let (1.., answered @ [_, ..]) = (times, &answered(&history)[..]) {
            let at = answered[random.below(answered.len() as u64) as usize];
            history[at].outcome = changed(&history[at].outcome, &mut random);
            times -= 1;
        }
        let expected = is_linearizable(&history);
        let found: Checked = check(history.clone());
        assert_eq!(found == Checked::Linearizable, expected, "seed {seed}: {history:#?} {found:?}");
        verdicts[usize::from(expected)] += 1;
        if let Checked::NotLinearizable(violation) = found {
            let end = violation.stuck.returned;
            assert!(has_order_until(&history, |at| at < end, end), "seed {seed}: {violation}");
            assert!(!has_order_until(&history, |at| at <= end, end), "seed {seed}: {violation}");
        }
    }
    assert!(verdicts.iter().all(|count| *count > 4_000), "{verdicts:?}");
}

#[test]
fn the_checker_agrees_with_brute_force_where_times_are_the_same() {
    let mut verdicts = [0, 0];
    for seed in 0..10_000 {
        let mut random = Random(seed);
        let mut history = small(&mut random);
        for one in &mut history {
            (one.invoked, one.returned) = (one.invoked / 40, one.returned / 40);
        }
        if let answered @ [_, ..] = &answered(&history)[..] {
            let at = answered[random.below(answered.len() as u64) as usize];
            history[at].outcome = changed(&history[at].outcome, &mut random);
        }
        let expected = is_linearizable(&history);
        let found: Checked = check(history.clone());
        assert_eq!(found == Checked::Linearizable, expected, "seed {seed}: {history:#?} {found:?}");
        verdicts[usize::from(expected)] += 1;
    }
    assert!(verdicts.iter().all(|count| *count > 1_000), "{verdicts:?}");
}
