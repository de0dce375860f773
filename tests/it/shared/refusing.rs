//! An engine that refuses to append, or is away, is left in peace, told of, and fills no memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ministate::shared::memory::{AppendFault, Call, CallFault};
use ministate::shared::{AppendError, Role, SharedError, SharedOptions};
use ministate::{Fidelity, Mutator};
use serde::{Deserialize, Serialize};

use super::hooked::Hooked;
use super::{House, Party, op};

fn refused() -> AppendError {
    AppendError::NotWritten { source: Arc::new(std::io::Error::other("the test wants it so")) }
}

/// Each caller whose patience ended had the next entry sent at once: the engine was asked as often as there
/// were callers, without a pause.
#[tokio::test(start_paused = true)]
async fn impatient_callers_do_not_hammer_an_engine_that_refuses() {
    let house = House::default();
    let attempts = Arc::new(AtomicU64::new(0));
    let journal = Hooked::on(&house.journal).append({
        let attempts = Arc::clone(&attempts);
        move || {
            attempts.fetch_add(1, Ordering::SeqCst);
            Some(refused())
        }
    });
    let options = SharedOptions::new().patience(Duration::from_millis(10));
    let replica: Party = options.open(journal, house.snapshots.clone()).await.unwrap();
    for _ in 0..1_000 {
        match replica.apply(op("ada")).await {
            Err(SharedError::Unavailable { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    // In 10 seconds, with pauses of up to half a second.
    let attempts = attempts.load(Ordering::SeqCst);
    assert!((10..50).contains(&attempts), "{attempts} attempts");
}

/// The replica was `Current`, without a failure, as soon as the engine had said where the journal ends.
#[tokio::test(start_paused = true)]
async fn replica_that_can_append_nothing_says_so() {
    let house = House::default();
    let is_full = Arc::new(AtomicU64::new(1));
    let journal = Hooked::on(&house.journal).append({
        let is_full = Arc::clone(&is_full);
        move || (is_full.load(Ordering::SeqCst) > 0).then(refused)
    });
    let replica = Arc::new(Party::open(journal, house.snapshots.clone()).await.unwrap());
    let written = tokio::spawn({
        let replica = Arc::clone(&replica);
        async move { replica.apply(op("ada")).await }
    });
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(1_700)).await;
        let status = replica.status();
        assert_eq!(status.role, Role::CutOff);
        assert!(status.failure.is_some());
    }
    is_full.store(0, Ordering::SeqCst);
    assert_eq!(written.await.unwrap().unwrap(), 1);
    assert_eq!(replica.status().role, Role::Current);

    // Nor does it say so for longer than anybody wants to write.
    let options = SharedOptions::new().patience(Duration::from_millis(500));
    let journal = Hooked::on(&house.journal).append(|| Some(refused()));
    let replica: Party = options.open(journal, house.snapshots.clone()).await.unwrap();
    replica.apply(op("bob")).await.unwrap_err();
    assert_eq!(replica.status().role, Role::CutOff);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(replica.status().role, Role::Current);
}

/// The status of a replica whose mutation may have been written said that nothing was.
#[tokio::test(start_paused = true)]
async fn status_does_not_say_of_the_unknown_that_it_was_not_written() {
    let house = House::default();
    let (replica, faults) = house.shaky(SharedOptions::new()).await;
    let replica = Arc::new(replica);
    faults.on_append(AppendFault::AmbiguousLost);
    faults.on_append(AppendFault::RequestHeld);
    tokio::spawn({
        let replica = Arc::clone(&replica);
        async move { replica.apply(op("ada")).await }
    });
    faults.until_held(1).await;
    let failure = replica.status().failure.unwrap().to_string();
    assert!(!failure.contains("nothing was written"), "{failure}");
}

/// As long as it is in memory, `held` is held once more.
#[derive(Serialize, Deserialize)]
struct Add {
    #[serde(skip)]
    held: Arc<()>,
}

impl Mutator<u64> for Add {
    fn apply(&self, count: &mut u64) {
        *count += Arc::strong_count(&self.held) as u64;
    }
}

/// What they wanted stayed in memory for as long as the engine was away.
#[tokio::test(start_paused = true)]
async fn callers_who_went_away_do_not_pile_up() {
    let house = House::default();
    let options = SharedOptions::new().fidelity(Fidelity::Trusted);
    let options = options.look_every(Duration::from_millis(100));
    let (journal, faults) = (Hooked::on(&house.journal), house.journal.faults());
    let replica = options.open::<u64, Add>(journal, house.snapshots.clone()).await.unwrap();
    faults.cut_off();
    let held = Arc::new(());
    for _ in 0..100 {
        let add = Add { held: Arc::clone(&held) };
        tokio::time::timeout(Duration::from_millis(5), replica.apply(add)).await.unwrap_err();
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    // One, or those of one entry, are on their way.
    assert!(Arc::strong_count(&held) <= 3, "{} are there", Arc::strong_count(&held));
}

/// Others who came had the look for those who went away put off, again and again.
#[tokio::test(start_paused = true)]
async fn callers_who_went_away_do_not_pile_up_before_an_engine_that_says_nothing() {
    let house = House::default();
    let options = SharedOptions::new().fidelity(Fidelity::Trusted);
    let (journal, faults) = (Hooked::on(&house.journal), house.journal.faults());
    let replica = options.open::<u64, Add>(journal, house.snapshots.clone()).await.unwrap();
    faults.on_append(AppendFault::RequestHeld);
    faults.on_call(Call::Barrier, CallFault::RequestHeld);
    let held = Arc::new(());
    for _ in 0..2_000 {
        let add = Add { held: Arc::clone(&held) };
        tokio::time::timeout(Duration::from_millis(5), replica.apply(add)).await.unwrap_err();
    }
    let count = Arc::strong_count(&held);
    assert!(count <= 50, "{count} of 2,000 are there");
}

/// A replica was `Current` for as long as the engine did not answer the question where the journal ends.
#[tokio::test(start_paused = true)]
async fn engine_that_says_nothing_is_told_of() {
    let house = House::default();
    let (replica, faults) = house.shaky(SharedOptions::new()).await;
    faults.on_call(Call::Barrier, CallFault::RequestHeld);
    faults.on_call(Call::Next, CallFault::RequestHeld);
    tokio::time::sleep(Duration::from_millis(11_500)).await;
    let status = replica.status();
    assert_eq!(status.role, Role::CutOff);
    assert!(status.failure.is_some());
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(replica.status().role, Role::Current);
}

/// With each entry that it read, it sent one of its own, for a place that was taken.
#[tokio::test(start_paused = true)]
async fn replica_that_catches_up_appends_once_it_has() {
    let house = House::default();
    let there = house.replica().await;
    let attempts = Arc::new(AtomicU64::new(0));
    let journal = Hooked::on(&house.journal).append({
        let attempts = Arc::clone(&attempts);
        move || {
            attempts.fetch_add(1, Ordering::SeqCst);
            None
        }
    });
    let faults = house.journal.faults();
    let here = Arc::new(Party::open(journal, house.snapshots.clone()).await.unwrap());
    faults.cut_off();
    tokio::time::sleep(Duration::from_secs(3)).await;
    for number in 0..500 {
        there.apply(op(number.to_string())).await.unwrap();
    }
    let applied = tokio::spawn({
        let here = Arc::clone(&here);
        async move { here.apply(op("ada")).await }
    });
    tokio::time::sleep(Duration::from_millis(1)).await;
    attempts.store(0, Ordering::SeqCst);
    faults.reconnect();
    assert_eq!(applied.await.unwrap().unwrap(), 501);
    let attempts = attempts.load(Ordering::SeqCst);
    assert!(attempts < 10, "{attempts} attempts");
}

/// Each answer of the engine had the failure of the store forgotten.
#[tokio::test(start_paused = true)]
async fn store_that_is_away_when_it_is_needed_is_told_of_all_the_time() {
    let house = House::default();
    let there = house.replica().await;
    let options = SharedOptions::new().look_every(Duration::from_millis(30));
    let (here, faults) = house.shaky(options).await;
    faults.cut_off();
    for number in 1..=30 {
        assert_eq!(there.apply(op(number.to_string())).await.unwrap(), number);
        if number % 10 == 0 {
            there.create_snapshot().await.unwrap();
        }
    }
    house.snapshots.cut_off();
    faults.reconnect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    for _ in 0..200 {
        tokio::time::sleep(Duration::from_millis(7)).await;
        assert_eq!(here.status().role, Role::CutOff);
    }
    house.snapshots.reconnect();
    here.read_at_least(30, |_| ()).await.unwrap();
    assert_eq!(here.status().role, Role::Current);
}
