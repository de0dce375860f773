//! Does an enum that uses the derive by now read its old records?

use std::collections::BTreeMap;

use ministate::{Mutations, Operation, StateManager};
use serde::{Deserialize, Serialize};

use super::{copied, opened};

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
struct Bank {
    cents: BTreeMap<String, u64>,
    frozen: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
#[mutations(state = Bank)]
enum BankOp {
    Open { account: String },
    Deposit(String, u64),
    Withdraw(Withdrawal),
    Freeze,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Withdrawal {
    account: String,
    cents: u64,
}

impl Operation<Bank> for Withdrawal {
    type Output = Option<u64>;

    fn execute(self, bank: &mut Bank) -> Option<u64> {
        let cents = bank.cents.get_mut(&self.account)?;
        *cents = cents.saturating_sub(self.cents);
        Some(*cents)
    }
}

impl Bank {
    fn open(&mut self, account: String) {
        self.cents.insert(account, 0);
    }

    fn deposit(&mut self, account: String, cents: u64) {
        *self.cents.entry(account).or_default() += cents;
    }

    fn freeze(&mut self) {
        self.frozen = true;
    }
}

fn banked() -> Bank {
    let cents = [("alice".to_string(), 380), ("bob \"}{\" \u{fc}".to_string(), 7)];
    Bank { cents: cents.into(), frozen: true }
}

#[test]
fn an_enum_that_uses_the_derive_by_now_reads_its_old_records() {
    let dir = copied("bank");
    let bank: StateManager<Bank, BankOp> = opened(dir.path(), "bank.wal.jsonl").unwrap();
    assert_eq!(bank.read(Bank::clone), banked());
    let withdrawal = Withdrawal { account: "alice".to_string(), cents: 80 };
    let applied = bank.blocking_execute(withdrawal).unwrap();
    assert_eq!((applied.seq, applied.output), (6, Some(300)));
    drop(bank);
    let bank: StateManager<Bank, BankOp> = opened(dir.path(), "bank.wal.jsonl").unwrap();
    assert_eq!((bank.sequence(), bank.read(|bank| bank.cents["alice"])), (6, 300));
}

/// The enum has moved on since: old records count as version 1 of their operations.
#[test]
fn old_records_are_read_as_the_first_version_of_their_operation() {
    #[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
    #[mutations(state = Bank, retired(tag = "freeze", versions = 1..=1, drop))]
    enum LaterOp {
        #[mutation(version = 3, from(1 = OpenV1, 2 = OpenV2), apply = open)]
        Open {
            name: String,
            kind: u8,
        },
        // The same shape, in another unit.
        #[mutation(tag = "deposit", version = 2, from(1 = DepositV1), apply = deposit)]
        Deposit(String, u64),
        Withdraw(Withdrawal),
    }

    #[derive(Deserialize)]
    struct OpenV1 {
        account: String,
    }

    #[derive(Deserialize)]
    struct OpenV2 {
        name: String,
    }

    impl From<OpenV1> for OpenV2 {
        fn from(old: OpenV1) -> Self {
            OpenV2 { name: old.account }
        }
    }

    impl From<OpenV2> for LaterOp {
        fn from(old: OpenV2) -> Self {
            LaterOp::Open { name: old.name, kind: 1 }
        }
    }

    #[derive(Deserialize)]
    struct DepositV1(String, u64);

    impl From<DepositV1> for LaterOp {
        fn from(old: DepositV1) -> Self {
            LaterOp::Deposit(old.0, old.1 * 1_000)
        }
    }

    fn open(bank: &mut Bank, name: String, _kind: u8) {
        bank.open(name);
    }

    fn deposit(bank: &mut Bank, account: String, millicents: u64) {
        bank.deposit(account, millicents / 1_000);
    }

    let dir = copied("bank");
    let bank: StateManager<Bank, LaterOp> = opened(dir.path(), "bank.wal.jsonl").unwrap();
    assert_eq!(bank.read(Bank::clone), Bank { frozen: false, ..banked() });
    assert_eq!(bank.sequence(), 5);
}
