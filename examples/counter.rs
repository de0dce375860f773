//! The documented example of ministate 0.1, to the letter: it must go on to compile and run.
#![cfg_attr(rustfmt, rustfmt::skip)]

use ministate::{Mutator, StateManager};
use serde::{Deserialize, Serialize};

#[derive(Default, Clone, Serialize, Deserialize)]
struct Counter { value: u32 }

#[derive(Serialize, Deserialize)]
struct Inc { by: u32 }

impl Mutator<Counter> for Inc {
    fn apply(&self, state: &mut Counter) {
        state.value += self.by;
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let tmp = tempfile::tempdir()?;
    let dir = tmp.path();

    let mgr = StateManager::open(dir, "counter.wal.jsonl").await?;
    mgr.apply(Inc { by: 10 }).await?;
    assert_eq!(mgr.snapshot().await.value, 10);
    Ok(())
}

#[test]
fn the_documented_example_runs() -> Result<(), Box<dyn std::error::Error>> {
    main()
}
