//! Where do the snapshots of a shared state lie? In a store of whole objects, which all replicas reach.

use std::error::Error;
use std::fmt;

use super::journal::{Answer, Cause, JournalId, Place};

/// A store of snapshots that all replicas of a state reach: a directory, a bucket.
///
/// It keeps bytes under names, and does not look into them: what is in a snapshot proves itself by
/// checksums. Snapshots are never kept in the journal's engine, which is made for small entries.
///
/// # What must hold
///
/// 1. An object appears under its name as a whole, and what `get` returns was `put` under this name.
/// 2. Once [`put`](Self::put) was answered with `Ok`, the object is durable, and everybody finds it
///    there and in the list.
pub trait SnapshotStore: Send + Sync + 'static {
    /// Keeps the bytes under the name. Where there is a snapshot of this name, that one stays.
    fn put<'a>(
        &'a self,
        name: &'a SnapshotName,
        bytes: Vec<u8>,
    ) -> Answer<'a, Result<(), StoreError>>;

    /// The bytes of a snapshot.
    fn get<'a>(&'a self, name: &'a SnapshotName) -> Answer<'a, Result<Vec<u8>, StoreError>>;

    /// The names of the journal's snapshots, oldest first. What has other names is passed over.
    fn list<'a>(
        &'a self,
        journal: &'a JournalId,
    ) -> Answer<'a, Result<Vec<SnapshotName>, StoreError>>;

    /// The name of the newest snapshot of the journal.
    fn latest<'a>(
        &'a self,
        journal: &'a JournalId,
    ) -> Answer<'a, Result<Option<SnapshotName>, StoreError>> {
        Box::pin(async move { Ok(self.list(journal).await?.pop()) })
    }

    /// Removes a snapshot. Where there is none of this name, it does nothing.
    fn delete<'a>(&'a self, name: &'a SnapshotName) -> Answer<'a, Result<(), StoreError>>;
}

/// Which snapshot: of which journal, and what it holds.
///
/// ```
/// use ministate::shared::{JournalId, Place, SnapshotName};
///
/// let journal = JournalId::random();
/// let name = SnapshotName { journal: journal.clone(), seq: 42, place: Place::new(7) };
/// assert_eq!(name.file_name(), "snapshot.00000000000000000042.00000000000000000007.json");
/// assert_eq!(SnapshotName::parse(journal, &name.file_name()), Some(name));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SnapshotName {
    /// The journal whose mutations it holds.
    pub journal: JournalId,
    /// The last mutation that it holds; 0 for the state that the journal began with.
    pub seq: u64,
    /// The place of the last entry whose mutations it holds.
    pub place: Place,
}

impl SnapshotName {
    /// The name of its file, in a folder of the journal's own.
    pub fn file_name(&self) -> String {
        format!("snapshot.{:020}.{:020}.json", self.seq, self.place.number())
    }

    /// The snapshot of `journal` whose file has this name; `None` where it is the name of something
    /// else.
    pub fn parse(journal: JournalId, file_name: &str) -> Option<SnapshotName> {
        let numbers = file_name.strip_prefix("snapshot.")?.strip_suffix(".json")?;
        let (seq, place) = numbers.split_once('.')?;
        let name = SnapshotName {
            journal,
            seq: seq.parse().ok()?,
            place: Place::new(place.parse().ok()?),
        };
        (name.file_name() == file_name).then_some(name)
    }
}

impl fmt::Display for SnapshotName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.journal, self.file_name())
    }
}

/// Why a store of snapshots did not do what it was asked.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no snapshot of this name.
    Missing {
        /// The name.
        name: SnapshotName,
    },
    /// The store does not answer, or refuses.
    Unreachable {
        /// What went wrong.
        source: Cause,
    },
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { name } => {
                write!(f, "there is no snapshot {name}: list what there is")
            }
            Self::Unreachable { .. } => f.write_str(
                "the store of snapshots does not answer, or refuses: see to it, or wait",
            ),
        }
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unreachable { source } => Some(&**source),
            Self::Missing { .. } => None,
        }
    }
}
