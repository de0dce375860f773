//! How does each compare with the floor, with the seed, and with the best beside ours?

use ministate_benches::samples::{median, median_ratio};
use ministate_benches::table::{none, ratio};

use crate::contestants::{OURS, SEED};

/// The rounds of each who took part, and which number of a round is the more the better.
#[derive(Debug)]
pub(crate) struct Standing<'a, T> {
    names: &'a [String],
    rounds: &'a [Vec<T>],
    speed: fn(&T) -> f64,
}

pub(crate) const FLOOR: &str = "floor";

impl<'a, T> Standing<'a, T> {
    pub(crate) fn new(names: &'a [String], rounds: &'a [Vec<T>], speed: fn(&T) -> f64) -> Self {
        Standing { names, rounds, speed }
    }

    pub(crate) fn of(&self, name: &str) -> Option<&'a [T]> {
        let at = self.names.iter().position(|named| named == name)?;
        Some(&self.rounds[at])
    }

    /// The fastest but ours and the floor.
    pub(crate) fn best(&self) -> Option<&'a str> {
        let others = self.names.iter().zip(self.rounds);
        let others = others.filter(|(name, _)| ![OURS, FLOOR].contains(&name.as_str()));
        let speeds = others.map(|(name, rounds)| (name, median(rounds, self.speed)));
        speeds.max_by(|one, other| one.1.total_cmp(&other.1)).map(|(name, _)| name.as_str())
    }

    /// How many times the number of the other one has; not a number if one of them is missing.
    pub(crate) fn ratio(&self, name: &str, other: Option<&str>, number: fn(&T) -> f64) -> f64 {
        match (self.of(name), other.and_then(|other| self.of(other))) {
            (Some(rounds), Some(others)) => median_ratio(rounds, others, number),
            _ => f64::NAN,
        }
    }

    /// How many times as fast as the floor, the seed and the best.
    pub(crate) fn cells(&self, name: &str) -> [String; 3] {
        [Some(FLOOR), Some(SEED), self.best()].map(|other| {
            let times = self.ratio(name, other, self.speed);
            if times.is_finite() && times < 0.095 { format!("{times:.3}x") } else { ratio(times) }
        })
    }
}

/// A target in words: that it holds, is missed, or nothing where it could not be measured.
pub(crate) fn target(what: &str, holds: fn(f64, f64) -> bool, bound: f64, reached: f64) -> String {
    if !reached.is_finite() {
        return format!("{what} {}", none());
    }
    let held = ministate_benches::table::held(holds(reached, bound));
    format!("{what} {held} ({reached:.2})")
}

pub(crate) fn at_least(reached: f64, bound: f64) -> bool {
    reached >= bound
}

pub(crate) fn at_most(reached: f64, bound: f64) -> bool {
    reached <= bound
}
