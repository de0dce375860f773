//! A released version keeps its meaning, or the test that the derive writes says what changed.

#![expect(unnameable_test_items, reason = "releases live in the tests, and are judged by them")]

use std::collections::{BTreeMap, HashMap};

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
fn a_required_field_that_was_added_needs_a_version() {
    release!(one {} { #[mutation(apply = ignore)] Deposit { cents: u64 } });
    release!(two {} { #[mutation(apply = ignore_two)] Deposit { cents: u64, memo: String } });
    let report = checked::<two::Op>(&released::<one::Op>(""));
    says(
        &report,
        &[
            "to be mended in the program, as old journals would not replay as they did:",
            "`deposit@1` is released (since 0.0.0), and it has another shape: missing field `memo`",
            "`memo`: added, \"string\"",
            r#"no longer read: {"cents":18446744073709551615}"#,
            "`#[mutation(version = 2, from(1 = V1))]`, where `V1` is the old one",
        ],
    );
}

#[test]
fn a_type_that_was_narrowed_needs_a_version() {
    release!(one {} { #[mutation(apply = ignore)] Deposit { cents: i64 } });
    release!(two {} { #[mutation(apply = ignore)] Deposit { cents: i32 } });
    release!(three {} { #[mutation(apply = ignore)] Deposit { cents: u64 } });
    release!(four {} { #[mutation(apply = ignore)] Deposit { cents: f64 } });
    let lock = released::<one::Op>("");
    says(&checked::<two::Op>(&lock), &["`cents`: was \"i64\", is \"i32\""]);
    says(&checked::<three::Op>(&lock), &["expected u64", "`cents`: was \"i64\", is \"u64\""]);
    says(&checked::<four::Op>(&lock), &["what it wrote is read as something else"]);
}

#[test]
fn a_field_that_may_no_longer_be_null_needs_a_version() {
    release!(one {} { #[mutation(apply = ignore)] Note { text: Option<String> } });
    release!(two {} { #[mutation(apply = ignore)] Note { text: String } });
    says(&checked::<two::Op>(&released::<one::Op>("")), &["`note@1`", "invalid type: null"]);
}

#[test]
fn an_optional_field_that_was_renamed_or_removed_needs_a_version() {
    release!(one {} { #[mutation(apply = ignore)] Note { #[serde(default)] text: String } });
    release!(two {} { #[mutation(apply = ignore)] Note { #[serde(default)] body: String } });
    release!(three {} { #[mutation(apply = ignore_nothing)] Note {} }
        fn ignore_nothing(_bank: &mut Bank) {}
    );
    let lock = released::<one::Op>("");
    for report in [checked::<two::Op>(&lock), checked::<three::Op>(&lock)] {
        says(&report, &["what it wrote is read as something else", "`text`: gone, was \"t"]);
    }
}

#[test]
fn a_variant_of_a_field_that_was_removed_needs_a_version() {
    #[derive(Debug, Clone, Serialize, Deserialize)]
    enum Two {
        Eur,
        Usd,
    }
    #[derive(Debug, Clone, Serialize, Deserialize)]
    enum One {
        Eur,
    }
    #[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
    #[mutations(state = Bank, lock = "schema/none.jsonl")]
    enum Before {
        #[mutation(tag = "pay", apply = ignore)]
        Pay { with: Two },
    }
    #[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
    #[mutations(state = Bank, lock = "schema/none.jsonl")]
    enum After {
        #[mutation(tag = "pay", apply = ignore)]
        Pay { with: One },
    }
    let lock = released::<Before>("");
    says(&checked::<After>(&lock), &[r#"no longer read: {"with":"Usd"}"#, "unknown variant `Usd`"]);
    // The other way around, old records stay what they are; only older programs are left behind.
    let lock = released::<After>("");
    says(
        &checked::<Before>(&lock),
        &[
            "`pay@1` is released, and has been added to",
            "older programs do not know it",
            r#"+ {"op":"pay","v":1,"d":{"with":"Usd"}"#,
        ],
    );
    assert_eq!(checked::<Before>(&accepted::<Before>(&lock)), "");
}

#[test]
fn a_default_field_that_was_added_is_to_be_accepted() {
    release!(one {} { #[mutation(apply = ignore)] Deposit { cents: u64 } });
    release!(two {} { #[mutation(apply = ignore_two)] Deposit {
        cents: u64,
        #[serde(default)] memo: Option<String>,
    } });
    let lock = released::<one::Op>("");
    says(&checked::<two::Op>(&lock), &["has been added to", "`memo`: added", ", may be left out"]);
    let lock = accepted::<two::Op>(&lock);
    assert_eq!(checked::<two::Op>(&lock), "");
    says(
        &lock,
        &[
            r#""d":{"cents":0},"becomes":{"op":"deposit","v":1,"d":{"cents":0,"memo":null}},"since":"0.0.0"}"#,
        ],
    );
    // What was added is released in its turn, and may not be taken back then.
    let lock = released::<two::Op>(&lock);
    says(&checked::<one::Op>(&lock), &["`memo`: gone"]);
}

#[test]
fn what_changes_nothing_for_old_records_passes_in_silence() {
    release!(one {} {
        #[mutation(apply = ignore_two)]
        Deposit { account: u32, cents: u64 },
        #[mutation(apply = ignore)]
        Close { account: inner::Account },
    }
        mod inner {
            #[derive(Debug, Clone, super::Serialize, super::Deserialize)]
            pub(super) struct Account(u32);
        }
    );
    release!(two {} {
        /// Now with documentation, behind the other, and wider.
        #[mutation(apply = ignore)]
        Close { account: Number },
        #[mutation(apply = ignore_two)]
        Deposit {
            #[serde(alias = "amount")]
            cents: u64,
            account: u64,
        },
    }
        #[derive(Debug, Clone, Serialize, Deserialize)]
        pub(super) struct Number(u32);
    );
    assert_eq!(checked::<two::Op>(&released::<one::Op>("")), "");
}

#[test]
fn a_field_that_was_renamed_with_an_alias_is_to_be_accepted() {
    release!(one {} { #[mutation(apply = ignore)] Deposit { amount: u64 } });
    release!(two {} { #[mutation(apply = ignore)] Deposit { #[serde(alias = "amount")] cents: u64 } });
    release!(three {} { #[mutation(apply = ignore)] Deposit { cents: u64 } });
    let lock = released::<one::Op>("");
    says(&checked::<two::Op>(&lock), &["has been added to", "`amount`: gone", "`cents`: added"]);
    let lock = released::<two::Op>(&lock);
    assert_eq!(checked::<two::Op>(&lock), "");
    says(&checked::<three::Op>(&lock), &["missing field `cents`"]);
}

#[test]
fn a_variant_that_was_renamed_gets_the_attribute_to_add() {
    release!(one {} { #[mutation(apply = ignore)] Deposit { cents: u64 } });
    release!(two {} { #[mutation(apply = ignore)] PayIn { cents: u64 } });
    says(
        &checked::<two::Op>(&released::<one::Op>("")),
        &[
            "`deposit@1` is released, and this program has `pay_in` in its place",
            "add `#[mutation(tag = \"deposit\")]` to it",
        ],
    );
}

#[test]
fn a_variant_that_was_deleted_gets_the_ways_out() {
    release!(one {} {
        #[mutation(apply = ignore)] Deposit { cents: u64 },
        #[mutation(apply = ignore)] Close { account: String },
    });
    release!(two {} { #[mutation(apply = ignore)] Close { account: String } });
    says(
        &checked::<two::Op>(&released::<one::Op>("")),
        &[
            "`deposit@1` is released, and this program does not know it",
            r#"`retired(tag = "deposit", from(1 = V1), into = path)`"#,
            r#"`retired(tag = "deposit", versions = 1..=1, drop)`"#,
            r#"`reserved("deposit")`"#,
        ],
    );
}

#[test]
fn what_was_given_up_leaves_a_tombstone() {
    release!(one {} {
        #[mutation(apply = ignore)] Deposit { cents: u64 },
        #[mutation(apply = ignore)] Close { account: String },
        #[mutation(apply = ignore)] Poke { account: String },
    });
    release!(two {
        retired(tag = "deposit", versions = 1..=1, drop), reserved("poke"),
    } {
        #[mutation(version = 2, oldest = 2, apply = ignore)] Close { account: u32 },
    });
    let lock = released::<one::Op>("");
    says(
        &checked::<two::Op>(&lock),
        &[
            "`deposit@1`: records of it change nothing from now on",
            "`close@1`: whatever holds it is refused from now on",
            "the tag `poke` is reserved from now on",
        ],
    );
    let lock = released::<two::Op>(&lock);
    says(
        &lock,
        &[
            r#"{"op":"deposit","v":1,"gone":"dropped"}"#,
            r#"{"op":"close","v":1,"gone":"refused"}"#,
            r#"{"op":"poke","gone":"reserved"}"#,
        ],
    );
    assert_eq!(checked::<two::Op>(&lock), "");
    // Nothing of it may come back under its name.
    let report = checked::<one::Op>(&lock);
    says(
        &report,
        &[
            "`deposit@1` is read again, but its records changed nothing for a while",
            "`close@1` is read again, but journals with its records were refused",
            "the tag `poke` was reserved and may not return",
        ],
    );
}

#[test]
fn an_upcast_is_pinned_and_may_not_be_edited() {
    macro_rules! evolved {
        ($name:ident, $cents:expr) => {
            release!($name {} {
                #[mutation(version = 2, from(1 = V1), apply = ignore)]
                Deposit { cents: u128 },
            }
                #[derive(Deserialize)]
                pub(super) struct V1 {
                    dollars: u64,
                }
                impl From<V1> for Op {
                    fn from(old: V1) -> Self {
                        let cents: fn(u128) -> u128 = $cents;
                        Op::Deposit { cents: cents(u128::from(old.dollars)) }
                    }
                }
            );
        };
    }
    release!(one {} { #[mutation(apply = ignore)] Deposit { dollars: u64 } });
    evolved!(two, |dollars| dollars * 100);
    evolved!(edited, |dollars| dollars * 10);
    let lock = released::<one::Op>("");
    says(
        &checked::<two::Op>(&lock),
        &["`deposit@2` is new", "`deposit@1` is read as something new"],
    );
    let draft = accepted::<two::Op>(&lock);
    says(
        &draft,
        &[
            r#""d":{"dollars":18446744073709551615},"becomes":{"op":"deposit","v":2,"d":{"cents":1844674407370955161500}},"#,
        ],
    );
    assert_eq!(checked::<two::Op>(&draft), "");
    // As long as the new version is a draft, its conversion may change, too.
    accepted::<edited::Op>(&draft);
    let lock = released::<two::Op>(&draft);
    says(
        &refused::<edited::Op>(&lock, "accept"),
        &[
            "`deposit@1`: history is rewritten",
            r#"was read as  `deposit@2` {"cents":1844674407370955161500}"#,
            r#"is read as   `deposit@2` {"cents":184467440737095516150}"#,
        ],
    );
}

#[test]
fn the_type_of_an_old_version_may_not_change() {
    release!(one {} { #[mutation(apply = ignore)] Deposit { dollars: u64 } });
    release!(two {} { #[mutation(version = 2, from(1 = V1), apply = ignore)] Deposit { cents: u64 } }
        #[derive(Deserialize)]
        pub(super) struct V1 {
            euros: u64,
        }
        impl From<V1> for Op {
            fn from(old: V1) -> Self {
                Op::Deposit { cents: old.euros }
            }
        }
    );
    says(
        &refused::<two::Op>(&released::<one::Op>(""), "accept"),
        &[
            "`deposit@1` is released (since 0.0.0), and it has another shape: missing field `euros`",
            "put back the type that version 1 had",
        ],
    );
}

#[test]
fn chains_that_grow_carry_their_pins_forward() {
    release!(one {} { #[mutation(apply = ignore)] Deposit { dollars: u32 } });
    release!(two {} { #[mutation(version = 2, from(1 = V1), apply = ignore)] Deposit { cents: u64 } }
        #[derive(Deserialize)]
        pub(super) struct V1 {
            dollars: u32,
        }
        impl From<V1> for Op {
            fn from(old: V1) -> Self {
                Op::Deposit { cents: u64::from(old.dollars) * 100 }
            }
        }
    );
    release!(three {
        retired(tag = "deposit", from(1 = V1, 2 = V2), into = renamed),
    } { #[mutation(apply = ignore_two)] PayIn { cents: u64, memo: Option<String> } }
        #[derive(Deserialize)]
        pub(super) struct V1 {
            dollars: u32,
        }
        #[derive(Clone, Copy, Deserialize)]
        pub(super) struct V2 {
            cents: u64,
        }
        impl From<V1> for V2 {
            fn from(old: V1) -> Self {
                V2 { cents: u64::from(old.dollars) * 100 }
            }
        }
        fn renamed(old: V2) -> Op {
            Op::PayIn { cents: old.cents, memo: None }
        }
    );
    let lock = released::<two::Op>(&released::<one::Op>(""));
    let lock = released::<three::Op>(&lock);
    assert_eq!(checked::<three::Op>(&lock), "");
    says(
        &lock,
        &[
            r#"{"op":"deposit","v":1,"d":{"dollars":4294967295},"becomes":{"op":"pay_in","v":1,"d":{"cents":429496729500,"memo":null}},"#,
        ],
    );
}

#[test]
fn a_step_that_refuses_a_sample_is_pinned_as_refusing() {
    release!(one {} { #[mutation(apply = ignore)] Rename { account: String } });
    macro_rules! numbered {
        ($name:ident, $account:expr) => {
            release!($name {} {
                #[mutation(version = 2, from(1 = V1 => try number), apply = ignore)]
                Rename { account: u32 },
            }
                #[derive(Deserialize)]
                pub(super) struct V1 {
                    account: String,
                }
                fn number(old: V1) -> Result<Op, std::num::ParseIntError> {
                    let account: fn(&str) -> Result<u32, std::num::ParseIntError> = $account;
                    Ok(Op::Rename { account: account(&old.account)? })
                }
            );
        };
    }
    numbered!(two, |account| account.parse());
    numbered!(lax, |account| Ok(account.parse().unwrap_or(0)));
    let lock = released::<two::Op>(&released::<one::Op>(""));
    says(&lock, &[r#""becomes":"refused""#]);
    assert_eq!(checked::<two::Op>(&lock), "");
    says(&checked::<lax::Op>(&lock), &["is read as something new", "nothing: a step refuses it"]);
    let lock = released::<lax::Op>(&lock);
    says(&checked::<two::Op>(&lock), &["history is rewritten"]);
}

#[test]
fn an_alias_keeps_reading_the_records_of_the_old_tag() {
    release!(one {} { #[mutation(apply = ignore)] Cap { cents: u64 } });
    release!(two {} { #[mutation(tag = "limit", alias("cap"), apply = ignore)] Cap { cents: u64 } });
    let lock = released::<two::Op>(&released::<one::Op>(""));
    assert_eq!(checked::<two::Op>(&lock), "");
    says(&lock, &[r#"{"op":"cap","v":1,"d":{"cents":0},"becomes":{"op":"limit","v":1,"#]);
}

#[test]
fn a_lock_that_comes_late_asks_the_old_types() {
    release!(two {} { #[mutation(version = 2, from(1 = V1), apply = ignore)] Deposit { cents: u64 } }
        #[derive(Deserialize)]
        pub(super) struct V1 {
            dollars: u32,
        }
        impl From<V1> for Op {
            fn from(old: V1) -> Self {
                Op::Deposit { cents: u64::from(old.dollars) * 100 }
            }
        }
    );
    let lock = accepted::<two::Op>("");
    says(
        &lock,
        &[
            r#"{"op":"deposit","v":1,"d":{"dollars":4294967295},"becomes":{"op":"deposit","v":2,"d":{"cents":429496729500}},"shape":{"dollars":"u32"},"draft":true}"#,
        ],
    );
    assert_eq!(checked::<two::Op>(&lock), "");
}

mod states {
    use super::*;

    #[derive(Debug, Default, Clone, Serialize, Deserialize)]
    pub(super) struct First {
        cents: u64,
    }

    #[derive(Debug, Default, Clone, Serialize, Deserialize)]
    pub(super) struct Second {
        cents: u64,
        account: String,
    }

    impl From<First> for Second {
        fn from(old: First) -> Self {
            Second { cents: old.cents, account: String::new() }
        }
    }

    pub(super) fn add(state: &mut First, cents: u64) {
        state.cents = state.cents.wrapping_add(cents);
    }

    pub(super) fn add_more(state: &mut First, cents: u64) {
        state.cents = state.cents.wrapping_add(cents).wrapping_add(1);
    }

    pub(super) fn add_second(state: &mut Second, cents: u64) {
        state.cents = state.cents.wrapping_add(cents);
    }

    macro_rules! pinned {
        ($name:ident, $apply:path, $state:ty, $($keys:tt)*) => {
            #[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
            #[mutations(state = $state, lock = "schema/none.jsonl", pin_handlers, $($keys)*)]
            pub(super) enum $name {
                #[mutation(tag = "add", apply = $apply)]
                Add { cents: u64 },
            }
        };
    }

    // Inside of a function, so that their own tests are not collected.
    pub(super) fn with_releases(
        judge: impl FnOnce([fn(&str, &str) -> Result<Option<String>, String>; 5]),
    ) {
        pinned!(Before, add, First,);
        pinned!(Changed, add_more, First,);
        pinned!(Careless, add_second, Second,);
        pinned!(After, add_second, Second, state_version = 2, state_from(1 = First));
        fn of<S, M>(lock: &str, wish: &str) -> Result<Option<String>, String>
        where
            S: Default + Serialize + serde::de::DeserializeOwned,
            M: Locked<S>,
        {
            super::judge::<S, M>(Some(lock), wish, false)
        }
        #[derive(Debug, Default, Serialize, Deserialize)]
        struct Unordered(HashMap<u64, u64>, Vec<u64>);
        fn shuffle(state: &mut Unordered, cents: u64) {
            state.0 = (0..20).map(|number| (number, cents)).collect();
            state.1 = state.0.keys().take(10).copied().collect();
        }
        pinned!(Chance, shuffle, Unordered,);
        judge([
            of::<First, Before>,
            of::<First, Changed>,
            of::<Second, Careless>,
            of::<Second, After>,
            of::<Unordered, Chance>,
        ]);
    }
}

#[test]
fn a_handler_that_changed_is_reported_and_can_be_pinned_anew() {
    states::with_releases(|[before, changed, ..]| {
        let lock = before("", "accept").unwrap().unwrap();
        says(
            &lock,
            &[r#""after":{"state":1,"empty":{"cents":18446744073709551615},"filled":{"cents":0}}"#],
        );
        let lock = before(&lock, "release").unwrap().unwrap();
        assert_eq!(before(&lock, ""), Ok(None));
        let report = changed(&lock, "").unwrap_err();
        says(
            &report,
            &[
                "`MINISTATE_LOCK=repin cargo test`",
                "`add@1`: replaying it now gives a different state",
                "the default state: `cents`: was 18446744073709551615, is 0",
            ],
        );
        assert!(changed(&lock, "accept").is_err());
        let lock = changed(&lock, "repin").unwrap().unwrap();
        assert_eq!(changed(&lock, ""), Ok(None));
    });
}

#[test]
fn a_state_that_changed_needs_a_version() {
    states::with_releases(|[before, _, careless, after, _]| {
        let lock = before("", "accept").unwrap().unwrap();
        let lock = before(&lock, "release").unwrap().unwrap();
        says(
            &careless(&lock, "").unwrap_err(),
            &[
                "version 1 of the state is released",
                "missing field `account`",
                "`#[mutations(state_version = 2, state_from(1 = V1))]`",
            ],
        );
        // With a version, neither the state nor what handlers do has changed.
        let report = after(&lock, "").unwrap_err();
        assert!(
            !report.contains("to be mended") && !report.contains("different state"),
            "{report}"
        );
        let lock = after(&lock, "accept").unwrap().unwrap();
        says(
            &lock,
            &[r#"{"state":1,"d":{"cents":0},"becomes":{"state":2,"d":{"cents":0,"account":""}}"#],
        );
        assert_eq!(after(&lock, ""), Ok(None));
    });
}

#[test]
fn a_handler_that_hangs_on_the_order_of_a_hash_map_is_found_out() {
    states::with_releases(|[.., chance]| {
        says(&chance("", "accept").unwrap_err(), &["`add@1`: its handler is not deterministic"]);
    });
}

#[test]
fn a_line_that_is_not_one_is_named() {
    release!(one {} { #[mutation(apply = ignore)] Deposit { cents: u64 } });
    let lock = accepted::<one::Op>("").replacen("{\"op\"", "<<<<<<< HEAD\n{\"op\"", 1);
    says(&refused::<one::Op>(&lock, ""), &["line 6 is not one of a schema lock", "mend the merge"]);
    says(&refused::<one::Op>("# mine\n", ""), &["line 1 is not one of a schema lock"]);
}

/// Types of every kind; its own test holds it to the lock in `schema/kinds.lock.jsonl`.
#[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
#[mutations(state = Kinds, lock = "schema/kinds.lock.jsonl", pin_handlers)]
enum KindsOp {
    #[mutation(apply = count_six)]
    Numbers(i8, u16, i32, u64, i128, f64),
    #[mutation(apply = count_four)]
    Texts { character: char, text: String, unit: (), flag: bool },
    #[mutation(apply = count_four)]
    Collections {
        list: Vec<Option<u8>>,
        map: BTreeMap<u32, String>,
        array: [u8; 3],
        twice: Option<Option<u8>>,
    },
    #[mutation(apply = count_two)]
    Nested { tree: Tree, list: Link },
    #[mutation(apply = count_one)]
    Validated(std::num::NonZeroU8),
    #[mutation(apply = count_one)]
    Since(std::time::Duration),
    #[mutation(apply = count_one)]
    Address(std::net::IpAddr),
    #[mutation(apply = count_one)]
    Json(serde_json::Value),
    #[mutation(apply = count_one, sample(r#"{"kind":"circle","radius":2}"#, r#"{"kind":"point"}"#))]
    Shaped(Shape),
    #[mutation(apply = count)]
    Clear,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Tree {
    Leaf(u8),
    Fork {
        left: Box<Tree>,
        right: Box<Tree>,
    },
    Named(String, Box<Tree>),
    #[serde(alias = "Nothing")]
    Empty,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Link {
    next: Option<Box<Link>>,
    others: Vec<Link>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Shape {
    Circle { radius: u8 },
    Point,
}

#[derive(Debug, Default, Clone, Serialize, Deserialize)]
struct Kinds {
    count: u64,
    ratio: f64,
}

fn count(kinds: &mut Kinds) {
    kinds.count = kinds.count.wrapping_add(1);
    kinds.ratio /= 2.0;
}

fn count_one<A>(kinds: &mut Kinds, _first: A) {
    count(kinds);
}

fn count_two<A, B>(kinds: &mut Kinds, _first: A, _second: B) {
    count(kinds);
}

fn count_four<A, B, C, D>(kinds: &mut Kinds, _first: A, _second: B, _third: C, _fourth: D) {
    count(kinds);
}

fn count_six<A, B, C, D, E, F>(kinds: &mut Kinds, _: A, _: B, _: C, _: D, _: E, _: F) {
    count(kinds);
}

#[test]
fn types_of_every_kind_can_be_asked() {
    let lock = judge::<Kinds, KindsOp>(None, "accept", false).unwrap().unwrap();
    let tree = r#""$variants":{"Empty":"null","Fork":{"left":{"$recursive":"Tree"},"right":{"$recursive":"Tree"}},"Leaf":"u8","Named":{"$tuple":["string",{"$recursive":"Tree"}]}}"#;
    says(
        &lock,
        &[
            r#""d":[127,65534,2147483645,18446744073709551612,170141183460469231731687303715884105723,5.333333333333333]"#,
            r#""d":[-128,1,-2147483646,3,-170141183460469231731687303715884105724,-5.333333333333333]"#,
            r#""refuses":["5: NaN"]"#,
            r#""shape":{"character":"char","flag":"bool","text":"string","unit":"null"}"#,
            r#""array":{"$tuple":["u8","u8","u8"]}"#,
            r#""map":{"$map":["u32","string"]}"#,
            r#""refuses":["twice: 'Some' of a value that is 'null' itself"]"#,
            tree,
            r#""others":[{"$recursive":"Link"}]"#,
            r#"{"op":"since","v":1,"d":{"secs":"#,
            r#"{"op":"address","v":1,"d":"127.0.0.1""#,
            r#"{"op":"shaped","v":1,"d":{"kind":"point"}"#,
            r#"{"op":"json","v":1,"d":"any""#,
            r#"{"op":"clear","v":1,"d":null"#,
        ],
    );
}

#[test]
fn a_type_that_cannot_be_asked_wants_samples() {
    #[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
    #[mutations(state = Bank, lock = "schema/none.jsonl")]
    enum Op {
        #[mutation(apply = ignore)]
        Shaped { shape: Shape },
    }
    says(
        &checked::<Op>(""),
        &["`shaped@1`: its shape cannot be found out", r##"`#[mutation(sample(r#"{..}"#))]`"##],
    );
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

/// What is said of an operation whose one field had the first type, and has the second.
macro_rules! from_to {
    ($from:ty => $to:ty) => {{
        #[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
        #[mutations(state = Bank, lock = "schema/none.jsonl")]
        enum Before {
            #[mutation(apply = ignore)]
            Change { field: $from },
        }
        #[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
        #[mutations(state = Bank, lock = "schema/none.jsonl")]
        enum After {
            #[mutation(apply = ignore)]
            Change { field: $to },
        }
        says_of_the_second::<Bank, Before, After>()
    }};
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Signed {
    None,
    Some { number: Vec<i64> },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Unsigned {
    None,
    Some { number: Vec<u64> },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Page<T> {
    items: Vec<T>,
}

#[test]
fn what_is_narrowed_within_others_needs_a_version() {
    for report in [
        from_to!(Option<i64> => Option<u64>),
        from_to!(Vec<Option<u8>> => Vec<u8>),
        from_to!(BTreeMap<String, i64> => BTreeMap<String, u64>),
        from_to!(Signed => Unsigned),
        from_to!(f64 => f32),
        from_to!(Vec<u8> => std::collections::BTreeSet<u8>),
        from_to!(Page<Page<u8>> => Page<Page<String>>),
    ] {
        says(&report, &["to be mended in the program", "`change@1`"]);
    }
}

#[test]
fn what_is_widened_within_others_passes_in_silence() {
    assert_eq!(from_to!(Vec<Option<u8>> => Vec<Option<u16>>), "");
    assert_eq!(from_to!(BTreeMap<String, u32> => HashMap<String, i64>), "");
    assert_eq!(from_to!(Page<u8> => Page<u8>), "");
}

#[test]
fn a_conversion_that_exchanges_two_fields_is_found() {
    macro_rules! moved {
        ($name:ident, $from:ident, $to:ident) => {
            release!($name {} {
                #[mutation(version = 2, from(1 = V1), apply = ignore_two)]
                Move { source: String, target: String },
            }
                #[derive(Deserialize)]
                pub(super) struct V1 {
                    from: String,
                    to: String,
                }
                impl From<V1> for Op {
                    fn from(old: V1) -> Self {
                        Op::Move { source: old.$from, target: old.$to }
                    }
                }
            );
        };
    }
    moved!(right, from, to);
    moved!(wrong, to, from);
    says(&says_of_the_second::<Bank, right::Op, wrong::Op>(), &["history is rewritten"]);
}

#[test]
fn a_default_that_changed_is_found() {
    macro_rules! with_default {
        ($name:ident, $value:literal) => {
            release!($name {} {
                #[mutation(apply = ignore_two)]
                Deposit { cents: u64, #[serde(default = "fee")] fee: u64 },
            }
                fn fee() -> u64 {
                    $value
                }
            );
        };
    }
    with_default!(ten, 10);
    with_default!(ninety, 90);
    let report = says_of_the_second::<Bank, ten::Op, ninety::Op>();
    says(&report, &["to be mended in the program", "`fee`: was 10, is 90"]);
}

#[test]
fn a_conversion_that_panics_refuses_what_it_panics_at() {
    release!(one {} { #[mutation(apply = ignore)] Deposit { dollars: u64 } });
    release!(two {} { #[mutation(version = 2, from(1 = V1), apply = ignore)] Deposit { cents: u64 } }
        #[derive(Deserialize)]
        pub(super) struct V1 {
            dollars: u64,
        }
        impl From<V1> for Op {
            fn from(old: V1) -> Self {
                Op::Deposit { cents: old.dollars.checked_mul(100).expect("not so much") }
            }
        }
    );
    let lock = released::<two::Op>(&released::<one::Op>(""));
    says(&lock, &[r#""d":{"dollars":18446744073709551615},"becomes":"refused""#]);
    assert_eq!(checked::<two::Op>(&lock), "");
}

#[test]
fn types_that_hold_themselves_in_any_way_can_be_asked() {
    #[derive(Debug, Clone, Serialize, Deserialize)]
    struct List(Vec<List>);
    #[derive(Debug, Clone, Serialize, Deserialize)]
    struct Chain(u8, Option<Box<Chain>>);
    #[derive(Debug, Clone, Serialize, Deserialize)]
    #[serde(transparent)]
    struct Thin {
        children: Vec<Thin>,
    }
    #[derive(Debug, Clone, Serialize, Deserialize)]
    struct Expression {
        kind: Kind,
    }
    #[derive(Debug, Clone, Serialize, Deserialize)]
    enum Kind {
        Both(Box<Expression>, Box<Expression>),
        Number(u8),
    }
    #[derive(Debug, Clone, Serialize, Deserialize)]
    struct Wrapped<T> {
        value: T,
    }
    #[derive(Debug, Clone, Serialize, Deserialize)]
    enum Odd {
        Next(Box<Even>),
    }
    #[derive(Debug, Clone, Serialize, Deserialize)]
    enum Even {
        Next(Box<Odd>),
        End,
    }
    assert_eq!(from_to!(List => List), "");
    assert_eq!(from_to!(Chain => Chain), "");
    assert_eq!(from_to!(Thin => Thin), "");
    assert_eq!(from_to!(Expression => Expression), "");
    assert_eq!(from_to!(Wrapped<Wrapped<u8>> => Wrapped<Wrapped<u8>>), "");
    assert_eq!(from_to!(Odd => Odd), "");
}

#[test]
fn a_web_of_types_has_as_many_lines_as_types() {
    macro_rules! web {
        ($($name:ident: $first:ident $second:ident $third:ident;)*) => {
            $(#[derive(Debug, Clone, Serialize, Deserialize)]
            enum $name {
                Leaf(u8),
                First(Box<$first>, Box<$second>),
                Second { of: Vec<$third>, or: Option<Box<$first>> },
                Third(Box<$second>, Box<$third>, Box<$name>),
            })*
        };
    }
    web! {
        A: B C D; B: C D E; C: D E F; D: E F G; E: F G H; F: G H A; G: H A B; H: A B C;
    }
    macro_rules! deep {
        ($($name:ident: $of:ty;)*) => {
            $(#[derive(Debug, Clone, Serialize, Deserialize)]
            struct $name {
                one: $of,
                other: Vec<$of>,
            })*
        };
    }
    deep! { D1: A; D2: D1; D3: D2; D4: D3; }
    assert_eq!(from_to!(A => A), "");
    assert_eq!(from_to!(D4 => D4), "");
}

#[test]
fn a_sample_that_is_given_after_a_release_is_to_be_accepted() {
    release!(one {} { #[mutation(apply = ignore, sample(r#"{"shape":{"kind":"point"}}"#))]
        Draw { shape: Shape } });
    release!(two {} { #[mutation(
        apply = ignore,
        sample(r#"{"shape":{"kind":"point"}}"#, r#"{"shape":{"kind":"circle","radius":2}}"#),
    )]
        Draw { shape: Shape } });
    let lock = released::<one::Op>("");
    says(&checked::<two::Op>(&lock), &[r#"+ {"op":"draw","v":1,"d":{"shape":{"kind":"circle""#]);
    assert_eq!(checked::<two::Op>(&accepted::<two::Op>(&lock)), "");
}

macro_rules! untagged {
    ($($name:ident { $($variant:ident($of:ty)),* })*) => {
        $(#[derive(Debug, Clone, Serialize, Deserialize)]
        #[serde(untagged)]
        enum $name {
            $($variant($of),)*
        })*
    };
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Name {
    name: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Number {
    number: u64,
}

untagged! {
    NumberOrText { Number(u64), Text(String) }
    OnlyText { Text(String) }
    TextOrStruct { Text(String), Name(Name) }
    StructOrStruct { Name(Name), Number(Number) }
    AllButLists { Null(()), Bool(bool), Number(f64), Text(String), Map(BTreeMap<String, String>) }
    All {
        Null(()), Bool(bool), Number(f64), Text(String), List(Vec<String>),
        Map(BTreeMap<String, String>)
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Sometimes {
    Never,
    Given(StructOrStruct),
}

/// What is said of a payload with this type, of which there is no sample.
macro_rules! said_of {
    ($of:ty) => {{
        #[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
        #[mutations(state = Bank, lock = "schema/none.jsonl")]
        enum Op {
            #[mutation(apply = ignore_two)]
            Set { count: u8, value: $of },
        }
        checked::<Op>("")
    }};
}

/// Once, an untagged enum with a text among its variants was taken for what takes anything, and a
/// variant that was removed from it went unnoticed; where one of another enum's variants held an
/// untagged enum, that variant went unasked.
#[test]
fn an_untagged_enum_wants_samples() {
    for said in [
        said_of!(NumberOrText),
        said_of!(OnlyText),
        said_of!(TextOrStruct),
        said_of!(StructOrStruct),
        said_of!(AllButLists),
        said_of!(Vec<NumberOrText>),
        said_of!(Option<NumberOrText>),
        said_of!(Box<TextOrStruct>),
        said_of!(Option<Vec<Box<StructOrStruct>>>),
        said_of!(BTreeMap<String, NumberOrText>),
        said_of!(Sometimes),
    ] {
        says(
            &said,
            &[
                "`set@1`: its shape cannot be found out at `value",
                "it takes more than one form there",
                r##"`#[mutation(sample(r#"{..}"#))]`"##,
            ],
        );
    }
}

#[test]
fn what_takes_anything_is_locked_as_such() {
    for said in [
        said_of!(serde_json::Value),
        said_of!(Vec<Option<serde_json::Value>>),
        said_of!(Box<serde_json::value::RawValue>),
        said_of!(BTreeMap<String, serde_json::Value>),
        said_of!(All),
    ] {
        says(&said, &[r#""value":"#, r#""any""#]);
        assert!(!said.contains("cannot be found out"), "{said}");
    }
}

#[test]
fn a_variant_that_an_untagged_enum_loses_is_noticed_where_it_has_a_sample() {
    release!(one {} { #[mutation(
        apply = ignore,
        sample(r#"{"value":7}"#, r#"{"value":"seven"}"#),
    )]
        Set { value: NumberOrText } });
    release!(two {} { #[mutation(
        apply = ignore,
        sample(r#"{"value":"seven"}"#),
    )]
        Set { value: OnlyText } });
    let lock = released::<one::Op>("");
    assert_eq!(checked::<one::Op>(&lock), "");
    says(&checked::<two::Op>(&lock), &["`set@1` is released", r#"no longer read: {"value":7}"#]);
}
