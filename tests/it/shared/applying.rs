//! A mutation is applied once, whatever the journal answers.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use ministate::shared::memory::{AppendFault, MemoryJournal};
use ministate::shared::{Journal, Place, SharedError, SharedOptions};

use super::{GuestOp, House, guest, names, op};

#[tokio::test(start_paused = true)]
async fn mutations_of_all_replicas_are_in_one_order_on_each() {
    let house = House::default();
    let (first, second) = (house.replica().await, house.replica().await);
    assert_eq!(first.apply(op("ada")).await.unwrap(), 1);
    assert_eq!(second.apply(op("bob")).await.unwrap(), 2);
    assert_eq!(first.apply(op("cy")).await.unwrap(), 3);
    for replica in [&first, &second] {
        let seen = replica.read_at_least(3, |guests| guests.names.clone()).await.unwrap();
        assert_eq!(seen, ["ada", "bob", "cy"]);
    }
}

#[tokio::test(start_paused = true)]
async fn decisions_are_made_on_what_stands_before_them_whoever_wrote_it() {
    let house = House::default();
    let (first, second) = (house.replica().await, house.replica().await);
    let applied = first.execute(guest("ada")).await.unwrap();
    assert_eq!((applied.seq, applied.output), (1, Ok(1)));
    // The second replica may not have seen her yet.
    let applied = second.execute(guest("ada")).await.unwrap();
    assert_eq!((applied.seq, applied.output), (2, Err(1)));
}

#[tokio::test(start_paused = true)]
async fn writer_that_was_overtaken_writes_behind_the_other() {
    let house = House::default();
    let (slow, faults) = house.shaky(SharedOptions::new()).await;
    let fast = house.replica().await;
    faults.on_append(AppendFault::RequestHeld);
    let slow = Arc::new(slow);
    let answer = tokio::spawn({
        let slow = Arc::clone(&slow);
        async move { slow.execute(guest("ada")).await }
    });
    faults.until_held(1).await;
    assert_eq!(fast.execute(guest("ada")).await.unwrap().output, Ok(1));
    faults.release();
    let applied = answer.await.unwrap().unwrap();
    assert_eq!((applied.seq, applied.output), (2, Err(1)));
    assert_eq!(names(&slow), ["ada"]);
}

#[tokio::test(start_paused = true)]
async fn mutation_of_an_unknown_outcome_is_applied_once() {
    for (fault, name) in [
        (AppendFault::AmbiguousLanded, "landed"),
        (AppendFault::AmbiguousLost, "lost"),
        (AppendFault::AmbiguousLate, "late"),
        (AppendFault::ConflictLanded, "conflict"),
        (AppendFault::NotWritten, "not written"),
        (AppendFault::AnswerHeld, "answer held"),
    ] {
        let house = House::default();
        let (replica, faults) = house.shaky(SharedOptions::new()).await;
        faults.on_append(fault.clone());
        faults.on_append(fault);
        let applied = replica.execute(guest("ada")).await.unwrap();
        assert_eq!((applied.seq, applied.output), (1, Ok(1)), "{name}");
        house.journal.land_late();
        assert_eq!(replica.apply(op("bob")).await.unwrap(), 2, "{name}");
        let other = house.replica().await;
        assert_eq!(names(&other), ["ada", "bob"], "{name}");
        assert_eq!(house.journal.end(), Place::new(2), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn callers_at_the_same_time_share_an_entry() {
    let house = House::default();
    let replica = Arc::new(house.replica().await);
    let callers: Vec<_> = (0..100)
        .map(|number| {
            let replica = Arc::clone(&replica);
            tokio::spawn(async move { replica.execute(guest(number.to_string())).await })
        })
        .collect();
    let mut seen = Vec::new();
    for caller in callers {
        let applied = caller.await.unwrap().unwrap();
        assert_eq!(applied.output, Ok(applied.seq as usize));
        seen.push(applied.seq);
    }
    seen.sort_unstable();
    assert_eq!(seen, Vec::from_iter(1..=100));
    assert!(house.journal.end() < Place::new(10), "{}", house.journal.end());
}

#[tokio::test(start_paused = true)]
async fn batch_is_applied_as_a_whole() {
    let house = House::default();
    let (first, second) = (house.replica().await, house.replica().await);
    assert!(first.apply_batch([]).await.unwrap().is_empty());
    assert_eq!(
        first.apply_batch([op("ada"), op("bob"), GuestOp::SendAllHome]).await.unwrap(),
        1..=3
    );
    assert_eq!(first.apply_batch([op("cy")]).await.unwrap(), 4..=4);
    let seen = second.read_at_least(4, |guests| guests.names.clone()).await.unwrap();
    assert_eq!(seen, ["cy"]);
}

#[tokio::test(start_paused = true)]
async fn mutation_whose_caller_went_away_before_its_entry_was_made_never_happened() {
    let house = House::default();
    let (replica, faults) = house.shaky(SharedOptions::new()).await;
    faults.on_append(AppendFault::RequestHeld);
    let replica = Arc::new(replica);
    let first = tokio::spawn({
        let replica = Arc::clone(&replica);
        async move { replica.apply(op("ada")).await }
    });
    faults.until_held(1).await;
    {
        let mut second = std::pin::pin!(replica.apply(op("bob")));
        assert!(futures_poll(second.as_mut()).is_none());
    }
    faults.release();
    assert_eq!(first.await.unwrap().unwrap(), 1);
    assert_eq!(replica.apply(op("cy")).await.unwrap(), 2);
    assert_eq!(names(&replica), ["ada", "cy"]);
}

/// What the future is, if it is ready.
fn futures_poll<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.poll(&mut context) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}

#[tokio::test(start_paused = true)]
async fn no_entry_is_larger_than_the_engine_takes() {
    let journal = MemoryJournal::with_entry_bytes_max(4_000);
    let house = House { journal, ..House::default() };
    let replica = Arc::new(house.replica().await);
    let callers: Vec<_> = (0..30)
        .map(|number| {
            let replica = Arc::clone(&replica);
            let name = format!("{number:01000}");
            tokio::spawn(async move { replica.apply(op(name)).await })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap().unwrap();
    }
    let entries = house.journal.entries();
    assert!(entries.iter().all(|entry| entry.bytes.len() <= 4_000));
    assert!(entries.len() < 30, "{} entries", entries.len());

    let before = replica.sequence();
    match replica.apply(op("x".repeat(4_000))).await {
        Err(SharedError::TooLarge { bytes, limit: 4_000 }) => assert!(bytes > 4_000),
        other => panic!("{other:?}"),
    }
    assert_eq!((replica.sequence(), house.journal.entries().len()), (before, entries.len()));
}

#[tokio::test(start_paused = true)]
async fn closed_replica_has_carried_out_what_was_handed_over_and_takes_no_more() {
    let house = House::default();
    let replica = Arc::new(house.replica().await);
    let applied = tokio::spawn({
        let replica = Arc::clone(&replica);
        async move { replica.apply(op("ada")).await }
    });
    tokio::task::yield_now().await;
    replica.close().await;
    assert_eq!(applied.await.unwrap().unwrap(), 1);
    assert!(matches!(replica.apply(op("bob")).await, Err(SharedError::Closed)));
    assert!(matches!(replica.read_linearizable(|_| ()).await, Err(SharedError::Closed)));
    assert!(matches!(replica.create_snapshot().await, Err(SharedError::Closed)));
    replica.close().await;
    assert_eq!(names(&replica), ["ada"]);
}

#[tokio::test(start_paused = true)]
async fn first_state_of_all_is_kept_whatever_later_replicas_begin_with() {
    let house = House::default();
    let first = SharedOptions::new()
        .snapshot_every(NonZeroU64::MAX)
        .open_with::<super::Guests, GuestOp>(
            house.journal.clone(),
            house.snapshots.clone(),
            super::Guests { names: vec!["host".to_string()] },
        )
        .await
        .unwrap();
    first.apply(op("ada")).await.unwrap();
    assert_eq!(names(&house.replica().await), ["host", "ada"]);
}

#[tokio::test(start_paused = true)]
async fn entries_are_lines_that_people_can_read() {
    let house = House::default();
    let replica = house.replica().await;
    replica.apply(op("ada")).await.unwrap();
    let entry = &house.journal.entries()[0];
    let text = str::from_utf8(&entry.bytes).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["journal"], house.journal.id().as_str());
    assert_eq!((&lines[0]["first"], &lines[0]["count"]), (&1.into(), &1.into()));
    assert_eq!((&lines[0]["format"], &lines[0]["prev"]), (&1.into(), &"00000000".into()));
    assert_eq!(lines[0]["admits"]["ops"], serde_json::json!({"let_in": 1, "send_all_home": 1}));
    assert_eq!((&lines[1]["seq"], &lines[1]["op"]), (&1.into(), &"let_in".into()));
    assert_eq!(lines[1]["d"], serde_json::json!({"name": "ada"}));
}

#[test]
fn replica_whose_runtime_has_ended_lets_nobody_wait() {
    let house = House::default();
    let of_replica = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let replica = of_replica.block_on(house.replica());
    drop(of_replica);
    let other = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    other.block_on(async {
        assert!(matches!(replica.read_at_least(1, |_| ()).await, Err(SharedError::Closed)));
        assert!(matches!(replica.apply(op("ada")).await, Err(SharedError::Closed)));
        assert!(replica.subscribe(1).next().await.is_none());
        replica.close().await;
    });
}

/// It was dropped where another entry had its place, or the engine refused it: without its caller nobody
/// handed it over again.
#[tokio::test(start_paused = true)]
async fn mutation_whose_caller_went_away_after_its_entry_was_made_happens() {
    let house = House::default();
    let (here, faults) = house.shaky(SharedOptions::new()).await;
    let there = house.replica().await;
    faults.on_append(AppendFault::RequestHeld);
    let given_up = tokio::time::timeout(Duration::from_millis(10), here.apply(op("ada"))).await;
    assert!(given_up.is_err());
    faults.until_held(1).await;
    there.apply(op("bob")).await.unwrap();
    faults.on_append(AppendFault::NotWritten);
    faults.release();
    here.read_at_least(2, |_| ()).await.unwrap();
    assert_eq!(names(&here), ["bob", "ada"]);
}
