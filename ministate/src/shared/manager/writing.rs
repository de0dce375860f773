//! How does a mutation get into a state that is shared? Encoded and checked here, appended by the
//! committer.

use std::ops::RangeInclusive;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::SharedManager;
use crate::commit::{Change, Done};
use crate::error::Refusal;
use crate::manager::Applied;
use crate::mutation::{Accepts, Mutator, Operation, Reply};
use crate::shared::barrier::Barrier;
use crate::shared::chunk::{self, Admitted};
use crate::shared::committer::{Committer, Request};
use crate::shared::error::SharedError;
use crate::shared::feed::SharedSubscription;
use crate::shared::flight::{Answer, Submission, Wanted};
use crate::shared::journal::Journal;
use crate::shared::keeping::Keeping;
use crate::shared::opening::{self, Begun};
use crate::shared::options::SharedOptions;
use crate::shared::snapshots::SnapshotStore;

/// Of what was taken by a committer that is gone.
const UNANSWERED: Result<Done, SharedError> = Err(SharedError::OutcomeUnknown { source: None });

impl<S, M> SharedManager<S, M>
where
    S: Serialize + DeserializeOwned + Send + Sync + 'static,
    M: Mutator<S> + Serialize + DeserializeOwned + Send + 'static,
{
    /// Opens the state that the journal and the snapshots hold: reads the newest snapshot, and what was
    /// appended behind it until now. Goes on by itself with what is appended later.
    ///
    /// The first replica of all makes `S::default()` the snapshot at sequence number 0: changing the
    /// default later does not change history.
    ///
    /// # Errors
    ///
    /// - [`Journal`](SharedError::Journal), [`Store`](SharedError::Store): the engine, or the store, does
    ///   not answer. Try again.
    /// - [`NoSnapshot`](SharedError::NoSnapshot), [`UnsoundSnapshot`](SharedError::UnsoundSnapshot),
    ///   [`UnreadableState`](SharedError::UnreadableState): there is none to begin with.
    /// - [`UnknownOperations`](SharedError::UnknownOperations),
    ///   [`NewerFormat`](SharedError::NewerFormat), [`Undecodable`](SharedError::Undecodable): a newer
    ///   program wrote it.
    /// - [`Damaged`](SharedError::Damaged), [`Regressed`](SharedError::Regressed),
    ///   [`WrongJournal`](SharedError::WrongJournal): the engine does not hold what it did.
    /// - [`HandlerPanicked`](SharedError::HandlerPanicked): a handler panicked at a record.
    /// - [`Refused`](SharedError::Refused): JSON cannot say the default state.
    ///
    /// # Panics
    ///
    /// Panics outside of a Tokio runtime.
    pub async fn open(
        journal: impl Journal,
        snapshots: impl SnapshotStore,
    ) -> Result<Self, SharedError>
    where
        S: Default,
    {
        SharedOptions::new().open(journal, snapshots).await
    }

    pub(in crate::shared) async fn begun(
        options: SharedOptions,
        journal: Arc<dyn Journal>,
        store: Arc<dyn SnapshotStore>,
        initial: S,
    ) -> Result<Self, SharedError> {
        let begun = opening::begin::<S, M>(&*journal, &*store, initial).await?;
        let Begun { replica, tail, contact, snapshot } = begun;
        let (replica, contact) = (Arc::new(replica), Arc::new(contact));
        let every = options.snapshot_every.map(std::num::NonZero::get);
        let keeping = Arc::new(Keeping::new(&replica, &journal, store, every, snapshot));
        let (requests, received) = mpsc::unbounded_channel();
        let (here, is_here) = watch::channel(());
        let committer = Committer::new(
            (Arc::clone(&replica), Arc::clone(&journal)),
            Arc::clone(&contact),
            Arc::clone(&keeping),
            received,
            (options.patience, options.look_every),
            here,
        );
        let task = tokio::spawn(committer.run(tail)).abort_handle();
        let barrier = Barrier::default();
        Ok(SharedManager {
            replica,
            journal,
            contact,
            keeping,
            barrier,
            requests,
            options,
            task,
            is_here,
        })
    }

    /// Appends the mutation to the journal, and applies it here once it stands there. Returns its
    /// sequence number: [`read_at_least`](Self::read_at_least) with it, on any replica, sees its effect.
    ///
    /// # Cancellation
    ///
    /// Dropping the future before its mutation was taken into an entry means that nothing happened.
    /// Dropping it later lets the mutation complete without its caller, unless its
    /// [`patience`](SharedOptions::patience) is over, or the replica ends, before that.
    ///
    /// # Errors
    ///
    /// - [`Refused`](SharedError::Refused), [`TooLarge`](SharedError::TooLarge),
    ///   [`NotAdmitted`](SharedError::NotAdmitted), [`Stopped`](SharedError::Stopped),
    ///   [`Closed`](SharedError::Closed): nothing was written.
    /// - [`Unavailable`](SharedError::Unavailable): the engine did not take it within
    ///   [`patience`](SharedOptions::patience); nothing was written.
    /// - [`OutcomeUnknown`](SharedError::OutcomeUnknown): within that time the engine did not say whether
    ///   it was appended; or the replica stopped, or had to begin again with a snapshot, before that was
    ///   known.
    /// - [`HandlerPanicked`](SharedError::HandlerPanicked): the mutation is in the journal, and its handler
    ///   panicked. This replica has stopped, and so will the others.
    pub async fn apply(&self, mutation: M) -> Result<u64, SharedError> {
        let change = self.change(mutation, Reply::discarded())?;
        Ok(self.submit(Wanted::Change(change)).await?.seq)
    }

    /// Appends all mutations or none: no reader, on any replica, sees some of them without the others.
    /// Returns their sequence numbers, which are consecutive.
    ///
    /// An empty batch writes nothing and returns an empty range.
    ///
    /// # Errors
    ///
    /// As [`apply`](Self::apply). An `Err` is the answer for all mutations of the batch.
    pub async fn apply_batch(
        &self,
        mutations: impl IntoIterator<Item = M>,
    ) -> Result<RangeInclusive<u64>, SharedError> {
        let change = Change::several::<S>(mutations, self.options.fidelity);
        let Some(change) = change.map_err(|reason| SharedError::Refused { reason })? else {
            let last = self.sequence();
            return Ok(last + 1..=last);
        };
        let count = change.effect.count();
        let last = self.submit(Wanted::Change(self.limited(change)?)).await?.seq;
        Ok(last + 1 - count..=last)
    }

    /// Appends the operation to the journal, executes it once it stands there, and returns what its
    /// handler returned: a decision on the state behind everything that stands before it, whichever
    /// replica wrote that. A rejection is an outcome, as in
    /// [`StateManager::execute`](crate::StateManager::execute).
    ///
    /// # Errors
    ///
    /// As [`apply`](Self::apply).
    pub async fn execute<O>(&self, operation: O) -> Result<Applied<O::Output>, SharedError>
    where
        O: Operation<S, Output: Send + 'static>,
        M: Accepts<O>,
    {
        let change = self.change(M::from(operation), Reply::wanted::<O::Output>())?;
        let (seq, output) = self.submit(Wanted::Change(change)).await?.with_output();
        Ok(Applied { seq, output })
    }

    /// Chooses this program's operations, and its version of the state, as those that are written from
    /// here on. Returns how often they were chosen, this time included. Where they are already those,
    /// it writes nothing.
    ///
    /// Until then an operation that was not in the choice before, or not in this version, is refused as
    /// [`NotAdmitted`](SharedError::NotAdmitted), so that a new release can run beside an old one. The
    /// choice is an entry of the journal: all replicas switch at the same place. A replica whose program
    /// cannot read what was chosen stops there with
    /// [`UnknownOperations`](SharedError::UnknownOperations). So call this once every replica runs a
    /// program that can. The first entry of a journal makes the first choice by itself.
    ///
    /// # Errors
    ///
    /// As [`apply`](Self::apply).
    pub async fn admit_operations(&self) -> Result<u64, SharedError> {
        self.submit(Wanted::Admission).await?;
        Ok(self.replica.progress().borrow().admitted.format)
    }

    /// Makes a snapshot of the state as it is now, puts it into the store, and reads it back. Then it
    /// trims the journal behind the newest sound snapshot before it, and removes the snapshots before
    /// that one: two are kept, and what stands behind the older. Returns the last mutation in it.
    ///
    /// The state is read anew, from the snapshot before and the entries behind it, and encoded: neither
    /// readers nor writers wait for it, and meanwhile there are two states in memory. (Shadow replay.) Only
    /// where no snapshot leads to the end of the journal any more, the state in memory is encoded, while
    /// writers wait.
    ///
    /// # Errors
    ///
    /// - [`Store`](SharedError::Store), [`UnsoundSnapshot`](SharedError::UnsoundSnapshot),
    ///   [`UnreadableState`](SharedError::UnreadableState): it was not kept, or could not be read back.
    ///   Nothing was trimmed.
    /// - [`NotAdmitted`](SharedError::NotAdmitted): other replicas may not read this program's version of
    ///   the state yet: see [`admit_operations`](Self::admit_operations).
    /// - [`Refused`](SharedError::Refused): JSON cannot say the state.
    /// - [`Journal`](SharedError::Journal): the journal could not be read, or not be trimmed; then the
    ///   snapshot is there.
    /// - [`Damaged`](SharedError::Damaged), [`Regressed`](SharedError::Regressed),
    ///   [`WrongJournal`](SharedError::WrongJournal), [`HandlerPanicked`](SharedError::HandlerPanicked):
    ///   reading it anew found what the replica had not.
    /// - [`Stopped`](SharedError::Stopped), [`Closed`](SharedError::Closed).
    pub async fn create_snapshot(&self) -> Result<u64, SharedError> {
        self.keeping.snapshot().await
    }

    /// The mutations from number `from` on: those that there are already, and then those to come, each
    /// once this replica has applied it. 0 is taken for 1. Reads nothing yet.
    ///
    /// Those that this replica did not apply itself are looked for from the beginning of the journal.
    pub fn subscribe(&self, from: u64) -> SharedSubscription<M> {
        let begin = self.replica.place_before(from);
        SharedSubscription::new::<S>(&self.journal, self.replica.progress(), begin, from)
    }

    /// Carries out what was handed over, then ends the replica. Later writes are refused as
    /// [`Closed`](SharedError::Closed); [`read`](Self::read) works on. Closing again does nothing.
    ///
    /// Waits for an engine that does not answer as long as the writes do that were handed over, also those
    /// whose callers went away: for ever without a [`patience`](SharedOptions::patience). Dropping the
    /// future does not undo it, and dropping the manager waits for nothing.
    pub async fn close(&self) {
        let (answer, closed) = oneshot::channel();
        if self.requests.send(Request::Close(answer)).is_ok() {
            // Without an answer it ended before.
            let _ = closed.await;
        }
    }

    fn change(&self, mutation: M, reply: Reply) -> Result<Change<M>, SharedError> {
        let change = Change::one::<S>(mutation, self.options.fidelity, reply);
        self.limited(change.map_err(|reason: Refusal| SharedError::Refused { reason })?)
    }

    /// Refuses what no entry has room for.
    fn limited(&self, change: Change<M>) -> Result<Change<M>, SharedError> {
        let own = Admitted::of(0, &M::__schema());
        let bytes =
            chunk::envelope_bytes_at_most(Some(&own)) + chunk::record_bytes_at_most(&change.body);
        let limit = self.journal.entry_bytes_max();
        if bytes > limit {
            return Err(SharedError::TooLarge { bytes, limit });
        }
        Ok(change)
    }

    async fn submit(&self, wanted: Wanted<M>) -> Result<Done, SharedError> {
        let (answer, mut answered) = Answer::new();
        let submission = Submission { wanted, answer, since: Instant::now(), is_begun: false };
        let ended = || self.replica.ended().unwrap_or(SharedError::Closed);
        self.requests.send(Request::Submit(submission)).map_err(|_| ended())?;
        let mut is_here = self.is_here.clone();
        tokio::select! {
            biased;
            // The committer answers each, unless the runtime has dropped it.
            answer = &mut answered => answer.unwrap_or(UNANSWERED),
            _ = is_here.changed() => match answered.try_recv() {
                Ok(answer) => answer,
                Err(oneshot::error::TryRecvError::Closed) => UNANSWERED,
                // It was dropped while this was handed over, and has not taken it.
                Err(oneshot::error::TryRecvError::Empty) => Err(ended()),
            },
        }
    }
}
