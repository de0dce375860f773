//! A journal has one manager at a time, whoever asks.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use ministate::MiniStateError;
use ministate_tests::{Chance, entries, open, push};

/// The program `crash/writer.rs`, once it has the journal open.
struct Writer {
    process: Child,
    says: std::io::Lines<BufReader<ChildStdout>>,
}

impl Writer {
    fn start(dir: &Path, mode: &str) -> Writer {
        let mut process = Command::new(env!("CARGO_BIN_EXE_writer"))
            .arg(dir)
            .arg(mode)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut says = BufReader::new(process.stdout.take().unwrap()).lines();
        assert_eq!(says.next().unwrap().unwrap(), "open");
        Writer { process, says }
    }

    /// Kills it, and returns the last sequence number that it said was acknowledged.
    fn kill(mut self) -> u64 {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.says.map_while(Result::ok).filter_map(|line| line.parse().ok()).last().unwrap_or(0)
    }
}

#[test]
fn a_second_manager_of_the_same_process_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path()).unwrap();
    match open(dir.path()) {
        Err(MiniStateError::Locked { path, holder }) => {
            assert_eq!(path, dir.path().join("list.wal.lock"));
            assert_eq!(holder, Some(std::process::id()));
        }
        other => panic!("{other:?}"),
    }
    first.blocking_close().unwrap();
    open(dir.path()).expect("a closed manager has let go of the journal");
    drop(first);
    open(dir.path()).expect("so has a dropped one");
}

/// Once, a leader that had answered everybody held the journal a moment longer than the manager
/// that was dropped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_manager_has_let_go_of_the_journal() {
    let disk = ministate::storage::Simulated::new();
    for entry in 0..2_000 {
        let options = ministate::Options::new().storage(disk.clone());
        let lists: ministate_tests::Lists = options
            .open("lists", ministate_tests::JOURNAL)
            .await
            .unwrap_or_else(|error| panic!("opening {entry}: {error}"));
        let lists = std::sync::Arc::new(lists);
        let other = tokio::spawn({
            let lists = std::sync::Arc::clone(&lists);
            async move { lists.apply(push(entry)).await.unwrap() }
        });
        lists.apply(push(entry)).await.unwrap();
        other.await.unwrap();
        if entry % 50 == 0 {
            lists.create_snapshot().await.unwrap();
            lists.compact().await.unwrap();
        }
    }
}

#[test]
fn a_second_process_is_refused_until_the_first_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let writer = Writer::start(dir.path(), "hold");
    match open(dir.path()) {
        Err(MiniStateError::Locked { holder, .. }) => {
            assert_eq!(holder, Some(writer.process.id()));
        }
        other => panic!("{other:?}"),
    }
    writer.kill();
    open(dir.path()).unwrap();
}

#[test]
fn two_journals_in_one_directory_do_not_disturb_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let open = |name: &str| {
        ministate::Options::new()
            .segment_bytes(400)
            .blocking_open::<ministate_tests::List, ministate_tests::Push>(dir.path(), name)
            .unwrap()
    };
    let (one, two) = (open("a.wal.jsonl"), open("a.jsonl"));
    for entry in 0..10 {
        one.blocking_apply(push(entry)).unwrap();
        two.blocking_apply(push(100 + entry)).unwrap();
    }
    drop((one, two));
    assert_eq!(entries(&open("a.wal.jsonl")), (0..10).collect::<Vec<_>>());
    assert_eq!(entries(&open("a.jsonl")), (100..110).collect::<Vec<_>>());
}

/// A bounded tier; `just kill` runs more rounds.
#[test]
fn acknowledged_mutations_survive_kill() {
    let rounds =
        std::env::var("MINISTATE_KILL_ROUNDS").map_or(25, |rounds| rounds.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let mut chance = Chance(7);
    let mut before = 0;
    for round in 0..rounds {
        let writer = Writer::start(dir.path(), "push");
        std::thread::sleep(std::time::Duration::from_micros(chance.below(20_000)));
        let acknowledged = writer.kill().max(before);
        let lists = open(dir.path()).unwrap();
        let list = entries(&lists);
        before = list.len() as u64;
        assert_eq!(list, (0..before).collect::<Vec<_>>(), "round {round}");
        assert!(before >= acknowledged, "round {round}: {before} of {acknowledged}");
    }
    assert!(before > 0, "the writer never wrote");
}
