//! A disk whose syncs wait until the test lets them go on.

use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::SystemTime;

use ministate::storage::{Access, Lock, Simulated, Storage, StorageFile};

/// A simulated disk behind a gate: while it is shut, every sync of a file waits in front of it.
///
/// So a test decides which callers share a batch: those that come while the gate is shut.
#[derive(Debug, Clone, Default)]
pub struct Gated {
    /// The disk behind the gate.
    pub disk: Simulated,
    gate: Arc<Gate>,
}

#[derive(Debug, Default)]
struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct GateState {
    shut: bool,
    waiting: usize,
    /// Whoever was to sync has ended without it.
    given_up: bool,
}

impl Gated {
    /// A gate before a disk, open.
    pub fn before(disk: Simulated) -> Self {
        Gated { disk, gate: Arc::default() }
    }

    /// Lets no sync through from now on.
    pub fn shut(&self) {
        let mut state = self.gate.state.lock().unwrap();
        state.shut = true;
        state.given_up = false;
    }

    /// Lets all syncs through.
    pub fn open(&self) {
        self.gate.state.lock().unwrap().shut = false;
        self.gate.changed.notify_all();
    }

    /// Returns once a sync waits at the gate, or nobody will.
    pub fn wait_for_a_sync(&self) {
        let state = self.gate.state.lock().unwrap();
        let nobody = |state: &mut GateState| state.waiting == 0 && !state.given_up;
        drop(self.gate.changed.wait_while(state, nobody).unwrap());
    }

    /// Tells whoever waits for a sync that there will be none.
    pub fn give_up(&self) {
        self.gate.state.lock().unwrap().given_up = true;
        self.gate.changed.notify_all();
    }
}

impl Gate {
    fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.waiting += 1;
        self.changed.notify_all();
        let mut state = self.changed.wait_while(state, |state| state.shut).unwrap();
        state.waiting -= 1;
    }
}

impl Storage for Gated {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.disk.create_dir_all(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.disk.list(dir)
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn StorageFile>> {
        let file = self.disk.open(path, access)?;
        Ok(Box::new(GatedFile { file, gate: Arc::clone(&self.gate) }))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        let file = self.disk.create(path)?;
        Ok(Box::new(GatedFile { file, gate: Arc::clone(&self.gate) }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.sync_dir(dir)
    }

    fn try_lock(&self, path: &Path) -> io::Result<Lock> {
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
struct GatedFile {
    file: Box<dyn StorageFile>,
    gate: Arc<Gate>,
}

impl StorageFile for GatedFile {
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
        self.gate.pass();
        self.file.sync()
    }
}
