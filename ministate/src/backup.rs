//! A consistent copy of a journal in another directory, taken while its writers go on.
//!
//! Sealed segments and snapshots never change once they have their names, so they are linked or
//! copied as they are. Nothing of the active segment is copied: it is sealed first, and the copy
//! begins one of its own behind it.
//!
//! The copy's head file is the first of its files, its active segment the last. From the one to the
//! other `open` misses the active segment, so what an interruption leaves is no shorter journal.

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::MiniStateError;
use crate::journal::{self, Names, Opened, Through};
use crate::record::{Chain, Seq};
use crate::schema::Schema;
use crate::snapshot;
use crate::storage::{Access, Duplicate, Storage};

/// What a backup wrote. See [`StateManager::backup`](crate::StateManager::backup).
///
/// ```
/// # use ministate::{Mutator, Options};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Default, Serialize, Deserialize)]
/// # struct Counter { value: u32 }
/// # #[derive(Serialize, Deserialize)]
/// # struct Inc { by: u32 }
/// # impl Mutator<Counter> for Inc {
/// #     fn apply(&self, state: &mut Counter) { state.value += self.by }
/// # }
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let dir = dir.path();
/// let manager = Options::new().blocking_open::<Counter, Inc>(dir.join("state"), "app.wal.jsonl")?;
/// manager.blocking_apply(Inc { by: 10 })?;
/// let backup = manager.blocking_backup(dir.join("monday"))?;
/// assert_eq!(backup.seq, 1);
/// assert!(backup.files.iter().all(|file| file.is_file()));
/// println!("{} files with {} bytes", backup.files.len(), backup.bytes);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Backup {
    /// The last mutation in the copy.
    pub seq: u64,
    /// The files of the copy, in the order in which they were made. The last one made it whole.
    pub files: Vec<PathBuf>,
    /// How many of them are hard links, which take no room of their own, and are damaged if the
    /// original is.
    pub linked: usize,
    /// The bytes of all files, linked ones included.
    pub bytes: u64,
}

/// Copies a journal through `sealed`, which a segment ends with, or through the newest snapshot.
/// Nobody may put away files or make snapshots of it meanwhile.
pub(crate) fn copy_sealed(
    storage: &Arc<dyn Storage>,
    names: &Names,
    schema: &Schema,
    sealed: Seq,
    to: &Path,
) -> Result<Backup, MiniStateError> {
    let copy = names.in_dir(to);
    storage.create_dir_all(to).map_err(MiniStateError::io("creating the directory", to))?;
    let _lock = journal::lock(&**storage, &copy)?;
    refuse_occupied(&**storage, names, to)?;

    let opened = Opened::sealed(storage, names)?;
    // Compaction may have put away what is before a snapshot that is newer than the sealing. It is
    // made of sealed segments, so one of them ends there.
    let seq = opened.snapshots().next().map_or(sealed, |(newest, _)| newest.max(sealed));
    let snapshots = opened.snapshots().map(|(_, path)| path.clone());
    let originals: Vec<PathBuf> = snapshots.chain(opened.sealed_through(seq).cloned()).collect();
    let (identity, record) = end_at(&**storage, opened, seq)?;

    let mut backup = Backup { seq, files: vec![copy.head()], linked: 0, bytes: 0 };
    journal::publish_head(&**storage, &copy, &identity, seq)?;
    for original in originals {
        let target = to.join(original.file_name().unwrap_or_default());
        let made = storage
            .link_or_copy(&original, &target)
            .map_err(MiniStateError::io("copying to", &target))?;
        backup.linked += usize::from(made == Duplicate::Linked);
        backup.files.push(target);
    }
    storage.sync_dir(to).map_err(MiniStateError::io("syncing", to))?;
    journal::publish_active(&**storage, &copy, &identity, (seq, record), schema)?;
    backup.files.push(copy.active());
    for path in &backup.files {
        let bytes = storage.open(path, Access::Read).and_then(|file| file.len());
        backup.bytes += bytes.map_err(MiniStateError::io("reading", path))?;
    }
    Ok(backup)
}

/// Refuses a directory with files that belong to a journal of these names.
pub(crate) fn refuse_occupied(
    storage: &dyn Storage,
    names: &Names,
    dir: &Path,
) -> Result<(), MiniStateError> {
    let listed = match storage.list(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        listed => listed.map_err(MiniStateError::io("listing", dir))?,
    };
    match listed.into_iter().find(|name| names.is_of_journal(name)) {
        Some(name) => Err(MiniStateError::Occupied { path: dir.join(name) }),
        None => Ok(()),
    }
}

/// The identity of the journal, and the checksum of the record at `seq`, with which a segment ends.
fn end_at(
    storage: &dyn Storage,
    opened: Opened,
    seq: Seq,
) -> Result<(String, Chain), MiniStateError> {
    if let Some(start) = opened.beginning_of_segment_with(seq) {
        let found =
            opened.read(&start, Through::Seq(seq), &mut |_, _| Ok(ControlFlow::Continue(())))?;
        return Ok((found.identity().to_string(), found.record()));
    }
    // Nothing was written behind the newest snapshot, nor kept before it.
    let newest = opened.snapshots().next().map(|(_, path)| path.clone());
    let Some(newest) = newest else {
        let dir = opened.dir().to_path_buf();
        return Err(MiniStateError::NoSnapshot { dir, first: opened.first(), rejected: vec![] });
    };
    let newest = snapshot::read(storage, &newest)?;
    Ok((newest.journal, newest.start.record))
}
