//! Nothing says what the payload does.

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

#[derive(Clone, Serialize, Deserialize)]
struct By(i64);

#[derive(Clone, Serialize, Deserialize, Mutations)]
#[mutations(state = Counter, output = i64)]
enum CounterOp {
    Sub(By),
}

fn main() {}
