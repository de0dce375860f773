//! A backup is the journal as it was at one mutation, whoever was writing and whatever failed.

mod failures;
mod necessary_files;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ministate::storage::{Simulated, Storage};
use ministate::{Backup, Disposal, MiniStateError, Options};
use ministate_tests::{JOURNAL, List, Lists, Push, entries, open_simulated, push, say_loudly};

fn all_of(count: u64) -> Vec<u64> {
    (0..count).collect()
}

fn push_all(lists: &Lists, range: std::ops::Range<u64>) {
    for entry in range {
        lists.blocking_apply(push(entry)).unwrap();
    }
}

/// Opens what is in a directory of the simulated disk.
fn open_in(disk: &Simulated, dir: &str) -> Result<Lists, MiniStateError> {
    Options::new().segment_bytes(600).storage(disk.clone()).blocking_open(dir, JOURNAL)
}

/// All files of a directory with what they hold.
fn content(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let paths = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.is_file())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

fn copied_as_a_tool_would(files: &[PathBuf], to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in files {
        fs::copy(file, to.join(file.file_name().unwrap())).unwrap();
    }
}

#[test]
fn a_backup_opens_elsewhere_with_the_state_at_its_mutation() {
    let disk = Simulated::new();
    let lists = open_simulated(&disk, 600).unwrap();
    push_all(&lists, 0..20);
    lists.blocking_create_snapshot().unwrap();
    push_all(&lists, 20..25);
    let backup = lists.blocking_backup("copy").unwrap();
    assert_eq!(backup.seq, 25);
    push_all(&lists, 25..30);
    assert_eq!(entries(&lists), all_of(30));
    let copy = open_in(&disk, "copy").unwrap();
    assert_eq!((entries(&copy), copy.sequence()), (all_of(25), 25));
    assert_eq!((copy.recovery().snapshot, copy.recovery().created), (20, false));
}

#[test]
fn a_backup_says_what_it_wrote() {
    let tmp = tempfile::tempdir().unwrap();
    let (dir, to) = (tmp.path().join("state"), tmp.path().join("a/b/copy"));
    let lists: Lists = Options::new().segment_bytes(600).blocking_open(&dir, JOURNAL).unwrap();
    push_all(&lists, 0..20);
    let Backup { seq, files, linked, bytes, .. } = lists.blocking_backup(&to).unwrap();
    assert_eq!(seq, 20);
    let written = content(&to);
    let mut sorted = files.clone();
    sorted.sort();
    let lock = to.join("list.wal.lock");
    assert_eq!(sorted, written.keys().filter(|path| **path != lock).cloned().collect::<Vec<_>>());
    assert_eq!(bytes, files.iter().map(|file| written[file].len() as u64).sum::<u64>());
    assert_eq!(files.last(), Some(&to.join(JOURNAL)));
    // One file system: all but the head file and the active segment.
    assert_eq!(linked, files.len() - 2);
}

/// Needs a second file system, which Linux has in memory.
#[cfg(target_os = "linux")]
#[test]
fn a_backup_on_another_file_system_is_a_copy() {
    use std::os::unix::fs::MetadataExt;
    let device = |path: &Path| fs::metadata(path).unwrap().dev();
    let tmp = tempfile::tempdir().unwrap();
    let other = Path::new("/dev/shm");
    let other = other.is_dir().then(|| tempfile::tempdir_in(other).ok()).flatten();
    let Some(other) = other.filter(|other| device(other.path()) != device(tmp.path())) else {
        return say_loudly("skipped: there is no second file system for a backup");
    };
    let to = other.path().join("copy");
    let lists: Lists =
        Options::new().segment_bytes(600).blocking_open(tmp.path(), JOURNAL).unwrap();
    push_all(&lists, 0..20);
    let backup = lists.blocking_backup(&to).unwrap();
    assert_eq!(backup.linked, 0);
    for file in &backup.files[1..backup.files.len() - 1] {
        let original = tmp.path().join(file.file_name().unwrap());
        assert_eq!(fs::read(file).unwrap(), fs::read(original).unwrap());
    }
    let copy: Lists = Options::new().blocking_open(&to, JOURNAL).unwrap();
    assert_eq!(entries(&copy), all_of(20));
}

#[test]
fn an_empty_journal_has_a_backup() {
    let disk = Simulated::new();
    let lists = open_simulated(&disk, 600).unwrap();
    assert_eq!(lists.blocking_backup("copy").unwrap().seq, 0);
    let copy = open_in(&disk, "copy").unwrap();
    assert_eq!((copy.sequence(), copy.recovery().created), (0, false));
}

#[test]
fn a_backup_can_be_made_right_behind_a_compaction() {
    let disk = Simulated::new();
    let open = || {
        Options::new()
            .snapshots_kept(1)
            .disposal(Disposal::Delete)
            .storage(disk.clone())
            .blocking_open::<List, Push>("lists", JOURNAL)
            .unwrap()
    };
    let lists = open();
    push_all(&lists, 0..10);
    lists.blocking_create_snapshot().unwrap();
    lists.blocking_compact().unwrap();
    assert_eq!(lists.blocking_backup("copy").unwrap().seq, 10);
    assert_eq!(entries(&open_in(&disk, "copy").unwrap()), all_of(10));
}

#[test]
fn a_backup_of_a_backup_goes_on() {
    let disk = Simulated::new();
    let lists = open_simulated(&disk, 600).unwrap();
    push_all(&lists, 0..10);
    lists.blocking_backup("first").unwrap();
    let first = open_in(&disk, "first").unwrap();
    push_all(&first, 10..20);
    first.blocking_create_snapshot().unwrap();
    push_all(&first, 20..25);
    assert_eq!(first.blocking_backup("second").unwrap().seq, 25);
    let second = open_in(&disk, "second").unwrap();
    assert_eq!(entries(&second), all_of(25));
    assert_eq!(entries(&lists), all_of(10));
}

/// Compaction at the same time puts away what the backup is about to copy, unless it waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn backups_are_consistent_while_threads_write_and_segments_are_sealed_and_put_away() {
    let tmp = tempfile::tempdir().unwrap();
    let options = Options::new().segment_bytes(2_000).snapshots_kept(1).disposal(Disposal::Delete);
    let lists: Lists = options.open(tmp.path().join("state"), JOURNAL).await.unwrap();
    let lists = Arc::new(lists);
    let ended = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let (lists, ended) = (Arc::clone(&lists), Arc::clone(&ended));
            tokio::spawn(async move {
                for entry in 0.. {
                    if ended.load(Ordering::Relaxed) {
                        return;
                    }
                    lists.apply(push(writer * 1_000_000 + entry)).await.unwrap();
                }
            })
        })
        .collect();
    let compactor = {
        let (lists, ended) = (Arc::clone(&lists), Arc::clone(&ended));
        tokio::spawn(async move {
            while !ended.load(Ordering::Relaxed) {
                lists.create_snapshot().await.unwrap();
                lists.compact().await.unwrap();
            }
        })
    };
    let mut backups = Vec::new();
    for round in 0..30 {
        let to = tmp.path().join(format!("copy{round}"));
        let before = lists.sequence();
        let task = tokio::spawn({
            let (lists, to) = (Arc::clone(&lists), to.clone());
            async move { lists.backup(to).await }
        });
        let backup = task.await.unwrap().unwrap();
        assert!(before <= backup.seq && backup.seq <= lists.sequence());
        backups.push((to, backup.seq));
    }
    ended.store(true, Ordering::Relaxed);
    for task in writers.into_iter().chain([compactor]) {
        task.await.unwrap();
    }
    let history = entries(&lists);
    for (to, seq) in backups {
        let copy: Lists = Options::new().open(&to, JOURNAL).await.unwrap();
        assert_eq!(copy.sequence(), seq);
        assert_eq!(entries(&copy), history[..seq as usize]);
    }
}

#[test]
fn a_backup_over_a_journal_of_that_name_is_refused_and_changes_nothing() {
    let tmp = tempfile::tempdir().unwrap();
    let (dir, to) = (tmp.path().join("state"), tmp.path().join("copy"));
    let lists: Lists = Options::new().blocking_open(&dir, JOURNAL).unwrap();
    push_all(&lists, 0..5);
    lists.blocking_backup(&to).unwrap();
    push_all(&lists, 5..10);
    let (source, before) = (content(&dir), content(&to));
    for occupied in [&to, &dir] {
        match lists.blocking_backup(occupied) {
            Err(error @ MiniStateError::Occupied { .. }) => {
                assert!(error.to_string().contains("name another directory"), "{error}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((content(&dir), content(&to)), (source, before));
    assert_eq!(lists.blocking_apply(push(10)).unwrap(), 11);
}

#[test]
fn backups_of_two_journals_share_a_directory() {
    let disk = Simulated::new();
    let other: Lists =
        Options::new().storage(disk.clone()).blocking_open("lists", "list.jsonl").unwrap();
    let lists = open_simulated(&disk, 600).unwrap();
    push_all(&lists, 0..10);
    push_all(&other, 0..3);
    lists.blocking_backup("copy").unwrap();
    other.blocking_backup("copy").unwrap();
    assert_eq!(entries(&open_in(&disk, "copy").unwrap()), all_of(10));
    let other: Lists =
        Options::new().storage(disk.clone()).blocking_open("copy", "list.jsonl").unwrap();
    assert_eq!(entries(&other), all_of(3));
}

#[test]
fn a_restored_backup_goes_on_where_it_was_made() {
    let tmp = tempfile::tempdir().unwrap();
    let (dir, to) = (tmp.path().join("state"), tmp.path().join("copy"));
    let open = || Options::new().segment_bytes(600).blocking_open::<List, Push>(&dir, JOURNAL);
    let lists = open().unwrap();
    push_all(&lists, 0..20);
    let backup = lists.blocking_backup(&to).unwrap();
    push_all(&lists, 100..120);
    lists.blocking_compact().unwrap();
    drop(lists);

    fs::remove_dir_all(&dir).unwrap();
    copied_as_a_tool_would(&backup.files, &dir);
    let lists = open().unwrap();
    assert_eq!(entries(&lists), all_of(20));
    push_all(&lists, 20..40);
    lists.blocking_create_snapshot().unwrap();
    lists.blocking_close().unwrap();
    drop(lists);
    assert_eq!(entries(&open().unwrap()), all_of(40));
}

/// The links are to files that never change, so neither side can reach the other.
#[test]
fn what_happens_in_the_journal_leaves_its_backup_as_it_was() {
    let tmp = tempfile::tempdir().unwrap();
    let (dir, to) = (tmp.path().join("state"), tmp.path().join("copy"));
    let options = || Options::new().segment_bytes(600).snapshots_kept(1).disposal(Disposal::Delete);
    let open = |dir: &Path| options().blocking_open::<List, Push>(dir, JOURNAL).unwrap();
    let lists = open(&dir);
    push_all(&lists, 0..20);
    lists.blocking_backup(&to).unwrap();
    let before = content(&to);
    push_all(&lists, 20..40);
    lists.blocking_create_snapshot().unwrap();
    assert!(lists.blocking_compact().unwrap().segments > 0);
    drop(lists);
    drop(open(&dir));
    assert_eq!(content(&to), before);
    let copy = open(&to);
    push_all(&copy, 100..120);
    copy.blocking_create_snapshot().unwrap();
    assert!(copy.blocking_compact().unwrap().segments > 0);
    assert_eq!(entries(&open(&dir)), all_of(40));
}

#[test]
fn a_closed_manager_makes_no_backup() {
    let disk = Simulated::new();
    let lists = open_simulated(&disk, 600).unwrap();
    lists.blocking_close().unwrap();
    assert!(matches!(lists.blocking_backup("copy"), Err(MiniStateError::Closed)));
    assert!(disk.list(Path::new("copy")).is_err());
}
