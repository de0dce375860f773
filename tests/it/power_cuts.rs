//! Whatever a power cut or a failing call leaves of a journal, nothing acknowledged is lost.
//!
//! A bounded tier: every call of many small histories is a moment for the power to go.

use std::future::Future;
use std::task::{Context, Poll, Waker};

use ministate::storage::{Fault, Simulated};
use ministate::{Disposal, MiniStateError, Options};
use ministate_tests::{Chance, Gated, JOURNAL, Lists, Push, entries, open_simulated};

/// What a program has done so far, as it knows it.
#[derive(Debug, Clone, Default)]
struct History {
    /// What the disk must have, in order.
    acknowledged: Vec<u64>,
    /// What it may have behind that: of each attempt all or nothing, the later only with the
    /// earlier.
    in_doubt: Vec<Vec<u64>>,
    next_entry: u64,
}

impl History {
    /// Checks what was recovered, and takes it for what has happened.
    fn settle(&mut self, recovered: Vec<u64>, story: &dyn Fn() -> String) {
        let mut possible = self.acknowledged.clone();
        let mut known = possible == recovered;
        for attempt in &self.in_doubt {
            possible.extend(attempt);
            known |= possible == recovered;
        }
        assert!(
            known,
            "{}: recovered {recovered:?}, acknowledged {:?}, in doubt {:?}",
            story(),
            self.acknowledged,
            self.in_doubt
        );
        self.acknowledged = recovered;
        self.in_doubt.clear();
    }

    fn attempt(&mut self, count: u64) -> Vec<u64> {
        let first = self.next_entry;
        self.next_entry += count;
        (first..self.next_entry).collect()
    }

    fn outcome<T>(&mut self, attempt: Vec<u64>, result: Result<T, MiniStateError>) -> bool {
        match result {
            Ok(_) => self.acknowledged.extend(attempt),
            Err(MiniStateError::OutcomeUnknown { .. }) => self.in_doubt.push(attempt),
            Err(MiniStateError::NotWritten { .. } | MiniStateError::Poisoned { .. }) => {}
            Err(other) => panic!("an apply ended with {other}"),
        }
        self.in_doubt.is_empty()
    }
}

/// Some applies and batches, until something fails; a close now and then.
fn work(lists: &Lists, gated: &Gated, history: &mut History, chance: &mut Chance) {
    for _ in 0..chance.below(5) {
        let first = apply_alone(lists, history, chance);
        if first.is_err()
            || chance.below(2) == 0 && apply_together(lists, gated, history, chance).is_err()
        {
            return;
        }
    }
    if chance.below(3) == 0 {
        // What fails here takes nothing back.
        drop(lists.blocking_create_snapshot());
        if chance.below(2) == 0 {
            drop(lists.blocking_compact());
        }
        let attempt = history.attempt(1);
        let result = lists.blocking_apply(ministate_tests::push(attempt[0]));
        if !history.outcome(attempt, result) {
            return;
        }
    }
    if chance.below(3) == 0 {
        // A close that fails takes nothing back.
        drop(lists.blocking_close());
    }
}

/// Something failed, and the manager will do no more.
struct Failed;

fn pushes(history: &mut History, chance: &mut Chance) -> (Vec<u64>, Vec<Push>) {
    let attempt = history.attempt([1, 1, 1, 2, 5][chance.below(5) as usize]);
    let padding = "x".repeat(chance.below(700) as usize * usize::from(chance.below(3) == 0));
    let push = |entry: &u64| Push { entry: *entry, padding: padding.clone() };
    let pushes = attempt.iter().map(push).collect();
    (attempt, pushes)
}

fn apply_alone(lists: &Lists, history: &mut History, chance: &mut Chance) -> Result<(), Failed> {
    let (attempt, pushes) = pushes(history, chance);
    let result = lists.blocking_apply_batch(pushes);
    let failed = result.is_err();
    history.outcome(attempt, result);
    if failed { Err(Failed) } else { Ok(()) }
}

/// Several callers whose records share one sync, behind one whose sync is under way.
fn apply_together(
    lists: &Lists,
    gated: &Gated,
    history: &mut History,
    chance: &mut Chance,
) -> Result<(), Failed> {
    let (attempt, leading) = pushes(history, chance);
    gated.shut();
    let mut context = Context::from_waker(Waker::noop());
    let (first, mut others) = std::thread::scope(|scope| {
        let leader = scope.spawn(|| {
            let result = lists.blocking_apply_batch(leading);
            gated.give_up();
            result
        });
        gated.wait_for_a_sync();
        let mut others = Vec::new();
        for _ in 0..=chance.below(4) {
            let (attempt, pushes) = pushes(history, chance);
            let mut apply = Box::pin(lists.apply_batch(pushes));
            match apply.as_mut().poll(&mut context) {
                Poll::Pending => others.push((attempt, Err(apply))),
                Poll::Ready(result) => others.push((attempt, Ok(result))),
            }
        }
        gated.open();
        (leader.join().unwrap(), others)
    });
    let mut failed = first.is_err();
    history.outcome(attempt, first);
    for (attempt, other) in others.drain(..) {
        let result = other.unwrap_or_else(|mut apply| match apply.as_mut().poll(&mut context) {
            Poll::Ready(result) => result,
            Poll::Pending => panic!("the leader left a caller without an answer"),
        });
        failed |= result.is_err();
        history.outcome(attempt, result);
    }
    if failed { Err(Failed) } else { Ok(()) }
}

/// Opens, works and is interrupted, three times over; then looks.
fn live(seed: u64, interrupt: &dyn Fn(&Simulated, u64, &mut Chance), story: &str) -> u64 {
    let mut chance = Chance(seed);
    let mut history = History::default();
    let segment_bytes = [300, 900, 5_000][chance.below(3) as usize];
    let mut disk = Simulated::new();
    let mut states = 0;
    for life in 0..3 {
        let tell = || format!("{story}, seed {seed}, life {life}");
        interrupt(&disk, life, &mut chance);
        let gated = Gated::before(disk.clone());
        let disposal = [Disposal::Archive, Disposal::Delete][chance.below(2) as usize];
        let opened = Options::new()
            .segment_bytes(segment_bytes)
            .snapshots_kept(1 + chance.below(2) as usize)
            .disposal(disposal)
            .storage(gated.clone())
            .blocking_open("lists", JOURNAL);
        if let Ok(lists) = opened {
            history.settle(entries(&lists), &tell);
            work(&lists, &gated, &mut history, &mut chance);
        }
        disk = if chance.below(4) == 0 {
            disk.after_kill()
        } else {
            disk.restarted(chance.below(u64::MAX))
        };
        states += 1;
    }
    for again in 0..2 {
        let tell = || format!("{story}, seed {seed}, look {again}");
        let lists = open_simulated(&disk, segment_bytes)
            .unwrap_or_else(|error| panic!("{}: {error}, {history:?}", tell()));
        history.settle(entries(&lists), &tell);
        let attempt = history.attempt(1);
        let result = lists.blocking_apply(Push { entry: attempt[0], padding: String::new() });
        assert!(history.outcome(attempt, result));
    }
    states
}

/// A bounded tier; `just crash` lives through more.
fn histories() -> u64 {
    std::env::var("MINISTATE_CRASH_HISTORIES").map_or(6_000, |histories| histories.parse().unwrap())
}

#[test]
fn acknowledged_mutations_survive_a_power_cut_at_any_call() {
    let mut states = 0;
    for seed in 0..histories() {
        states += live(
            seed,
            &|disk, _life, chance| disk.cut_power_at(disk.calls() + chance.below(120)),
            "power cut",
        );
    }
    println!("{states} crash states");
}

#[test]
fn acknowledged_mutations_survive_any_failing_call() {
    let mut states = 0;
    for seed in 0..histories() {
        states += live(
            seed,
            &|disk, _life, chance| {
                let fault = if chance.below(2) == 0 { Fault::Fails } else { Fault::Full };
                disk.fail_at(disk.calls() + chance.below(120), fault);
            },
            "failing call",
        );
    }
    println!("{states} crash states");
}
