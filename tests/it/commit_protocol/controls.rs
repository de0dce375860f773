//! Would the checks see a bug? Scenarios with one in them, on the side that is ours to write.

use std::sync::Arc;

use ministate_shuttled::__private::{Bug, with_bug};
use ministate_shuttled::model::Handle;
use ministate_tests::say_loudly;
use shuttle::future::block_on;

use super::disk::Behavior;
use super::explored::caught;
use super::ledger::Ledger;
use super::{beside, join, pusher};

#[test]
fn an_acknowledgement_without_a_sync_is_seen() {
    let said = caught("an_acknowledgement_without_a_sync", || {
        let syncs = Ledger::open(Behavior::Works).disk.syncs();
        let ledger = Ledger::open(Behavior::LiesFrom(syncs + 1));
        join([pusher(&ledger, [10]), pusher(&ledger, [20])]);
        ledger.check();
    });
    assert!(said.contains("did not survive") || said.contains("are left of"), "{said}");
}

#[test]
fn a_seq_and_a_state_that_are_read_apart_are_seen() {
    let said = caught("a_seq_and_a_state_that_are_read_apart", || {
        let ledger = Ledger::open(Behavior::Works);
        let reader = beside(&ledger, |ledger| {
            let mut seq = 0;
            while seq == 0 {
                seq = ledger.lists.sequence();
                let length = ledger.lists.read(|list| list.entries.len() as u64);
                assert_eq!(seq, length, "read apart");
            }
        });
        join([pusher(&ledger, [10]), reader]);
    });
    assert!(said.contains("read apart"), "{said}");
}

#[test]
fn a_snapshot_of_one_state_with_the_seq_of_another_is_seen() {
    let said = with_bug(Some(Bug::SeqAndStateReadApart), || {
        caught("a_snapshot_of_one_state_with_the_seq_of_another", || {
            let ledger = Ledger::open(Behavior::Works);
            ledger.push(10).unwrap();
            let by_clone = beside(&ledger, |ledger| {
                ledger.lists.blocking_create_snapshot_by_clone().unwrap();
            });
            join([pusher(&ledger, [11]), by_clone]);
            ledger.check();
        })
    });
    say_loudly(&format!("{:?}: {said}", Bug::SeqAndStateReadApart));
}

/// The one worker waits for a task that only it could poll.
#[test]
fn callers_that_wait_for_ever_are_seen() {
    let said = caught("callers_that_wait_for_ever", || {
        let (ledger, runtime) = (Ledger::open(Behavior::Works), Handle::multi_thread(1));
        let outer = runtime.spawn({
            let runtime = runtime.clone();
            async move {
                let ledger = Arc::clone(&ledger);
                let inner = runtime.spawn(async move { ledger.push_async(10).await.is_ok() });
                block_on(inner).unwrap();
            }
        });
        block_on(outer).unwrap();
    });
    assert!(said.contains("deadlock"), "{said}");
}
