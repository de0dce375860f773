//! A handler returns a result, and the enum declares none.

use ministate::{Mutations, Mutator};
use serde::{Deserialize, Serialize};

#[derive(Default)]
struct Counter {
    value: i64,
}

impl Counter {
    fn add(&mut self, by: i64) -> Result<i64, String> {
        self.value += by;
        Ok(self.value)
    }
}

#[derive(Clone, Serialize, Deserialize, Mutations)]
#[mutations(state = Counter)]
enum CounterOp {
    Add { by: i64 },
}

fn main() {
    CounterOp::Add { by: 1 }.apply(&mut Counter::default());
}
