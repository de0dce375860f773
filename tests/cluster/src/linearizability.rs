//! Could one process alone have given these answers in this order?
//!
//! A history is what clients asked and were told, and when. It is linearizable if each operation can be
//! given one moment between its beginning and its end, so that one object that does them one after
//! another in the order of these moments would have answered the same. [`check`] looks for such an order,
//! or shows where there is none.
//!
//! The search is that of Wing and Gong with Lowe's memory of where it has been: WGL.

mod explanation;
mod frontier;
mod operation;
mod register;
mod search;

pub use explanation::{Asked, Violation};
pub use operation::{Model, Operation, Outcome};
pub use register::{Register, RegisterAnswer, RegisterCall};

use std::collections::BTreeMap;
use std::fmt::Debug;

use explanation::explained;
use search::{Found, Search};

/// What is known of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Verdict<K, M: Model> {
    /// There is an order for the operations of each key.
    Linearizable,
    /// For a key there is none.
    NotLinearizable(Box<Violation<K, M>>),
    /// The search was given up after so many steps, and nothing is known.
    GivenUp {
        /// The key whose operations it was about.
        key: K,
        /// How many configurations were looked at.
        configurations: usize,
    },
}

/// Looks for an order of a history, key by key: each has an object of its own, which the model describes.
///
/// # Panics
///
/// Panics if an operation returned before it was invoked.
pub fn check<K, M>(history: Vec<Operation<K, M::Call, M::Answer>>) -> Verdict<K, M>
where
    K: Clone + Ord + Debug,
    M: Model,
{
    check_within(CONFIGURATIONS, history)
}

/// As [`check`], and gives up a key after this many configurations.
pub fn check_within<K, M>(
    configurations: usize,
    history: Vec<Operation<K, M::Call, M::Answer>>,
) -> Verdict<K, M>
where
    K: Clone + Ord + Debug,
    M: Model,
{
    let mut by_key = BTreeMap::<K, Vec<_>>::new();
    for operation in history {
        by_key.entry(operation.key.clone()).or_default().push(operation);
    }
    for (key, operations) in by_key {
        let search = Search::<K, M>::of(operations);
        match search.run(configurations) {
            Found::Order => {}
            Found::Nothing(furthest) => {
                return Verdict::NotLinearizable(Box::new(explained(key, &search, &furthest)));
            }
            Found::TooMuch => return Verdict::GivenUp { key, configurations },
        }
    }
    Verdict::Linearizable
}

/// Far more than a history of some thousand operations takes, if its values are distinct.
const CONFIGURATIONS: usize = 4_000_000;
