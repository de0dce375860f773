//! Tags and versions: which operation a payload of the journal is.

mod bounds;
mod dispatch;
mod upcast;

use std::error::Error;
use std::fmt;

use serde::de::DeserializeOwned;

pub use bounds::{Data, IntoOutput, NoOutput, no_output};
pub use dispatch::decode_content;
pub(crate) use dispatch::{text, variant_of};
pub use upcast::{Upcast, Upcasted, try_upcasted, upcasted};

/// The name and version that an operation bears in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag {
    /// What the journal calls the operation.
    pub name: &'static str,
    /// Which shape its payload has.
    pub version: u32,
}

/// An operation in the versions that a program reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Readable {
    /// What the journal calls the operation.
    pub name: &'static str,
    /// The first version that is read.
    pub oldest: u32,
    /// The last version that is read.
    pub newest: u32,
}

/// What a program writes and reads.
#[derive(Debug, Clone, Copy)]
pub struct Schema {
    /// Name and version of the crate that declares the operations, for people who read a journal.
    pub program: Option<(&'static str, &'static str)>,
    /// The tag that each operation is written with, in the order of their names.
    pub operations: &'static [Tag],
    /// All that is read: operations of today, their older versions and aliases, retired ones.
    pub readable: &'static [Readable],
    /// The version that the state is written with.
    pub state: u32,
    /// The first version of the state that is read.
    pub oldest_state: u32,
}

impl Schema {
    /// A mutator written by hand: its records bear no tag.
    pub const UNTAGGED: Schema =
        Schema { program: None, operations: &[], readable: &[], state: 1, oldest_state: 1 };

    /// Whether records of the operation in this version are read.
    pub(crate) fn reads(&self, name: &str, version: u32) -> bool {
        let includes = |known: &Readable| (known.oldest..=known.newest).contains(&version);
        self.readable.iter().any(|known| known.name == name && includes(known))
    }

    /// The program, as files name it.
    pub(crate) fn by(&self) -> Option<String> {
        self.program.map(|(name, version)| format!("{name} {version}"))
    }
}

/// Why sound bytes are not a mutation, or a state, of this program.
#[derive(Debug)]
pub struct DecodeError(Cause);

#[derive(Debug)]
enum Cause {
    /// The program has no such operation, or not in this version.
    Unknown,
    /// The record has a tag and the program's mutator is written by hand.
    Tagged,
    /// The record has no tag and the program's mutator is derived.
    Untagged,
    /// The payload is not of the operation's shape.
    Payload(serde_json::Error),
    /// The program has no such version of the state.
    UnknownState(u32),
    /// A step that reads an old version as a newer one gave up.
    Upcast(Box<dyn Error + Send + Sync>),
}

impl DecodeError {
    /// No operation of the program bears this tag.
    pub fn unknown(tag: Option<(&str, u32)>) -> Self {
        Self(if tag.is_some() { Cause::Unknown } else { Cause::Untagged })
    }

    /// Whether a fallible hop gave up.
    pub(crate) fn is_upcast(&self) -> bool {
        matches!(self.0, Cause::Upcast(_))
    }

    /// The program does not read the state in this version.
    pub fn unknown_state(version: u32) -> Self {
        Self(Cause::UnknownState(version))
    }

    /// A fallible hop from an old version towards the current one returned this error.
    pub fn upcast(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(Cause::Upcast(error.into()))
    }
}

impl From<serde_json::Error> for DecodeError {
    fn from(error: serde_json::Error) -> Self {
        Self(Cause::Payload(error))
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Cause::Unknown => f.write_str("this program has no such operation in this version"),
            Cause::Tagged => f.write_str(
                "the record names an operation, but this program's mutator is written by hand",
            ),
            Cause::Untagged => {
                f.write_str("the record names no operation, but this program's mutator is derived")
            }
            Cause::UnknownState(version) => {
                write!(f, "this program does not read version {version} of the state")
            }
            Cause::Payload(_) => f.write_str("it has another shape"),
            Cause::Upcast(_) => f.write_str("it could not be read as the current version"),
        }
    }
}

impl Error for DecodeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Cause::Unknown | Cause::Tagged | Cause::Untagged | Cause::UnknownState(_) => None,
            Cause::Payload(error) => Some(error),
            Cause::Upcast(error) => Some(&**error),
        }
    }
}

/// Decodes the payload of a mutator that is written by hand.
pub(crate) fn decode_untagged<M: DeserializeOwned>(
    tag: Option<(&str, u32)>,
    payload: &str,
) -> Result<M, DecodeError> {
    match tag {
        Some(_) => Err(DecodeError(Cause::Tagged)),
        None => decode_content(payload),
    }
}
