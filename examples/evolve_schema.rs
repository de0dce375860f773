//! One application in three versions: the third opens what the first and the second wrote.
//!
//! ```sh
//! cargo run --example evolve_schema                # opens both directories, then forgets steps
//! cargo run --example evolve_schema -- write DIR   # writes such directories anew
//! ```
//!
//! The directories stand in `tests/fixtures/evolve_schema`, as the older versions left them.
//!
//! Longer than 400 lines: three versions of one program stand one below the other, to be compared.

#![expect(clippy::disallowed_methods, reason = "an example copies the directories that it opens")]

use std::error::Error;
use std::fs;
use std::path::Path;

use ministate::{MiniStateError, Mutator, Options, StateManager};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The first version: accounts with whole dollars.
mod v1 {
    use std::collections::BTreeMap;

    use ministate::Mutations;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Default, Serialize, Deserialize)]
    pub(crate) struct Bank {
        pub(crate) cents: BTreeMap<String, i64>,
    }

    #[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
    #[mutations(state = Bank)]
    pub(crate) enum BankOp {
        Open {
            owner: String,
        },
        Deposit {
            owner: String,
            dollars: u32,
        },
        /// Up or down.
        Adjust {
            owner: String,
            cents: i64,
        },
        Audit,
    }

    impl Bank {
        fn open(&mut self, owner: String) {
            self.cents.entry(owner).or_default();
        }

        fn deposit(&mut self, owner: String, dollars: u32) {
            *self.cents.entry(owner).or_default() += i64::from(dollars) * 100;
        }

        fn adjust(&mut self, owner: String, cents: i64) {
            *self.cents.entry(owner).or_default() += cents;
        }

        fn audit(&mut self) {}
    }
}

/// The second version. A deposit is in cents and may have a memo, and `Open` has a better name.
mod v2 {
    use ministate::Mutations;
    use serde::{Deserialize, Serialize};

    pub(crate) use super::v1::Bank;

    #[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
    #[mutations(state = Bank)]
    pub(crate) enum BankOp {
        // The variant was renamed; the journal goes on saying `open`.
        #[mutation(tag = "open", apply = open)]
        OpenAccount { owner: String },
        #[mutation(version = 2, from(1 = DepositV1), apply = deposit)]
        Deposit { owner: String, cents: u64, memo: Option<String> },
        #[mutation(apply = adjust)]
        Adjust { owner: String, cents: i64 },
        #[mutation(apply = audit)]
        Audit,
    }

    /// What a deposit was in version 1. It needs `Deserialize` and no more.
    #[derive(Deserialize)]
    pub(crate) struct DepositV1 {
        owner: String,
        dollars: u32,
    }

    impl From<DepositV1> for BankOp {
        fn from(old: DepositV1) -> Self {
            let cents = u64::from(old.dollars) * 100;
            BankOp::Deposit { owner: old.owner, cents, memo: None }
        }
    }

    fn open(bank: &mut Bank, owner: String) {
        bank.cents.entry(owner).or_default();
    }

    fn deposit(bank: &mut Bank, owner: String, cents: u64, _memo: Option<String>) {
        *bank.cents.entry(owner).or_default() += cents.cast_signed();
    }

    fn adjust(bank: &mut Bank, owner: String, cents: i64) {
        *bank.cents.entry(owner).or_default() += cents;
    }

    fn audit(_bank: &mut Bank) {}
}

/// The third version. `Adjust` has become two operations, an audit is no operation any more, and
/// the state remembers memos.
mod v3 {
    use std::collections::BTreeMap;

    use ministate::Mutations;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    pub(crate) struct Bank {
        pub(crate) accounts: BTreeMap<String, Account>,
    }

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    pub(crate) struct Account {
        pub(crate) cents: i64,
        pub(crate) memos: Vec<String>,
    }

    // The test that comes with `lock` compares all this with the committed file.
    #[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
    #[mutations(
        state = Bank,
        state_version = 2,
        state_from(1 = BankV1),
        retired(tag = "adjust", from(1 = AdjustV1), into = AdjustV1::split),
        retired(tag = "audit", versions = 1..=1, drop),
        lock = "schema/evolve_schema.lock.jsonl",
        pin_handlers
    )]
    pub(crate) enum BankOp {
        #[mutation(tag = "open")]
        OpenAccount {
            owner: String,
        },
        #[mutation(version = 2, from(1 = DepositV1))]
        Deposit {
            owner: String,
            cents: u64,
            memo: Option<String>,
        },
        Withdraw {
            owner: String,
            cents: u64,
        },
    }

    #[derive(Deserialize)]
    pub(crate) struct DepositV1 {
        owner: String,
        dollars: u32,
    }

    impl From<DepositV1> for BankOp {
        fn from(old: DepositV1) -> Self {
            let cents = u64::from(old.dollars) * 100;
            BankOp::Deposit { owner: old.owner, cents, memo: None }
        }
    }

    #[derive(Deserialize)]
    pub(crate) struct AdjustV1 {
        owner: String,
        cents: i64,
    }

    impl AdjustV1 {
        fn split(self) -> BankOp {
            let AdjustV1 { owner, cents } = self;
            match u64::try_from(cents) {
                Ok(cents) => BankOp::Deposit { owner, cents, memo: None },
                Err(_) => BankOp::Withdraw { owner, cents: cents.unsigned_abs() },
            }
        }
    }

    /// What the state was in version 1, for snapshots that were made then.
    #[derive(Deserialize)]
    pub(crate) struct BankV1 {
        cents: BTreeMap<String, i64>,
    }

    impl From<BankV1> for Bank {
        fn from(old: BankV1) -> Self {
            let account = |(owner, cents)| (owner, Account { cents, memos: Vec::new() });
            Bank { accounts: old.cents.into_iter().map(account).collect() }
        }
    }

    impl Bank {
        fn open_account(&mut self, owner: String) {
            self.accounts.entry(owner).or_default();
        }

        fn deposit(&mut self, owner: String, cents: u64, memo: Option<String>) {
            let account = self.accounts.entry(owner).or_default();
            account.cents = account.cents.saturating_add_unsigned(cents);
            account.memos.extend(memo);
        }

        fn withdraw(&mut self, owner: String, cents: u64) {
            let account = self.accounts.entry(owner).or_default();
            account.cents = account.cents.saturating_sub_unsigned(cents);
        }
    }
}

/// What the third version would be if its author had forgotten a step.
mod forgotten {
    use ministate::Mutations;
    use serde::{Deserialize, Serialize};

    use super::{v1, v3};

    /// `Deposit` has a new shape, and no new version.
    #[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
    #[mutations(state = v1::Bank, retired(tag = "adjust", versions = 1..=1, drop))]
    pub(crate) enum Version {
        #[mutation(apply = open)]
        Open { owner: String },
        #[mutation(apply = deposit)]
        Deposit { owner: String, cents: u64 },
        #[mutation(apply = audit)]
        Audit,
    }

    /// `Open` was renamed, and the journal has another name for it.
    #[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
    #[mutations(state = v1::Bank)]
    pub(crate) enum Tag {
        #[mutation(apply = open)]
        OpenAccount { owner: String },
        #[mutation(apply = deposit_dollars)]
        Deposit { owner: String, dollars: u32 },
        #[mutation(apply = adjust)]
        Adjust { owner: String, cents: i64 },
        #[mutation(apply = audit)]
        Audit,
    }

    /// The state has a new shape, and no new version.
    #[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
    #[mutations(
        state = v3::Bank,
        retired(tag = "open", versions = 1..=1, drop),
        retired(tag = "deposit", versions = 1..=1, drop),
        retired(tag = "adjust", versions = 1..=1, drop)
    )]
    pub(crate) enum StateVersion {
        #[mutation(apply = nothing)]
        Audit,
    }

    fn open(bank: &mut v1::Bank, owner: String) {
        bank.cents.entry(owner).or_default();
    }

    fn deposit(bank: &mut v1::Bank, owner: String, cents: u64) {
        *bank.cents.entry(owner).or_default() += cents.cast_signed();
    }

    fn deposit_dollars(bank: &mut v1::Bank, owner: String, dollars: u32) {
        *bank.cents.entry(owner).or_default() += i64::from(dollars) * 100;
    }

    fn adjust(bank: &mut v1::Bank, owner: String, cents: i64) {
        *bank.cents.entry(owner).or_default() += cents;
    }

    fn audit(_bank: &mut v1::Bank) {}

    fn nothing(_bank: &mut v3::Bank) {}
}

const JOURNAL: &str = "bank.wal.jsonl";

fn fixture(version: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/evolve_schema").join(version)
}

fn open<S, M>(dir: &Path) -> Result<StateManager<S, M>, MiniStateError>
where
    S: Default + Serialize + DeserializeOwned + Send + Sync + 'static,
    M: Mutator<S> + Serialize + DeserializeOwned + Send + 'static,
{
    Options::new().blocking_open(dir, JOURNAL)
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [command, dir] = arguments.as_slice()
        && command == "write"
    {
        write_v1(&Path::new(dir).join("v1"))?;
        write_v2(&Path::new(dir).join("v2"))?;
        return Ok(());
    }
    for version in ["v1", "v2"] {
        let bank = open_copy::<v3::Bank, v3::BankOp>(version)?.1?;
        let Recovered { replayed, from } = Recovered::of(&bank);
        println!("{version}: {replayed} mutations replayed behind {from}");
        bank.read(|bank| {
            for (owner, account) in &bank.accounts {
                println!("    {owner}: {} cents, memos {:?}", account.cents, account.memos);
            }
        });
    }
    println!("\nWhat a forgotten step prints:");
    for (step, error) in forgotten_steps()? {
        println!("\n{step}:\n    {}", told(&error));
    }
    Ok(())
}

/// What a recovery did, in words.
struct Recovered {
    replayed: u64,
    from: String,
}

impl Recovered {
    fn of<S, M>(bank: &StateManager<S, M>) -> Recovered {
        let recovery = bank.recovery();
        let from = match recovery.snapshot {
            0 => "the initial state".to_string(),
            seq => format!("the snapshot at {seq}"),
        };
        Recovered { replayed: recovery.replayed, from }
    }
}

fn write_v1(dir: &Path) -> Result<(), MiniStateError> {
    use v1::BankOp::{Adjust, Audit, Deposit, Open};
    let bank = open::<v1::Bank, v1::BankOp>(dir)?;
    for op in [
        Open { owner: "ann".into() },
        Deposit { owner: "ann".into(), dollars: 12 },
        Open { owner: "bob".into() },
    ] {
        bank.blocking_apply(op)?;
    }
    bank.blocking_create_snapshot()?;
    for op in [
        Adjust { owner: "ann".into(), cents: -250 },
        Audit,
        Deposit { owner: "bob".into(), dollars: 1 },
        Adjust { owner: "bob".into(), cents: 5 },
    ] {
        bank.blocking_apply(op)?;
    }
    bank.blocking_close()
}

/// The second version goes on in a directory of the first.
fn write_v2(dir: &Path) -> Result<(), MiniStateError> {
    use v2::BankOp::{Adjust, Deposit, OpenAccount};
    write_v1(dir)?;
    let bank = open::<v2::Bank, v2::BankOp>(dir)?;
    for op in [
        OpenAccount { owner: "cid".into() },
        Deposit { owner: "ann".into(), cents: 1, memo: Some("a cent".into()) },
        Adjust { owner: "cid".into(), cents: 100 },
    ] {
        bank.blocking_apply(op)?;
    }
    bank.blocking_close()
}

type Opened<S, M> = Result<StateManager<S, M>, MiniStateError>;

/// Opens a copy of a fixture, which goes away with what is returned first.
fn open_copy<S, M>(version: &str) -> std::io::Result<(tempfile::TempDir, Opened<S, M>)>
where
    S: Default + Serialize + DeserializeOwned + Send + Sync + 'static,
    M: Mutator<S> + Serialize + DeserializeOwned + Send + 'static,
{
    let dir = tempfile::tempdir()?;
    for entry in fs::read_dir(fixture(version))? {
        let entry = entry?;
        fs::copy(entry.path(), dir.path().join(entry.file_name()))?;
    }
    let opened = open(dir.path());
    Ok((dir, opened))
}

/// The steps that can be forgotten, and how a journal of an older version is refused then.
fn forgotten_steps() -> std::io::Result<Vec<(&'static str, MiniStateError)>> {
    Ok(vec![
        ("a new shape without a new version", refusal::<v1::Bank, forgotten::Version>("v1")?),
        ("a new name without `tag`", refusal::<v1::Bank, forgotten::Tag>("v1")?),
        (
            "a new state without `state_version`",
            refusal::<v3::Bank, forgotten::StateVersion>("v1")?,
        ),
        ("an older program, after a roll-back", refusal::<v1::Bank, v1::BankOp>("v2")?),
    ])
}

fn refusal<S, M>(version: &str) -> std::io::Result<MiniStateError>
where
    S: Default + Serialize + DeserializeOwned + Send + Sync + 'static,
    M: Mutator<S> + Serialize + DeserializeOwned + Send + 'static,
{
    let (_dir, opened) = open_copy::<S, M>(version)?;
    match opened {
        Ok(_) => Err(std::io::Error::other("nothing was refused")),
        Err(error) => Ok(error),
    }
}

/// The error and its causes, with file names in place of paths.
fn told(error: &MiniStateError) -> String {
    let text = format!("{error:#}");
    let words = text.split(' ').map(|word| match word.rsplit_once('/') {
        Some((_, file)) if file.contains("bank.wal") => file,
        Some(_) => "the directory",
        None => word,
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cents(bank: &StateManager<v3::Bank, v3::BankOp>, owner: &str) -> i64 {
        bank.read(|bank| bank.accounts[owner].cents)
    }

    #[test]
    fn the_third_version_opens_what_the_first_one_wrote() {
        let (_dir, opened) = open_copy::<v3::Bank, v3::BankOp>("v1").unwrap();
        let bank = opened.unwrap();
        assert_eq!((cents(&bank, "ann"), cents(&bank, "bob")), (950, 105));
        assert_eq!((bank.recovery().snapshot, bank.recovery().replayed), (3, 4));
    }

    #[test]
    fn the_third_version_opens_what_the_second_one_wrote() {
        let (_dir, opened) = open_copy::<v3::Bank, v3::BankOp>("v2").unwrap();
        let bank = opened.unwrap();
        assert_eq!(
            [cents(&bank, "ann"), cents(&bank, "bob"), cents(&bank, "cid")],
            [951, 105, 100]
        );
        assert_eq!(bank.read(|bank| bank.accounts["ann"].memos.clone()), ["a cent"]);
    }

    #[test]
    fn without_the_snapshot_all_versions_replay_to_the_same_state() {
        let dir = tempfile::tempdir().unwrap();
        write_v2(dir.path()).unwrap();
        let with_snapshot = open::<v3::Bank, v3::BankOp>(dir.path()).unwrap();
        let expected = with_snapshot.read(|bank| serde_json::to_string(bank).unwrap());
        drop(with_snapshot);
        fs::remove_file(dir.path().join("bank.wal.snapshot.00000000000000000003.json")).unwrap();
        let bank = open::<v3::Bank, v3::BankOp>(dir.path()).unwrap();
        assert_eq!(bank.recovery().snapshot, 0);
        assert_eq!(bank.read(|bank| serde_json::to_string(bank).unwrap()), expected);
    }

    #[test]
    fn the_third_version_goes_on_and_the_journal_is_not_rewritten() {
        let (dir, opened) = open_copy::<v3::Bank, v3::BankOp>("v2").unwrap();
        let bank = opened.unwrap();
        bank.blocking_apply(v3::BankOp::Withdraw { owner: "ann".into(), cents: 951 }).unwrap();
        drop(bank);
        let sealed = "bank.wal.00000000000000000001.jsonl";
        let before = fs::read(fixture("v2").join(sealed)).unwrap();
        assert_eq!(fs::read(dir.path().join(sealed)).unwrap(), before);
        assert_eq!(cents(&open(dir.path()).unwrap(), "ann"), 0);
    }

    /// The guide shows these messages; whoever changes one changes it there.
    #[test]
    fn each_forgotten_step_is_refused_with_its_remedy() {
        let guide = include_str!("../ministate/docs/guide.md");
        for (step, error) in forgotten_steps().unwrap() {
            let told = told(&error);
            assert!(guide.contains(&told), "{step}: the guide lacks\n{told}");
        }
    }

    #[test]
    fn the_main_job_runs() {
        main().unwrap();
    }
}
