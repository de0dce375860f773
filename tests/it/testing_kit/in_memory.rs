//! Is a manager in memory one like any other?

use std::panic::catch_unwind;

use ministate::storage::Simulated;
use ministate::testing::{in_memory, in_memory_with};
use ministate::{MiniStateError, Mutator, Options, StateManager};
use serde::{Deserialize, Serialize};

use super::{Mean, Step, application, message, says, steps};

#[test]
fn a_manager_in_memory_is_a_manager() {
    application!(Sum { sum: u64 }, |step, state| {
        assert!(step.number < 100, "too much");
        state.sum += step.number;
    });
    let sum = in_memory::<Sum, Step>();
    assert_eq!(sum.blocking_apply(Step { number: 3 }).unwrap(), 1);
    assert_eq!(sum.blocking_apply_batch(steps(3)).unwrap(), 2..=4);
    sum.blocking_create_snapshot().unwrap();
    sum.blocking_verify_replay().unwrap();
    assert_eq!(sum.blocking_state_at(1).unwrap(), Sum { sum: 3 });
    assert_eq!(sum.read(|sum| sum.sum), 9);
    // Each has a disk of its own.
    assert_eq!(in_memory::<Sum, Step>().sequence(), 0);
    let begun = in_memory_with(Sum { sum: 5 });
    begun.blocking_apply(Step { number: 1 }).unwrap();
    assert_eq!(begun.read(|sum| sum.sum), 6);
    // A panic of a handler is answered as in production.
    match sum.blocking_apply(Step { number: 100 }) {
        Err(MiniStateError::HandlerPanicked { seq: 5, .. }) => {}
        other => panic!("{other:?}"),
    }
    sum.blocking_close().unwrap_err();
    let refused = catch_unwind(|| in_memory_with::<Mean, Step>(Mean { sum: 0.0, mean: f64::NAN }));
    says(&message(&*refused.unwrap_err()), &["NaN in `mean`"]);
}

#[tokio::test]
async fn a_manager_in_memory_works_with_a_runtime() {
    application!(Sum { sum: u64 }, |step, state| state.sum += step.number);
    let sum = in_memory::<Sum, Step>();
    sum.apply(Step { number: 3 }).await.unwrap();
    sum.compact().await.unwrap();
    sum.close().await.unwrap();
    assert_eq!(sum.read(|sum| sum.sum), 3);
    let disk = Simulated::new();
    let _opened: StateManager<Sum, Step> =
        Options::new().storage(disk.clone()).open("app", "app.wal.jsonl").await.unwrap();
}
