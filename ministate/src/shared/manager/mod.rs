//! `SharedManager`: one state on several machines, changed on any of them and read on each.

mod writing;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use crate::shared::barrier::Barrier;
use crate::shared::committer::Request;
use crate::shared::contact::Contact;
use crate::shared::error::SharedError;
use crate::shared::journal::{Journal, Place};
use crate::shared::keeping::Keeping;
use crate::shared::options::SharedOptions;
use crate::shared::replica::{Progress, Replica};
use crate::shared::status::{Role, SharedStatus};

/// A replica of a state that several processes share: each has the whole state in memory, and their
/// mutations are in one journal, in one order, kept by an engine such as etcd.
///
/// The operations, the state and the handlers are those of a [`StateManager`](crate::StateManager); so is
/// what `Ok` means: the mutation is as durable as the engine makes it, and readers here see its effect.
/// Every replica applies it, once, in the same place of the order.
///
/// ```
/// use ministate::Mutations;
/// use ministate::shared::SharedManager;
/// # use serde::{Deserialize, Serialize};
///
/// #[derive(Default, Serialize, Deserialize)]
/// struct Counter {
///     value: u64,
/// }
///
/// #[derive(Clone, Serialize, Deserialize, Mutations)]
/// #[mutations(state = Counter)]
/// enum CounterOp {
///     Add { by: u64 },
/// }
///
/// impl Counter {
///     fn add(&mut self, by: u64) {
///         self.value += by;
///     }
/// }
///
/// # #[cfg(not(feature = "testing"))]
/// # fn main() {}
/// # #[cfg(feature = "testing")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // In place of etcd and of a bucket, as in the tests of an application.
/// use ministate::shared::memory::{MemoryJournal, MemorySnapshots};
/// let (journal, snapshots) = (MemoryJournal::new(), MemorySnapshots::new());
///
/// let here = SharedManager::<Counter, CounterOp>::open(journal.clone(), snapshots.clone()).await?;
/// let there = SharedManager::<Counter, CounterOp>::open(journal, snapshots).await?;
/// here.apply(CounterOp::Add { by: 2 }).await?;
/// there.apply(CounterOp::Add { by: 3 }).await?;
/// assert_eq!(here.read_linearizable(|counter| counter.value).await?, 5);
/// # Ok(())
/// # }
/// ```
///
/// # How
///
/// A task of this replica gathers the mutations of all its callers into one entry and appends it behind
/// the last entry that the replica has applied, on the condition that the journal ends there. Where
/// another replica was faster, it applies what that one wrote and appends behind it. Where the engine does
/// not say what became of an entry, the task appends the same one at the same place again, until it sees
/// what stands there. So nothing that was acknowledged is lost, and nothing is applied twice, without a
/// leader and without a window for duplicates. (The shared log of Tango; group commit.)
///
/// # What it does not do
///
/// - It does not make writing faster: one journal has one order. More replicas give availability and
///   capacity for reading.
/// - A caller that dies, or gets [`OutcomeUnknown`](SharedError::OutcomeUnknown), and tries again may
///   change the state twice: give such operations an identity of your own, and let the handler look for
///   it.
/// - The handlers must be deterministic, on all machines: see [`Mutator`](crate::Mutator). States are not compared.
///
/// # Dropping
///
/// Dropping the manager ends its task; a snapshot that is on its way to the store gets there.
/// [`close`](Self::close) first carries out what was handed over.
pub struct SharedManager<S, M> {
    replica: Arc<Replica<S>>,
    journal: Arc<dyn Journal>,
    contact: Arc<Contact>,
    keeping: Arc<Keeping<S, M>>,
    barrier: Barrier,
    requests: mpsc::UnboundedSender<Request<M>>,
    options: SharedOptions,
    task: AbortHandle,
    /// Says, by an error, that the task is gone.
    is_here: watch::Receiver<()>,
}

/// Between two questions to an engine that does not answer.
const PAUSE: Duration = Duration::from_millis(100);

impl<S, M> SharedManager<S, M> {
    /// Lends the state as it is here to `reader`, without cloning it and without asking anybody.
    ///
    /// It holds every mutation through [`sequence`](Self::sequence), and may lack later ones that were
    /// acknowledged elsewhere: [`status`](Self::status) says how stale it can be. It never goes back.
    ///
    /// Readers wait while an entry is applied, and writers wait for readers: be short.
    ///
    /// # Panics
    ///
    /// Panics if a handler panicked, until the state before it was read from the journal again.
    pub fn read<R>(&self, reader: impl FnOnce(&S) -> R) -> R {
        self.read_with_sequence(|state, _| reader(state))
    }

    /// Lends the state as it is here to `reader`, with the last mutation that it holds. To
    /// [`subscribe`](Self::subscribe) from the one behind misses none and repeats none.
    ///
    /// # Panics
    ///
    /// As [`read`](Self::read).
    pub fn read_with_sequence<R>(&self, reader: impl FnOnce(&S, u64) -> R) -> R {
        let held = self.replica.held();
        match &held.state {
            Ok(state) => reader(state, held.standing.seq),
            Err(cause) => {
                let cause = cause.clone();
                drop(held);
                panic!("there is no sound state to read: {cause}");
            }
        }
    }

    /// A clone of the state as it is here.
    ///
    /// # Panics
    ///
    /// As [`read`](Self::read).
    pub async fn snapshot(&self) -> S
    where
        S: Clone,
    {
        self.read(S::clone)
    }

    /// Lends the state to `reader` once it holds mutation `seq`: what was acknowledged on another replica
    /// with this number, or a smaller one, is in it.
    ///
    /// # Errors
    ///
    /// - [`Unavailable`](SharedError::Unavailable): it did not come within
    ///   [`patience`](SharedOptions::patience). Without one, this waits for ever for a number that never
    ///   comes.
    /// - [`Stopped`](SharedError::Stopped), [`Closed`](SharedError::Closed): it will not come.
    ///
    /// # Panics
    ///
    /// As [`read`](Self::read).
    pub async fn read_at_least<R>(
        &self,
        seq: u64,
        reader: impl FnOnce(&S) -> R,
    ) -> Result<R, SharedError> {
        self.patiently(self.reached(|progress| progress.seq >= seq)).await?;
        Ok(self.read(reader))
    }

    /// Lends the state to `reader` with every mutation in it that was acknowledged to anybody, anywhere,
    /// before this call: a linearizable read. (The barrier, or read index, of replicated logs.)
    ///
    /// It asks the engine where the journal ends, once for all who ask at the same time, and waits until
    /// the replica is there. Writes nothing.
    ///
    /// # Errors
    ///
    /// - [`Unavailable`](SharedError::Unavailable): the engine did not answer, or the replica did not get
    ///   there, within [`patience`](SharedOptions::patience). Without one, this waits for as long as the
    ///   engine is away.
    /// - [`WrongJournal`](SharedError::WrongJournal): it is not this journal any more.
    /// - [`Stopped`](SharedError::Stopped), [`Closed`](SharedError::Closed).
    ///
    /// # Panics
    ///
    /// As [`read`](Self::read).
    pub async fn read_linearizable<R>(
        &self,
        reader: impl FnOnce(&S) -> R,
    ) -> Result<R, SharedError> {
        self.patiently(async {
            let end = tokio::select! {
                biased;
                ended = self.replica.end_told() => return Err(ended),
                end = self.end() => end?,
            };
            self.reached(|progress| progress.place >= end).await
        })
        .await?;
        Ok(self.read(reader))
    }

    /// The last mutation that the state here holds: 0 for a journal without mutations, one more with
    /// each.
    pub fn sequence(&self) -> u64 {
        self.replica.progress().borrow().seq
    }

    /// What this replica does and how far it is: what a health check asks for. Asks nobody.
    pub fn status(&self) -> SharedStatus {
        let seen = self.contact.seen();
        let progress = self.replica.progress().borrow().clone();
        let behind = seen.end.number().saturating_sub(progress.place.number());
        let (snapshot, snapshot_failure) = self.keeping.newest();
        let role = match (&progress.ended, &seen.failure) {
            (Some(_), _) => Role::Ended,
            (None, Some(_)) => Role::CutOff,
            (None, None) if behind > 0 => Role::CatchingUp,
            (None, None) => Role::Current,
        };
        SharedStatus {
            role,
            sequence: progress.seq,
            place: progress.place,
            behind,
            stale: seen.stale,
            failure: progress.ended.or(seen.failure),
            snapshot,
            snapshot_failure,
            format: progress.admitted.format,
            admitted: progress.admitted.ops.clone(),
        }
    }

    /// Where the journal ends, as soon as the engine says so.
    async fn end(&self) -> Result<Place, SharedError> {
        loop {
            let (asked, heard) = (Instant::now(), self.contact.end());
            match self.barrier.place(&*self.journal).await {
                // Old news, or entries are lost: the task of the replica finds out which.
                Ok(end) if end < heard => {}
                Ok(end) => {
                    self.contact.answered(asked, end, self.replica.place());
                    return Ok(end);
                }
                Err(error) => {
                    let doing = "asking for the end of the journal";
                    match SharedError::journal(doing, self.journal.id())(error) {
                        failure @ SharedError::Journal { .. } => self.contact.failed(failure),
                        other => return Err(other),
                    }
                }
            }
            sleep(PAUSE).await;
        }
    }

    async fn reached(&self, is_far: impl Fn(&Progress) -> bool) -> Result<(), SharedError> {
        let mut progress = self.replica.progress();
        let is_decided = |progress: &Progress| is_far(progress) || progress.ended.is_some();
        let known = progress.wait_for(is_decided).await;
        // The replica, which is here, tells.
        let known = known.map_err(|_| SharedError::Closed)?;
        match &known.ended {
            Some(ended) if !is_far(&known) => Err(ended.clone()),
            Some(_) | None => Ok(()),
        }
    }

    async fn patiently(
        &self,
        waiting: impl Future<Output = Result<(), SharedError>>,
    ) -> Result<(), SharedError> {
        match self.options.patience {
            None => waiting.await,
            Some(patience) => match timeout(patience, waiting).await {
                Ok(reached) => reached,
                Err(_elapsed) => Err(SharedError::Unavailable {
                    source: self.contact.seen().failure.map(|failure| Arc::new(failure) as _),
                }),
            },
        }
    }
}

impl<S, M> Drop for SharedManager<S, M> {
    fn drop(&mut self) {
        self.replica.end(SharedError::Closed);
        self.task.abort();
    }
}

impl<S, M> fmt::Debug for SharedManager<S, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedManager")
            .field("journal", &self.journal.id())
            .field("sequence", &self.sequence())
            .finish_non_exhaustive()
    }
}
