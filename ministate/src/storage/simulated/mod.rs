//! A disk in memory that loses what was not synced when its power is cut.

mod fault;
mod file;
mod moments;
mod world;

use std::any::Any;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime};

use super::{Access, Lock, Storage, StorageFile};
use crate::sync::{Mutex, MutexGuard};
pub use fault::{Counts, Fault};
use file::SimulatedFile;
pub use moments::{CrashState, Moment};
use world::World;

/// A [`Storage`] in memory, for tests: every clone is the same disk.
///
/// Calls are counted, so that a test can repeat a run and let any one call fail
/// ([`fail_at`](Self::fail_at)) or cut the power before it ([`cut_power_at`](Self::cut_power_at)).
/// [`restarted`](Self::restarted) is the disk that the machine finds after a power cut: what was
/// synced is there, and of the rest a part that depends on a seed. All of the disks that it may
/// find, after every call of a run, come from [`watch`](Self::watch). Time and unique numbers are
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
/// The disk keeps what [`Storage`] asks for and no more. After a power cut, of each write that was not synced any of its 512-byte sectors may be there,
/// and of each cut or extension either effect. Of the names that were created, changed or removed
/// in a directory that was not synced since, any may be as before; a rename to another directory
/// may have either of its effects.
#[derive(Debug, Clone, Default)]
pub struct Simulated(Arc<Mutex<Machine>>);

/// A disk and who uses it.
#[derive(Debug, Default)]
struct Machine {
    world: World,
    calls: u64,
    counts: Counts,
    faults: BTreeMap<u64, Fault>,
    /// From this call on, all fail so.
    broken: Option<(u64, Fault)>,
    power_cut: Option<u64>,
    moments: Option<Vec<Moment>>,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Read,
    Write,
    SetLen,
    Names,
    Sync,
    SyncDir,
}

impl Simulated {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    fn of(world: World) -> Self {
        Simulated(Arc::new(Mutex::new(Machine { world, ..Machine::default() })))
    }

    /// How many calls there were.
    pub fn calls(&self) -> u64 {
        self.machine().calls
    }

    /// How many calls of each kind there were.
    pub fn counts(&self) -> Counts {
        self.machine().counts
    }

    /// Lets the call with this number fail, counted from 0. May be given for several calls.
    pub fn fail_at(&self, call: u64, fault: Fault) {
        self.machine().faults.insert(call, fault);
    }

    /// Lets the call with this number fail, counted from 0, and all behind it.
    pub fn fail_from(&self, call: u64, fault: Fault) {
        self.machine().broken = Some((call, fault));
    }

    /// Cuts the power before the call with this number: it and all later ones fail.
    pub fn cut_power_at(&self, call: u64) {
        self.machine().power_cut = Some(call);
    }

    /// Remembers, from now on, what every call leaves that changes something.
    pub fn watch(&self) {
        self.machine().moments.get_or_insert_default();
    }

    /// What was remembered since the last time, in order: the disk as it is at first is not among
    /// them.
    pub fn moments(&self) -> Vec<Moment> {
        self.machine().moments.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// The disk as it is now.
    pub fn moment(&self) -> Moment {
        let machine = self.machine();
        let (call, world) = (machine.calls, machine.world.clone());
        Moment { call, what: "nothing".into(), world }
    }

    /// The disk that the machine finds after a power cut now. Other seeds give other disks.
    pub fn restarted(&self, seed: u64) -> Simulated {
        let machine = self.machine();
        let mut chance = Chance(seed);
        // All, none or any of the parts: whole outcomes are too rare by the coin.
        let mode = chance.below(4);
        let units = machine.world.units();
        let kept = units.iter().filter(|_| mode == 0 || (mode > 1 && chance.half()));
        Simulated::of(machine.world.after_power_cut(kept))
    }

    /// The disk that a new process finds after this one was killed: all that was written is there
    /// to be read, and a power cut can still take what was not synced.
    pub fn after_kill(&self) -> Simulated {
        self.moment().after_kill()
    }

    /// What a file holds; `None` where there is no such file.
    pub fn content(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        let machine = self.machine();
        let file = machine.world.find(path.as_ref()).ok()?;
        Some(machine.world.bytes(file).to_vec())
    }

    /// Replaces what a file holds, durably; creates it where it is not there. For damage.
    pub fn set_content(&self, path: impl AsRef<Path>, content: Vec<u8>) {
        self.machine().world.put(path.as_ref(), content);
    }

    /// A number that is equal for disks with the same files, and different for others but for rare
    /// chance.
    pub fn digest(&self) -> u64 {
        self.machine().world.digest()
    }

    fn machine(&self) -> MutexGuard<'_, Machine> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call, and says how it fails.
    fn call(&self, kind: Kind) -> io::Result<(MutexGuard<'_, Machine>, Option<Fault>)> {
        let mut machine = self.machine();
        let call = machine.calls;
        machine.calls += 1;
        if machine.power_cut.is_some_and(|cut| call >= cut) {
            return Err(io::Error::other("the power was cut"));
        }
        let counts = &mut machine.counts;
        *match kind {
            Kind::Read => &mut counts.reads,
            Kind::Write => &mut counts.writes,
            Kind::SetLen => &mut counts.lengths,
            Kind::Names => &mut counts.names,
            Kind::Sync => &mut counts.syncs,
            Kind::SyncDir => &mut counts.dir_syncs,
        } += 1;
        let broken = machine.broken.filter(|(first, _)| call >= *first).map(|(_, fault)| fault);
        let fault = machine.faults.remove(&call).or(broken);
        machine.counts.failed += u64::from(fault.is_some());
        Ok((machine, fault))
    }

    /// Counts a call that has no half measures.
    fn whole_call(&self, kind: Kind) -> io::Result<MutexGuard<'_, Machine>> {
        match self.call(kind)? {
            (machine, None) => Ok(machine),
            (_, Some(fault)) => Err(fault.error()),
        }
    }

    /// Changes names.
    fn rename_files(
        &self,
        what: &str,
        path: &Path,
        change: impl FnOnce(&mut World) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut machine = self.whole_call(Kind::Names)?;
        change(&mut machine.world)?;
        machine.remember(|| format!("{what} {}", path.display()));
        Ok(())
    }
}

impl Machine {
    fn remember(&mut self, what: impl FnOnce() -> String) {
        if let Some(moments) = &mut self.moments {
            let (call, world) = (self.calls - 1, self.world.clone());
            moments.push(Moment { call, what: what().into(), world });
        }
    }
}

impl Storage for Simulated {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.whole_call(Kind::Names)?.world.create_dir(dir);
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.whole_call(Kind::Read)?.world.names(dir)
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn StorageFile>> {
        let file = self.whole_call(Kind::Read)?.world.find(path)?;
        Ok(Box::new(SimulatedFile { disk: self.clone(), file, path: path.to_path_buf(), access }))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        let mut machine = self.whole_call(Kind::Names)?;
        let file = machine.world.create(path)?;
        machine.remember(|| format!("create {}", path.display()));
        let (path, access) = (path.to_path_buf(), Access::Write);
        Ok(Box::new(SimulatedFile { disk: self.clone(), file, path, access }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.rename_files("rename to", to, |world| world.rename(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.rename_files("remove", path, |world| world.remove(path))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut machine = self.whole_call(Kind::SyncDir)?;
        machine.world.sync_dir(dir)?;
        machine.remember(|| format!("sync {}", dir.display()));
        Ok(())
    }

    fn try_lock(&self, path: &Path) -> io::Result<Lock> {
        let mut machine = self.whole_call(Kind::Read)?;
        if !machine.world.locks.insert(path.to_path_buf()) {
            return Ok(Lock::Busy { holder: None });
        }
        let held: Box<dyn Any + Send + Sync> =
            Box::new(Held { disk: self.clone(), path: path.to_path_buf() });
        Ok(Lock::Held(held))
    }

    fn now(&self) -> SystemTime {
        const NOON: u64 = 1_795_348_800;
        let world = &mut self.machine().world;
        world.seconds += 1;
        SystemTime::UNIX_EPOCH + Duration::from_secs(NOON + world.seconds)
    }

    fn unique(&self) -> u64 {
        let world = &mut self.machine().world;
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
        self.disk.machine().world.locks.remove(&self.path);
    }
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
