//! The future of one request: queued when it is first polled, taken back when it is dropped.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::queue::{Lacks, Led, Work};
use super::ticket::{Answer, Ticket, Waiter};
use super::{Core, Until};
use crate::mutation::Mutator;
use crate::sync::block_in_place;

/// A request on its way.
///
/// Dropped before a leader has taken the request, it takes the request back: nothing happened.
/// Dropped later, the request is carried out without it.
#[must_use = "nothing happens until it is polled"]
pub(crate) struct Submission<S, M>
where
    S: Send + Sync + 'static,
    M: Mutator<S> + Send + 'static,
{
    core: Arc<Core<S, M>>,
    ticket: Arc<Ticket>,
    stage: Stage<M>,
}

enum Stage<M> {
    New(Work<M>),
    /// In the queue, and polled again soon, to lead where nobody does.
    Queued,
    /// In the queue or with a leader, who is there or was called.
    Waiting,
    Answered,
}

impl<S, M> Submission<S, M>
where
    S: Send + Sync + 'static,
    M: Mutator<S> + Send + 'static,
{
    pub(super) fn new(core: Arc<Core<S, M>>, work: Work<M>) -> Self {
        Submission { core, ticket: Arc::new(Ticket::of(Waiter::Task)), stage: Stage::New(work) }
    }
}

impl<S, M> Submission<S, M>
where
    S: Send + Sync + 'static,
    M: Mutator<S> + Send + 'static,
{
    /// Leads, or calls a leader, where there is none.
    fn see_to_a_leader(&self) {
        match self.core.queue().lacks() {
            Lacks::Nothing => return,
            Lacks::Leader => {}
        }
        if !self.core.callers.can_block() {
            return self.core.call_a_leader();
        }
        let until = Until::Answered(&self.ticket);
        match block_in_place(|| self.core.lead(until)) {
            Led::HandOver(runtime) => self.core.start_leader(Some(&runtime)),
            Led::Done | Led::Not => {}
        }
    }
}

// Nothing in it is ever pinned.
impl<S, M> Unpin for Submission<S, M>
where
    S: Send + Sync + 'static,
    M: Mutator<S> + Send + 'static,
{
}

impl<S, M> Future for Submission<S, M>
where
    S: Send + Sync + 'static,
    M: Mutator<S> + Send + 'static,
{
    type Output = Answer;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        let this = self.get_mut();
        match std::mem::replace(&mut this.stage, Stage::Waiting) {
            Stage::New(work) => {
                match this.core.enqueue(work, &this.ticket)? {
                    Lacks::Nothing => {}
                    Lacks::Leader
                        if this.core.may_have_company() && this.core.callers.can_block() =>
                    {
                        // Others that are ready now, in this task too, join the batch.
                        this.stage = Stage::Queued;
                        context.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                    Lacks::Leader => this.see_to_a_leader(),
                }
            }
            Stage::Queued => this.see_to_a_leader(),
            Stage::Waiting | Stage::Answered => {}
        }
        let answer = this.ticket.poll(context);
        if answer.is_ready() {
            this.stage = Stage::Answered;
        }
        answer
    }
}

impl<S, M> Drop for Submission<S, M>
where
    S: Send + Sync + 'static,
    M: Mutator<S> + Send + 'static,
{
    fn drop(&mut self) {
        match self.stage {
            Stage::New(_) | Stage::Answered => {}
            Stage::Queued | Stage::Waiting => self.core.withdraw(&self.ticket),
        }
    }
}
