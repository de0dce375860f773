//! The journal writes and reads the enum through serde.

use ministate::Mutations;
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

#[derive(Serialize, Deserialize, Mutations)]
#[mutations(state = Counter)]
enum CounterOp {
    Add { by: i64 },
}

fn main() {}
