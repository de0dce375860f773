//! When is a snapshot made, and what may be forgotten then? Two that were read back are kept.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex as Lock, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;

use super::chunk::Standing;
use super::error::SharedError;
use super::journal::Journal;
use super::opening::{self, ATTEMPTS, Until};
use super::replica::{Held, Replica};
use super::snapshots::{SnapshotName, SnapshotStore, StoreError};
use crate::mutation::Mutator;
use crate::record::Seq;

/// Who makes snapshots, and trims the journal behind them.
pub(super) struct Keeping<S, M> {
    replica: Arc<Replica<S>>,
    journal: Arc<dyn Journal>,
    store: Arc<dyn SnapshotStore>,
    /// A snapshot is made whenever this replica's own entry passes a multiple of it.
    every: Option<u64>,
    /// One snapshot at a time.
    turn: Mutex<()>,
    /// Whether one waits for its turn that is due.
    is_due: AtomicBool,
    newest: AtomicU64,
    failure: Lock<Option<SharedError>>,
    _mutations: PhantomData<fn(M)>,
}

impl<S, M> Keeping<S, M> {
    pub(super) fn new(
        replica: &Arc<Replica<S>>,
        journal: &Arc<dyn Journal>,
        store: Arc<dyn SnapshotStore>,
        every: Option<u64>,
        newest: Seq,
    ) -> Self {
        let (replica, journal) = (Arc::clone(replica), Arc::clone(journal));
        let (turn, newest) = (Mutex::default(), AtomicU64::new(newest));
        let (is_due, failure) = (AtomicBool::new(false), Lock::default());
        let _mutations = PhantomData;
        Keeping { replica, journal, store, every, turn, is_due, newest, failure, _mutations }
    }

    pub(super) fn snapshots(&self) -> &dyn SnapshotStore {
        &*self.store
    }

    /// The replica began with a snapshot of the state at this mutation.
    pub(super) fn began_with(&self, seq: Seq) {
        self.newest.fetch_max(seq, Ordering::Relaxed);
    }

    /// The last mutation in the newest snapshot that this replica made or began with, and why the last
    /// one failed, if it did.
    pub(super) fn newest(&self) -> (Seq, Option<SharedError>) {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (self.newest.load(Ordering::Relaxed), failure)
    }
}

impl<S, M> Keeping<S, M>
where
    S: Serialize + DeserializeOwned + Send + Sync + 'static,
    M: Mutator<S> + DeserializeOwned + 'static,
{
    /// An entry of this replica's own has landed, with the mutations behind `before` through `last`.
    ///
    /// Of all replicas only the one makes a snapshot whose entry passes the number at which one is due.
    pub(super) fn landed(self: &Arc<Self>, before: Seq, last: Seq) {
        // One that waits for a slow store will be of the state as it is then: a second one is not needed.
        if self.every.is_some_and(|every| before / every < last / every)
            && !self.is_due.swap(true, Ordering::AcqRel)
        {
            let keeping = Arc::clone(self);
            tokio::spawn(async move {
                let _alone = keeping.turn.lock().await;
                keeping.is_due.store(false, Ordering::Release);
                // Told in the status.
                let _ = keeping.snapshot_in_turn().await;
            });
        }
    }

    /// Makes a snapshot of the state as it is now, reads it back, and trims behind the one before it.
    pub(super) async fn snapshot(&self) -> Result<Seq, SharedError> {
        let _alone = self.turn.lock().await;
        self.snapshot_in_turn().await
    }

    async fn snapshot_in_turn(&self) -> Result<Seq, SharedError> {
        let made = self.snapshot_alone().await;
        // That the manager was closed meanwhile is no failure of the snapshot.
        let is_told = |failure: &&SharedError| !matches!(failure, SharedError::Closed);
        let failure = made.as_ref().err().filter(is_told).cloned();
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
        made
    }

    async fn snapshot_alone(&self) -> Result<Seq, SharedError> {
        let (name, standing, state) = tokio::select! {
            biased;
            // An entry that is read again may not come any more.
            ended = self.replica.end_told() => return Err(ended),
            encoded = self.encoded() => encoded?,
        };
        let seq = name.seq;
        opening::put(&*self.store, &name, &standing, state).await?;
        // It is one only if this program can begin with it.
        let read = opening::read::<S, M>(&*self.store, &name).await?;
        if read.standing != standing {
            let what = "a replica with another history has put it there";
            return Err(SharedError::UnsoundSnapshot { name, what });
        }
        drop(read);
        self.newest.fetch_max(seq, Ordering::Relaxed);
        self.trim_behind(&name).await?;
        Ok(seq)
    }

    /// The state's JSON at the last entry. The state is built anew from the newest snapshot and the entries
    /// behind it, so that nobody waits for the one in memory while it is encoded; that one is taken only
    /// where no snapshot leads to the journal any more.
    async fn encoded(&self) -> Result<(SnapshotName, Standing, Vec<u8>), SharedError> {
        for _ in 0..ATTEMPTS {
            let (name, standing) = self.named(&self.replica.held())?;
            let until = Until::Place(name.place);
            let built = opening::built::<S, M>(&*self.journal, &*self.store, until).await;
            match built {
                Ok(Some(built)) if built.standing == standing => {
                    return Ok((name, standing, opening::encoded(built).await?));
                }
                Ok(Some(_)) => {
                    let what = "it is not what this replica has read there";
                    return Err(SharedError::Damaged { place: name.place, seq: name.seq, what });
                }
                // Others have made snapshots meanwhile.
                Ok(None) => {}
                Err(SharedError::NoSnapshot { .. }) => break,
                Err(failure) => return Err(failure),
            }
        }
        let held = self.replica.held();
        let (name, standing) = self.named(&held)?;
        let state = held.state.as_ref().map_err(Clone::clone)?;
        Ok((name, standing, opening::encode(state)?))
    }

    /// What a snapshot is called that is made now, and where it stands.
    fn named(&self, held: &Held<S>) -> Result<(SnapshotName, Standing), SharedError> {
        if let Some(ended) = self.replica.ended() {
            return Err(ended);
        }
        // Behind a handler that panicked it stands within an entry.
        if let Err(panicked) = &held.state {
            return Err(panicked.clone());
        }
        let (standing, own) = (held.standing.clone(), M::__schema().state);
        let format = standing.admitted.format;
        if standing.admitted.state != own {
            let operation = format!("version {own} of the state");
            return Err(SharedError::NotAdmitted { operation, format });
        }
        let journal = self.replica.journal().clone();
        Ok((SnapshotName { journal, seq: standing.seq, place: held.place }, standing))
    }

    /// Lets the journal forget what the newest sound snapshot before this one holds, which then is the
    /// oldest that is kept.
    async fn trim_behind(&self, newest: &SnapshotName) -> Result<(), SharedError> {
        let listing = SharedError::store("listing snapshots");
        let names = self.store.list(&newest.journal).await.map_err(listing)?;
        let mut older = names.into_iter().rev().skip_while(|name| name >= newest);
        for kept in older.by_ref() {
            match opening::sound(&*self.store, &kept).await {
                Ok(()) => {
                    let before = kept.place.next();
                    let trimming = SharedError::journal("trimming the journal", &newest.journal);
                    self.journal.trim(before).await.map_err(trimming)?;
                    break;
                }
                // Another one is to be kept in its place.
                Err(
                    SharedError::UnsoundSnapshot { .. }
                    | SharedError::Store { source: StoreError::Missing { .. }, .. },
                ) => {}
                Err(failure) => return Err(failure),
            }
        }
        for forgotten in older {
            let deleting = SharedError::store("removing a snapshot");
            self.store.delete(&forgotten).await.map_err(deleting)?;
        }
        Ok(())
    }
}
