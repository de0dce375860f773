//! With which snapshots does a changed history begin?
//!
//! A snapshot at the changed mutation or behind it holds what that did, so it is left behind. What
//! is left must still lead to every state: there has to be a snapshot before the change which the
//! records go back to.

use std::collections::BTreeMap;
use std::path::PathBuf;

use ministate::inspect::Snapshot;
use ministate::storage::Storage;

use super::refusal::Refusal;
use super::stretch::LeftBehind;
use crate::reading::Files;

/// The snapshots of a history that is changed.
#[derive(Debug)]
pub(crate) struct Base {
    pub(crate) snapshots: BTreeMap<u64, PathBuf>,
    pub(crate) left: Vec<LeftBehind>,
    /// The newest of those that are kept.
    pub(crate) newest: u64,
}

impl Base {
    /// The sound snapshots before the first changed mutation, of a journal whose records begin with
    /// `first`.
    pub(crate) fn before(
        storage: &dyn Storage,
        files: &Files,
        (journal, first): (&str, u64),
        changed: u64,
    ) -> Result<Base, Refusal> {
        let (mut snapshots, mut left) = (BTreeMap::new(), Vec::new());
        for (seq, file) in files.snapshots() {
            let is_sound = || {
                let read = Snapshot::read(storage, &file.path);
                read.is_ok_and(|snapshot| snapshot.journal == journal && snapshot.seq == seq)
            };
            let why = if seq >= changed {
                "it holds what the mutation did"
            } else if seq + 1 < first {
                "the records do not go back to it"
            } else if !is_sound() {
                "it is not sound"
            } else {
                snapshots.insert(seq, file.path.clone());
                continue;
            };
            left.push(LeftBehind::file(&file.path, file.bytes, Some(seq), why));
        }
        match snapshots.keys().next_back().copied() {
            Some(newest) => Ok(Base { snapshots, left, newest }),
            None => Err(Refusal::NoBase {
                dir: files.dir().to_path_buf(),
                archive: files.layout.archive(),
                changed,
                first,
            }),
        }
    }
}
