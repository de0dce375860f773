//! Where does the new directory go, and how is it known to be whole?
//!
//! It is written as `NEWDIR.partial` and renamed at the end. So a directory of the name that was
//! asked for is whole, and one that a crash left says by its name that it is not; no later run
//! writes into that.
#![expect(clippy::disallowed_methods, reason = "only names are looked at, which storage has not")]

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ministate::storage::Storage;

use super::refusal::Refusal;
use crate::failure::Failure;

/// A directory that is not there yet, or is empty.
#[derive(Debug)]
pub(crate) struct Target {
    /// Its name.
    pub(crate) dir: PathBuf,
    /// The name that it has while it is written.
    pub(crate) partial: PathBuf,
}

impl Target {
    /// The new directory for a journal of the directory `from`, if it can be one.
    pub(crate) fn free(from: &Path, to: &Path) -> Result<Target, Failure> {
        let bad = || Refusal::BadTarget { dir: to.to_path_buf() };
        let mut name: OsString = to.file_name().ok_or_else(bad)?.to_os_string();
        name.push(".partial");
        let (dir, partial) = (to.to_path_buf(), to.with_file_name(name));
        if is_within(to, from).map_err(|source| Failure::unread(from, source))? {
            return Err(bad().into());
        }
        match fs::read_dir(&dir) {
            Ok(mut entries) => {
                if entries.next().is_some() {
                    return Err(Refusal::Occupied { dir }.into());
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                return Err(Refusal::Occupied { dir }.into());
            }
            Err(source) => return Err(Failure::unread(&dir, source)),
        }
        if partial.symlink_metadata().is_ok() {
            return Err(Refusal::Unfinished { dir: partial }.into());
        }
        Ok(Target { dir, partial })
    }

    /// Removes what was written and is not to be given its name.
    pub(super) fn abandoned(&self) {
        // What cannot be removed still says by its name that it is not whole.
        let _ = fs::remove_dir_all(&self.partial);
    }

    /// Gives what was written its name.
    pub(super) fn named(&self, storage: &dyn Storage) -> io::Result<()> {
        storage.sync_dir(&self.partial)?;
        storage.rename(&self.partial, &self.dir)?;
        storage.sync_dir(match self.dir.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            Some(_) | None => Path::new("."),
        })
    }
}

/// Whether the one lies, or would lie, in the other or is the same. `from` is there.
fn is_within(to: &Path, from: &Path) -> io::Result<bool> {
    let from = from.canonicalize()?;
    let absolute = std::path::absolute(to)?;
    // The nearest directory above it that is there says where it would be.
    let there = absolute.ancestors().find_map(|above| above.canonicalize().ok());
    Ok(there.is_some_and(|there| there.starts_with(from)))
}
