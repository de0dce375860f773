//! What does a committer do when something goes wrong? It waits, begins again with a snapshot, or stops.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep};

use super::{Committer, Look, PAUSE};
use crate::mutation::Mutator;
use crate::shared::error::SharedError;
use crate::shared::flight::{Flight, Rest, Submission, after};
use crate::shared::journal::{Cause, JournalError, Place, Tail, TailError};
use crate::shared::opening::{self, Built, Found, Until};

/// Between two tries to read the state anew, each of which may read a whole snapshot.
const PAUSE_MAX: Duration = Duration::from_secs(30);

impl<S, M> Committer<S, M>
where
    S: Serialize + DeserializeOwned + Send + Sync + 'static,
    M: Mutator<S> + Serialize + DeserializeOwned + Send + 'static,
{
    /// Where the journal ends, or why that is not known.
    pub(super) fn looked(&mut self, end: Result<Place, JournalError>) -> Result<(), SharedError> {
        let Some(Look { asked, heard, .. }) = self.look.take() else { return Ok(()) };
        let is_suspected = self.suspected.is_some_and(|since| since <= asked);
        match end {
            Ok(last) if last < heard => {
                let regressed = SharedError::Regressed { last, read: heard };
                if is_suspected {
                    return Err(regressed);
                }
                self.suspect(regressed);
            }
            Ok(end) => {
                self.suspected = None;
                self.contact.answered(asked.into_std(), end, self.replica.place());
                if self.flight.is_none() && self.waiting.is_empty() {
                    self.contact.is_not_refused();
                }
            }
            Err(JournalError::WrongJournal { found }) => return Err(self.wrong_journal(found)),
            Err(source @ JournalError::Unreachable { .. }) => {
                let doing = "asking for the end of the journal";
                self.contact.failed(SharedError::Journal { doing, source });
            }
        }
        let soon = self.suspected.map(|_| PAUSE);
        self.next_look = after(Instant::now(), soon.unwrap_or(self.look_every));
        Ok(())
    }

    /// The journal seems to have lost entries. An engine that answers with old news, once, has not lost
    /// any: it is asked anew.
    fn suspect(&mut self, regressed: SharedError) {
        self.contact.failed(regressed);
        self.suspected.get_or_insert_with(Instant::now);
    }

    /// The tail did not give an entry.
    pub(super) fn recover_from(
        &mut self,
        failure: TailError,
        tail: &mut Box<dyn Tail>,
    ) -> Result<(), SharedError> {
        match failure {
            // The tail is behind the replica, which does not wait to read its own entries.
            TailError::Trimmed { first }
                if first <= self.replica.place().next() && self.tail_at < self.replica.place() =>
            {
                self.tail_at = self.replica.place();
                *tail = self.journal.tail(self.tail_at);
            }
            TailError::Trimmed { .. } => self.begin_again(),
            TailError::Regressed { last } => {
                self.suspect(SharedError::Regressed { last, read: self.contact.end() });
                (self.look, self.next_look) = (None, Instant::now());
                *tail = self.journal.tail(self.tail_at);
                self.read_again_at = Some(self.next_look + PAUSE);
            }
            TailError::WrongJournal { found } => return Err(self.wrong_journal(found)),
            TailError::Unreachable { source } => {
                self.cause = Some(Arc::clone(&source));
                let source = JournalError::Unreachable { source };
                self.contact.failed(SharedError::Journal { doing: "reading the journal", source });
                self.read_again_at = Some(Instant::now() + PAUSE);
            }
        }
        Ok(())
    }

    /// What was to be read next is not in the journal any more, but in a snapshot.
    fn begin_again(&mut self) {
        let (keeping, journal) = (Arc::clone(&self.keeping), self.replica.journal().clone());
        self.beginning =
            Some(Box::pin(
                async move { opening::newest::<S, M>(&journal, keeping.snapshots()).await },
            ));
    }

    /// Takes the place of the snapshot, if it is one to begin again with.
    pub(super) fn begin_with(
        &mut self,
        found: Result<Found<S>, SharedError>,
        tail: &mut Box<dyn Tail>,
    ) -> Result<(), SharedError> {
        self.beginning = None;
        match found {
            Ok(found) if found.place > self.replica.place() => {
                if let Some(flight) = self.flight.take() {
                    self.abandon(flight);
                }
                self.contact.is_missing(None);
                self.rest = Rest::over();
                self.keeping.began_with(found.name.seq);
                self.replica.replace(found.state, found.place, found.standing);
                self.contact.reached(found.place);
                self.tail_at = found.place;
                *tail = self.journal.tail(found.place);
                Ok(())
            }
            Ok(found) => {
                let what = "the journal was trimmed behind the newest snapshot";
                Err(SharedError::UnsoundSnapshot { name: found.name, what })
            }
            Err(failure @ SharedError::Store { .. }) => {
                self.contact.is_missing(Some(failure));
                self.read_again_at = Some(Instant::now() + PAUSE);
                Ok(())
            }
            Err(failure) => Err(failure),
        }
    }

    /// What stands at the place of the entry cannot be seen any more.
    fn abandon(&mut self, mut flight: Flight<M>) {
        if flight.is_not_written() {
            return self.give_back(flight);
        }
        for Submission { answer, .. } in &mut flight.taken {
            answer.give(Err(SharedError::OutcomeUnknown { source: flight.cause.clone() }));
        }
    }

    fn wrong_journal(&self, found: Option<crate::shared::JournalId>) -> SharedError {
        SharedError::WrongJournal { expected: self.journal.id().clone(), found }
    }

    /// Those who have waited for long enough get to know what can be known.
    pub(super) fn answer_overdue(&mut self, now: Instant, patience: Duration) {
        let is_overdue = |submission: &Submission<M>| submission.is_overdue(now, patience);
        let is_any_taken = |flight: &Flight<M>| flight.taken.iter().any(is_overdue);
        if let Some(flight) = self.flight.take_if(|flight| is_any_taken(flight)) {
            if flight.is_not_written() {
                self.give_back(flight);
            } else {
                let flight = self.flight.insert(flight);
                for submission in flight.taken.iter_mut().filter(|taken| is_overdue(taken)) {
                    let source = flight.cause.clone();
                    submission.answer.give(Err(SharedError::OutcomeUnknown { source }));
                }
            }
        }
        while self.waiting.front().is_some_and(is_overdue) {
            let source = self.cause.clone();
            if let Some(mut submission) = self.waiting.pop_front() {
                submission.answer.give(Err(SharedError::Unavailable { source }));
            }
        }
    }

    /// Whether nobody who handed something over is still to be answered, or to be waited for.
    pub(super) fn is_carried_out(&self) -> bool {
        let now = Instant::now();
        let is_over = |submission: &Submission<M>| {
            self.patience.is_some_and(|patience| submission.is_overdue(now, patience))
        };
        let is_given_up = |flight: &Flight<M>| flight.taken.iter().all(is_over);
        self.waiting.is_empty() && self.flight.as_ref().is_none_or(is_given_up)
    }

    /// Answers all who wait, and those still to come.
    pub(super) async fn end(mut self, why: SharedError) {
        let seq = self.replica.held().standing.seq;
        let refusal = match &why {
            SharedError::Closed => SharedError::Closed,
            cause => SharedError::Stopped { seq, cause: Arc::new(cause.clone()) },
        };
        self.replica.end(refusal.clone());
        self.requests.close();
        // Also those who are just handing over, whom `try_recv` would not wait for.
        while let Some(request) = self.requests.recv().await {
            self.take(request);
        }
        if let Some(mut flight) = self.flight.take() {
            if flight.is_not_written() {
                self.give_back(flight);
            } else {
                for Submission { answer, .. } in &mut flight.taken {
                    let source = Some(Arc::new(why.clone()) as Cause);
                    answer.give(Err(SharedError::OutcomeUnknown { source }));
                }
            }
        }
        for Submission { answer, .. } in &mut self.waiting {
            answer.give(Err(refusal.clone()));
        }
        for answer in self.closing.drain(..) {
            // Whoever has gone does not want it.
            let _ = answer.send(());
        }
        if self.replica.held().state.is_err() {
            self.build_again(seq).await;
        }
    }

    /// Reads the state anew, through a mutation, in place of one that a handler left half changed.
    async fn build_again(&mut self, seq: u64) {
        let mut pause = PAUSE;
        loop {
            let store = self.keeping.snapshots();
            match opening::built::<S, M>(&*self.journal, store, Until::Seq(seq)).await {
                Ok(Some(Built { state, place, standing, .. })) => {
                    return self.replica.replace(state, place, standing);
                }
                // There is another snapshot now.
                Ok(None) => {}
                Err(failure) => self.contact.failed(failure),
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}
