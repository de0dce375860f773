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

#[derive(Deserialize)]
struct Wire(i64);

impl From<Wire> for CounterOp {
    fn from(wire: Wire) -> Self {
        CounterOp::Add { by: wire.0 }
    }
}

#[derive(Clone, Serialize, Deserialize, Mutations)]
#[mutations(state = Counter)]
#[serde(from = "Wire")]
enum CounterOp {
    Add { by: i64 },
}

fn main() {
    CounterOp::Add { by: 1 }.apply(&mut Counter::default());
}
