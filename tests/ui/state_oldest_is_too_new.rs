//! No snapshot could be read.

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
#[mutations(state = Counter, state_oldest = 2)]
enum Op {
    Add { by: i64 },
}

fn main() {
    Op::Add { by: 1 }.apply(&mut Counter::default());
}
