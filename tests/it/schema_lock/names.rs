//! What is said of an operation that was renamed, deleted or given up?

use ministate::Mutations;
use serde::{Deserialize, Serialize};

use super::{Bank, checked, ignore, release, released, says};

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
fn an_alias_keeps_reading_the_records_of_the_old_tag() {
    release!(one {} { #[mutation(apply = ignore)] Cap { cents: u64 } });
    release!(two {} { #[mutation(tag = "limit", alias("cap"), apply = ignore)] Cap { cents: u64 } });
    let lock = released::<two::Op>(&released::<one::Op>(""));
    assert_eq!(checked::<two::Op>(&lock), "");
    says(&lock, &[r#"{"op":"cap","v":1,"d":{"cents":0},"becomes":{"op":"limit","v":1,"#]);
}
