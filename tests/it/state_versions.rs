//! The shape of the state may change too: snapshots of its older versions are read.

use ministate::storage::{Simulated, Storage};
use ministate::{MiniStateError, Mutations, Mutator, Options, StateManager};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Cents, before they had an account.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
struct BankV1 {
    cents: u64,
}

/// An account with its cents.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
struct BankV2 {
    account: (String, u64),
}

/// An account with its cents, which may be owed.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
struct Bank {
    account: String,
    balance: i64,
}

impl From<BankV1> for BankV2 {
    fn from(old: BankV1) -> Self {
        BankV2 { account: ("everyone".to_owned(), old.cents) }
    }
}

fn owed(old: BankV2) -> Result<Bank, std::num::TryFromIntError> {
    let (account, cents) = old.account;
    Ok(Bank { account, balance: cents.try_into()? })
}

fn add_v1(bank: &mut BankV1, cents: u64) {
    bank.cents += cents;
}

fn add_v2(bank: &mut BankV2, cents: u64) {
    bank.account.1 += cents;
}

fn add(bank: &mut Bank, cents: u64) {
    bank.balance += i64::try_from(cents).unwrap();
}

#[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
#[mutations(state = BankV1)]
enum OpV1 {
    #[mutation(apply = add_v1)]
    Add { cents: u64 },
}

#[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
#[mutations(state = BankV2, state_version = 2, state_from(1 = BankV1))]
enum OpV2 {
    #[mutation(apply = add_v2)]
    Add { cents: u64 },
}

#[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
#[mutations(state = Bank, state_version = 3, state_from(1 = BankV1, 2 = BankV2 => try owed))]
enum Op {
    #[mutation(apply = add)]
    Add { cents: u64 },
}

/// Does not read what the first version wrote.
#[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
#[mutations(state = Bank, state_version = 3, state_oldest = 2, state_from(2 = BankV2 => try owed))]
enum Forgetful {
    #[mutation(apply = add)]
    Add { cents: u64 },
}

fn open<S, M>(disk: &Simulated) -> Result<StateManager<S, M>, MiniStateError>
where
    S: Default + Serialize + DeserializeOwned + Send + Sync + 'static,
    M: Mutator<S> + Serialize + DeserializeOwned + Send + 'static,
{
    Options::new().storage(disk.clone()).blocking_open("bank", "bank.wal.jsonl")
}

fn content(disk: &Simulated) -> Vec<(String, Vec<u8>)> {
    let dir = std::path::Path::new("bank");
    let mut names = disk.list(dir).unwrap();
    names.sort();
    names.into_iter().map(|name| (name.clone(), disk.content(dir.join(name)).unwrap())).collect()
}

/// A journal of the first version with a snapshot at 2 and a mutation behind it.
fn written_by_the_first_version() -> Simulated {
    let disk = Simulated::new();
    let bank = open::<BankV1, OpV1>(&disk).unwrap();
    bank.blocking_apply(OpV1::Add { cents: 5 }).unwrap();
    bank.blocking_apply(OpV1::Add { cents: 7 }).unwrap();
    bank.blocking_create_snapshot().unwrap();
    bank.blocking_apply(OpV1::Add { cents: 100 }).unwrap();
    bank.blocking_close().unwrap();
    disk
}

#[test]
fn snapshots_of_older_versions_are_read_hop_by_hop() {
    let disk = written_by_the_first_version();
    let bank = open::<Bank, Op>(&disk).unwrap();
    let expected = Bank { account: "everyone".to_owned(), balance: 112 };
    bank.read(|bank| assert_eq!(*bank, expected));
    assert_eq!((bank.recovery().snapshot, bank.recovery().replayed), (2, 1));
}

#[test]
fn a_snapshot_bears_the_version_of_its_state_and_its_program() {
    let disk = written_by_the_first_version();
    let bank = open::<BankV2, OpV2>(&disk).unwrap();
    bank.blocking_create_snapshot().unwrap();
    let path = "bank/bank.wal.snapshot.00000000000000000003.json";
    let text = String::from_utf8(disk.content(path).unwrap()).unwrap();
    assert!(text.contains(r#""by":"ministate-tests 0.0.0","v":2,"#), "{text}");
    assert!(text.contains(r#"{"account":["everyone",112]}"#), "{text}");
}

#[test]
fn a_step_that_fails_falls_back_to_an_older_snapshot() {
    let disk = Simulated::new();
    let bank = open::<BankV2, OpV2>(&disk).unwrap();
    bank.blocking_apply(OpV2::Add { cents: 3 }).unwrap();
    drop(bank);
    // The same journal, with a snapshot that the conversion does not take.
    let bank = open::<BankV2, Huge>(&disk).unwrap();
    bank.blocking_apply(Huge::Swell).unwrap();
    bank.blocking_create_snapshot().unwrap();
    bank.blocking_apply(Huge::Shrink).unwrap();
    drop(bank);
    let bank = open::<Bank, Small>(&disk).unwrap();
    bank.read(|bank| assert_eq!(bank.balance, 4));
    assert_eq!((bank.recovery().snapshot, bank.recovery().replayed), (0, 3));
    let [rejected] = bank.recovery().rejected_snapshots.as_slice() else { panic!("not one") };
    let why = rejected.why.as_deref().unwrap();
    let MiniStateError::UnreadableState { version, source, .. } = why else { panic!("{why:?}") };
    assert_eq!(*version, 2);
    assert_eq!(source.to_string(), "it could not be read as the current version");
}

#[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
#[mutations(state = BankV2, state_version = 2, state_from(1 = BankV1))]
enum Huge {
    #[mutation(apply = add_v2)]
    Add { cents: u64 },
    #[mutation(apply = swell)]
    Swell,
    #[mutation(apply = shrink)]
    Shrink,
}

fn swell(bank: &mut BankV2) {
    bank.account.1 = u64::MAX;
}

fn shrink(bank: &mut BankV2) {
    bank.account.1 = 4;
}

#[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
#[mutations(state = Bank, state_version = 3, state_from(1 = BankV1, 2 = BankV2 => try owed))]
enum Small {
    #[mutation(apply = add)]
    Add { cents: u64 },
    #[mutation(apply = do_nothing)]
    Swell,
    #[mutation(apply = set_to_four)]
    Shrink,
}

fn do_nothing(_bank: &mut Bank) {}

fn set_to_four(bank: &mut Bank) {
    bank.balance = 4;
}

#[test]
fn a_state_that_no_snapshot_can_give_is_refused_with_the_reasons() {
    let disk = written_by_the_first_version();
    let before = content(&disk);
    let error = open::<Bank, Forgetful>(&disk).unwrap_err();
    let MiniStateError::NoSnapshot { rejected, .. } = &error else { panic!("{error:?}") };
    assert_eq!(rejected.len(), 2);
    let text = error.to_string();
    assert!(text.contains("version 1 of the state, is not a state of this program"), "{text}");
    assert_eq!(content(&disk), before);
}

#[test]
fn a_newer_version_of_the_state_is_refused_and_nothing_changes() {
    let disk = written_by_the_first_version();
    let bank = open::<BankV2, OpV2>(&disk).unwrap();
    bank.blocking_create_snapshot().unwrap();
    drop(bank);
    let before = content(&disk);
    let error = open::<BankV1, OpV1>(&disk).unwrap_err();
    let MiniStateError::UnknownOperations { by, unknown, .. } = &error else { panic!("{error:?}") };
    assert_eq!(unknown, &["version 2 of the state"]);
    assert_eq!(by.as_deref(), Some("ministate-tests 0.0.0"));
    assert_eq!(content(&disk), before);
}

#[test]
fn a_state_that_changed_without_a_version_is_refused() {
    #[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
    #[mutations(state = Bank)]
    enum Careless {
        #[mutation(apply = add)]
        Add { cents: u64 },
    }
    let disk = written_by_the_first_version();
    let error = open::<Bank, Careless>(&disk).unwrap_err();
    assert!(matches!(error, MiniStateError::NoSnapshot { .. }), "{error:?}");
}
