//! Which files in the directory are of ministate 0.1, and how they are put away.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use super::snapshots::OldSnapshots;
use crate::error::MiniStateError;
use crate::journal::{Kind, Names};
use crate::record::Seq;
use crate::storage::{self, Access, Storage};

/// With which every segment of ministate 0.1 begins; a version and a newline follow.
pub(super) const SIGNATURE: &[u8] = b"// MINISTORE JOURNAL v";

/// How far the directory is on the way from 0.1 to ours.
#[derive(Debug)]
pub(super) enum Stage {
    /// There is nothing to take over.
    Ours,
    /// There is a journal of 0.1, and none of ours.
    Old(OldFiles),
    /// The old journal has given its name free, and the first segment of ours has not taken it.
    Switching(OldFiles),
}

/// The files of ministate 0.1 in the directory.
#[derive(Debug)]
pub(super) struct OldFiles {
    /// There is a file under the journal's name.
    active: bool,
    /// The segments that were put away, in the order of their numbers.
    rotated: Vec<(u32, PathBuf)>,
    pub(super) snapshots: OldSnapshots,
    /// The last mutation in a snapshot of ours, which an interrupted import left.
    pub(super) newest_of_ours: Option<Seq>,
}

/// What stands under the journal's name.
enum Active {
    Missing,
    Empty,
    Old,
    Other,
}

pub(super) fn stage(storage: &dyn Storage, names: &Names) -> Result<Stage, MiniStateError> {
    let dir = names.dir();
    let listed = storage.list(dir).map_err(MiniStateError::io("listing", dir))?;
    let (mut next, mut newest_of_ours) = (false, None);
    for name in &listed {
        match names.kind(name) {
            Some(Kind::Sealed(_)) => return Ok(Stage::Ours),
            Some(Kind::Next) => next = true,
            Some(Kind::Snapshot(seq)) => newest_of_ours = newest_of_ours.max(Some(seq)),
            Some(Kind::Active | Kind::Temporary) | None => {}
        }
        if dir.join(name) == names.head() {
            return Ok(Stage::Ours);
        }
    }
    let mut rotated: Vec<(u32, PathBuf)> = listed
        .iter()
        .filter_map(|name| Some((names.number_of_old_segment(name)?, dir.join(name))))
        .collect();
    rotated.sort();
    let active = active(storage, names)?;
    let first_is_old = || match rotated.first() {
        Some((_, path)) => Ok(beginning(storage, path)?.starts_with(SIGNATURE)),
        None => Ok(false),
    };
    let stage = match active {
        Active::Old => Stage::Old,
        Active::Missing if next => Stage::Switching,
        // Where a rotation was interrupted, the segments that were put away are the journal.
        Active::Missing | Active::Empty if first_is_old()? => Stage::Old,
        Active::Missing | Active::Empty | Active::Other => return Ok(Stage::Ours),
    };
    let active = !matches!(active, Active::Missing);
    let snapshots = OldSnapshots::among(storage, names, &listed)?;
    Ok(stage(OldFiles { active, rotated, snapshots, newest_of_ours }))
}

fn active(storage: &dyn Storage, names: &Names) -> Result<Active, MiniStateError> {
    match beginning(storage, &names.active()) {
        Ok(bytes) if bytes.is_empty() => Ok(Active::Empty),
        // A crash in the first opening left the beginning of the first line alone.
        Ok(bytes) if bytes.starts_with(SIGNATURE) || SIGNATURE.starts_with(&bytes) => {
            Ok(Active::Old)
        }
        Ok(_) => Ok(Active::Other),
        Err(MiniStateError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Ok(Active::Missing)
        }
        Err(error) => Err(error),
    }
}

/// The first bytes of a file, enough to tell whose it is.
fn beginning(storage: &dyn Storage, path: &Path) -> Result<Vec<u8>, MiniStateError> {
    let mut bytes = Vec::new();
    let read = storage.open(path, Access::Read).and_then(|file| {
        let length = file.len()?.min(SIGNATURE.len() as u64);
        storage::read_range(&*file, 0, length, &mut bytes)
    });
    read.map_err(MiniStateError::io("reading", path))?;
    Ok(bytes)
}

impl OldFiles {
    /// The segments that were put away, each with its number, in the order of history.
    pub(super) fn rotated(&self) -> &[(u32, PathBuf)] {
        &self.rotated
    }

    /// The last segment, where it is not one that was put away.
    pub(super) fn active(&self, names: &Names) -> Option<PathBuf> {
        self.active.then(|| names.active())
    }

    /// Lets every old file have another name, which comes beside the old one. The active segment
    /// is the first: from then on the directory is ours.
    pub(super) fn put_away(
        &self,
        storage: &dyn Storage,
        names: &Names,
    ) -> Result<Vec<(PathBuf, PathBuf)>, MiniStateError> {
        let aside = Aside::list(storage, names)?;
        let mut kept = aside.keep(self.active(names))?;
        let rotated = self.rotated.iter().map(|(_, path)| path.clone());
        kept.extend(aside.keep(rotated.chain(self.snapshots.files()))?);
        // What says that the others are of 0.1 stays until they are away.
        kept.extend(aside.keep(self.snapshots.signs())?);
        Ok(kept)
    }
}

/// The names under which old files are kept.
struct Aside<'a> {
    storage: &'a dyn Storage,
    names: &'a Names,
    taken: BTreeSet<PathBuf>,
}

impl<'a> Aside<'a> {
    fn list(storage: &'a dyn Storage, names: &'a Names) -> Result<Aside<'a>, MiniStateError> {
        let taken = kept(storage, names)?.into_iter().collect();
        Ok(Aside { storage, names, taken })
    }

    /// Renames the files, durably, and says how.
    fn keep(
        &self,
        paths: impl IntoIterator<Item = PathBuf>,
    ) -> Result<Vec<(PathBuf, PathBuf)>, MiniStateError> {
        let mut kept = Vec::new();
        for from in paths {
            let name = from.file_name().and_then(OsStr::to_str).unwrap_or_default();
            let mut to = self.names.kept_from_0_1(name);
            if self.taken.contains(&to) {
                // An earlier import kept a file of this name.
                to = self.names.also_kept_from_0_1(name, self.storage.unique());
            }
            self.storage.rename(&from, &to).map_err(MiniStateError::io("putting away", &from))?;
            kept.push((from, to));
        }
        if !kept.is_empty() {
            let dir = self.names.dir();
            self.storage.sync_dir(dir).map_err(MiniStateError::io("syncing", dir))?;
        }
        Ok(kept)
    }
}

/// The old files that this import or an earlier one has put away.
pub(super) fn kept(storage: &dyn Storage, names: &Names) -> Result<Vec<PathBuf>, MiniStateError> {
    let dir = names.dir();
    let mut listed = storage.list(dir).map_err(MiniStateError::io("listing", dir))?;
    listed.retain(|name| names.is_kept_from_0_1(name));
    listed.sort();
    Ok(listed.into_iter().map(|name| dir.join(name)).collect())
}

/// Whether there may be a journal of 0.1 in the directory besides this one.
pub(super) fn is_shared(
    storage: &dyn Storage,
    names: &Names,
    listed: &[String],
) -> Result<bool, MiniStateError> {
    let is_other = |name: &&String| {
        names.kind(name).is_none()
            && names.number_of_old_segment(name).is_none()
            && !names.is_kept_from_0_1(name)
    };
    for name in listed.iter().filter(is_other) {
        match beginning(storage, &names.dir().join(name)) {
            Ok(bytes) if bytes == SIGNATURE => return Ok(true),
            Ok(_) => {}
            Err(MiniStateError::Io { source, .. }) if is_no_file(&source) => {}
            Err(MiniStateError::Io { source, .. })
                if source.kind() == io::ErrorKind::PermissionDenied =>
            {
                return Ok(true);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

fn is_no_file(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::IsADirectory | io::ErrorKind::NotFound)
}
