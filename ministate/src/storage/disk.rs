//! The real disk: the only file of ministate that touches `std::fs`.
#![expect(clippy::disallowed_methods, reason = "this is the one place that they are for")]

use std::collections::hash_map::RandomState;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::hash::{BuildHasher, Hasher};
use std::io::{self, Read, Seek, Write};
use std::path::Path;

use super::{Access, Duplicate, Lock, Storage, StorageFile};

/// So much of a lock file is looked at.
const LOCK_BYTES: u64 = 1024;

/// The file system of the machine, through `std::fs`.
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
/// use ministate::storage::Disk;
///
/// // What `Options` begin with anyway.
/// let manager = Options::new().storage(Disk).blocking_open::<Counter, Inc>(dir, "app.wal.jsonl")?;
/// assert!(manager.journal_path().is_file());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

impl Storage for Disk {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        let parent = parent(dir);
        if dir.is_dir() {
            // Whoever created it may have been killed before this. Where the parent is not ours
            // to open, neither was the creation.
            return match self.sync_dir(parent) {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
                result => result,
            };
        }
        self.create_dir_all(parent)?;
        match fs::create_dir(dir) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if !dir.is_dir() {
                    return Err(io::ErrorKind::NotADirectory.into());
                }
            }
            result => result?,
        }
        self.sync_dir(parent)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            names.extend(entry?.file_name().into_string().ok());
        }
        Ok(names)
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn StorageFile>> {
        let write = match access {
            Access::Read => false,
            Access::Write => true,
        };
        let file = OpenOptions::new().read(true).write(write).open(path)?;
        if file.metadata()?.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        Ok(Box::new(DiskFile(file)))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        Ok(Box::new(DiskFile(file)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn link_or_copy(&self, from: &Path, to: &Path) -> io::Result<Duplicate> {
        match fs::hard_link(from, to) {
            Ok(()) => Ok(Duplicate::Linked),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists
                ) =>
            {
                Err(error)
            }
            // Another file system, one without links, a file of somebody else: each system says so
            // in its own way.
            Err(_) => super::copy(self, from, to),
        }
    }

    #[cfg(unix)]
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        match File::open(dir)?.sync_all() {
            // The file system has no such call for directories, and nothing more can be done.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
            result => result,
        }
    }

    /// Elsewhere a directory cannot be synced through `std`; NTFS journals its names by itself.
    #[cfg(not(unix))]
    fn sync_dir(&self, _dir: &Path) -> io::Result<()> {
        Ok(())
    }

    fn try_lock(&self, path: &Path) -> io::Result<Lock> {
        let mut options = OpenOptions::new();
        let mut file = options.read(true).write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => {
                let mut text = Vec::new();
                Read::by_ref(&mut file).take(LOCK_BYTES).read_to_end(&mut text)?;
                // What the last opening said behind the process stays until one has more to say.
                let behind = memchr::memchr(b'\n', &text).map_or(&[][..], |end| &text[end + 1..]);
                let held =
                    [format!("{{\"pid\":{}}}\n", std::process::id()).as_bytes(), behind].concat();
                file.set_len(0)?;
                file.rewind()?;
                file.write_all(&held)?;
                Ok(Lock::Held(Box::new(Held(file))))
            }
            Err(TryLockError::WouldBlock) => Ok(Lock::Busy { holder: holder(&mut file) }),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn unique(&self) -> u64 {
        // The standard library seeds every such hasher from the system's random numbers.
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_u32(std::process::id());
        hasher.finish()
    }
}

fn parent(dir: &Path) -> &Path {
    match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    }
}

fn holder(lock: &mut File) -> Option<u32> {
    let mut text = String::new();
    lock.take(LOCK_BYTES).read_to_string(&mut text).ok()?;
    text.lines().next()?.strip_prefix("{\"pid\":")?.strip_suffix('}')?.parse().ok()
}

/// Lets go when it is dropped. Closing the file would not do: a process that this one is starting
/// has copies of all open files, and so the lock, until it runs its own program.
#[derive(Debug)]
struct Held(File);

impl Drop for Held {
    fn drop(&mut self) {
        // Where it fails, closing the file is what is left.
        let _ = self.0.unlock();
    }
}

#[derive(Debug)]
struct DiskFile(File);

impl StorageFile for DiskFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    #[cfg(unix)]
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        loop {
            match std::os::unix::fs::FileExt::read_at(&self.0, buffer, position) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    #[cfg(windows)]
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        std::os::windows::fs::FileExt::seek_read(&self.0, buffer, position)
    }

    #[cfg(unix)]
    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::write_all_at(&self.0, bytes, position)
    }

    #[cfg(windows)]
    fn write_at(&self, mut bytes: &[u8], mut position: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = std::os::windows::fs::FileExt::seek_write(&self.0, bytes, position)?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            bytes = &bytes[written..];
            position += written as u64;
        }
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn sync(&self) -> io::Result<()> {
        // `fdatasync` also makes the length durable where it changed.
        self.0.sync_data()
    }
}
