//! Records of one version could not be read.

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

fn add_back(old: AddV1) -> CounterOp {
    old.into()
}

#[derive(Clone, Serialize, Deserialize, Mutations)]
#[mutations(state = Counter, retired(tag = "plus", from(2 = AddV1), into = add_back))]
enum CounterOp {
    Add { by: i64 },
}

fn main() {
    CounterOp::Add { by: 1 }.apply(&mut Counter::default());
}
