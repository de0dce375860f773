//! An older version of the state is listed and refused.

use ministate::{Mutations, Mutator};
use serde::{Deserialize, Serialize};

#[derive(Default)]
struct Counter {
    value: i64,
}

impl Counter {
    fn add(&mut self, by: i64) {
        self.value += by;
    }
}

#[derive(Deserialize)]
struct CounterV1 {
    value: i32,
}

impl From<CounterV1> for Counter {
    fn from(old: CounterV1) -> Self {
        Counter { value: old.value.into() }
    }
}

#[derive(Clone, Serialize, Deserialize, Mutations)]
#[mutations(state = Counter, state_version = 3, state_oldest = 2, state_from(1 = CounterV1, 2 = CounterV1))]
enum Op {
    Add { by: i64 },
}

fn main() {
    Op::Add { by: 1 }.apply(&mut Counter::default());
}
