//! A subscription yields what the replica has applied, each mutation once, whoever wrote it.

use std::time::Duration;

use ministate::shared::memory::{Call, CallFault};
use ministate::shared::{SharedError, SharedOptions, SharedSubscription};

use super::{GuestOp, House, guest, op};

type Changes = SharedSubscription<GuestOp>;

/// The next so many, by number and guest.
async fn taken(changes: &mut Changes, count: usize) -> Vec<(u64, String)> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let change = changes.next().await.unwrap().unwrap();
        taken.push(match change.mutation {
            GuestOp::LetIn(guest) => (change.seq, guest.name),
            GuestOp::SendAllHome => (change.seq, String::new()),
        });
    }
    taken
}

fn numbered(range: std::ops::RangeInclusive<u64>) -> Vec<(u64, String)> {
    range.map(|number| (number, number.to_string())).collect()
}

#[tokio::test(start_paused = true)]
async fn changes_of_all_replicas_come_in_order_from_any_number_on() {
    let house = House::default();
    let (first, second) = (house.replica().await, house.replica().await);
    for number in 1..=300 {
        let replica = if number % 3 == 0 { &first } else { &second };
        assert_eq!(replica.apply(op(number.to_string())).await.unwrap(), number);
    }
    let rejoined = house.replica().await;
    for replica in [&first, &second, &rejoined] {
        for from in [0, 1, 2, 150, 299, 300] {
            let mut changes = replica.subscribe(from);
            let expected = numbered(from.max(1)..=300);
            assert_eq!(taken(&mut changes, expected.len()).await, expected, "from {from}");
        }
    }
    let mut changes = rejoined.subscribe(301);
    first.apply(op("301")).await.unwrap();
    assert_eq!(taken(&mut changes, 1).await, numbered(301..=301));
}

#[tokio::test(start_paused = true)]
async fn change_comes_only_when_its_effect_is_in_the_state() {
    let house = House::default();
    let (here, there) = (house.replica().await, house.replica().await);
    let mut changes = here.subscribe(1);
    for number in 1..=20 {
        there.apply(op(number.to_string())).await.unwrap();
        let change = changes.next().await.unwrap().unwrap();
        assert!(here.sequence() >= change.seq);
    }
}

#[tokio::test(start_paused = true)]
async fn batch_is_yielded_one_mutation_at_a_time_and_one_can_begin_within_it() {
    let house = House::default();
    let replica = house.replica().await;
    replica.apply_batch([op("1"), op("2"), op("3")]).await.unwrap();
    assert_eq!(taken(&mut replica.subscribe(2), 2).await, numbered(2..=3));
}

#[tokio::test(start_paused = true)]
async fn subscription_ends_with_the_replica_behind_all_that_it_applied() {
    let house = House::default();
    let replica = house.replica().await;
    let mut changes = replica.subscribe(1);
    replica.apply(op("1")).await.unwrap();
    replica.close().await;
    assert_eq!(taken(&mut changes, 1).await, numbered(1..=1));
    assert!(changes.next().await.is_none());

    let replica = house.replica().await;
    let mut changes = replica.subscribe(1);
    drop(replica);
    assert_eq!(taken(&mut changes, 1).await, numbered(1..=1));
    assert!(changes.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn mutation_whose_handler_panicked_is_not_yielded() {
    let house = House::default();
    let replica = house.replica().await;
    let mut changes = replica.subscribe(1);
    replica.apply(op("1")).await.unwrap();
    replica.apply_batch([op("2"), op("a bomb")]).await.unwrap_err();
    assert_eq!(taken(&mut changes, 1).await, numbered(1..=1));
    match changes.next().await {
        Some(Err(SharedError::Stopped { seq: 1, .. })) => {}
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn subscription_that_lags_says_so_once_and_goes_on() {
    let house = House::default();
    let replica = house.replica().await;
    let mut changes = replica.subscribe(1).lag_limit(3);
    for number in 1..=5 {
        replica.apply(op(number.to_string())).await.unwrap();
    }
    match changes.next().await {
        Some(Err(SharedError::Lagging { next: 1, behind: 5 })) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(taken(&mut changes, 5).await, numbered(1..=5));
    assert_eq!((changes.lag(), changes.next_sequence()), (0, 6));
}

#[tokio::test(start_paused = true)]
async fn what_was_trimmed_is_said_to_be() {
    let house = House::default();
    let replica = house.replica().await;
    for number in 1..=9 {
        replica.apply(op(number.to_string())).await.unwrap();
        if number % 3 == 0 {
            assert_eq!(replica.create_snapshot().await.unwrap(), number);
        }
    }
    // Two snapshots are kept, and what stands behind the older one.
    for from in [1, 6] {
        match replica.subscribe(from).next().await {
            Some(Err(SharedError::Trimmed { seq, first: 7 })) => assert_eq!(seq, from),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(taken(&mut replica.subscribe(7), 3).await, numbered(7..=9));
}

#[tokio::test(start_paused = true)]
async fn change_whose_reading_was_given_up_comes_with_the_next_call() {
    let house = House::default();
    let (replica, faults) = house.shaky(SharedOptions::new()).await;
    for number in 1..=5 {
        replica.execute(guest(number.to_string())).await.unwrap().output.unwrap();
    }
    let mut changes = replica.subscribe(1);
    for number in 1..=5 {
        faults.on_call(Call::Next, CallFault::AnswerHeld);
        let waited = tokio::time::timeout(Duration::from_millis(1), changes.next()).await;
        let given_up = waited.is_err();
        faults.release();
        if given_up {
            assert_eq!(taken(&mut changes, 1).await, numbered(number..=number));
        }
    }
}

/// The number behind the last one that there is made it panic, where arithmetic is checked.
#[tokio::test(start_paused = true)]
async fn one_can_subscribe_from_any_number_that_there_is() {
    let house = House::default();
    let replica = house.replica().await;
    replica.apply(op("1")).await.unwrap();
    for from in [u64::MAX - 1, u64::MAX] {
        let mut changes = replica.subscribe(from);
        assert_eq!((changes.next_sequence(), changes.lag()), (from, 0));
        let waited = tokio::time::timeout(Duration::from_secs(1), changes.next()).await;
        assert!(waited.is_err(), "{waited:?}");
    }
}
