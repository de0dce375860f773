//! Which change of an operation needs a version, which is to be accepted, and which passes?

use ministate::Mutations;
use serde::{Deserialize, Serialize};

use super::{
    Bank, accepted, checked, ignore, ignore_two, release, released, says, says_of_the_second,
};

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
