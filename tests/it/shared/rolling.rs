//! Two releases of one program side by side: the new one writes as the old one does, until all can read
//! what it writes.

use std::time::Duration;

use ministate::shared::{Journal, SharedError, SharedManager, SnapshotStore};

use super::House;

/// The release that everybody runs.
mod first {
    use ministate::Mutations;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Default, Serialize, Deserialize)]
    pub(super) struct Bank {
        pub(super) cents: u64,
    }

    #[derive(Clone, Serialize, Deserialize, Mutations)]
    #[mutations(state = Bank)]
    pub(super) enum BankOp {
        Deposit { cents: u64 },
        Audit,
    }

    impl Bank {
        fn deposit(&mut self, cents: u64) {
            self.cents += cents;
        }

        fn audit(&mut self) {}
    }
}

/// The next one: a new operation, a new version of an old one, and another form of the state.
mod second {
    use ministate::Mutations;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Default, Serialize, Deserialize)]
    pub(super) struct Bank {
        pub(super) cents: u64,
        pub(super) memos: Vec<String>,
    }

    #[derive(Deserialize)]
    pub(super) struct BankV1 {
        cents: u64,
    }

    impl From<BankV1> for Bank {
        fn from(old: BankV1) -> Self {
            Bank { cents: old.cents, memos: Vec::new() }
        }
    }

    #[derive(Clone, Serialize, Deserialize, Mutations)]
    #[mutations(state = Bank, state_version = 2, state_from(1 = BankV1))]
    pub(super) enum BankOp {
        #[mutation(version = 2, from(1 = DepositV1))]
        Deposit {
            cents: u64,
            memo: String,
        },
        Audit,
        Withdraw {
            cents: u64,
        },
    }

    #[derive(Deserialize)]
    pub(super) struct DepositV1 {
        cents: u64,
    }

    impl From<DepositV1> for BankOp {
        fn from(old: DepositV1) -> Self {
            BankOp::Deposit { cents: old.cents, memo: String::new() }
        }
    }

    impl Bank {
        fn deposit(&mut self, cents: u64, memo: String) {
            self.cents += cents;
            if !memo.is_empty() {
                self.memos.push(memo);
            }
        }

        fn audit(&mut self) {}

        fn withdraw(&mut self, cents: u64) {
            self.cents = self.cents.saturating_sub(cents);
        }
    }
}

type First = SharedManager<first::Bank, first::BankOp>;
type Second = SharedManager<second::Bank, second::BankOp>;

impl House {
    async fn first(&self) -> Result<First, SharedError> {
        First::open(self.journal.clone(), self.snapshots.clone()).await
    }

    async fn second(&self) -> Result<Second, SharedError> {
        Second::open(self.journal.clone(), self.snapshots.clone()).await
    }
}

fn deposit(cents: u64) -> first::BankOp {
    first::BankOp::Deposit { cents }
}

fn with_memo(cents: u64) -> second::BankOp {
    second::BankOp::Deposit { cents, memo: "lunch".to_string() }
}

#[tokio::test(start_paused = true)]
async fn release_is_rolled_out_without_a_replica_that_cannot_read() {
    let house = House::default();
    let (one, two) = (house.first().await.unwrap(), house.first().await.unwrap());
    one.apply(deposit(100)).await.unwrap();

    // Step 1: one replica after the other runs the new release. It reads what the old one writes, and
    // writes what the old one reads.
    drop(two);
    let two = house.second().await.unwrap();
    one.apply(deposit(20)).await.unwrap();
    two.apply(second::BankOp::Audit).await.unwrap();
    assert_eq!(two.read_linearizable(|bank| bank.cents).await.unwrap(), 120);
    for (mutation, name) in
        [(with_memo(5), "deposit@2"), (second::BankOp::Withdraw { cents: 5 }, "withdraw@1")]
    {
        match two.apply(mutation).await {
            Err(SharedError::NotAdmitted { operation, format: 1 }) => assert_eq!(operation, name),
            other => panic!("{other:?}"),
        }
    }
    match two.create_snapshot().await {
        Err(SharedError::NotAdmitted { operation, format: 1 }) => {
            assert_eq!(operation, "version 2 of the state");
        }
        other => panic!("{other:?}"),
    }
    one.create_snapshot().await.unwrap();
    assert_eq!(one.read_linearizable(|bank| bank.cents).await.unwrap(), 120);
    drop(one);
    let one = house.second().await.unwrap();

    // Step 2: all read it now, so it may be written.
    assert_eq!(one.status().format, 1);
    assert_eq!(one.admit_operations().await.unwrap(), 2);
    assert_eq!(two.admit_operations().await.unwrap(), 2);
    two.apply(with_memo(5)).await.unwrap();
    two.apply(second::BankOp::Withdraw { cents: 25 }).await.unwrap();
    let seen = one.read_linearizable(|bank| (bank.cents, bank.memos.len())).await.unwrap();
    assert_eq!(seen, (100, 1));
    assert_eq!(one.status().admitted["deposit"], 2);
    one.create_snapshot().await.unwrap();
    drop((one, two));
    let again = house.second().await.unwrap();
    assert_eq!(again.read(|bank| (bank.cents, bank.memos.len())), (100, 1));
}

#[tokio::test(start_paused = true)]
async fn old_replica_stops_where_the_new_operations_are_chosen_and_skips_nothing() {
    let house = House::default();
    let (old, new) = (house.first().await.unwrap(), house.second().await.unwrap());
    old.apply(deposit(100)).await.unwrap();
    assert_eq!(new.admit_operations().await.unwrap(), 2);
    new.apply(with_memo(5)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    match old.apply(deposit(1)).await {
        Err(SharedError::Stopped { seq: 1, cause }) => match &*cause {
            SharedError::UnknownOperations { unknown, by: Some(by), .. } => {
                assert_eq!(unknown, &["deposit@2", "withdraw@1", "version 2 of the state"]);
                assert!(!by.is_empty());
            }
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
    // Readers still have the state before.
    assert_eq!(old.read(|bank| bank.cents), 100);
    match house.first().await {
        Err(SharedError::UnknownOperations { .. }) => {}
        other => panic!("{other:?}"),
    }
    new.create_snapshot().await.unwrap();
    match house.first().await {
        Err(SharedError::UnknownOperations { .. }) => {}
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn mutation_that_waits_while_its_operation_is_given_up_is_refused_not_written() {
    let house = House::default();
    let (old, faults) = {
        let journal = house.journal.clone();
        let faults = journal.faults();
        (First::open(journal, house.snapshots.clone()).await.unwrap(), faults)
    };
    let new = house.second().await.unwrap();
    old.apply(deposit(100)).await.unwrap();
    faults.on_append(ministate::shared::memory::AppendFault::RequestHeld);
    let late = tokio::spawn(async move { old.apply(deposit(1)).await });
    faults.until_held(1).await;
    new.admit_operations().await.unwrap();
    faults.release();
    assert!(matches!(late.await.unwrap(), Err(SharedError::Stopped { seq: 1, .. })));
    assert_eq!(new.read_linearizable(|bank| bank.cents).await.unwrap(), 100);
}

/// A snapshot of the state as the new release has it bore the version of the old one, where nothing had been
/// written yet and the first snapshot was lost.
#[tokio::test(start_paused = true)]
async fn snapshot_in_the_new_form_waits_for_the_choice_also_before_the_first_mutation() {
    let house = House::default();
    let of_house = || (house.journal.clone(), house.snapshots.clone());
    let (journal, snapshots) = of_house();
    drop(SharedManager::<first::Bank, first::BankOp>::open(journal, snapshots).await.unwrap());
    let (journal, snapshots) = of_house();
    let new = SharedManager::<second::Bank, second::BankOp>::open(journal, snapshots);
    let new = new.await.unwrap();
    for name in house.snapshots.list(house.journal.id()).await.unwrap() {
        house.snapshots.delete(&name).await.unwrap();
    }
    match new.create_snapshot().await {
        Err(SharedError::NotAdmitted { .. }) => {}
        other => panic!("{other:?}"),
    }
    new.admit_operations().await.unwrap();
    new.create_snapshot().await.unwrap();
    let (journal, snapshots) = of_house();
    SharedManager::<second::Bank, second::BankOp>::open(journal, snapshots).await.unwrap();
}
