//! The whole disk, in about ten calls: what ministate needs of the world outside.

mod disk;
#[cfg(feature = "testing")]
mod simulated;

use std::any::Any;
use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::time::SystemTime;

use crate::planted::{Bug, planted};
pub use disk::Disk;
#[cfg(feature = "testing")]
pub use simulated::{Counts, CrashState, Fault, Moment, Simulated};

/// A place for files, with the few operations that a journal needs.
///
/// [`Disk`] is the one in production. Tests use `Simulated`, which is in memory (feature
/// `testing`).
///
/// # What must hold
///
/// - After [`StorageFile::sync`] returned `Ok`, the file's bytes and length survive a power loss.
/// - After [`sync_dir`](Storage::sync_dir) returned `Ok`, the names in the directory survive.
/// - [`rename`](Storage::rename) within a directory is atomic.
/// - A write changes no byte outside its range.
pub trait Storage: Debug + Send + Sync {
    /// Creates the directory and those above it, and syncs every directory that gained a name.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;

    /// The names of the files in the directory, in any order. Names that are not UTF-8 are left
    /// out: ministate gives none.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Opens a file that exists.
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn StorageFile>>;

    /// Creates a file that must not exist, for writing.
    fn create(&self, path: &Path) -> io::Result<Box<dyn StorageFile>>;

    /// Gives a file a new name, in place of any that had it: atomically within a directory.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Gives a file, whose bytes are durable and never change again, a second name in any
    /// directory, which must not be taken: by a link where the storage can do that, or else by a
    /// copy.
    ///
    /// After `Ok` the bytes under the second name survive a power loss; the name itself does once
    /// its directory is synced. What fails or is interrupted can leave a part of a copy.
    ///
    /// Provided: copies.
    fn link_or_copy(&self, from: &Path, to: &Path) -> io::Result<Duplicate> {
        copy(self, from, to)
    }

    /// Makes the names in the directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Takes the lock that this file stands for, creating the file, or says at once that another
    /// manager, here or in another process, holds it.
    fn try_lock(&self, path: &Path) -> io::Result<Lock>;

    /// The time for time stamps, which are for people only.
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    /// A number that no other call returns, for names and identities.
    fn unique(&self) -> u64;
}

/// How much is copied at a time.
const COPY_BYTES: u64 = 1 << 20;

/// What [`Storage::link_or_copy`] made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duplicate {
    /// A second name for the same bytes: what damages the one damages the other.
    Linked,
    /// Bytes of its own.
    Copied,
}

/// What an open file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reading only.
    Read,
    /// Reading and writing.
    Write,
}

/// An open file of a [`Storage`]. Positions and lengths are in bytes.
pub trait StorageFile: Debug + Send + Sync {
    /// The length of the file.
    fn len(&self) -> io::Result<u64>;

    /// Whether the file has no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Reads from the position into the buffer, and says how many bytes: 0 at the end only.
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize>;

    /// Writes all bytes at the position, extending the file where they reach past its end.
    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()>;

    /// Cuts or extends the file to a length.
    fn set_len(&self, length: u64) -> io::Result<()>;

    /// Makes the bytes and the length durable.
    fn sync(&self) -> io::Result<()>;
}

/// The answer of [`Storage::try_lock`].
#[derive(Debug)]
pub enum Lock {
    /// The lock is ours until this is dropped.
    Held(Box<dyn Any + Send + Sync>),
    /// Somebody else holds it; their process id, where they left it.
    Busy {
        /// The process that holds the lock.
        holder: Option<u32>,
    },
}

/// Gives a file its whole content and its name at once: after a crash it is there as a whole, or
/// what had the name before is.
pub(crate) fn publish(
    storage: &dyn Storage,
    temporary: &Path,
    target: &Path,
    content: &[u8],
) -> io::Result<()> {
    let file = storage.create(temporary)?;
    file.write_at(content, 0)?;
    if !planted(Bug::RenamedBeforeSync) {
        file.sync()?;
    }
    drop(file);
    storage.rename(temporary, target)?;
    if planted(Bug::DirectoryNotSynced) {
        return Ok(());
    }
    storage.sync_dir(target.parent().unwrap_or(Path::new(".")))
}

/// Gives a file its own first bytes again, as a new file, at once as [`publish`] does.
pub(crate) fn publish_again(
    storage: &dyn Storage,
    temporary: &Path,
    target: &Path,
    bytes: u64,
) -> io::Result<()> {
    if planted(Bug::WrittenAgainInPlace) {
        let file = storage.open(target, Access::Write)?;
        file.set_len(bytes)?;
        return copy_range(&*file, &*file, bytes);
    }
    let copy = storage.create(temporary)?;
    copy_range(&*storage.open(target, Access::Read)?, &*copy, bytes)?;
    drop(copy);
    storage.rename(temporary, target)?;
    storage.sync_dir(target.parent().unwrap_or(Path::new(".")))
}

/// Copies a file, durably but for its new name.
pub(crate) fn copy(
    storage: &(impl Storage + ?Sized),
    from: &Path,
    to: &Path,
) -> io::Result<Duplicate> {
    let (source, copy) = (storage.open(from, Access::Read)?, storage.create(to)?);
    copy_range(&*source, &*copy, source.len()?)?;
    Ok(Duplicate::Copied)
}

/// Copies the first bytes of a file, durably.
pub(crate) fn copy_range(
    source: &dyn StorageFile,
    copy: &dyn StorageFile,
    bytes: u64,
) -> io::Result<()> {
    let (mut position, mut piece) = (0, Vec::new());
    while position < bytes {
        let end = bytes.min(position + COPY_BYTES);
        piece.clear();
        read_range(source, position, end, &mut piece)?;
        copy.write_at(&piece, position)?;
        position = end;
    }
    copy.sync()
}

/// The content of a small file.
pub(crate) fn read_all(storage: &dyn Storage, path: &Path) -> io::Result<Vec<u8>> {
    let file = storage.open(path, Access::Read)?;
    let mut content = Vec::new();
    read_range(&*file, 0, file.len()?, &mut content)?;
    Ok(content)
}

/// Appends the bytes of a range of a file to `out`.
pub(crate) fn read_range(
    file: &dyn StorageFile,
    from: u64,
    to: u64,
    out: &mut Vec<u8>,
) -> io::Result<()> {
    let mut position = from;
    while position < to {
        let start = out.len();
        let step = (to - position).min(1 << 20);
        out.resize(start + step as usize, 0);
        let read = file.read_at(&mut out[start..], position)?;
        out.truncate(start + read);
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        position += read as u64;
    }
    Ok(())
}
