//! `#[mutations(output = ..)]`: the enum itself is an operation.

use ministate::storage::Simulated;
use ministate::{Accepts, Mutations, Mutator, Operation, Options, StateManager};
use serde::{Deserialize, Serialize};

use super::{Bank, Close};

#[derive(Debug, PartialEq)]
enum Receipt {
    Balance(u64),
    Closed(Option<u64>),
}

impl From<Option<u64>> for Receipt {
    fn from(cents: Option<u64>) -> Self {
        Receipt::Closed(cents)
    }
}

fn pay_in(bank: &mut Bank, account: String, cents: u64) -> Receipt {
    bank.deposit(account.clone(), cents);
    Receipt::Balance(bank.accounts[&account])
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Mutations)]
#[mutations(state = Bank, output = Receipt)]
enum ReceiptOp {
    #[mutation(apply = pay_in)]
    Deposit {
        account: String,
        cents: u64,
    },
    Close(Close),
}

fn pay(cents: u64) -> ReceiptOp {
    ReceiptOp::Deposit { account: "ann".to_owned(), cents }
}

#[test]
fn executing_the_enum_gives_what_the_handler_returned() {
    let mut bank = Bank::default();
    assert_eq!(pay(3).execute(&mut bank), Receipt::Balance(3));
    assert_eq!(pay(4).execute(&mut bank), Receipt::Balance(7));
}

#[test]
fn executing_the_enum_converts_the_output_of_a_payload() {
    let mut bank = Bank::default();
    pay(3).apply(&mut bank);
    let close = Close { account: "ann".to_owned() };
    assert_eq!(ReceiptOp::Close(close.clone()).execute(&mut bank), Receipt::Closed(Some(3)));
    assert_eq!(close.execute(&mut bank), None);
}

#[test]
fn the_manager_answers_with_the_output_of_what_was_executed() {
    let disk = Simulated::new();
    let manager: StateManager<Bank, ReceiptOp> =
        Options::new().storage(disk).blocking_open("bank", "bank.wal.jsonl").unwrap();
    let close = || Close { account: "ann".to_owned() };
    assert_eq!(manager.blocking_execute(pay(3)).unwrap().output, Receipt::Balance(3));
    assert_eq!(manager.blocking_execute(close()).unwrap().output, Some(3));
    let closed = manager.blocking_execute(ReceiptOp::Close(close())).unwrap().output;
    assert_eq!(closed, Receipt::Closed(None));
}

#[test]
fn apply_runs_both_kinds_of_variants() {
    let mut bank = Bank::default();
    pay(3).apply(&mut bank);
    assert_eq!(bank.accounts.len(), 1);
    ReceiptOp::Close(Close { account: "ann".to_owned() }).apply(&mut bank);
    assert_eq!(bank.accounts.len(), 0);
}

#[test]
fn the_enum_accepts_itself_and_its_payloads() {
    fn accepted<M: Accepts<O>, O>(operation: O) -> M {
        M::from(operation)
    }
    let close = Close { account: "ann".to_owned() };
    assert_eq!(accepted::<ReceiptOp, _>(pay(3)), pay(3));
    assert_eq!(accepted::<ReceiptOp, _>(close.clone()), ReceiptOp::Close(close));
}
