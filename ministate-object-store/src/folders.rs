//! What must be synced in a directory, besides what `object_store` syncs there?

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ministate::shared::StoreError;
use ministate::storage::{Disk, Storage};
use object_store::local::LocalFileSystem;
use object_store::path::Path as Location;

/// The folders of a directory, which are kept on stable storage.
///
/// `object_store` syncs the folders that it makes, and the one that it puts a file in. It does not sync a
/// folder or a name that it finds there; whoever made it may have been killed before syncing it, or may
/// be about to.
#[derive(Debug, Clone)]
pub(crate) struct Folders {
    files: LocalFileSystem,
}

impl Folders {
    /// Creates the directory if it is not there, durably.
    pub(crate) async fn create(directory: PathBuf) -> Result<Folders, StoreError> {
        let files = beside(move || {
            Disk.create_dir_all(&directory)?;
            let files = LocalFileSystem::new_with_prefix(&directory)?.with_fsync(true);
            // `object_store` panics there when it finds a file that it was to create.
            match files.path_to_filesystem(&Location::from("file"))?.to_str() {
                Some(_) => Ok(files),
                None => Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "the path of the directory is not unicode: choose another one",
                )),
            }
        });
        Ok(Folders { files: files.await? })
    }

    /// The files in it. They are synced when they are put, together with their folder.
    pub(crate) fn files(&self) -> LocalFileSystem {
        self.files.clone()
    }

    /// Makes sure that the folder of a file is there, and durable.
    pub(crate) async fn create_folder_of(&self, file: &Location) -> Result<(), StoreError> {
        let folder = self.folder_of(file)?;
        beside(move || Disk.create_dir_all(&folder)).await
    }

    /// Makes sure that the names in the folder of a file are durable.
    pub(crate) async fn sync_folder_of(&self, file: &Location) -> Result<(), StoreError> {
        let folder = self.folder_of(file)?;
        beside(move || Disk.sync_dir(&folder)).await
    }

    /// The names of the files in a folder, in any order. `object_store` fails at names that it would not
    /// give itself; here those that are not unicode are left out.
    pub(crate) async fn names_in(&self, folder: &Location) -> Result<Vec<String>, StoreError> {
        let folder = self.files.path_to_filesystem(folder).map_err(unreachable)?;
        beside(move || match Disk.list(&folder) {
            Ok(mut names) => {
                names.retain(|name| folder.join(name).is_file());
                Ok(names)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        })
        .await
    }

    fn folder_of(&self, file: &Location) -> Result<PathBuf, StoreError> {
        let path = self.files.path_to_filesystem(file).map_err(unreachable)?;
        Ok(path.parent().map(Path::to_path_buf).unwrap_or_default())
    }
}

async fn beside<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.map_err(unreachable)?.map_err(unreachable)
}

fn unreachable(error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Unreachable { source: Arc::new(error) }
}
