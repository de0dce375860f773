//! Whatever two older programs wrote in turn, the program of today replays as what they meant.
//!
//! A bounded tier: many small random histories, each written by the versions 1, 2 and 3 of one
//! schema on the same disk. What they should come to is computed from the values, without JSON.
#![expect(clippy::needless_pass_by_value, reason = "handlers and steps own what they are given")]

mod v1;
mod v2;
mod v3;

use ministate::storage::Simulated;
use ministate::{Mutator, Options, StateManager};
use ministate_tests::Chance;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Remembers in full what every operation did, in order.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
struct Ledger(Vec<Effect>);

/// In the terms of version 3. The older programs use the same ones: a snapshot that one of them
/// made is what the next one goes on from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Effect {
    Deposited { account: String, cents: u64, memo: Option<String> },
    Touched { account: String },
    Paid { account: String, cents: u64 },
    Moved { from: String, to: String },
    Limited { cents: u64, hard: bool },
    Renamed { account: String, to: String, by: String },
    StatusSet { account: String, frozen: bool },
    Reset,
}

impl Ledger {
    fn note(&mut self, effect: Effect) {
        self.0.push(effect);
    }

    fn reset(&mut self) {
        self.note(Effect::Reset);
    }
}

/// Accounts were numbers, and have become texts.
fn id(account: u32) -> String {
    format!("#{account}")
}

/// Sums were whole units, and have become cents.
fn cents(units: u32) -> u64 {
    u64::from(units) * 100
}

fn deposited(account: u32, units: u32, memo: Option<String>) -> Effect {
    match units {
        0 => Effect::Touched { account: id(account) },
        _ => Effect::Deposited { account: id(account), cents: cents(units), memo },
    }
}

fn paid(account: u32, units: u32) -> Effect {
    Effect::Paid { account: id(account), cents: cents(units) }
}

fn moved(from: u32, to: u32) -> Effect {
    Effect::Moved { from: id(from), to: id(to) }
}

fn limited(units: u32, hard: bool) -> Effect {
    Effect::Limited { cents: cents(units), hard }
}

fn renamed(account: u32, to: String) -> Effect {
    Effect::Renamed { account: id(account), to, by: "nobody".to_owned() }
}

fn status_set(account: u32, frozen: bool) -> Effect {
    Effect::StatusSet { account: id(account), frozen }
}

fn any_number(chance: &mut Chance) -> u32 {
    [0, 1, chance.below(1_000) as u32, u32::MAX][chance.below(4) as usize]
}

fn any_text(chance: &mut Chance) -> String {
    let texts = ["", "7", "ann", "\"quoted\\\"", "two\nlines", "Z\u{fc}rich", "}],\"crc\":\""];
    texts[chance.below(texts.len() as u64) as usize].to_owned()
}

fn any_memo(chance: &mut Chance) -> Option<String> {
    (chance.below(2) == 0).then(|| any_text(chance))
}

/// The operations of one version of the program.
trait Version: Mutator<Ledger> + Clone + Serialize + DeserializeOwned + Send + 'static {
    const NUMBER: u32;

    fn any(chance: &mut Chance) -> Self;

    /// What version 3 takes the operation for, whichever version it is of.
    fn effect(&self) -> Option<Effect>;
}

/// One journal, and what the state should be by now.
struct History {
    seed: u64,
    chance: Chance,
    disk: Simulated,
    segment_bytes: u64,
    expected: Ledger,
}

impl History {
    fn new(seed: u64) -> History {
        let mut chance = Chance(seed);
        let segment_bytes = [300, 900, 5_000][chance.below(3) as usize];
        let (disk, expected) = (Simulated::new(), Ledger::default());
        History { seed, chance, disk, segment_bytes, expected }
    }

    fn tell<V: Version>(&self) -> String {
        format!("seed {}, version {}", self.seed, V::NUMBER)
    }

    /// Opens the journal in this version, which must find all that was written in any.
    fn open<V: Version>(&self) -> StateManager<Ledger, V> {
        let manager = Options::new()
            .segment_bytes(self.segment_bytes)
            .storage(self.disk.clone())
            .blocking_open("ledger", "ledger.wal.jsonl")
            .unwrap_or_else(|error| panic!("{}: {error}", self.tell::<V>()));
        self.compare(&manager);
        manager
    }

    fn compare<V: Version>(&self, manager: &StateManager<Ledger, V>) {
        manager.read(|ledger| {
            let differs = ledger.0.iter().zip(&self.expected.0).position(|(is, be)| is != be);
            assert!(
                *ledger == self.expected,
                "{}: the effect {differs:?} differs, or there are others behind; it is\n{:?}\n\
                 and should be\n{:?}",
                self.tell::<V>(),
                ledger.0,
                self.expected.0,
            );
        });
    }

    /// One life of a program of this version.
    fn write<V: Version>(&mut self) {
        let manager = self.open::<V>();
        for _ in 0..self.chance.below(8) {
            if self.chance.below(20) == 0 {
                let made = manager.blocking_create_snapshot();
                made.unwrap_or_else(|error| panic!("{}: {error}", self.tell::<V>()));
            }
            let count = [1, 1, 1, 2, 5][self.chance.below(5) as usize];
            let operations: Vec<V> = (0..count).map(|_| V::any(&mut self.chance)).collect();
            self.expected.0.extend(operations.iter().filter_map(V::effect));
            let written = match <[V; 1]>::try_from(operations) {
                Ok([operation]) => manager.blocking_apply(operation).map(|_| ()),
                Err(operations) => manager.blocking_apply_batch(operations).map(|_| ()),
            };
            written.unwrap_or_else(|error| panic!("{}: {error}", self.tell::<V>()));
        }
        self.compare(&manager);
        if self.chance.below(2) == 0 {
            let closed = manager.blocking_close();
            closed.unwrap_or_else(|error| panic!("{}: {error}", self.tell::<V>()));
        }
    }
}

/// A bounded tier; `just schema` writes more.
fn histories() -> u64 {
    std::env::var("MINISTATE_SCHEMA_HISTORIES").map_or(500, |histories| histories.parse().unwrap())
}

#[test]
fn histories_of_older_programs_replay_as_what_their_operations_meant() {
    for seed in 0..histories() {
        let mut history = History::new(seed);
        history.write::<v1::Op>();
        history.write::<v2::Op>();
        history.write::<v3::Op>();
        history.open::<v3::Op>();
    }
}
