//! Either it is read or it is not.

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
#[mutations(state = Counter, reserved("plus"), retired(tag = "plus", versions = 1..=1, drop))]
enum CounterOp {
    Add { by: i64 },
}

fn main() {
    CounterOp::Add { by: 1 }.apply(&mut Counter::default());
}
