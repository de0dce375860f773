//! Looks at every disk that a power cut, a kill or a fault may leave of many small histories, and at
//! every way to damage one, and says which of them breaks a promise.
#![expect(clippy::unwrap_used, reason = "a proof that cannot go on stops")]

pub mod crashes;
pub mod damage;
mod directory;
mod history;
pub mod imports;
mod ledger;

use std::fmt;

use ministate::__private::{Bug, with_bug};

pub use directory::Thoroughness;

/// A disk on which a promise does not hold.
#[derive(Debug, Clone)]
pub struct Finding {
    /// How the disk came about, and what is wrong with it.
    pub story: String,
    /// The one command that shows it again.
    pub replay: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}\nagain: {}", self.story, self.replay)
    }
}

/// Does the same work on every core, in a program that may have a bug.
fn on_all_cores(bug: Option<Bug>, work: impl Fn() + Sync) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| with_bug(bug, &work));
        }
    });
}
