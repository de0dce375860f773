//! The proof sees bugs: each of those that can be planted is found, and its crash or damage named.

use ministate::__private::Bug;
use ministate_proof::{Finding, Thoroughness, crashes, damage};
use ministate_tests::say_loudly;

/// Which tier sees the bug.
fn finding(bug: Bug) -> Option<Finding> {
    const STATES: u64 = 100_000;
    match bug {
        Bug::AcknowledgedBeforeSync
        | Bug::DirectoryNotSynced
        | Bug::RenamedBeforeSync
        | Bug::SnapshotRenamedBeforeSync
        | Bug::SyncRetried
        | Bug::WriteNotUndone
        | Bug::CutNotSynced
        | Bug::TornTailNotCut
        | Bug::NotWrittenAgain
        | Bug::WrittenAgainInPlace
        | Bug::MarkNotWrittenAgain
        | Bug::SealedBeforeSuccessor
        | Bug::ReplayedTwice => crashes::explore(STATES, Some(bug)).err(),
        // No crash leaves what these mistake.
        Bug::TailNeverClassified | Bug::HeadIgnored | Bug::CompactedBeforeReadBack => {
            damage::explore(Thoroughness::Bits, Some(bug)).err()
        }
        // It takes two threads: see `commit_protocol::controls`.
        Bug::SeqAndStateReadApart => None,
    }
}

#[test]
fn every_planted_bug_is_found() {
    for bug in Bug::ALL {
        if bug == Bug::SeqAndStateReadApart {
            continue;
        }
        let finding = finding(bug).unwrap_or_else(|| panic!("nobody sees {bug:?}"));
        say_loudly(&format!("{bug:?}: {finding}"));
    }
}
