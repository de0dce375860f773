//! How is a snapshot kept as an object?

use std::fmt;
#[cfg(feature = "fs")]
use std::path::PathBuf;
use std::sync::Arc;

use ministate::shared::{Answer, JournalId, SnapshotName, SnapshotStore, StoreError};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};

#[cfg(feature = "fs")]
use crate::folders::Folders;

/// Snapshots in a directory, a bucket or memory.
///
/// A clone is another handle of the same store.
///
/// What is kept where, and how large it may be, is said in the documentation of the crate.
#[derive(Clone)]
pub struct ObjectStoreSnapshots {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    #[cfg(feature = "fs")]
    folders: Option<Folders>,
}

impl ObjectStoreSnapshots {
    /// Snapshots in a store, in the folder `prefix`: `"production/bank"`, or `""` for the top.
    ///
    /// How durable they are is up to the store. object_store's own `LocalFileSystem` syncs nothing
    /// unless it is told to; `in_directory`, of the feature `fs`, does that and more.
    pub fn new(store: Arc<dyn ObjectStore>, prefix: impl Into<Path>) -> ObjectStoreSnapshots {
        ObjectStoreSnapshots {
            store,
            prefix: prefix.into(),
            #[cfg(feature = "fs")]
            folders: None,
        }
    }

    /// Snapshots in a directory, which is created if it is not there.
    ///
    /// A snapshot is there after a loss of power, once [`put`](SnapshotStore::put) was answered: the file
    /// is synced before it gets its name, and then the folders above it. On Windows folders cannot be
    /// synced; NTFS journals their names by itself.
    ///
    /// For several machines the directory must be one that they all mount. The file system must have
    /// hard links; they give a name to one file only.
    ///
    /// A process that is killed while it puts may leave a file whose name ends in `#1`. It is passed over,
    /// not removed, and may be removed while nobody puts.
    ///
    /// Must be called within a tokio runtime, and the store used within one.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unreachable`] if the directory cannot be created or synced, or its path is not
    /// unicode.
    #[cfg(feature = "fs")]
    pub async fn in_directory(
        directory: impl Into<PathBuf>,
    ) -> Result<ObjectStoreSnapshots, StoreError> {
        let folders = Folders::create(directory.into()).await?;
        let files = Arc::new(folders.files());
        Ok(ObjectStoreSnapshots { folders: Some(folders), ..ObjectStoreSnapshots::new(files, "") })
    }

    /// Snapshots in memory, for tests: they go away with the last clone.
    ///
    /// ```
    /// # use ministate_object_store::ObjectStoreSnapshots;
    /// let snapshots = ObjectStoreSnapshots::in_memory();
    /// let of_another_replica = snapshots.clone();
    /// ```
    pub fn in_memory() -> ObjectStoreSnapshots {
        ObjectStoreSnapshots::new(Arc::new(InMemory::new()), "")
    }

    fn folder(&self, journal: &JournalId) -> Path {
        self.prefix.clone().join(journal.as_str())
    }

    fn location(&self, name: &SnapshotName) -> Path {
        self.folder(&name.journal).join(name.file_name())
    }

    async fn put_unless_there(&self, location: &Path, payload: PutPayload) -> Result<(), Error> {
        let mut tries = TRIES;
        loop {
            tries -= 1;
            match self.put_in_mode(PutMode::Create, location, payload.clone()).await {
                Ok(()) => return Ok(()),
                // S3 says it of an object, and of another request that is putting one and may yet fail.
                Err(Error::AlreadyExists { path, source }) => {
                    if self.is_there(location).await? {
                        return Ok(());
                    }
                    if tries == 0 {
                        return Err(Error::AlreadyExists { path, source });
                    }
                }
                Err(Error::NotImplemented { .. } | Error::NotSupported { .. }) => {
                    if self.is_there(location).await? {
                        return Ok(());
                    }
                    return self.put_in_mode(PutMode::Overwrite, location, payload).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn put_in_mode(
        &self,
        mode: PutMode,
        location: &Path,
        payload: PutPayload,
    ) -> Result<(), Error> {
        self.store.put_opts(location, payload, PutOptions::from(mode)).await.map(drop)
    }

    async fn is_there(&self, location: &Path) -> Result<bool, Error> {
        match self.store.head(location).await {
            Ok(_) => Ok(true),
            Err(Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn file_names_in(&self, folder: &Path) -> Result<Vec<String>, StoreError> {
        #[cfg(feature = "fs")]
        if let Some(folders) = &self.folders {
            return folders.names_in(folder).await;
        }
        let found = self.store.list_with_delimiter(Some(folder)).await.map_err(unreachable)?;
        let file_names = found.objects.iter().filter_map(|object| object.location.filename());
        Ok(file_names.map(str::to_string).collect())
    }

    async fn bytes_at(&self, location: &Path) -> Result<Vec<u8>, Error> {
        Ok(self.store.get(location).await?.bytes().await?.into())
    }
}

/// How often a snapshot is put while others put the same one at the same time and do not get through.
const TRIES: usize = 5;

impl SnapshotStore for ObjectStoreSnapshots {
    fn put<'a>(
        &'a self,
        name: &'a SnapshotName,
        bytes: Vec<u8>,
    ) -> Answer<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let location = self.location(name);
            #[cfg(feature = "fs")]
            if let Some(folders) = &self.folders {
                folders.create_folder_of(&location).await?;
            }
            self.put_unless_there(&location, bytes.into()).await.map_err(unreachable)?;
            #[cfg(feature = "fs")]
            if let Some(folders) = &self.folders {
                folders.sync_folder_of(&location).await?;
            }
            Ok(())
        })
    }

    fn get<'a>(&'a self, name: &'a SnapshotName) -> Answer<'a, Result<Vec<u8>, StoreError>> {
        Box::pin(async move {
            match self.bytes_at(&self.location(name)).await {
                Ok(bytes) => Ok(bytes),
                Err(Error::NotFound { .. }) => Err(StoreError::Missing { name: name.clone() }),
                Err(error) => Err(unreachable(error)),
            }
        })
    }

    fn list<'a>(
        &'a self,
        journal: &'a JournalId,
    ) -> Answer<'a, Result<Vec<SnapshotName>, StoreError>> {
        Box::pin(async move {
            let file_names = self.file_names_in(&self.folder(journal)).await?.into_iter();
            let mut names: Vec<_> = file_names
                .filter_map(|file_name| SnapshotName::parse(journal.clone(), &file_name))
                .collect();
            names.sort();
            Ok(names)
        })
    }

    fn delete<'a>(&'a self, name: &'a SnapshotName) -> Answer<'a, Result<(), StoreError>> {
        Box::pin(async move {
            match self.store.delete(&self.location(name)).await {
                Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
                Err(error) => Err(unreachable(error)),
            }
        })
    }
}

impl fmt::Debug for ObjectStoreSnapshots {
    /// Says where it is, and not with which credentials it gets there.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectStoreSnapshots")
            .field("store", &format_args!("{}", self.store))
            .field("prefix", &self.prefix.as_ref())
            .finish_non_exhaustive()
    }
}

fn unreachable(error: Error) -> StoreError {
    StoreError::Unreachable { source: Arc::new(error) }
}
