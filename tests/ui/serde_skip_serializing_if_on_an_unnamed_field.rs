//! The second field would be read as the first.

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

fn add(counter: &mut Counter, a: i64, b: i64) {
    counter.value += a + b;
}

fn is_zero(by: &i64) -> bool {
    *by == 0
}

#[derive(Clone, Serialize, Deserialize, Mutations)]
#[mutations(state = Counter)]
enum CounterOp {
    #[mutation(apply = add)]
    Add(#[serde(skip_serializing_if = "is_zero", default)] i64, #[serde(default)] i64),
}

fn main() {
    CounterOp::Add(1, 2).apply(&mut Counter::default());
}
