//! The shapes of a generic enum are not known where it is declared.

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

#[derive(Clone, Serialize, Deserialize, Mutations)]
#[mutations(state = Counter, lock = "counter.lock.jsonl")]
enum Op<T> {
    Add { by: i64 },
    #[mutation(apply = keep)]
    Keep { what: T },
}

fn keep<T>(_counter: &mut Counter, _what: T) {}

fn main() {
    Op::<u8>::Add { by: 1 }.apply(&mut Counter::default());
}
