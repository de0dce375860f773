//! Who waits to be carried out: requests in order, and who leads them.

use std::collections::VecDeque;
use std::sync::Arc;

use super::ticket::{Duty, Ticket};
use crate::error::MiniStateError;
use crate::mutation::Reply;
use crate::record::Body;
use crate::schema::Tag;
use crate::sync::Handle;

/// A batch ends with the record that reaches this, so that neither its memory nor the time of its
/// sync grow with the number of callers.
const BATCH_BYTES: usize = 4 << 20;

pub(super) struct Queue<M> {
    pub(super) waiting: VecDeque<Request<M>>,
    pub(super) leader: Leader,
    /// Why no more requests are taken.
    pub(super) refusal: Option<MiniStateError>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Leader {
    Absent,
    /// Will take the queue; until then, whoever can lead at once may.
    Called,
    Leading,
}

pub(super) struct Request<M> {
    pub(super) work: Work<M>,
    pub(super) ticket: Arc<Ticket>,
    pub(super) waiter: Waiter,
}

/// Who waits for the answer.
pub(super) enum Waiter {
    /// A task, and where it is on a runtime, that one: a leader can be started there.
    Task(Option<Handle>),
    /// A thread, which leads when it is woken without an answer.
    Thread,
}

/// What a caller wants.
pub(crate) enum Work<M> {
    Apply(Change<M>),
    /// Let all records so far be in sealed segments.
    Seal,
    /// End the journal, and let go of its lock.
    Close,
}

/// A record to be written, and what is applied once it is durable.
pub(crate) struct Change<M> {
    pub(crate) body: Body,
    pub(crate) mutations: Mutations<M>,
    pub(crate) reply: Reply,
}

pub(crate) enum Mutations<M> {
    One(Option<Tag>, M),
    Several(Vec<(Option<Tag>, M)>),
}

pub(super) enum Batch<M> {
    Changes(Vec<Claimed<M>>),
    Seal(Duty),
    Close(Duty),
}

pub(super) type Claimed<M> = (Change<M>, Duty);

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
    pub(super) fn new() -> Self {
        Queue { waiting: VecDeque::new(), leader: Leader::Absent, refusal: None }
    }

    /// Somebody who can lead in place of a leader that has its own answer. Threads first: on a
    /// runtime all of whose threads wait here, no task would ever start.
    pub(super) fn successor(&self) -> Option<Led> {
        let mut runtime = None;
        for request in &self.waiting {
            match &request.waiter {
                Waiter::Thread => {
                    request.ticket.wake();
                    return Some(Led::Done);
                }
                Waiter::Task(handle) => runtime = runtime.or(handle.as_ref()),
            }
        }
        runtime.cloned().map(Led::HandOver)
    }

    pub(super) fn take_batch(&mut self) -> Option<Batch<M>> {
        let mut changes = Vec::new();
        let mut bytes = 0;
        while let Some(Request { work, ticket, waiter }) = self.waiting.pop_front() {
            match work {
                Work::Apply(change) if changes.is_empty() || bytes < BATCH_BYTES => {
                    bytes += change.body.len();
                    changes.push((change, Duty(ticket)));
                }
                Work::Seal if changes.is_empty() => return Some(Batch::Seal(Duty(ticket))),
                Work::Close if changes.is_empty() => return Some(Batch::Close(Duty(ticket))),
                work @ (Work::Apply(_) | Work::Seal | Work::Close) => {
                    self.waiting.push_front(Request { work, ticket, waiter });
                    break;
                }
            }
        }
        (!changes.is_empty()).then_some(Batch::Changes(changes))
    }
}
