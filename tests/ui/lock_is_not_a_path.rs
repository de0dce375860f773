//! The schema lock is a file.

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

#[derive(Clone, Serialize, Deserialize, Mutations)]
#[mutations(state = Counter, lock = schema)]
enum Op {
    Add { by: i64 },
}

fn main() {
    Op::Add { by: 1 }.apply(&mut Counter::default());
}
