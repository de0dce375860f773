//! How does a mutation get into the state? Encoded and checked here, then journaled by the commit.

use std::ops::RangeInclusive;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Applied, StateManager};
use crate::commit::{Change, Done, Work, ground};
use crate::error::{MiniStateError, Refusal};
use crate::mutation::{Accepts, Mutator, Operation, Reply};

impl<S, M> StateManager<S, M>
where
    S: Send + Sync + 'static,
    M: Mutator<S> + Serialize + DeserializeOwned + Send + 'static,
{
    /// Journals the mutation, and applies it once it is on stable storage. Returns its sequence
    /// number.
    ///
    /// `Ok` means both: the record survives a power loss, and readers see its effect.
    ///
    /// # Where it blocks
    ///
    /// On a multi-threaded Tokio runtime the calling task may be the one that syncs the batch. Its
    /// thread hands its other tasks over first; but other futures of the *same* task, such as a
    /// timeout around this call, or what is joined or selected with it, wait until the disk has
    /// answered. Spawn the call where that matters. On a current-thread runtime the disk work runs
    /// on the pool for blocking work, of which it needs a thread.
    ///
    /// # Cancellation
    ///
    /// Dropping the future before its mutation was handed over to be written means that nothing
    /// happened. Dropping it later lets the mutation complete without its caller. There is no
    /// third outcome, and the journal and the state agree in both.
    ///
    /// # Errors
    ///
    /// - [`Refused`](MiniStateError::Refused), [`Closed`](MiniStateError::Closed),
    ///   [`Poisoned`](MiniStateError::Poisoned): nothing was written.
    /// - [`NotWritten`](MiniStateError::NotWritten): the write failed, was undone, and poisoned
    ///   the manager.
    /// - [`OutcomeUnknown`](MiniStateError::OutcomeUnknown): the sync failed and poisoned the
    ///   manager; reopening tells whether the mutation is there.
    /// - [`HandlerPanicked`](MiniStateError::HandlerPanicked): the mutation is in the journal, its
    ///   handler panicked, and the manager is poisoned. Readers have the state before it.
    pub async fn apply(&self, mutation: M) -> Result<u64, MiniStateError> {
        let change = self.change(mutation, Reply::discarded())?;
        Ok(self.submit(change).await?.seq)
    }

    /// [`apply`](Self::apply) for callers without a runtime: blocks the thread.
    ///
    /// # Errors
    ///
    /// As [`apply`](Self::apply).
    pub fn blocking_apply(&self, mutation: M) -> Result<u64, MiniStateError> {
        let change = self.change(mutation, Reply::discarded())?;
        Ok(self.submit_blocking(change)?.seq)
    }

    /// Applies all mutations or none: they share one line of the journal, and no reader sees some
    /// of them without the others. Returns their sequence numbers, which are consecutive.
    ///
    /// An empty batch writes nothing and returns an empty range.
    ///
    /// ```
    /// # use ministate::{Mutator, StateManager};
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Default, Serialize, Deserialize)]
    /// # struct Counter { value: u32 }
    /// # #[derive(Serialize, Deserialize)]
    /// # struct Inc { by: u32 }
    /// # impl Mutator<Counter> for Inc {
    /// #     fn apply(&self, state: &mut Counter) { state.value += self.by }
    /// # }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let dir = dir.path();
    /// let manager = StateManager::<Counter, Inc>::open(dir, "app.wal.jsonl").await?;
    /// manager.apply(Inc { by: 1 }).await?;
    /// let numbers = manager.apply_batch([Inc { by: 2 }, Inc { by: 3 }]).await?;
    /// assert_eq!(numbers, 2..=3);
    /// assert_eq!(manager.read(|counter| counter.value), 6);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`apply`](Self::apply). An `Err` is the answer for all mutations of the batch.
    pub async fn apply_batch(
        &self,
        mutations: impl IntoIterator<Item = M>,
    ) -> Result<RangeInclusive<u64>, MiniStateError> {
        match self.batch(mutations)? {
            Some(change) => {
                let mutations = change.body.mutations;
                Ok(range(self.submit(change).await?.seq, mutations))
            }
            None => Ok(range(self.sequence(), 0)),
        }
    }

    /// [`apply_batch`](Self::apply_batch) for callers without a runtime: blocks the thread.
    ///
    /// # Errors
    ///
    /// As [`apply_batch`](Self::apply_batch).
    pub fn blocking_apply_batch(
        &self,
        mutations: impl IntoIterator<Item = M>,
    ) -> Result<RangeInclusive<u64>, MiniStateError> {
        match self.batch(mutations)? {
            Some(change) => {
                let mutations = change.body.mutations;
                Ok(range(self.submit_blocking(change)?.seq, mutations))
            }
            None => Ok(range(self.sequence(), 0)),
        }
    }

    /// Journals the operation, executes it once it is on stable storage, and returns what its
    /// handler returned.
    ///
    /// A rejection is an outcome: where the handler returns an `Err`, the operation is in the
    /// journal all the same, and is rejected again at every replay. To leave no trace of a
    /// hopeless operation, look with [`read`](Self::read) first.
    ///
    /// `M` is an enum with `#[derive(Mutations)]`; the operation is the payload of one of its
    /// newtype variants, or, with `#[mutations(output = ..)]`, the enum itself.
    ///
    /// # Errors
    ///
    /// As [`apply`](Self::apply). What the handler returns is in [`Applied::output`].
    pub async fn execute<O>(&self, operation: O) -> Result<Applied<O::Output>, MiniStateError>
    where
        O: Operation<S, Output: Send + 'static>,
        M: Accepts<O>,
    {
        let change = self.change(M::from(operation), Reply::wanted::<O::Output>())?;
        Ok(applied(self.submit(change).await?))
    }

    /// [`execute`](Self::execute) for callers without a runtime: blocks the thread.
    ///
    /// # Errors
    ///
    /// As [`execute`](Self::execute).
    pub fn blocking_execute<O>(&self, operation: O) -> Result<Applied<O::Output>, MiniStateError>
    where
        O: Operation<S, Output: Send + 'static>,
        M: Accepts<O>,
    {
        let change = self.change(M::from(operation), Reply::wanted::<O::Output>())?;
        Ok(applied(self.submit_blocking(change)?))
    }

    /// Ends the journal: completes what was handed over, marks it as synced, trims the file, and
    /// releases the lock. Later writes are refused as [`Closed`](MiniStateError::Closed); reads
    /// work on. Closing again does nothing.
    ///
    /// # Errors
    ///
    /// - [`Poisoned`](MiniStateError::Poisoned): the manager was poisoned; the lock is released.
    /// - [`Io`](MiniStateError::Io): the mark could not be written. All that was acknowledged is
    ///   durable none the less, and the lock is released.
    pub async fn close(&self) -> Result<(), MiniStateError> {
        self.core.submit(Work::Close).await.map(drop)
    }

    /// [`close`](Self::close) for callers without a runtime: blocks the thread.
    ///
    /// # Errors
    ///
    /// As [`close`](Self::close).
    pub fn blocking_close(&self) -> Result<(), MiniStateError> {
        self.core.submit_blocking(Work::Close).map(drop)
    }

    async fn submit(&self, change: Change<M>) -> Result<Done, MiniStateError> {
        let (mutations, bytes) = (change.body.mutations, change.body.record_bytes());
        let done = self.told(self.core.submit(Work::Apply(change)).await)?;
        if let Some(turn) = self.upkeep.turn_after(mutations, bytes) {
            let sealed = self.core.submit(Work::Seal).await;
            ground::run(move || turn.complete(sealed.map(|sealed| sealed.seq))).await;
        }
        Ok(done)
    }

    fn submit_blocking(&self, change: Change<M>) -> Result<Done, MiniStateError> {
        let (mutations, bytes) = (change.body.mutations, change.body.record_bytes());
        let done = self.told(self.core.submit_blocking(Work::Apply(change)))?;
        if let Some(turn) = self.upkeep.turn_after(mutations, bytes) {
            let sealed = self.core.submit_blocking(Work::Seal);
            turn.complete(sealed.map(|sealed| sealed.seq));
        }
        Ok(done)
    }

    fn change(&self, mutation: M, reply: Reply) -> Result<Change<M>, MiniStateError> {
        let change = Change::one::<S>(mutation, self.fidelity, reply);
        self.limit(self.accepted(change)?)
    }

    fn batch(
        &self,
        mutations: impl IntoIterator<Item = M>,
    ) -> Result<Option<Change<M>>, MiniStateError> {
        let change = Change::several::<S>(mutations, self.fidelity);
        self.accepted(change)?.map(|change| self.limit(change)).transpose()
    }

    fn accepted<T>(&self, encoded: Result<T, Refusal>) -> Result<T, MiniStateError> {
        self.told(encoded.map_err(|reason| MiniStateError::Refused { reason }))
    }

    fn limit(&self, change: Change<M>) -> Result<Change<M>, MiniStateError> {
        let (bytes, limit) = (change.body.len() as u64, self.record_bytes_max);
        if bytes > limit {
            let reason = Refusal::TooLarge { bytes, limit };
            return self.told(Err(MiniStateError::Refused { reason }));
        }
        Ok(change)
    }

    /// Tells whoever observes the journal of an answer that is an error.
    fn told<T>(&self, answer: Result<T, MiniStateError>) -> Result<T, MiniStateError> {
        if let Err(error) = &answer {
            self.upkeep.names.observer().failed(error);
        }
        answer
    }
}

fn range(last: u64, mutations: u64) -> RangeInclusive<u64> {
    last + 1 - mutations..=last
}

fn applied<T: 'static>(done: Done) -> Applied<T> {
    let (seq, output) = done.with_output();
    Applied { seq, output }
}
