//! What an earlier release wrote into a shared journal and its store of snapshots is read as it was meant.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use ministate::shared::memory::MemorySnapshots;
use ministate::shared::{
    Answer, AppendError, Entry, Journal, JournalError, JournalId, Place, SnapshotName,
    SnapshotStore, Tail, TailError,
};

use super::{GuestOp, House, Party, op};

/// A journal that ended when it was committed.
struct Kept {
    id: JournalId,
    entries: Vec<Entry>,
}

struct KeptTail(std::vec::IntoIter<Entry>);

impl Journal for Kept {
    fn id(&self) -> &JournalId {
        &self.id
    }

    fn entry_bytes_max(&self) -> usize {
        1 << 20
    }

    fn append(&self, _: Place, _: Arc<[u8]>) -> Answer<'_, Result<Place, AppendError>> {
        Box::pin(std::future::pending())
    }

    fn tail(&self, after: Place) -> Box<dyn Tail> {
        let behind = self.entries.iter().filter(|entry| entry.place > after);
        Box::new(KeptTail(behind.cloned().collect::<Vec<_>>().into_iter()))
    }

    fn barrier(&self) -> Answer<'_, Result<Place, JournalError>> {
        let end = self.entries.last().map_or(Place::START, |entry| entry.place);
        Box::pin(async move { Ok(end) })
    }

    fn trim(&self, _: Place) -> Answer<'_, Result<(), JournalError>> {
        Box::pin(async { Ok(()) })
    }
}

impl Tail for KeptTail {
    fn next(&mut self) -> Answer<'_, Result<Entry, TailError>> {
        let next = self.0.next();
        Box::pin(async move {
            match next {
                Some(entry) => Ok(entry),
                None => std::future::pending().await,
            }
        })
    }
}

fn dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/shared/0.2.0")
}

/// The fixture as it was committed, but for the snapshots whose names do not begin so.
async fn kept(snapshot: &str) -> (Kept, MemorySnapshots) {
    let id = JournalId::parse(fs::read_to_string(dir().join("journal")).unwrap().trim()).unwrap();
    let snapshots = MemorySnapshots::new();
    let mut entries = Vec::new();
    for file in fs::read_dir(dir()).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if let Some(place) = name.strip_suffix(".jsonl") {
            let place = Place::new(place.parse().unwrap());
            entries.push(Entry { place, bytes: fs::read(&path).unwrap().into() });
        } else if name.starts_with(snapshot) {
            let name = SnapshotName::parse(id.clone(), name).unwrap();
            snapshots.put(&name, fs::read(&path).unwrap()).await.unwrap();
        }
    }
    entries.sort_by_key(|entry| entry.place);
    (Kept { id, entries }, snapshots)
}

#[tokio::test]
async fn entries_and_snapshots_of_the_first_release_are_read() {
    for snapshot in ["snapshot.00000000000000000000", "snapshot.00000000000000000002"] {
        let (journal, snapshots) = kept(snapshot).await;
        let party = Party::open(journal, snapshots).await.unwrap();
        assert_eq!((super::names(&party), party.sequence()), (vec!["cy".to_string()], 5));
        assert_eq!(party.status().format, 1);
    }
}

/// How the fixture was written: into the directory that the variable names, once a release.
#[tokio::test]
async fn fixture_is_written_where_asked() {
    let Some(to) = std::env::var_os("MINISTATE_SHARED_FIXTURE").map(PathBuf::from) else {
        return;
    };
    let house = House::default();
    let party = house.replica().await;
    party.apply_batch([op("ada"), op("bob")]).await.unwrap();
    party.create_snapshot().await.unwrap();
    party.apply(op("ada")).await.unwrap();
    party.apply_batch([GuestOp::SendAllHome, op("cy")]).await.unwrap();
    fs::write(to.join("journal"), format!("{}\n", house.journal.id())).unwrap();
    for entry in house.journal.entries() {
        fs::write(to.join(format!("{:020}.jsonl", entry.place.number())), &entry.bytes).unwrap();
    }
    for name in house.snapshots.list(house.journal.id()).await.unwrap() {
        let bytes = house.snapshots.get(&name).await.unwrap();
        fs::write(to.join(name.file_name()), bytes).unwrap();
    }
}
