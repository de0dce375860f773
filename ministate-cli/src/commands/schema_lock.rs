//! What does a schema lock say that programs read?

use std::collections::BTreeSet;
use std::path::Path;

use ministate::storage::{Access, Storage};
use serde::Deserialize;

use crate::failure::Failure;

/// The operations and the versions of the state that a lock knows.
#[derive(Debug, Default)]
pub(super) struct SchemaLock {
    /// Those that records can have.
    pub(super) operations: BTreeSet<(String, u32)>,
    /// Those of which the program reads no records any more.
    pub(super) refused: BTreeSet<(String, u32)>,
    pub(super) states: BTreeSet<u32>,
}

#[derive(Deserialize)]
struct LockLine {
    schema_lock: Option<u64>,
    op: Option<String>,
    v: Option<u32>,
    state: Option<u32>,
    gone: Option<String>,
}

/// No lock is larger.
const BYTES_MAX: u64 = 256 << 20;

impl SchemaLock {
    pub(super) fn read(storage: &dyn Storage, path: &Path) -> Result<SchemaLock, Failure> {
        let unread = |source| Failure::unread(path, source);
        let file = storage.open(path, Access::Read).map_err(unread)?;
        let length = file.len().map_err(unread)?.min(BYTES_MAX);
        let mut text = vec![0; length as usize];
        let mut read = 0;
        while read < text.len() {
            match file.read_at(&mut text[read..], read as u64).map_err(unread)? {
                0 => break,
                bytes => read += bytes,
            }
        }
        let text = String::from_utf8_lossy(&text[..read]).into_owned();
        let text = text.trim_start_matches('\u{feff}').trim_end();
        let mut lock = SchemaLock::default();
        for (number, line) in (1..).zip(text.lines()) {
            let bad = || Failure::BadLock { path: path.to_path_buf(), line: number };
            let line: LockLine = serde_json::from_str(line).map_err(|_| bad())?;
            match (number, line.schema_lock) {
                (1, Some(1)) => continue,
                (1, _) => return Err(bad()),
                (_, _) => {}
            }
            match (line.op, line.v, line.state, line.gone.as_deref()) {
                (Some(op), Some(v), _, Some("refused")) => drop(lock.refused.insert((op, v))),
                (Some(op), Some(v), _, _) => drop(lock.operations.insert((op, v))),
                (None, _, Some(state), _) => drop(lock.states.insert(state)),
                // A reserved name has no version.
                (Some(_), None, _, Some(_)) => {}
                _ => return Err(bad()),
            }
        }
        Ok(lock)
    }
}
