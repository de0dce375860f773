//! What a handler has left half done is shown to nobody, also where building the state before it
//! anew panics.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use ministate::storage::Simulated;
use ministate::{Follower, Mutator, Options, StateManager};
use ministate_tests::{Call, Hook, Hooked, JOURNAL, List};
use serde::{Deserialize, Serialize};

use super::looking_often;

thread_local! {
    static HAS_PANICKED: Cell<bool> = const { Cell::new(false) };
}

/// Panics half done at 13, on the thread of a follower and on one that is unlucky.
#[derive(Debug, Serialize, Deserialize)]
struct Fragile(u64);

impl Mutator<List> for Fragile {
    fn apply(&self, list: &mut List) {
        list.entries.push(self.0);
        if self.0 == 13
            && matches!(thread::current().name(), Some("ministate follower" | "unlucky"))
        {
            HAS_PANICKED.set(true);
            panic!("the handler panics");
        }
    }
}

/// Panics on the threads of handlers that have panicked.
#[derive(Debug, Default)]
struct Panics;

impl Hook for Panics {
    fn before(&self, _: Call) {
        assert!(!HAS_PANICKED.get(), "the storage panics");
    }
}

fn disk() -> Hooked<Simulated, Panics> {
    Hooked::before(Simulated::new())
}

fn open(options: Options) -> StateManager<List, Fragile> {
    let lists = options.blocking_open("lists", JOURNAL).unwrap();
    lists.blocking_apply(Fragile(1)).unwrap();
    lists
}

#[test]
fn a_follower_has_no_state_rather_than_one_that_is_half_done() {
    let options = looking_often().storage(disk());
    let lists = open(options.clone());
    let follower: Follower<List, Fragile> = options.blocking_follow("lists", JOURNAL).unwrap();
    lists.blocking_apply(Fragile(13)).unwrap();
    assert!(follower.blocking_wait_for(2).is_err());
    let shown = catch_unwind(AssertUnwindSafe(|| follower.read(|list| list.entries.clone())));
    assert!(shown.is_err(), "{shown:?}");
    drop(lists);
    let lists = follower.blocking_promote().unwrap();
    assert_eq!(lists.read(|list| list.entries.clone()), [1, 13]);
}

#[test]
fn a_manager_has_no_state_rather_than_one_that_is_half_done() {
    let lists = open(Options::new().storage(disk()));
    let unlucky = thread::Builder::new().name("unlucky".to_string());
    thread::scope(|scope| {
        let applied = unlucky.spawn_scoped(scope, || lists.blocking_apply(Fragile(13)));
        assert!(applied.unwrap().join().unwrap().is_err());
    });
    let shown = catch_unwind(AssertUnwindSafe(|| lists.read(|list| list.entries.clone())));
    assert!(shown.is_err(), "{shown:?}");
    assert!(lists.blocking_apply(Fragile(2)).is_err());
}
