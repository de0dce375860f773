//! Who reads beside a writer finds all that was acknowledged, whatever the writer is in the middle of.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, RwLock};
use std::thread::{self, ThreadId};
use std::time::Duration;

use ministate::storage::{Simulated, Storage};
use ministate::{Disposal, MiniStateError, Options, ReadOnly};
use ministate_tests::{Call, Hook, Hooked, JOURNAL, List, Lists, Push, open_simulated, push};

/// Lets a writer make some calls, then a reader some, then the writer all the others, and then the
/// reader.
#[derive(Debug, Default, Clone)]
struct Turns(Arc<Mutex<Option<Turn>>>);

#[derive(Debug)]
struct Turn {
    writer: Side,
    reader: Side,
    /// The writer says here that it waits, or has ended.
    waits: Sender<()>,
    /// The writer waits here for the other end to be dropped.
    let_go: Option<Receiver<()>>,
    lets_go: Option<Sender<()>>,
    /// The reader waits here for the writer to end.
    ended: Option<Receiver<()>>,
}

#[derive(Debug)]
struct Side {
    thread: Option<ThreadId>,
    calls: u64,
    /// Behind so many calls it is the other's turn.
    calls_first: u64,
}

impl Side {
    fn new(calls_first: u64) -> Side {
        Side { thread: None, calls: 0, calls_first }
    }

    /// Counts a call; whether it is the other's turn before it.
    fn is_over(&mut self) -> bool {
        if self.thread != Some(thread::current().id()) {
            return false;
        }
        self.calls += 1;
        self.calls == self.calls_first + 1
    }

    fn has_ended_early(&self) -> bool {
        self.calls <= self.calls_first
    }
}

/// A reader that holds a lock can keep the writer from ending.
const PATIENCE: Duration = Duration::from_millis(5);

impl Turns {
    fn turn(&self) -> MutexGuard<'_, Option<Turn>> {
        self.0.lock().unwrap()
    }
}

impl Hook for Turns {
    fn before(&self, _call: Call) {
        let (mut let_go, mut ended) = (None, None);
        if let Some(turn) = &mut *self.turn() {
            if turn.writer.is_over() {
                let_go = turn.let_go.take();
                turn.waits.send(()).unwrap();
            }
            if turn.reader.is_over() {
                turn.lets_go = None;
                ended = turn.ended.take();
            }
        }
        if let Some(let_go) = let_go {
            assert!(let_go.recv().is_err());
        }
        if let Some(ended) = ended {
            let _ended_in_time = ended.recv_timeout(PATIENCE).is_ok();
        }
    }
}

type Turning = Hooked<Simulated, Turns>;

struct Shared {
    storage: Turning,
    lists: RwLock<Option<Lists>>,
    acknowledged: AtomicU64,
}

impl Shared {
    /// A journal with snapshots of which all but one are about to be put away, and a segment that
    /// the next mutation lets be sealed.
    fn new(turns: &Turns, options: Options) -> Shared {
        let storage = Hooked::new(Simulated::new(), turns.clone());
        let options = options.segment_bytes(600).snapshots_kept(1).storage(storage.clone());
        let lists = RwLock::new(Some(options.blocking_open("lists", JOURNAL).unwrap()));
        let shared = Shared { storage, lists, acknowledged: AtomicU64::new(0) };
        shared.push(9);
        shared.with(Lists::blocking_create_snapshot).unwrap();
        shared.push(6);
        shared
    }

    fn with<R>(&self, work: impl FnOnce(&Lists) -> R) -> R {
        work(self.lists.read().unwrap().as_ref().unwrap())
    }

    fn push(&self, count: u64) {
        for _ in 0..count {
            let entry = self.acknowledged.load(Relaxed);
            self.with(|lists| lists.blocking_apply(push(entry))).unwrap();
            self.acknowledged.store(entry + 1, Relaxed);
        }
    }

    fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Relaxed)
    }
}

type Work = fn(&Shared);

fn seal(shared: &Shared) {
    shared.push(2);
}

/// The second time, behind a segment that readers begin with.
fn seal_twice(shared: &Shared) {
    shared.push(8);
}

fn seal_often(shared: &Shared) {
    shared.push(20);
}

fn compact(shared: &Shared) {
    shared.with(Lists::blocking_create_snapshot).unwrap();
    shared.with(Lists::blocking_compact).unwrap();
}

fn go_on(shared: &Shared) {
    for _ in 0..3 {
        shared.push(6);
        compact(shared);
    }
    shared.push(1);
}

fn close(shared: &Shared) {
    let lists = shared.lists.write().unwrap().take().unwrap();
    lists.blocking_close().unwrap();
}

/// Whether the writer, and whether the reader, ended before it was the other's turn.
fn take_turns(first: [u64; 2], options: Options, write: Work, read: Work) -> [bool; 2] {
    let turns = Turns::default();
    let shared = Shared::new(&turns, options);
    let ((waits, is_waiting), (lets_go, let_go), (ends, ended)) = (channel(), channel(), channel());
    *turns.turn() = Some(Turn {
        writer: Side::new(first[0]),
        reader: Side::new(first[1]),
        waits: waits.clone(),
        let_go: Some(let_go),
        lets_go: Some(lets_go),
        ended: Some(ended),
    });
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            turns.turn().as_mut().unwrap().writer.thread = Some(thread::current().id());
            write(&shared);
            waits.send(()).unwrap();
            let _is_waited_for = ends.send(()).is_ok();
        });
        is_waiting.recv().unwrap();
        let wrote_all = {
            let mut turn = turns.turn();
            let turn = turn.as_mut().unwrap();
            turn.reader.thread = Some(thread::current().id());
            turn.writer.has_ended_early()
        };
        let reading = catch_unwind(AssertUnwindSafe(|| read(&shared)));
        // Lets the writer go on, too.
        let turn = turns.turn().take().unwrap();
        let ended_early = [wrote_all, turn.reader.has_ended_early()];
        drop(turn);
        writer.join().unwrap();
        assert!(reading.is_ok(), "the writer made {} calls, the reader {}", first[0], first[1]);
        ended_early
    })
}

/// Lets the turn change at every call of the writer, and at every call of the reader.
fn take_turns_in_every_way(options: fn() -> Options, write: Work, read: Work) {
    // A reader that makes more waits for something.
    const CALLS_MAX: u64 = 200;
    for written in 0.. {
        for looked in 0.. {
            let [wrote_all, read_all] = take_turns([written, looked], options(), write, read);
            if wrote_all && looked == 0 {
                return;
            }
            if read_all {
                break;
            }
            assert!(looked < CALLS_MAX, "the reader goes on and on");
        }
    }
}

fn deleting() -> Options {
    Options::new().disposal(Disposal::Delete)
}

fn view(shared: &Shared) -> ReadOnly<List, Push> {
    let options = Options::new().storage(shared.storage.clone());
    options.blocking_read_only("lists", JOURNAL).unwrap_or_else(|error| panic!("{error}"))
}

fn look(shared: &Shared) {
    let before = shared.acknowledged();
    let view = view(shared);
    // One may be under way.
    assert!((before..=shared.acknowledged() + 1).contains(&view.sequence()));
    let seen = view.read(|list| list.entries.clone());
    assert_eq!(seen, (0..view.sequence()).collect::<Vec<_>>());
    assert!(view.recovery().rejected_snapshots.is_empty());
}

fn look_back(shared: &Shared) {
    let view = view(shared);
    let asked = view.sequence();
    match view.blocking_state_at(asked) {
        Ok(state) => assert_eq!(state.entries, (0..asked).collect::<Vec<_>>()),
        Err(MiniStateError::OutOfReach { first, .. }) => assert!(first > asked),
        Err(error) => panic!("{error}"),
    }
}

fn look_back_by_manager(shared: &Shared) {
    let asked = shared.acknowledged();
    match shared.with(|lists| lists.blocking_state_at(asked)) {
        Ok(state) => assert_eq!(state.entries, (0..asked).collect::<Vec<_>>()),
        Err(MiniStateError::OutOfReach { first, .. }) => assert!(first > asked),
        Err(error) => panic!("{error}"),
    }
}

fn count(shared: &Shared) {
    shared.with(Lists::blocking_usage).unwrap_or_else(|error| panic!("{error}"));
}

fn list(shared: &Shared) {
    let files = shared.with(Lists::necessary_files).unwrap_or_else(|error| panic!("{error}"));
    let is_written_to =
        |path: &PathBuf| path.ends_with(JOURNAL) || path.ends_with("list.wal.next.jsonl");
    assert!(files.iter().any(is_written_to));
}

/// Once, a segment that was sealed while it was read was taken for one whose successor is missing.
#[test]
fn a_reader_is_not_misled_by_a_seal_at_any_moment() {
    take_turns_in_every_way(deleting, seal, look);
    take_turns_in_every_way(deleting, seal_twice, look);
    take_turns_in_every_way(deleting, seal, look_back);
}

/// Once, the head file was read behind the segments, and said that their end was lost.
#[test]
fn a_reader_is_not_misled_by_many_seals_at_any_moment() {
    for looked in 0.. {
        if take_turns([0, looked], deleting(), seal_often, look)[1] {
            break;
        }
    }
}

/// Once, a segment that compaction put away between its listing and its opening ended the reading.
#[test]
fn a_reader_is_not_misled_by_a_compaction_at_any_moment() {
    take_turns_in_every_way(deleting, compact, look);
    for options in [Options::new, deleting] {
        for (write, read) in
            [(compact as Work, look_back as Work), (go_on, look), (go_on, look_back)]
        {
            for looked in 0.. {
                if take_turns([0, looked], options(), write, read)[1] {
                    break;
                }
            }
        }
    }
}

#[test]
fn a_reader_is_not_misled_by_a_close_at_any_moment() {
    take_turns_in_every_way(deleting, close, look);
}

/// Once, the next segment was listed, had become the active one, and was then not there to be opened.
#[test]
fn a_manager_that_reads_its_journal_is_not_misled_by_its_own_seals() {
    take_turns_in_every_way(deleting, seal, look_back_by_manager);
    take_turns_in_every_way(deleting, seal, count);
    take_turns_in_every_way(deleting, seal, list);
}

/// A sealed segment under the active name, and no other.
fn without_successor() -> Simulated {
    let disk = Simulated::new();
    let lists = open_simulated(&disk, 600).unwrap();
    for entry in 0..20 {
        lists.blocking_apply(push(entry)).unwrap();
    }
    drop(lists);
    let dir = Path::new("lists");
    let sealed = disk.content("lists/list.wal.00000000000000000001.jsonl").unwrap();
    for name in disk.list(dir).unwrap() {
        if name.starts_with("list.wal.0") || name.ends_with("head.json") {
            disk.remove(&dir.join(name)).unwrap();
        }
    }
    disk.set_content(dir.join(JOURNAL), sealed);
    disk
}

#[test]
fn a_successor_that_is_really_missing_is_missed_by_readers_and_writers() {
    let disk = without_successor();
    let reader = Options::new().storage(disk.clone());
    let reader = reader.blocking_read_only::<List, Push>("lists", JOURNAL);
    let (reader, writer) = (reader.unwrap_err(), open_simulated(&disk, 600).unwrap_err());
    assert!(matches!(reader, MiniStateError::Missing { .. }), "{reader}");
    assert_eq!(reader.to_string(), writer.to_string());
}
