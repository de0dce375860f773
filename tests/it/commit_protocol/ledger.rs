//! What was answered to whom, and does it agree with the state and with the disk?

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use ministate_shuttled::storage::{Simulated, Storage};
use ministate_shuttled::{MiniStateError, Mutator, Options, SnapshotEvery, StateManager};
use serde::{Deserialize, Serialize};
use shuttle::rand::{Rng, thread_rng};

use super::disk::{Behavior, Disk};

#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct List {
    pub(super) entries: Vec<u64>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Push(pub(super) u64);

/// The entry whose handler panics, half way.
pub(super) const PANICS: u64 = 666;

impl Mutator<List> for Push {
    fn apply(&self, list: &mut List) {
        list.entries.push(self.0);
        if self.0 == PANICS {
            // Unlike `panic!`, without a word of the checker, which takes it for a failure.
            resume_unwind(Box::new("told to panic"));
        }
    }
}

/// Reads what [`Push`] wrote, and never panics: the journal can be read behind what did.
#[derive(Debug, Serialize, Deserialize)]
struct CalmPush(u64);

impl Mutator<List> for CalmPush {
    fn apply(&self, list: &mut List) {
        list.entries.push(self.0);
    }
}

/// What a caller knows of its entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Acknowledged(u64),
    /// It is not in the journal, and never will be.
    Absent,
    Unknown,
}

/// What is on the disk if the power is cut at a moment, and what must be there.
struct PowerCut {
    disk: Simulated,
    seq: u64,
    /// The last mutations through `seq` that must be there.
    entries: Vec<u64>,
}

/// A manager, and what it answered.
pub(super) struct Ledger {
    pub(super) disk: Disk,
    pub(super) lists: StateManager<List, Push>,
    fates: Mutex<BTreeMap<u64, Fate>>,
    power_cuts: Mutex<Vec<PowerCut>>,
}

fn options() -> Options {
    Options::new().segment_bytes(1 << 16)
}

impl Ledger {
    pub(super) fn open(behavior: Behavior) -> Arc<Ledger> {
        Ledger::open_with(behavior, options())
    }

    pub(super) fn open_with_snapshots(every: SnapshotEvery) -> Arc<Ledger> {
        Ledger::open_with(Behavior::Works, options().snapshot_every(every).snapshots_kept(1))
    }

    fn open_with(behavior: Behavior, options: Options) -> Arc<Ledger> {
        let disk = Disk::new(behavior);
        let lists = options.storage(disk.clone()).blocking_open("lists", "lists.wal.jsonl");
        Arc::new(Ledger {
            disk,
            lists: lists.unwrap(),
            fates: Mutex::default(),
            power_cuts: Mutex::default(),
        })
    }

    pub(super) fn push(&self, entry: u64) -> Result<u64, MiniStateError> {
        let answer = self.lists.blocking_apply(Push(entry));
        self.note(entry, answer)
    }

    pub(super) async fn push_async(&self, entry: u64) -> Result<u64, MiniStateError> {
        let answer = self.lists.apply(Push(entry)).await;
        self.note(entry, answer)
    }

    pub(super) fn push_two(&self, entries: [u64; 2]) -> Result<(), MiniStateError> {
        let answer = self.lists.blocking_apply_batch(entries.map(Push));
        for (at, entry) in (0..).zip(entries) {
            let answer = answer.clone().map(|seqs| seqs.start() + at);
            self.note(entry, answer).ok();
        }
        answer.map(drop)
    }

    /// Polls so many times, and goes away.
    pub(super) async fn push_and_leave(&self, entry: u64, polls: usize) {
        self.fates.lock().unwrap().insert(entry, Fate::Unknown);
        let before = self.disk.edges();
        let mut apply = Box::pin(self.lists.apply(Push(entry)));
        for _ in 0..polls {
            let polled = poll_fn(|context| Poll::Ready(apply.as_mut().poll(context))).await;
            if let Poll::Ready(answer) = polled {
                self.note(entry, answer).ok();
                return;
            }
            shuttle::future::yield_now().await;
        }
        drop(apply);
        // Who leads was at one sync all the time, and has not looked into the queue.
        let untaken = before % 2 == 1 && before == self.disk.edges();
        let fate = if polls == 0 || untaken { Fate::Absent } else { Fate::Unknown };
        self.fates.lock().unwrap().insert(entry, fate);
    }

    /// Reads, and where that is not what was read `before`, remembers that it must survive a power
    /// cut now.
    pub(super) fn look(&self, before: &[u64]) -> Vec<u64> {
        let seq = self.lists.sequence();
        let (entries, seq_inside) =
            self.lists.read(|list| (list.entries.clone(), self.lists.sequence()));
        assert_eq!(entries.len() as u64, seq_inside, "seq and state disagree");
        assert!(seq <= seq_inside, "seq was published before the state");
        if entries != before {
            self.survives(seq_inside, entries.clone());
        }
        entries
    }

    fn survives(&self, seq: u64, entries: Vec<u64>) {
        let disk = self.disk.simulated.restarted(thread_rng().r#gen());
        self.power_cuts.lock().unwrap().push(PowerCut { disk, seq, entries });
    }

    fn note(&self, entry: u64, answer: Result<u64, MiniStateError>) -> Result<u64, MiniStateError> {
        let fate = match &answer {
            Ok(seq) => {
                self.survives(*seq, vec![entry]);
                let seen = self.lists.read(|list| list.entries.get(*seq as usize - 1).copied());
                assert_eq!(seen, Some(entry), "an acknowledged mutation is not visible");
                Fate::Acknowledged(*seq)
            }
            Err(
                MiniStateError::NotWritten { .. }
                | MiniStateError::Poisoned { .. }
                | MiniStateError::Closed,
            ) => Fate::Absent,
            Err(MiniStateError::OutcomeUnknown { .. } | MiniStateError::HandlerPanicked { .. }) => {
                Fate::Unknown
            }
            Err(other) => panic!("an answer that nobody gives here: {other:?}"),
        };
        self.fates.lock().unwrap().insert(entry, fate);
        answer
    }

    /// Checks all answers against the state and against what is on the disk, once everybody has
    /// gone.
    pub(super) fn check(self: Arc<Self>) {
        let Ok(this) = Arc::try_unwrap(self) else { panic!("somebody is still there") };
        let Ledger { disk, lists, fates, power_cuts } = this;
        let visible = lists.read(|list| list.entries.clone());
        assert_eq!(lists.sequence(), visible.len() as u64, "seq and state disagree");
        drop(lists);
        check_snapshots(&disk.simulated);
        let on_disk = reopen(&disk.simulated);
        let recovered = reopen(&disk.simulated.restarted(thread_rng().r#gen()));
        assert!(
            on_disk.starts_with(&visible),
            "{on_disk:?} are on the disk, {visible:?} were seen"
        );
        assert!(recovered.starts_with(&visible), "{recovered:?} are left of {visible:?}");
        let fates = fates.into_inner().unwrap();
        for (entry, fate) in &fates {
            let times = |list: &[u64]| list.iter().filter(|other| *other == entry).count();
            match fate {
                Fate::Acknowledged(seq) => {
                    assert_eq!(visible.get(*seq as usize - 1), Some(entry), "{entry} at {seq}");
                }
                Fate::Absent => assert_eq!(times(&on_disk), 0, "{entry} is there after all"),
                Fate::Unknown => {}
            }
            assert!(times(&on_disk) <= 1, "{entry} was applied twice: {on_disk:?}");
        }
        let known = |entry: &u64| fates.contains_key(entry);
        assert!(on_disk.iter().all(known), "{on_disk:?} came from nowhere");
        for PowerCut { disk, seq, entries } in power_cuts.into_inner().unwrap() {
            let recovered = reopen(&disk);
            let through = recovered.get(..seq as usize);
            let there = through.is_some_and(|through| through.ends_with(&entries));
            assert!(there, "{entries:?} through {seq} did not survive: {recovered:?}");
        }
    }
}

/// Each is the state at its mutation, and has the journal behind it.
fn check_snapshots(disk: &Simulated) {
    let names = disk.list(Path::new("lists")).unwrap();
    let numbers = |before: &str, after: &str| -> Vec<u64> {
        let number = |name: &String| name.strip_prefix(before)?.strip_suffix(after)?.parse().ok();
        names.iter().filter_map(number).collect()
    };
    let sealed = numbers("lists.wal.", ".jsonl");
    let begins = sealed.into_iter().min().unwrap_or(1);
    let snapshots = numbers("lists.wal.snapshot.", ".json");
    assert!(!snapshots.is_empty(), "no snapshot in {names:?}");
    let behind = snapshots.iter().all(|seq| seq + 1 >= begins);
    assert!(behind, "a snapshot without the journal behind it: {names:?}");
    for seq in snapshots {
        let content = disk.content(format!("lists/lists.wal.snapshot.{seq:020}.json")).unwrap();
        let content = String::from_utf8(content).unwrap();
        let entries = content.split(r#""entries":["#).nth(1).unwrap().split(']').next().unwrap();
        let length = entries.split(',').filter(|entry| !entry.is_empty()).count() as u64;
        assert_eq!(length, seq, "a snapshot of another moment: {content}");
    }
}

/// The entries that an opening finds, which takes the lock and gives it back.
pub(super) fn reopen(disk: &Simulated) -> Vec<u64> {
    let storage = disk.clone();
    let lists: StateManager<List, CalmPush> =
        options().storage(storage).blocking_open("lists", "lists.wal.jsonl").unwrap();
    lists.read(|list| list.entries.clone())
}
