//! Engines that break one rule each: the suite names the rule.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use ministate::shared::conformance::{self, Handle, JournalFixture, SnapshotFixture};
use ministate::shared::memory::{MemoryJournal, MemorySnapshots};
use ministate::shared::{
    Answer, AppendError, Entry, Journal, JournalError, JournalId, Place, SnapshotName,
    SnapshotStore, StoreError, Tail, TailError,
};

/// What is wrong with the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bug {
    LosesAnAppend,
    AcknowledgesAnEntryTwice,
    TakesAnyExpectedPlace,
    TakesAPlaceBehindTheEnd,
    AltersBytes,
    SkipsAnEntryInTails,
    YieldsWhatWasRefused,
    TellsStaleBarriers,
    TellsBarriersBehindTheEnd,
    MovesTheEndWhenItTrims,
    SkipsWhatWasTrimmed,
    TrimsTooMuch,
    SaysAWrongBeginning,
    LosesAWaitThatIsDropped,
    TakesWhatIsTooLarge,
    ForgetsAtTheRestart,
    KeepsTheIdentity,
}

/// A journal in memory with a bug.
#[derive(Clone)]
struct Broken {
    bug: Bug,
    inner: MemoryJournal,
    id: JournalId,
    appends: Arc<AtomicU64>,
    refused: Refused,
}

/// An entry that was refused last.
type Refused = Arc<Mutex<Option<Arc<[u8]>>>>;

impl Broken {
    fn new(bug: Bug) -> Broken {
        let inner = MemoryJournal::with_entry_bytes_max(10_000);
        let id = inner.id().clone();
        Broken { bug, inner, id, appends: Arc::default(), refused: Arc::default() }
    }

    fn reopened(&self) -> Broken {
        let inner = self.inner.reopened();
        let id = match self.bug {
            Bug::KeepsTheIdentity => self.id.clone(),
            _ => inner.id().clone(),
        };
        Broken { inner, id, ..self.clone() }
    }
}

impl Journal for Broken {
    fn id(&self) -> &JournalId {
        &self.id
    }

    fn entry_bytes_max(&self) -> usize {
        match self.bug {
            Bug::TakesWhatIsTooLarge => 5_000,
            _ => self.inner.entry_bytes_max(),
        }
    }

    fn append(&self, expected: Place, entry: Arc<[u8]>) -> Answer<'_, Result<Place, AppendError>> {
        Box::pin(async move {
            let count = self.appends.fetch_add(1, Ordering::Relaxed);
            let is_again = || self.inner.entries().iter().any(|there| there.bytes == entry);
            match self.bug {
                Bug::LosesAnAppend if count == 2 => Ok(expected.next()),
                Bug::AcknowledgesAnEntryTwice if is_again() => Ok(expected.next()),
                Bug::TakesAnyExpectedPlace if expected < self.inner.end() => {
                    self.inner.append(self.inner.end(), entry).await?;
                    Ok(expected.next())
                }
                Bug::TakesAPlaceBehindTheEnd if expected > self.inner.end() => {
                    self.inner.append(self.inner.end(), entry).await?;
                    Ok(expected.next())
                }
                Bug::YieldsWhatWasRefused if expected < self.inner.end() => {
                    *self.refused.lock().unwrap() = Some(entry);
                    Err(AppendError::Conflict)
                }
                Bug::AltersBytes => {
                    let text = String::from_utf8_lossy(&entry).replace(": ", ":");
                    self.inner.append(expected, text.into_bytes().into()).await
                }
                _ => self.inner.append(expected, entry).await,
            }
        })
    }

    fn tail(&self, after: Place) -> Box<dyn Tail> {
        let (bug, refused) = (self.bug, self.refused.clone());
        let (journal, inner) = (self.inner.clone(), self.inner.tail(after));
        Box::new(BrokenTail { bug, journal, refused, after, waited_for: None, inner })
    }

    fn barrier(&self) -> Answer<'_, Result<Place, JournalError>> {
        Box::pin(async {
            let end = self.inner.barrier().await?;
            Ok(match self.bug {
                Bug::TellsStaleBarriers => Place::new(end.number().saturating_sub(1)),
                Bug::TellsBarriersBehindTheEnd => end.next(),
                _ => end,
            })
        })
    }

    fn trim(&self, before: Place) -> Answer<'_, Result<(), JournalError>> {
        Box::pin(async move {
            match self.bug {
                Bug::MovesTheEndWhenItTrims => {
                    self.inner.regress(Place::new(self.inner.end().number() - 1));
                    Ok(())
                }
                Bug::TrimsTooMuch => self.inner.trim(before.next()).await,
                _ => self.inner.trim(before).await,
            }
        })
    }
}

struct BrokenTail {
    bug: Bug,
    journal: MemoryJournal,
    refused: Refused,
    after: Place,
    waited_for: Option<Place>,
    inner: Box<dyn Tail>,
}

impl Tail for BrokenTail {
    fn next(&mut self) -> Answer<'_, Result<Entry, TailError>> {
        if self.bug == Bug::LosesAWaitThatIsDropped {
            let end = self.journal.end();
            if let Some(dropped) = self.waited_for.take().filter(|place| *place <= end) {
                // It came for the future that waited, and went with it.
                self.after = dropped;
                self.inner = self.journal.tail(dropped);
            }
            self.waited_for = Some(self.after.next());
        }
        let refused =
            (self.journal.end() == self.after).then(|| self.refused.lock().unwrap().take());
        if let Some(bytes) = refused.flatten() {
            self.after = self.after.next();
            let entry = Entry { place: self.after, bytes };
            return Box::pin(async { Ok(entry) });
        }
        Box::pin(async {
            let answer = self.inner.next().await;
            if let Ok(entry) = &answer {
                self.after = entry.place;
                self.waited_for = None;
            }
            match (self.bug, answer) {
                (Bug::SkipsAnEntryInTails, Ok(entry)) if entry.place == Place::new(3) => {
                    self.inner.next().await
                }
                (Bug::SkipsWhatWasTrimmed, Err(TailError::Trimmed { first })) => {
                    self.inner = self.journal.tail(Place::new(first.number() - 1));
                    self.inner.next().await
                }
                (Bug::SaysAWrongBeginning, Err(TailError::Trimmed { first })) => {
                    Err(TailError::Trimmed { first: Place::new(first.number() - 1) })
                }
                (_, answer) => answer,
            }
        })
    }
}

struct Fixture(Broken);

impl JournalFixture for Fixture {
    fn made(&mut self) -> Answer<'_, Handle> {
        self.0 = Broken::new(self.0.bug);
        Box::pin(async { Arc::new(self.0.clone()) as Handle })
    }

    fn reopened(&mut self) -> Answer<'_, Handle> {
        if self.0.bug == Bug::ForgetsAtTheRestart {
            self.0.inner.regress(Place::new(4));
        }
        Box::pin(async { Arc::new(self.0.reopened()) as Handle })
    }

    fn another(&mut self) -> Answer<'_, Option<Handle>> {
        Box::pin(async { Some(Arc::new(self.0.clone()) as Handle) })
    }

    fn recreated(&mut self) -> Answer<'_, Option<Handle>> {
        self.0.inner.recreate();
        Box::pin(async { Some(Arc::new(self.0.reopened()) as Handle) })
    }
}

/// What the suite says of it.
async fn said_of(suite: impl Future<Output = ()> + Send + 'static) -> String {
    let panic = tokio::spawn(suite).await.expect_err("the suite passes").into_panic();
    *panic.downcast::<String>().unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_suite_names_the_rule_that_a_journal_breaks() {
    let rule = |number: u8| format!("rule {number} of `Journal` does not hold: ");
    let method = |name: &str| format!("what `Journal::{name}` says does not hold: ");
    for (bug, begins) in [
        (Bug::LosesAnAppend, rule(3)),
        (Bug::AcknowledgesAnEntryTwice, rule(2)),
        (Bug::TakesAnyExpectedPlace, rule(2)),
        (Bug::TakesAPlaceBehindTheEnd, rule(2)),
        (Bug::AltersBytes, rule(1)),
        (Bug::SkipsAnEntryInTails, rule(4)),
        (Bug::YieldsWhatWasRefused, rule(4)),
        (Bug::TellsStaleBarriers, rule(5)),
        (Bug::TellsBarriersBehindTheEnd, rule(5)),
        (Bug::MovesTheEndWhenItTrims, method("trim")),
        (Bug::SkipsWhatWasTrimmed, rule(4)),
        (Bug::TrimsTooMuch, method("trim")),
        (Bug::SaysAWrongBeginning, method("trim")),
        (Bug::LosesAWaitThatIsDropped, rule(3)),
        (Bug::TakesWhatIsTooLarge, method("entry_bytes_max")),
        (Bug::ForgetsAtTheRestart, rule(3)),
        (Bug::KeepsTheIdentity, rule(6)),
    ] {
        let said = said_of(async move {
            conformance::journal(&mut Fixture(Broken::new(bug))).await;
        });
        let said = said.await;
        assert!(said.starts_with(&begins), "{bug:?}: {said}");
    }
}

/// What is wrong with the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    PutsOver,
    CutsLargeOnes,
    ListsUnsorted,
    ListsOthers,
    ListsLate,
    DeletesNothing,
    MissesWithBytes,
}

struct Flawed {
    flaw: Flaw,
    inner: MemorySnapshots,
}

impl SnapshotStore for Flawed {
    fn put<'a>(
        &'a self,
        name: &'a SnapshotName,
        bytes: Vec<u8>,
    ) -> Answer<'a, Result<(), StoreError>> {
        Box::pin(async move {
            if self.flaw == Flaw::PutsOver {
                self.inner.delete(name).await?;
            }
            self.inner.put(name, bytes).await
        })
    }

    fn get<'a>(&'a self, name: &'a SnapshotName) -> Answer<'a, Result<Vec<u8>, StoreError>> {
        Box::pin(async move {
            match (self.flaw, self.inner.get(name).await) {
                (Flaw::CutsLargeOnes, Ok(mut bytes)) => {
                    bytes.truncate(4 << 20);
                    Ok(bytes)
                }
                (Flaw::MissesWithBytes, Err(StoreError::Missing { .. })) => Ok(Vec::new()),
                (_, answer) => answer,
            }
        })
    }

    fn list<'a>(
        &'a self,
        journal: &'a JournalId,
    ) -> Answer<'a, Result<Vec<SnapshotName>, StoreError>> {
        Box::pin(async move {
            let mut names = self.inner.list(journal).await?;
            match self.flaw {
                Flaw::ListsUnsorted => names.reverse(),
                Flaw::ListsOthers => {
                    names.extend(SnapshotName::parse(
                        journal.clone(),
                        "snapshot.00000000000002000000.00000000000000000099.json",
                    ));
                }
                Flaw::ListsLate => drop(names.pop()),
                _ => {}
            }
            Ok(names)
        })
    }

    fn delete<'a>(&'a self, name: &'a SnapshotName) -> Answer<'a, Result<(), StoreError>> {
        Box::pin(async move {
            match self.flaw {
                Flaw::DeletesNothing => Ok(()),
                _ => self.inner.delete(name).await,
            }
        })
    }
}

struct Shelf(Flaw, MemorySnapshots);

impl SnapshotFixture for Shelf {
    fn store(&mut self) -> Answer<'_, Arc<dyn SnapshotStore>> {
        let flawed = Flawed { flaw: self.0, inner: self.1.clone() };
        Box::pin(async { Arc::new(flawed) as Arc<dyn SnapshotStore> })
    }

    fn another(&mut self) -> Answer<'_, Arc<dyn SnapshotStore>> {
        self.store()
    }

    fn put_foreign<'a>(&'a mut self, journal: &'a JournalId, file_name: &'a str) -> Answer<'a, ()> {
        Box::pin(async move { self.1.put_foreign(journal, file_name, Vec::new()) })
    }
}

#[tokio::test(start_paused = true)]
async fn the_suite_names_the_rule_that_a_store_breaks() {
    let rule = |number: u8| format!("rule {number} of `SnapshotStore` does not hold: ");
    let method = |name: &str| format!("what `SnapshotStore::{name}` says does not hold: ");
    for (flaw, begins) in [
        (Flaw::PutsOver, method("put")),
        (Flaw::CutsLargeOnes, rule(1)),
        (Flaw::ListsUnsorted, method("list")),
        (Flaw::ListsOthers, method("list")),
        (Flaw::ListsLate, rule(2)),
        (Flaw::DeletesNothing, method("delete")),
        (Flaw::MissesWithBytes, method("get")),
    ] {
        let said = said_of(async move {
            conformance::snapshots(&mut Shelf(flaw, MemorySnapshots::new())).await;
        });
        let said = said.await;
        assert!(said.starts_with(&begins), "{flaw:?}: {said}");
    }
}
