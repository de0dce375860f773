//! Snapshots bound the start-up, compaction the disk, and neither changes what happened.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use ministate::storage::{Fault, Simulated, Storage};
use ministate::{Disposal, MiniStateError, Mutator, Options, StateManager};
use ministate_tests::{JOURNAL, Lists, Push, entries, open_simulated, push};
use serde::{Deserialize, Serialize};

fn path(name: &str) -> PathBuf {
    PathBuf::from("lists").join(name)
}

fn snapshot_path(seq: u64) -> PathBuf {
    path(&format!("list.wal.snapshot.{seq:020}.json"))
}

fn names(disk: &Simulated, dir: &str) -> Vec<String> {
    let mut names = disk.list(Path::new(dir)).unwrap();
    names.sort();
    names
}

fn push_all(lists: &Lists, range: std::ops::Range<u64>) {
    for entry in range {
        lists.blocking_apply(push(entry)).unwrap();
    }
}

/// Snapshots at 10 and 20, and mutations up to 25.
fn with_two_snapshots() -> Simulated {
    let disk = Simulated::new();
    let lists = open_simulated(&disk, 600).unwrap();
    push_all(&lists, 0..10);
    lists.blocking_create_snapshot().unwrap();
    push_all(&lists, 10..20);
    lists.blocking_create_snapshot().unwrap();
    push_all(&lists, 20..25);
    disk.after_kill()
}

fn all_of(count: u64) -> Vec<u64> {
    (0..count).collect()
}

fn flip(disk: &Simulated, path: &Path) {
    let mut content = disk.content(path).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 1;
    disk.set_content(path, content);
}

#[test]
fn opening_replays_only_what_is_behind_the_newest_snapshot() {
    let lists = open_simulated(&with_two_snapshots(), 600).unwrap();
    assert_eq!(entries(&lists), all_of(25));
    assert_eq!((lists.recovery().snapshot, lists.recovery().replayed), (20, 5));
    assert!(lists.recovery().rejected_snapshots.is_empty());
    assert_eq!(lists.blocking_apply(push(25)).unwrap(), 26);
}

#[test]
fn a_damaged_snapshot_is_reported_and_the_one_before_is_used() {
    let disk = with_two_snapshots();
    flip(&disk, &snapshot_path(20));
    let lists = open_simulated(&disk, 600).unwrap();
    assert_eq!(entries(&lists), all_of(25));
    let recovery = lists.recovery();
    assert_eq!((recovery.snapshot, recovery.replayed), (10, 15));
    let [rejected] = recovery.rejected_snapshots.as_slice() else { panic!("{recovery:?}") };
    assert_eq!(rejected.path, snapshot_path(20));
    assert!(matches!(rejected.why.as_deref(), Some(MiniStateError::Corrupt { .. })));
}

/// Once, a read that failed while a snapshot was looked for let the new one name another record
/// than it was made behind, and the journal did not open any more.
#[test]
fn a_snapshot_that_is_made_again_after_a_failed_read_is_of_the_same_history() {
    for call in 0..40 {
        let disk = Simulated::new();
        let lists = open_simulated(&disk, 600).unwrap();
        push_all(&lists, 0..10);
        lists.blocking_create_snapshot().unwrap();
        let sound = disk.content(snapshot_path(10));
        disk.fail_at(disk.calls() + call, Fault::Fails);
        // What fails here takes nothing back.
        drop(lists.blocking_create_snapshot());
        drop(lists);
        assert_eq!(disk.content(snapshot_path(10)), sound, "call {call}");
        assert_eq!(entries(&open_simulated(&disk.after_kill(), 600).unwrap()), all_of(10));
    }
}

#[test]
fn every_changed_byte_of_a_snapshot_is_found() {
    let disk = with_two_snapshots();
    let sound = disk.content(snapshot_path(20)).unwrap();
    for at in 0..sound.len() {
        for value in [sound[at] ^ 1, sound[at] ^ 0x40, b'\n'] {
            if value == sound[at] {
                continue;
            }
            let mut damaged = sound.clone();
            damaged[at] = value;
            disk.set_content(snapshot_path(20), damaged);
            let lists = open_simulated(&disk.restarted(0), 600).unwrap();
            assert_eq!((lists.recovery().snapshot, entries(&lists)), (10, all_of(25)));
        }
    }
    for length in 0..sound.len() {
        disk.set_content(snapshot_path(20), sound[..length].to_vec());
        assert_eq!(open_simulated(&disk.restarted(0), 600).unwrap().recovery().snapshot, 10);
    }
}

#[test]
fn without_a_sound_snapshot_opening_is_refused_with_the_reasons() {
    let disk = with_two_snapshots();
    for seq in [0, 10, 20] {
        flip(&disk, &snapshot_path(seq));
    }
    let before = names(&disk, "lists");
    match open_simulated(&disk, 600) {
        Err(MiniStateError::NoSnapshot { first: 1, rejected, .. }) => assert_eq!(rejected.len(), 3),
        other => panic!("{other:?}"),
    }
    assert_eq!(names(&disk, "lists"), before);
}

#[test]
fn a_snapshot_that_the_journal_does_not_reach_back_to_is_not_used() {
    let disk = with_two_snapshots();
    let lists = open_simulated(&disk, 600).unwrap();
    lists.blocking_compact().unwrap();
    drop(lists);
    // The archive has it, and the segments behind it; the journal begins later.
    let genesis =
        disk.content("lists/list.wal.archive/list.wal.snapshot.00000000000000000000.json");
    disk.set_content(snapshot_path(0), genesis.unwrap());
    for seq in [10, 20] {
        flip(&disk, &snapshot_path(seq));
    }
    match open_simulated(&disk, 600) {
        Err(error @ MiniStateError::NoSnapshot { first, .. }) => {
            assert!(first > 1);
            assert!(error.to_string().contains("too old"), "{error}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_snapshot_of_another_journal_is_not_used() {
    let disk = with_two_snapshots();
    let other = Simulated::new();
    other.unique();
    let lists = open_simulated(&other, 600).unwrap();
    push_all(&lists, 0..20);
    lists.blocking_create_snapshot().unwrap();
    disk.set_content(snapshot_path(20), other.content(snapshot_path(20)).unwrap());
    let lists = open_simulated(&disk, 600).unwrap();
    assert_eq!((lists.recovery().snapshot, entries(&lists)), (10, all_of(25)));
}

#[test]
fn a_journal_that_ends_before_its_newest_snapshot_has_lost_its_tail() {
    let disk = with_two_snapshots();
    let earlier = {
        let disk = Simulated::new();
        let lists = open_simulated(&disk, u64::MAX).unwrap();
        push_all(&lists, 0..10);
        disk.after_kill()
    };
    // The same journal, as it was before the snapshot.
    earlier.set_content(snapshot_path(20), disk.content(snapshot_path(20)).unwrap());
    match open_simulated(&earlier, u64::MAX) {
        Err(MiniStateError::LostTail { path, found: 10, synced: 20 }) => {
            assert_eq!(path, snapshot_path(20));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_snapshot_of_another_history_is_refused() {
    let disk = with_two_snapshots();
    // Equal disks give equal identities; the mutations differ.
    let other = Simulated::new();
    let lists = open_simulated(&other, 600).unwrap();
    push_all(&lists, 100..120);
    lists.blocking_create_snapshot().unwrap();
    disk.set_content(snapshot_path(20), other.content(snapshot_path(20)).unwrap());
    match open_simulated(&disk, 600) {
        Err(MiniStateError::Corrupt { at, seq: 20, .. }) => assert_eq!(at.file, snapshot_path(20)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_changed_default_does_not_change_history() {
    #[derive(Debug, Serialize, Deserialize)]
    struct Before {
        total: u64,
    }
    impl Default for Before {
        fn default() -> Self {
            Before { total: 100 }
        }
    }
    #[derive(Debug, Serialize, Deserialize)]
    struct After {
        total: u64,
    }
    impl Default for After {
        fn default() -> Self {
            After { total: 7_000 }
        }
    }
    #[derive(Serialize, Deserialize)]
    struct Add {
        by: u64,
    }
    impl Mutator<Before> for Add {
        fn apply(&self, state: &mut Before) {
            state.total += self.by;
        }
    }
    impl Mutator<After> for Add {
        fn apply(&self, state: &mut After) {
            state.total += self.by;
        }
    }
    let disk = Simulated::new();
    let options = || Options::new().storage(disk.clone());
    let before = options().blocking_open::<Before, Add>("sum", "sum.wal.jsonl").unwrap();
    before.blocking_apply(Add { by: 1 }).unwrap();
    drop(before);
    let after = options().blocking_open::<After, Add>("sum", "sum.wal.jsonl").unwrap();
    assert_eq!(after.read(|after| after.total), 101);
}

/// Once, a snapshot read its sequence number and its state apart, and what was applied in between
/// was replayed a second time.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn mutations_applied_during_a_snapshot_are_not_replayed_twice() {
    let dir = tempfile::tempdir().unwrap();
    let open = || Options::new().segment_bytes(20_000).open(dir.path(), JOURNAL);
    for round in 0..5 {
        let lists: Arc<Lists> = Arc::new(open().await.unwrap());
        let tasks: Vec<_> = (0..20)
            .map(|task| {
                let lists = Arc::clone(&lists);
                tokio::spawn(async move {
                    for entry in 0..10 {
                        lists.apply(push(round * 1_000 + task * 10 + entry)).await.unwrap();
                    }
                })
            })
            .collect();
        for _ in 0..3 {
            lists.create_snapshot().await.unwrap();
        }
        let (one, other) = tokio::join!(lists.create_snapshot(), lists.create_snapshot());
        one.and(other).unwrap();
        for task in tasks {
            task.await.unwrap();
        }
        let expected = entries(&lists);
        lists.close().await.unwrap();
        drop(lists);
        let again: Lists = open().await.unwrap();
        assert_eq!(entries(&again), expected);
        assert!(again.recovery().snapshot > 0);
        again.compact().await.unwrap();
    }
}

#[test]
fn compaction_keeps_two_snapshots_and_archives_the_rest() {
    let disk = with_two_snapshots();
    let lists = open_simulated(&disk, 600).unwrap();
    let compaction = lists.blocking_compact().unwrap();
    assert_eq!((compaction.oldest_snapshot, compaction.snapshots), (10, 1));
    assert!(compaction.segments > 0);
    let archived = names(&disk, "lists/list.wal.archive");
    assert_eq!(archived.len(), compaction.segments + compaction.snapshots);
    let again = lists.blocking_compact().unwrap();
    assert_eq!((again.segments, again.snapshots), (0, 0));
    push_all(&lists, 25..30);
    drop(lists);
    assert_eq!(entries(&open_simulated(&disk.after_kill(), 600).unwrap()), all_of(30));
    // The older one still is a way to recover.
    flip(&disk, &snapshot_path(20));
    let lists = open_simulated(&disk.after_kill(), 600).unwrap();
    assert_eq!((lists.recovery().snapshot, entries(&lists)), (10, all_of(30)));
}

#[test]
fn compaction_can_delete_and_counts_no_damaged_snapshot() {
    let disk = with_two_snapshots();
    flip(&disk, &snapshot_path(20));
    let open = |kept| {
        Options::new()
            .snapshots_kept(kept)
            .disposal(Disposal::Delete)
            .storage(disk.after_kill())
            .blocking_open::<ministate_tests::List, Push>("lists", JOURNAL)
            .unwrap()
    };
    let compaction = open(2).blocking_compact().unwrap();
    assert_eq!((compaction.oldest_snapshot, compaction.segments), (0, 0));
    let compaction = open(1).blocking_compact().unwrap();
    assert_eq!(compaction.oldest_snapshot, 10);
    assert!(compaction.segments > 0);
}

#[test]
fn a_snapshot_without_news_writes_nothing() {
    let disk = with_two_snapshots();
    let lists = open_simulated(&disk, 600).unwrap();
    lists.blocking_create_snapshot().unwrap();
    let before = names(&disk, "lists");
    lists.blocking_create_snapshot().unwrap();
    assert_eq!(names(&disk, "lists"), before);
    assert!(disk.content(snapshot_path(25)).is_some());
}

#[test]
fn a_state_that_does_not_read_back_is_not_made_a_snapshot() {
    #[derive(Debug, Default, Serialize, Deserialize)]
    struct Mean {
        value: Option<f64>,
    }
    #[derive(Serialize, Deserialize)]
    struct Divide(f64, f64);
    impl Mutator<Mean> for Divide {
        fn apply(&self, mean: &mut Mean) {
            mean.value = Some(self.0 / self.1);
        }
    }
    let disk = Simulated::new();
    let mean: StateManager<Mean, Divide> =
        Options::new().storage(disk.clone()).blocking_open("mean", "mean.wal.jsonl").unwrap();
    mean.blocking_apply(Divide(0.0, 0.0)).unwrap();
    assert!(matches!(mean.blocking_create_snapshot(), Err(MiniStateError::Refused { .. })));
    mean.blocking_apply(Divide(1.0, 2.0)).unwrap();
    mean.blocking_create_snapshot().unwrap();
}

#[test]
fn a_long_recovery_says_how_far_it_is() {
    const RECORD_BYTES: u64 = 200_000;
    let disk = Simulated::new();
    let lists = open_simulated(&disk, 1_500_000).unwrap();
    for entry in 0..40 {
        let padding = "x".repeat(RECORD_BYTES as usize);
        lists.blocking_apply(Push { entry, padding }).unwrap();
    }
    // Cuts the fill, which is read as well.
    lists.blocking_close().unwrap();
    drop(lists);
    let said = Arc::new(Mutex::new(Vec::new()));
    let listener = {
        let said = Arc::clone(&said);
        move |progress| said.lock().unwrap().push(progress)
    };
    let options = Options::new().storage(disk.clone()).on_progress(listener);
    let lists: Lists = options.blocking_open("lists", JOURNAL).unwrap();
    assert_eq!(lists.sequence(), 40);
    let said = said.lock().unwrap();
    // One report a MiB, and the last one.
    assert!((6..=9).contains(&said.len()), "{said:?}");
    let mut before = 0;
    for progress in said.iter() {
        let (read, replayed) = (progress.bytes_read, progress.replayed);
        // The records that the report counts were read; those that end segments may be missing.
        let all = replayed * RECORD_BYTES;
        assert!(read > before && (all / 5 * 4..all + 100_000).contains(&read), "{said:?}");
        assert_eq!(progress.bytes_total, said[0].bytes_total);
        before = read;
    }
    let last = said.last().unwrap();
    assert_eq!((last.bytes_read, last.replayed), (last.bytes_total, 40));
    assert!(last.bytes_total.abs_diff(40 * RECORD_BYTES) < 400_000, "{last:?}");
}
