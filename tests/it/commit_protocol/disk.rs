//! A simulated disk whose syncs take a while, and can go wrong.

use std::io;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use ministate_shuttled::storage::{Access, Lock, Simulated, Storage, StorageFile};
use shuttle::thread;

#[derive(Debug, Clone)]
pub(super) struct Disk {
    pub(super) simulated: Simulated,
    sync: Arc<Sync>,
}

#[derive(Debug)]
struct Sync {
    behavior: Behavior,
    /// Counts the beginnings and the ends: odd while one is under way.
    edges: AtomicU64,
}

/// What the syncs of files do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behavior {
    Works,
    /// The one with this number panics, counted from 0.
    PanicsAt(u64),
    /// From this one on they say `Ok` and do nothing.
    LiesFrom(u64),
}

impl Disk {
    pub(super) fn new(behavior: Behavior) -> Disk {
        let sync = Sync { behavior, edges: AtomicU64::new(0) };
        Disk { simulated: Simulated::new(), sync: Arc::new(sync) }
    }

    /// Odd while a sync is under way, and never the same in two of them.
    pub(super) fn edges(&self) -> u64 {
        self.sync.edges.load(Ordering::Relaxed)
    }

    /// How many syncs there were.
    pub(super) fn syncs(&self) -> u64 {
        self.edges().div_ceil(2)
    }

    fn file(&self, file: Box<dyn StorageFile>) -> Box<dyn StorageFile> {
        Box::new(File { file, sync: Arc::clone(&self.sync) })
    }
}

impl Storage for Disk {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.simulated.create_dir_all(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.simulated.list(dir)
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn StorageFile>> {
        Ok(self.file(self.simulated.open(path, access)?))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        Ok(self.file(self.simulated.create(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.simulated.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.simulated.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.simulated.sync_dir(dir)
    }

    fn try_lock(&self, path: &Path) -> io::Result<Lock> {
        self.simulated.try_lock(path)
    }

    fn now(&self) -> SystemTime {
        self.simulated.now()
    }

    fn unique(&self) -> u64 {
        self.simulated.unique()
    }
}

#[derive(Debug)]
struct File {
    file: Box<dyn StorageFile>,
    sync: Arc<Sync>,
}

impl StorageFile for File {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.file.read_at(buffer, position)
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.file.write_at(bytes, position)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }

    fn sync(&self) -> io::Result<()> {
        let number = self.sync.edges.fetch_add(1, Ordering::Relaxed) / 2;
        // Others go on meanwhile.
        thread::sleep(Duration::ZERO);
        let result = match self.sync.behavior {
            // Unlike `panic!`, without a word of the checker, which takes it for a failure.
            Behavior::PanicsAt(at) if at == number => resume_unwind(Box::new("the disk panicked")),
            Behavior::LiesFrom(from) if from <= number => Ok(()),
            Behavior::Works | Behavior::PanicsAt(_) | Behavior::LiesFrom(_) => self.file.sync(),
        };
        thread::sleep(Duration::ZERO);
        self.sync.edges.fetch_add(1, Ordering::Relaxed);
        result
    }
}
