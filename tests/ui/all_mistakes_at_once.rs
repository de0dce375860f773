//! One compile tells of them all.

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
struct AddV1 {
    by: i32,
}

impl From<AddV1> for CounterOp {
    fn from(old: AddV1) -> Self {
        CounterOp::Add { by: old.by.into() }
    }
}

impl Counter {
    fn sub(&mut self, by: i64) {
        self.value -= by;
    }
}

#[derive(Clone, Serialize, Deserialize, Mutations)]
#[mutations(states = Counter, retired(tag = "plus"))]
#[serde(tag = "kind")]
enum CounterOp {
    #[mutation(vresion = 3, from(1 = AddV1, x = AddV1), apply)]
    Add { by: i64 },
    #[mutation(version = 3, tag = "a b")]
    Sub {
        #[serde(skip)]
        by: i64,
    },
}

fn main() {
    CounterOp::Add { by: 1 }.apply(&mut Counter::default());
}
