//! The function of a retired tag may fail, and the list does not say so.

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

fn parse(by: String) -> Result<CounterOp, std::num::ParseIntError> {
    Ok(CounterOp::Add { by: by.parse()? })
}

#[derive(Clone, Serialize, Deserialize, Mutations)]
#[mutations(state = Counter, retired(tag = "plus", from(1 = String), into = parse))]
enum CounterOp {
    Add { by: i64 },
}

fn main() {
    CounterOp::Add { by: 1 }.apply(&mut Counter::default());
}
