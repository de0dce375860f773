//! How does an operation answer its caller, and how does it say no?
//!
//! ```sh
//! cargo run --example bank
//! ```

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;

use ministate::{Mutations, Operation, StateManager};
use serde::{Deserialize, Serialize};

#[derive(Debug, Default, Serialize, Deserialize)]
struct Bank {
    cents: BTreeMap<String, u64>,
}

/// `Open` has nothing to answer, and calls the method of its name. The others are types of their
/// own, each with an output.
#[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
#[mutations(state = Bank)]
enum BankOp {
    Open { account: String },
    Deposit(Deposit),
    Transfer(Transfer),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Deposit {
    account: String,
    cents: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Transfer {
    from: String,
    to: String,
    cents: u64,
}

/// Plain values: an output is made again at every replay, and never written.
#[derive(Debug, PartialEq)]
enum Rejection {
    NoSuchAccount(String),
    Short { by: u64 },
    TooMuch,
}

impl Operation<Bank> for Deposit {
    /// What is now in the account.
    type Output = Result<u64, Rejection>;

    fn execute(self, bank: &mut Bank) -> Self::Output {
        let Deposit { account, cents } = self;
        let Some(balance) = bank.cents.get_mut(&account) else {
            return Err(Rejection::NoSuchAccount(account));
        };
        // A handler that panics stops the bank, so a sum that is too large is an answer, too.
        *balance = balance.checked_add(cents).ok_or(Rejection::TooMuch)?;
        Ok(*balance)
    }
}

impl Operation<Bank> for Transfer {
    /// What is left in the account that pays.
    type Output = Result<u64, Rejection>;

    /// Looks at everything before it changes anything: nobody takes back what a handler changed
    /// before it said no.
    fn execute(self, bank: &mut Bank) -> Self::Output {
        let Transfer { from, to, cents } = self;
        let left = bank.left_after(&from, cents)?;
        let received = match bank.cents.get(&to) {
            None => return Err(Rejection::NoSuchAccount(to)),
            Some(_) if from == to => return Ok(left + cents),
            Some(balance) => balance.checked_add(cents).ok_or(Rejection::TooMuch)?,
        };
        bank.cents.insert(from, left);
        bank.cents.insert(to, received);
        Ok(left)
    }
}

impl Bank {
    fn open(&mut self, account: String) {
        self.cents.entry(account).or_default();
    }

    fn left_after(&self, account: &str, cents: u64) -> Result<u64, Rejection> {
        let Some(balance) = self.cents.get(account) else {
            return Err(Rejection::NoSuchAccount(account.into()));
        };
        balance.checked_sub(cents).ok_or_else(|| Rejection::Short { by: cents - balance })
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchAccount(account) => write!(f, "there is no account {account}; open it"),
            Self::Short { by } => write!(f, "{by} cents are missing; deposit them"),
            Self::TooMuch => write!(f, "no account holds so much; use two"),
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let bank = StateManager::<Bank, BankOp>::open(dir.path(), "bank.wal.jsonl").await?;
    for account in ["ann", "bob"] {
        bank.apply(BankOp::Open { account: account.into() }).await?;
    }
    // Two questions, two answers. `?` is for the disk: without an answer of the disk there is none
    // of the bank. What the bank answers is in `output`.
    let deposit = bank.execute(Deposit { account: "ann".into(), cents: 500 }).await?;
    println!("mutation {}: ann has {:?}", deposit.seq, deposit.output);

    for cents in [120, 1_000] {
        let transfer = Transfer { from: "ann".into(), to: "bob".into(), cents };
        let transfer = bank.execute(transfer).await?;
        // The rejected one has a number as well. It is in the journal, and every replay rejects it.
        match transfer.output {
            Ok(left) => println!("mutation {}: {cents} cents to bob, {left} left", transfer.seq),
            Err(rejection) => println!("mutation {}: rejected: {rejection}", transfer.seq),
        }
    }

    // Looking first leaves no trace. It keeps hopeless transfers out of the journal, and decides
    // nothing: another transfer may come between, so the handler looks again.
    if let Err(rejection) = bank.read(|bank| bank.left_after("bob", 1_000)) {
        println!("not even tried: {rejection}");
    }
    println!("{} mutations: {:?}", bank.sequence(), bank.read(|bank| bank.cents.clone()));
    Ok(bank.close().await?)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use ministate::testing;

    use super::*;

    fn transfer(from: &str, to: &str, cents: u64) -> Transfer {
        Transfer { from: from.into(), to: to.into(), cents }
    }

    fn bank_with(balances: [(&str, u64); 2]) -> Bank {
        Bank { cents: balances.map(|(account, cents)| (account.into(), cents)).into() }
    }

    #[test]
    fn a_transfer_answers_with_what_is_left() {
        let mut bank = bank_with([("ann", 500), ("bob", 0)]);
        assert_eq!(transfer("ann", "bob", 120).execute(&mut bank), Ok(380));
        assert_eq!(transfer("ann", "ann", 80).execute(&mut bank), Ok(380));
        assert_eq!(bank.cents, bank_with([("ann", 380), ("bob", 120)]).cents);
    }

    #[test]
    fn a_rejected_transfer_moves_nothing() {
        let mut bank = bank_with([("ann", 500), ("bob", u64::MAX)]);
        for (rejected, why) in [
            (transfer("ann", "bob", 501), Rejection::Short { by: 1 }),
            (transfer("ann", "bob", 1), Rejection::TooMuch),
            (transfer("ann", "cid", 1), Rejection::NoSuchAccount("cid".into())),
            (transfer("cid", "ann", 1), Rejection::NoSuchAccount("cid".into())),
        ] {
            assert_eq!(rejected.execute(&mut bank), Err(why));
        }
        assert_eq!(bank.cents, bank_with([("ann", 500), ("bob", u64::MAX)]).cents);
    }

    #[test]
    fn a_rejection_is_in_the_journal_and_replays() {
        let bank = testing::in_memory_with::<Bank, BankOp>(bank_with([("ann", 5), ("bob", 0)]));
        let rejected = bank.blocking_execute(transfer("ann", "bob", 6)).unwrap();
        assert_eq!((rejected.seq, rejected.output), (1, Err(Rejection::Short { by: 1 })));
        assert_eq!(bank.sequence(), 1);
        bank.blocking_verify_replay().unwrap();
    }

    #[test]
    fn transfers_at_the_same_time_make_no_money() {
        let bank = testing::in_memory_with::<Bank, BankOp>(bank_with([("ann", 100), ("bob", 0)]));
        let paid = |from, to| {
            let transfers = (0..60).map(|_| bank.blocking_execute(transfer(from, to, 3)).unwrap());
            transfers.map(|transfer| u64::from(transfer.output.is_ok())).sum::<u64>()
        };
        let (there, back) = thread::scope(|scope| {
            let there = scope.spawn(|| paid("ann", "bob"));
            let back = paid("bob", "ann");
            (there.join().unwrap(), back)
        });
        // What was answered is what happened.
        let expected = 100 + 3 * back - 3 * there;
        assert_eq!(bank.read(|bank| bank.cents["ann"]), expected);
        assert_eq!(bank.read(|bank| bank.cents.values().sum::<u64>()), 100);
    }

    #[test]
    fn the_example_runs() {
        main().unwrap();
    }
}
