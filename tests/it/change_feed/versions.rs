//! Subscribers get the mutations of old programs as the current one has them.

use ministate::storage::Simulated;
use ministate::{Mutations, Options, StateManager};
use ministate_tests::{JOURNAL, List};
use serde::{Deserialize, Serialize};

mod released {
    use super::{Deserialize, List, Mutations, Serialize};

    #[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
    #[mutations(state = List)]
    pub(super) enum Op {
        #[mutation(apply = super::pushed)]
        Push { text: String },
        #[mutation(apply = super::cleared)]
        Clear,
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Mutations)]
#[mutations(state = List, retired(tag = "clear", versions = 1..=1, drop))]
enum Op {
    #[mutation(version = 2, from(1 = PushV1), apply = List::pushed)]
    Push { entry: u64 },
}

#[derive(Deserialize)]
struct PushV1 {
    text: String,
}

impl From<PushV1> for Op {
    fn from(old: PushV1) -> Self {
        Op::Push { entry: old.text.len() as u64 }
    }
}

trait Pushed {
    fn pushed(&mut self, entry: u64);
}

impl Pushed for List {
    fn pushed(&mut self, entry: u64) {
        self.entries.push(entry);
    }
}

fn pushed(list: &mut List, text: String) {
    list.pushed(text.into_bytes().len() as u64);
}

fn cleared(list: &mut List) {
    list.entries.clear();
}

#[test]
fn old_versions_are_yielded_as_the_current_one_and_dropped_operations_are_not() {
    let disk = Simulated::new();
    let options = || Options::new().storage(disk.clone());
    let old: StateManager<List, released::Op> = options().blocking_open("l", JOURNAL).unwrap();
    old.blocking_apply(released::Op::Push { text: "four".into() }).unwrap();
    old.blocking_apply(released::Op::Clear).unwrap();
    old.blocking_apply(released::Op::Push { text: "seven..".into() }).unwrap();
    drop(old);
    let new: StateManager<List, Op> = options().blocking_open("l", JOURNAL).unwrap();
    let mut changes = new.subscribe(1);
    new.blocking_apply(Op::Push { entry: 9 }).unwrap();
    new.blocking_close().unwrap();
    let seen: Vec<_> = std::iter::from_fn(|| changes.blocking_next())
        .map(|change| change.map(|change| (change.seq, change.mutation)).unwrap())
        .collect();
    let push = |entry| Op::Push { entry };
    assert_eq!(seen, [(1, push(4)), (3, push(7)), (4, push(9))]);
}
