//! A released version keeps its meaning, or the test that the derive writes says what changed.

#![expect(unnameable_test_items, reason = "releases live in the tests, and are judged by them")]

mod changes;
mod handlers;
mod kinds;
mod names;
mod nested;
mod pins;
mod samples;

use std::collections::BTreeMap;

use ministate::__private::{Locked, judge};
use ministate::Mutations;
use serde::{Deserialize, Serialize};

/// What the test of an enum prints with this lock; empty where it is content.
fn checked<M: Locked<Bank>>(lock: &str) -> String {
    judge::<Bank, M>(Some(lock), "", true).map_or_else(|report| report, |_| String::new())
}

/// The lock after `MINISTATE_LOCK=accept`.
fn accepted<M: Locked<Bank>>(lock: &str) -> String {
    written::<M>(lock, "accept")
}

/// The lock after additions were accepted and released.
fn released<M: Locked<Bank>>(lock: &str) -> String {
    written::<M>(&accepted::<M>(lock), "release")
}

fn written<M: Locked<Bank>>(lock: &str, wish: &str) -> String {
    match judge::<Bank, M>(Some(lock), wish, false) {
        Ok(text) => text.unwrap_or_else(|| lock.to_owned()),
        Err(report) => panic!("{report}"),
    }
}

fn refused<M: Locked<Bank>>(lock: &str, wish: &str) -> String {
    match judge::<Bank, M>(Some(lock), wish, false) {
        Ok(_) => panic!("it was accepted"),
        Err(report) => report,
    }
}

#[track_caller]
fn says(report: &str, parts: &[&str]) {
    for part in parts {
        assert!(report.contains(part), "`{part}` is missing in:\n{report}");
    }
}

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
struct Bank {
    cents: BTreeMap<String, u64>,
    closed: bool,
}

fn ignore<T>(_bank: &mut Bank, _first: T) {}

fn ignore_two<T, U>(_bank: &mut Bank, _first: T, _second: U) {}

/// An enum `Op` over `Bank` in a module of its own, as one release of a program has it.
macro_rules! release {
    ($name:ident { $($keys:tt)* } { $($variants:tt)* } $($items:item)*) => {
        mod $name {
            use super::*;

            #[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
            #[mutations(state = Bank, lock = "schema/none.jsonl", $($keys)*)]
            pub(super) enum Op {
                $($variants)*
            }
            $($items)*
        }
    };
}
use release;

#[test]
fn a_new_operation_is_to_be_accepted() {
    release!(one {} { #[mutation(apply = ignore_two)] Deposit { account: u32, cents: u64 } });
    let report = checked::<one::Op>("");
    says(
        &report,
        &[
            "`Op` and its schema lock `schema/none.jsonl` disagree",
            "run `MINISTATE_LOCK=accept cargo test`",
            "`deposit@1` is new",
            r#"+ {"op":"deposit","v":1,"d":{"account":4294967295,"cents":18446744073709551614},"shape":{"account":"u32","cents":"u64"},"draft":true}"#,
            r#"+ {"op":"deposit","v":1,"d":{"account":0,"cents":1},"draft":true}"#,
            "version 1 of the state is new",
        ],
    );
    let lock = accepted::<one::Op>("");
    assert_eq!(checked::<one::Op>(&lock), "");
    assert_eq!(accepted::<one::Op>(&lock), lock);
}

#[test]
fn checking_never_writes() {
    release!(one {} { #[mutation(apply = ignore)] Deposit { cents: u64 } });
    assert!(judge::<Bank, one::Op>(None, "", false).is_err());
    assert!(judge::<Bank, one::Op>(None, "", true).is_err());
    let lock = accepted::<one::Op>("");
    assert_eq!(judge::<Bank, one::Op>(Some(&lock), "", false), Ok(None));
}

#[test]
fn nothing_is_accepted_in_ci() {
    release!(one {} { #[mutation(apply = ignore)] Deposit { cents: u64 } });
    for wish in ["accept", "repin", "release"] {
        let report = judge::<Bank, one::Op>(None, wish, true).unwrap_err();
        says(&report, &["is refused where CI is set", "commit the lock"]);
    }
}

#[test]
fn a_wish_that_is_misspelt_is_refused() {
    release!(one {} { #[mutation(apply = ignore)] Deposit { cents: u64 } });
    let report = judge::<Bank, one::Op>(None, "acept", false).unwrap_err();
    says(&report, &["MINISTATE_LOCK is `acept`; set it to `accept`, `repin` or `release`"]);
}

#[test]
fn a_draft_may_change_until_it_is_released() {
    release!(one {} { #[mutation(apply = ignore)] Deposit { cents: u64 } });
    release!(two {} { #[mutation(apply = ignore)] Deposit { dollars: String } });
    let lock = accepted::<one::Op>("");
    says(
        &checked::<two::Op>(&lock),
        &["`deposit@1` is a draft, and has changed", "`dollars`: added"],
    );
    assert_eq!(checked::<two::Op>(&accepted::<two::Op>(&lock)), "");

    let lock = released::<one::Op>("");
    assert!(lock.contains(r#""since":"0.0.0""#), "{lock}");
    let report = refused::<two::Op>(&lock, "accept");
    says(&report, &["`deposit@1` is released (since 0.0.0)", "missing field `dollars`"]);
}

#[test]
fn only_what_is_accepted_is_released() {
    release!(one {} { #[mutation(apply = ignore)] Deposit { cents: u64 } });
    says(&refused::<one::Op>("", "release"), &["`deposit@1` is new"]);
}

#[test]
fn a_line_that_is_not_one_is_named() {
    release!(one {} { #[mutation(apply = ignore)] Deposit { cents: u64 } });
    let lock = accepted::<one::Op>("").replacen("{\"op\"", "<<<<<<< HEAD\n{\"op\"", 1);
    says(&refused::<one::Op>(&lock, ""), &["line 6 is not one of a schema lock", "mend the merge"]);
    says(&refused::<one::Op>("# mine\n", ""), &["line 1 is not one of a schema lock"]);
}

/// Releases one enum, and says what the test of another prints then.
fn says_of_the_second<S, A, B>() -> String
where
    S: Default + Serialize + serde::de::DeserializeOwned,
    A: Locked<S>,
    B: Locked<S>,
{
    let accepted = judge::<S, A>(None, "accept", false).unwrap().unwrap();
    let released = judge::<S, A>(Some(&accepted), "release", false).unwrap().unwrap();
    assert_eq!(judge::<S, A>(Some(&released), "", true), Ok(None));
    judge::<S, B>(Some(&released), "", true).map_or_else(|report| report, |_| String::new())
}
