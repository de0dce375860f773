//! serde buffers what it flattens, and the buffer does not hold everything.

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

#[derive(Clone, Serialize, Deserialize)]
struct Amount {
    cents: u128,
}

fn add(counter: &mut Counter, amount: Amount) {
    counter.value += amount.cents as i64;
}

#[derive(Clone, Serialize, Deserialize, Mutations)]
#[mutations(state = Counter)]
enum CounterOp {
    #[mutation(apply = add)]
    Add {
        #[serde(flatten)]
        amount: Amount,
    },
}

fn main() {
    CounterOp::Add { amount: Amount { cents: 1 } }.apply(&mut Counter::default());
}
