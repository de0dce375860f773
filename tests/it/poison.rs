//! After a failed write, silence: no later write, and reads stay on the last durable state.

use std::error::Error;
use std::future::Future;
use std::task::{Context, Waker};

use ministate::storage::{Fault, Simulated};
use ministate::{MiniStateError, Mutations, Mutator, Options, StateManager};
use ministate_tests::{Gated, JOURNAL, Lists, entries, open_simulated, push};
use serde::{Deserialize, Serialize};

fn opened() -> (Simulated, Lists) {
    let disk = Simulated::new();
    let lists = open_simulated(&disk, u64::MAX).unwrap();
    lists.blocking_apply(push(1)).unwrap();
    (disk, lists)
}

/// The manager refuses every write without asking the disk, names the cause, and serves reads.
fn check_silence(disk: &Simulated, lists: &Lists) {
    let calls = disk.calls();
    for result in
        [lists.blocking_apply(push(9)).map(drop), lists.blocking_apply_batch([push(9)]).map(drop)]
    {
        match result {
            Err(error @ MiniStateError::Poisoned { seq: 1, .. }) => {
                assert!(error.source().is_some());
            }
            other => panic!("{other:?}"),
        }
    }
    let refused = lists.journal_status().writes_refused;
    assert!(matches!(refused, Some(MiniStateError::Poisoned { seq: 1, .. })), "{refused:?}");
    assert_eq!(disk.calls(), calls, "a poisoned manager touched the disk");
    assert_eq!(entries(lists), [1]);
    assert_eq!(lists.sequence(), 1);
    assert!(matches!(lists.blocking_close(), Err(MiniStateError::Poisoned { .. })));
    assert_eq!(disk.calls(), calls);
}

#[test]
fn a_failed_write_is_undone_and_says_that_nothing_was_written() {
    for fault in [Fault::Fails, Fault::Full] {
        let (disk, lists) = opened();
        let write = disk.calls();
        disk.fail_at(write, fault);
        // The fill is in place, so a full disk has no second try.
        match lists.blocking_apply(push(2)) {
            Err(MiniStateError::NotWritten { .. }) => {}
            other => panic!("{fault:?}: {other:?}"),
        }
        check_silence(&disk, &lists);
        for seed in 0..20 {
            let again = open_simulated(&disk.restarted(seed), u64::MAX).unwrap();
            assert_eq!(entries(&again), [1]);
        }
    }
}

/// Half of a write that fails can hold whole records of the batch.
#[test]
fn no_record_of_a_batch_whose_write_failed_is_there_after_all() {
    let gated = Gated::default();
    let lists: Lists =
        Options::new().storage(gated.clone()).blocking_open("lists", JOURNAL).unwrap();
    gated.shut();
    std::thread::scope(|scope| {
        scope.spawn(|| lists.blocking_apply(push(1)).unwrap());
        gated.wait_for_a_sync();
        // The sync that waits is the next call, the batch's write the one behind it.
        gated.disk.fail_at(gated.disk.calls() + 1, Fault::Full);
        let mut context = Context::from_waker(Waker::noop());
        let mut applies: Vec<_> = (2..6).map(|entry| Box::pin(lists.apply(push(entry)))).collect();
        for apply in &mut applies {
            assert!(apply.as_mut().poll(&mut context).is_pending());
        }
        gated.open();
        for apply in applies {
            let result = block_on(apply);
            assert!(matches!(result, Err(MiniStateError::NotWritten { .. })), "{result:?}");
        }
    });
    for seed in 0..20 {
        let again = open_simulated(&gated.disk.restarted(seed), u64::MAX).unwrap();
        assert_eq!(entries(&again), [1]);
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

#[test]
fn a_failed_sync_says_that_the_outcome_is_unknown() {
    let (disk, lists) = opened();
    disk.fail_at(disk.calls() + 1, Fault::Fails);
    match lists.blocking_apply(push(2)) {
        Err(MiniStateError::OutcomeUnknown { seq: 2, .. }) => {}
        other => panic!("{other:?}"),
    }
    check_silence(&disk, &lists);
}

#[test]
fn the_cause_of_the_poison_names_the_first_mutation_whose_outcome_is_unknown() {
    let (disk, lists) = opened();
    disk.fail_at(disk.calls() + 1, Fault::Fails);
    lists.blocking_apply_batch([push(2), push(3)]).unwrap_err();
    match lists.blocking_apply(push(4)) {
        Err(MiniStateError::Poisoned { cause, .. }) => {
            let is_right = matches!(*cause, MiniStateError::OutcomeUnknown { seq: 2, .. });
            assert!(is_right, "{cause:?}");
        }
        other => panic!("{other:?}"),
    }
}

/// Once, a journal was opened again after a failed sync, took what the page cache showed for what
/// the disk has, and acknowledged the next mutation behind a hole.
#[test]
fn what_a_failed_sync_dropped_is_written_again_before_the_next_acknowledgement() {
    let (disk, lists) = opened();
    disk.fail_at(disk.calls() + 1, Fault::Fails);
    lists.blocking_apply(push(2)).unwrap_err();
    drop(lists);
    let lists = open_simulated(&disk, u64::MAX).unwrap();
    let recovered = entries(&lists);
    lists.blocking_apply(push(3)).unwrap();
    for seed in 0..20 {
        let again = open_simulated(&disk.restarted(seed), u64::MAX).unwrap();
        assert_eq!(entries(&again), [recovered.as_slice(), &[3]].concat());
    }
}

/// Only a disk that is too full for the fill is asked twice.
#[test]
fn a_write_that_fails_is_not_repeated() {
    let disk = Simulated::new();
    let lists = open_simulated(&disk, u64::MAX).unwrap();
    // The first write of a manager has the fill with it.
    disk.fail_at(disk.calls(), Fault::Fails);
    let result = lists.blocking_apply(push(1));
    assert!(matches!(result, Err(MiniStateError::NotWritten { .. })), "{result:?}");
}

#[test]
fn a_disk_without_room_for_fill_is_written_without_it() {
    let disk = Simulated::new();
    let lists = open_simulated(&disk, u64::MAX).unwrap();
    disk.fail_at(disk.calls(), Fault::Full);
    lists.blocking_apply(push(1)).unwrap();
    lists.blocking_apply(push(2)).unwrap();
    let content = disk.content(lists.journal_path()).unwrap();
    assert!(content.ends_with(b"}\n") && !content.ends_with(b"\n\n"));
    drop(lists);
    assert_eq!(entries(&open_simulated(&disk.restarted(3), u64::MAX).unwrap()), [1, 2]);
}

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
struct Account {
    cents: i64,
    deposits: u32,
}

#[derive(Debug, Serialize, Deserialize)]
struct Deposit {
    cents: i64,
}

impl Mutator<Account> for Deposit {
    fn apply(&self, account: &mut Account) {
        account.cents += self.cents;
        assert!(self.cents >= 0, "a deposit of {} cents", self.cents);
        account.deposits += 1;
    }
}

type Accounts = StateManager<Account, Deposit>;

fn open_account(disk: &Simulated) -> Result<Accounts, MiniStateError> {
    Options::new().storage(disk.clone()).blocking_open("bank", "bank.wal.jsonl")
}

#[test]
fn a_handler_that_panics_leaves_readers_the_state_before_it() {
    let disk = Simulated::new();
    let account = open_account(&disk).unwrap();
    account.blocking_apply(Deposit { cents: 5 }).unwrap();
    match account.blocking_apply(Deposit { cents: -7 }) {
        Err(MiniStateError::HandlerPanicked { seq: 2, operation: None, message }) => {
            assert_eq!(message, "a deposit of -7 cents");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(account.read(Account::clone), Account { cents: 5, deposits: 1 });
    assert_eq!(account.sequence(), 1);
    match account.blocking_apply(Deposit { cents: 1 }) {
        Err(MiniStateError::Poisoned { seq: 1, cause }) => {
            assert!(matches!(*cause, MiniStateError::HandlerPanicked { seq: 2, .. }));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_error_names_the_operation_whose_handler_panicked() {
    #[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
    #[mutations(state = Account)]
    enum AccountOp {
        #[mutation(apply = overdraw)]
        Overdraw { cents: i64 },
    }
    fn overdraw(_account: &mut Account, cents: i64) {
        panic!("{cents} cents are not there");
    }
    let disk = Simulated::new();
    let open = || {
        let options = Options::new().storage(disk.clone());
        options.blocking_open::<Account, AccountOp>("bank", "bank.wal.jsonl")
    };
    let check = |error: MiniStateError| match error {
        MiniStateError::HandlerPanicked { seq: 1, operation: Some(operation), message } => {
            assert_eq!((&*operation, &*message), ("overdraw@1", "7 cents are not there"));
        }
        other => panic!("{other:?}"),
    };
    check(open().unwrap().blocking_apply(AccountOp::Overdraw { cents: 7 }).unwrap_err());
    check(open().unwrap_err());
}

#[test]
fn a_batch_whose_second_mutation_panics_leaves_no_trace_in_the_state() {
    let disk = Simulated::new();
    let account = open_account(&disk).unwrap();
    let batch = [5, -7, 9].map(|cents| Deposit { cents });
    match account.blocking_apply_batch(batch) {
        Err(MiniStateError::HandlerPanicked { seq: 2, .. }) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(account.read(Account::clone), Account::default());
    assert_eq!(account.sequence(), 0);
}

#[test]
fn a_journal_whose_replay_panics_is_refused_and_not_changed() {
    let disk = Simulated::new();
    let account = open_account(&disk).unwrap();
    account.blocking_apply(Deposit { cents: -7 }).unwrap_err();
    drop(account);
    let before = disk.content("bank/bank.wal.jsonl");
    match open_account(&disk) {
        Err(MiniStateError::HandlerPanicked { seq: 1, .. }) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(disk.content("bank/bank.wal.jsonl"), before);
}

/// They are in the journal, behind a record that cannot be applied.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_outcome_of_those_behind_a_panic_in_the_same_batch_is_unknown() {
    let gated = Gated::default();
    let account: Accounts =
        Options::new().storage(gated.clone()).open("bank", "bank.wal.jsonl").await.unwrap();
    // The first poll puts a mutation into the queue, so they stand there in this order.
    gated.shut();
    let mut applies = Vec::new();
    for cents in [1, -1, 1, 1] {
        let mut apply = Box::pin(account.apply(Deposit { cents }));
        let poll = apply.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(poll.is_pending());
        applies.push(apply);
        if applies.len() == 1 {
            let gated = gated.clone();
            tokio::task::spawn_blocking(move || gated.wait_for_a_sync()).await.unwrap();
        }
    }
    gated.open();
    let mut results = Vec::new();
    for apply in applies {
        results.push(apply.await);
    }
    let [first, panics, behind @ ..] = results.as_slice() else { unreachable!() };
    assert!(matches!(first, Ok(1)));
    assert!(matches!(panics, Err(MiniStateError::HandlerPanicked { seq: 2, .. })));
    for (result, expected) in behind.iter().zip([3, 4]) {
        match result {
            Err(error @ MiniStateError::OutcomeUnknown { seq, .. }) => {
                assert_eq!(*seq, expected);
                assert!(error.source().unwrap().to_string().contains("panicked at mutation 2"));
            }
            other => panic!("{other:?}"),
        }
    }
    let journaled = gated.disk.content(account.journal_path()).unwrap();
    let journaled = String::from_utf8(journaled).unwrap().matches(r#""seq":"#).count() as u64;
    assert_eq!((journaled, account.sequence()), (4, 1));
    assert_eq!(account.read(Account::clone), Account { cents: 1, deposits: 1 });
}

/// Once, a panic of the leader left everybody else waiting for it.
#[test]
fn a_type_that_panics_when_it_is_dropped_leaves_nobody_without_an_answer() {
    #[derive(Debug, Default, Serialize, Deserialize)]
    struct Touchy {
        broken: bool,
    }
    impl Drop for Touchy {
        fn drop(&mut self) {
            assert!(!self.broken, "dropped while broken");
        }
    }
    #[derive(Debug, Serialize, Deserialize)]
    struct Break;
    impl Mutator<Touchy> for Break {
        fn apply(&self, touchy: &mut Touchy) {
            touchy.broken = true;
            panic!("broken");
        }
    }
    let disk = Simulated::new();
    let touchy: StateManager<Touchy, Break> =
        Options::new().storage(disk).blocking_open("touchy", "touchy.wal.jsonl").unwrap();
    assert!(touchy.blocking_apply(Break).is_err());
    assert!(matches!(touchy.blocking_apply(Break), Err(MiniStateError::Poisoned { .. })));
    assert!(matches!(touchy.blocking_close(), Err(MiniStateError::Poisoned { .. })));
    // Its state may still be the broken one, which cannot be dropped.
    std::mem::forget(touchy);
}

#[test]
fn a_closed_manager_refuses_writes_and_serves_reads() {
    let (disk, lists) = opened();
    assert!(lists.journal_status().writes_refused.is_none());
    lists.blocking_close().unwrap();
    assert!(matches!(lists.journal_status().writes_refused, Some(MiniStateError::Closed)));
    lists.blocking_close().unwrap();
    assert!(matches!(lists.blocking_apply(push(2)), Err(MiniStateError::Closed)));
    assert_eq!(entries(&lists), [1]);
    let content = disk.content(std::path::Path::new("lists").join(JOURNAL)).unwrap();
    assert!(content.ends_with(b"}\n"), "the fill was not trimmed");
}

#[test]
fn a_close_that_fails_says_so_and_lets_go_of_the_journal() {
    let (disk, lists) = opened();
    disk.fail_at(disk.calls(), Fault::Fails);
    assert!(matches!(lists.blocking_close(), Err(MiniStateError::Io { .. })));
    assert_eq!(entries(&open_simulated(&disk, u64::MAX).unwrap()), [1]);
}
