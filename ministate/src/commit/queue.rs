//! Who waits to be carried out: requests in order, and who leads them.

use std::collections::VecDeque;
use std::sync::Arc;

use super::change::{Change, Effect};
use super::ticket::{Duty, Ticket, Waiter};
use crate::error::MiniStateError;
use crate::observation::Observer;
use crate::record::Bodies;
use crate::sync::Handle;
use crate::sync::thread::{self, Thread};

/// A batch ends with the record that reaches this, so that neither its memory nor the time of its
/// sync grow with the number of callers.
const BATCH_BYTES: usize = 4 << 20;

/// Batches form here while requests arrive: whoever takes one holds the queue's lock for a moment.
pub(super) struct Queue<M> {
    batches: VecDeque<Batch<M>>,
    pub(super) leader: Leader,
    /// Why no more requests are taken.
    pub(super) refusal: Option<MiniStateError>,
    /// The runtime of a task that came while this batch or those before it were waited for. A
    /// leader can be started there for all who wait.
    runtime: Option<Handle>,
    /// Of the last batch; the next one is expected to be as large.
    expected: Size,
    gathering: Option<Gathering>,
    observer: Observer,
}

/// A leader that waits for a batch to become so large.
struct Gathering {
    changes: usize,
    leader: Thread,
}

#[derive(Clone, Copy)]
struct Size {
    changes: usize,
    bytes: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Leader {
    Absent,
    /// Will take the queue; until then, whoever can lead at once may.
    Called,
    Leading,
}

/// What the requests that wait lack.
pub(super) enum Lacks {
    Nothing,
    /// Whoever asked has to lead, or to call somebody who does.
    Leader,
}

/// What a caller wants.
pub(crate) enum Work<M> {
    Apply(Change<M>),
    /// Let all records so far be in sealed segments.
    Seal,
    /// End the journal, and let go of its lock.
    Close,
}

pub(super) enum Batch<M> {
    Changes(Changes<M>),
    Seal(Duty),
    Close(Duty),
}

/// The changes of one sync.
pub(super) struct Changes<M> {
    /// Those of all changes, one behind the other: whoever calls frees what it allocated, and the
    /// leader reads memory that lies together.
    pub(super) bodies: Bodies,
    pub(super) claimed: Vec<Claimed<M>>,
}

pub(super) type Claimed<M> = (Effect<M>, Duty);

/// What a leader leaves behind.
pub(super) enum Led {
    /// Another leader is at it.
    Not,
    /// An empty queue, or one that a woken thread goes on with.
    Done,
    /// Requests whose leader was called, and has to be started on this runtime.
    HandOver(Handle),
}

impl<M> Queue<M> {
    pub(super) fn new(observer: Observer) -> Self {
        Queue {
            batches: VecDeque::new(),
            leader: Leader::Absent,
            refusal: None,
            runtime: None,
            expected: Size { changes: 0, bytes: 0 },
            gathering: None,
            observer,
        }
    }

    pub(super) fn lacks(&self) -> Lacks {
        if self.leader == Leader::Absent && !self.batches.is_empty() {
            Lacks::Leader
        } else {
            Lacks::Nothing
        }
    }

    pub(super) fn push(&mut self, work: Work<M>, ticket: &Arc<Ticket>) {
        if self.runtime.is_none() && ticket.waiter == Waiter::Task {
            self.runtime = Handle::try_current().ok();
        }
        let duty = Duty::to(ticket);
        match work {
            Work::Apply(change) => self.push_change(change, duty),
            Work::Seal => self.batches.push_back(Batch::Seal(duty)),
            Work::Close => self.batches.push_back(Batch::Close(duty)),
        }
        self.tell_who_waits();
    }

    fn push_change(&mut self, change: Change<M>, duty: Duty) {
        match self.batches.back_mut() {
            Some(Batch::Changes(last)) if last.bodies.bytes() < BATCH_BYTES => {
                last.push(change, duty);
            }
            Some(Batch::Changes(_) | Batch::Seal(_) | Batch::Close(_)) | None => {
                let Size { changes, bytes } = self.expected;
                let bodies = Bodies::with_capacity(bytes, changes);
                let mut changes = Changes { bodies, claimed: Vec::with_capacity(changes) };
                changes.push(change, duty);
                self.batches.push_back(Batch::Changes(changes));
            }
        }
    }

    /// How many changes wait for the next sync; `None` where they need more than that.
    pub(super) fn changes(&self) -> Option<usize> {
        match (self.batches.front(), self.batches.len()) {
            (None, _) => Some(0),
            (Some(Batch::Changes(changes)), 1) => Some(changes.claimed.len()),
            (Some(_), _) => None,
        }
    }

    /// Lets [`gathered`](Self::gathered) know whom to wake when so many changes wait.
    pub(super) fn gather(&mut self, changes: usize) {
        self.gathering = Some(Gathering { changes, leader: thread::current() });
    }

    pub(super) fn stop_gathering(&mut self) {
        self.gathering = None;
    }

    /// The leader that need not wait any longer.
    pub(super) fn gathered(&mut self) -> Option<Thread> {
        let changes = self.changes();
        let is_enough = |gathering: &mut Gathering| changes.is_none_or(|c| c >= gathering.changes);
        let done = self.gathering.take_if(is_enough);
        done.map(|gathering| gathering.leader)
    }

    /// Somebody who can lead in place of a leader that has its own answer. Threads first: on a
    /// runtime all of whose threads wait here, no task would ever start.
    pub(super) fn successor(&self) -> Option<Led> {
        let mut waiting = self.batches.iter().flat_map(Batch::tickets);
        if let Some(thread) = waiting.find(|ticket| ticket.waiter == Waiter::Thread) {
            thread.wake();
            return Some(Led::Done);
        }
        self.runtime.clone().map(Led::HandOver)
    }

    pub(super) fn take_batch(&mut self) -> Option<Batch<M>> {
        let batch = self.batches.pop_front()?;
        if let Batch::Changes(changes) = &batch {
            self.expected = changes.size();
        }
        if self.batches.is_empty() {
            self.runtime = None;
        }
        self.tell_who_waits();
        Some(batch)
    }

    pub(super) fn take_all(&mut self) -> VecDeque<Batch<M>> {
        self.runtime = None;
        let all = std::mem::take(&mut self.batches);
        self.tell_who_waits();
        all
    }

    /// All but what wants to close.
    pub(super) fn take_all_but_closes(&mut self) -> VecDeque<Batch<M>> {
        let (closes, others) = self.take_all().into_iter().partition(|batch| match batch {
            Batch::Close(_) => true,
            Batch::Changes(_) | Batch::Seal(_) => false,
        });
        self.batches = closes;
        self.tell_who_waits();
        others
    }

    fn tell_who_waits(&self) {
        self.observer.waiting(|| self.batches.iter().map(Batch::requests).sum());
    }

    /// The request that this is the ticket of, unless a leader has it.
    pub(super) fn withdraw(&mut self, ticket: &Arc<Ticket>) -> Option<Batch<M>> {
        let withdrawn = self.take(ticket);
        self.tell_who_waits();
        withdrawn
    }

    fn take(&mut self, ticket: &Arc<Ticket>) -> Option<Batch<M>> {
        for (at, batch) in self.batches.iter_mut().enumerate().rev() {
            match batch {
                Batch::Changes(changes) => {
                    let of_ticket = |(_, duty): &Claimed<M>| duty.is_to(ticket);
                    let Some(found) = changes.claimed.iter().rposition(of_ticket) else { continue };
                    if changes.claimed.len() == 1 {
                        return self.batches.remove(at);
                    }
                    changes.bodies.remove(found);
                    let claimed = vec![changes.claimed.remove(found)];
                    return Some(Batch::Changes(Changes { bodies: Bodies::default(), claimed }));
                }
                Batch::Seal(duty) | Batch::Close(duty) if duty.is_to(ticket) => {
                    return self.batches.remove(at);
                }
                Batch::Seal(_) | Batch::Close(_) => {}
            }
        }
        None
    }
}

impl<M> Changes<M> {
    fn size(&self) -> Size {
        Size { changes: self.claimed.len(), bytes: self.bodies.bytes() }
    }

    fn push(&mut self, Change { body, effect }: Change<M>, duty: Duty) {
        self.bodies.push(&body);
        self.claimed.push((effect, duty));
    }
}

impl<M> Batch<M> {
    /// Gives all callers the same answer, which is an error.
    pub(super) fn refuse(self, refusal: &MiniStateError) {
        match self {
            Batch::Changes(changes) => {
                for (_, duty) in changes.claimed {
                    duty.answer(Err(refusal.clone()));
                }
            }
            Batch::Seal(duty) | Batch::Close(duty) => duty.answer(Err(refusal.clone())),
        }
    }

    fn requests(&self) -> usize {
        match self {
            Batch::Changes(changes) => changes.claimed.len(),
            Batch::Seal(_) | Batch::Close(_) => 1,
        }
    }

    fn tickets(&self) -> impl Iterator<Item = &Ticket> {
        let (changes, other) = match self {
            Batch::Changes(changes) => (changes.claimed.as_slice(), None),
            Batch::Seal(duty) | Batch::Close(duty) => (&[][..], Some(duty)),
        };
        changes.iter().map(|(_, duty)| duty).chain(other).map(Duty::ticket)
    }
}
