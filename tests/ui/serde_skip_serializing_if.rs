//! Some records could not be read.

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

fn is_zero(by: &i64) -> bool {
    *by == 0
}

#[derive(Clone, Serialize, Deserialize, Mutations)]
#[mutations(state = Counter)]
enum CounterOp {
    Add {
        #[serde(skip_serializing_if = "is_zero")]
        by: i64,
    },
}

fn main() {
    CounterOp::Add { by: 1 }.apply(&mut Counter::default());
}
