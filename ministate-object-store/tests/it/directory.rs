//! What of the directory that snapshots are in?
#![expect(clippy::disallowed_methods, reason = "puts there what others would")]

use std::fs;
#[cfg(target_os = "linux")]
use std::os::unix::ffi::OsStrExt;

use ministate::shared::{JournalId, SnapshotStore, StoreError};
use ministate_object_store::ObjectStoreSnapshots;

use crate::snapshot;

#[tokio::test]
async fn another_process_finds_what_was_put() {
    let directory = tempfile::tempdir().unwrap();
    let name = snapshot(&JournalId::random(), 42, 7);
    let first = ObjectStoreSnapshots::in_directory(directory.path()).await.unwrap();
    first.put(&name, b"the state".to_vec()).await.unwrap();
    drop(first);
    let second = ObjectStoreSnapshots::in_directory(directory.path()).await.unwrap();
    assert_eq!(second.latest(&name.journal).await.unwrap(), Some(name.clone()));
    assert_eq!(second.get(&name).await.unwrap(), b"the state");
    let path = directory.path().join(name.to_string());
    assert_eq!(fs::read(path).unwrap(), b"the state");
}

#[tokio::test]
async fn nothing_but_the_snapshot_is_left_in_its_folder() {
    let directory = tempfile::tempdir().unwrap();
    let snapshots = ObjectStoreSnapshots::in_directory(directory.path()).await.unwrap();
    let name = snapshot(&JournalId::random(), 42, 7);
    for bytes in [b"the first", b"a second."] {
        snapshots.put(&name, bytes.to_vec()).await.unwrap();
    }
    let folder = directory.path().join(name.journal.as_str());
    let left: Vec<_> =
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(left, [name.file_name().as_str()]);
}

#[tokio::test]
async fn foreign_files_are_passed_over() {
    let directory = tempfile::tempdir().unwrap();
    let snapshots = ObjectStoreSnapshots::in_directory(directory.path()).await.unwrap();
    let name = snapshot(&JournalId::random(), 42, 7);
    snapshots.put(&name, b"the state".to_vec()).await.unwrap();
    let another = snapshot(&name.journal, 43, 8).file_name();
    let folder = directory.path().join(name.journal.as_str());
    for foreign in [
        "notes.txt".to_string(),
        "100%.txt".to_string(),
        "two\nlines".to_string(),
        ".hidden".to_string(),
        format!("{another}#1"),
        format!("{another}~"),
    ] {
        fs::write(folder.join(foreign), "foreign").unwrap();
    }
    #[cfg(target_os = "linux")]
    fs::write(folder.join(<std::ffi::OsStr as OsStrExt>::from_bytes(b"\xff")), "foreign").unwrap();
    fs::create_dir(folder.join(another)).unwrap();
    assert_eq!(snapshots.list(&name.journal).await.unwrap(), [name]);
}

#[tokio::test]
async fn what_a_killed_process_left_half_written_is_no_snapshot() {
    let directory = tempfile::tempdir().unwrap();
    let snapshots = ObjectStoreSnapshots::in_directory(directory.path()).await.unwrap();
    let name = snapshot(&JournalId::random(), 42, 7);
    let left = directory.path().join(format!("{name}#1"));
    fs::create_dir(left.parent().unwrap()).unwrap();
    fs::write(left, "the st").unwrap();
    assert_eq!(snapshots.list(&name.journal).await.unwrap(), []);
    assert!(matches!(snapshots.get(&name).await, Err(StoreError::Missing { .. })));
    snapshots.put(&name, b"the state".to_vec()).await.unwrap();
    assert_eq!(snapshots.get(&name).await.unwrap(), b"the state");
}

#[tokio::test]
async fn a_file_in_place_of_the_directory_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    for path in [file.clone(), file.join("within")] {
        let refused = ObjectStoreSnapshots::in_directory(path).await;
        assert!(matches!(refused, Err(StoreError::Unreachable { .. })), "{refused:?}");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_path_that_is_not_unicode_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(<std::ffi::OsStr as OsStrExt>::from_bytes(b"\xff"));
    let StoreError::Unreachable { source } =
        ObjectStoreSnapshots::in_directory(path).await.unwrap_err()
    else {
        panic!()
    };
    assert!(source.to_string().contains("not unicode"), "{source}");
}
