//! What is known of a type, which of its values is wanted next, and what a run with them leaves.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de;

use crate::json::Json;

/// What is known of a type, and which of its values is wanted.
#[derive(Debug, Clone, Default)]
pub(super) struct Plan {
    pub(super) wanted: Wanted,
    /// What is given to what takes anything, in place of what is wanted.
    pub(super) anything: Option<Anything>,
    /// Which variant of the enum at a place.
    pub(super) choices: BTreeMap<String, usize>,
    /// Which of the values for the place; others were turned down.
    pub(super) candidates: BTreeMap<String, usize>,
    /// Of a struct, a further name of a field, and its name.
    pub(super) aliases: BTreeMap<(Type, &'static str), &'static str>,
    /// Fields that are given before the others.
    pub(super) ahead: BTreeSet<(Type, &'static str)>,
    /// The field that is left out.
    pub(super) left_out: Option<(Type, &'static str)>,
    /// Fields that may be left out.
    pub(super) optional: BTreeSet<(Type, &'static str)>,
    /// Variants without content, which enums get where no other is chosen.
    pub(super) simple: BTreeMap<Type, usize>,
    /// Options, sequences and maps that are left empty, since they hold the type around them.
    pub(super) recursive: BTreeMap<String, &'static str>,
}

/// A struct or an enum: what reads it, and its fields or variants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Type {
    /// The name of the visitor's type, which bears the arguments of a generic one.
    pub(super) visitor: &'static str,
    pub(super) parts: &'static [&'static str],
}

/// An enum that was met.
#[derive(Debug, Clone)]
pub(super) struct Met {
    pub(super) place: String,
    pub(super) of: Type,
    pub(super) chosen: usize,
    /// The chosen variant has no content.
    pub(super) is_simple: bool,
}

/// Which values are fed where there is a choice. Two values of a type are never the same, so that it
/// shows when they are exchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Wanted {
    /// The largest numbers, `Some`, two members in each collection.
    #[default]
    Large,
    /// The smallest numbers, `Some`, two members in each collection, of which one may be `None`.
    Small,
    /// The smallest numbers, `None`, empty collections.
    Empty,
    /// Ordinary numbers and texts, as most records have them.
    Plain,
    /// As plain, but without the fields that may be left out.
    Sparse,
    /// As large, but the float with this number is not one.
    NotANumber(usize),
    /// As large, but the option of an option with this number is `Some(None)`.
    SomeNone(usize),
}

/// A value of each kind that JSON has: what takes anything takes them all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anything {
    Text,
    Integer,
    Null,
    Float,
    Bool,
    List,
    Map,
}

impl Anything {
    pub(super) const ALL: [Anything; 7] = [
        Anything::Text,
        Anything::Integer,
        Anything::Null,
        Anything::Float,
        Anything::Bool,
        Anything::List,
        Anything::Map,
    ];
}

/// What a run of the feeder leaves.
#[derive(Debug)]
pub(super) struct Fed {
    pub(super) json: String,
    pub(super) shape: Json,
    /// The enums that were met, each before those in it.
    pub(super) enums: Vec<Met>,
    /// The fields of structs that were met.
    pub(super) fields: Vec<(Type, &'static str)>,
    pub(super) floats: usize,
    pub(super) nested_options: usize,
    /// Something took what takes anything.
    pub(super) takes_anything: bool,
}

/// Why a type did not take what it was fed.
#[derive(Debug, Clone)]
pub enum Unfed {
    /// Of these fields of the same struct, two are one.
    Duplicate(&'static str),
    /// The field is required.
    Missing(&'static str),
    /// The type holds itself: what is around it has been noted.
    Recursive,
    /// The type takes more than one form here, and does not say which.
    Opaque,
    /// The value was turned down.
    Other(String),
}

impl fmt::Display for Unfed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unfed::Duplicate(field) => write!(f, "duplicate field `{field}`"),
            Unfed::Missing(field) => write!(f, "missing field `{field}`"),
            Unfed::Recursive => f.write_str("the type holds itself without an end"),
            Unfed::Opaque => f.write_str("the type does not say what it takes"),
            Unfed::Other(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for Unfed {}

impl de::Error for Unfed {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Unfed::Other(message.to_string())
    }

    fn missing_field(field: &'static str) -> Self {
        Unfed::Missing(field)
    }

    fn duplicate_field(field: &'static str) -> Self {
        Unfed::Duplicate(field)
    }
}
