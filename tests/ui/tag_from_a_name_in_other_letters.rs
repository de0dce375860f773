//! The name of the variant does not make a tag.

use ministate::{Mutations, Mutator};
use serde::{Deserialize, Serialize};

#[derive(Default)]
struct Counter {
    value: i64,
}

impl Counter {
    fn zähle(&mut self, by: i64) {
        self.value += by;
    }
}

#[derive(Clone, Serialize, Deserialize, Mutations)]
#[mutations(state = Counter)]
enum CounterOp {
    Zähle { by: i64 },
}

fn main() {
    CounterOp::Zähle { by: 1 }.apply(&mut Counter::default());
}
