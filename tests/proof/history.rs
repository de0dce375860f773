//! Small histories: what a program does with its journal on a watched disk, by a seed.

use std::future::Future;
use std::task::{Context, Poll, Waker};

use ministate::__private::{planted_now, with_bug};
use ministate::storage::{Moment, Simulated};
use ministate::{Disposal, MiniStateError, Options};
use ministate_tests::{Chance, Gated, JOURNAL, Lists, Push, entries};

use crate::ledger::{AttemptId, Ledger, Outcome};

/// The directory of the journal.
pub(crate) const DIR: &str = "lists";

/// What is chosen for a journal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Choices {
    segment_bytes: u64,
    snapshots_kept: usize,
    disposal: Disposal,
}

/// One thing that a program does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// One batch of so many mutations, with so much padding each.
    Apply {
        mutations: u64,
        padding: usize,
    },
    /// Several callers share a sync.
    Together {
        callers: u64,
        padding: usize,
    },
    Snapshot,
    SnapshotByClone,
    Compact,
    /// Closes, and opens again.
    Close,
    /// Drops the manager as it is, and opens again.
    Drop,
}

/// What happened on a disk.
#[derive(Debug)]
pub(crate) struct Happened {
    pub(crate) ledger: Ledger,
    /// The disk after every call that changed something.
    pub(crate) moments: Vec<Moment>,
    /// Why the program could not go on, if so.
    pub(crate) stopped: Option<Stopped>,
}

/// Why a program could not go on.
#[derive(Debug)]
#[expect(dead_code, reason = "the fields are for the text of a finding")]
pub(crate) enum Stopped {
    /// The journal does not open.
    Refused(MiniStateError),
    /// It opens with something else than what was acknowledged.
    Differs { found: Vec<u64>, seq: u64 },
    /// A mutation was not acknowledged.
    NotAcknowledged,
    /// The manager did not close.
    NotClosed,
}

impl Choices {
    pub(crate) fn by(chance: &mut Chance) -> Choices {
        Choices {
            segment_bytes: [300, 300, 700, 2_000, 100_000][chance.below(5) as usize],
            snapshots_kept: 1 + chance.below(2) as usize,
            disposal: [Disposal::Archive, Disposal::Delete][chance.below(2) as usize],
        }
    }

    pub(crate) fn options(&self) -> Options {
        Options::new()
            .segment_bytes(self.segment_bytes)
            .snapshots_kept(self.snapshots_kept)
            .disposal(self.disposal)
    }

    pub(crate) fn open(&self, disk: &Simulated) -> Result<Lists, MiniStateError> {
        self.options().storage(disk.clone()).blocking_open(DIR, JOURNAL)
    }
}

/// What a program does in so many steps.
pub(crate) fn steps(count: u64, chance: &mut Chance) -> Vec<Step> {
    (0..count)
        .map(|_| {
            let padding = [0, 0, 0, 90, 700, 2_500][chance.below(6) as usize];
            match chance.below(16) {
                0..=5 => Step::Apply { mutations: 1, padding },
                6 | 7 => Step::Apply { mutations: 2 + chance.below(5), padding },
                8 | 9 => Step::Together { callers: 2 + chance.below(3), padding },
                10 | 11 => Step::Snapshot,
                12 => Step::SnapshotByClone,
                13 => Step::Compact,
                14 => Step::Close,
                _ => Step::Drop,
            }
        })
        .collect()
}

/// Lives through the steps, up to the first mutation that is not acknowledged. Before them, the disk
/// has so many mutations.
pub(crate) fn live(disk: &Simulated, choices: Choices, steps: &[Step], base: u64) -> Happened {
    disk.watch();
    let gated = Gated::before(disk.clone());
    let mut program = Program { gated, choices, ledger: Ledger::behind(base) };
    let stopped = program.live(steps).err();
    Happened { ledger: program.ledger, moments: disk.moments(), stopped }
}

struct Program {
    gated: Gated,
    choices: Choices,
    ledger: Ledger,
}

impl Program {
    fn live(&mut self, steps: &[Step]) -> Result<(), Stopped> {
        let mut lists = self.open()?;
        for step in steps {
            match *step {
                Step::Apply { mutations, padding } => self.apply(&lists, mutations, padding)?,
                Step::Together { callers, padding } => self.together(&lists, callers, padding)?,
                // What fails here takes nothing back.
                Step::Snapshot => drop(lists.blocking_create_snapshot()),
                Step::SnapshotByClone => drop(lists.blocking_create_snapshot_by_clone()),
                Step::Compact => drop(lists.blocking_compact()),
                Step::Close => {
                    lists.blocking_close().map_err(|_| Stopped::NotClosed)?;
                    lists = self.open()?;
                }
                Step::Drop => {
                    drop(lists);
                    lists = self.open()?;
                }
            }
        }
        Ok(())
    }

    fn open(&self) -> Result<Lists, Stopped> {
        let options = self.choices.options().storage(self.gated.clone());
        let lists: Lists = options.blocking_open(DIR, JOURNAL).map_err(Stopped::Refused)?;
        let (found, seq) = (entries(&lists), lists.sequence());
        if found.iter().copied().eq(0..self.ledger.next()) && seq == self.ledger.next() {
            Ok(lists)
        } else {
            Err(Stopped::Differs { found, seq })
        }
    }

    fn calls(&self) -> u64 {
        self.gated.disk.calls()
    }

    fn begin(&mut self, mutations: u64, padding: usize) -> (AttemptId, Vec<Push>) {
        let first = self.ledger.next();
        let attempt = self.ledger.begin(mutations, self.calls());
        let push = |entry| Push { entry, padding: "x".repeat(padding) };
        (attempt, (first..first + mutations).map(push).collect())
    }

    fn end<T>(
        &mut self,
        attempt: AttemptId,
        result: &Result<T, MiniStateError>,
    ) -> Result<(), Stopped> {
        let calls = self.calls();
        match self.ledger.end(attempt, result, calls) {
            Outcome::Acknowledged => Ok(()),
            Outcome::NotWritten | Outcome::Unknown => Err(Stopped::NotAcknowledged),
        }
    }

    fn apply(&mut self, lists: &Lists, mutations: u64, padding: usize) -> Result<(), Stopped> {
        let (attempt, pushes) = self.begin(mutations, padding);
        self.end(attempt, &lists.blocking_apply_batch(pushes))
    }

    /// The callers come while the sync of the first is under way.
    fn together(&mut self, lists: &Lists, callers: u64, padding: usize) -> Result<(), Stopped> {
        let (first, leading) = self.begin(1, padding);
        let gated = self.gated.clone();
        gated.shut();
        let mut context = Context::from_waker(Waker::noop());
        let (led, others) = std::thread::scope(|scope| {
            let bug = planted_now();
            let gate = &gated;
            let leader = scope.spawn(move || {
                let result = with_bug(bug, || lists.blocking_apply_batch(leading));
                gate.give_up();
                result
            });
            gated.wait_for_a_sync();
            let others: Vec<_> = (1..callers)
                .map(|caller| {
                    let (attempt, pushes) = self.begin(caller, padding);
                    let mut apply = Box::pin(lists.apply_batch(pushes));
                    let polled = apply.as_mut().poll(&mut context);
                    (attempt, apply, polled)
                })
                .collect();
            gated.open();
            (leader.join().unwrap(), others)
        });
        let mut ended = self.end(first, &led);
        for (attempt, mut apply, mut polled) in others {
            if polled.is_pending() {
                polled = apply.as_mut().poll(&mut context);
            }
            let Poll::Ready(result) = polled else {
                panic!("the leader left a caller without an answer")
            };
            ended = ended.and(self.end(attempt, &result));
        }
        ended
    }
}
