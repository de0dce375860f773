//! A follower shows what its writer made durable, and takes its place when it is gone.

mod failing_syncs;
mod half_done;
mod rewritten;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, Weak};
use std::thread;
use std::time::Duration;

use ministate::storage::Simulated;
use ministate::{Disposal, Follower, MiniStateError, Mutations, Mutator, Options, StateManager};
use ministate_tests::{
    Call, Gated, Hook, Hooked, JOURNAL, List, Lists, Push, entries, open_simulated, push,
};
use serde::{Deserialize, Serialize};

type Following = Follower<List, Push>;

fn all_of(count: u64) -> Vec<u64> {
    (0..count).collect()
}

fn seen(follower: &Following) -> Vec<u64> {
    follower.read(|list| list.entries.clone())
}

fn push_all(lists: &Lists, range: std::ops::Range<u64>) {
    for entry in range {
        assert_eq!(lists.blocking_apply(push(entry)).unwrap(), entry + 1);
    }
}

fn looking_often() -> Options {
    Options::new().look_every(Duration::from_millis(1))
}

fn follow(disk: &Simulated) -> Following {
    looking_often().storage(disk.clone()).blocking_follow("lists", JOURNAL).unwrap()
}

/// Waits until the follower says so: it looks again soon.
fn wait_until(follower: &Following, is_so: impl Fn(&Following) -> bool) {
    while !is_so(follower) {
        thread::yield_now();
    }
}

#[test]
fn a_follower_goes_on_with_a_writer_that_seals_and_compacts() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options::new().segment_bytes(800).snapshots_kept(1).disposal(Disposal::Delete);
    let lists: Lists = options.blocking_open(dir.path(), JOURNAL).unwrap();
    let follower: Following = looking_often().blocking_follow(dir.path(), JOURNAL).unwrap();
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..12 {
                push_all(&lists, round * 25..(round + 1) * 25);
                lists.blocking_create_snapshot().unwrap();
                lists.blocking_compact().unwrap();
            }
            is_done.store(true, Ordering::Relaxed);
        });
        let mut last = 0;
        while !is_done.load(Ordering::Relaxed) {
            let (shown, seq) = follower.read_with_sequence(|list, seq| (list.entries.clone(), seq));
            assert_eq!(shown, all_of(seq));
            assert!(seq >= last, "it went back");
            last = seq;
        }
    });
    follower.blocking_wait_for(300).unwrap();
    assert_eq!(seen(&follower), all_of(300));
    let status = follower.status();
    assert!(status.failure.is_none() && status.behind == 0 && !status.has_ended, "{status:?}");
}

#[tokio::test(flavor = "current_thread")]
async fn the_asynchronous_calls_work_on_one_thread() {
    let disk = Simulated::new();
    let lists = open_simulated(&disk, 400).unwrap();
    let options = looking_often().storage(disk.clone());
    let follower: Following = options.follow("lists", JOURNAL).await.unwrap();
    lists.apply_batch((0..3).map(push)).await.unwrap();
    follower.wait_for(3).await.unwrap();
    assert_eq!(follower.snapshot().await.entries, all_of(3));
    drop(lists);
    let lists = follower.promote().await.unwrap();
    assert_eq!(lists.apply(push(3)).await.unwrap(), 4);
}

#[test]
fn what_a_follower_shows_survives_a_power_cut() {
    let gated: Gated = Gated::before(Simulated::new());
    let lists: Lists =
        Options::new().storage(gated.clone()).blocking_open("lists", JOURNAL).unwrap();
    let follower = follow(&gated.disk);
    gated.shut();
    thread::scope(|scope| {
        let writer = scope.spawn(|| lists.blocking_apply(push(0)));
        gated.wait_for_a_sync();
        // The writer has written and not synced.
        let shown = follower.blocking_wait_for(1);
        let kept = (0..16).all(|seed| {
            let restarted = open_simulated(&gated.disk.restarted(seed), 400).unwrap();
            entries(&restarted) == [0]
        });
        gated.open();
        writer.join().unwrap().unwrap();
        shown.unwrap();
        assert!(kept);
    });
}

/// Holds whoever asks the disk while it is shut.
#[derive(Debug, Default)]
struct Held {
    is_shut: Mutex<bool>,
    changed: Condvar,
}

impl Hook for Held {
    fn before(&self, _: Call) {
        let is_shut = self.is_shut.lock().unwrap();
        drop(self.changed.wait_while(is_shut, |is_shut| *is_shut).unwrap());
    }
}

#[derive(Debug, Clone, Default)]
struct Holder(Arc<Held>);

impl Hook for Holder {
    fn before(&self, call: Call) {
        self.0.before(call);
    }
}

impl Holder {
    fn set(&self, is_shut: bool) {
        *self.0.is_shut.lock().unwrap() = is_shut;
        self.0.changed.notify_all();
    }
}

#[test]
fn a_follower_that_compaction_overtakes_reads_the_state_anew_and_says_so() {
    let disk = Simulated::new();
    let options = Options::new().segment_bytes(400).snapshots_kept(1).disposal(Disposal::Delete);
    let lists: Lists = options.storage(disk.clone()).blocking_open("lists", JOURNAL).unwrap();
    push_all(&lists, 0..2);
    let holder = Holder::default();
    let options = looking_often().storage(Hooked::new(disk.clone(), holder.clone()));
    let follower: Following = options.blocking_follow("lists", JOURNAL).unwrap();
    holder.set(true);
    push_all(&lists, 2..40);
    lists.blocking_create_snapshot().unwrap();
    lists.blocking_compact().unwrap();
    push_all(&lists, 40..42);
    // It works without the disk.
    assert_eq!(seen(&follower), all_of(follower.sequence()));
    holder.set(false);
    follower.blocking_wait_for(42).unwrap();
    assert_eq!(seen(&follower), all_of(42));
    wait_until(&follower, |follower| follower.status().reloads == 1);
    let reload = follower.status().last_reload.unwrap();
    assert!(matches!(reload.cause, MiniStateError::Trimmed { .. }), "{reload:?}");
    assert!(reload.from < 40 && reload.to >= 40, "{reload:?}");
}

#[test]
fn records_that_are_withdrawn_are_taken_back_and_reported() {
    let disk = Simulated::new();
    let lists = open_simulated(&disk, 1 << 20).unwrap();
    push_all(&lists, 0..3);
    let before = disk.content(lists.journal_path()).unwrap();
    push_all(&lists, 3..5);
    let path = lists.journal_path().to_path_buf();
    drop(lists);
    let follower = follow(&disk);
    assert_eq!(follower.sequence(), 5);
    // As by a writer that took back what it could not make durable.
    disk.set_content(path, before);
    wait_until(&follower, |follower| follower.status().reloads == 1);
    assert_eq!(seen(&follower), all_of(3));
    let reload = follower.status().last_reload.unwrap();
    assert!(matches!(reload.cause, MiniStateError::Withdrawn { seq: 5 }), "{reload:?}");
    assert_eq!((reload.from, reload.to), (5, 3));
    // What comes in their place is not mistaken for them.
    let lists = open_simulated(&disk, 1 << 20).unwrap();
    for entry in [70, 71, 72] {
        lists.blocking_apply(push(entry)).unwrap();
    }
    follower.blocking_wait_for(6).unwrap();
    assert_eq!(seen(&follower), [0, 1, 2, 70, 71, 72]);
}

#[test]
fn other_records_under_the_same_numbers_are_noticed() {
    let disk = Simulated::new();
    let lists = open_simulated(&disk, 1 << 20).unwrap();
    push_all(&lists, 0..3);
    let before = disk.content(lists.journal_path()).unwrap();
    push_all(&lists, 3..5);
    let path = lists.journal_path().to_path_buf();
    drop(lists);
    let other = Simulated::new();
    for name in ["list.wal.head.json", "list.wal.snapshot.00000000000000000000.json"] {
        let file = std::path::Path::new("lists").join(name);
        other.set_content(&file, disk.content(&file).unwrap());
    }
    other.set_content(&path, before);
    let lists = open_simulated(&other, 1 << 20).unwrap();
    for entry in 60..70 {
        lists.blocking_apply(push(entry)).unwrap();
    }
    let follower = follow(&disk);
    assert_eq!(follower.sequence(), 5);
    disk.set_content(&path, other.content(&path).unwrap());
    wait_until(&follower, |follower| follower.status().reloads == 1);
    assert_eq!(seen(&follower), [all_of(3), (60..70).collect()].concat());
}

#[test]
fn a_follower_cannot_be_promoted_while_the_writer_is_there() {
    let disk = Simulated::new();
    let lists = open_simulated(&disk, 400).unwrap();
    push_all(&lists, 0..4);
    let refused = follow(&disk).blocking_promote().unwrap_err();
    assert!(matches!(refused.reason, MiniStateError::Locked { .. }), "{refused}");
    let follower = refused.follower.unwrap();
    push_all(&lists, 4..20);
    follower.blocking_wait_for(20).unwrap();
    assert_eq!(seen(&follower), all_of(20));
    drop(lists);
    let lists = follower.blocking_promote().unwrap();
    assert_eq!(lists.recovery().replayed, 20);
    push_all(&lists, 20..30);
    drop(lists);
    assert_eq!(entries(&open_simulated(&disk, 400).unwrap()), all_of(30));
}

#[test]
fn a_torn_tail_is_not_shown_and_is_cut_by_the_promotion() {
    let disk = Simulated::new();
    let lists = open_simulated(&disk, 1 << 20).unwrap();
    push_all(&lists, 0..4);
    let path = lists.journal_path().to_path_buf();
    let whole = disk.content(&path).unwrap();
    drop(lists);
    let end = whole.iter().rposition(|byte| *byte != b'\n').unwrap();
    // The last record has lost the end of its line, as where its writer was killed.
    let torn: Vec<u8> = whole[..end - 5].to_vec();
    disk.set_content(&path, torn);
    let follower = follow(&disk);
    assert_eq!(seen(&follower), all_of(3));
    let lists = follower.blocking_promote().unwrap();
    assert_eq!(lists.recovery().torn_tail.as_ref().unwrap().after, 3);
    push_all(&lists, 3..6);
    drop(lists);
    assert_eq!(entries(&open_simulated(&disk, 400).unwrap()), all_of(6));
}

#[test]
fn a_follower_of_a_killed_process_takes_its_place_with_all_that_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Command::new(env!("CARGO_BIN_EXE_writer"));
    let mut writer = writer.arg(dir.path()).arg("push").stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(writer.stdout.take().unwrap()).lines();
    assert_eq!(said.next().unwrap().unwrap(), "open");
    let follower: Following = looking_often().blocking_follow(dir.path(), JOURNAL).unwrap();
    let mut acknowledged = 0;
    while acknowledged < 50 {
        acknowledged = said.next().unwrap().unwrap().parse().unwrap();
    }
    follower.blocking_wait_for(acknowledged).unwrap();
    let refused = follower.blocking_promote().unwrap_err();
    assert!(matches!(refused.reason, MiniStateError::Locked { .. }), "{refused}");
    writer.kill().unwrap();
    writer.wait().unwrap();
    for line in said {
        acknowledged = line.unwrap().parse().unwrap_or(acknowledged);
    }
    let lists = refused.follower.unwrap().blocking_promote().unwrap();
    assert!(lists.sequence() >= acknowledged);
    assert_eq!(entries(&lists), all_of(lists.sequence()));
    lists.blocking_apply(push(lists.sequence())).unwrap();
    lists.blocking_verify_replay().unwrap();
}

/// Panics at 13, in a follower alone.
#[derive(Debug, Serialize, Deserialize)]
struct Fragile(u64);

impl Mutator<List> for Fragile {
    fn apply(&self, list: &mut List) {
        list.entries.push(self.0);
        let is_follower = thread::current().name() == Some("ministate follower");
        assert!(self.0 != 13 || !is_follower, "unlucky");
    }
}

#[test]
fn a_follower_whose_handler_panics_keeps_the_state_before_and_says_why() {
    let disk = Simulated::new();
    let options = || looking_often().storage(disk.clone());
    let lists: StateManager<List, Fragile> = options().blocking_open("lists", JOURNAL).unwrap();
    lists.blocking_apply(Fragile(1)).unwrap();
    let follower: Follower<List, Fragile> = options().blocking_follow("lists", JOURNAL).unwrap();
    lists.blocking_apply(Fragile(13)).unwrap();
    let ended = follower.blocking_wait_for(2).unwrap_err();
    assert!(matches!(ended, MiniStateError::HandlerPanicked { seq: 2, .. }), "{ended}");
    assert_eq!(follower.read(|list| list.entries.clone()), [1]);
    assert!(follower.status().has_ended);
    // The state that it has will not do for a promotion, which is an opening then.
    drop(lists);
    let lists = follower.blocking_promote().unwrap();
    assert_eq!(lists.read(|list| list.entries.clone()), [1, 13]);
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Traced {
    #[serde(skip)]
    token: Arc<()>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Touch;

impl Mutator<Traced> for Touch {
    fn apply(&self, _: &mut Traced) {}
}

#[test]
fn a_follower_that_is_dropped_lets_go_of_the_state() {
    let disk = Simulated::new();
    let options = || Options::new().look_every(Duration::from_secs(3_600)).storage(disk.clone());
    drop::<StateManager<Traced, Touch>>(options().blocking_open("traced", "t.jsonl").unwrap());
    let follower: Follower<Traced, Touch> = options().blocking_follow("traced", "t.jsonl").unwrap();
    let state: Weak<()> = follower.read(|traced| Arc::downgrade(&traced.token));
    drop(follower);
    // It does not wait until it would look again.
    while state.upgrade().is_some() {
        thread::yield_now();
    }
}

mod newer {
    use super::{Deserialize, List, Mutations, Serialize};

    #[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
    #[mutations(state = List)]
    pub(super) enum Op {
        #[mutation(apply = super::pushed)]
        Push { entry: u64 },
        #[mutation(apply = super::pushed_twice)]
        PushTwice { entry: u64 },
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
#[mutations(state = List)]
enum Op {
    #[mutation(apply = pushed)]
    Push { entry: u64 },
}

fn pushed(list: &mut List, entry: u64) {
    list.entries.push(entry);
}

fn pushed_twice(list: &mut List, entry: u64) {
    list.entries.extend([entry, entry]);
}

#[test]
fn a_follower_of_a_writer_that_was_upgraded_ends_before_it_misreads_anything() {
    let disk = Simulated::new();
    let options = || looking_often().storage(disk.clone());
    let old: StateManager<List, Op> = options().blocking_open("lists", JOURNAL).unwrap();
    old.blocking_apply(Op::Push { entry: 1 }).unwrap();
    let follower: Follower<List, Op> = options().blocking_follow("lists", JOURNAL).unwrap();
    drop(old);
    let new: StateManager<List, newer::Op> = options().blocking_open("lists", JOURNAL).unwrap();
    new.blocking_apply(newer::Op::PushTwice { entry: 2 }).unwrap();
    match follower.blocking_wait_for(2).unwrap_err() {
        MiniStateError::UnknownOperations { unknown, .. } => assert_eq!(unknown, ["push_twice@1"]),
        other => panic!("{other}"),
    }
    assert_eq!(follower.read(|list| list.entries.clone()), [1]);
}
