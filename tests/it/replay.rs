//! A long journal is replayed on two threads, to the same state and with the same words as on one.
//!
//! Opening for reading alone replays on one thread, so the two are compared.

use std::cell::Cell;
use std::sync::{Arc, Mutex};
use std::thread;

use ministate::storage::Simulated;
use ministate::{MiniStateError, Mutator, Options, Progress};
use ministate_tests::{JOURNAL, List, Push, open_simulated};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

/// Makes a journal of several segments, each with many times as much as is handed over at a time.
const MUTATIONS: u64 = 1_500;
const SEGMENT_BYTES: u64 = 400_000;

/// The entries that [`Fragile`] cannot apply, and cannot read.
const PANICS: u64 = 1_000_001;
const UNREADABLE: u64 = 1_000_002;

thread_local! {
    static APPLIED: Cell<u64> = const { Cell::new(0) };
}

/// What is read where a [`Push`] was written.
#[derive(Debug, Serialize, Deserialize)]
struct Fragile {
    #[serde(deserialize_with = "read_entry")]
    entry: u64,
}

fn read_entry<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    match u64::deserialize(deserializer)? {
        UNREADABLE => Err(D::Error::custom("this cannot be read")),
        entry => Ok(entry),
    }
}

impl Mutator<List> for Fragile {
    fn apply(&self, list: &mut List) {
        assert_ne!(self.entry, PANICS, "this cannot be applied");
        APPLIED.set(APPLIED.get() + 1);
        list.entries.push(self.entry);
    }
}

/// A journal of many entries, with other ones in the place of some. Some share a record.
fn journal(others: &[(u64, u64)]) -> Simulated {
    let disk = Simulated::new();
    let lists = open_simulated(&disk, SEGMENT_BYTES).unwrap();
    let push = |seq: u64| {
        let other = others.iter().find(|(place, _)| *place == seq);
        let entry = other.map_or(seq, |(_, entry)| *entry);
        Push { entry, padding: "x".repeat(700 + seq as usize % 50) }
    };
    let mut seq = 1;
    while seq <= MUTATIONS {
        seq = match seq % 100 {
            90 => *lists.blocking_apply_batch((seq..seq + 10).map(push)).unwrap().end() + 1,
            _ => lists.blocking_apply(push(seq)).unwrap() + 1,
        };
    }
    lists.blocking_close().unwrap();
    disk
}

fn entries(disk: &Simulated) -> Result<Vec<u64>, MiniStateError> {
    let lists =
        Options::new().storage(disk.clone()).blocking_open::<List, Fragile>("lists", JOURNAL)?;
    Ok(lists.read(|list| list.entries.clone()))
}

fn entries_alone(disk: &Simulated) -> Result<Vec<u64>, MiniStateError> {
    let options = Options::new().storage(disk.clone());
    let lists = options.blocking_read_only::<List, Fragile>("lists", JOURNAL)?;
    Ok(lists.read(|list| list.entries.clone()))
}

/// Both ways fail, and say the same.
fn refuse(disk: &Simulated) -> MiniStateError {
    let error = entries(disk).expect_err("it was accepted");
    let alone = entries_alone(disk).expect_err("it was accepted on one thread");
    assert_eq!(format!("{error:?}"), format!("{alone:?}"));
    error
}

/// Changes a byte of the payload of the mutation, which has a record of its own.
fn damage(disk: &Simulated, seq: u64) {
    use ministate::storage::Storage;
    for name in disk.list("lists".as_ref()).unwrap() {
        let path = format!("lists/{name}");
        let mut content = disk.content(&path).unwrap();
        let line = format!("{{\"seq\":{seq},");
        let place = content.windows(line.len()).position(|bytes| bytes == line.as_bytes());
        if let Some(place) = place {
            content[place + 120] ^= 1;
            return disk.set_content(&path, content);
        }
    }
    panic!("no segment holds mutation {seq}");
}

#[test]
fn the_state_is_the_same_and_the_handlers_run_on_the_thread_of_the_caller() {
    let disk = journal(&[]);
    APPLIED.set(0);
    assert_eq!(entries(&disk).unwrap(), (1..=MUTATIONS).collect::<Vec<_>>());
    assert_eq!(APPLIED.get(), MUTATIONS);
    assert_eq!(entries_alone(&disk).unwrap(), entries(&disk).unwrap());
}

#[test]
fn progress_is_told_at_the_same_places_on_the_thread_of_the_caller() {
    let disk = journal(&[]);
    let told = Arc::new(Mutex::new(Vec::new()));
    let options = || {
        let (told, caller) = (Arc::clone(&told), thread::current().id());
        Options::new().storage(disk.clone()).on_progress(move |progress: Progress| {
            assert_eq!(thread::current().id(), caller);
            let Progress { bytes_read, bytes_total, replayed, .. } = progress;
            told.lock().unwrap().push((bytes_read, bytes_total, replayed));
        })
    };
    let taken = || std::mem::take(&mut *told.lock().unwrap());
    let alone = options().blocking_read_only::<List, Fragile>("lists", JOURNAL).unwrap();
    let told_alone = taken();
    let manager = options().blocking_open::<List, Fragile>("lists", JOURNAL).unwrap();
    assert_eq!(taken(), told_alone);
    assert_eq!(manager.recovery().replayed, alone.recovery().replayed);
    let (bytes, total, replayed) = *told_alone.last().unwrap();
    assert_eq!((bytes, replayed), (total, MUTATIONS));
    assert!(told_alone.len() as u64 > total >> 20, "{told_alone:?}");
    assert!(told_alone.is_sorted());
}

#[test]
fn a_damaged_line_is_named_wherever_it_is() {
    // In the first piece, in the midst of segments, and the last but one.
    for seq in [2, 317, 777, 1_003, 1_311, MUTATIONS - 11] {
        let disk = journal(&[]);
        damage(&disk, seq);
        match refuse(&disk) {
            MiniStateError::Corrupt { seq: named, at, .. } => {
                assert_eq!(named, seq);
                let line = format!("{{\"seq\":{seq},");
                let content = disk.content(&at.file).unwrap();
                assert!(content[at.byte as usize..].starts_with(line.as_bytes()));
                let before = &content[..at.byte as usize];
                let lines = before.iter().filter(|byte| **byte == b'\n').count();
                assert_eq!(at.line, lines as u64 + 1);
            }
            other => panic!("{other}"),
        }
    }
}

#[test]
fn a_handler_that_panics_is_named_wherever_it_is() {
    for seq in [1, 317, 795, 1_311, MUTATIONS] {
        let disk = journal(&[(seq, PANICS), (seq + 1, PANICS)]);
        match refuse(&disk) {
            MiniStateError::HandlerPanicked { seq: named, message, .. } => {
                assert_eq!(named, seq);
                assert!(message.contains("this cannot be applied"), "{message}");
            }
            other => panic!("{other}"),
        }
    }
}

#[test]
fn a_mutation_that_cannot_be_read_is_named_wherever_it_is() {
    for seq in [1, 317, 795, 1_311, MUTATIONS] {
        let disk = journal(&[(seq, UNREADABLE), (seq + 1, UNREADABLE)]);
        match refuse(&disk) {
            MiniStateError::Undecodable { seq: named, .. } => assert_eq!(named, seq),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn of_several_failures_the_first_in_the_journal_is_named() {
    // The distances are those within a piece, to one that is read ahead, and to the next segment.
    for distance in [1, 20, 300, 900] {
        let (first, second) = (301, 301 + distance);
        let disk = journal(&[(first, PANICS), (second, UNREADABLE)]);
        assert!(
            matches!(refuse(&disk), MiniStateError::HandlerPanicked { seq, .. } if seq == first)
        );
        let disk = journal(&[(first, UNREADABLE), (second, PANICS)]);
        assert!(matches!(refuse(&disk), MiniStateError::Undecodable { seq, .. } if seq == first));
        for other in [PANICS, UNREADABLE] {
            let disk = journal(&[(first, other)]);
            damage(&disk, second);
            let error = refuse(&disk);
            assert!(!matches!(error, MiniStateError::Corrupt { .. }), "{error}");
            let disk = journal(&[(second, other)]);
            damage(&disk, first);
            assert!(matches!(refuse(&disk), MiniStateError::Corrupt { seq, .. } if seq == first));
        }
    }
}

/// Those that were read ahead are dropped as well.
#[test]
fn mutations_that_panic_when_they_are_dropped_are_one_failure() {
    #[derive(Debug, Serialize, Deserialize)]
    struct Touchy {
        entry: u64,
    }
    impl Mutator<List> for Touchy {
        fn apply(&self, list: &mut List) {
            list.entries.push(self.entry);
        }
    }
    impl Drop for Touchy {
        fn drop(&mut self) {
            assert!(self.entry < 750, "dropped");
        }
    }
    let disk = journal(&[]);
    let options = Options::new().storage(disk);
    match options.blocking_open::<List, Touchy>("lists", JOURNAL) {
        Err(MiniStateError::HandlerPanicked { seq: 750, .. }) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_listener_that_panics_lets_go_of_the_journal() {
    let disk = journal(&[]);
    let listening = Options::new().storage(disk.clone()).on_progress(|_| panic!("enough"));
    let opened = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        listening.blocking_open::<List, Fragile>("lists", JOURNAL).map(drop)
    }));
    assert!(opened.is_err());
    assert_eq!(entries(&disk).unwrap().len() as u64, MUTATIONS);
}
