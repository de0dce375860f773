//! Does a record of an old version go on meaning what it has meant?

use ministate::Mutations;
use serde::{Deserialize, Serialize};

use super::{
    Bank, accepted, checked, ignore, ignore_two, refused, release, released, says,
    says_of_the_second,
};

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
