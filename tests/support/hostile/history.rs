//! What has happened to a journal before it is damaged? A few steps, as bytes choose them.

use std::future::Future;
use std::sync::OnceLock;
use std::task::{Context, Poll, Waker};

use ministate::storage::Simulated;
use ministate::{Disposal, Options, StateManager};

use super::choices::Choices;
use super::operations::{Named, Pushes};
use super::{DIR, files, trim_fill};
use crate::reference::Files;
use crate::{Gated, JOURNAL, List};

/// What a history leaves.
#[derive(Debug)]
pub(super) struct History {
    pub(super) files: Files,
    /// What was acknowledged: all there is.
    pub(super) entries: Vec<u64>,
}

/// Enough for several segments and snapshots.
const STEPS_MAX: u64 = 16;

/// Lives a history, whose last step is a kill or a close.
pub(super) fn lived<M: Pushes>(choices: &mut Choices<'_>) -> History {
    let disk = Simulated::new();
    let mut entries = Vec::new();
    let settings = Settings {
        segment_bytes: choices.one_of(&[400, 1_500, u64::MAX]),
        kept: choices.below(2) as usize + 1,
        disposal: choices.one_of(&[Disposal::Archive, Disposal::Delete]),
    };
    let gated = Gated::before(disk.clone());
    let mut lists = settings.open::<M>(&gated);
    for _ in 0..choices.below(STEPS_MAX + 1) {
        let step = choices.below(16);
        match step {
            0..=5 => {
                let [mutation] = pushes::<M, 1>(choices, &mut entries);
                lists.blocking_apply(mutation).expect("the disk is sound");
            }
            6 | 7 => {
                let batch = pushes::<M, 3>(choices, &mut entries);
                lists.blocking_apply_batch(batch).expect("the disk is sound");
            }
            8..=10 => together(&lists, &gated, choices, &mut entries),
            11 => lists.blocking_create_snapshot().expect("the disk is sound"),
            12 => {
                lists.blocking_create_snapshot().expect("the disk is sound");
                lists.blocking_compact().expect("the disk is sound");
            }
            _ => {
                if step < 15 {
                    lists.blocking_close().expect("the disk is sound");
                }
                drop(lists);
                trim_fill(&disk);
                lists = settings.open::<M>(&gated);
            }
        }
    }
    if choices.below(2) == 0 {
        lists.blocking_close().expect("the disk is sound");
    }
    drop(lists);
    trim_fill(&disk);
    History { files: files(&disk), entries }
}

struct Settings {
    segment_bytes: u64,
    kept: usize,
    disposal: Disposal,
}

impl Settings {
    fn open<M: Pushes>(&self, gated: &Gated) -> StateManager<List, M> {
        Options::new()
            .segment_bytes(self.segment_bytes)
            .snapshots_kept(self.kept)
            .disposal(self.disposal)
            .storage(gated.clone())
            .blocking_open(DIR, JOURNAL)
            .expect("the disk is sound")
    }
}

fn pushes<M: Pushes, const N: usize>(choices: &mut Choices<'_>, entries: &mut Vec<u64>) -> [M; N] {
    let padding = "x".repeat(choices.one_of(&[0, 0, 0, 7, 90, 600]));
    [(); N].map(|()| {
        let entry = entries.len() as u64 + 1;
        entries.push(entry);
        M::padded(entry, padding.clone())
    })
}

/// Callers whose records share one sync, behind one whose sync is under way.
fn together<M: Pushes>(
    lists: &StateManager<List, M>,
    gated: &Gated,
    choices: &mut Choices<'_>,
    entries: &mut Vec<u64>,
) {
    let [leading] = pushes::<M, 1>(choices, entries);
    let mut context = Context::from_waker(Waker::noop());
    gated.shut();
    std::thread::scope(|scope| {
        let leader = scope.spawn(|| {
            lists.blocking_apply(leading).expect("the disk is sound");
            gated.give_up();
        });
        gated.wait_for_a_sync();
        let batches = [(); 2].map(|()| pushes::<M, 2>(choices, entries));
        let mut others = batches.map(|batch| Box::pin(lists.apply_batch(batch)));
        let [alone] = pushes::<M, 1>(choices, entries);
        let mut last = Box::pin(lists.apply(alone));
        for other in &mut others {
            assert!(other.as_mut().poll(&mut context).is_pending());
        }
        assert!(last.as_mut().poll(&mut context).is_pending());
        gated.open();
        leader.join().expect("the disk is sound");
        for other in &mut others {
            assert!(matches!(other.as_mut().poll(&mut context), Poll::Ready(Ok(_))));
        }
        assert!(matches!(last.as_mut().poll(&mut context), Poll::Ready(Ok(_))));
    });
}

/// The mutation of the newest snapshot in [`with_snapshots`].
pub(super) const NEWEST_SNAPSHOT: u64 = 6;

/// A journal with the genesis, two snapshots more, and records behind them; and its entries.
pub(super) fn with_snapshots() -> (Files, Vec<u64>) {
    static MADE: OnceLock<(Files, Vec<u64>)> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let disk = Simulated::new();
        let lists = super::open::<Named>(&disk).expect("an empty disk opens");
        for entry in 1..=8 {
            lists.blocking_apply(Named::pushes(entry)).expect("the disk is sound");
            if [3, NEWEST_SNAPSHOT].contains(&entry) {
                lists.blocking_create_snapshot().expect("the disk is sound");
            }
        }
        lists.blocking_close().expect("the disk is sound");
        (files(&disk), (1..=8).collect())
    });
    made.clone()
}
