//! What cannot be right stops a replica, with the reason, and its state stays readable.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ministate::Mutations;
use ministate::shared::{Journal, Place, Role, SharedError, SharedManager, SharedOptions};
use serde::{Deserialize, Serialize};

use super::hooked::Hooked;
use super::{Guests, House, Party, guest, names, op};

/// The reason for which the replica stops.
async fn reason(replica: &Party) -> SharedError {
    match replica.read_at_least(u64::MAX, |_| ()).await {
        Err(SharedError::Stopped { cause, .. }) => {
            assert_eq!(replica.status().role, Role::Ended);
            match replica.apply(op("late")).await {
                Err(SharedError::Stopped { .. }) => {}
                other => panic!("{other:?}"),
            }
            (*cause).clone()
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn engine_that_lost_what_it_had_confirmed_stops_the_replica() {
    let house = House::default();
    let replica = house.replica().await;
    replica.apply(op("ada")).await.unwrap();
    replica.apply(op("bob")).await.unwrap();
    house.journal.regress(Place::new(1));
    let (last, read) = (Place::new(1), Place::new(2));
    match reason(&replica).await {
        SharedError::Regressed { last: l, read: r } => assert_eq!((l, r), (last, read)),
        other => panic!("{other:?}"),
    }
    assert_eq!(names(&replica), ["ada", "bob"]);
}

#[tokio::test(start_paused = true)]
async fn snapshot_that_is_ahead_of_the_journal_is_not_opened() {
    let house = House::default();
    let replica = house.replica().await;
    replica.apply(op("ada")).await.unwrap();
    replica.apply(op("bob")).await.unwrap();
    replica.create_snapshot().await.unwrap();
    drop(replica);
    house.journal.regress(Place::new(1));
    match Party::open(house.journal.clone(), house.snapshots.clone()).await {
        Err(SharedError::Regressed { .. }) => {}
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn history_that_went_on_without_what_was_read_stops_the_replica() {
    let house = House::default();
    let (here, there) = (house.replica().await, house.replica().await);
    here.apply(op("ada")).await.unwrap();
    here.apply(op("bob")).await.unwrap();
    there.read_at_least(2, |_| ()).await.unwrap();
    // An old backup, with which another program goes on.
    house.journal.regress(Place::new(1));
    let other = house.replica().await;
    other.apply(op("eve")).await.unwrap();
    other.apply(op("dan")).await.unwrap();
    match reason(&here).await {
        SharedError::Damaged { place, seq: 3, .. } => assert_eq!(place, Place::new(3)),
        SharedError::Regressed { .. } => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(names(&there), ["ada", "bob"]);
}

#[tokio::test(start_paused = true)]
async fn journal_that_was_made_again_stops_the_replica() {
    let house = House::default();
    let replica = house.replica().await;
    replica.apply(op("ada")).await.unwrap();
    let expected = house.journal.id().clone();
    house.journal.recreate();
    match reason(&replica).await {
        SharedError::WrongJournal { expected: journal, found: Some(found) } => {
            assert_eq!(journal, expected);
            assert_ne!(found, expected);
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn entry_that_is_not_ministates_stops_the_replica_before_it() {
    let garbage: [&[u8]; 3] = [b"hello\n", b"{\"ministate\":1}\n", b"\xff\xfe"];
    for garbage in garbage {
        let house = House::default();
        let replica = house.replica().await;
        replica.apply(op("ada")).await.unwrap();
        house.journal.append_as_another(garbage.into());
        match reason(&replica).await {
            SharedError::Damaged { place, seq: 2, .. } => assert_eq!(place, Place::new(2)),
            other => panic!("{other:?}"),
        }
        assert_eq!(names(&replica), ["ada"]);
    }
}

#[tokio::test(start_paused = true)]
async fn every_byte_of_an_entry_that_is_changed_is_noticed() {
    let house = House::default();
    let replica = house.replica().await;
    replica.apply_batch([op("ada"), op("bob")]).await.unwrap();
    let entry = house.journal.entries().remove(0);
    for place in 0..entry.bytes.len() {
        let mut bytes = entry.bytes.to_vec();
        bytes[place] ^= 1;
        let other = House { snapshots: house.snapshots.clone(), ..house.clone() };
        other.journal.regress(Place::START);
        other.journal.append_as_another(bytes.into());
        match Party::open(other.journal.clone(), other.snapshots.clone()).await {
            Err(
                SharedError::Damaged { .. }
                | SharedError::NewerFormat { .. }
                | SharedError::UnknownOperations { .. },
            ) => {}
            other => panic!("byte {place}: {other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn newer_format_is_named() {
    let house = House::default();
    let replica = house.replica().await;
    replica.apply(op("ada")).await.unwrap();
    let newer = br#"{"ministate":7,"all":"different"}"#;
    house.journal.append_as_another([newer, &b"\n"[..]].concat().into());
    match reason(&replica).await {
        SharedError::NewerFormat { found: 7, supported: 1, place } => {
            assert_eq!(place, Place::new(2));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn handler_that_panics_stops_every_replica_and_readers_get_the_state_before() {
    let house = House::default();
    let (here, there) = (house.replica().await, house.replica().await);
    here.apply(op("ada")).await.unwrap();
    match here.apply_batch([op("bob"), op("a bomb"), op("cy")]).await {
        Err(SharedError::HandlerPanicked { seq: 3, message, operation: Some(operation) }) => {
            assert!(message.contains("bombs explode"), "{message}");
            assert_eq!(operation, "let_in@1");
        }
        other => panic!("{other:?}"),
    }
    for replica in [&here, &there] {
        match reason(replica).await {
            SharedError::HandlerPanicked { seq: 3, .. } => {}
            other => panic!("{other:?}"),
        }
        // The state is read from the journal again, and holds nothing of the batch.
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!((names(replica), replica.sequence()), (vec!["ada".to_string()], 1));
        assert!(replica.create_snapshot().await.is_err());
    }
    match Party::open(house.journal.clone(), house.snapshots.clone()).await {
        Err(SharedError::HandlerPanicked { seq: 3, .. }) => {}
        other => panic!("{other:?}"),
    }
}

/// The next release, in which bombs do not explode.
#[derive(Clone, Serialize, Deserialize, Mutations)]
#[mutations(state = Guests)]
enum MendedOp {
    LetIn { name: String },
    SendAllHome,
}

impl Guests {
    fn let_in(&mut self, name: String) {
        self.names.push(name);
    }
}

#[tokio::test(start_paused = true)]
async fn mended_handler_goes_on_with_the_mutation_at_which_the_old_one_panicked() {
    let house = House::default();
    let old = house.replica().await;
    old.apply_batch([op("ada"), op("a bomb"), op("cy")]).await.unwrap_err();
    let (journal, snapshots) = (house.journal.clone(), house.snapshots.clone());
    let mended = SharedManager::<Guests, MendedOp>::open(journal, snapshots).await.unwrap();
    assert_eq!(mended.read(|guests| guests.names.clone()), ["ada", "a bomb", "cy"]);
    assert_eq!(mended.apply(MendedOp::SendAllHome).await.unwrap(), 4);
}

#[tokio::test(start_paused = true)]
async fn those_behind_a_mutation_that_panics_do_not_know_their_outcome() {
    let house = House::default();
    let (replica, faults) = house.shaky(Default::default()).await;
    let replica = Arc::new(replica);
    faults.on_append(ministate::shared::memory::AppendFault::RequestHeld);
    let call = |name: &str| {
        let (replica, guest) = (Arc::clone(&replica), guest(name));
        tokio::spawn(async move { replica.execute(guest).await })
    };
    let first = call("ada");
    faults.until_held(1).await;
    let together = [call("bob"), call("a bomb"), call("cy")];
    tokio::task::yield_now().await;
    faults.release();
    first.await.unwrap().unwrap();
    let [bob, bomb, cy] = together;
    assert_eq!(bob.await.unwrap().unwrap().seq, 2);
    assert!(matches!(bomb.await.unwrap(), Err(SharedError::HandlerPanicked { seq: 3, .. })));
    match cy.await.unwrap() {
        Err(SharedError::OutcomeUnknown { source: Some(source) }) => {
            assert!(source.to_string().contains("panicked at mutation 3"), "{source}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn what_json_cannot_say_is_refused_and_not_written() {
    use ministate::{Mutator, Refusal};

    #[derive(Default, Serialize, Deserialize)]
    struct Level(f64);
    #[derive(Serialize, Deserialize)]
    struct Set(f64);
    impl Mutator<Level> for Set {
        fn apply(&self, level: &mut Level) {
            level.0 = self.0;
        }
    }

    let house = House::default();
    type Levels = SharedManager<Level, Set>;
    let levels = Levels::open(house.journal.clone(), house.snapshots.clone()).await.unwrap();
    match levels.apply(Set(f64::NAN)).await {
        Err(SharedError::Refused { reason: Refusal::Unsayable { .. } }) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(levels.apply(Set(0.1)).await.unwrap(), 1);
    let again = Levels::open(house.journal.clone(), house.snapshots.clone()).await.unwrap();
    assert_eq!(again.read(|level| level.0), 0.1);
}

#[tokio::test(start_paused = true)]
async fn errors_say_what_where_and_what_to_do_in_one_line() {
    let house = House::default();
    let replica = house.replica().await;
    replica.apply(op("ada")).await.unwrap();
    house.journal.append_as_another((*b"hello\n").into());
    let stopped = match replica.read_at_least(9, |_| ()).await {
        Err(stopped) => format!("{stopped:#}"),
        Ok(()) => panic!("there is no mutation 9"),
    };
    assert_eq!(
        stopped,
        "the replica has stopped behind mutation 1; see to the cause, then open it again: the entry at \
         place 2 (mutation 2) cannot be used, its first line is not the one that was written; compare \
         with the other replicas, and bring back what the engine held"
    );
}

/// The replica went on as if nothing were wrong, and waited for ever for what it had been told of.
#[tokio::test(start_paused = true)]
async fn engine_that_lost_what_the_replica_had_only_heard_of_stops_it() {
    let house = House::default();
    let end = Arc::new(AtomicU64::new(0));
    let journal = Hooked::on(&house.journal).barrier({
        let end = Arc::clone(&end);
        move || Some(Ok(Place::new(end.load(Ordering::SeqCst))))
    });
    let here = Party::open(journal, house.snapshots.clone()).await.unwrap();
    end.store(1, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!((here.sequence(), here.status().behind), (0, 1));
    end.store(0, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(5)).await;
    match here.apply(op("bob")).await {
        Err(SharedError::Stopped { cause, .. }) => match *cause {
            SharedError::Regressed { last, read } => {
                assert_eq!((last, read), (Place::START, Place::new(1)));
            }
            ref other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

/// The engine told a reader old news, which then was not shown what the replica had been told of before.
#[tokio::test(start_paused = true)]
async fn linearizable_read_does_not_believe_old_news() {
    let house = House::default();
    let (end, old) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let journal = Hooked::on(&house.journal).barrier({
        let (end, old) = (Arc::clone(&end), Arc::clone(&old));
        move || {
            let is_old = old.swap(0, Ordering::SeqCst) > 0;
            Some(Ok(Place::new(if is_old { 0 } else { end.load(Ordering::SeqCst) })))
        }
    });
    let options = SharedOptions::new().patience(Duration::from_millis(500));
    let replica: Party = options.open(journal, house.snapshots.clone()).await.unwrap();
    // Acknowledged to somebody, and not read here yet.
    end.store(1, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(replica.status().behind, 1);
    old.store(1, Ordering::SeqCst);
    match replica.read_linearizable(|guests| guests.names.len()).await {
        Err(SharedError::Unavailable { .. }) => {}
        other => panic!("{other:?}"),
    }
}

/// An engine that answered one question late, with what had been true before, stopped the replica.
#[tokio::test(start_paused = true)]
async fn old_news_that_the_engine_tells_once_stop_nobody() {
    let house = House::default();
    let old = Arc::new(AtomicU64::new(0));
    let journal = Hooked::on(&house.journal).barrier({
        let old = Arc::clone(&old);
        move || (old.swap(0, Ordering::SeqCst) > 0).then_some(Ok(Place::START))
    });
    let replica = Party::open(journal, house.snapshots.clone()).await.unwrap();
    replica.apply(op("ada")).await.unwrap();
    for _ in 0..3 {
        old.store(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(replica.status().role, Role::Current);
    }
    replica.apply(op("bob")).await.unwrap();
}
