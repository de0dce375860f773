//! A copy of a journal that stands by itself, beside whoever is writing the journal.
//!
//! It is what a reader without the lock can know: all that was acknowledged before it began, and at
//! most one batch more, which was being synced at that moment. Snapshots and sealed segments are
//! copied as they are; of the active segment, the bytes through the last sound record, with a mark
//! behind them. So the copy is a closed journal, and a head file beside it says how far it goes.
//!
//! The files come in the order that the backup of a manager has: the head file first, the active
//! segment last. In between `open` misses the active segment.

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Layout, Opening, Reach, opened_strictly};
use crate::backup;
use crate::error::MiniStateError;
use crate::journal::{self, Names, Opened, Through};
use crate::read_only::believed;
use crate::storage::{self, Access, Storage};

/// A copy that was read back.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Copied {
    /// What opening it finds.
    pub opening: Opening,
    /// Its files, in the order in which they were made.
    pub files: Vec<PathBuf>,
    /// How many bytes they have.
    pub bytes: u64,
    /// How many bytes at the end of the original were left out, as opening it would cut them.
    pub torn: u64,
}

/// Copies a journal into a directory, and reads the copy back.
///
/// A directory that is not there yet gets its name last, as a whole; until then its name ends with
/// `.partial`, and the next copy begins there anew. One that is there takes the files beside
/// those that it has, if none of them is of a journal of this name.
///
/// # Errors
///
/// `Occupied`, `Locked`, `Io`, and all that reading a journal can find.
pub fn copied(
    storage: &Arc<dyn Storage>,
    layout: &Layout,
    to: &Path,
) -> Result<Copied, MiniStateError> {
    let names = &layout.0;
    match storage.list(to) {
        Ok(_) => return copied_beside_others(storage, names, to),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(MiniStateError::io("listing", to)(error)),
    }
    let partial = partial(to);
    let copy = Layout(names.in_dir(&partial));
    storage
        .create_dir_all(&partial)
        .map_err(MiniStateError::io("creating the directory", &partial))?;
    // Held until the directory has its name: who else would begin anew in it has to wait.
    let _lock = journal::lock(&**storage, &copy.0)?;
    refuse_files_of_others(&**storage, &copy)?;
    let mut copied = read_back(storage, names, &copy)?;
    let parent = match to.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    storage
        .rename(&partial, to)
        .and_then(|()| storage.sync_dir(parent))
        .map_err(MiniStateError::io("giving the copy its name", to))?;
    for file in &mut copied.files {
        *file = to.join(file.file_name().unwrap_or_default());
    }
    Ok(copied)
}

/// Copies into a directory that is there already.
fn copied_beside_others(
    storage: &Arc<dyn Storage>,
    names: &Names,
    to: &Path,
) -> Result<Copied, MiniStateError> {
    // Before the lock too, whose file says who had it last.
    backup::refuse_occupied(&**storage, names, to)?;
    let copy = Layout(names.in_dir(to));
    let _lock = journal::lock(&**storage, &copy.0)?;
    backup::refuse_occupied(&**storage, names, to)?;
    read_back(storage, names, &copy).inspect_err(|_| {
        // What cannot be removed either is in the way of the next copy, which says so.
        let _ = remove_leftovers(&**storage, &copy);
    })
}

/// The name of a directory that does not hold the whole copy yet.
fn partial(to: &Path) -> PathBuf {
    let mut name = to.file_name().unwrap_or_default().to_os_string();
    name.push(".partial");
    to.with_file_name(name)
}

fn refuse_files_of_others(storage: &dyn Storage, copy: &Layout) -> Result<(), MiniStateError> {
    let dir = copy.dir();
    let listed = storage.list(dir).map_err(MiniStateError::io("listing", dir))?;
    match listed.into_iter().find(|name| copy.role(name).is_none()) {
        Some(name) => Err(MiniStateError::Occupied { path: dir.join(name) }),
        None => Ok(()),
    }
}

/// Copies until what was copied reads back as what was read: a writer may seal, put away, or undo
/// what was seen of a batch.
fn read_back(
    storage: &Arc<dyn Storage>,
    names: &Names,
    copy: &Layout,
) -> Result<Copied, MiniStateError> {
    believed(|| {
        remove_leftovers(&**storage, copy)?;
        let (seq, files, torn) = copy_files(storage, names, &copy.0)?;
        let opening = opened_strictly(storage, copy, Reach::Everything, &|_, _| {})?;
        let unsound = opening.snapshots.iter().find_map(|snapshot| snapshot.unsound.clone());
        if let Some(unsound) = unsound {
            return Err(unsound);
        }
        if opening.last != seq {
            let (path, found) = (copy.active(), opening.last);
            return Err(MiniStateError::LostTail { path, found, synced: seq });
        }
        let mut bytes = 0;
        for path in &files {
            let length = storage.open(path, Access::Read).and_then(|file| file.len());
            bytes += length.map_err(MiniStateError::io("reading", path))?;
        }
        Ok(Copied { opening, files, bytes, torn })
    })
}

/// Removes what an earlier attempt left of the journal.
fn remove_leftovers(storage: &dyn Storage, copy: &Layout) -> Result<(), MiniStateError> {
    let dir = copy.dir();
    for name in storage.list(dir).map_err(MiniStateError::io("listing", dir))? {
        if copy.0.is_of_journal(&name) {
            let path = dir.join(name);
            storage.remove(&path).map_err(MiniStateError::io("removing", &path))?;
        }
    }
    Ok(())
}

/// Says through which mutation, into which files, and how many torn bytes were left out.
fn copy_files(
    storage: &Arc<dyn Storage>,
    names: &Names,
    copy: &Names,
) -> Result<(u64, Vec<PathBuf>, u64), MiniStateError> {
    let opened = Opened::live(storage, names)?;
    let snapshots = opened.snapshots().map(|(_, path)| path.clone());
    let originals: Vec<PathBuf> =
        snapshots.chain(opened.sealed_through(u64::MAX).cloned()).collect();
    let beginning = opened.beginning();
    let found = opened.read(&beginning, Through::End, &mut |_, _| Ok(ControlFlow::Continue(())))?;
    let (seq, torn) = (found.seq(), found.torn().map_or(0, |(_, bytes)| bytes));

    let mut files = vec![copy.head()];
    journal::publish_head(&**storage, copy, found.identity(), seq)?;
    for original in originals {
        let target = copy.dir().join(original.file_name().unwrap_or_default());
        storage::copy(&**storage, &original, &target)
            .map_err(MiniStateError::io("copying to", &target))?;
        files.push(target);
    }
    storage.sync_dir(copy.dir()).map_err(MiniStateError::io("syncing", copy.dir()))?;
    found.open_end()?.copy(&**storage, names, copy)?;
    files.push(copy.active());
    Ok((seq, files, torn))
}
