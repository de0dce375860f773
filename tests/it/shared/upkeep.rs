//! Snapshots shorten the beginning, and let the journal be trimmed behind those that were read back.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ministate::shared::memory::PutFault;
use ministate::shared::{
    Answer, Journal, JournalId, Place, SharedError, SharedOptions, SnapshotName, SnapshotStore,
    StoreError,
};

use super::{House, Party, names, op, runtime_of};

/// The numbers of the snapshots that there are.
async fn kept(house: &House) -> Vec<u64> {
    let names = house.snapshots.list(house.journal.id()).await.unwrap();
    names.into_iter().map(|name| name.seq).collect()
}

/// The first place that the journal still holds.
fn first(house: &House) -> Place {
    house.journal.entries()[0].place
}

async fn let_in(replica: &Party, numbers: std::ops::RangeInclusive<u64>) {
    for number in numbers {
        assert_eq!(replica.apply(op(number.to_string())).await.unwrap(), number);
    }
}

#[tokio::test(start_paused = true)]
async fn two_snapshots_are_kept_and_the_entries_behind_the_older() {
    let house = House::default();
    let replica = house.replica().await;
    let_in(&replica, 1..=2).await;
    assert_eq!(replica.create_snapshot().await.unwrap(), 2);
    assert_eq!((kept(&house).await, first(&house)), (vec![0, 2], Place::new(1)));
    let_in(&replica, 3..=5).await;
    assert_eq!(replica.create_snapshot().await.unwrap(), 5);
    assert_eq!((kept(&house).await, first(&house)), (vec![2, 5], Place::new(3)));
    let_in(&replica, 6..=6).await;
    let rejoined = house.replica().await;
    assert_eq!(names(&rejoined), ["1", "2", "3", "4", "5", "6"]);
    assert_eq!(rejoined.status().snapshot, 5);
}

#[tokio::test(start_paused = true)]
async fn one_replica_makes_each_snapshot_that_is_due() {
    let house = House::default();
    let options = || SharedOptions::new().snapshot_every(NonZeroU64::new(10).unwrap());
    let replicas = [house.replica_with(options()).await, house.replica_with(options()).await];
    for number in 1..=35 {
        let replica = &replicas[number as usize % 2];
        assert_eq!(replica.apply(op(number.to_string())).await.unwrap(), number);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(kept(&house).await, [20, 30]);
    assert_eq!(first(&house), Place::new(21));
    let newest = replicas.iter().map(|replica| replica.status().snapshot).max();
    assert_eq!(newest, Some(30));
}

#[tokio::test(start_paused = true)]
async fn damaged_snapshot_is_passed_over_while_there_is_an_older_one() {
    let house = House::default();
    let replica = house.replica().await;
    let_in(&replica, 1..=2).await;
    replica.create_snapshot().await.unwrap();
    let_in(&replica, 3..=4).await;
    replica.create_snapshot().await.unwrap();
    let_in(&replica, 5..=5).await;
    let snapshots = house.snapshots.list(house.journal.id()).await.unwrap();
    house.snapshots.damage(&snapshots[1]);
    assert_eq!(names(&house.replica().await).len(), 5);
    house.snapshots.damage(&snapshots[0]);
    match Party::open(house.journal.clone(), house.snapshots.clone()).await {
        Err(error @ SharedError::NoSnapshot { .. }) => {
            let text = error.to_string();
            assert!(text.contains(&snapshots[0].file_name()), "{text}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_trimmed_behind_a_snapshot_that_cannot_be_read_back() {
    let house = House::default();
    let replica = house.replica().await;
    let_in(&replica, 1..=2).await;
    replica.create_snapshot().await.unwrap();
    let older = house.snapshots.list(house.journal.id()).await.unwrap().pop().unwrap();
    house.snapshots.damage(&older);
    let_in(&replica, 3..=4).await;
    replica.create_snapshot().await.unwrap();
    // The first of all is the newest sound one before it.
    assert_eq!(first(&house), Place::new(1));
    assert_eq!(kept(&house).await, [0, 2, 4]);
    let_in(&replica, 5..=5).await;
    assert_eq!(names(&house.replica().await).len(), 5);
}

#[tokio::test(start_paused = true)]
async fn store_that_fails_is_told_and_loses_nothing() {
    let house = House::default();
    let replica = house.replica().await;
    let_in(&replica, 1..=2).await;
    house.snapshots.on_put(PutFault::Refused);
    match replica.create_snapshot().await {
        Err(SharedError::Store { .. }) => {}
        other => panic!("{other:?}"),
    }
    assert!(replica.status().snapshot_failure.is_some());
    house.snapshots.on_put(PutFault::AnswerLost);
    assert!(replica.create_snapshot().await.is_err());
    let_in(&replica, 3..=3).await;
    assert_eq!(replica.create_snapshot().await.unwrap(), 3);
    assert!(replica.status().snapshot_failure.is_none());
    assert_eq!(names(&house.replica().await).len(), 3);
}

#[tokio::test(start_paused = true)]
async fn replica_that_was_away_for_longer_than_the_journal_reaches_begins_again_with_a_snapshot() {
    let house = House::default();
    let (away, faults) = house.shaky(SharedOptions::new()).await;
    let there = house.replica().await;
    let_in(&there, 1..=1).await;
    away.read_at_least(1, |_| ()).await.unwrap();
    faults.cut_off();
    for snapshot in 1..=3 {
        let_in(&there, snapshot * 4 - 2..=snapshot * 4 + 1).await;
        there.create_snapshot().await.unwrap();
    }
    assert!(first(&house) > Place::new(3));
    // And the store is away at first as well.
    house.snapshots.cut_off();
    faults.reconnect();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(away.sequence(), 1);
    house.snapshots.reconnect();
    let seen = away.read_at_least(13, |guests| guests.names.len()).await.unwrap();
    assert_eq!(seen, 13);
    assert_eq!(away.status().snapshot, 13);
    assert_eq!(away.apply(op("14")).await.unwrap(), 14);
}

#[tokio::test(start_paused = true)]
async fn journal_without_its_snapshots_is_not_begun_anew() {
    let house = House::default();
    let_in(&house.replica().await, 1..=2).await;
    let bare = House { journal: house.journal.clone(), ..House::default() };
    match Party::open(bare.journal.clone(), bare.snapshots.clone()).await {
        Err(SharedError::NoSnapshot { rejected, .. }) => assert!(rejected.is_empty()),
        other => panic!("{other:?}"),
    }
}

/// The task that made the snapshot ended without a word, and the journal was never trimmed.
#[tokio::test(start_paused = true)]
async fn state_that_panics_when_it_is_written_is_told_in_the_status() {
    use ministate::Mutator;
    use serde::{Deserialize, Serialize, Serializer};

    #[derive(Default, Deserialize)]
    struct Fragile(u64);
    impl Serialize for Fragile {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            assert_eq!(self.0, 0, "it breaks");
            serializer.serialize_newtype_struct("Fragile", &self.0)
        }
    }
    #[derive(Serialize, Deserialize)]
    struct Add(u64);
    impl Mutator<Fragile> for Add {
        fn apply(&self, fragile: &mut Fragile) {
            fragile.0 += self.0;
        }
    }

    let house = House::default();
    let options = SharedOptions::new().snapshot_every(NonZeroU64::MIN);
    let (journal, snapshots) = (house.journal.clone(), house.snapshots.clone());
    let replica = options.open::<Fragile, Add>(journal, snapshots).await.unwrap();
    replica.apply(Add(1)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    match replica.status().snapshot_failure {
        Some(error @ SharedError::Refused { .. }) => {
            assert!(error.to_string().contains("has no JSON form"), "{error}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(replica.apply(Add(1)).await.unwrap(), 2);
}

/// Writers waited while a snapshot was encoded: a large state held them up for as long as that took.
#[test]
fn nobody_waits_while_a_snapshot_is_encoded() {
    use std::sync::{Condvar, Mutex};

    use ministate::Mutator;
    use serde::{Deserialize, Serialize, Serializer};

    /// How many are being encoded, and whether they may go on.
    static GATE: (Mutex<(u64, bool)>, Condvar) = (Mutex::new((0, true)), Condvar::new());

    /// Large enough that it is encoded apart.
    #[derive(Deserialize)]
    struct Slow(Vec<u64>);
    impl Default for Slow {
        fn default() -> Slow {
            Slow(vec![u64::MAX; 10_000])
        }
    }
    impl Serialize for Slow {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut gate = GATE.0.lock().unwrap();
            gate.0 += 1;
            GATE.1.notify_all();
            drop(GATE.1.wait_while(gate, |(_, is_open)| !*is_open).unwrap());
            serializer.serialize_newtype_struct("Slow", &self.0)
        }
    }
    #[derive(Serialize, Deserialize)]
    struct Add(u64);
    impl Mutator<Slow> for Add {
        fn apply(&self, slow: &mut Slow) {
            slow.0.push(self.0);
        }
    }

    let runtime = runtime_of(3);
    runtime.block_on(async {
        let house = House::default();
        let replica = SharedOptions::new()
            .open::<Slow, Add>(house.journal.clone(), house.snapshots.clone())
            .await
            .unwrap();
        let replica = Arc::new(replica);
        replica.apply(Add(1)).await.unwrap();
        let before = {
            let mut gate = GATE.0.lock().unwrap();
            gate.1 = false;
            gate.0
        };
        let snapshot = tokio::spawn({
            let replica = Arc::clone(&replica);
            async move { replica.create_snapshot().await }
        });
        let is_encoded = tokio::task::spawn_blocking(move || {
            let gate = GATE.0.lock().unwrap();
            drop(GATE.1.wait_while(gate, |(encoded, _)| *encoded == before).unwrap());
        });
        is_encoded.await.unwrap();
        let applied = tokio::time::timeout(Duration::from_secs(30), replica.apply(Add(2))).await;
        GATE.0.lock().unwrap().1 = true;
        GATE.1.notify_all();
        assert_eq!(applied.expect("it does not wait").unwrap(), 2);
        assert_eq!(snapshot.await.unwrap().unwrap(), 1);
    });
}

#[tokio::test(start_paused = true)]
async fn store_that_lost_all_snapshots_gets_the_state_from_memory() {
    let house = House::default();
    let replica = house.replica().await;
    for snapshot in 1..=3 {
        let_in(&replica, snapshot * 2 - 1..=snapshot * 2).await;
        replica.create_snapshot().await.unwrap();
    }
    for name in house.snapshots.list(house.journal.id()).await.unwrap() {
        house.snapshots.delete(&name).await.unwrap();
    }
    let_in(&replica, 7..=7).await;
    assert_eq!(replica.create_snapshot().await.unwrap(), 7);
    assert_eq!(names(&house.replica().await).len(), 7);
}

#[tokio::test(start_paused = true)]
async fn journal_that_does_not_lead_from_a_snapshot_any_more_gets_the_state_from_memory() {
    let house = House::default();
    let replica = house.replica().await;
    let_in(&replica, 1..=3).await;
    house.journal.trim(Place::new(3)).await.unwrap();
    assert_eq!(replica.create_snapshot().await.unwrap(), 3);
    assert_eq!(names(&house.replica().await).len(), 3);
}

/// A store that takes its time to put, and counts.
struct Counting {
    house: House,
    puts: Arc<AtomicU64>,
    lists: Arc<AtomicU64>,
    put_takes: Duration,
}

impl Counting {
    fn on(house: &House, put_takes: Duration) -> Counting {
        Counting { house: house.clone(), puts: Arc::default(), lists: Arc::default(), put_takes }
    }
}

impl SnapshotStore for Counting {
    fn put<'a>(
        &'a self,
        name: &'a SnapshotName,
        bytes: Vec<u8>,
    ) -> Answer<'a, Result<(), StoreError>> {
        self.puts.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            tokio::time::sleep(self.put_takes).await;
            self.house.snapshots.put(name, bytes).await
        })
    }

    fn get<'a>(&'a self, name: &'a SnapshotName) -> Answer<'a, Result<Vec<u8>, StoreError>> {
        self.house.snapshots.get(name)
    }

    fn list<'a>(
        &'a self,
        journal: &'a JournalId,
    ) -> Answer<'a, Result<Vec<SnapshotName>, StoreError>> {
        self.lists.fetch_add(1, Ordering::SeqCst);
        self.house.snapshots.list(journal)
    }

    fn delete<'a>(&'a self, name: &'a SnapshotName) -> Answer<'a, Result<(), StoreError>> {
        self.house.snapshots.delete(name)
    }
}

/// Each that was due waited for those before it, and was made though it was of the same state.
#[tokio::test(start_paused = true)]
async fn snapshots_do_not_pile_up_before_a_slow_store() {
    let house = House::default();
    let store = Counting::on(&house, Duration::from_secs(60));
    let puts = Arc::clone(&store.puts);
    let options = SharedOptions::new().snapshot_every(NonZeroU64::MIN);
    let replica: Party = options.open(house.journal.clone(), store).await.unwrap();
    puts.store(0, Ordering::SeqCst);
    let_in(&replica, 1..=100).await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    // The first, and the one that waited for it.
    assert_eq!(puts.load(Ordering::SeqCst), 2);
    assert_eq!(kept(&house).await.last(), Some(&100));
}

/// Each round may read a whole snapshot, and there were ten in a second, for as long as it took.
#[tokio::test(start_paused = true)]
async fn state_that_cannot_be_read_anew_is_tried_less_and_less_often() {
    let house = House::default();
    let store = Counting::on(&house, Duration::ZERO);
    let lists = Arc::clone(&store.lists);
    let replica = Party::open(house.journal.clone(), store).await.unwrap();
    for name in house.snapshots.list(house.journal.id()).await.unwrap() {
        house.snapshots.delete(&name).await.unwrap();
    }
    replica.apply(op("a bomb")).await.unwrap_err();
    lists.store(0, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let lists = lists.load(Ordering::SeqCst);
    assert!((100..200).contains(&lists), "{lists} in an hour");
}
