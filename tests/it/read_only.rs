//! Who only reads a journal needs no lock, changes nothing, and is not misled by its writer.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::SystemTime;

use ministate::storage::{Access, Lock, Simulated, Storage, StorageFile};
use ministate::{Disposal, MiniStateError, Options, ReadOnly};
use ministate_tests::{JOURNAL, List, Lists, Push, entries, open, open_simulated, push};

type View = ReadOnly<List, Push>;

fn all_of(count: u64) -> Vec<u64> {
    (0..count).collect()
}

fn push_all(lists: &Lists, range: std::ops::Range<u64>) {
    for entry in range {
        lists.blocking_apply(push(entry)).unwrap();
    }
}

fn view(dir: impl AsRef<Path>) -> Result<View, MiniStateError> {
    Options::new().blocking_read_only(dir, JOURNAL)
}

fn view_simulated(disk: &Simulated) -> Result<View, MiniStateError> {
    view_overtaken(disk, 0)
}

fn view_overtaken(disk: &Simulated, times: u64) -> Result<View, MiniStateError> {
    let storage = Untouched { disk: disk.clone(), overtaken: AtomicU64::new(times) };
    Options::new().storage(storage).blocking_read_only("lists", JOURNAL)
}

fn seen(view: &View) -> Vec<u64> {
    view.read(|list| list.entries.clone())
}

/// A disk that nobody may write to or lock.
#[derive(Debug)]
struct Untouched {
    disk: Simulated,
    /// So many times the active segment looks as it does to somebody whom its writer overtakes: a
    /// batch is not there, and the one behind it is.
    overtaken: AtomicU64,
}

impl Untouched {
    fn overtaken(mut content: Vec<u8>) -> Vec<u8> {
        let line = |seq: u64| {
            let begins = format!("{{\"seq\":{seq},");
            content.windows(begins.len()).position(|window| window == begins.as_bytes())
        };
        let (from, to) = (line(9).unwrap(), line(10).unwrap());
        content[from..to].fill(b'\n');
        content
    }
}

impl Storage for Untouched {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        panic!("a reader creates {}", dir.display())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.disk.list(dir)
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn StorageFile>> {
        assert_eq!(access, Access::Read);
        let one_less = |left: u64| left.checked_sub(1);
        if path.ends_with(JOURNAL)
            && self.overtaken.fetch_update(Relaxed, Relaxed, one_less).is_ok()
        {
            let shown = Simulated::new();
            shown.set_content(path, Untouched::overtaken(self.disk.content(path).unwrap()));
            return shown.open(path, access);
        }
        self.disk.open(path, access)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        panic!("a reader creates {}", path.display())
    }

    fn rename(&self, from: &Path, _to: &Path) -> io::Result<()> {
        panic!("a reader renames {}", from.display())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        panic!("a reader removes {}", path.display())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        panic!("a reader syncs {}", dir.display())
    }

    fn try_lock(&self, path: &Path) -> io::Result<Lock> {
        panic!("a reader locks {}", path.display())
    }

    fn unique(&self) -> u64 {
        panic!("a reader names something")
    }
}

/// All files of a directory, with what they hold and when it was written.
fn content(dir: &Path) -> BTreeMap<PathBuf, (Vec<u8>, SystemTime)> {
    let paths = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let written = |path: &Path| fs::metadata(path).unwrap().modified().unwrap();
    paths.map(|path| (path.clone(), (fs::read(&path).unwrap(), written(&path)))).collect()
}

#[test]
fn a_journal_that_a_manager_has_open_can_be_read() {
    let tmp = tempfile::tempdir().unwrap();
    let lists = open(tmp.path()).unwrap();
    push_all(&lists, 0..10);
    let view = view(tmp.path()).unwrap();
    assert_eq!((seen(&view), view.sequence()), (all_of(10), 10));
    assert_eq!((view.recovery().replayed, view.recovery().was_closed), (10, false));
    // It is the state of that moment, and the manager goes on.
    push_all(&lists, 10..12);
    assert_eq!((view.sequence(), lists.sequence()), (10, 12));
}

#[tokio::test]
async fn reading_works_on_a_runtime() {
    let tmp = tempfile::tempdir().unwrap();
    let lists: Lists = Options::new().open(tmp.path(), JOURNAL).await.unwrap();
    lists.apply_batch((0..5).map(push)).await.unwrap();
    let view: View = Options::new().read_only(tmp.path(), JOURNAL).await.unwrap();
    assert_eq!(seen(&view), all_of(5));
    assert_eq!(view.state_at(2).await.unwrap().entries, all_of(2));
    assert_eq!(lists.state_at(3).await.unwrap().entries, all_of(3));
}

#[test]
fn reading_changes_no_byte_and_creates_no_file() {
    let tmp = tempfile::tempdir().unwrap();
    let lists = open(tmp.path()).unwrap();
    push_all(&lists, 0..10);
    lists.blocking_create_snapshot().unwrap();
    push_all(&lists, 10..20);
    drop(lists);
    fs::remove_file(tmp.path().join("list.wal.lock")).unwrap();
    let mut active = fs::read(tmp.path().join(JOURNAL)).unwrap();
    let end = active.iter().rposition(|byte| *byte != b'\n').unwrap() + 2;
    active.truncate(end);
    active.extend_from_slice(br#"{"seq":21,"at":"20"#);
    fs::write(tmp.path().join(JOURNAL), active).unwrap();
    let before = content(tmp.path());
    let view = view(tmp.path()).unwrap();
    assert_eq!(seen(&view), all_of(20));
    assert_eq!(view.blocking_state_at(5).unwrap().entries, all_of(5));
    assert_eq!(content(tmp.path()), before);
}

#[test]
fn a_torn_tail_is_where_reading_ends_and_is_reported() {
    let disk = Simulated::new();
    let lists = open_simulated(&disk, 5_000).unwrap();
    push_all(&lists, 0..10);
    drop(lists);
    let path = Path::new("lists").join(JOURNAL);
    let whole = disk.content(&path).unwrap();
    let last = whole.windows(9).rposition(|window| window == br#"{"seq":10"#).unwrap();
    let mut torn = whole.clone();
    torn.truncate(last + 30);
    disk.set_content(&path, torn);
    let view = view_simulated(&disk).unwrap();
    assert_eq!(seen(&view), all_of(9));
    let tail = view.recovery().torn_tail.clone().unwrap();
    assert_eq!((tail.after, tail.bytes, tail.kept_in), (9, 30, path));
}

#[test]
fn damage_before_the_tail_is_refused_as_by_open() {
    let disk = Simulated::new();
    let lists = open_simulated(&disk, 600).unwrap();
    push_all(&lists, 0..20);
    drop(lists);
    let path = Path::new("lists/list.wal.00000000000000000001.jsonl");
    let mut content = disk.content(path).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 1;
    disk.set_content(path, content);
    let (reader, opener) = (view_simulated(&disk), open_simulated(&disk, 600));
    let (reader, opener) = (reader.unwrap_err(), opener.unwrap_err());
    assert!(matches!(reader, MiniStateError::Corrupt { .. }), "{reader}");
    assert_eq!(reader.to_string(), opener.to_string());
}

#[test]
fn what_looks_damaged_while_it_is_written_is_read_again_and_then_believed() {
    let disk = Simulated::new();
    let lists = open_simulated(&disk, 5_000).unwrap();
    push_all(&lists, 0..10);
    drop(lists);
    // The first look at the file is whether it is a journal.
    for times in [0, 1, 2] {
        let view = view_overtaken(&disk, times).unwrap();
        assert_eq!(seen(&view), all_of(10));
    }
    let refused = view_overtaken(&disk, u64::MAX);
    assert!(matches!(refused, Err(MiniStateError::Corrupt { seq: 9, .. })), "{refused:?}");
}

/// Writes, seals, makes snapshots and puts files away as fast as it can, while others look.
fn looked_at_while_written(rounds: u64, segment_bytes: u64, padding: usize) {
    let tmp = tempfile::tempdir().unwrap();
    let options = || {
        let options = Options::new().segment_bytes(segment_bytes).snapshots_kept(1);
        options.disposal(Disposal::Delete)
    };
    let lists: Lists = options().blocking_open(tmp.path(), JOURNAL).unwrap();
    let (ended, padding) = (AtomicBool::new(false), "x".repeat(padding));
    let is_ended = || ended.load(Relaxed);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for entry in 0.. {
                if is_ended() {
                    return;
                }
                let push = Push { entry, padding: padding.clone() };
                lists.blocking_apply(push).unwrap();
            }
        });
        scope.spawn(|| {
            while !is_ended() {
                lists.blocking_create_snapshot().unwrap();
                lists.blocking_compact().unwrap();
            }
        });
        let reader = scope.spawn(|| {
            for _ in 0..rounds {
                let before = lists.sequence();
                let view = view(tmp.path()).unwrap_or_else(|error| panic!("{error}"));
                // Nothing acknowledged is missing, and what is there is the history.
                assert!(before <= view.sequence());
                assert_eq!(seen(&view), all_of(view.sequence()));
                assert!(view.recovery().rejected_snapshots.is_empty());
                match view.blocking_state_at(before) {
                    Ok(state) => assert_eq!(state.entries, all_of(before)),
                    Err(MiniStateError::OutOfReach { first, .. }) => assert!(first > before),
                    Err(error) => panic!("{error}"),
                }
            }
        });
        let result = reader.join();
        ended.store(true, Relaxed);
        result.unwrap();
    });
}

#[test]
fn a_writer_that_seals_and_compacts_never_looks_damaged() {
    looked_at_while_written(400, 2_000, 0);
}

#[test]
fn a_writer_of_long_records_never_looks_damaged() {
    looked_at_while_written(200, 400_000, 30_000);
}

#[test]
fn a_journal_that_is_not_there_is_refused_and_not_created() {
    let tmp = tempfile::tempdir().unwrap();
    let missing = tmp.path().join("missing");
    assert!(matches!(view(&missing), Err(MiniStateError::NoJournal { .. })));
    assert!(!missing.exists());
    match view(tmp.path()) {
        Err(error @ MiniStateError::NoJournal { .. }) => {
            assert!(error.to_string().contains("check the name"), "{error}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(fs::read_dir(tmp.path()).unwrap().count(), 0);
}

#[test]
fn a_directory_of_0_1_is_refused_with_the_way_to_take_it_over() {
    let tmp = tempfile::tempdir().unwrap();
    let old = "// MINISTORE JOURNAL v0.1.4\n{\"entry\":0}\n";
    fs::write(tmp.path().join(JOURNAL), old).unwrap();
    match view(tmp.path()) {
        Err(error @ MiniStateError::NotTakenOver { .. }) => {
            assert!(error.to_string().contains("open it once with a manager"), "{error}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(fs::read_to_string(tmp.path().join(JOURNAL)).unwrap(), old);
    drop(open(tmp.path()).unwrap());
    assert_eq!(seen(&view(tmp.path()).unwrap()), [0]);
}

#[test]
fn a_file_that_is_no_journal_is_refused() {
    let tmp = tempfile::tempdir().unwrap();
    fs::write(tmp.path().join(JOURNAL), "my notes\n").unwrap();
    assert!(matches!(view(tmp.path()), Err(MiniStateError::Foreign { .. })));
}

/// Snapshots at 10 and 20; batches of three between; the last mutation is 32.
fn history() -> (Simulated, Lists) {
    let disk = Simulated::new();
    let lists = open_simulated(&disk, 600).unwrap();
    push_all(&lists, 0..10);
    lists.blocking_create_snapshot().unwrap();
    push_all(&lists, 10..14);
    for first in [14, 17] {
        lists.blocking_apply_batch((first..first + 3).map(push)).unwrap();
    }
    lists.blocking_create_snapshot().unwrap();
    push_all(&lists, 20..26);
    for first in [26, 29] {
        lists.blocking_apply_batch((first..first + 3).map(push)).unwrap();
    }
    (disk, lists)
}

#[test]
fn the_state_at_each_mutation_is_what_the_mutations_before_made() {
    let (disk, lists) = history();
    let view = view_simulated(&disk).unwrap();
    for seq in 0..=32 {
        assert_eq!(view.blocking_state_at(seq).unwrap().entries, all_of(seq));
        assert_eq!(lists.blocking_state_at(seq).unwrap().entries, all_of(seq));
    }
    assert_eq!(entries(&lists), all_of(32));
}

#[test]
fn a_state_out_of_reach_is_refused_with_the_range_that_the_files_reach() {
    let (disk, lists) = history();
    let view = view_simulated(&disk).unwrap();
    let reach = |error: MiniStateError| match error {
        MiniStateError::OutOfReach { asked, first, last } => (asked, first, last),
        other => panic!("{other}"),
    };
    assert_eq!(reach(view.blocking_state_at(33).unwrap_err()), (33, 0, 32));
    assert_eq!(reach(lists.blocking_state_at(33).unwrap_err()), (33, 0, 32));
    lists.blocking_compact().unwrap();
    for asked in [0, 9] {
        let error = view.blocking_state_at(asked).unwrap_err();
        assert!(error.to_string().contains("from 10 to 32"), "{error}");
        assert_eq!(reach(error), (asked, 10, 32));
        assert_eq!(reach(lists.blocking_state_at(asked).unwrap_err()), (asked, 10, 32));
    }
    for seq in 10..=32 {
        assert_eq!(view.blocking_state_at(seq).unwrap().entries, all_of(seq));
    }
}

#[test]
fn a_damaged_snapshot_is_passed_over_for_the_one_before() {
    let (disk, _lists) = history();
    let path = Path::new("lists/list.wal.snapshot.00000000000000000020.json");
    disk.set_content(path, b"{}".to_vec());
    let view = view_simulated(&disk).unwrap();
    assert_eq!((seen(&view), view.recovery().snapshot), (all_of(32), 10));
    assert_eq!(view.recovery().rejected_snapshots.len(), 1);
    assert_eq!(view.blocking_state_at(25).unwrap().entries, all_of(25));
}
