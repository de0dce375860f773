//! What did ministate 0.1, and ministore and minisnap below it, promise, and does it hold?
//!
//! The calls as such are in `published_api`, the directories that they left in `import`.

use std::collections::BTreeSet;
use std::error::Error;
use std::ffi::OsStr;
use std::fmt::Debug;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ministate::{MiniStateError, Mutator, Options, Refusal, StateManager};
use ministate_tests::{Counter, Inc, JOURNAL, Lists, Push, entries, open, push};
use serde::{Deserialize, Serialize};
use serde_json::Value;

type Counters = StateManager<Counter, Inc>;

/// Quoted from the documentation of 0.1.
mod documented {
    use ministate::{Mutator, StateManager};
    use serde::{Deserialize, Serialize};

    #[derive(Default, Clone, Serialize, Deserialize)]
    struct Counter {
        value: u32,
    }

    #[derive(Serialize, Deserialize)]
    struct Inc {
        by: u32,
    }

    impl Mutator<Counter> for Inc {
        fn apply(&self, state: &mut Counter) {
            state.value += self.by;
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn the_example_of_open_runs() -> Result<(), Box<dyn std::error::Error>> {
        let tmp = tempfile::tempdir()?;
        let mgr = StateManager::open(tmp.path(), "counter.wal.jsonl").await?;
        mgr.apply(Inc { by: 1 }).await?;
        assert_eq!(mgr.snapshot().await.value, 1);
        Ok(())
    }

    /// Its directory is `./state`; the rest is as it was.
    #[tokio::test(flavor = "current_thread")]
    async fn the_quick_start_with_snapshots_runs() -> Result<(), Box<dyn std::error::Error>> {
        let tmp = tempfile::tempdir()?;
        let mgr = StateManager::open(tmp.path().join("./state"), "counter.wal.jsonl").await?;
        mgr.apply(Inc { by: 10 }).await?;
        assert_eq!(mgr.snapshot().await.value, 10);
        mgr.create_snapshot().await?; // saves state + sequence number
        Ok(())
    }
}

/// The example of ministore, where the application kept the state, and replayed the records itself.
mod counted {
    use ministate::Mutator;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(super) enum CounterMutation {
        Set { value: u32 },
        Inc { delta: u32 },
    }

    #[derive(Default, Serialize, Deserialize)]
    pub(super) struct Counter {
        pub(super) value: u32,
    }

    impl Mutator<Counter> for CounterMutation {
        fn apply(&self, counter: &mut Counter) {
            match self {
                CounterMutation::Set { value } => counter.value = *value,
                CounterMutation::Inc { delta } => counter.value += *delta,
            }
        }
    }
}

use counted::CounterMutation;

fn counted_in(dir: &Path, options: Options) -> StateManager<counted::Counter, CounterMutation> {
    options.blocking_open(dir, "counter.log").unwrap()
}

#[test]
fn a_state_rebuilds_itself_from_the_records_of_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let open = || counted_in(dir.path(), Options::new());
    let counter = open();
    counter.blocking_apply(CounterMutation::Set { value: 100 }).unwrap();
    counter.blocking_apply(CounterMutation::Inc { delta: 25 }).unwrap();
    drop(counter);
    assert_eq!(open().read(|counter| counter.value), 125);
}

/// ministore streamed them, one file at a time.
#[test]
fn records_are_read_one_by_one_as_json_lines() {
    let dir = tempfile::tempdir().unwrap();
    let counter = counted_in(dir.path(), Options::new().segment_bytes(1));
    counter.blocking_apply(CounterMutation::Set { value: 100 }).unwrap();
    counter.blocking_apply(CounterMutation::Inc { delta: 25 }).unwrap();
    let mut records = Vec::new();
    for segment in counter.necessary_files().unwrap() {
        for line in fs::read_to_string(segment).unwrap().split_terminator('\n') {
            let Ok(mut line) = serde_json::from_str::<Value>(line) else { continue };
            if let Some(seq) = line.get("seq").and_then(Value::as_u64) {
                records.push((seq, serde_json::from_value(line["d"].take()).unwrap()));
            }
        }
    }
    let (set, inc) = (CounterMutation::Set { value: 100 }, CounterMutation::Inc { delta: 25 });
    assert_eq!(records, [(1, set), (2, inc)]);
}

/// The example of minisnap.
#[tokio::test]
async fn the_newest_snapshot_is_restored_with_its_number() {
    let dir = tempfile::tempdir().unwrap();
    let counter = Counters::open(dir.path(), JOURNAL).await.unwrap();
    for by in [0, 1, 2, 3, 4, 5, 6, 7, 8, 6] {
        counter.apply(Inc { by }).await.unwrap();
    }
    counter.create_snapshot().await.unwrap();
    drop(counter);
    let restored = Counters::open(dir.path(), JOURNAL).await.unwrap();
    assert_eq!((restored.snapshot().await, restored.sequence()), (Counter { value: 42 }, 10));
    assert_eq!((restored.recovery().snapshot, restored.recovery().replayed), (10, 0));
}

fn snapshot_file(lists: &Lists, seq: u64) -> PathBuf {
    let name = format!("list.wal.snapshot.{seq:020}.json");
    let files = lists.necessary_files().unwrap();
    files.into_iter().find(|file| file.ends_with(&name)).unwrap()
}

#[test]
fn a_snapshot_is_json_that_says_its_number_and_the_state() {
    let dir = tempfile::tempdir().unwrap();
    let lists = open(dir.path()).unwrap();
    lists.blocking_apply(push(7)).unwrap();
    lists.blocking_create_snapshot().unwrap();
    let text = fs::read_to_string(snapshot_file(&lists, 1)).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["snapshot"], 1);
    assert_eq!(lines[1], serde_json::json!({ "entries": [7] }));
}

#[test]
fn a_snapshot_removes_nothing_from_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let lists = open(dir.path()).unwrap();
    for entry in 1..=5 {
        lists.blocking_apply(push(entry)).unwrap();
        lists.blocking_create_snapshot().unwrap();
    }
    drop(lists);
    let lists = open(dir.path()).unwrap();
    for seq in 1..=4 {
        fs::remove_file(snapshot_file(&lists, seq)).unwrap();
    }
    for seq in 0..=5 {
        let expected: Vec<u64> = (1..=seq).collect();
        assert_eq!(lists.blocking_state_at(seq).unwrap().entries, expected);
    }
}

#[test]
fn without_its_snapshot_a_journal_gives_the_same_state() {
    let dir = tempfile::tempdir().unwrap();
    let lists = open(dir.path()).unwrap();
    lists.blocking_apply(push(1)).unwrap();
    lists.blocking_create_snapshot().unwrap();
    lists.blocking_apply(push(2)).unwrap();
    let snapshot = snapshot_file(&lists, 1);
    drop(lists);
    let opened = |begins_with, replayed| {
        let lists = open(dir.path()).unwrap();
        assert_eq!((lists.recovery().snapshot, lists.recovery().replayed), (begins_with, replayed));
        assert_eq!((entries(&lists), lists.sequence()), (vec![1, 2], 2));
    };
    opened(1, 1);
    fs::remove_file(snapshot).unwrap();
    opened(0, 2);
}

/// In 0.1 they had one name between them.
#[test]
fn two_journals_in_one_directory_have_snapshots_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let open = || -> (Lists, Counters) {
        let one = Options::new().blocking_open(dir.path(), "one.wal.jsonl").unwrap();
        (one, Options::new().blocking_open(dir.path(), "two.wal.jsonl").unwrap())
    };
    let (one, two) = open();
    one.blocking_apply(push(7)).unwrap();
    two.blocking_apply(Inc { by: 9 }).unwrap();
    one.blocking_create_snapshot().unwrap();
    two.blocking_create_snapshot().unwrap();
    drop((one, two));
    let (one, two) = open();
    assert_eq!((one.recovery().snapshot, entries(&one)), (1, vec![7]));
    assert_eq!((two.recovery().snapshot, two.read(|two| two.value)), (1, 9));
}

/// ministore kept three, and removed the others with what was only in them.
#[test]
fn no_segment_is_removed_however_many_there_are() {
    let dir = tempfile::tempdir().unwrap();
    let open =
        || -> Lists { Options::new().segment_bytes(1).blocking_open(dir.path(), JOURNAL).unwrap() };
    let lists = open();
    for entry in 0..30 {
        lists.blocking_apply(push(entry)).unwrap();
    }
    assert!(lists.necessary_files().unwrap().len() > 30);
    drop(lists);
    let lists = open();
    assert_eq!(entries(&lists), (0..30).collect::<Vec<_>>());
    assert_eq!(lists.recovery().replayed, 30);
}

#[test]
fn compaction_removes_nothing_that_is_in_no_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options::new().segment_bytes(1).snapshots_kept(1);
    let open = || -> Lists { options.clone().blocking_open(dir.path(), JOURNAL).unwrap() };
    let lists = open();
    for entry in 0..30 {
        lists.blocking_apply(push(entry)).unwrap();
    }
    assert_eq!(lists.blocking_compact().unwrap().segments, 0);
    drop(lists);
    assert_eq!(entries(&open()), (0..30).collect::<Vec<_>>());
}

#[test]
fn segments_are_as_large_as_before() {
    let options = format!("{:?}", Options::new());
    assert!(options.contains(&format!("segment_bytes: {},", 64 * 1024 * 1024)), "{options}");
}

#[tokio::test]
async fn numbers_go_on_where_the_run_before_ended() {
    let dir = tempfile::tempdir().unwrap();
    for seq in 1..=3 {
        let counter = Counters::open(dir.path(), JOURNAL).await.unwrap();
        assert_eq!(counter.sequence(), seq - 1);
        assert_eq!(counter.apply(Inc { by: 1 }).await.unwrap(), seq);
    }
}

#[tokio::test]
async fn a_cloned_state_is_the_callers_to_change() {
    let dir = tempfile::tempdir().unwrap();
    let counter = Counters::open(dir.path(), JOURNAL).await.unwrap();
    counter.apply(Inc { by: 1 }).await.unwrap();
    let mut mine: Counter = counter.snapshot().await;
    mine.value = 1_000;
    assert_eq!(counter.snapshot().await, Counter { value: 1 });
    counter.apply(Inc { by: 1 }).await.unwrap();
    assert_eq!(mine, Counter { value: 1_000 });
}

#[derive(Default, Clone, Serialize, Deserialize)]
struct Opened(Vec<PathBuf>);

#[derive(Serialize, Deserialize)]
struct OpenFile(PathBuf);

impl Mutator<Opened> for OpenFile {
    fn apply(&self, opened: &mut Opened) {
        opened.0.push(self.0.clone());
    }
}

/// The very failure that 0.1 names.
#[tokio::test]
#[cfg(unix)]
async fn text_that_is_not_utf_8_is_refused_and_takes_no_number() {
    use std::os::unix::ffi::OsStrExt;

    let dir = tempfile::tempdir().unwrap();
    let files = StateManager::<Opened, OpenFile>::open(dir.path(), JOURNAL).await.unwrap();
    let not_utf_8 = Path::new(OsStr::from_bytes(b"\xff")).to_path_buf();
    match files.apply(OpenFile(not_utf_8)).await {
        Err(MiniStateError::Refused { reason: Refusal::NotEncodable(_) }) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!((files.snapshot().await.0.len(), files.sequence()), (0, 0));
    assert_eq!(files.apply(OpenFile("sound".into())).await.unwrap(), 1);
    drop(files);
    let files = StateManager::<Opened, OpenFile>::open(dir.path(), JOURNAL).await.unwrap();
    assert_eq!(files.snapshot().await.0, [Path::new("sound")]);
}

#[tokio::test]
async fn directory_and_journal_are_named_by_whatever_is_a_path() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let text = dir.to_str().unwrap();
    drop(Counters::open(text, "counter").await.unwrap());
    drop(Counters::open(text.to_string(), "counter".to_string()).await.unwrap());
    drop(Counters::open(dir, Path::new("counter")).await.unwrap());
    drop(Counters::open(&dir.to_path_buf(), PathBuf::from("counter")).await.unwrap());
    let counter = Counters::open(dir.as_os_str(), OsStr::new("counter")).await.unwrap();
    assert!(!counter.recovery().created);
}

#[tokio::test]
async fn the_journal_may_be_in_a_directory_below_that_is_not_there_yet() {
    let dir = tempfile::tempdir().unwrap();
    for seq in 1..=2 {
        let counter = Counters::open(dir.path(), "below/it/counter.wal.jsonl").await.unwrap();
        assert_eq!(counter.apply(Inc { by: 1 }).await.unwrap(), seq);
        assert_eq!(counter.state_dir(), dir.path());
        assert_eq!(counter.journal_path(), dir.path().join("below/it/counter.wal.jsonl"));
        assert!(counter.journal_path().exists());
    }
}

#[tokio::test]
#[cfg(unix)]
async fn the_directory_may_be_relative_to_that_of_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let real = dir.path().canonicalize().unwrap();
    let here = std::env::current_dir().unwrap();
    let to_the_root: PathBuf = here.components().skip(1).map(|_| "..").collect();
    let relative = to_the_root.join(real.strip_prefix("/").unwrap()).join("state");
    let counter = Counters::open(&relative, JOURNAL).await.unwrap();
    counter.apply(Inc { by: 5 }).await.unwrap();
    assert_eq!(counter.journal_path(), relative.join(JOURNAL));
    drop(counter);
    let counter = Counters::open(real.join("state"), JOURNAL).await.unwrap();
    assert_eq!(counter.snapshot().await.value, 5);
}

#[tokio::test]
async fn a_failed_opening_has_what_the_system_said_as_its_source() {
    async fn open_in(dir: &Path) -> Result<(), Box<dyn Error + Send + Sync>> {
        Counters::open(dir, JOURNAL).await?;
        Ok(())
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = open_in(&file.path().join("below")).await.unwrap_err();
    let source = error.source().and_then(|source| source.downcast_ref::<io::Error>()).unwrap();
    assert_eq!(source.kind(), io::ErrorKind::NotADirectory);
}

#[test]
fn a_manager_can_be_shared_and_printed() {
    fn shared<T: Debug + Send + Sync + 'static>(shared: &T) -> String {
        format!("{shared:?}")
    }
    let dir = tempfile::tempdir().unwrap();
    let lists = open(dir.path()).unwrap();
    assert!(shared(&lists).starts_with("StateManager"));
}

/// The trait asks nothing of either type.
#[test]
fn a_mutator_may_be_one_of_many_states() {
    struct Twice(u64);
    impl<S: Extend<u64>> Mutator<S> for Twice {
        fn apply(&self, state: &mut S) {
            state.extend([self.0, self.0]);
        }
    }
    let (mut list, mut set) = (Vec::new(), BTreeSet::new());
    Twice(7).apply(&mut list);
    Twice(7).apply(&mut set);
    assert_eq!((list, set), (vec![7, 7], BTreeSet::from([7])));
}

/// With the feature `snapshot`, which 0.1 needed for snapshots, and which did not compile with the
/// newest minisnap.
#[tokio::test]
async fn opening_has_the_other_name_that_it_had() {
    let dir = tempfile::tempdir().unwrap();
    #[expect(deprecated, reason = "it is what 0.1 documents")]
    let open =
        || StateManager::<ministate_tests::List, Push>::open_with_snapshot(dir.path(), JOURNAL);
    let lists = open().await.unwrap();
    lists.apply(push(1)).await.unwrap();
    lists.create_snapshot().await.unwrap();
    lists.apply(push(2)).await.unwrap();
    drop(lists);
    let lists = open().await.unwrap();
    assert_eq!((lists.recovery().snapshot, entries(&lists)), (1, vec![1, 2]));
}
