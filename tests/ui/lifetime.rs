//! The mutation outlives the buffer that its record was read into.

use ministate::{Mutations, Mutator};
use serde::{Deserialize, Serialize};

#[derive(Default)]
struct Counter {
    value: i64,
}

impl Counter {
    fn rename(&mut self, name: &str) {
        self.value = name.len() as i64;
    }
}

#[derive(Clone, Serialize, Deserialize, Mutations)]
#[mutations(state = Counter)]
enum CounterOp<'a> {
    Rename { name: &'a str },
}

fn main() {
    CounterOp::Rename { name: "a" }.apply(&mut Counter::default());
}
