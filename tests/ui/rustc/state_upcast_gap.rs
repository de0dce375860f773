//! An older version of the state does not convert into the current one.

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

#[derive(Clone, Serialize, Deserialize, Mutations)]
#[mutations(state = Counter, state_version = 2, state_from(1 = CounterV1))]
enum Op {
    Add { by: i64 },
}

fn main() {
    Op::Add { by: 1 }.apply(&mut Counter::default());
}
