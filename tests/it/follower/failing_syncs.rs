//! What a follower cannot sync is shown once its writer has proved that it is durable.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;

use ministate::MiniStateError;
use ministate::storage::{Access, Lock, Simulated, Storage, StorageFile};
use ministate_tests::{JOURNAL, open_simulated};

use super::{Following, all_of, looking_often, push_all, seen, wait_until};

/// A disk of which a reader cannot sync anything the first time; later it could.
#[derive(Debug, Clone)]
struct Unsyncable {
    disk: Simulated,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    syncs: AtomicU64,
    looks: AtomicU64,
}

impl Storage for Unsyncable {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.disk.create_dir_all(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.disk.list(dir)
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn StorageFile>> {
        if path.ends_with("list.wal.head.json") {
            self.counts.looks.fetch_add(1, SeqCst);
        }
        let file = self.disk.open(path, access)?;
        Ok(Box::new(UnsyncableFile { file, counts: Arc::clone(&self.counts) }))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        self.disk.create(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.sync_dir(dir)
    }

    fn try_lock(&self, path: &Path) -> io::Result<Lock> {
        self.disk.try_lock(path)
    }

    fn unique(&self) -> u64 {
        self.disk.unique()
    }
}

#[derive(Debug)]
struct UnsyncableFile {
    file: Box<dyn StorageFile>,
    counts: Arc<Counts>,
}

impl StorageFile for UnsyncableFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.file.read_at(buffer, position)
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.file.write_at(bytes, position)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }

    fn sync(&self) -> io::Result<()> {
        match self.counts.syncs.fetch_add(1, SeqCst) {
            0 => Err(io::Error::other("the disk failed")),
            _ => self.file.sync(),
        }
    }
}

#[test]
fn what_cannot_be_synced_waits_for_its_writer_and_no_sync_is_repeated() {
    let disk = Simulated::new();
    let lists = open_simulated(&disk, 1 << 20).unwrap();
    let storage = Unsyncable { disk, counts: Arc::default() };
    let options = looking_often().storage(storage.clone());
    let follower: Following = options.blocking_follow("lists", JOURNAL).unwrap();
    push_all(&lists, 0..1);
    wait_until(&follower, |follower| follower.status().failure.is_some());
    let looks = storage.counts.looks.load(SeqCst);
    while storage.counts.looks.load(SeqCst) < looks + 20 {
        thread::yield_now();
    }
    let status = follower.status();
    assert!(matches!(status.failure, Some(MiniStateError::Io { .. })), "{status:?}");
    assert_eq!((status.sequence, status.behind), (0, 1));
    assert_eq!(storage.counts.syncs.load(SeqCst), 1);
    assert!(!status.has_ended);
    // Written once the batch before was synced.
    push_all(&lists, 1..2);
    follower.blocking_wait_for(2).unwrap();
    assert_eq!(seen(&follower), all_of(2));
    wait_until(&follower, |follower| follower.status().failure.is_none());
}
