//! A disk in memory that loses what was not synced when its power is cut.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::{Access, Lock, Storage, StorageFile};

/// A [`Storage`] in memory, for tests: every clone is the same disk.
///
/// Calls are counted, so that a test can repeat a run and let any one call fail
/// ([`fail_at`](Self::fail_at)) or cut the power before it ([`cut_power_at`](Self::cut_power_at)).
/// [`restarted`](Self::restarted) is the disk that the machine finds after a power cut: what was
/// synced is there, and of the rest a part that depends on a seed. Time and unique numbers are
/// made up from counters, so that equal runs write equal bytes.
///
/// ```
/// # use ministate::{Mutator, Options};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Default, Serialize, Deserialize)]
/// # struct Counter(u64);
/// # #[derive(Serialize, Deserialize)]
/// # struct Inc;
/// # impl Mutator<Counter> for Inc {
/// #     fn apply(&self, state: &mut Counter) { state.0 += 1 }
/// # }
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use ministate::storage::Simulated;
///
/// let disk = Simulated::new();
/// let open = |disk: &Simulated| {
///     Options::new().storage(disk.clone()).blocking_open::<Counter, Inc>("app", "app.wal.jsonl")
/// };
/// let manager = open(&disk)?;
/// manager.blocking_apply(Inc)?;
/// disk.cut_power_at(disk.calls());
/// assert!(manager.blocking_apply(Inc).is_err());
///
/// let manager = open(&disk.restarted(42))?;
/// assert_eq!(manager.sequence(), 1);
/// # Ok(())
/// # }
/// ```
///
/// # The model
///
/// After a power cut, of each write that was not synced any of its 512-byte sectors may be there,
/// and of each cut or extension either effect. Of the names that were created, changed or removed
/// in a directory that was not synced since, any may be as before; a rename to another directory
/// may have either of its effects.
#[derive(Debug, Clone, Default)]
pub struct Simulated(Arc<Mutex<World>>);

/// How a call fails; see [`Simulated::fail_at`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Nothing happens, and the call reports an I/O error. A sync that fails drops what it should
    /// have made durable, while reading still shows it: this is what Linux does.
    Fails,
    /// A write puts half of its bytes, and the call reports that the disk is full.
    Full,
}

#[derive(Debug, Clone, Default)]
struct World {
    calls: u64,
    faults: BTreeMap<u64, Fault>,
    power_cut: Option<u64>,
    unique: u64,
    seconds: u64,
    files: Vec<FileContent>,
    dirs: BTreeMap<PathBuf, Dir>,
    locks: BTreeSet<PathBuf>,
}

#[derive(Debug, Clone, Default)]
struct FileContent {
    durable: Vec<u8>,
    visible: Vec<u8>,
    /// What happened since the last sync.
    unsynced: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Change {
    Write { position: usize, bytes: Vec<u8> },
    SetLen(usize),
}

#[derive(Debug, Clone, Default)]
struct Dir {
    durable: BTreeMap<String, usize>,
    visible: BTreeMap<String, usize>,
    /// Each a set of names that change together, since the last sync.
    unsynced: Vec<Vec<(String, Option<usize>)>>,
}

const SECTOR_BYTES: usize = 512;

impl Simulated {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many calls there were.
    pub fn calls(&self) -> u64 {
        self.world().calls
    }

    /// Lets the call with this number fail, counted from 0. May be given for several calls.
    pub fn fail_at(&self, call: u64, fault: Fault) {
        self.world().faults.insert(call, fault);
    }

    /// Cuts the power before the call with this number: it and all later ones fail.
    pub fn cut_power_at(&self, call: u64) {
        self.world().power_cut = Some(call);
    }

    /// The disk that the machine finds after a power cut now. Other seeds give other disks.
    pub fn restarted(&self, seed: u64) -> Simulated {
        let mut world = self.world().clone();
        let mut chance = Chance(seed);
        world.calls = 0;
        world.faults.clear();
        world.power_cut = None;
        world.locks.clear();
        for file in &mut world.files {
            file.lose_unsynced(&mut chance);
        }
        for dir in world.dirs.values_mut() {
            dir.lose_unsynced(&mut chance);
        }
        Simulated(Arc::new(Mutex::new(world)))
    }

    /// The disk that a new process finds after this one was killed: all that was written is there
    /// to be read, and a power cut can still take what was not synced.
    pub fn after_kill(&self) -> Simulated {
        let mut world = self.world().clone();
        world.calls = 0;
        world.faults.clear();
        world.power_cut = None;
        world.locks.clear();
        Simulated(Arc::new(Mutex::new(world)))
    }

    /// What a file holds; `None` where there is no such file.
    pub fn content(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        let world = self.world();
        let id = world.find(path.as_ref()).ok()?;
        Some(world.files[id].visible.clone())
    }

    /// Replaces what a file holds, durably; creates it where it is not there. For damage.
    pub fn set_content(&self, path: impl AsRef<Path>, content: Vec<u8>) {
        let mut world = self.world();
        let file = FileContent { durable: content.clone(), visible: content, unsynced: Vec::new() };
        let id = match world.find(path.as_ref()) {
            Ok(id) => {
                world.files[id] = file;
                id
            }
            Err(_) => {
                world.files.push(file);
                world.files.len() - 1
            }
        };
        let (dir, name) = split(path.as_ref());
        let dir = world.dirs.entry(dir).or_default();
        dir.durable.insert(name.clone(), id);
        dir.visible.insert(name, id);
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call, and says how it fails.
    fn call(&self) -> io::Result<(MutexGuard<'_, World>, Option<Fault>)> {
        let mut world = self.world();
        let call = world.calls;
        world.calls += 1;
        if world.power_cut.is_some_and(|cut| call >= cut) {
            return Err(io::Error::other("the power was cut"));
        }
        let fault = world.faults.remove(&call);
        Ok((world, fault))
    }

    /// Counts a call that has no half measures.
    fn whole_call(&self) -> io::Result<MutexGuard<'_, World>> {
        match self.call()? {
            (world, None) => Ok(world),
            (_, Some(fault)) => Err(fault.error()),
        }
    }
}

impl Fault {
    fn error(self) -> io::Error {
        match self {
            Fault::Fails => io::Error::other("the disk failed"),
            Fault::Full => io::ErrorKind::StorageFull.into(),
        }
    }
}

impl World {
    fn dir(&mut self, dir: &Path) -> io::Result<&mut Dir> {
        self.dirs.get_mut(dir).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn find(&self, path: &Path) -> io::Result<usize> {
        let (dir, name) = split(path);
        let id = self.dirs.get(&dir).and_then(|dir| dir.visible.get(&name));
        id.copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl FileContent {
    fn lose_unsynced(&mut self, chance: &mut Chance) {
        for change in std::mem::take(&mut self.unsynced) {
            match change {
                Change::SetLen(length) if chance.half() => self.durable.resize(length, 0),
                Change::SetLen(_) => {}
                Change::Write { position, bytes } => {
                    // All, none or any of the sectors: whole outcomes are too rare by the coin.
                    let mode = chance.below(4);
                    let first = position / SECTOR_BYTES * SECTOR_BYTES;
                    for sector in (first..position + bytes.len()).step_by(SECTOR_BYTES) {
                        let kept = mode == 0 || (mode > 1 && chance.half());
                        if kept {
                            let from = sector.max(position);
                            let to = (sector + SECTOR_BYTES).min(position + bytes.len());
                            let part = &bytes[from - position..to - position];
                            write(&mut self.durable, part, from);
                        }
                    }
                    if chance.half() && self.durable.len() < position + bytes.len() {
                        self.durable.resize(position + bytes.len(), 0);
                    }
                }
            }
        }
        self.visible.clone_from(&self.durable);
    }
}

impl Dir {
    fn change(&mut self, names: Vec<(String, Option<usize>)>) {
        change_names(&mut self.visible, &names);
        self.unsynced.push(names);
    }

    fn lose_unsynced(&mut self, chance: &mut Chance) {
        for names in std::mem::take(&mut self.unsynced) {
            if chance.half() {
                change_names(&mut self.durable, &names);
            }
        }
        self.visible.clone_from(&self.durable);
    }
}

fn change_names(names: &mut BTreeMap<String, usize>, changes: &[(String, Option<usize>)]) {
    for (name, id) in changes {
        match id {
            Some(id) => names.insert(name.clone(), *id),
            None => names.remove(name),
        };
    }
}

fn write(content: &mut Vec<u8>, bytes: &[u8], position: usize) {
    let end = position + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[position..end].copy_from_slice(bytes);
}

fn split(path: &Path) -> (PathBuf, String) {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_string();
    (path.parent().unwrap_or(Path::new("")).to_path_buf(), name)
}

impl Storage for Simulated {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.whole_call()?.dirs.entry(dir.to_path_buf()).or_default();
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        Ok(self.whole_call()?.dir(dir)?.visible.keys().cloned().collect())
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn StorageFile>> {
        let id = self.whole_call()?.find(path)?;
        Ok(Box::new(SimulatedFile { disk: self.clone(), id, access }))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        let mut world = self.whole_call()?;
        if world.find(path).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let id = world.files.len();
        let (dir, name) = split(path);
        world.dir(&dir)?.change(vec![(name, Some(id))]);
        world.files.push(FileContent::default());
        Ok(Box::new(SimulatedFile { disk: self.clone(), id, access: Access::Write }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut world = self.whole_call()?;
        let id = world.find(from)?;
        let ((old_dir, from), (new_dir, to)) = (split(from), split(to));
        if old_dir == new_dir {
            world.dir(&old_dir)?.change(vec![(from, None), (to, Some(id))]);
        } else {
            world.dir(&new_dir)?.change(vec![(to, Some(id))]);
            world.dir(&old_dir)?.change(vec![(from, None)]);
        }
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut world = self.whole_call()?;
        world.find(path)?;
        let (dir, name) = split(path);
        world.dir(&dir)?.change(vec![(name, None)]);
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut world = self.whole_call()?;
        let dir = world.dir(dir)?;
        dir.unsynced.clear();
        dir.durable.clone_from(&dir.visible);
        Ok(())
    }

    fn try_lock(&self, path: &Path) -> io::Result<Lock> {
        let mut world = self.whole_call()?;
        if !world.locks.insert(path.to_path_buf()) {
            return Ok(Lock::Busy { holder: None });
        }
        let held: Box<dyn Any + Send + Sync> =
            Box::new(Held { disk: self.clone(), path: path.to_path_buf() });
        Ok(Lock::Held(held))
    }

    fn now(&self) -> SystemTime {
        const NOON: u64 = 1_795_348_800;
        let mut world = self.world();
        world.seconds += 1;
        SystemTime::UNIX_EPOCH + Duration::from_secs(NOON + world.seconds)
    }

    fn unique(&self) -> u64 {
        let mut world = self.world();
        world.unique += 1;
        world.unique
    }
}

#[derive(Debug)]
struct Held {
    disk: Simulated,
    path: PathBuf,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.disk.world().locks.remove(&self.path);
    }
}

#[derive(Debug)]
struct SimulatedFile {
    disk: Simulated,
    id: usize,
    access: Access,
}

impl SimulatedFile {
    fn refuse_reader(&self) -> io::Result<()> {
        match self.access {
            Access::Write => Ok(()),
            Access::Read => Err(io::ErrorKind::PermissionDenied.into()),
        }
    }
}

impl StorageFile for SimulatedFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.whole_call()?.files[self.id].visible.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let world = self.disk.whole_call()?;
        let content = &world.files[self.id].visible;
        let rest = content.get(to_usize(position)..).unwrap_or_default();
        let read = rest.len().min(buffer.len());
        buffer[..read].copy_from_slice(&rest[..read]);
        Ok(read)
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.refuse_reader()?;
        let (mut world, fault) = self.disk.call()?;
        let written = match fault {
            None => bytes,
            Some(Fault::Fails) => return Err(Fault::Fails.error()),
            Some(Fault::Full) => &bytes[..bytes.len() / 2],
        };
        let position = to_usize(position);
        let file = &mut world.files[self.id];
        write(&mut file.visible, written, position);
        file.unsynced.push(Change::Write { position, bytes: written.to_vec() });
        fault.map_or(Ok(()), |fault| Err(fault.error()))
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.refuse_reader()?;
        let mut world = self.disk.whole_call()?;
        let file = &mut world.files[self.id];
        file.visible.resize(to_usize(length), 0);
        file.unsynced.push(Change::SetLen(to_usize(length)));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let (mut world, fault) = self.disk.call()?;
        let file = &mut world.files[self.id];
        let unsynced = std::mem::take(&mut file.unsynced);
        if let Some(fault) = fault {
            return Err(fault.error());
        }
        // Not all that is visible: what a failed sync has dropped stays lost.
        for change in unsynced {
            match change {
                Change::SetLen(length) => file.durable.resize(length, 0),
                Change::Write { position, bytes } => write(&mut file.durable, &bytes, position),
            }
        }
        Ok(())
    }
}

fn to_usize(bytes: u64) -> usize {
    usize::try_from(bytes).expect("simulated files fit into memory")
}

/// Reproducible chance (SplitMix64).
#[derive(Debug)]
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn half(&mut self) -> bool {
        self.below(2) == 0
    }
}
