//! A handler returns a result, and the enum declares none.

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

#[derive(Debug)]
struct Overflow;

fn plus(counter: &mut Counter, by: i64) -> Result<(), Overflow> {
    counter.value = counter.value.checked_add(by).ok_or(Overflow)?;
    Ok(())
}

#[derive(Clone, Serialize, Deserialize, Mutations)]
#[mutations(state = Counter)]
enum CounterOp {
    #[mutation(apply = plus)]
    Add { by: i64 },
}

fn main() {
    CounterOp::Add { by: 1 }.apply(&mut Counter::default());
}
