//! What is asked of a program: how it reads records, and what its types look like.

use super::file::{After, Key};
use crate::json::Json;

/// What a program makes of records.
pub(super) trait Program {
    /// What the program reads, with at least one version of each operation that it drops.
    fn keys(&self) -> Vec<Key>;
    /// How it reads the key; `None` where it does not.
    fn role(&self, key: &Key) -> Option<Role>;
    /// Tags that may not return.
    fn reserved(&self) -> &'static [&'static str];
    /// What the content means today; `None` where it has no effect.
    fn read(&self, key: &Key, content: &Json) -> Result<Option<(Key, Json)>, Unread>;
    /// The key's shape and samples.
    fn interrogate(&self, key: &Key) -> Result<Fresh, String>;
    /// Whether what the key is read as has an order of its own each time, as hash sets have.
    fn is_unordered(&self, key: &Key, content: &Json) -> bool;
    /// What the handler makes of the default state, and of `filled`; `None` where handlers are not
    /// pinned. An error where it is not the same every time.
    fn apply(
        &self,
        key: &Key,
        content: &Json,
        filled: &(u32, Json),
    ) -> Result<Option<After>, String>;
}

/// How a program reads a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// It is what the program writes.
    Current,
    /// It is read as something else.
    Old,
    /// It changes nothing.
    Dropped,
}

/// Why a content is not read.
#[derive(Debug)]
pub(super) enum Unread {
    /// It is of another shape.
    Shape(String),
    /// A fallible step turned it down.
    Step(String),
}

/// What the types of the program say today.
#[derive(Debug)]
pub(super) struct Fresh {
    pub(super) shape: Json,
    pub(super) samples: Vec<Json>,
    /// Further names of fields, with the name that is written.
    pub(super) aliases: Vec<(&'static str, &'static str)>,
    pub(super) refuses: Vec<String>,
    /// The samples that the author of the program has given.
    pub(super) given: Vec<Json>,
    /// The sample with ordinary values.
    pub(super) plain: Option<Json>,
}

impl Fresh {
    /// Of a type that does not answer.
    pub(super) fn silent(shape: &str) -> Fresh {
        Fresh {
            shape: Json::of_text(shape),
            samples: Vec::new(),
            aliases: Vec::new(),
            refuses: Vec::new(),
            given: Vec::new(),
            plain: None,
        }
    }
}
