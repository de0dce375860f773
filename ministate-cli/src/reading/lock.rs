//! Who has the journal open?
#![expect(clippy::disallowed_methods, reason = "a lock is looked at, and none is taken")]

use std::fs::{self, File, TryLockError};
use std::path::Path;

use serde::{Deserialize, Serialize};

/// Who holds the lock of a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Holder {
    /// Nobody.
    Nobody,
    /// A manager; its process, where it is known.
    Process(Option<u32>),
    /// It cannot be told: the lock file cannot be read.
    Unknown,
}

/// Looks at the lock without waiting, and without keeping it.
///
/// The system's list of locks is asked first, which disturbs nobody. Where that says nothing, the
/// lock is asked for as one of several readers, and given back at once.
pub(crate) fn holder(path: &Path) -> Holder {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Holder::Nobody,
        Err(_) => return Holder::Unknown,
    };
    let left = || left_in(path);
    if let Some(pid) = listed(&file) {
        return Holder::Process(Some(pid).filter(|pid| *pid > 0).or_else(left));
    }
    match file.try_lock_shared() {
        Ok(()) => {
            // Closing the file lets go too.
            let _ = file.unlock();
            Holder::Nobody
        }
        Err(TryLockError::WouldBlock) => Holder::Process(left()),
        Err(TryLockError::Error(_)) => Holder::Unknown,
    }
}

/// The process that left its number in the lock file.
fn left_in(path: &Path) -> Option<u32> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().next()?.strip_prefix("{\"pid\":")?.strip_suffix('}')?.parse().ok()
}

/// What the last opening left of itself in the lock file.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct LastOpening {
    pub(crate) replayed: u64,
    pub(crate) microseconds: u64,
}

/// `None` where it left nothing.
pub(crate) fn last_opening(path: &Path) -> Option<LastOpening> {
    let text = fs::read_to_string(path).ok()?;
    serde_json::from_str(text.lines().nth(1)?).ok()
}

/// The process that the system lists as the holder; 0 where it is one that cannot be seen from here.
#[cfg(target_os = "linux")]
fn listed(file: &File) -> Option<u32> {
    use std::os::linux::fs::MetadataExt;
    let metadata = file.metadata().ok()?;
    let device = metadata.st_dev();
    let (major, minor) = ((device >> 8) & 0xfff, (device & 0xff) | ((device >> 12) & 0xfff00));
    let place = format!("{major:02x}:{minor:02x}:{}", metadata.st_ino());
    fs::read_to_string("/proc/locks").ok()?.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        // Those that wait have an arrow, and hold nothing.
        let [_, "FLOCK", _, "WRITE", pid, at, ..] = fields[..] else { return None };
        (at == place).then(|| pid.parse().unwrap_or(0))
    })
}

#[cfg(not(target_os = "linux"))]
fn listed(_file: &File) -> Option<u32> {
    None
}
