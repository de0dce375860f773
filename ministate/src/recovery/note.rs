//! What does an opening leave in the lock file, for `ministate status` to tell?

use std::path::Path;

use super::Recovery;
use crate::storage::{Access, Storage};

/// Adds a line behind that of the lock's holder.
///
/// Nothing relies on it, so it is not synced, and an opening does not fail for it.
pub(crate) fn leave_note(storage: &dyn Storage, lock: &Path, recovery: &Recovery) {
    let (replayed, microseconds) = (recovery.replayed, recovery.duration.as_micros());
    let line = format!("{{\"replayed\":{replayed},\"microseconds\":{microseconds}}}\n");
    let _not_left = storage
        .open(lock, Access::Write)
        .and_then(|file| file.write_at(line.as_bytes(), file.len()?));
}
