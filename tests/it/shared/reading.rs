//! What a reader sees, and how stale it can be.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ministate::shared::memory::{AppendFault, Call, CallFault};
use ministate::shared::{Role, SharedError, SharedOptions};

use super::hooked::Hooked;
use super::{House, Party, names, op, runtime_of};

#[tokio::test(start_paused = true)]
async fn linearizable_read_sees_what_was_acknowledged_anywhere_before_it() {
    let house = House::default();
    let (here, faults) = house.shaky(SharedOptions::new()).await;
    let there = house.replica().await;
    // What is read arrives late.
    faults.on_call(Call::Next, CallFault::RequestHeld);
    there.apply(op("ada")).await.unwrap();
    let here = Arc::new(here);
    let read = tokio::spawn({
        let here = Arc::clone(&here);
        async move { here.read_linearizable(|guests| guests.names.clone()).await }
    });
    faults.until_held(1).await;
    assert!(names(&here).is_empty(), "it is to be behind");
    faults.release();
    assert_eq!(read.await.unwrap().unwrap(), ["ada"]);
}

#[tokio::test(start_paused = true)]
async fn readers_at_the_same_time_share_a_barrier() {
    let house = House::default();
    let barriers = Arc::new(AtomicUsize::new(0));
    let journal = Hooked::on(&house.journal).barrier({
        let barriers = Arc::clone(&barriers);
        move || {
            barriers.fetch_add(1, Ordering::Relaxed);
            None
        }
    });
    let faults = house.journal.faults();
    let options = SharedOptions::new().look_every(Duration::from_secs(3600));
    let replica: Arc<Party> =
        Arc::new(options.open(journal, house.snapshots.clone()).await.unwrap());
    let before = barriers.load(Ordering::Relaxed);
    faults.on_call(Call::Barrier, CallFault::AnswerHeld);
    let read = || {
        let replica = Arc::clone(&replica);
        tokio::spawn(async move { replica.read_linearizable(|guests| guests.names.len()).await })
    };
    let first = read();
    faults.until_held(1).await;
    let others: Vec<_> = (0..50).map(|_| read()).collect();
    tokio::task::yield_now().await;
    faults.release();
    first.await.unwrap().unwrap();
    for other in others {
        other.await.unwrap().unwrap();
    }
    // They asked after the first one had begun, which therefore is not theirs.
    assert_eq!(barriers.load(Ordering::Relaxed) - before, 2);
}

/// It failed at once, whatever patience was given.
#[tokio::test(start_paused = true)]
async fn linearizable_read_waits_for_the_engine_as_long_as_its_caller_does() {
    let house = House::default();
    let options = SharedOptions::new().patience(Duration::from_secs(5));
    let (replica, faults) = house.shaky(options).await;
    let replica = Arc::new(replica);
    faults.cut_off();
    let read = tokio::spawn({
        let replica = Arc::clone(&replica);
        async move { replica.read_linearizable(|guests| guests.names.len()).await }
    });
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(!read.is_finished());
    faults.reconnect();
    assert_eq!(read.await.unwrap().unwrap(), 0);

    faults.cut_off();
    match replica.read_linearizable(|_| ()).await {
        Err(SharedError::Unavailable { source: Some(_) }) => {}
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn linearizable_read_that_waits_for_the_engine_ends_with_the_replica() {
    let house = House::default();
    let (replica, faults) = house.shaky(SharedOptions::new()).await;
    faults.cut_off();
    let (read, ()) = tokio::join!(replica.read_linearizable(|_| ()), replica.close());
    assert!(matches!(read, Err(SharedError::Closed)), "{read:?}");
}

/// It waited for the writer, who waited for the reader.
#[test]
fn status_can_be_asked_for_while_the_state_is_read_and_another_waits_to_write() {
    let runtime = runtime_of(2);
    let replica = Arc::new(runtime.block_on(House::default().replica()));
    let (told, tells) = std::sync::mpsc::channel();
    let writer = Arc::clone(&replica);
    let handle = runtime.handle().clone();
    let reader = std::thread::spawn(move || {
        replica.read(|_| {
            handle.spawn(async move { writer.apply(op("ada")).await });
            // Until the writer, most likely, waits for the state.
            std::thread::sleep(Duration::from_millis(200));
            told.send(replica.status().sequence).unwrap();
        });
    });
    let sequence = tells.recv_timeout(Duration::from_secs(60));
    // Its threads may never end.
    runtime.shutdown_background();
    assert_eq!(sequence, Ok(0));
    reader.join().unwrap();
}

#[tokio::test(start_paused = true)]
async fn read_at_least_waits_for_the_mutation_that_another_replica_has_acknowledged() {
    let house = House::default();
    let (here, there) = (Arc::new(house.replica().await), house.replica().await);
    let read = tokio::spawn({
        let here = Arc::clone(&here);
        async move { here.read_at_least(2, |guests| guests.names.clone()).await }
    });
    tokio::task::yield_now().await;
    there.apply(op("ada")).await.unwrap();
    assert!(!read.is_finished());
    there.apply(op("bob")).await.unwrap();
    assert_eq!(read.await.unwrap().unwrap(), ["ada", "bob"]);
}

#[tokio::test(start_paused = true)]
async fn replica_that_is_cut_off_reads_on_and_says_so() {
    let house = House::default();
    let options = SharedOptions::new().patience(Duration::from_secs(3));
    let (here, faults) = house.shaky(options).await;
    let there = house.replica().await;
    here.apply(op("ada")).await.unwrap();
    assert_eq!(here.status().role, Role::Current);

    faults.cut_off();
    there.apply(op("bob")).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let status = here.status();
    assert_eq!((status.role, status.sequence), (Role::CutOff, 1));
    assert!(status.failure.is_some());
    assert_eq!(names(&here), ["ada"]);
    assert!(here.read_linearizable(|_| ()).await.is_err());
    match here.read_at_least(2, |_| ()).await {
        Err(SharedError::Unavailable { source: Some(_) }) => {}
        other => panic!("{other:?}"),
    }
    match here.apply(op("cy")).await {
        Err(SharedError::Unavailable { source: Some(_) }) => {}
        other => panic!("{other:?}"),
    }

    faults.reconnect();
    let seen = here.read_linearizable(|guests| guests.names.clone()).await.unwrap();
    // What was refused as unavailable is not written later.
    assert_eq!(seen, ["ada", "bob"]);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let status = here.status();
    assert_eq!((status.role, status.behind), (Role::Current, 0));
    assert!(status.failure.is_none());
}

/// The answer was compared with where the replica was when it came, and the engine taken for one that had
/// lost entries.
#[tokio::test(start_paused = true)]
async fn answer_that_was_overtaken_by_a_mutation_is_no_regression() {
    let house = House::default();
    let options = SharedOptions::new().look_every(Duration::from_millis(1));
    let (here, faults) = house.shaky(options).await;
    faults.on_call(Call::Barrier, CallFault::AnswerHeld);
    tokio::time::sleep(Duration::from_millis(5)).await;
    faults.until_held(1).await;
    here.apply(op("ada")).await.unwrap();
    faults.release();
    tokio::time::sleep(Duration::from_millis(5)).await;
    here.apply(op("bob")).await.unwrap();
    assert_eq!(here.status().role, Role::Current);
}

#[tokio::test(start_paused = true)]
async fn mutation_that_may_have_landed_when_patience_ends_is_of_unknown_outcome() {
    let house = House::default();
    let options = SharedOptions::new().patience(Duration::from_secs(1));
    let (here, faults) = house.shaky(options).await;
    faults.on_append(AppendFault::AmbiguousLanded);
    // It does not see itself.
    for _ in 0..1_000 {
        faults.on_call(Call::Next, CallFault::Unreachable);
        faults.on_append(AppendFault::AmbiguousLost);
    }
    match here.apply(op("ada")).await {
        Err(SharedError::OutcomeUnknown { source: Some(_) }) => {}
        other => panic!("{other:?}"),
    }
    let there = house.replica().await;
    assert_eq!(names(&there), ["ada"]);
}

#[tokio::test(start_paused = true)]
async fn without_patience_a_mutation_waits_until_the_engine_is_back() {
    let house = House::default();
    let (here, faults) = house.shaky(SharedOptions::new()).await;
    let here = Arc::new(here);
    faults.cut_off();
    let applied = tokio::spawn({
        let here = Arc::clone(&here);
        async move { here.apply(op("ada")).await }
    });
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert!(!applied.is_finished());
    faults.reconnect();
    assert_eq!(applied.await.unwrap().unwrap(), 1);
}

#[test]
fn state_is_known_to_be_current_as_of_the_last_answer() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let house = House::default();
        let options = SharedOptions::new().look_every(Duration::from_millis(5));
        let (here, faults) = house.shaky(options).await;
        faults.cut_off();
        let cut_off = std::time::Instant::now();
        while here.status().stale < Duration::from_millis(40) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // It was current when it was cut off, or shortly before; never is it said to be fresher.
        let since = cut_off.elapsed();
        assert!(here.status().stale >= since);
        faults.reconnect();
        while here.status().stale > Duration::from_millis(30) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
}

#[tokio::test(start_paused = true)]
async fn managers_go_where_threads_go() {
    fn is_for_all_threads<T: Send + Sync + 'static>(_: &T) {}
    let house = House::default();
    let replica = house.replica().await;
    is_for_all_threads(&replica);
    fn is_sent<T: Send>(value: T) -> T {
        value
    }
    is_sent(replica.apply(op("ada"))).await.unwrap();
    is_sent(replica.read_linearizable(|_| ())).await.unwrap();
    is_sent(replica.subscribe(1).next()).await.unwrap().unwrap();
}
