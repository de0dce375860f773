//! Does a store of snapshots keep the rules of [`SnapshotStore`]?

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::asking::{Broken, Checked, Rule, within};
use crate::shared::journal::{Answer, JournalId, Place};
use crate::shared::snapshots::{SnapshotName, SnapshotStore, StoreError};

const WHOLE: Rule = Rule::Numbered("SnapshotStore", 1);
const FOUND: Rule = Rule::Numbered("SnapshotStore", 2);
const PUT: Rule = Rule::Of("SnapshotStore::put");
const GET: Rule = Rule::Of("SnapshotStore::get");
const LIST: Rule = Rule::Of("SnapshotStore::list");
const LATEST: Rule = Rule::Of("SnapshotStore::latest");
const DELETE: Rule = Rule::Of("SnapshotStore::delete");

/// The largest snapshot that the suite puts.
const LARGE_BYTES: usize = 5 << 20;

/// How the suite comes by a store of one kind.
pub trait SnapshotFixture: Send {
    /// The store, as one process has it.
    fn store(&mut self) -> Answer<'_, Arc<dyn SnapshotStore>>;

    /// The same store, as another process has it.
    fn another(&mut self) -> Answer<'_, Arc<dyn SnapshotStore>>;

    /// Puts an object that is not a snapshot among those of the journal, under the name of a file.
    /// Where nobody can, it does nothing.
    fn put_foreign<'a>(&'a mut self, journal: &'a JournalId, file_name: &'a str) -> Answer<'a, ()>;

    /// How long the suite waits for an answer that has to come. Default: 30 seconds.
    fn patience(&self) -> Duration {
        Duration::from_secs(30)
    }
}

/// Checks that stores of this kind keep the rules of [`SnapshotStore`]. The store has to be well
/// meanwhile. What is in it is left alone: the suite makes up journals of its own.
///
/// Needs a tokio runtime with its timer. The largest snapshot that it puts has 5 MiB; it removes all
/// that it puts, unless a rule does not hold.
///
/// ```
/// use std::sync::Arc;
///
/// use ministate::shared::conformance::{self, SnapshotFixture};
/// use ministate::shared::memory::MemorySnapshots;
/// use ministate::shared::{Answer, JournalId, SnapshotStore};
///
/// struct InMemory(MemorySnapshots);
///
/// impl SnapshotFixture for InMemory {
///     fn store(&mut self) -> Answer<'_, Arc<dyn SnapshotStore>> {
///         Box::pin(async { Arc::new(self.0.clone()) as Arc<dyn SnapshotStore> })
///     }
///
///     fn another(&mut self) -> Answer<'_, Arc<dyn SnapshotStore>> {
///         self.store()
///     }
///
///     fn put_foreign<'a>(&'a mut self, journal: &'a JournalId, file_name: &'a str) -> Answer<'a, ()> {
///         Box::pin(async move { self.0.put_foreign(journal, file_name, b"?".to_vec()) })
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// conformance::snapshots(&mut InMemory(MemorySnapshots::new())).await;
/// # }
/// ```
///
/// # Panics
///
/// A rule does not hold, or an answer did not come. The text begins with the rule, by its number there or
/// by the method that states it, and says what was seen.
pub async fn snapshots(fixture: &mut dyn SnapshotFixture) {
    if let Err(broken) = checked(fixture).await {
        panic!("{broken}");
    }
}

async fn checked(fixture: &mut dyn SnapshotFixture) -> Checked {
    let patience = fixture.patience();
    let here = Asked { store: fixture.store().await, patience };
    let there = Asked { store: fixture.another().await, patience };
    let journal = JournalId::random();
    nothing_is_there(&here, &journal).await?;
    what_was_put_comes_back([&here, &there], &journal).await?;
    the_list_is_that_of_the_journal([&here, &there], &journal, fixture).await?;
    what_was_deleted_is_gone([&here, &there], &journal).await
}

fn name(journal: &JournalId, seq: u64, place: u64) -> SnapshotName {
    SnapshotName { journal: journal.clone(), seq, place: Place::new(place) }
}

async fn nothing_is_there(store: &Asked, journal: &JournalId) -> Checked {
    let unknown = name(journal, 1, 1);
    store.misses(&unknown, GET).await?;
    store.lists(journal, &[], LIST).await?;
    store.delete(&unknown).await
}

async fn what_was_put_comes_back([here, there]: [&Asked; 2], journal: &JournalId) -> Checked {
    let large: Vec<u8> = (0..LARGE_BYTES).map(|at| (at % 251) as u8).collect();
    let contents = [
        (name(journal, 0, 0), Vec::new()),
        (name(journal, 9, 2), b"{\"state\":1}\n".to_vec()),
        (name(journal, 10, 3), vec![0, 0xff, b'\r', b'\n', 0]),
        (name(journal, 1_000_000, 77), large),
    ];
    for (name, bytes) in &contents {
        here.put(name, bytes).await?;
        for store in [there, here] {
            store.gets(name, bytes, WHOLE).await?;
        }
    }
    let (taken, first) = &contents[1];
    there.put(taken, b"another one").await?;
    here.gets(taken, first, PUT).await
}

/// The names that were put before, oldest first.
fn names(journal: &JournalId) -> Vec<SnapshotName> {
    [(0, 0), (9, 2), (10, 3), (1_000_000, 77)]
        .map(|(seq, place)| name(journal, seq, place))
        .to_vec()
}

async fn the_list_is_that_of_the_journal(
    stores: [&Asked; 2],
    journal: &JournalId,
    fixture: &mut dyn SnapshotFixture,
) -> Checked {
    let other = JournalId::random();
    let of_other = name(&other, 2_000_000, 99);
    stores[0].put(&of_other, b"of another journal").await?;
    for foreign in ["README", "snapshot.7.json", "snapshot.00000000000000000007.json.tmp"] {
        fixture.put_foreign(journal, foreign).await;
    }
    for store in stores {
        store.lists(journal, &names(journal), FOUND).await?;
        store.lists(&other, std::slice::from_ref(&of_other), LIST).await?;
    }
    stores[0].delete(&of_other).await
}

async fn what_was_deleted_is_gone(stores: [&Asked; 2], journal: &JournalId) -> Checked {
    let mut left = names(journal);
    while let Some(name) = left.pop() {
        stores[left.len() % 2].delete(&name).await?;
        for store in stores {
            store.misses(&name, DELETE).await?;
            store.lists(journal, &left, DELETE).await?;
        }
        stores[0].delete(&name).await?;
    }
    Ok(())
}

/// A store that has to answer.
struct Asked {
    store: Arc<dyn SnapshotStore>,
    patience: Duration,
}

impl Asked {
    async fn put(&self, name: &SnapshotName, bytes: &[u8]) -> Checked {
        self.done(PUT, "a put", self.store.put(name, bytes.to_vec())).await
    }

    async fn delete(&self, name: &SnapshotName) -> Checked {
        self.done(DELETE, "a deletion", self.store.delete(name)).await
    }

    async fn gets(&self, name: &SnapshotName, wanted: &[u8], rule: Rule) -> Checked {
        let bytes = match self.got(name).await? {
            Ok(bytes) => bytes,
            Err(missing) => return FOUND.broken(format!("it was put, and now: {missing}")),
        };
        if bytes != wanted {
            return rule.broken(format!(
                "{name} was put first with {} bytes, and has {} others",
                wanted.len(),
                bytes.len()
            ));
        }
        Ok(())
    }

    async fn misses(&self, name: &SnapshotName, rule: Rule) -> Checked {
        match self.got(name).await? {
            Err(StoreError::Missing { name: missing }) if missing == *name => Ok(()),
            Err(other) => rule.broken(format!("{name} is not there, and it was said: {other}")),
            Ok(bytes) => rule.broken(format!("{name} is not there, and has {} bytes", bytes.len())),
        }
    }

    async fn lists(&self, journal: &JournalId, wanted: &[SnapshotName], rule: Rule) -> Checked {
        let listed = self.done(LIST, "a list", self.store.list(journal)).await?;
        if listed != wanted {
            let missing = wanted.iter().any(|name| !listed.contains(name));
            let rule = if missing { rule } else { LIST };
            return rule.broken(format!("not {}, but {}", said(wanted), said(&listed)));
        }
        let latest = self.done(LATEST, "the latest", self.store.latest(journal)).await?;
        if latest.as_ref() != wanted.last() {
            let latest = said(latest.as_slice());
            return LATEST.broken(format!("the last of {} is not {latest}", said(wanted)));
        }
        Ok(())
    }

    /// The bytes, or why they are not there.
    async fn got(&self, name: &SnapshotName) -> Checked<Result<Vec<u8>, StoreError>> {
        let asking = async {
            match self.store.get(name).await {
                Err(error @ StoreError::Unreachable { .. }) => {
                    GET.broken(format!("the store is well, and it was said: {error}"))
                }
                answer => Ok(answer),
            }
        };
        within(self.patience, GET, "a snapshot", asking).await
    }

    async fn done<T>(
        &self,
        rule: Rule,
        what: &str,
        asking: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Checked<T> {
        let asking = async {
            asking.await.map_err(|error| Broken {
                rule,
                seen: format!("the store is well, and it was said: {error}"),
            })
        };
        within(self.patience, rule, what, asking).await
    }
}

fn said(names: &[SnapshotName]) -> String {
    let names: Vec<_> = names.iter().map(SnapshotName::file_name).collect();
    format!("[{}]", names.join(", "))
}
