//! What does a program push onto the list, and what are its records to a slow reader?

use ministate::{Mutations, Mutator};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::reference::Reading;
use crate::{List, Push};

/// Operations with names, of all shapes that a payload has.
#[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
#[mutations(state = List)]
pub(super) enum Named {
    /// An object.
    Push {
        /// What is appended.
        entry: u64,
        /// Makes records of different lengths.
        #[serde(default)]
        padding: String,
    },
    /// A number alone, which a cut leaves whole.
    #[mutation(apply = List::note)]
    Note(u64),
    /// An array.
    Pair(u64, String),
}

impl List {
    fn push(&mut self, entry: u64, _padding: String) {
        self.entries.push(entry);
    }

    fn note(&mut self, entry: u64) {
        self.entries.push(entry);
    }

    fn pair(&mut self, entry: u64, _padding: String) {
        self.entries.push(entry);
    }
}

/// Mutations that each push one entry.
pub(super) trait Pushes:
    Mutator<List> + Serialize + DeserializeOwned + Send + 'static
{
    /// One that pushes the entry.
    fn pushes(entry: u64) -> Self {
        Self::padded(entry, String::new())
    }

    /// One whose record is longer.
    fn padded(entry: u64, padding: String) -> Self;

    /// What a payload pushes; `None` where it is none of the program's.
    fn entry_of(operation: Option<(&str, u32)>, payload: &str) -> Option<u64>;
}

impl Pushes for Push {
    fn padded(entry: u64, padding: String) -> Self {
        Push { entry, padding }
    }

    fn entry_of(operation: Option<(&str, u32)>, payload: &str) -> Option<u64> {
        let Push { entry, .. } = serde_json::from_str(payload).ok()?;
        operation.is_none().then_some(entry)
    }
}

impl Pushes for Named {
    fn padded(entry: u64, padding: String) -> Self {
        match entry % 3 {
            0 => Named::Push { entry, padding },
            1 if padding.is_empty() => Named::Note(entry),
            _ => Named::Pair(entry, padding),
        }
    }

    fn entry_of(operation: Option<(&str, u32)>, payload: &str) -> Option<u64> {
        let payload: Value = serde_json::from_str(payload).ok()?;
        match operation? {
            ("push", 1) => {
                #[derive(Deserialize)]
                struct Fields {
                    entry: u64,
                    #[serde(default, rename = "padding")]
                    _padding: String,
                }
                serde_json::from_value::<Fields>(payload).ok().map(|fields| fields.entry)
            }
            ("note", 1) => payload.as_u64(),
            ("pair", 1) => serde_json::from_value::<(u64, String)>(payload).ok().map(|pair| pair.0),
            _ => None,
        }
    }
}

/// What the list holds behind all of the mutations; `None` where one is none of the program's.
pub(super) fn entries_of<M: Pushes>(reading: &Reading) -> Option<Vec<u64>> {
    let mut list: List = match &reading.state {
        Some(state) => serde_json::from_str(state).ok()?,
        None => List::default(),
    };
    for mutation in &reading.mutations {
        let operation = mutation.operation.as_ref().map(|(name, version)| (&**name, *version));
        list.entries.push(M::entry_of(operation, &mutation.payload)?);
    }
    Some(list.entries)
}
