//! What is each file of a directory to a journal?

use std::any::Any;
use std::path::{Path, PathBuf};

use crate::error::MiniStateError;
use crate::import;
use crate::journal::{self, Kind, Names};
use crate::storage::Storage;

/// Where the files of one journal are.
#[derive(Debug, Clone)]
pub struct Layout(pub(super) Names);

/// What a file is to its journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The state behind a mutation.
    Snapshot(u64),
    /// A segment that was sealed, with its first mutation.
    Sealed(u64),
    /// The segment that is written to.
    Active,
    /// The segment that becomes active.
    Next,
    /// How far the journal was synced.
    Head,
    /// What a manager locks.
    Lock,
    /// The directory of what compaction has put away.
    Archive,
    /// Bytes that were cut off before a mutation.
    Torn(u64),
    /// Left by a crash, and removed by the next opening.
    Temporary,
    /// A segment that ministate 0.1 put away, with its number.
    Old(u32),
    /// A file of ministate 0.1, kept after its import.
    Kept,
}

impl Layout {
    /// The names of the journal whose active segment is `journal` in `dir`.
    ///
    /// # Errors
    ///
    /// `BadName`, where that is no name of a journal.
    pub fn new(dir: &Path, journal: &Path) -> Result<Layout, MiniStateError> {
        Names::new(dir, journal).map(Layout)
    }

    /// What the file of this name is; `None` where it is not this journal's.
    pub fn role(&self, name: &str) -> Option<Role> {
        let names = &self.0;
        let path = names.dir().join(name);
        if let Some(kind) = names.kind(name) {
            return Some(match kind {
                Kind::Active => Role::Active,
                Kind::Sealed(first) => Role::Sealed(first),
                Kind::Snapshot(seq) => Role::Snapshot(seq),
                Kind::Next => Role::Next,
                Kind::Temporary => Role::Temporary,
            });
        }
        if let Some(seq) = names.seq_of_torn(name) {
            return Some(Role::Torn(seq));
        }
        if let Some(number) = names.number_of_old_segment(name) {
            return Some(Role::Old(number));
        }
        if names.is_kept_from_0_1(name) {
            return Some(Role::Kept);
        }
        let others = [
            (names.head(), Role::Head),
            (names.lock(), Role::Lock),
            (names.archive(), Role::Archive),
        ];
        others.into_iter().find(|(other, _)| *other == path).map(|(_, role)| role)
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        self.0.dir()
    }

    /// The active segment, whose name is the journal's.
    pub fn active(&self) -> PathBuf {
        self.0.active()
    }

    /// The segment that becomes active while that one is sealed.
    pub fn next(&self) -> PathBuf {
        self.0.next()
    }

    /// The sealed segment that begins with a mutation.
    pub fn sealed(&self, first: u64) -> PathBuf {
        self.0.sealed(first)
    }

    /// The snapshot behind a mutation.
    pub fn snapshot(&self, seq: u64) -> PathBuf {
        self.0.snapshot(seq)
    }

    /// The head file.
    pub fn head(&self) -> PathBuf {
        self.0.head()
    }

    /// The lock file.
    pub fn lock(&self) -> PathBuf {
        self.0.lock()
    }

    /// The directory of what compaction has put away.
    pub fn archive(&self) -> PathBuf {
        self.0.archive()
    }

    /// The identity of the journal, and a mutation through which all was synced, as the head file
    /// says; `None` where there is no such file.
    ///
    /// # Errors
    ///
    /// As opening the journal has.
    pub fn synced(&self, storage: &dyn Storage) -> Result<Option<(String, u64)>, MiniStateError> {
        journal::head_file(storage, &self.0)
    }

    /// Takes the lock, which is held until what comes back is dropped.
    ///
    /// # Errors
    ///
    /// `Locked`, where a manager has the journal open.
    pub fn locked(
        &self,
        storage: &dyn Storage,
    ) -> Result<Box<dyn Any + Send + Sync>, MiniStateError> {
        journal::lock(storage, &self.0)
    }

    /// Whether the journal of this name is one of ministate 0.1 that nobody has taken over.
    ///
    /// # Errors
    ///
    /// Where the directory cannot be read.
    pub fn is_of_0_1(&self, storage: &dyn Storage) -> Result<bool, MiniStateError> {
        import::is_due(storage, &self.0)
    }
}
