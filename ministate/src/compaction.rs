//! What recovery no longer needs: a pure plan, and its execution in safe order.

use std::io;
use std::path::{Path, PathBuf};

use crate::error::MiniStateError;
use crate::journal::{Names, Opened};
use crate::planted::{Bug, planted};
use crate::record::Seq;
use crate::storage::Storage;

/// What compaction does with files that recovery no longer needs. Default:
/// [`Archive`](Self::Archive).
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
/// use ministate::Disposal;
///
/// let options = Options::new().snapshots_kept(1).disposal(Disposal::Delete);
/// let manager = options.blocking_open::<Counter, Inc>(dir, "app.wal.jsonl")?;
/// manager.blocking_apply(Inc { by: 10 })?;
/// manager.blocking_create_snapshot()?;
/// manager.blocking_compact()?;
/// assert!(!dir.join("app.wal.archive").exists());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Disposal {
    /// They are moved to a directory beside the journal, `app.wal.archive` for `app.wal.jsonl`,
    /// which ministate never reads. It grows until you empty it.
    #[default]
    Archive,
    /// They are removed.
    Delete,
}

/// What a compaction did. See [`StateManager::compact`](crate::StateManager::compact).
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
/// let options = Options::new().snapshots_kept(1);
/// let manager = options.blocking_open::<Counter, Inc>(dir, "app.wal.jsonl")?;
/// for by in [10, 5] {
///     manager.blocking_apply(Inc { by })?;
///     manager.blocking_create_snapshot()?;
/// }
/// let compaction = manager.blocking_compact()?;
/// assert_eq!(compaction.oldest_snapshot, 2);
/// // The snapshots at 0 and at 1, and the segment with mutation 1.
/// assert_eq!((compaction.snapshots, compaction.segments), (2, 1));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Compaction {
    /// The oldest snapshot that was kept. Every mutation behind it is in the journal.
    pub oldest_snapshot: u64,
    /// How many segments of the journal were put away.
    pub segments: usize,
    /// How many snapshots were put away.
    pub snapshots: usize,
}

/// What is to be put away, oldest first.
#[derive(Debug, Default, PartialEq, Eq)]
struct Plan {
    oldest_snapshot: Seq,
    snapshots: Vec<Seq>,
    segments: Vec<Seq>,
}

/// Keeps the newest `kept` of the snapshots, which are sound and come newest first, and all of the
/// journal behind the oldest of them. Segments are named by their first mutations, in order; the
/// last one stays, since nothing here says where it ends.
fn plan(snapshots: &[Seq], segments: &[Seq], kept: usize) -> Plan {
    let Some(last_kept) = snapshots.len().min(kept.max(1)).checked_sub(1) else {
        return Plan::default();
    };
    let oldest = snapshots[last_kept];
    let ends_before = |pair: &&[Seq]| pair[1] <= oldest + 1;
    Plan {
        oldest_snapshot: oldest,
        snapshots: snapshots.iter().rev().copied().take_while(|seq| *seq < oldest).collect(),
        segments: segments.windows(2).take_while(ends_before).map(|pair| pair[0]).collect(),
    }
}

/// Puts away what recovery does not need when it begins with one of the newest `kept` snapshots.
/// Nobody else may put away or make snapshots of the journal meanwhile.
///
/// `is_usable` reads a snapshot back: only those that recovery can begin with are kept, and counted.
/// All of them are read before anything is put away. A crash at any moment leaves them,
/// and all of the journal behind the oldest of them.
pub(crate) fn compact(
    storage: &dyn Storage,
    names: &Names,
    opened: &Opened,
    kept: usize,
    disposal: Disposal,
    is_usable: &dyn Fn(Seq, &Path) -> bool,
) -> Result<Compaction, MiniStateError> {
    let Planned { compaction, paths } = planned(names, opened, kept, is_usable);
    put_away(storage, names, &paths, disposal)?;
    Ok(compaction)
}

/// A compaction, and the files to put away for it, in the order in which they go.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) compaction: Compaction,
    pub(crate) paths: Vec<PathBuf>,
}

/// Reads the snapshots back that are to be kept, and says what [`compact`] then puts away.
pub(crate) fn planned(
    names: &Names,
    opened: &Opened,
    kept: usize,
    is_usable: &dyn Fn(Seq, &Path) -> bool,
) -> Planned {
    let mut sound = Vec::new();
    let mut older = Vec::new();
    for (seq, path) in opened.snapshots() {
        if sound.len() >= kept.max(1) {
            older.push(seq);
        } else if planted(Bug::CompactedBeforeReadBack) || is_usable(seq, path) {
            sound.push(seq);
        }
    }
    let plan = plan(&[sound, older].concat(), &opened.sealed_firsts(), kept);
    let snapshots = plan.snapshots.iter().map(|seq| names.snapshot(*seq));
    let segments = plan.segments.iter().map(|first| names.sealed(*first));
    // Snapshots first: each is of use only with the segments behind it.
    let paths: Vec<PathBuf> = snapshots.chain(segments).collect();
    let compaction = Compaction {
        oldest_snapshot: plan.oldest_snapshot,
        segments: plan.segments.len(),
        snapshots: plan.snapshots.len(),
    };
    Planned { compaction, paths }
}

/// Puts the files of a plan away, in their order.
pub(crate) fn put_away(
    storage: &dyn Storage,
    names: &Names,
    paths: &[PathBuf],
    disposal: Disposal,
) -> Result<(), MiniStateError> {
    let disposed = disposed(storage, names, paths, disposal);
    disposed.map_err(MiniStateError::io("compacting", names.dir()))
}

fn disposed(
    storage: &dyn Storage,
    names: &Names,
    paths: &[PathBuf],
    disposal: Disposal,
) -> io::Result<()> {
    if paths.is_empty() {
        return Ok(());
    }
    // What is kept may have its name only since a sync of the directory failed.
    storage.sync_dir(names.dir())?;
    let archive = names.archive();
    match disposal {
        Disposal::Archive => {
            storage.create_dir_all(&archive)?;
            for path in paths {
                let name = path.file_name().unwrap_or_default();
                storage.rename(path, &archive.join(Path::new(name)))?;
            }
            storage.sync_dir(&archive)?;
        }
        Disposal::Delete => {
            for path in paths {
                storage.remove(path)?;
            }
        }
    }
    storage.sync_dir(names.dir())
}

#[cfg(test)]
mod tests {
    use super::{Plan, plan};

    #[test]
    fn nothing_is_put_away_without_a_sound_snapshot() {
        assert_eq!(plan(&[], &[1, 10, 20], 2), Plan::default());
    }

    #[test]
    fn the_journal_is_kept_back_to_the_oldest_kept_snapshot() {
        let plan = plan(&[25, 12, 9, 0], &[1, 10, 20, 26], 2);
        assert_eq!(plan.oldest_snapshot, 12);
        assert_eq!(plan.snapshots, [0, 9]);
        // Segment 10 holds the mutations 13 to 19.
        assert_eq!(plan.segments, [1]);
    }

    #[test]
    fn a_segment_that_ends_with_the_oldest_kept_snapshot_is_put_away() {
        assert_eq!(plan(&[25, 9], &[1, 10, 26], 2).segments, [1]);
        assert!(plan(&[25, 8], &[1, 10, 26], 2).segments.is_empty());
    }

    #[test]
    fn one_snapshot_is_always_kept() {
        assert_eq!(plan(&[25, 9], &[1, 10, 26, 30], 0).oldest_snapshot, 25);
    }
}
