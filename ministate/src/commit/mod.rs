//! Group commit: whoever comes while a batch is synced shares the next sync.
//!
//! Callers encode their mutation, put it into the queue and wait. One who finds nobody at it leads,
//! or calls a *leader*, which takes what is in the queue as one batch, writes it, syncs it, applies
//! its mutations in order, answers its callers, and goes on until the queue is empty. The queue's
//! lock is held to push or to take, the state's lock to apply; nobody holds either while the disk
//! works. Before a leader goes on with those who came meanwhile it waits a moment for those whom it
//! has just answered: else the two groups would take turns, and everybody wait for two syncs. A
//! caller who goes away takes its request out of the queue, or, if a leader has it already, leaves
//! it to be completed.
//!
//! What must stay true: of the requests in the queue each has a leader that runs or was called, or
//! a caller that is about to be polled and leads then. So nobody waits for a caller who is not
//! polled any more.

mod batch;
mod change;
pub(crate) mod ground;
pub(crate) mod news;
mod queue;
mod submission;
mod ticket;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

pub(crate) use change::Change;
#[cfg(feature = "shared")]
pub(crate) use change::Effect;
use news::News;
pub(crate) use queue::Work;
use queue::{Batch, Lacks, Leader, Led, Queue};
use submission::Submission;
pub(crate) use ticket::{Answer, Done};
use ticket::{Ticket, Waiter};

use crate::error::MiniStateError;
use crate::journal::Journal;
use crate::mutation::Mutator;
use crate::observation::Observer;
use crate::planted::{Bug, planted};
use crate::record::Seq;
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::sync::thread::{self, Thread};
use crate::sync::{Handle, Mutex, MutexGuard, RwLock, RwLockReadGuard};

/// For so long at most does a batch wait for company, and never longer than half of a sync.
const PATIENCE: Duration = Duration::from_millis(1);

/// So many records are applied before readers get their turn.
const APPLY_RECORDS: usize = 64;

/// The state, the journal, and those who want to change them.
pub(crate) struct Core<S, M> {
    queue: Mutex<Queue<M>>,
    /// The leader's. `None` once it is closed.
    journal: Mutex<Option<Journal>>,
    state: RwLock<State<S>>,
    /// The last mutation that is durable and visible.
    seq: AtomicU64,
    rebuild: Box<Rebuild<S>>,
    callers: ground::Callers,
    /// Whoever wants to know of what is durable and visible.
    news: Arc<News>,
    /// How many batches in a row were of one request.
    batches_of_one: AtomicU32,
    /// How often in a row it was in vain to wait for those who had been answered.
    fruitless: AtomicU32,
    observer: Observer,
}

/// Builds the state at a sequence number anew, from the journal.
pub(crate) type Rebuild<S> = dyn Fn(Seq) -> Result<S, MiniStateError> + Send + Sync;

enum State<S> {
    Sound(S),
    /// A handler panicked, and the state before it could not be built again.
    Unsound(MiniStateError),
}

/// When a leader stops, beside when there is nothing left to do.
#[derive(Clone, Copy)]
enum Until<'a> {
    Idle,
    /// Its own request is answered, and another can lead.
    Answered(&'a Ticket),
}

impl<S, M> Core<S, M> {
    pub(crate) fn new(journal: Journal, state: S, rebuild: Box<Rebuild<S>>) -> Self {
        let seq = AtomicU64::new(journal.seq());
        let observer = journal.observer().clone();
        let news = Arc::new(News::new(journal.seq()));
        Core {
            queue: Mutex::new(Queue::new(observer.clone())),
            journal: Mutex::new(Some(journal)),
            state: RwLock::new(State::Sound(state)),
            seq,
            rebuild,
            callers: ground::Callers::default(),
            news,
            batches_of_one: AtomicU32::new(0),
            fruitless: AtomicU32::new(0),
            observer,
        }
    }

    pub(crate) fn seq(&self) -> Seq {
        self.seq.load(Ordering::Acquire)
    }

    pub(crate) fn news(&self) -> &Arc<News> {
        &self.news
    }

    /// Why no more changes are taken.
    pub(crate) fn refusal(&self) -> Option<MiniStateError> {
        self.queue().refusal.clone()
    }

    /// Lends the state.
    ///
    /// # Panics
    ///
    /// As [`read_at`](Self::read_at).
    pub(crate) fn read<R>(&self, reader: impl FnOnce(&S) -> R) -> R {
        self.read_at(|state, _| reader(state))
    }

    /// Lends the state, with the last mutation that it holds.
    ///
    /// # Panics
    ///
    /// Panics if a handler panicked before and the state before it could not be built again.
    pub(crate) fn read_at<R>(&self, reader: impl FnOnce(&S, Seq) -> R) -> R {
        let seq_before = self.seq();
        let state: RwLockReadGuard<'_, State<S>> =
            self.state.read().unwrap_or_else(PoisonError::into_inner);
        match &*state {
            State::Sound(state) if planted(Bug::SeqAndStateReadApart) => reader(state, seq_before),
            // It changes only together with the state, whose lock is held.
            State::Sound(state) => reader(state, self.seq()),
            State::Unsound(cause) => {
                let cause = cause.clone();
                drop(state);
                panic!("there is no sound state to read: {cause}");
            }
        }
    }

    /// Lets go of the journal and its lock, once a leader that is at it has finished.
    pub(crate) fn release(&self) {
        drop(self.journal.lock().unwrap_or_else(PoisonError::into_inner).take());
        self.news.end(self.seq(), &MiniStateError::Closed);
    }

    fn queue(&self) -> MutexGuard<'_, Queue<M>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S, M> Core<S, M>
where
    S: Send + Sync + 'static,
    M: Mutator<S> + Send + 'static,
{
    /// Waits for the answer without a thread. See [`Submission`] for what dropping it does.
    pub(crate) fn submit(self: &Arc<Self>, work: Work<M>) -> Submission<S, M> {
        Submission::new(Arc::clone(self), work)
    }

    /// Waits for the answer on this thread, leading where nobody else does.
    pub(crate) fn submit_blocking(self: &Arc<Self>, work: Work<M>) -> Answer {
        let ticket = Arc::new(Ticket::of(Waiter::Thread));
        self.enqueue(work, &ticket)?;
        let unpark = Waker::from(Arc::new(Unpark(thread::current())));
        let mut context = Context::from_waker(&unpark);
        loop {
            if let Poll::Ready(answer) = ticket.poll(&mut context) {
                return answer;
            }
            match self.lead(Until::Answered(&ticket)) {
                Led::Done => {}
                Led::HandOver(runtime) => self.start_leader(Some(&runtime)),
                Led::Not => thread::park(),
            }
        }
    }

    /// Puts a request into the queue.
    fn enqueue(&self, work: Work<M>, ticket: &Arc<Ticket>) -> Result<Lacks, MiniStateError> {
        let mut queue = self.queue();
        match (&work, &queue.refusal) {
            (_, None) => {}
            (Work::Close, Some(MiniStateError::Closed)) => {
                ticket.answer(Ok(Done { seq: self.seq(), output: None }));
                return Ok(Lacks::Nothing);
            }
            // What is left to do is to let go of the lock.
            (Work::Close, Some(_)) => {}
            (Work::Apply(_) | Work::Seal, Some(refusal)) => return Err(refusal.clone()),
        }
        queue.push(work, ticket);
        let (lacks, gathered) = (queue.lacks(), queue.gathered());
        drop(queue);
        if let Some(leader) = gathered {
            leader.unpark();
        }
        Ok(lacks)
    }

    /// Whether a batch may have more than one request if its first waits for its turn once: there
    /// were such lately, or it is time to look whether there are now.
    fn may_have_company(&self) -> bool {
        let alone = self.batches_of_one.load(Ordering::Relaxed);
        alone < 4 || alone.is_multiple_of(16)
    }

    /// Calls a leader where there is none.
    fn call_a_leader(self: &Arc<Self>) {
        {
            let mut queue = self.queue();
            if queue.leader != Leader::Absent {
                return;
            }
            queue.leader = Leader::Called;
        }
        self.start_leader(Handle::try_current().ok().as_ref());
    }

    /// Starts the leader that was called.
    fn start_leader(self: &Arc<Self>, runtime: Option<&Handle>) {
        let core = Arc::clone(self);
        ground::start(runtime, move || {
            core.lead(Until::Idle);
        });
    }

    /// Takes a request back, unless a leader has it.
    fn withdraw(&self, ticket: &Arc<Ticket>) {
        // Dropped after the queue is unlocked: it holds a value of the application's.
        let withdrawn = self.queue().withdraw(ticket);
        drop(withdrawn);
    }

    /// Carries out what is in the queue.
    fn lead(&self, until: Until<'_>) -> Led {
        {
            let mut queue = self.queue();
            if queue.leader == Leader::Leading {
                return Led::Not;
            }
            queue.leader = Leader::Leading;
        }
        // Storages and the types of the application can panic, and nobody may wait for a leader
        // that is gone.
        catch_unwind(AssertUnwindSafe(|| self.lead_batches(until))).unwrap_or_else(|_| {
            self.give_up();
            Led::Done
        })
    }

    fn lead_batches(&self, until: Until<'_>) -> Led {
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match self.next_batch(until) {
                Err(led) => return led,
                Ok(Batch::Changes(changes)) => {
                    let answered = changes.claimed.len();
                    let took = self.commit(&mut journal, changes);
                    self.gather(answered, PATIENCE.min(took / 2), until);
                }
                Ok(Batch::Seal(duty)) => duty.answer(self.seal(&mut journal)),
                Ok(Batch::Close(duty)) => {
                    let closed = self.close(&mut journal);
                    duty.answer(closed.map(|()| Done { seq: self.seq(), output: None }));
                }
            }
        }
    }

    /// Poisons the manager after a panic of its leader, and answers everybody.
    fn give_up(&self) {
        self.poison(ticket::leader_panicked());
        let waiting = {
            let mut queue = self.queue();
            queue.leader = Leader::Absent;
            queue.take_all()
        };
        for batch in waiting {
            batch.refuse(&ticket::leader_panicked());
        }
    }

    /// The next batch, or the end of the leadership.
    fn next_batch(&self, until: Until<'_>) -> Result<Batch<M>, Led> {
        let mut queue = self.queue();
        match until {
            Until::Answered(ticket) if ticket.is_answered() => {
                if let Some(led) = queue.successor() {
                    queue.leader = Leader::Called;
                    return Err(led);
                }
            }
            Until::Idle | Until::Answered(_) => {}
        }
        queue.take_batch().ok_or_else(|| {
            queue.leader = Leader::Absent;
            Led::Done
        })
    }

    /// Waits for those who were just answered to come back, where others wait already: each of them
    /// would have to wait for the sync of the others before its own, and again the next time. Where
    /// nobody waits it ends, since no task outlives the calls that need it.
    fn gather(&self, answered: usize, patience: Duration, until: Until<'_>) {
        match until {
            Until::Answered(ticket) if ticket.is_answered() => return,
            Until::Idle | Until::Answered(_) => {}
        }
        let fruitless = self.fruitless.load(Ordering::Relaxed);
        let waiting = {
            let mut queue = self.queue();
            match queue.changes() {
                None | Some(0) => return,
                // They do not come back so soon, but for a look now and then.
                _ if fruitless >= 4 && !fruitless.is_multiple_of(16) => {
                    self.fruitless.fetch_add(1, Ordering::Relaxed);
                    return;
                }
                Some(waiting) => {
                    queue.gather(waiting + answered);
                    waiting
                }
            }
        };
        thread::park_timeout(patience);
        let came = {
            let mut queue = self.queue();
            queue.stop_gathering();
            queue.changes().unwrap_or_default().saturating_sub(waiting)
        };
        if came * 2 >= answered {
            self.fruitless.store(0, Ordering::Relaxed);
        } else {
            self.fruitless.fetch_add(1, Ordering::Relaxed);
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
