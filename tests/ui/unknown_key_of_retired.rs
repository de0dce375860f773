//! A slip of the fingers; the value, with its comma, is passed over.

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

fn add_back(by: i64) -> CounterOp {
    CounterOp::Add { by }
}

#[derive(Clone, Serialize, Deserialize, Mutations)]
#[mutations(state = Counter, retired(tag = "old", form = Vec<u8, u8>, from(1 = i64), into = add_back))]
enum CounterOp {
    Add { by: i64 },
}

fn main() {
    CounterOp::Add { by: 1 }.apply(&mut Counter::default());
}
