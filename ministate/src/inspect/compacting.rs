//! What of a journal recovery no longer needs, without the types of its state.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Layout, Reach, opened_strictly};
use crate::compaction::{self, Compaction, Disposal, Planned};
use crate::error::MiniStateError;
use crate::journal::{Names, Opened};
use crate::record::Seq;
use crate::storage::{self, Storage};

/// Where the files go that are put away.
#[derive(Debug, Clone, Copy)]
pub enum Away<'a> {
    /// Into the journal's own archive, by renaming.
    Archive,
    /// Into another directory: copied, synced, and then removed here.
    Elsewhere(&'a Path),
    /// Nowhere: they are removed.
    Deleted,
}

/// What a compaction would put away.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PlannedCompaction {
    /// The oldest snapshot that is kept; every mutation behind it stays in the journal.
    pub oldest_snapshot: u64,
    /// How many segments go.
    pub segments: usize,
    /// How many snapshots go.
    pub snapshots: usize,
    /// The files, in the order in which they go.
    pub files: Vec<PathBuf>,
}

/// Plans a compaction that keeps the newest `kept` snapshots. All snapshots and all records are read
/// first: a snapshot counts if its checksums are right and its record is the one in the journal.
/// Whether the application reads the version of its state is not known here.
///
/// # Errors
///
/// Those that reading everything has.
pub fn compaction_planned(
    storage: &Arc<dyn Storage>,
    layout: &Layout,
    kept: usize,
) -> Result<PlannedCompaction, MiniStateError> {
    let opening = opened_strictly(storage, layout, Reach::Everything, &|_, _| {})?;
    let sound = opening.snapshots.iter().filter(|snapshot| snapshot.unsound.is_none());
    let sound: BTreeSet<Seq> = sound.map(|snapshot| snapshot.seq).collect();
    let opened = Opened::sealed(storage, &layout.0)?;
    let is_usable = |seq: Seq, _: &Path| sound.contains(&seq);
    let Planned { compaction, paths } = compaction::planned(&layout.0, &opened, kept, &is_usable);
    let Compaction { oldest_snapshot, segments, snapshots } = compaction;
    Ok(PlannedCompaction { oldest_snapshot, segments, snapshots, files: paths })
}

/// Puts the files of a plan away. The plan was made under the lock, which the caller holds.
///
/// # Errors
///
/// `Occupied`, where another file has the name elsewhere; `Io`. What was not put away yet is by the
/// next compaction.
pub fn compacted(
    storage: &dyn Storage,
    layout: &Layout,
    plan: &PlannedCompaction,
    away: Away<'_>,
) -> Result<(), MiniStateError> {
    let disposal = match away {
        Away::Archive => Disposal::Archive,
        Away::Deleted => Disposal::Delete,
        Away::Elsewhere(archive) => {
            copy_into(storage, &layout.0, &layout.0.in_dir(archive), &plan.files)?;
            Disposal::Delete
        }
    };
    compaction::put_away(storage, &layout.0, &plan.files, disposal)
}

/// Copies the files, durably. One that an interrupted compaction has copied stays.
fn copy_into(
    storage: &dyn Storage,
    journal: &Names,
    archive: &Names,
    files: &[PathBuf],
) -> Result<(), MiniStateError> {
    let dir = archive.dir();
    storage.create_dir_all(dir).map_err(MiniStateError::io("creating the directory", dir))?;
    if is_same_directory(storage, archive, journal)? {
        return Err(MiniStateError::Occupied { path: dir.to_path_buf() });
    }
    let taken = storage.list(dir).map_err(MiniStateError::io("listing", dir))?;
    for file in files {
        let name = file.file_name().unwrap_or_default();
        let target = dir.join(name);
        if taken.iter().any(|taken| **taken == *name) {
            let content = |path: &Path| {
                storage::read_all(storage, path).map_err(MiniStateError::io("reading", path))
            };
            if content(file)? != content(&target)? {
                return Err(MiniStateError::Occupied { path: target });
            }
            continue;
        }
        let temporary = archive.temporary(storage.unique());
        storage::copy(storage, file, &temporary)
            .and_then(|_| storage.rename(&temporary, &target))
            .map_err(MiniStateError::io("copying to", &target))?;
    }
    storage.sync_dir(dir).map_err(MiniStateError::io("syncing", dir))
}

/// Whether both are one directory, by whatever paths: what is copied there would be removed with the
/// original.
fn is_same_directory(
    storage: &dyn Storage,
    archive: &Names,
    journal: &Names,
) -> Result<bool, MiniStateError> {
    let probe = archive.temporary(storage.unique());
    drop(storage.create(&probe).map_err(MiniStateError::io("writing to", archive.dir()))?);
    let listed = storage.list(journal.dir());
    storage.remove(&probe).map_err(MiniStateError::io("removing", &probe))?;
    let listed = listed.map_err(MiniStateError::io("listing", journal.dir()))?;
    Ok(listed.iter().any(|name| probe.file_name().is_some_and(|probe| **name == *probe)))
}
