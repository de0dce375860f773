//! However a replica ends, nobody waits for it in vain.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use ministate::shared::memory::{AppendFault, Call, CallFault};
use ministate::shared::{Place, Role, SharedError, SharedOptions};

use super::hooked::Hooked;
use super::{House, Party, op, runtime_of};

/// Writers that came back with another mutation whenever they were answered kept `close` from ending, and
/// were not refused.
#[tokio::test(start_paused = true)]
async fn close_ends_while_writers_go_on() {
    let house = House::default();
    let replica = Arc::new(house.replica().await);
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let replica = Arc::clone(&replica);
            tokio::spawn(async move {
                for count in 0..5000 {
                    if let Err(error) = replica.apply(op(format!("{writer}.{count}"))).await {
                        return Some(error);
                    }
                }
                None
            })
        })
        .collect();
    replica.read_at_least(8, |_| ()).await.unwrap();
    replica.close().await;
    for writer in writers {
        match writer.await.unwrap() {
            Some(SharedError::Closed) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Once its patience was over, the caller of the mutation was answered; `close` went on to wait for what
/// had become of it, for as long as the engine was away.
#[tokio::test(start_paused = true)]
async fn close_waits_for_the_engine_no_longer_than_the_writes() {
    let house = House::default();
    let patience = Duration::from_secs(1);
    let (replica, faults) = house.shaky(SharedOptions::new().patience(patience)).await;
    faults.on_append(AppendFault::AmbiguousLost);
    let (written, closed) = tokio::join!(
        async {
            let written = replica.apply(op("ada")).await;
            faults.cut_off();
            written
        },
        async {
            faults.cut_off();
            tokio::time::timeout(Duration::from_secs(60), replica.close()).await
        }
    );
    assert!(matches!(written, Err(SharedError::OutcomeUnknown { .. })), "{written:?}");
    assert!(closed.is_ok(), "close still waits");
    assert_eq!(replica.status().role, Role::Ended);
}

/// The longest duration there is, as a way to say "for ever", made the task of the replica panic.
#[tokio::test(start_paused = true)]
async fn patience_and_looking_can_be_as_long_as_one_likes() {
    let house = House::default();
    let options = SharedOptions::new().patience(Duration::MAX).look_every(Duration::MAX);
    let replica = house.replica_with(options).await;
    assert_eq!(replica.apply(op("ada")).await.unwrap(), 1);
    assert_eq!(replica.read_linearizable(|guests| guests.names.len()).await.unwrap(), 1);
}

/// After a panic in its task a replica was `Current` for ever, and whoever waited for a mutation did, too.
#[tokio::test(start_paused = true)]
async fn replica_whose_task_panicked_lets_nobody_wait() {
    let house = House::default();
    let is_lit = Arc::new(AtomicBool::new(false));
    let bomb = Hooked::on(&house.journal).append({
        let is_lit = Arc::clone(&is_lit);
        move || {
            assert!(!is_lit.load(Ordering::SeqCst), "the test wants it so");
            None
        }
    });
    let replica = Party::open(bomb, house.snapshots.clone()).await.unwrap();
    let waiting = replica.read_at_least(1, |_| ());
    is_lit.store(true, Ordering::SeqCst);
    let (waited, written) = tokio::join!(waiting, replica.apply(op("ada")));
    assert!(matches!(waited, Err(SharedError::Closed)), "{waited:?}");
    assert!(matches!(written, Err(SharedError::OutcomeUnknown { .. })), "{written:?}");
    assert_eq!(replica.status().role, Role::Ended);
}

/// Whose mutation was handed over in the moment in which the replica ended waited for ever. It is a matter of
/// chance which of many does.
#[test]
fn whoever_hands_over_while_the_replica_ends_is_answered() {
    let runtime = runtime_of(3);
    runtime.block_on(async {
        for round in 0..100 {
            let replica = Arc::new(House::default().replica().await);
            let writers: Vec<_> = (0..8)
                .map(|writer| {
                    let replica = Arc::clone(&replica);
                    tokio::spawn(async move {
                        let mut count = 0;
                        while replica.apply(op(format!("{writer}.{count}"))).await.is_ok() {
                            count += 1;
                        }
                    })
                })
                .collect();
            replica.read_at_least(round % 7, |_| ()).await.unwrap();
            replica.close().await;
            for writer in writers {
                let answered = tokio::time::timeout(Duration::from_secs(60), writer).await;
                answered.expect("it is answered").unwrap();
            }
        }
    });
}

/// `close` did not find out that nobody waited any more for what was on its way, until the engine was looked
/// after: for an hour, here.
#[tokio::test(start_paused = true)]
async fn close_does_not_wait_until_the_engine_is_looked_after() {
    let house = House::default();
    let patience = Duration::from_secs(1);
    let options = SharedOptions::new().patience(patience).look_every(Duration::from_secs(3600));
    let (replica, faults) = house.shaky(options).await;
    faults.on_append(AppendFault::RequestHeld);
    let applied = tokio::time::timeout(Duration::from_millis(10), replica.apply(op("ada"))).await;
    assert!(applied.is_err(), "its caller goes away");
    faults.until_held(1).await;
    let closed = tokio::time::timeout(Duration::from_secs(60), replica.close()).await;
    assert!(closed.is_ok(), "close still waits");
}

/// It waited for a mutation that the replica had applied, and that the journal did not hold any more.
#[tokio::test(start_paused = true)]
async fn subscription_of_a_replica_that_stopped_says_why() {
    let house = House::default();
    let (replica, faults) = house.shaky(SharedOptions::new()).await;
    for number in 1..=2 {
        assert_eq!(replica.apply(op(number.to_string())).await.unwrap(), number);
    }
    let mut changes = replica.subscribe(1);
    assert_eq!(changes.next().await.unwrap().unwrap().seq, 1);
    faults.on_call(Call::Next, CallFault::RequestHeld);
    house.journal.regress(Place::new(1));
    match tokio::time::timeout(Duration::from_secs(60), changes.next()).await {
        Ok(Some(Err(SharedError::Regressed { .. }))) => {}
        other => panic!("{other:?}"),
    }
}

/// What was applied, or may be, was answered with `Closed`, which means that nothing was written: where the
/// replica ended between the two looks of its caller, for the answer and for the one who gives it. Some
/// callers look again and again meanwhile; which of them looks just then is a matter of chance.
#[test]
fn closed_is_not_said_of_what_was_applied() {
    let runtime = runtime_of(2);
    for _ in 0..100 {
        let house = House::default();
        let replica = Arc::new(runtime.block_on(house.replica()));
        let closing = Arc::clone(&replica);
        let mut apply = std::pin::pin!(replica.apply(op("ada")));
        let mut context = Context::from_waker(Waker::noop());
        let first = apply.as_mut().poll(&mut context);
        let closed = runtime.spawn(async move { closing.close().await });
        let answer = match first {
            Poll::Ready(answer) => answer,
            Poll::Pending => loop {
                if let Poll::Ready(answer) = apply.as_mut().poll(&mut context) {
                    break answer;
                }
            },
        };
        runtime.block_on(closed).unwrap();
        match answer {
            Ok(1) => {}
            Err(SharedError::Closed) => assert_eq!(house.journal.end(), Place::START),
            other => panic!("{other:?}"),
        }
    }
}

/// It waited for an entry that the engine has lost, or does not give, for ever: also once the replica had
/// ended for that reason.
#[tokio::test(start_paused = true)]
async fn snapshot_that_is_being_made_ends_with_the_replica() {
    let house = House::default();
    let (replica, faults) = house.shaky(SharedOptions::new()).await;
    for number in 1..=10 {
        assert_eq!(replica.apply(op(number.to_string())).await.unwrap(), number);
    }
    faults.on_call(Call::Next, CallFault::RequestHeld);
    faults.until_held(1).await;
    faults.on_call(Call::Next, CallFault::RequestHeld);
    let made = tokio::time::timeout(Duration::from_secs(600), replica.create_snapshot());
    let (made, ()) = tokio::join!(made, async {
        faults.until_held(2).await;
        replica.close().await;
    });
    assert!(matches!(made, Ok(Err(SharedError::Closed))), "{made:?}");

    let house = House::default();
    let replica = house.replica().await;
    for number in 1..=10 {
        assert_eq!(replica.apply(op(number.to_string())).await.unwrap(), number);
    }
    house.journal.regress(Place::new(7));
    let made = tokio::time::timeout(Duration::from_secs(600), replica.create_snapshot()).await;
    match made {
        Ok(Err(SharedError::Stopped { .. } | SharedError::Regressed { .. })) => {}
        other => panic!("{other:?}"),
    }
}
