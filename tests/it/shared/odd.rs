//! Nothing is lost, applied twice or waited for in vain where an engine does what only the seam foresees.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ministate::shared::memory::{Call, CallFault, MemoryJournal};
use ministate::shared::{
    Answer, AppendError, Cause, Entry, Journal, JournalError, JournalId, Place, Role, SharedError,
    SharedOptions, SnapshotName, SnapshotStore, StoreError, Tail, TailError,
};
use tokio::sync::watch;

use super::{House, Party, names, op};

/// What an engine says to an append.
enum Said {
    /// It appends the entry, and then another one of somebody else, and says this.
    Landed(AppendError),
    /// It appends the entry with another digit in its last checksum, and says this.
    Altered(AppendError),
    /// It appends nothing.
    Nothing(Result<Place, AppendError>),
}

/// A journal that says to the first appends what a test wants. Until then its readers see nothing, and
/// then the first entries, as many as it says.
struct Odd {
    journal: MemoryJournal,
    script: Mutex<VecDeque<Said>>,
    shown: Arc<watch::Sender<u64>>,
    shown_at_last: u64,
    /// When the entry of somebody else was acknowledged.
    others: Arc<Mutex<Option<Instant>>>,
}

impl Odd {
    fn new(house: &House, script: impl IntoIterator<Item = Said>, shown_at_last: u64) -> Odd {
        Odd {
            journal: house.journal.clone(),
            script: Mutex::new(script.into_iter().collect()),
            shown: Arc::new(watch::Sender::new(0)),
            shown_at_last,
            others: Arc::default(),
        }
    }
}

impl Journal for Odd {
    fn id(&self) -> &JournalId {
        self.journal.id()
    }

    fn entry_bytes_max(&self) -> usize {
        self.journal.entry_bytes_max()
    }

    fn append(&self, expected: Place, entry: Arc<[u8]>) -> Answer<'_, Result<Place, AppendError>> {
        Box::pin(async move {
            let said = self.script.lock().unwrap().pop_front();
            let answer = match said {
                None => return self.journal.append(expected, entry).await,
                Some(Said::Nothing(answer)) => answer,
                Some(Said::Altered(failure)) => {
                    let mut altered = entry.to_vec();
                    // Before `"}` and the newline.
                    let digit = altered.len() - 4;
                    altered[digit] ^= 1;
                    self.journal.append(expected, altered.into()).await.unwrap();
                    Err(failure)
                }
                Some(Said::Landed(failure)) => {
                    self.journal.append(expected, entry).await.unwrap();
                    if self.shown_at_last == 1 {
                        self.journal.append_as_another((*b"not shown\n").into());
                        *self.others.lock().unwrap() = Some(Instant::now());
                    }
                    Err(failure)
                }
            };
            if self.script.lock().unwrap().is_empty() {
                self.shown.send_replace(self.shown_at_last);
            }
            answer
        })
    }

    fn tail(&self, after: Place) -> Box<dyn Tail> {
        let shown = self.shown.subscribe();
        Box::new(OddTail { tail: self.journal.tail(after), next: after.next(), shown })
    }

    fn barrier(&self) -> Answer<'_, Result<Place, JournalError>> {
        self.journal.barrier()
    }

    fn trim(&self, before: Place) -> Answer<'_, Result<(), JournalError>> {
        self.journal.trim(before)
    }
}

struct OddTail {
    tail: Box<dyn Tail>,
    next: Place,
    shown: watch::Receiver<u64>,
}

impl Tail for OddTail {
    fn next(&mut self) -> Answer<'_, Result<Entry, TailError>> {
        Box::pin(async move {
            let next = self.next.number();
            if self.shown.wait_for(|shown| next <= *shown).await.is_err() {
                pending::<()>().await;
            }
            let entry = self.tail.next().await?;
            self.next = entry.place.next();
            Ok(entry)
        })
    }
}

fn ambiguous() -> AppendError {
    AppendError::Ambiguous { source: cause() }
}

fn cause() -> Cause {
    Arc::new(std::io::Error::other("the test wants it so"))
}

/// The first attempt had landed unheard, and another node, whose limit was lower, said to the second that
/// the entry was too large: it was divided and appended again, so that both mutations were applied twice.
#[tokio::test(start_paused = true)]
async fn entry_that_landed_is_not_divided_by_a_node_that_takes_less() {
    let house = House::default();
    let script =
        [Said::Landed(ambiguous()), Said::Nothing(Err(AppendError::TooLarge { limit: 500 }))];
    let odd = Odd::new(&house, script, u64::MAX);
    let replica = Party::open(odd, house.snapshots.clone()).await.unwrap();
    let (ada, bob) = tokio::join!(replica.apply(op("ada")), replica.apply(op("bob")));
    assert_eq!((ada.unwrap(), bob.unwrap()), (1, 2));
    assert_eq!(replica.apply(op("cy")).await.unwrap(), 3);
    assert_eq!(names(&house.replica().await), ["ada", "bob", "cy"]);
}

/// As above, with one mutation: its caller was told that nothing was written, and it was.
#[tokio::test(start_paused = true)]
async fn entry_that_landed_is_not_said_to_be_too_large() {
    let house = House::default();
    let script =
        [Said::Landed(ambiguous()), Said::Nothing(Err(AppendError::TooLarge { limit: 500 }))];
    let odd = Odd::new(&house, script, u64::MAX);
    let replica = Party::open(odd, house.snapshots.clone()).await.unwrap();
    assert_eq!(replica.apply(op("ada")).await.unwrap(), 1);
}

/// The first attempt landed unheard, somebody else appended behind it, and a second attempt was sent. When
/// the entry was then seen in the journal, the state was said to hold all that had been acknowledged when
/// the second was sent; it did not hold what somebody else had appended before.
#[tokio::test]
async fn staleness_counts_from_the_attempt_that_may_have_landed() {
    let house = House::default();
    let script = [Said::Landed(ambiguous()), Said::Nothing(Err(AppendError::Conflict))];
    let odd = Odd::new(&house, script, 1);
    let others = Arc::clone(&odd.others);
    let options = SharedOptions::new().look_every(Duration::from_secs(3600));
    let replica: Party = options.open(odd, house.snapshots.clone()).await.unwrap();
    assert_eq!(replica.apply(op("ada")).await.unwrap(), 1);
    let least = others.lock().unwrap().unwrap().elapsed();
    let stale = replica.status().stale;
    assert!(stale >= least, "stale for {stale:?}, and lacks what is {least:?} old");
}

/// The engine said that the entry had got another place; that stopped the replica, and the caller was told
/// `Stopped`, which means that nothing was written.
#[tokio::test(start_paused = true)]
async fn entry_at_another_place_is_not_said_to_be_unwritten() {
    let house = House::default();
    let odd = Odd::new(&house, [Said::Nothing(Ok(Place::new(7)))], 0);
    let replica = Party::open(odd, house.snapshots.clone()).await.unwrap();
    match replica.apply(op("ada")).await {
        Err(SharedError::OutcomeUnknown { .. }) => {}
        other => panic!("{other:?}"),
    }
}

/// A journal of which nothing was left says that it begins where it ends, which a replica one entry behind
/// took for an entry that it could read: it asked again at once, for ever, and let nobody else have a turn.
#[tokio::test(start_paused = true)]
async fn replica_begins_again_where_no_entry_is_left() {
    let house = House::default();
    let (behind, faults) = house.shaky(SharedOptions::new()).await;
    faults.cut_off();
    let other = house.replica().await;
    other.apply(op("ada")).await.unwrap();
    other.create_snapshot().await.unwrap();
    house.journal.trim(Place::new(2)).await.unwrap();
    faults.reconnect();
    behind.read_at_least(1, |_| ()).await.unwrap();
    assert_eq!(names(&behind), ["ada"]);
    assert_eq!(behind.apply(op("bob")).await.unwrap(), 2);
}

/// As above: a subscription asked for ever, within one call of `next`.
#[tokio::test(start_paused = true)]
async fn subscription_says_that_no_entry_is_left() {
    let house = House::default();
    let replica = house.replica().await;
    for name in ["ada", "bob"] {
        replica.apply(op(name)).await.unwrap();
    }
    let mut changes = replica.subscribe(1);
    house.journal.trim(Place::new(3)).await.unwrap();
    for _ in 0..2 {
        match changes.next().await {
            Some(Err(SharedError::Trimmed { seq: 1, first: 3 })) => {}
            other => panic!("{other:?}"),
        }
    }
    replica.apply(op("cy")).await.unwrap();
    match changes.next().await {
        Some(Err(SharedError::Trimmed { seq: 1, first: 3 })) => {}
        other => panic!("{other:?}"),
    }
    let mut changes = replica.subscribe(3);
    assert_eq!(changes.next().await.unwrap().unwrap().seq, 3);
}

/// A store that is there until it hangs.
struct Hanging {
    house: House,
    hangs: watch::Receiver<bool>,
}

impl Hanging {
    async fn until_it_answers(&self) {
        let _ = self.hangs.clone().wait_for(|hangs| !hangs).await;
    }
}

impl SnapshotStore for Hanging {
    fn put<'a>(
        &'a self,
        name: &'a SnapshotName,
        bytes: Vec<u8>,
    ) -> Answer<'a, Result<(), StoreError>> {
        self.house.snapshots.put(name, bytes)
    }

    fn get<'a>(&'a self, name: &'a SnapshotName) -> Answer<'a, Result<Vec<u8>, StoreError>> {
        self.house.snapshots.get(name)
    }

    fn list<'a>(
        &'a self,
        journal: &'a JournalId,
    ) -> Answer<'a, Result<Vec<SnapshotName>, StoreError>> {
        Box::pin(async move {
            self.until_it_answers().await;
            self.house.snapshots.list(journal).await
        })
    }

    fn delete<'a>(&'a self, name: &'a SnapshotName) -> Answer<'a, Result<(), StoreError>> {
        self.house.snapshots.delete(name)
    }
}

/// A replica that began again with a snapshot did nothing else until the store had answered: writers waited
/// beyond their patience, for as long as the store hung.
#[tokio::test(start_paused = true)]
async fn store_that_hangs_does_not_hold_up_writers_beyond_their_patience() {
    let house = House::default();
    let (hang, hangs) = watch::channel(false);
    let journal = house.journal.clone();
    let faults = journal.faults();
    let options = SharedOptions::new().patience(Duration::from_secs(1));
    let store = Hanging { house: house.clone(), hangs };
    let behind: Party = options.open(journal, store).await.unwrap();
    faults.cut_off();
    let other = house.replica().await;
    for name in ["ada", "bob", "cy"] {
        other.apply(op(name)).await.unwrap();
        other.create_snapshot().await.unwrap();
    }
    hang.send_replace(true);
    faults.on_call(Call::Barrier, CallFault::Unreachable);
    faults.reconnect();
    tokio::time::sleep(Duration::from_secs(5)).await;
    match behind.apply(op("dan")).await {
        Err(SharedError::Unavailable { .. }) => {}
        other => panic!("{other:?}"),
    }
    hang.send_replace(false);
    behind.read_at_least(3, |_| ()).await.unwrap();
    assert_eq!(behind.apply(op("dan")).await.unwrap(), 4);
    assert_eq!(behind.status().role, Role::Current);
}

/// The replica knew its entry again by the digits that tell it from others, applied what it had sent, and
/// acknowledged it; all others stopped there.
#[tokio::test(start_paused = true)]
async fn entry_that_the_engine_has_altered_is_damaged_for_its_writer_too() {
    let house = House::default();
    let journal = Odd::new(&house, [Said::Altered(ambiguous())], 1);
    let replica = Party::open(journal, house.snapshots.clone()).await.unwrap();
    match replica.apply(op("ada")).await {
        Err(SharedError::OutcomeUnknown { source: Some(source) }) => {
            assert!(source.to_string().contains("place 1"), "{source}");
        }
        other => panic!("{other:?}"),
    }
    assert!(names(&replica).is_empty());
    assert_eq!(replica.status().role, Role::Ended);
}
