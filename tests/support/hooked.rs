//! A disk that says what it is about to be asked.

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use ministate::storage::{Access, Lock, Storage, StorageFile};

/// A disk before whose calls something happens.
#[derive(Debug, Default)]
pub struct Hooked<S, H> {
    /// The disk itself.
    pub disk: S,
    pub(crate) hook: Arc<H>,
}

/// What happens before each call.
pub trait Hook: Debug + Send + Sync + 'static {
    /// May wait, or never return.
    fn before(&self, call: Call);
}

/// What a call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// It changes nothing.
    Read,
    /// It changes bytes or names.
    Change,
    /// It makes the bytes of a file durable.
    Sync,
}

impl<S, H: Default> Hooked<S, H> {
    /// The disk, with a hook that is as it is at first.
    pub fn before(disk: S) -> Self {
        Hooked { disk, hook: Arc::default() }
    }
}

impl<S, H> Hooked<S, H> {
    /// The disk with a hook.
    pub fn new(disk: S, hook: H) -> Self {
        Hooked { disk, hook: Arc::new(hook) }
    }
}

impl<S: Clone, H> Clone for Hooked<S, H> {
    fn clone(&self) -> Self {
        Hooked { disk: self.disk.clone(), hook: Arc::clone(&self.hook) }
    }
}

impl<S, H: Hook> Hooked<S, H> {
    fn file(&self, file: Box<dyn StorageFile>) -> Box<dyn StorageFile> {
        Box::new(HookedFile { file, hook: Arc::clone(&self.hook) })
    }
}

impl<S: Storage, H: Hook> Storage for Hooked<S, H> {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.hook.before(Call::Change);
        self.disk.create_dir_all(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.hook.before(Call::Read);
        self.disk.list(dir)
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn StorageFile>> {
        self.hook.before(Call::Read);
        Ok(self.file(self.disk.open(path, access)?))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        self.hook.before(Call::Change);
        Ok(self.file(self.disk.create(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.hook.before(Call::Change);
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.hook.before(Call::Change);
        self.disk.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.hook.before(Call::Change);
        self.disk.sync_dir(dir)
    }

    fn try_lock(&self, path: &Path) -> io::Result<Lock> {
        self.hook.before(Call::Change);
        self.disk.try_lock(path)
    }

    fn now(&self) -> SystemTime {
        self.disk.now()
    }

    fn unique(&self) -> u64 {
        self.disk.unique()
    }
}

#[derive(Debug)]
struct HookedFile<H> {
    file: Box<dyn StorageFile>,
    hook: Arc<H>,
}

impl<H: Hook> StorageFile for HookedFile<H> {
    fn len(&self) -> io::Result<u64> {
        self.hook.before(Call::Read);
        self.file.len()
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.hook.before(Call::Read);
        self.file.read_at(buffer, position)
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.hook.before(Call::Change);
        self.file.write_at(bytes, position)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.hook.before(Call::Change);
        self.file.set_len(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.hook.before(Call::Sync);
        self.file.sync()
    }
}
