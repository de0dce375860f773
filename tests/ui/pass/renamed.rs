//! serde and ministate bear other names in this crate.

pub extern crate ministate as state_machine;
extern crate serde as data;

use data::{Deserialize, Serialize};
use state_machine::{Mutations, Mutator};

mod framework {
    pub use state_machine as persistence;
}

#[derive(Default)]
struct Counter(i64);

impl Counter {
    fn add(&mut self, by: i64) {
        self.0 += by;
    }
}

#[derive(Clone, Serialize, Deserialize, Mutations)]
#[serde(crate = "data")]
#[mutations(state = Counter, crate = framework::persistence)]
enum CounterOp {
    Add { by: i64 },
}

fn main() {
    let mut counter = Counter::default();
    CounterOp::Add { by: 2 }.apply(&mut counter);
    assert_eq!(counter.0, 2);
}
