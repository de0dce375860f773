//! What a power cut after any one call may leave: every choice of what was not synced.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::world::{Unit, World};
use super::{Chance, Simulated};

/// A simulated disk as one call left it; see [`Simulated::watch`].
///
/// ```
/// # use ministate::{Mutator, Options};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Default, Serialize, Deserialize)]
/// # struct Counter { value: u32 }
/// # #[derive(Serialize, Deserialize)]
/// # struct Inc { by: u32 }
/// # impl Mutator<Counter> for Inc {
/// #     fn apply(&self, state: &mut Counter) { state.value += self.by }
/// # }
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use ministate::storage::{Simulated};
///
/// let disk = Simulated::new();
/// let open = |disk: &Simulated| {
///     Options::new().storage(disk.clone()).blocking_open::<Counter, Inc>("app", "app.wal.jsonl")
/// };
/// let manager = open(&disk)?;
/// disk.watch();
/// manager.blocking_apply(Inc { by: 1 })?;
/// for moment in disk.moments() {
///     println!("call {}: {}", moment.call(), moment.what());
///     // All of it was written, so who comes after a kill finds it.
///     assert!(open(&moment.after_kill())?.sequence() <= 1);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Moment {
    pub(super) call: u64,
    pub(super) what: Arc<str>,
    pub(super) world: World,
}

/// A disk that the machine may find after a power cut, and how it came about: its text names the
/// call before the power cut, and what of the changes before was kept (`+`) and lost (`-`).
///
/// ```
/// # use ministate::{Mutator, Options};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Default, Serialize, Deserialize)]
/// # struct Counter { value: u32 }
/// # #[derive(Serialize, Deserialize)]
/// # struct Inc { by: u32 }
/// # impl Mutator<Counter> for Inc {
/// #     fn apply(&self, state: &mut Counter) { state.value += self.by }
/// # }
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use ministate::storage::{Simulated};
///
/// let disk = Simulated::new();
/// let open = |disk: &Simulated| {
///     Options::new().storage(disk.clone()).blocking_open::<Counter, Inc>("app", "app.wal.jsonl")
/// };
/// let manager = open(&disk)?;
/// disk.watch();
/// manager.blocking_apply(Inc { by: 1 })?;
/// for state in disk.moments().iter().flat_map(|moment| moment.crash_states(100)) {
///     let counter = open(&state.disk).unwrap_or_else(|error| panic!("{state}: {error}"));
///     assert!(counter.sequence() <= 1, "{state}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct CrashState {
    /// The disk, on which nothing has happened since.
    pub disk: Simulated,
    /// The call before the power cut.
    pub call: u64,
    what: Arc<str>,
    kept: Vec<bool>,
}

impl Moment {
    /// The number of the call, counted from 0.
    pub fn call(&self) -> u64 {
        self.call
    }

    /// What the call did.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// The disk that a new process finds if this one is killed now: all that was written is there
    /// to be read, and a power cut can still take what was not synced.
    pub fn after_kill(&self) -> Simulated {
        Simulated::of(self.world.after_kill())
    }

    /// The different disks that the machine may find after a power cut now; see the model of
    /// [`Simulated`].
    ///
    /// There are two for each part that can be lost on its own, to the power of how many of them
    /// there are. Where these are more than `at_most`, those are tried that have nothing, all, all
    /// up to one, all from one on, one, or all but one of the parts, or of the pages of 4 KiB that
    /// they are in, and others by chance: always the same.
    pub fn crash_states(&self, at_most: usize) -> Vec<CrashState> {
        let units = self.world.units();
        let mut seen = HashSet::new();
        choices(&groups(&units), at_most, self.call)
            .into_iter()
            .map(|kept| {
                let world = self.world.after_power_cut(chosen(&units, &kept));
                let what = Arc::clone(&self.what);
                CrashState { disk: Simulated::of(world), call: self.call, what, kept }
            })
            .filter(|state| seen.insert(state.disk.digest()))
            .collect()
    }
}

impl fmt::Display for CrashState {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "power cut after call {} ({})", self.call, self.what)?;
        let kept = self.kept.iter().map(|kept| if *kept { '+' } else { '-' });
        let kept: String = kept.collect();
        if kept.is_empty() { Ok(()) } else { write!(out, ", keeping {kept}") }
    }
}

fn chosen<'a>(units: &'a [Unit], kept: &[bool]) -> impl Iterator<Item = &'a Unit> {
    units.iter().zip(kept).filter(|(_, kept)| **kept).map(|(unit, _)| unit)
}

/// The pages that the units are in, by their places; what is in none stands alone.
fn groups(units: &[Unit]) -> Vec<Range<usize>> {
    let mut groups: Vec<Range<usize>> = Vec::new();
    for (place, unit) in units.iter().enumerate() {
        let same = place
            .checked_sub(1)
            .is_some_and(|before| unit.page().is_some() && unit.page() == units[before].page());
        match groups.last_mut() {
            Some(last) if same => last.end = place + 1,
            _ => groups.push(place..place + 1),
        }
    }
    groups
}

/// What to keep of the units in these groups, each way once.
fn choices(groups: &[Range<usize>], at_most: usize, seed: u64) -> Vec<Vec<bool>> {
    let units = groups.last().map_or(0, |last| last.end);
    let all = u32::try_from(units).ok().and_then(|units| 2usize.checked_pow(units));
    if let Some(all) = all.filter(|all| *all <= at_most) {
        let bit = |choice: usize, unit: usize| choice >> unit & 1 == 1;
        return (0..all).map(|choice| (0..units).map(|unit| bit(choice, unit)).collect()).collect();
    }
    let mut choices = Vec::new();
    let mut seen = BTreeSet::new();
    let mut add = |choice: Vec<bool>| {
        if choices.len() < at_most && seen.insert(choice.clone()) {
            choices.push(choice);
        }
    };
    let of = |kept: &dyn Fn(usize) -> bool| (0..units).map(kept).collect::<Vec<bool>>();
    add(of(&|_| false));
    add(of(&|_| true));
    for one in 0..units {
        add(of(&|unit| unit <= one));
        add(of(&|unit| unit >= one));
        add(of(&|unit| unit == one));
        add(of(&|unit| unit != one));
    }
    for group in groups {
        add(of(&|unit| group.contains(&unit)));
        add(of(&|unit| !group.contains(&unit)));
    }
    let mut chance = Chance(seed);
    for _ in 0..at_most {
        add((0..units).map(|_| chance.half()).collect());
    }
    choices
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::choices;

    fn alone(units: usize) -> Vec<Range<usize>> {
        (0..units).map(|unit| unit..unit + 1).collect()
    }

    #[test]
    fn few_units_are_kept_in_every_way() {
        assert_eq!(choices(&alone(0), 1, 0), [Vec::<bool>::new()]);
        let all = [[false, false], [true, false], [false, true], [true, true]];
        assert_eq!(choices(&alone(2), 4, 0), all);
        assert_eq!(choices(&alone(5), 32, 0).len(), 32);
    }

    #[test]
    fn of_many_units_at_least_nothing_all_and_each_beginning_are_kept() {
        let choices = choices(&alone(70), 400, 7);
        assert_eq!(choices.len(), 400);
        for kept in 0..=70 {
            assert!(choices.contains(&(0..70).map(|unit| unit < kept).collect()), "{kept}");
        }
    }

    #[test]
    fn of_many_units_each_page_is_lost_as_a_whole() {
        let choices = choices(&[0..8, 8..16, 16..17], 100, 7);
        assert!(choices.contains(&(0..17).map(|unit| !(8..16).contains(&unit)).collect()));
        assert!(choices.contains(&(0..17).map(|unit| (8..16).contains(&unit)).collect()));
    }
}
