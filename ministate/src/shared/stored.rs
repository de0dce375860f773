//! What is in a snapshot of a shared state? The state, and where in the journal it stands. Pure.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::chunk::{Admitted, Standing, Unsound};
use super::journal::Place;
use super::snapshots::SnapshotName;
use crate::journal::{FORMAT, line_of, object_of};
use crate::record::Chain;

/// The first line; the state and an end line follow.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    #[serde(rename = "ministate")]
    format_of_lines: u64,
    journal: String,
    /// The last mutation that the state holds.
    snapshot: u64,
    /// The place of its entry.
    place: u64,
    /// The checksum of the last line of that entry.
    prev: String,
    /// The choice of operations at that place, by whom, and the version of the state.
    format: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    ops: BTreeMap<String, u32>,
    v: u32,
}

/// A snapshot that is sound.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) standing: Standing,
    /// The state's JSON.
    pub(super) state: Vec<u8>,
}

/// The bytes of a snapshot with this state, which is JSON without line breaks.
pub(super) fn compose(name: &SnapshotName, standing: &Standing, state: &[u8]) -> Vec<u8> {
    let Admitted { format, ops, state: version, by } = Admitted::clone(&standing.admitted);
    let header = Header {
        format_of_lines: FORMAT,
        journal: name.journal.to_string(),
        snapshot: standing.seq,
        place: name.place.number(),
        prev: standing.chain.to_string(),
        format,
        by,
        ops,
        v: version,
    };
    let (mut bytes, chain) = line_of(&header);
    bytes.reserve(state.len() + 64);
    bytes.extend_from_slice(state);
    bytes.push(b'\n');
    bytes.extend_from_slice(&end_line(chain, state));
    bytes
}

/// Reads the bytes that were found under the name.
pub(super) fn parse(name: &SnapshotName, mut bytes: Vec<u8>) -> Result<Stored, Unsound> {
    let damaged = || Unsound::Damaged("it is not what was written");
    let start = memchr::memchr(b'\n', &bytes).ok_or_else(damaged)? + 1;
    let parsed: Option<(Header, Chain)> =
        object_of(&bytes[..start - 1], Path::new("")).map_err(|error| Unsound::of_line(&error))?;
    let (header, chain) = parsed.ok_or_else(damaged)?;
    let end = start + memchr::memchr(b'\n', &bytes[start..]).ok_or_else(damaged)?;
    if bytes[end + 1..] != end_line(chain, &bytes[start..end]) {
        return Err(damaged());
    }
    let Header { journal, snapshot, place, prev, format, by, ops, v, .. } = header;
    if [snapshot, place, format].contains(&u64::MAX) {
        return Err(Unsound::Damaged("nothing can follow it"));
    }
    if (journal.as_str(), snapshot, Place::new(place))
        != (name.journal.as_str(), name.seq, name.place)
    {
        return Err(Unsound::Damaged("it bears the name of another"));
    }
    let chain = Chain::parse(prev.as_bytes()).ok_or_else(damaged)?;
    bytes.truncate(end);
    bytes.drain(..start);
    let admitted = Arc::new(Admitted { format, ops, state: v, by });
    Ok(Stored { standing: Standing { seq: snapshot, chain, admitted }, state: bytes })
}

/// As in the snapshots of a journal in files.
fn end_line(header: Chain, state: &[u8]) -> Vec<u8> {
    let mut line = format!("{{\"bytes\":{}", state.len()).into_bytes();
    let chain = Chain::START.extend(&header.hex()).extend(state).extend(b"\n").extend(&line);
    line.extend_from_slice(format!(",\"crc\":\"{chain}\"}}\n").as_bytes());
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::journal::JournalId;

    fn snapshot(seq: u64, place: u64, format: u64) -> Result<Stored, Unsound> {
        let journal = JournalId::random();
        let name = SnapshotName { journal, seq, place: Place::new(place) };
        let admitted = Arc::new(Admitted { format, ops: BTreeMap::new(), state: 1, by: None });
        let standing = Standing { seq, chain: Chain::START, admitted };
        parse(&name, compose(&name, &standing, b"{}"))
    }

    /// The number behind the last one that there is made a replica panic, where arithmetic is checked.
    #[test]
    fn snapshot_behind_which_no_number_is_left_is_damaged() {
        assert_eq!(snapshot(7, 3, 1).unwrap().state, b"{}");
        assert_eq!(snapshot(u64::MAX - 1, 3, 1).unwrap().standing.seq, u64::MAX - 1);
        for (seq, place, format) in [(u64::MAX, 3, 1), (7, u64::MAX, 1), (7, 3, u64::MAX)] {
            assert!(matches!(snapshot(seq, place, format), Err(Unsound::Damaged(_))));
        }
    }
}
