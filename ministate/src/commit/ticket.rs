//! One caller's claim on the answer to its request.

use std::any::Any;
use std::io;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::error::MiniStateError;
use crate::record::Seq;
use crate::sync::{Mutex, MutexGuard};

/// What became of a request.
pub(crate) type Answer = Result<Done, MiniStateError>;

/// A request that was carried out.
#[derive(Debug)]
pub(crate) struct Done {
    /// The last mutation of the request.
    pub(crate) seq: Seq,
    /// What the handler of an executed operation returned.
    pub(crate) output: Option<Box<dyn Any + Send>>,
}

impl Done {
    /// Of an operation that was executed for this output.
    pub(crate) fn with_output<T: 'static>(self) -> (Seq, T) {
        let output = self.output.and_then(|output| output.downcast().ok());
        (self.seq, *output.expect("the derive's `Accepts` pairs operation and handler"))
    }
}

/// The duty to answer a request. Dropped without an answer, by a panic, it gives one.
#[derive(Debug)]
pub(super) struct Duty(Option<Arc<Ticket>>);

impl Duty {
    pub(super) fn to(ticket: &Arc<Ticket>) -> Duty {
        Duty(Some(Arc::clone(ticket)))
    }

    pub(super) fn answer(mut self, answer: Answer) {
        if let Some(ticket) = self.0.take() {
            ticket.answer(answer);
        }
    }

    pub(super) fn is_to(&self, ticket: &Arc<Ticket>) -> bool {
        self.0.as_ref().is_some_and(|own| Arc::ptr_eq(own, ticket))
    }

    pub(super) fn ticket(&self) -> &Ticket {
        self.0.as_ref().expect("a duty that was done is gone")
    }
}

impl Drop for Duty {
    fn drop(&mut self) {
        if let Some(ticket) = self.0.take() {
            ticket.answer(Err(leader_panicked()));
        }
    }
}

/// The answer to requests whose leader is gone.
pub(super) fn leader_panicked() -> MiniStateError {
    let source = io::Error::other("the storage or a type of the application panicked");
    MiniStateError::OutcomeUnknown { seq: 0, source: Arc::new(source) }
}

#[derive(Debug)]
pub(crate) struct Ticket {
    pub(super) waiter: Waiter,
    slot: Mutex<Slot>,
}

/// Who waits for the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waiter {
    Task,
    /// Leads when it is woken without an answer.
    Thread,
}

#[derive(Debug)]
enum Slot {
    Waiting(Option<Waker>),
    Answered(Answer),
    Collected,
}

impl Ticket {
    pub(super) fn of(waiter: Waiter) -> Ticket {
        Ticket { waiter, slot: Mutex::new(Slot::Waiting(None)) }
    }

    /// Gives the answer, and wakes whoever waits for it.
    pub(crate) fn answer(&self, answer: Answer) {
        let waiting = std::mem::replace(&mut *self.slot(), Slot::Answered(answer));
        if let Slot::Waiting(Some(waker)) = waiting {
            waker.wake();
        }
    }

    pub(crate) fn is_answered(&self) -> bool {
        !matches!(&*self.slot(), Slot::Waiting(_))
    }

    /// Wakes whoever waits, without an answer.
    pub(crate) fn wake(&self) {
        if let Slot::Waiting(Some(waker)) = &*self.slot() {
            waker.wake_by_ref();
        }
    }

    /// The answer, or a promise to wake the task once it is there.
    ///
    /// # Panics
    ///
    /// Panics if the answer was collected before, as futures may.
    pub(crate) fn poll(&self, context: &mut Context<'_>) -> Poll<Answer> {
        let mut slot = self.slot();
        match &mut *slot {
            Slot::Waiting(waker) => {
                match waker {
                    Some(waker) => waker.clone_from(context.waker()),
                    None => *waker = Some(context.waker().clone()),
                }
                Poll::Pending
            }
            Slot::Answered(_) => match std::mem::replace(&mut *slot, Slot::Collected) {
                Slot::Answered(answer) => Poll::Ready(answer),
                Slot::Waiting(_) | Slot::Collected => unreachable!("the slot is locked"),
            },
            Slot::Collected => panic!("polled after it was ready"),
        }
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
