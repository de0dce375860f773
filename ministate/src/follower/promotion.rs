//! How does a follower become the writer? With the lock, and with the state that it has.

use std::error::Error;
use std::fmt;
use std::sync::PoisonError;
use std::time::Instant;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::looking::{Looked, Looker, Passage};
use super::{Follower, Origin, Running};
use crate::commit::ground;
use crate::error::MiniStateError;
use crate::journal::{self, Start};
use crate::manager::{Opening, StateManager};
use crate::mutation::Mutator;
use crate::recovery::{self, Recovered};
use crate::sync::mpsc::channel;
use crate::sync::thread;

/// A follower that did not become the writer.
pub struct NotPromoted<S, M> {
    /// Why: [`Locked`](MiniStateError::Locked) while the writer is there.
    pub reason: MiniStateError,
    /// The follower, which goes on as before; `None` where it failed behind the point of no return.
    /// Nothing is lost then: [open](StateManager::open) the journal, or follow it, anew.
    pub follower: Option<Follower<S, M>>,
}

impl<S, M> Follower<S, M>
where
    S: Serialize + DeserializeOwned + Send + Sync + 'static,
    M: Mutator<S> + Serialize + DeserializeOwned + Send + 'static,
{
    /// Takes the lock and becomes the manager of the journal, as an opening would: what a killed writer
    /// left of mutations that were never acknowledged is cut off, and the state has all that it
    /// acknowledged. It does not wait for the writer: try again while the answer is
    /// [`Locked`](MiniStateError::Locked).
    ///
    /// No snapshot is read and no record is applied again, so it takes as long as reading the newest
    /// segment does. [`StateManager::recovery`] counts from the snapshot that the follower began with.
    ///
    /// Who decides that the writer is to be replaced is yours to say: this takes the lock of a writer
    /// that is gone, and ends none that is there.
    ///
    /// # Errors
    ///
    /// [`NotPromoted`], with the follower, or without it where the files could not be settled. Its
    /// reason is one of the errors of [`StateManager::open`].
    pub async fn promote(self) -> Result<StateManager<S, M>, NotPromoted<S, M>> {
        ground::run(move || self.blocking_promote()).await
    }

    /// [`promote`](Self::promote) for callers without a runtime: blocks the thread.
    ///
    /// # Errors
    ///
    /// As [`promote`](Self::promote).
    pub fn blocking_promote(mut self) -> Result<StateManager<S, M>, NotPromoted<S, M>> {
        let started = Instant::now();
        let Origin { options, names, .. } = &*self.origin;
        let lock = match journal::lock(&*options.storage, names) {
            Ok(lock) => lock,
            Err(reason) => return Err(NotPromoted { reason, follower: Some(self) }),
        };
        let mut looker = self.stopped();
        let recovered = match self.recovered(looker.as_mut()) {
            Ok(recovered) => recovered,
            Err(reason) => {
                drop(lock);
                let restarted = looker.is_some_and(|looker| self.start(looker).is_ok());
                return Err(NotPromoted { reason, follower: restarted.then_some(self) });
            }
        };
        let Origin { options, names, state_dir, journal_path } = *self.origin;
        let (imported, torn_off) = (None, None);
        let opening = Opening { started, state_dir, journal_path, names, lock, imported, torn_off };
        let managed = options.managed(opening, recovered);
        managed.map_err(|reason| NotPromoted { reason, follower: None })
    }

    /// The state, caught up with the files, of which nobody else writes.
    fn recovered(&self, looker: Option<&mut Looker<S, M>>) -> Result<Recovered<S>, MiniStateError> {
        if let Some(recovered) = looker.and_then(|looker| self.caught_up(looker)) {
            return Ok(recovered);
        }
        // What the follower has will not do, so it is an opening like any other.
        let Origin { options, names, .. } = &*self.origin;
        recovery::recover_existing::<S, M>(&options.storage, names, &*options.on_progress)
    }

    /// The state of the follower, if it is that behind the last record.
    fn caught_up(&self, looker: &mut Looker<S, M>) -> Option<Recovered<S>> {
        let Origin { options, names, .. } = &*self.origin;
        while looker.look().ok()? == Looked::Partly {}
        let (seq, history) = looker.history()?;
        let start = Start { seq, record: history.record, path: names.active() };
        // This also looks at what no follower does, such as whether the journal has lost its tail.
        let found = recovery::end_behind(&options.storage, names, &start).ok()?;
        if found.seq() != seq {
            return None;
        }
        let mut held = self.shared.state.write().unwrap_or_else(PoisonError::into_inner);
        let state = held.taken_at(seq)?;
        let Passage { snapshot, replayed, voided, bytes_read } = looker.passage.clone();
        let (created, rejected) = (false, Vec::new());
        Some(Recovered { state, found, created, snapshot, rejected, replayed, voided, bytes_read })
    }
}

impl<S, M> Follower<S, M>
where
    S: DeserializeOwned + Send + Sync + 'static,
    M: Mutator<S> + Serialize + DeserializeOwned + Send + 'static,
{
    /// Lets a thread of its own look.
    pub(super) fn start(&mut self, looker: Looker<S, M>) -> Result<(), MiniStateError> {
        let (goes_on, is_wanted) = channel();
        let Origin { options, names, .. } = &*self.origin;
        let every = options.look_every;
        let look = move || looker.look_until_dropped(every, &is_wanted);
        let thread = thread::spawn_named("ministate follower", look);
        let thread = thread.map_err(MiniStateError::io("starting a thread for", names.active()))?;
        self.running = Some(Box::new(Running { thread, goes_on }));
        Ok(())
    }

    /// Who looked, once that has ended.
    fn stopped(&mut self) -> Option<Looker<S, M>> {
        let Running { thread, goes_on } = *self.running.take()?;
        drop(goes_on);
        thread.join().ok()
    }
}

impl<S, M> fmt::Debug for NotPromoted<S, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NotPromoted")
            .field("reason", &self.reason)
            .field("follower", &self.follower)
            .finish()
    }
}

impl<S, M> fmt::Display for NotPromoted<S, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.follower {
            Some(_) => write!(f, "the follower goes on as one: {}", self.reason),
            None => write!(f, "the follower has ended: {}", self.reason),
        }
    }
}

impl<S, M> Error for NotPromoted<S, M> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.reason)
    }
}
