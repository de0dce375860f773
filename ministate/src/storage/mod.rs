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
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let dir = dir.path();
/// use ministate::storage::{Disk, Storage};
///
/// let dir = dir.join("app");
/// Disk.create_dir_all(&dir)?;
/// let file = Disk.create(&dir.join("notes.tmp"))?;
/// file.write_at(b"a note", 0)?;
/// file.sync()?; // From here on the bytes survive a power loss,
/// Disk.rename(&dir.join("notes.tmp"), &dir.join("notes"))?;
/// Disk.sync_dir(&dir)?; // and from here on the name does.
/// assert_eq!(Disk.list(&dir)?, ["notes"]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// Every call may fail with whatever the system says, and
/// [`MiniStateError`](crate::MiniStateError) hands it on. Nothing is tried again but a write for
/// which there was no room, with fewer bytes. A few kinds are looked at; the calls name them.
pub trait Storage: Debug + Send + Sync {
    /// Creates the directory and those above it, and syncs every directory that gained a name.
    ///
    /// # Errors
    ///
    /// `NotADirectory` where a file bears the name, or that of a directory above.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;

    /// The names of the files in the directory, in any order. Names that are not UTF-8 are left
    /// out: ministate gives none.
    ///
    /// # Errors
    ///
    /// `NotFound` where there is no such directory.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Opens a file that exists.
    ///
    /// # Errors
    ///
    /// `NotFound` where there is no such file, `IsADirectory` where it is a directory.
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn StorageFile>>;

    /// Creates a file that must not exist, for writing.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` where the name is taken.
    fn create(&self, path: &Path) -> io::Result<Box<dyn StorageFile>>;

    /// Gives a file a new name, in place of any that had it: atomically within a directory.
    ///
    /// # Errors
    ///
    /// `NotFound` where there is no file to rename.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    ///
    /// `NotFound` where there is no such file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Gives a file, whose bytes are durable and never change again, a second name in any
    /// directory, which must not be taken: by a link where the storage can do that, or else by a
    /// copy.
    ///
    /// After `Ok` the bytes under the second name survive a power loss; the name itself does once
    /// its directory is synced. What fails or is interrupted can leave a part of a copy.
    ///
    /// Provided: copies.
    ///
    /// # Errors
    ///
    /// `NotFound` where there is no such file, `AlreadyExists` where the second name is taken.
    fn link_or_copy(&self, from: &Path, to: &Path) -> io::Result<Duplicate> {
        copy(self, from, to)
    }

    /// Makes the names in the directory durable.
    ///
    /// # Errors
    ///
    /// Whatever the system says: then no name is known to be durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Takes the lock that this file stands for, creating the file, or says at once that another
    /// manager, here or in another process, holds it.
    ///
    /// # Errors
    ///
    /// Whatever the system says. That somebody holds the lock is no error, but [`Lock::Busy`].
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
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let dir = dir.path();
/// use ministate::storage::{Disk, Duplicate, Storage};
///
/// Disk.create(&dir.join("one"))?.sync()?;
/// match Disk.link_or_copy(&dir.join("one"), &dir.join("other"))? {
///     Duplicate::Linked => println!("it takes no room"),
///     Duplicate::Copied => println!("it is safe from damage to the other"),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duplicate {
    /// A second name for the same bytes: what damages the one damages the other.
    Linked,
    /// Bytes of its own.
    Copied,
}

/// What an open file is for.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let path = &dir.path().join("file");
/// use ministate::storage::{Access, Disk, Storage};
///
/// Disk.create(path)?;
/// assert!(Disk.open(path, Access::Read)?.write_at(b"x", 0).is_err());
/// assert!(Disk.open(path, Access::Write)?.write_at(b"x", 0).is_ok());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reading only.
    Read,
    /// Reading and writing.
    Write,
}

/// An open file of a [`Storage`]. Positions and lengths are in bytes.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let path = &dir.path().join("file");
/// use ministate::storage::{Disk, Storage};
///
/// let file = Disk.create(path)?;
/// file.write_at(b"abcdef", 0)?;
/// file.set_len(4)?;
/// let mut buffer = [0; 8];
/// let bytes = file.read_at(&mut buffer, 1)?;
/// assert_eq!(&buffer[..bytes], b"bcd");
/// assert_eq!(file.len()?, 4);
/// # Ok(())
/// # }
/// ```
pub trait StorageFile: Debug + Send + Sync {
    /// The length of the file.
    ///
    /// # Errors
    ///
    /// Whatever the system says.
    fn len(&self) -> io::Result<u64>;

    /// Whether the file has no bytes.
    ///
    /// # Errors
    ///
    /// As [`len`](Self::len).
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Reads from the position into the buffer, and says how many bytes: 0 at the end only.
    ///
    /// # Errors
    ///
    /// Whatever the system says. Where that is `Interrupted`, it has to be tried again in here.
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize>;

    /// Writes all bytes at the position, extending the file where they reach past its end.
    ///
    /// # Errors
    ///
    /// `StorageFull` or `QuotaExceeded` where there is no room: ministate then writes less. After any
    /// error a part of the bytes may be written.
    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()>;

    /// Cuts or extends the file to a length.
    ///
    /// # Errors
    ///
    /// Whatever the system says: then the length is the old one or the new one.
    fn set_len(&self, length: u64) -> io::Result<()>;

    /// Makes the bytes and the length durable.
    ///
    /// # Errors
    ///
    /// Whatever the system says: then nothing since the last sync is known to be durable, and ministate
    /// does not ask again.
    fn sync(&self) -> io::Result<()>;
}

/// The answer of [`Storage::try_lock`].
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let path = &dir.path().join("app.lock");
/// use ministate::storage::{Disk, Lock, Storage};
///
/// let held = match Disk.try_lock(path)? {
///     Lock::Held(held) => held,
///     Lock::Busy { holder } => panic!("process {holder:?} has it"),
/// };
/// assert!(matches!(Disk.try_lock(path)?, Lock::Busy { .. }));
/// drop(held);
/// assert!(matches!(Disk.try_lock(path)?, Lock::Held(_)));
/// # Ok(())
/// # }
/// ```
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
