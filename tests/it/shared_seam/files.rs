//! The journal over files keeps the rules, on a disk and on one whose power is cut.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use ministate::shared::conformance::{self, Handle, JournalFixture};
use ministate::shared::{Answer, AppendError, FileJournal, Journal, Place, TailError};
use ministate::storage::Simulated;
use ministate::{MiniStateError, Options};

/// Journals in directories that go away.
struct InFiles(Option<tempfile::TempDir>);

impl JournalFixture for InFiles {
    fn made(&mut self) -> Answer<'_, Handle> {
        self.0 = Some(tempfile::tempdir().unwrap());
        self.reopened()
    }

    fn reopened(&mut self) -> Answer<'_, Handle> {
        Box::pin(async {
            let dir = self.0.as_ref().unwrap().path();
            Arc::new(FileJournal::open(dir, "app.wal.jsonl").await.unwrap()) as Handle
        })
    }
}

#[tokio::test]
async fn a_journal_over_files_keeps_the_rules() {
    conformance::journal(&mut InFiles(None)).await;
}

/// Journals on disks in memory, with small segments.
struct OnSimulated(Simulated);

impl JournalFixture for OnSimulated {
    fn made(&mut self) -> Answer<'_, Handle> {
        self.0 = Simulated::new();
        Box::pin(async { Arc::new(opened(&self.0).await) as Handle })
    }

    fn reopened(&mut self) -> Answer<'_, Handle> {
        self.0 = self.0.restarted(7);
        Box::pin(async { Arc::new(opened(&self.0).await) as Handle })
    }
}

async fn opened(disk: &Simulated) -> FileJournal {
    let options = Options::new().segment_bytes(200).storage(disk.clone());
    FileJournal::open_with(options, "app", "app.wal.jsonl").await.unwrap()
}

#[tokio::test]
async fn a_journal_over_files_keeps_the_rules_when_the_power_was_cut() {
    conformance::journal(&mut OnSimulated(Simulated::new())).await;
}

fn line(number: u64) -> Arc<[u8]> {
    format!("{{\"number\":{number}}}\n").into_bytes().into()
}

#[tokio::test]
async fn acknowledged_entries_survive_a_power_cut_at_every_call() {
    const ENTRIES: u64 = 6;
    for call in 0.. {
        let disk = Simulated::new();
        let journal = opened(&disk).await;
        disk.cut_power_at(disk.calls() + call);
        let mut acknowledged = 0;
        while acknowledged < ENTRIES
            && journal.append(Place::new(acknowledged), line(acknowledged)).await.is_ok()
        {
            acknowledged += 1;
        }
        let trimmed = journal.trim(Place::new(acknowledged / 2 + 1)).await.is_ok();
        drop(journal);
        for seed in 0..4 {
            let journal = opened(&disk.restarted(seed)).await;
            let end = journal.barrier().await.unwrap().number();
            assert!(end >= acknowledged, "{call}: {end} of {acknowledged}");
            let mut tail = journal.tail(Place::new(acknowledged / 2));
            for number in acknowledged / 2..acknowledged {
                assert_eq!(tail.next().await.unwrap().bytes, line(number), "{call}");
            }
        }
        if acknowledged == ENTRIES && trimmed {
            return;
        }
    }
}

#[tokio::test]
async fn after_a_failed_sync_nothing_more_is_appended() {
    let disk = Simulated::new();
    let journal = opened(&disk).await;
    journal.append(Place::START, line(0)).await.unwrap();
    disk.cut_power_at(disk.calls() + 1);
    let answer = journal.append(Place::new(1), line(1)).await;
    assert!(matches!(answer, Err(AppendError::Ambiguous { .. })), "{answer:?}");
    let answer = journal.append(Place::new(1), line(1)).await;
    assert!(matches!(answer, Err(AppendError::NotWritten { .. })), "{answer:?}");
    assert_eq!(journal.barrier().await.unwrap(), Place::new(1));
}

/// An append whose caller went away was carried out before the next one, which then got another place than
/// the one behind `expected`.
#[tokio::test]
async fn append_whose_caller_went_away_moves_no_other_to_a_wrong_place() {
    let dir = tempfile::tempdir().unwrap();
    let journal = FileJournal::open(dir.path(), "app.wal.jsonl").await.unwrap();
    let mut end = Place::START;
    for number in 0..200 {
        {
            let mut given_up = pin!(journal.append(end, line(1_000 + number)));
            let polled = given_up.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            // Where the disk was faster than this thread, it did not go away.
            if let Poll::Ready(answer) = polled {
                end = answer.unwrap();
                continue;
            }
            for _ in 0..number % 3 {
                tokio::task::yield_now().await;
            }
        }
        match journal.append(end, line(number)).await {
            Ok(place) => assert_eq!(place, end.next()),
            Err(AppendError::Conflict) => {}
            Err(other) => panic!("{other}"),
        }
        end = journal.barrier().await.unwrap();
    }
}

#[tokio::test]
async fn what_was_trimmed_is_gone_from_the_disk_and_stays_so() {
    let disk = Simulated::new();
    let journal = opened(&disk).await;
    for number in 0..20 {
        journal.append(Place::new(number), line(number)).await.unwrap();
    }
    journal.trim(Place::new(11)).await.unwrap();
    let begins = |answer| match answer {
        Err(TailError::Trimmed { first }) => first,
        answer => panic!("{answer:?}"),
    };
    let first = begins(journal.tail(Place::START).next().await);
    assert!(first > Place::new(1) && first <= Place::new(11), "{first}");
    drop(journal);
    let journal = opened(&disk).await;
    assert_eq!(begins(journal.tail(Place::START).next().await), first);
    assert_eq!(journal.barrier().await.unwrap(), Place::new(20));
    assert_eq!(journal.tail(Place::new(10)).next().await.unwrap().bytes, line(10));
}

#[tokio::test]
async fn a_second_opening_is_refused_and_the_lines_can_be_read_by_people() {
    let dir = tempfile::tempdir().unwrap();
    let journal = FileJournal::open(dir.path(), "app.wal.jsonl").await.unwrap();
    let locked = FileJournal::open(dir.path(), "app.wal.jsonl").await.unwrap_err();
    assert!(matches!(locked, MiniStateError::Locked { .. }), "{locked}");
    let entry = (*b"{\"a\":1}\n{\"b\":[2, 3]}\n").into();
    journal.append(Place::START, entry).await.unwrap();
    let text = std::fs::read_to_string(dir.path().join("app.wal.jsonl")).unwrap();
    assert!(text.contains(",\"d\":[{\"a\":1},{\"b\":[2, 3]}],\"crc\":"), "{text}");
}
