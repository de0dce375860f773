//! What a power cut after any one call may leave: every choice of what was not synced.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::sync::Arc;

use super::world::{Unit, World};
use super::{Chance, Simulated};

/// A simulated disk as one call left it; see [`Simulated::watch`].
#[derive(Debug, Clone)]
pub struct Moment {
    pub(super) call: u64,
    pub(super) what: Arc<str>,
    pub(super) world: World,
}

/// A disk that the machine may find after a power cut, and how it came about: its text names the
/// call before the power cut, and what of the changes before was kept (`+`) and lost (`-`).
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
    /// up to one, all from one on, one, or all but one of the parts, and others by chance: always
    /// the same.
    pub fn crash_states(&self, at_most: usize) -> Vec<CrashState> {
        let units = self.world.units();
        let mut seen = HashSet::new();
        choices(units.len(), at_most, self.call)
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

/// What to keep of so many units, each way once.
fn choices(units: usize, at_most: usize, seed: u64) -> Vec<Vec<bool>> {
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
    let mut chance = Chance(seed);
    for _ in 0..at_most {
        add((0..units).map(|_| chance.half()).collect());
    }
    choices
}

#[cfg(test)]
mod tests {
    use super::choices;

    #[test]
    fn few_units_are_kept_in_every_way() {
        assert_eq!(choices(0, 1, 0), [Vec::<bool>::new()]);
        assert_eq!(choices(2, 4, 0), [[false, false], [true, false], [false, true], [true, true]]);
        assert_eq!(choices(5, 32, 0).len(), 32);
    }

    #[test]
    fn of_many_units_at_least_nothing_all_and_each_beginning_are_kept() {
        let choices = choices(70, 400, 7);
        assert_eq!(choices.len(), 400);
        for kept in 0..=70 {
            assert!(choices.contains(&(0..70).map(|unit| unit < kept).collect()), "{kept}");
        }
    }
}
