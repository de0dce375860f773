//! What did the program have at each moment, and what does a disk have of it after a crash?

use std::collections::HashSet;
use std::marker::PhantomData;
use std::ops::RangeInclusive;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::clock::wait_for_another_second;
use super::difference::Difference;
use super::findings::{CrashCounts, CrashFailure};
use super::past::{Past, Unfaithful};
use super::written::Written;
use super::{DIR, JOURNAL};
use crate::error::MiniStateError;
use crate::manager::StateManager;
use crate::mutation::{Mutator, Reply};
use crate::options::Options;
use crate::storage::{CrashState, Moment, Simulated};

/// How many disks of one moment are looked at: so many of each moment first, then more of each.
const SHARES: [usize; 5] = [2, 8, 32, 128, 512];

/// A journal has about so many segments, unless they would be all too small.
const SEGMENTS: u64 = 6;
const SEGMENT_BYTES_MIN: u64 = 1024;

/// The initial state, as often as it is asked for.
pub(super) type Initial<'a, S> = &'a dyn Fn() -> S;

/// What a program did, and what it had behind each mutation.
pub(super) struct History<'a, S, M> {
    initial: Initial<'a, S>,
    options: Options,
    mutations: Vec<Written>,
    /// The state behind each mutation, the initial one first.
    states: Vec<Past>,
    calls: Vec<Calls>,
    moments: Vec<Moment>,
    counts: CrashCounts,
    mutator: PhantomData<fn() -> M>,
}

/// Which calls of the disk were for a mutation.
struct Calls {
    first: u64,
    /// The first behind the answer.
    end: u64,
}

impl<'a, S, M> History<'a, S, M>
where
    S: Serialize + DeserializeOwned + Send + Sync + 'static,
    M: Mutator<S> + Serialize + DeserializeOwned + Send + 'static,
{
    /// Lets a program apply the mutations, on a watched disk without any crash.
    pub(super) fn live(
        initial: Initial<'a, S>,
        mutations: impl IntoIterator<Item = M>,
    ) -> Result<History<'a, S, M>, CrashFailure> {
        let mutations = written::<S, M>(mutations)?;
        let bytes: u64 = mutations.iter().map(Written::bytes).sum();
        let segment_bytes = (bytes / SEGMENTS).max(SEGMENT_BYTES_MIN);
        let mut history = History {
            initial,
            options: Options::new().segment_bytes(segment_bytes).snapshots_kept(1),
            counts: CrashCounts { mutations: mutations.len() as u64, ..CrashCounts::default() },
            mutations,
            states: Vec::new(),
            calls: Vec::new(),
            moments: Vec::new(),
            mutator: PhantomData,
        };
        history.work()?;
        Ok(history)
    }

    fn work(&mut self) -> Result<(), CrashFailure> {
        let disk = Simulated::new();
        disk.watch();
        let last = self.mutations.len();
        let (snapshots, closing) = ([last.div_ceil(3), (2 * last).div_ceil(3)], last.div_ceil(2));
        let mut manager = self.open(&disk).map_err(stopped("the first opening"))?;
        self.remember(&manager)?;
        for seq in 1..=last {
            let doing = |what: &str| stopped(format!("{what} mutation {seq}"));
            let mutation = self.mutations[seq - 1].read::<S, M>();
            let first = disk.calls();
            manager.blocking_apply(mutation).map_err(doing("applying"))?;
            self.calls.push(Calls { first, end: disk.calls() });
            self.remember(&manager)?;
            if snapshots.contains(&seq) {
                manager.blocking_create_snapshot().map_err(doing("a snapshot behind"))?;
                manager.blocking_compact().map_err(doing("a compaction behind"))?;
            }
            if seq == closing {
                manager.blocking_close().map_err(doing("closing behind"))?;
                drop(manager);
                manager = self.reopen(&disk)?;
            }
        }
        manager.blocking_close().map_err(stopped("closing"))?;
        drop(manager);
        // From now on the clock differs from all that handlers may have seen of it.
        wait_for_another_second();
        drop(self.reopen(&disk)?);
        self.moments = disk.moments();
        Ok(())
    }

    fn open(&self, disk: &Simulated) -> Result<StateManager<S, M>, MiniStateError> {
        let options = self.options.clone().storage(disk.clone());
        options.blocking_open_with(DIR, JOURNAL, (self.initial)())
    }

    fn remember(&mut self, manager: &StateManager<S, M>) -> Result<(), CrashFailure> {
        let seq = manager.sequence();
        let past = manager.read(|state| Past::of(state));
        self.states.push(past.map_err(|unfaithful| self.unfaithful(seq, &unfaithful))?);
        Ok(())
    }

    fn unfaithful(&self, seq: u64, unfaithful: &Unfaithful) -> CrashFailure {
        let (mutation, what) = (self.mutation(seq), unfaithful.to_string());
        CrashFailure::NotItsJson { seq, mutation, what }
    }

    fn reopen(&self, disk: &Simulated) -> Result<StateManager<S, M>, CrashFailure> {
        let (after, seq) = ("closing the journal and opening it again", self.calls.len() as u64);
        self.open_after(disk, &|| after.to_string(), seq..=seq)
    }

    /// Opens a disk, on which the last mutation must be one of these.
    fn open_after(
        &self,
        disk: &Simulated,
        after: &dyn Fn() -> String,
        allowed: RangeInclusive<u64>,
    ) -> Result<StateManager<S, M>, CrashFailure> {
        let manager = match self.open(disk) {
            Ok(manager) => manager,
            Err(error) => {
                return Err(CrashFailure::NotOpened { after: after(), source: Arc::new(error) });
            }
        };
        let found = manager.sequence();
        if !allowed.contains(&found) {
            return Err(CrashFailure::WrongSequence { after: after(), found, allowed });
        }
        match self.difference(found, &manager)? {
            None => Ok(manager),
            Some(difference) => Err(self.other_state(&manager, after(), difference)),
        }
    }

    fn difference(
        &self,
        seq: u64,
        manager: &StateManager<S, M>,
    ) -> Result<Option<Difference>, CrashFailure> {
        manager
            .read(|state| self.states[place(seq)].difference(state))
            .map_err(|unfaithful| self.unfaithful(seq, &unfaithful))
    }

    /// Looks for the first mutation behind which the state is another.
    fn other_state(
        &self,
        manager: &StateManager<S, M>,
        after: String,
        difference: Difference,
    ) -> CrashFailure {
        let (snapshot, last) = (manager.recovery().snapshot, manager.sequence());
        let in_files = |seq: u64| {
            let state = manager.blocking_state_at(seq).ok()?;
            Some((seq, self.states[place(seq)].difference(&state).ok()??))
        };
        // The files may begin behind the mutation that is to blame. And where chance decides, no
        // other replay need be wrong.
        let (seq, difference) = self
            .first_that_differs(last)
            .or_else(|| (snapshot..=last).find_map(in_files))
            .unwrap_or((last, difference));
        let (mutation, difference) = (self.mutation(seq), Box::new(difference));
        CrashFailure::OtherState { after, seq, mutation, difference }
    }

    /// Applies the mutations again, all from the initial state on.
    fn first_that_differs(&self, last: u64) -> Option<(u64, Difference)> {
        let mut state: S = self.states[0].read_back().ok()?;
        (1..=last).find_map(|seq| {
            let mutation = self.mutations[place(seq - 1)].read::<S, M>();
            mutation.__execute(&mut state, &mut Reply::discarded());
            Some((seq, self.states[place(seq)].difference(&state).ok()??))
        })
    }

    /// The operation with this number and its JSON.
    fn mutation(&self, seq: u64) -> Option<String> {
        self.mutations.get(place(seq.checked_sub(1)?)).map(ToString::to_string)
    }

    /// Looks at so many of the disks that a crash can leave.
    pub(super) fn survive(mut self, at_most: usize) -> Result<CrashCounts, CrashFailure> {
        self.counts.moments = self.moments.len() as u64;
        let mut seen = HashSet::new();
        for share in SHARES {
            let before = seen.len();
            for place in spread(self.moments.len()) {
                let allowed = self.allowed(self.moments[place].call());
                for state in self.moments[place].crash_states(share) {
                    if seen.len() == at_most {
                        return Ok(self.counts);
                    }
                    if seen.insert((state.disk.digest(), allowed.clone())) {
                        self.look(&state, allowed.clone())?;
                    }
                }
            }
            if seen.len() == before {
                break;
            }
        }
        Ok(self.counts)
    }

    /// The last mutation that may be on a disk that is as the calls through this one left it.
    fn allowed(&self, call: u64) -> RangeInclusive<u64> {
        let acknowledged = self.calls.iter().take_while(|calls| calls.end <= call).count();
        let begun = self.calls.iter().take_while(|calls| calls.first <= call).count();
        acknowledged as u64..=begun as u64
    }

    fn look(
        &mut self,
        state: &CrashState,
        allowed: RangeInclusive<u64>,
    ) -> Result<(), CrashFailure> {
        let after = || format!("a {state}");
        let manager = self.open_after(&state.disk, &after, allowed)?;
        let recovery = manager.recovery();
        self.counts.crash_states += 1;
        self.counts.replayed += recovery.replayed;
        self.counts.torn_tails += u64::from(recovery.torn_tail.is_some());
        self.counts.from_snapshots += u64::from(recovery.snapshot > 0);
        let seq = manager.sequence() + 1;
        let Some(next) = self.mutations.get(place(seq - 1)) else { return Ok(()) };
        if let Err(error) = manager.blocking_apply(next.read::<S, M>()) {
            let (mutation, source) = (next.to_string(), Arc::new(error));
            return Err(CrashFailure::NotContinued { after: after(), seq, mutation, source });
        }
        match self.difference(seq, &manager)? {
            None => Ok(()),
            Some(difference) => {
                let (after, mutation) = (after(), self.mutation(seq));
                let difference = Box::new(difference);
                Err(CrashFailure::OtherState { after, seq, mutation, difference })
            }
        }
    }
}

fn written<S, M>(mutations: impl IntoIterator<Item = M>) -> Result<Vec<Written>, CrashFailure>
where
    M: Mutator<S> + Serialize + DeserializeOwned,
{
    let mut list = Vec::new();
    for mutation in mutations {
        let stopped = stopped(format!("applying mutation {}", list.len() + 1));
        let written = Written::of::<S, M>(mutation);
        let (written, _) = written.map_err(|reason| stopped(MiniStateError::Refused { reason }))?;
        list.push(written);
    }
    Ok(list)
}

fn stopped(doing: impl Into<String>) -> impl FnOnce(MiniStateError) -> CrashFailure {
    let doing = doing.into();
    |error| CrashFailure::Stopped { doing, source: Arc::new(error) }
}

/// All places up to this one, so that any first few of them are spread over the whole.
fn spread(places: usize) -> impl Iterator<Item = usize> {
    let bits = usize::BITS - places.saturating_sub(1).leading_zeros();
    let reversed = move |place: usize| place.reverse_bits() >> (usize::BITS - bits.max(1));
    (0..1 << bits.max(1)).map(reversed).filter(move |place| *place < places)
}

fn place(seq: u64) -> usize {
    usize::try_from(seq).expect("the history is in memory")
}

#[cfg(test)]
mod tests {
    use super::spread;

    #[test]
    fn every_place_is_visited_once_and_far_ones_early() {
        for places in [0, 1, 2, 7, 64, 100] {
            let mut visited: Vec<usize> = spread(places).collect();
            assert!(places < 64 || visited[1] >= places / 2 && visited[2] >= places / 4);
            visited.sort_unstable();
            assert_eq!(visited, (0..places).collect::<Vec<_>>());
        }
    }
}
