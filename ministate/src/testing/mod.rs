//! What do users test their application with?
//!
//! The journal is the business of ministate, and tested there. What no journal can know is whether
//! *your* handlers give the same state when they run again, and whether *your* state survives its own
//! JSON. Both show at the next start of the program at the earliest, and here in a test:
//!
//! | question | call |
//! |---|---|
//! | do handlers give the same state again? | [`assert_deterministic`] |
//! | is the state right after a crash at any moment? | [`crash_test`] |
//! | does a directory of last year still replay to what it meant? | [`assert_replays`] |
//! | does the code around the manager work? | [`in_memory`] |
//!
//! ```
//! use std::collections::BTreeMap;
//!
//! use ministate::{Mutations, testing};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Default, Serialize, Deserialize)]
//! struct Bank {
//!     cents: BTreeMap<String, u64>,
//! }
//!
//! #[derive(Clone, Serialize, Deserialize, Mutations)]
//! #[mutations(state = Bank)]
//! enum BankOp {
//!     Deposit { account: String, cents: u64 },
//!     Close { account: String },
//! }
//!
//! impl Bank {
//!     fn deposit(&mut self, account: String, cents: u64) {
//!         *self.cents.entry(account).or_default() += cents;
//!     }
//!
//!     fn close(&mut self, account: String) {
//!         self.cents.remove(&account);
//!     }
//! }
//!
//! /// Every operation, in an order in which they matter to each other.
//! fn a_day() -> Vec<BankOp> {
//!     vec![
//!         BankOp::Deposit { account: "alice".into(), cents: 500 },
//!         BankOp::Deposit { account: "bob".into(), cents: 20 },
//!         BankOp::Close { account: "alice".into() },
//!         BankOp::Deposit { account: "alice".into(), cents: 1 },
//!     ]
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! testing::assert_deterministic(Bank::default(), a_day());
//!
//! let counts = testing::crash_test::<Bank, BankOp>(a_day())?;
//! assert!(counts.crash_states > 100);
//!
//! let bank = testing::in_memory::<Bank, BankOp>();
//! bank.blocking_apply_batch(a_day())?;
//! assert_eq!(bank.read(|bank| bank.cents["alice"]), 1);
//! # Ok(())
//! # }
//! ```
//!
//! # How states are compared
//!
//! By what serde says of them, field by field. Maps have no order, and neither have sets; the order of
//! a `Vec`, an array, a `VecDeque` and a tuple counts. Of a sequence that a type of another name
//! serializes, it is not known whether it has an order, and none is demanded. A field that is not
//! serialized is not seen: whether it matters shows only in what handlers make of it.
//!
//! # Where it belongs
//!
//! The feature is for tests: `cargo add ministate --dev --features testing` leaves the program
//! itself as it is.

// From what users call to what it is made of.
mod crash;
mod history;
mod findings;
mod determinism;
mod fixture;
mod past;
mod difference;
mod picture;
mod written;
mod clock;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::manager::StateManager;
use crate::mutation::Mutator;
use crate::options::Options;
use crate::storage::Simulated;
pub use crash::{CrashTest, crash_test};
pub use determinism::assert_deterministic;
pub use difference::Difference;
pub use findings::{CrashCounts, CrashFailure};
pub use fixture::assert_replays;

/// Where the managers of the kit have their journal.
const DIR: &str = "app";
const JOURNAL: &str = "app.wal.jsonl";

/// A manager whose disk is in memory: for unit tests of the code around it.
///
/// It is the real manager, and journals, syncs, refuses and poisons as it does in production; only
/// the disk is a [`Simulated`] one of its own, which goes away with it. All calls work, the
/// `blocking_` ones without a runtime. Where a test opens again, or lets the disk fail, it keeps a
/// clone of the disk: `Options::new().storage(disk.clone())`.
///
/// ```
/// # use ministate::{Mutator, StateManager};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Default, Serialize, Deserialize)]
/// # struct Counter { value: u32 }
/// # #[derive(Serialize, Deserialize)]
/// # struct Inc { by: u32 }
/// # impl Mutator<Counter> for Inc {
/// #     fn apply(&self, state: &mut Counter) { state.value += self.by }
/// # }
/// // The code to test, in the application.
/// fn count_twice(counter: &StateManager<Counter, Inc>) -> Result<(), ministate::MiniStateError> {
///     counter.blocking_apply(Inc { by: 1 })?;
///     counter.blocking_apply(Inc { by: 1 })?;
///     Ok(())
/// }
///
/// # fn main() -> Result<(), ministate::MiniStateError> {
/// let counter = ministate::testing::in_memory();
/// count_twice(&counter)?;
/// assert_eq!(counter.read(|counter| counter.value), 2);
/// # Ok(())
/// # }
/// ```
///
/// # Panics
///
/// Panics if the default state has no JSON, or none that reads back.
#[track_caller]
pub fn in_memory<S, M>() -> StateManager<S, M>
where
    S: Default + Serialize + DeserializeOwned + Send + Sync + 'static,
    M: Mutator<S> + Serialize + DeserializeOwned + Send + 'static,
{
    in_memory_with(S::default())
}

/// [`in_memory`] for a test that begins with a state: as after everything that led there.
///
/// ```
/// # use ministate::Mutator;
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Serialize, Deserialize)]
/// # struct Counter { value: u32 }
/// # #[derive(Serialize, Deserialize)]
/// # struct Inc { by: u32 }
/// # impl Mutator<Counter> for Inc {
/// #     fn apply(&self, state: &mut Counter) { state.value = state.value.saturating_add(self.by) }
/// # }
/// # fn main() -> Result<(), ministate::MiniStateError> {
/// let counter = ministate::testing::in_memory_with(Counter { value: u32::MAX });
/// counter.blocking_apply(Inc { by: 1 })?;
/// assert_eq!(counter.read(|counter| counter.value), u32::MAX);
/// # Ok(())
/// # }
/// ```
///
/// # Panics
///
/// Panics if the state has no JSON, or none that reads back.
#[track_caller]
pub fn in_memory_with<S, M>(initial: S) -> StateManager<S, M>
where
    S: Serialize + DeserializeOwned + Send + Sync + 'static,
    M: Mutator<S> + Serialize + DeserializeOwned + Send + 'static,
{
    let options = Options::new().storage(Simulated::new());
    match options.blocking_open_with(DIR, JOURNAL, initial) {
        Ok(manager) => manager,
        Err(error) => panic!("no manager begins with this state: {error:#}"),
    }
}
