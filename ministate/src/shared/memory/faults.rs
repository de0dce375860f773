//! What goes wrong on the connection of one handle, and when?

use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Arc, PoisonError};

use tokio::sync::watch;

use super::chaos::{Chaos, Fate, Rates};
use super::engine::Shared;
use crate::sync::{Mutex, MutexGuard};

/// What becomes of an append; see [`Faults::on_append`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AppendFault {
    /// Another writer's entry, this one, gets there first: the answer is
    /// [`Conflict`](crate::shared::AppendError::Conflict).
    Overtaken(Arc<[u8]>),
    /// The entry is appended, and the answer is [`Conflict`](crate::shared::AppendError::Conflict): so
    /// answers an adapter that sent the request twice.
    ConflictLanded,
    /// The request gets lost: the answer is [`NotWritten`](crate::shared::AppendError::NotWritten).
    NotWritten,
    /// The request gets there, the answer does not:
    /// [`Ambiguous`](crate::shared::AppendError::Ambiguous).
    AmbiguousLanded,
    /// The request gets lost, and nobody knows:
    /// [`Ambiguous`](crate::shared::AppendError::Ambiguous).
    AmbiguousLost,
    /// The answer is [`Ambiguous`](crate::shared::AppendError::Ambiguous), and the request is still on
    /// its way, until [`MemoryJournal::land_late`](super::MemoryJournal::land_late).
    AmbiguousLate,
    /// The request waits on its way to the engine until [`Faults::release`].
    RequestHeld,
    /// The engine does as it is asked; the answer waits until [`Faults::release`].
    AnswerHeld,
}

/// What becomes of another call; see [`Faults::on_call`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallFault {
    /// The answer is `Unreachable`.
    Unreachable,
    /// The request waits on its way to the engine until [`Faults::release`].
    RequestHeld,
    /// The answer is as true as it is now, and arrives at [`Faults::release`].
    AnswerHeld,
}

/// A method of a journal other than `append`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Call {
    /// [`Tail::next`](crate::shared::Tail::next), of any tail that the handle gave.
    Next,
    /// [`Journal::barrier`](crate::shared::Journal::barrier).
    Barrier,
    /// [`Journal::trim`](crate::shared::Journal::trim).
    Trim,
}

/// What goes wrong on the connection of one handle of a [`MemoryJournal`](super::MemoryJournal); every
/// clone is the same connection. It stays of use when the handle has been given away.
///
/// Faults are queued, and each happens to one call. Where none is queued, the connection may be cut;
/// where it is not, there may be chaos; else all goes well.
///
/// ```
/// use ministate::shared::memory::{AppendFault, MemoryJournal};
/// use ministate::shared::{AppendError, Journal, Place};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let journal = MemoryJournal::new();
/// let faults = journal.faults();
/// faults.on_append(AppendFault::RequestHeld);
///
/// let slow = tokio::spawn({
///     let journal = journal.clone_connected();
///     async move { journal.append(Place::START, (*b"slow\n").into()).await }
/// });
/// faults.until_held(1).await;
/// journal.append(Place::START, (*b"fast\n").into()).await.unwrap();
/// faults.release();
/// assert!(matches!(slow.await.unwrap(), Err(AppendError::Conflict)));
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Faults {
    link: Arc<Link>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Link {
    plan: Mutex<Plan>,
    held: watch::Sender<usize>,
    releases: watch::Sender<()>,
}

#[derive(Debug)]
struct Plan {
    connection: Connection,
    appends: VecDeque<AppendFault>,
    nexts: VecDeque<CallFault>,
    barriers: VecDeque<CallFault>,
    trims: VecDeque<CallFault>,
    chaos: Option<Chaos>,
}

#[derive(Debug)]
enum Connection {
    Whole,
    Cut,
}

impl Faults {
    pub(super) fn none(shared: &Arc<Shared>) -> Faults {
        let plan = Plan {
            connection: Connection::Whole,
            appends: VecDeque::new(),
            nexts: VecDeque::new(),
            barriers: VecDeque::new(),
            trims: VecDeque::new(),
            chaos: None,
        };
        let link = Link {
            plan: Mutex::new(plan),
            held: watch::Sender::new(0),
            releases: watch::Sender::new(()),
        };
        Faults { link: Arc::new(link), shared: Arc::clone(shared) }
    }

    /// Queues a fault for an append.
    pub fn on_append(&self, fault: AppendFault) {
        self.plan().appends.push_back(fault);
    }

    /// Queues a fault for another call. A tail that waits for an entry has it at once.
    pub fn on_call(&self, call: Call, fault: CallFault) {
        self.plan().queue(call).push_back(fault);
        self.shared.tell();
    }

    /// Cuts the connection: appends are answered with `NotWritten`, all else with `Unreachable`, and
    /// tails that wait for an entry too. Calls that are held stay so.
    pub fn cut_off(&self) {
        self.plan().connection = Connection::Cut;
        self.shared.tell();
    }

    /// Mends the connection.
    pub fn reconnect(&self) {
        self.plan().connection = Connection::Whole;
    }

    /// Lets go of the calls that are held now.
    pub fn release(&self) {
        self.link.releases.send_replace(());
    }

    /// Waits until at least so many calls are held.
    pub async fn until_held(&self, calls: usize) {
        let mut held = self.link.held.subscribe();
        // The sender is `self`'s.
        let _ = held.wait_for(|held| *held >= calls).await;
    }

    /// From now on things go wrong at these rates, on this connection. Which and when depends on the
    /// seed and the order of the calls alone: on a current-thread runtime it is the same in every run
    /// of a program that does not itself depend on time or chance.
    pub fn chaos(&self, seed: u64, rates: Rates) {
        self.plan().chaos = Some(Chaos::new(seed, rates));
    }

    /// Ends the chaos. Appends that were to land late still are.
    pub fn calm(&self) {
        self.plan().chaos = None;
    }

    pub(super) fn of_append(&self) -> Fate<AppendFault> {
        let mut plan = self.plan();
        self.arrive_late(&mut plan);
        match plan.appends.pop_front() {
            Some(fault) => Fate::Fault(fault),
            None => plan.fate(Chaos::append),
        }
    }

    pub(super) fn of_call(&self, call: Call) -> Fate<CallFault> {
        let mut plan = self.plan();
        self.arrive_late(&mut plan);
        match plan.queue(call).pop_front() {
            Some(fault) => Fate::Fault(fault),
            None => plan.fate(Chaos::call),
        }
    }

    /// What happens to a call that goes on after it waited: what was queued meanwhile, or a cut.
    pub(super) fn of_waiting(&self, call: Call) -> Fate<CallFault> {
        let mut plan = self.plan();
        match (plan.queue(call).pop_front(), &plan.connection) {
            (Some(fault), _) => Fate::Fault(fault),
            (None, Connection::Cut) => Fate::CutOff,
            (None, Connection::Whole) => Fate::Nothing,
        }
    }

    /// Done at the next [`release`](Self::release) after this call, not after the first poll.
    pub(super) fn held(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut releases = self.link.releases.subscribe();
        let held = Held::new(&self.link);
        async move {
            // The sender lives as long as `held`.
            let _ = releases.changed().await;
            drop(held);
        }
    }

    fn arrive_late(&self, plan: &mut Plan) {
        if plan.chaos.as_mut().is_some_and(Chaos::lands_late)
            && self.shared.engine().late_landed() > 0
        {
            self.shared.tell();
        }
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.link.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Plan {
    fn queue(&mut self, call: Call) -> &mut VecDeque<CallFault> {
        match call {
            Call::Next => &mut self.nexts,
            Call::Barrier => &mut self.barriers,
            Call::Trim => &mut self.trims,
        }
    }

    fn fate<F>(&mut self, of: impl FnOnce(&mut Chaos) -> Fate<F>) -> Fate<F> {
        match (&self.connection, &mut self.chaos) {
            (Connection::Cut, _) => Fate::CutOff,
            (Connection::Whole, Some(chaos)) => of(chaos),
            (Connection::Whole, None) => Fate::Nothing,
        }
    }
}

/// One call that is held, counted until it goes on or is dropped.
#[derive(Debug)]
struct Held {
    link: Arc<Link>,
}

impl Held {
    fn new(link: &Arc<Link>) -> Held {
        link.held.send_modify(|held| *held += 1);
        Held { link: Arc::clone(link) }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.link.held.send_modify(|held| *held -= 1);
    }
}
