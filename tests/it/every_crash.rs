//! Whatever a crash leaves, nothing acknowledged is lost: every disk that one can leave of many
//! small histories. Whatever is damaged is named, or changes nothing.

use ministate_proof::{Thoroughness, crashes, damage, imports};
use ministate_tests::say_loudly;

/// A bounded tier; `just crash` looks at more.
fn states() -> u64 {
    std::env::var("MINISTATE_CRASH_STATES").map_or(300_000, |states| states.parse().unwrap())
}

#[test]
fn every_crash_leaves_what_was_acknowledged() {
    let counts = crashes::explore(states(), None).unwrap_or_else(|finding| panic!("{finding}"));
    say_loudly(&counts.to_string());
    assert!(counts.states >= states() && counts.nested > 0 && counts.faulted > 0, "{counts}");
}

#[test]
fn every_damage_is_named_or_changes_nothing() {
    let explored = damage::explore(Thoroughness::Bits, None);
    let counts = explored.unwrap_or_else(|finding| panic!("{finding}"));
    say_loudly(&counts.to_string());
    assert!(counts.openings >= 300_000 && counts.refused >= 100_000, "{counts}");
}

#[test]
fn every_crash_of_an_import_leaves_what_the_old_program_had() {
    let states = imports::explore().unwrap_or_else(|finding| panic!("{finding}"));
    say_loudly(&format!("{states} crash states of imports"));
    assert!(states > 100, "there were only {states}");
}
