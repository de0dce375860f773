//! The journal in memory does to a program what the test says, and nothing that no engine may do.

use std::sync::Arc;

use ministate::shared::memory::{
    AppendFault, Call, CallFault, MemoryJournal, MemorySnapshots, PutFault, Rates,
};
use ministate::shared::{
    AppendError, Entry, Journal, JournalError, JournalId, Place, SnapshotName, SnapshotStore,
    TailError,
};

fn line(number: u64) -> Arc<[u8]> {
    format!("{{\"number\":{number}}}\n").into_bytes().into()
}

async fn append(journal: &MemoryJournal, expected: u64) -> Result<Place, AppendError> {
    journal.append(Place::new(expected), line(expected)).await
}

#[tokio::test]
async fn an_append_has_the_fate_that_was_planned() {
    let journal = MemoryJournal::new();
    let faults = journal.faults();
    faults.on_append(AppendFault::AmbiguousLost);
    faults.on_append(AppendFault::AmbiguousLanded);
    faults.on_append(AppendFault::NotWritten);
    faults.on_append(AppendFault::ConflictLanded);
    faults.on_append(AppendFault::Overtaken(line(99)));

    assert!(matches!(append(&journal, 0).await, Err(AppendError::Ambiguous { .. })));
    assert_eq!(journal.end(), Place::START);
    assert!(matches!(append(&journal, 0).await, Err(AppendError::Ambiguous { .. })));
    assert_eq!(journal.end(), Place::new(1));
    assert!(matches!(append(&journal, 1).await, Err(AppendError::NotWritten { .. })));
    assert_eq!(journal.end(), Place::new(1));
    assert!(matches!(append(&journal, 1).await, Err(AppendError::Conflict)));
    assert_eq!(journal.end(), Place::new(2));
    assert!(matches!(append(&journal, 2).await, Err(AppendError::Conflict)));
    assert_eq!(journal.entries().pop(), Some(Entry { place: Place::new(3), bytes: line(99) }));
    assert_eq!(append(&journal, 3).await.unwrap(), Place::new(4));
}

#[tokio::test]
async fn a_late_append_lands_where_it_still_can() {
    let journal = MemoryJournal::new();
    for _ in 0..2 {
        journal.faults().on_append(AppendFault::AmbiguousLate);
        assert!(matches!(append(&journal, 0).await, Err(AppendError::Ambiguous { .. })));
    }
    assert_eq!(journal.end(), Place::START);
    assert_eq!(journal.land_late(), 1);
    assert_eq!(journal.end(), Place::new(1));
    assert_eq!(journal.land_late(), 0);
}

#[tokio::test]
async fn a_held_call_waits_for_its_release() {
    let journal = MemoryJournal::new();
    let faults = journal.faults();
    faults.on_append(AppendFault::AnswerHeld);
    faults.on_call(Call::Barrier, CallFault::AnswerHeld);
    faults.on_call(Call::Barrier, CallFault::RequestHeld);
    faults.on_call(Call::Next, CallFault::RequestHeld);
    let other = journal.clone();
    let mut tail = journal.tail(Place::START);
    let world = async {
        faults.until_held(4).await;
        assert_eq!(other.append(Place::new(1), line(1)).await.unwrap(), Place::new(2));
        faults.release();
    };
    let calls = async {
        tokio::join!(append(&journal, 0), journal.barrier(), journal.barrier(), tail.next())
    };
    let ((appended, early, late, entry), ()) = tokio::join!(calls, world);
    assert_eq!(appended.unwrap(), Place::new(1));
    assert_eq!((early.unwrap(), late.unwrap()), (Place::new(1), Place::new(2)));
    assert_eq!(entry.unwrap().place, Place::new(1));
}

#[tokio::test]
async fn a_handle_that_is_cut_off_reaches_nothing_and_others_do() {
    let (here, there) = (MemoryJournal::new(), MemoryJournal::new());
    drop(there);
    let there = here.clone();
    let mut tail = here.tail(Place::START);
    let (cut, ()) = tokio::join!(tail.next(), async { here.faults().cut_off() });
    assert!(matches!(cut, Err(TailError::Unreachable { .. })));
    assert!(matches!(append(&here, 0).await, Err(AppendError::NotWritten { .. })));
    assert!(matches!(here.barrier().await, Err(JournalError::Unreachable { .. })));
    assert!(matches!(here.trim(Place::new(1)).await, Err(JournalError::Unreachable { .. })));
    append(&there, 0).await.unwrap();

    here.faults().reconnect();
    assert_eq!(tail.next().await.unwrap().bytes, line(0));
    assert_eq!(here.barrier().await.unwrap(), Place::new(1));
}

#[tokio::test]
async fn a_journal_that_regressed_or_was_removed_is_told_of() {
    let journal = MemoryJournal::new();
    for expected in 0..3 {
        append(&journal, expected).await.unwrap();
    }
    let mut tail = journal.tail(Place::new(3));
    let (regressed, ()) = tokio::join!(tail.next(), async { journal.regress(Place::new(2)) });
    assert!(matches!(regressed, Err(TailError::Regressed { last }) if last == Place::new(2)));
    journal.remove();
    let found = |error| matches!(error, AppendError::WrongJournal { found: None });
    assert!(found(append(&journal, 2).await.unwrap_err()));
}

/// What a program saw that appends ten entries, come what may, and what was there in the end.
async fn told(seed: u64) -> (Vec<String>, Vec<Entry>) {
    let journal = MemoryJournal::new();
    journal.faults().chaos(seed, Rates::ROUGH);
    let mut told = Vec::new();
    let mut tail = journal.tail(Place::START);
    for number in 0..10 {
        let expected = Place::new(number);
        loop {
            let answer = journal.append(expected, line(number)).await;
            told.push(format!("{answer:?}"));
            if matches!(answer, Ok(_) | Err(AppendError::Conflict)) {
                break;
            }
        }
        let entry = loop {
            match tail.next().await {
                Ok(entry) => break entry,
                Err(error) => told.push(format!("{error:?}")),
            }
        };
        assert_eq!(entry, Entry { place: expected.next(), bytes: line(number) });
    }
    (told, journal.entries())
}

#[tokio::test]
async fn chaos_is_the_same_again_from_its_seed_and_breaks_no_rule() {
    let mut troubles = 0;
    for seed in 0..50 {
        let (told_first, entries) = told(seed).await;
        assert_eq!(told(seed).await.0, told_first, "seed {seed}");
        assert_eq!(entries.len(), 10, "seed {seed}");
        troubles += told_first.iter().filter(|answer| !answer.starts_with("Ok")).count();
    }
    assert!(troubles > 100, "{troubles}");
}

#[tokio::test]
async fn a_store_fails_as_it_was_planned() {
    let store = MemorySnapshots::new();
    let name = |seq| SnapshotName { journal: id(), seq, place: Place::new(1) };
    store.on_put(PutFault::Refused);
    store.on_put(PutFault::AnswerLost);
    assert!(store.put(&name(1), b"one".to_vec()).await.is_err());
    assert!(store.put(&name(2), b"two".to_vec()).await.is_err());
    assert_eq!(store.list(&id()).await.unwrap(), [name(2)]);
    store.cut_off();
    assert!(store.get(&name(2)).await.is_err());
    store.reconnect();
    assert_eq!(store.get(&name(2)).await.unwrap(), b"two");
    store.damage(&name(2));
    assert_eq!(store.get(&name(2)).await.unwrap(), b"tvo");
}

fn id() -> JournalId {
    JournalId::parse(&"a".repeat(32)).unwrap()
}
