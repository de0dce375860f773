//! What does an opening leave in the lock file, for `ministate status` to tell?

use std::io;
use std::path::Path;

use super::Recovery;
use crate::error::MiniStateError;
use crate::storage::{self, Access, Storage};

/// Writes a line behind that of the lock's holder. Nothing relies on it, so it is not synced.
pub(crate) fn leave_note(
    storage: &dyn Storage,
    lock: &Path,
    recovery: &Recovery,
) -> Result<(), MiniStateError> {
    let (replayed, microseconds) = (recovery.replayed, recovery.duration.as_micros());
    let line = format!("{{\"replayed\":{replayed},\"microseconds\":{microseconds}}}\n");
    match write_behind_the_holder(storage, lock, line.as_bytes()) {
        // The locks of this storage are no files.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        written => written.map_err(MiniStateError::io("writing", lock)),
    }
}

fn write_behind_the_holder(storage: &dyn Storage, lock: &Path, line: &[u8]) -> io::Result<()> {
    let text = storage::read_all(storage, lock)?;
    let holder_bytes = memchr::memchr(b'\n', &text).map_or(text.len(), |end| end + 1) as u64;
    let file = storage.open(lock, Access::Write)?;
    file.set_len(holder_bytes)?;
    file.write_at(line, holder_bytes)
}
