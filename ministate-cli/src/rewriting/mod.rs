//! How does a journal become another one in a new directory, while it stays as it is?
//!
//! Who changes a journal decides first what the new one holds: a [`Plan`], which is only words. Then
//! [`written`] carries it out, in one way for everybody: every line gets the checksum that it has
//! behind the one before it, so what was not changed becomes byte for byte what it was. The new
//! directory is written under another name, opened as a manager opens it, and only then given its
//! own name: who finds it finds all of it.

mod plan;
mod source;
mod stretch;
mod history;
mod base;
mod canonical;
mod edits;
mod run;
mod target;
mod refusal;

pub(crate) use base::Base;
pub(crate) use edits::{Edit, Edits, edits};
pub(crate) use history::{History, KnownSnapshot, longest};
pub(crate) use plan::{Lines, NewSegment, Plan};
pub(crate) use refusal::Refusal;
pub(crate) use run::written;
pub(crate) use source::{Source, source};
pub(crate) use stretch::{Found, LeftBehind, Stretch, stretches};
