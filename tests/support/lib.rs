//! What the tests share: a state that remembers everything, and ways to open it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod gated;
pub mod hostile;
mod hooked;
pub mod reference;

use std::path::Path;

use ministate::storage::Simulated;
use ministate::{MiniStateError, Mutator, Options, StateManager};
use serde::{Deserialize, Serialize};

pub use gated::{Gate, Gated};
pub use hooked::{Call, Hook, Hooked};

/// Remembers every mutation in order, so that a lost, repeated or reordered one shows.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    /// In the order of their mutations.
    pub entries: Vec<u64>,
}

/// Appends an entry to the [`List`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Push {
    /// What is appended.
    pub entry: u64,
    /// Makes records of different lengths.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub padding: String,
}

impl Mutator<List> for Push {
    fn apply(&self, list: &mut List) {
        list.entries.push(self.entry);
    }
}

/// A short one.
pub fn push(entry: u64) -> Push {
    Push { entry, padding: String::new() }
}

/// A counter, as ministate 0.1 kept one in `fixtures/0.1`.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub struct Counter {
    /// What has been counted.
    pub value: u64,
}

/// Adds to the [`Counter`].
#[derive(Debug, Serialize, Deserialize)]
pub struct Inc {
    /// How much.
    pub by: u64,
}

impl Mutator<Counter> for Inc {
    fn apply(&self, counter: &mut Counter) {
        counter.value += self.by;
    }
}

/// The manager that most tests open.
pub type Lists = StateManager<List, Push>;

/// Its journal.
pub const JOURNAL: &str = "list.wal.jsonl";

/// Opens the list on a simulated disk, with segments of so many bytes.
pub fn open_simulated(disk: &Simulated, segment_bytes: u64) -> Result<Lists, MiniStateError> {
    Options::new()
        .segment_bytes(segment_bytes)
        .storage(disk.clone())
        .blocking_open("lists", JOURNAL)
}

/// Opens the list on the real disk.
pub fn open(dir: impl AsRef<Path>) -> Result<Lists, MiniStateError> {
    Options::new().blocking_open(dir, JOURNAL)
}

/// What the list holds.
pub fn entries(lists: &Lists) -> Vec<u64> {
    lists.read(|list| list.entries.clone())
}

/// Says something that the test runner does not swallow, unlike what `eprintln!` says.
pub fn say_loudly(what: &str) {
    use std::io::Write;
    std::io::stderr().write_all(format!("{what}\n").as_bytes()).unwrap();
}

/// A source of reproducible chance (SplitMix64), so that a failure can be run again.
#[derive(Debug, Clone)]
pub struct Chance(pub u64);

impl Chance {
    /// A number from 0 up to, and without, `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// The README's code.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
