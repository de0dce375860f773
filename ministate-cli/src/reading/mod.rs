//! What do the files of a journal hold, damage or not?
//!
//! The library is strict: it stops at the first damage. This model goes on behind it, so that all of
//! it is found, and takes every judgement that it can from the library itself. It reads segments in
//! pieces; a journal may be larger than memory.

mod directory;
mod bytes;
mod line;
mod segment;
mod resumption;
mod mutation;
mod journal;
mod damage;
mod every_damage;
mod inspection;
mod lock;

pub(crate) use bytes::Bytes;
pub(crate) use damage::Damage;
pub(crate) use directory::{File, Files};
pub(crate) use inspection::{Inspection, inspected, inspected_sound, opening_of};
pub(crate) use journal::{Segment, segments, walked};
pub(crate) use line::{Content, Line};
pub(crate) use lock::{Holder, LastOpening, holder, last_opening};
pub(crate) use mutation::{Mutation, Proof, mutations};
pub(crate) use segment::{Bookmark, walked_segment, walked_segment_from};
