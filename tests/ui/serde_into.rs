//! Another type would be journaled.

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

#[derive(Serialize)]
struct Wire(i64);

impl From<CounterOp> for Wire {
    fn from(CounterOp::Add { by }: CounterOp) -> Self {
        Wire(by)
    }
}

#[derive(Clone, Serialize, Deserialize, Mutations)]
#[mutations(state = Counter)]
#[serde(into = "Wire")]
enum CounterOp {
    Add { by: i64 },
}

fn main() {
    CounterOp::Add { by: 1 }.apply(&mut Counter::default());
}
