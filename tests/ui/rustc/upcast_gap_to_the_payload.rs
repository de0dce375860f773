//! The last version converts into nothing.

use ministate::Mutations;
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

#[derive(Clone, Serialize, Deserialize)]
struct By(i64);

impl ministate::Operation<Counter> for By {
    type Output = i64;

    fn execute(self, counter: &mut Counter) -> i64 {
        counter.value += self.0;
        counter.value
    }
}

#[derive(Clone, Serialize, Deserialize, Mutations)]
#[mutations(state = Counter)]
enum CounterOp {
    #[mutation(version = 2, from(1 = String))]
    Sub(By),
}

fn main() {}
