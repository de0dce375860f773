//! What machine and what disk are these numbers of?
#![expect(clippy::disallowed_methods, reason = "reads /proc and makes directories to measure in")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use crate::Outcome;

/// Where the run writes. All of it is removed at the end of the run and not earlier, so that no
/// measurement shares the disk with the removal of what another one left.
#[derive(Debug)]
pub struct Place {
    dir: TempDir,
    used: AtomicU64,
}

impl Place {
    pub fn new(parent: Option<&Path>) -> Outcome<Place> {
        let parent = parent.unwrap_or(Path::new("target"));
        fs::create_dir_all(parent)?;
        let dir = tempfile::Builder::new().prefix("ministate-benches-").tempdir_in(parent)?;
        Ok(Place { dir, used: AtomicU64::new(0) })
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A directory that nobody has used.
    pub fn fresh(&self) -> Outcome<PathBuf> {
        let dir = self.dir.path().join(self.used.fetch_add(1, Ordering::Relaxed).to_string());
        fs::create_dir(&dir)?;
        Ok(dir)
    }
}

pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

pub fn describe(dir: &Path) -> String {
    let processor = field("/proc/cpuinfo", "model name").unwrap_or_default();
    let kernel = line("/proc/sys/kernel/osrelease");
    let load = line("/proc/loadavg");
    let file_system = file_system(dir).unwrap_or_default();
    let mut text = format!(
        "machine: {} cores, {processor}, Linux {kernel}, load {load}, scheduled {}\n\
         disk:    {file_system}, at {}",
        cores(),
        scheduling(),
        dir.display(),
    );
    if matches!(file_system.as_str(), "tmpfs" | "ramfs") {
        text += "\nbeware:  a sync costs nothing here, so these numbers say little";
    }
    text
}

/// Processor time that this process has used.
pub fn processor_time() -> Duration {
    ticks(14) + ticks(15)
}

/// Processor time that the processes have used which this one started and has waited for.
pub fn processor_time_of_children() -> Duration {
    ticks(16) + ticks(17)
}

/// A size in /proc/self/status, such as `VmHWM`, in bytes.
pub fn memory(name: &str) -> Option<u64> {
    let kilobytes = field("/proc/self/status", name)?;
    Some(1024 * kilobytes.trim_end_matches("kB").trim().parse::<u64>().ok()?)
}

/// A field of /proc/self/stat in hundredths of a second, whatever the kernel's own clock.
fn ticks(number: usize) -> Duration {
    Duration::from_millis(10 * stat(number).unwrap_or_default())
}

fn scheduling() -> &'static str {
    match stat(41) {
        Some(0) => "as others",
        Some(1 | 2) => "before others",
        _ => "specially",
    }
}

/// A field of /proc/self/stat, by its number in proc(5).
fn stat(number: usize) -> Option<u64> {
    let stat = line("/proc/self/stat");
    // The second field is the program's name, and may hold blanks.
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(number - 3)?.parse().ok()
}

/// The type of the file system with the longest mount point above the directory.
fn file_system(dir: &Path) -> Option<String> {
    let dir = dir.canonicalize().ok()?;
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let mounts = mounts.lines().filter_map(|mount| {
        let mut fields = mount.split(' ').skip(1);
        Some((fields.next()?, fields.next()?))
    });
    let above = mounts.filter(|(point, _)| dir.starts_with(point));
    above.max_by_key(|(point, _)| point.len()).map(|(_, kind)| kind.to_string())
}

fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_string())
}

fn line(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_string()
}
