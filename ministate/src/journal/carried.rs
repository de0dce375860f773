//! The first segment of a journal whose records another journal had.

use super::continuity::Continuity;
use super::header::Header;
use super::names::Names;
use super::writer::time_stamp;
use crate::error::MiniStateError;
use crate::record::{self, Bodies, Seq};
use crate::schema::Schema;
use crate::storage::{self, Storage};

/// Publishes it, with a mark at its end, in the role that it has until the active name is free. Its
/// history goes on behind `seq`.
pub(crate) fn publish_next_with(
    storage: &dyn Storage,
    names: &Names,
    identity: &str,
    seq: Seq,
    schema: &Schema,
    bodies: &Bodies,
) -> Result<(), MiniStateError> {
    let after = Continuity { seq, ..Continuity::START };
    let (mut lines, mut chain) = Header::new(identity.to_string(), &after, schema).line();
    let at = time_stamp(storage.now());
    let mut last = seq;
    for (body, mutations) in bodies.iter() {
        chain = record::push_record(&mut lines, chain, last + 1, 0, &at, body);
        last += mutations;
    }
    if last > seq {
        lines.extend_from_slice(&record::mark(last, chain));
    }
    let path = names.next();
    storage::publish(storage, &names.temporary(storage.unique()), &path, &lines)
        .map_err(MiniStateError::io("writing", &path))
}
