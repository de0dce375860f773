//! What does a store of snapshots do to a program on its worst day? One in memory, which does what the
//! test says.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, PoisonError};

use crate::shared::journal::{Answer, JournalId};
use crate::shared::snapshots::{SnapshotName, SnapshotStore, StoreError};
use crate::sync::{Mutex, MutexGuard};

/// What becomes of a [`put`](SnapshotStore::put).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PutFault {
    /// Nothing is kept: the answer is `Unreachable`.
    Refused,
    /// The snapshot is kept, and the answer is `Unreachable`.
    AnswerLost,
}

/// A [`SnapshotStore`] in memory, for tests: every clone is the same store.
///
/// ```
/// use ministate::shared::memory::{MemorySnapshots, PutFault};
/// use ministate::shared::{JournalId, Place, SnapshotName, SnapshotStore};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let store = MemorySnapshots::new();
/// let name = SnapshotName { journal: JournalId::random(), seq: 5, place: Place::new(2) };
/// store.on_put(PutFault::Refused);
/// assert!(store.put(&name, b"{}".to_vec()).await.is_err());
/// assert!(store.get(&name).await.is_err());
///
/// store.put(&name, b"{}".to_vec()).await.unwrap();
/// store.damage(&name);
/// assert_ne!(store.get(&name).await.unwrap(), b"{}");
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct MemorySnapshots {
    shelf: Arc<Mutex<Shelf>>,
}

#[derive(Debug, Default)]
struct Shelf {
    /// By the journal and the name of the file, which need not be that of a snapshot.
    objects: BTreeMap<(JournalId, String), Vec<u8>>,
    puts: VecDeque<PutFault>,
    connection: Connection,
}

#[derive(Debug, Default)]
enum Connection {
    #[default]
    Whole,
    Cut,
}

impl MemorySnapshots {
    /// An empty store.
    pub fn new() -> MemorySnapshots {
        MemorySnapshots::default()
    }

    /// Queues a fault for a [`put`](SnapshotStore::put).
    pub fn on_put(&self, fault: PutFault) {
        self.shelf().puts.push_back(fault);
    }

    /// Nobody reaches the store from now on.
    pub fn cut_off(&self) {
        self.shelf().connection = Connection::Cut;
    }

    /// Everybody reaches it again.
    pub fn reconnect(&self) {
        self.shelf().connection = Connection::Whole;
    }

    /// Turns one bit in the middle of a snapshot. Where there is none of this name, it does nothing.
    pub fn damage(&self, name: &SnapshotName) {
        if let Some(bytes) = self.shelf().objects.get_mut(&key(name)) {
            let middle = bytes.len() / 2;
            if let Some(byte) = bytes.get_mut(middle) {
                *byte ^= 1;
            }
        }
    }

    /// Puts what is not a snapshot among those of the journal, under the name of a file.
    pub fn put_foreign(&self, journal: &JournalId, file_name: &str, bytes: Vec<u8>) {
        self.shelf().objects.insert((journal.clone(), file_name.to_string()), bytes);
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reached(&self) -> Result<MutexGuard<'_, Shelf>, StoreError> {
        let shelf = self.shelf();
        match shelf.connection {
            Connection::Whole => Ok(shelf),
            Connection::Cut => Err(unreachable()),
        }
    }
}

impl SnapshotStore for MemorySnapshots {
    fn put<'a>(
        &'a self,
        name: &'a SnapshotName,
        bytes: Vec<u8>,
    ) -> Answer<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let mut shelf = self.reached()?;
            match shelf.puts.pop_front() {
                Some(PutFault::Refused) => Err(unreachable()),
                Some(PutFault::AnswerLost) => {
                    shelf.objects.entry(key(name)).or_insert(bytes);
                    Err(unreachable())
                }
                None => {
                    shelf.objects.entry(key(name)).or_insert(bytes);
                    Ok(())
                }
            }
        })
    }

    fn get<'a>(&'a self, name: &'a SnapshotName) -> Answer<'a, Result<Vec<u8>, StoreError>> {
        Box::pin(async move {
            let shelf = self.reached()?;
            let bytes = shelf.objects.get(&key(name)).cloned();
            bytes.ok_or_else(|| StoreError::Missing { name: name.clone() })
        })
    }

    fn list<'a>(
        &'a self,
        journal: &'a JournalId,
    ) -> Answer<'a, Result<Vec<SnapshotName>, StoreError>> {
        Box::pin(async move {
            let shelf = self.reached()?;
            let keys = shelf.objects.keys().filter(|(of, _)| of == journal);
            Ok(keys.filter_map(|(of, file)| SnapshotName::parse(of.clone(), file)).collect())
        })
    }

    fn delete<'a>(&'a self, name: &'a SnapshotName) -> Answer<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.reached()?.objects.remove(&key(name));
            Ok(())
        })
    }
}

fn key(name: &SnapshotName) -> (JournalId, String) {
    (name.journal.clone(), name.file_name())
}

fn unreachable() -> StoreError {
    StoreError::Unreachable { source: Arc::new(io::Error::other("the test wants it so")) }
}
