//! Samples are for the schema lock.

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
#[mutations(state = Counter)]
enum Op {
    #[mutation(sample("{}"))]
    Add { by: i64 },
}

fn main() {
    Op::Add { by: 1 }.apply(&mut Counter::default());
}
