//! Histories whose verdict is known.

use ministate_cluster::linearizability::Outcome::{Failed, Returned, Unknown};
use ministate_cluster::linearizability::RegisterAnswer::{Done as Told, Is, Swapped, Was};
use ministate_cluster::linearizability::RegisterCall::{Add, CompareAndSet, Put, Read};
use ministate_cluster::linearizability::{
    Operation, Outcome, RegisterAnswer, Verdict, Violation, check, check_within,
};

use crate::{Checked, Done, operation};

fn is_linearizable(history: &[Done]) -> bool {
    match check(history.to_vec()) {
        Checked::Linearizable => true,
        Checked::NotLinearizable(_) => false,
        Checked::GivenUp { .. } => panic!("given up"),
    }
}

fn read(process: usize, times: (u64, u64), found: Option<i64>) -> Done {
    operation(process, times, Read, Returned(Is(found)))
}

fn put(process: usize, times: (u64, u64), number: i64, was: Option<i64>) -> Done {
    operation(process, times, Put(number), Returned(Was(was)))
}

fn add(process: usize, times: (u64, u64), number: i64, is: i64) -> Done {
    operation(process, times, Add(number), Returned(Is(Some(is))))
}

fn unknown_put(process: usize, invoked: u64, number: i64) -> Done {
    operation(process, (invoked, 0), Put(number), Unknown)
}

#[test]
fn nothing_is_linearizable() {
    assert!(is_linearizable(&[]));
}

#[test]
fn one_after_another_must_answer_in_that_order() {
    let [first, second] = [put(0, (0, 10), 1, None), put(0, (20, 30), 2, Some(1))];
    assert!(is_linearizable(&[first.clone(), second.clone(), read(1, (40, 50), Some(2))]));
    assert!(is_linearizable(&[second, read(1, (40, 50), Some(2)), first]));
}

#[test]
fn a_stale_read_is_found() {
    let puts = [put(0, (0, 10), 1, None), put(0, (20, 30), 2, Some(1))];
    let with = |read: Done| [&puts[..], &[read]].concat();
    assert!(!is_linearizable(&with(read(1, (40, 50), Some(1)))));
    assert!(!is_linearizable(&with(read(1, (31, 50), None))));
    assert!(is_linearizable(&with(read(1, (30, 50), Some(1)))));
    assert!(is_linearizable(&with(read(1, (25, 50), Some(1)))));
}

#[test]
fn reads_one_after_another_must_not_go_back() {
    let put = [put(0, (0, 10), 1, None), put(0, (20, 100), 2, Some(1))];
    let with = |one, other| {
        is_linearizable(&[&put[..], &[read(1, (30, 40), one), read(2, (50, 60), other)]].concat())
    };
    assert!(with(Some(1), Some(1)));
    assert!(with(Some(1), Some(2)));
    assert!(with(Some(2), Some(2)));
    assert!(!with(Some(2), Some(1)));
}

#[test]
fn a_lost_update_is_found() {
    let first = add(0, (0, 10), 1, 1);
    assert!(!is_linearizable(&[first.clone(), add(1, (5, 15), 1, 1)]));
    assert!(is_linearizable(&[first, add(1, (5, 15), 1, 2)]));
    assert!(!is_linearizable(&[put(0, (0, 10), 1, None), put(1, (5, 15), 2, None)]));
}

#[test]
fn a_mutation_applied_twice_is_found() {
    assert!(!is_linearizable(&[add(0, (0, 10), 1, 1), read(1, (20, 30), Some(2))]));
    assert!(!is_linearizable(&[operation(0, (0, 0), Add(1), Unknown), read(1, (20, 30), Some(2))]));
}

#[test]
fn a_number_that_nobody_wrote_is_found() {
    assert!(!is_linearizable(&[put(0, (0, 10), 1, None), read(1, (5, 15), Some(3))]));
    assert!(!is_linearizable(&[read(1, (5, 15), Some(3)), put(0, (16, 20), 3, Some(3))]));
}

#[test]
fn a_number_cannot_be_read_before_its_write_was_invoked() {
    assert!(!is_linearizable(&[read(1, (0, 10), Some(3)), put(0, (11, 20), 3, None)]));
    assert!(!is_linearizable(&[read(1, (0, 10), Some(3)), unknown_put(0, 11, 3)]));
    assert!(is_linearizable(&[read(1, (0, 10), Some(3)), put(0, (9, 20), 3, None)]));
    assert!(is_linearizable(&[read(1, (0, 10), Some(3)), unknown_put(0, 9, 3)]));
}

#[test]
fn of_two_conditional_writes_one_succeeds() {
    let swap = |process, new, done| {
        operation(process, (0, 10), CompareAndSet(None, new), Returned(Swapped(done)))
    };
    assert!(is_linearizable(&[swap(0, 1, true), swap(1, 2, false)]));
    assert!(!is_linearizable(&[swap(0, 1, true), swap(1, 2, true)]));
    assert!(!is_linearizable(&[swap(0, 1, false), swap(1, 2, false)]));
}

#[test]
fn an_unknown_write_may_take_effect_late_or_never() {
    let before = [put(0, (0, 10), 1, None), unknown_put(1, 20, 2)];
    let with = |reads: &[Done]| is_linearizable(&[&before[..], reads].concat());
    assert!(with(&[read(0, (100, 110), Some(1))]));
    assert!(with(&[read(0, (100, 110), Some(2))]));
    assert!(with(&[read(0, (100, 110), Some(1)), read(0, (1000, 1010), Some(2))]));
    let once = [read(0, (100, 110), Some(2)), put(0, (200, 210), 3, Some(2))];
    assert!(with(&once));
    assert!(!with(&[&once[..], &[read(0, (1000, 1010), Some(2))]].concat()));
}

#[test]
fn unknown_writes_may_take_effect_in_any_order() {
    let unknown: Vec<_> = (0..12).map(|number| unknown_put(0, 0, number)).collect();
    let found = [7, 3, 11, 0, 5].into_iter().enumerate();
    let reads: Vec<_> = found
        .map(|(at, number)| read(1, (at as u64 * 10, at as u64 * 10 + 5), Some(number)))
        .collect();
    assert!(is_linearizable(&[&unknown[..], &reads].concat()));
    let again = read(1, (100, 105), Some(7));
    assert!(!is_linearizable(&[&unknown[..], &reads, &[again]].concat()));
}

#[test]
fn a_chain_of_unknown_writes_may_be_needed() {
    let swap = |old, new| operation(0, (0, 0), CompareAndSet(old, new), Unknown);
    let chain = [swap(Some(2), 3), swap(None, 1), swap(Some(1), 2), swap(Some(7), 8)];
    assert!(is_linearizable(&[&chain[..], &[read(1, (10, 20), Some(3))]].concat()));
    assert!(!is_linearizable(&[&chain[..], &[read(1, (10, 20), Some(8))]].concat()));
}

#[test]
fn what_failed_has_no_effect() {
    let failed = operation(0, (0, 10), Put(1), Failed);
    assert!(is_linearizable(&[failed.clone(), read(1, (20, 30), None)]));
    assert!(!is_linearizable(&[failed, read(1, (20, 30), Some(1))]));
}

#[test]
fn who_was_told_no_more_than_that_it_is_done_still_did_it() {
    let told = operation(0, (0, 10), Put(1), Returned(Told));
    assert!(is_linearizable(&[told.clone(), read(1, (20, 30), Some(1))]));
    assert!(!is_linearizable(&[told, read(1, (20, 30), None)]));
    assert!(!is_linearizable(&[operation(0, (0, 10), Read, Returned(Told))]));
}

#[test]
fn each_key_has_its_own_object() {
    let of = |key, done: Done| Operation { key, ..done };
    let [a, b] = [put(0, (0, 10), 1, None), put(0, (20, 30), 2, None)];
    assert!(is_linearizable(&[of("a", a.clone()), of("b", b.clone())]));
    assert!(!is_linearizable(&[of("a", a.clone()), of("a", b.clone())]));
    let history = vec![of("a", a.clone()), of("b", a), of("b", b)];
    let Verdict::NotLinearizable(violation) = check::<_, crate::Register>(history) else {
        panic!()
    };
    assert_eq!(violation.key, "b");
}

fn violation(history: &[Done]) -> Violation<&'static str, crate::Register> {
    match check(history.to_vec()) {
        Checked::NotLinearizable(violation) => *violation,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_violation_shows_what_did_not_fit_and_what_came_before() {
    let stale = read(2, (4_000, 5_000), Some(1));
    let history = [
        put(0, (0, 1_000), 1, None),
        put(0, (2_000, 3_000), 2, Some(1)),
        unknown_put(1, 2_500, 3),
        stale.clone(),
        read(2, (6_000, 7_000), Some(2)),
    ];
    let violation = violation(&history);
    assert_eq!(violation.stuck, stale);
    assert_eq!(violation.open, [history[2].clone()]);
    assert_eq!(violation.states, [Some(2)]);
    let expected = "\
the operations of key \"a\" cannot be ordered
no order lets this one return what it did:
  process 2: Read -> Is(Some(1)), 4.000 to 5.000
in an order of all that returned before it, these come last:
  process 0: Put(1) -> Was(None), 0.000 to 1.000 => Some(1)
  process 0: Put(2) -> Was(Some(1)), 2.000 to 3.000 => Some(2)
such orders may end with: [Some(2)]
others that may come next:
  process 1: Put(3) -> not known, 2.500 to ?
(times in microseconds since the first of these)";
    assert_eq!(violation.to_string(), expected);
}

#[test]
fn a_violation_of_a_long_history_is_short() {
    let mut history: Vec<_> = (1..1000_u64)
        .map(|at| put(0, (at * 10, at * 10 + 5), at as i64, (at > 1).then_some(at as i64 - 1)))
        .collect();
    let stale = read(1, (5_008, 5_009), Some(499));
    history.push(stale.clone());
    let violation = violation(&history);
    assert_eq!(violation.stuck, stale);
    assert_eq!((violation.left_out, violation.order.len()), (490, 10));
    assert!(violation.to_string().lines().count() < 25, "{violation}");
}

#[test]
fn a_search_that_is_given_up_says_nothing_of_the_history() {
    let blind = |number| operation(0, (0, 100), Put(number), Returned(Told));
    let history: Vec<_> = (0..20).map(blind).chain([read(1, (200, 210), Some(99))]).collect();
    let verdict: Checked = check_within(1000, history);
    assert_eq!(verdict, Verdict::GivenUp { key: "a", configurations: 1000 });
}

#[test]
#[should_panic(expected = "it returned before it was invoked")]
fn a_clock_that_goes_back_is_not_believed() {
    let outcome: Outcome<RegisterAnswer> = Returned(Is(None));
    let _: Checked = check(vec![operation(0, (10, 9), Read, outcome)]);
}
