//! What becomes of a program, and of a directory, of ministate 0.1?
//!
//! ```sh
//! cargo run --example coming_from_0_1
//! ```
//!
//! The directory that it opens a copy of was written by the published ministate 0.1.3. Stop the old
//! program before the first start of the new one: 0.1 takes no lock, so nothing keeps the two apart.

#![expect(clippy::disallowed_methods, reason = "an example copies the directory that it opens")]

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use ministate::{MiniStateError, Mutator, Options, StateManager};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
struct Bank {
    cents: BTreeMap<String, u64>,
    frozen: bool,
}

/// The program as it was. Nothing has to change: it compiles, opens its directory, and goes on.
mod unchanged {
    use ministate::Mutator;
    use serde::{Deserialize, Serialize};

    use super::Bank;

    #[derive(Debug, Serialize, Deserialize)]
    pub(crate) enum BankOp {
        Open { account: String },
        Deposit(String, u64),
        Withdraw { account: String, cents: u64 },
        Freeze,
    }

    impl Mutator<Bank> for BankOp {
        fn apply(&self, bank: &mut Bank) {
            match self {
                BankOp::Open { account } => {
                    bank.cents.entry(account.clone()).or_default();
                }
                BankOp::Deposit(account, cents) => {
                    *bank.cents.entry(account.clone()).or_default() += cents;
                }
                BankOp::Withdraw { account, cents } => {
                    let balance = bank.cents.entry(account.clone()).or_default();
                    *balance = balance.saturating_sub(*cents);
                }
                BankOp::Freeze => bank.frozen = true,
            }
        }
    }
}

/// The program with the derive. The old records have no versions: they are version 1 of the variant
/// that they name, so a variant may have another shape by now.
///
/// The derive has to be there at the *first* start on the old directory. What a mutator that is
/// written by hand adds behind it is not read by a derived enum (`without_derive` shows the way out).
mod with_derive {
    use ministate::Mutations;
    use serde::{Deserialize, Serialize};

    use super::Bank;

    #[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
    #[mutations(state = Bank)]
    pub(crate) enum BankOp {
        #[mutation(apply = open)]
        Open { account: String },
        // Was `Deposit(String, u64)`.
        #[mutation(version = 2, from(1 = DepositV1), apply = deposit)]
        Deposit { account: String, cents: u64, memo: Option<String> },
        #[mutation(apply = withdraw)]
        Withdraw { account: String, cents: u64 },
        #[mutation(apply = freeze)]
        Freeze,
    }

    #[derive(Deserialize)]
    pub(crate) struct DepositV1(String, u64);

    impl From<DepositV1> for BankOp {
        fn from(DepositV1(account, cents): DepositV1) -> Self {
            BankOp::Deposit { account, cents, memo: None }
        }
    }

    fn open(bank: &mut Bank, account: String) {
        bank.cents.entry(account).or_default();
    }

    fn deposit(bank: &mut Bank, account: String, cents: u64, _memo: Option<String>) {
        *bank.cents.entry(account).or_default() += cents;
    }

    fn withdraw(bank: &mut Bank, account: String, cents: u64) {
        let balance = bank.cents.entry(account).or_default();
        *balance = balance.saturating_sub(cents);
    }

    fn freeze(bank: &mut Bank) {
        bank.frozen = true;
    }
}

const JOURNAL: &str = "bank.wal.jsonl";

fn old_journal() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/0.1/bank").join(JOURNAL)
}

fn copy_of_old_directory() -> std::io::Result<tempfile::TempDir> {
    let dir = tempfile::tempdir()?;
    fs::copy(old_journal(), dir.path().join(JOURNAL))?;
    Ok(dir)
}

fn open<M>(dir: &Path) -> Result<StateManager<Bank, M>, MiniStateError>
where
    M: Mutator<Bank> + Serialize + DeserializeOwned + Send + 'static,
{
    Options::new().blocking_open(dir, JOURNAL)
}

fn main() -> Result<(), Box<dyn Error>> {
    println!("what 0.1 wrote:\n{}", fs::read_to_string(old_journal())?);

    let dir = copy_of_old_directory()?;
    let bank = open::<unchanged::BankOp>(dir.path())?;
    let seq = bank.blocking_apply(unchanged::BankOp::Deposit("alice".into(), 20))?;
    println!("unchanged: mutation {seq} leads to {:?}", bank.read(Bank::clone));
    bank.blocking_close()?;

    // Another copy: behind mutation 6 of the one above the derive would come too late.
    let dir = copy_of_old_directory()?;
    let bank = open::<with_derive::BankOp>(dir.path())?;
    if let Some(imported) = &bank.recovery().imported {
        println!("with the derive: {} mutations taken over; the old files are", imported.mutations);
        for file in &imported.kept {
            println!("    {}", file.display());
        }
    }
    let (account, memo) = ("alice".to_string(), Some("the first one here".to_string()));
    let seq = bank.blocking_apply(with_derive::BankOp::Deposit { account, cents: 20, memo })?;
    println!("mutation {seq} goes on in the new journal:");
    bank.blocking_close()?;
    print!("{}", fs::read_to_string(dir.path().join(JOURNAL))?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn banked() -> Bank {
        let cents = [("alice".to_string(), 380), ("bob \"}{\" \u{fc}".to_string(), 7)];
        Bank { cents: cents.into(), frozen: true }
    }

    #[test]
    fn a_program_of_0_1_goes_on_unchanged() {
        let dir = copy_of_old_directory().unwrap();
        let bank = open::<unchanged::BankOp>(dir.path()).unwrap();
        assert_eq!(bank.read(Bank::clone), banked());
        let deposit = unchanged::BankOp::Deposit("alice".into(), 20);
        assert_eq!(bank.blocking_apply(deposit).unwrap(), 6);
        bank.blocking_close().unwrap();
        let again = open::<unchanged::BankOp>(dir.path()).unwrap();
        assert_eq!(again.read(|bank| bank.cents["alice"]), 400);
        assert!(again.recovery().imported.is_none(), "it is taken over once");
    }

    #[test]
    fn the_derive_reads_old_records_as_version_1() {
        let dir = copy_of_old_directory().unwrap();
        let bank = open::<with_derive::BankOp>(dir.path()).unwrap();
        assert_eq!(bank.read(Bank::clone), banked());
        let deposit = with_derive::BankOp::Deposit { account: "bob".into(), cents: 1, memo: None };
        assert_eq!(bank.blocking_apply(deposit).unwrap(), 6);
    }

    #[test]
    fn the_old_journal_is_kept_as_it_was() {
        let dir = copy_of_old_directory().unwrap();
        let bank = open::<with_derive::BankOp>(dir.path()).unwrap();
        let kept = &bank.recovery().imported.as_ref().unwrap().kept;
        assert_eq!(kept.len(), 1);
        assert_eq!(fs::read(&kept[0]).unwrap(), fs::read(old_journal()).unwrap());
    }

    #[test]
    fn the_derive_comes_too_late_behind_records_without_names() {
        let dir = copy_of_old_directory().unwrap();
        let bank = open::<unchanged::BankOp>(dir.path()).unwrap();
        bank.blocking_apply(unchanged::BankOp::Freeze).unwrap();
        bank.blocking_close().unwrap();
        let refused = open::<with_derive::BankOp>(dir.path()).unwrap_err();
        assert!(matches!(refused, MiniStateError::Undecodable { seq: 6, .. }), "{refused}");
    }

    #[test]
    fn the_example_runs() {
        main().unwrap();
    }
}
