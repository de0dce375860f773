//! What do the replicas share? A few numbers, and the memory of all that was done with them.

use std::collections::BTreeMap;

use ministate::{Mutations, Operation};
use serde::{Deserialize, Serialize};

/// Numbers by key, and what was done with them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registers {
    numbers: BTreeMap<u8, i64>,
    /// The operations that were applied, in their order.
    pub applied: Vec<u64>,
    /// Of every operation and its answer, in their order: equal where all these are.
    pub digest: u64,
}

/// What a reader sees of [`Registers`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// How many operations were applied.
    pub seq: u64,
    /// Of all of them.
    pub digest: u64,
    /// All of the numbers.
    pub numbers: BTreeMap<u8, i64>,
}

/// The operations on [`Registers`].
#[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
#[mutations(state = Registers)]
pub enum RegistersOp {
    /// Changes one of the numbers.
    Change(Change),
}

/// Changes one of the numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// No other operation has it.
    pub id: u64,
    /// Which number.
    pub key: u8,
    /// What is done.
    pub call: Call,
}

/// What is done with a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Call {
    /// Keep this number.
    Put(i64),
    /// Keep the second number if the first is what is there.
    CompareAndSet(Option<i64>, i64),
    /// Add this number.
    Add(i64),
}

/// What it came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// What was there before.
    Was(Option<i64>),
    /// What is there now.
    Is(Option<i64>),
    /// Whether the number was replaced.
    Swapped(bool),
}

impl Registers {
    /// The number of a key.
    pub fn number(&self, key: u8) -> Option<i64> {
        self.numbers.get(&key).copied()
    }

    /// All that readers see.
    pub fn seen(&self) -> Seen {
        let Registers { numbers, applied, digest } = self;
        Seen { seq: applied.len() as u64, digest: *digest, numbers: numbers.clone() }
    }

    fn changed(&mut self, key: u8, call: Call) -> Answer {
        let old = self.number(key);
        match call {
            Call::Put(number) => Answer::Was(self.numbers.insert(key, number)),
            Call::CompareAndSet(expected, number) if expected == old => {
                self.numbers.insert(key, number);
                Answer::Swapped(true)
            }
            Call::CompareAndSet(..) => Answer::Swapped(false),
            Call::Add(number) => {
                let sum = old.unwrap_or(0).wrapping_add(number);
                self.numbers.insert(key, sum);
                Answer::Is(Some(sum))
            }
        }
    }
}

impl Operation<Registers> for Change {
    type Output = Answer;

    fn execute(self, registers: &mut Registers) -> Answer {
        let Change { id, key, call } = self;
        let answer = registers.changed(key, call);
        registers.applied.push(id);
        let said = format!("{id} {key} {call:?} {answer:?}");
        registers.digest = said.bytes().fold(registers.digest ^ FNV_BASIS, |digest, byte| {
            (digest ^ u64::from(byte)).wrapping_mul(FNV_PRIME)
        });
        answer
    }
}

const FNV_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;
