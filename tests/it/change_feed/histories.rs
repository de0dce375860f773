//! Random histories of writers, with subscribers and a follower beside them: what they see is what was
//! acknowledged.

use std::time::Duration;

use ministate::storage::Simulated;
use ministate::{Disposal, Follower, MiniStateError, Options, StateManager};
use ministate_tests::{Chance, JOURNAL, List, Lists, Push, push};

use super::{Changes, there};

const HISTORIES: u64 = 40;
const STEPS: u64 = 150;

struct Run {
    chance: Chance,
    disk: Simulated,
    lists: Option<Lists>,
    /// How many mutations were acknowledged; each entry is the number of those before it.
    acknowledged: u64,
    subscribers: Vec<Subscriber>,
}

struct Subscriber {
    changes: Changes,
    next: u64,
}

fn options(disk: &Simulated) -> Options {
    let options = Options::new().segment_bytes(500).snapshots_kept(1).disposal(Disposal::Delete);
    options.storage(disk.clone()).look_every(Duration::from_millis(1))
}

impl Run {
    fn lists(&self) -> &Lists {
        self.lists.as_ref().unwrap()
    }

    fn step(&mut self) {
        match self.chance.below(20) {
            0..9 => {
                self.lists().blocking_apply(push(self.acknowledged)).unwrap();
                self.acknowledged += 1;
            }
            9..12 => {
                let count = 1 + self.chance.below(5);
                let batch = self.acknowledged..self.acknowledged + count;
                self.lists().blocking_apply_batch(batch.map(push)).unwrap();
                self.acknowledged += count;
            }
            12 => self.lists().blocking_create_snapshot().unwrap(),
            13 => drop(self.lists().blocking_compact().unwrap()),
            14 => self.reopen(),
            15 => {
                let next = 1 + self.chance.below(self.acknowledged + 3);
                let changes = self.lists().subscribe(next);
                self.subscribers.push(Subscriber { changes, next });
            }
            _ => {
                let count = 1 + self.chance.below(8);
                if let Some(at) = self.chance.below(8).checked_rem(self.subscribers.len() as u64) {
                    self.take(at as usize, count);
                }
            }
        }
    }

    /// As after a crash, or after a close. Subscribers of the manager before end with it.
    fn reopen(&mut self) {
        if self.chance.below(2) == 0 {
            self.lists().blocking_close().unwrap();
        }
        self.lists = None;
        for at in (0..self.subscribers.len()).rev() {
            while self.take(at, 10) {}
        }
        self.lists = Some(options(&self.disk).blocking_open("lists", JOURNAL).unwrap());
        for subscriber in &mut self.subscribers {
            subscriber.changes = self.lists.as_ref().unwrap().subscribe(subscriber.next);
        }
    }

    /// Takes some, and whether there may be more.
    fn take(&mut self, at: usize, count: u64) -> bool {
        let subscriber = &mut self.subscribers[at];
        for _ in 0..count {
            match there(&mut subscriber.changes) {
                Some(Some(Ok(change))) => {
                    assert_eq!(change.seq, subscriber.next);
                    assert_eq!(change.mutation.entry, change.seq - 1);
                    assert!(change.seq <= self.acknowledged);
                    subscriber.next += 1;
                }
                Some(Some(Err(MiniStateError::Trimmed { seq, first }))) => {
                    assert!(seq == subscriber.next && first > seq);
                    assert!(first <= self.acknowledged + 1);
                    subscriber.next = first;
                    match &self.lists {
                        Some(lists) => subscriber.changes = lists.subscribe(first),
                        None => return false,
                    }
                }
                Some(Some(Err(error))) => panic!("{error}"),
                Some(None) => {
                    assert!(self.lists.is_none());
                    assert!(subscriber.next > self.acknowledged);
                    return false;
                }
                None => {
                    assert!(self.lists.is_some(), "a manager that is dropped ends it");
                    assert!(subscriber.next > self.acknowledged);
                    return false;
                }
            }
        }
        true
    }
}

fn check_follower(follower: &Follower<List, Push>) {
    let (entries, seq) = follower.read_with_sequence(|list, seq| (list.entries.clone(), seq));
    assert_eq!(entries, (0..seq).collect::<Vec<_>>());
    let status = follower.status();
    assert!(!status.has_ended, "{status:?}");
}

#[test]
fn subscribers_and_followers_see_what_was_acknowledged() {
    for seed in 0..HISTORIES {
        let disk = Simulated::new();
        let lists = Some(options(&disk).blocking_open("lists", JOURNAL).unwrap());
        let follower = options(&disk).blocking_follow::<List, Push>("lists", JOURNAL).unwrap();
        let (chance, subscribers) = (Chance(seed), Vec::new());
        let mut run = Run { chance, disk, lists, acknowledged: 0, subscribers };
        for _ in 0..STEPS {
            run.step();
            check_follower(&follower);
        }
        for at in 0..run.subscribers.len() {
            while run.take(at, 10) {}
        }
        follower.blocking_wait_for(run.acknowledged).unwrap();
        check_follower(&follower);
        run.lists = None;
        let promoted: StateManager<List, Push> = follower.blocking_promote().unwrap();
        assert_eq!(promoted.sequence(), run.acknowledged);
        assert_eq!(promoted.blocking_apply(push(run.acknowledged)).unwrap(), run.acknowledged + 1);
        promoted.blocking_verify_replay().unwrap();
    }
}
