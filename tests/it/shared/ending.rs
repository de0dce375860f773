//! However a replica ends, nobody waits for it in vain.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ministate::shared::memory::{AppendFault, MemoryJournal};
use ministate::shared::{
    Answer, AppendError, Journal, JournalError, JournalId, Place, Role, SharedError, SharedOptions,
    Tail,
};

use super::{House, Party, op};

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
    let bomb = Bomb { journal: house.journal.clone(), is_lit: Arc::default() };
    let is_lit = Arc::clone(&bomb.is_lit);
    let replica = Party::open(bomb, house.snapshots.clone()).await.unwrap();
    let waiting = replica.read_at_least(1, |_| ());
    is_lit.store(true, Ordering::SeqCst);
    let (waited, written) = tokio::join!(waiting, replica.apply(op("ada")));
    assert!(matches!(waited, Err(SharedError::Closed)), "{waited:?}");
    assert!(matches!(written, Err(SharedError::OutcomeUnknown { .. })), "{written:?}");
    assert_eq!(replica.status().role, Role::Ended);
}

/// A journal whose adapter panics when it is to append.
struct Bomb {
    journal: MemoryJournal,
    is_lit: Arc<AtomicBool>,
}

impl Journal for Bomb {
    fn id(&self) -> &JournalId {
        self.journal.id()
    }

    fn entry_bytes_max(&self) -> usize {
        self.journal.entry_bytes_max()
    }

    fn append(&self, expected: Place, entry: Arc<[u8]>) -> Answer<'_, Result<Place, AppendError>> {
        assert!(!self.is_lit.load(Ordering::SeqCst), "the test wants it so");
        self.journal.append(expected, entry)
    }

    fn tail(&self, after: Place) -> Box<dyn Tail> {
        self.journal.tail(after)
    }

    fn barrier(&self) -> Answer<'_, Result<Place, JournalError>> {
        self.journal.barrier()
    }

    fn trim(&self, before: Place) -> Answer<'_, Result<(), JournalError>> {
        self.journal.trim(before)
    }
}
