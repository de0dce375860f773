//! One entry on its way: appended again and again until it is known what stands at its place.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::chunk::{self, Admitted, Composed, Standing};
use super::error::SharedError;
use super::journal::{AppendError, Cause, Journal, JournalId, Place};
use crate::commit::{Change, Done};
use crate::journal::time_stamp;
use crate::record::Body;

/// What a caller wants of the journal.
pub(super) struct Submission<M> {
    pub(super) wanted: Wanted<M>,
    pub(super) answer: Answer,
    pub(super) since: Instant,
    /// Whether it was taken into an entry: then it is carried out, though its caller goes away.
    pub(super) is_begun: bool,
}

pub(super) enum Wanted<M> {
    Change(Change<M>),
    /// That this program's operations be the ones that are written.
    Admission,
}

/// The way back to the caller.
pub(super) struct Answer(Option<oneshot::Sender<Result<Done, SharedError>>>);

impl Answer {
    pub(super) fn new() -> (Answer, oneshot::Receiver<Result<Done, SharedError>>) {
        let (sender, receiver) = oneshot::channel();
        (Answer(Some(sender)), receiver)
    }

    /// Whether nobody waits for it any more.
    pub(super) fn is_unwanted(&self) -> bool {
        self.0.as_ref().is_none_or(oneshot::Sender::is_closed)
    }

    /// The first answer is the one that counts.
    pub(super) fn give(&mut self, answer: Result<Done, SharedError>) {
        if let Some(sender) = self.0.take() {
            // Whoever has gone does not want it.
            let _ = sender.send(answer);
        }
    }
}

/// When an engine that refused is asked again: after a pause that is twice as long each time.
#[derive(Debug)]
pub(super) struct Rest {
    next: Duration,
    until: Option<Instant>,
}

const REST_MIN: Duration = Duration::from_millis(20);
const REST_MAX: Duration = Duration::from_millis(500);

impl Rest {
    pub(super) fn over() -> Rest {
        Rest { next: REST_MIN, until: None }
    }

    /// It refused once more.
    pub(super) fn lengthen(&mut self) {
        self.until = Some(Instant::now() + self.next);
        self.next = (self.next * 2).min(REST_MAX);
    }

    /// When it is over; `None` if it is.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until.filter(|until| *until > Instant::now())
    }
}

/// So much later, or later than anybody waits.
pub(super) fn after(instant: Instant, time: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    instant.checked_add(time).unwrap_or(instant + CENTURY)
}

type Attempt = Pin<Box<dyn Future<Output = Result<Place, AppendError>> + Send>>;

/// An entry that is being appended.
pub(super) struct Flight<M> {
    /// Tells the entry from others.
    pub(super) append: String,
    pub(super) expected: Place,
    /// Where a replica stands behind it.
    pub(super) behind: Standing,
    pub(super) taken: Vec<Submission<M>>,
    /// When it was sent first.
    pub(super) begun: Instant,
    /// When it was sent last.
    pub(super) sent: Instant,
    bytes: Arc<[u8]>,
    attempt: Option<Attempt>,
    outcome: Outcome,
    /// What the engine said last.
    pub(super) cause: Option<Cause>,
}

/// What is known of the attempts that were made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// None of them has appended the entry, or will.
    NotWritten,
    /// One may have.
    Open,
}

impl<M> Flight<M> {
    /// Appends these changes, or none with a choice of operations, behind `standing`.
    pub(super) fn begin(
        journal: &Arc<dyn Journal>,
        expected: Place,
        standing: &Standing,
        admits: Option<&Arc<Admitted>>,
        mut taken: Vec<Submission<M>>,
    ) -> Flight<M> {
        for submission in &mut taken {
            submission.is_begun = true;
        }
        let append = JournalId::random().to_string();
        let at = time_stamp(SystemTime::now());
        let bodies = taken.iter().filter_map(|submission| submission.body());
        let composed = chunk::compose(journal.id(), &append, standing, admits, &at, bodies);
        let Composed { bytes, behind } = composed;
        let now = Instant::now();
        let mut flight = Flight {
            append,
            expected,
            behind,
            taken,
            begun: now,
            sent: now,
            bytes: bytes.into(),
            attempt: None,
            outcome: Outcome::NotWritten,
            cause: None,
        };
        flight.send(journal);
        flight
    }

    /// Appends the same entry at the same place.
    pub(super) fn send(&mut self, journal: &Arc<dyn Journal>) {
        let (journal, bytes, expected) =
            (Arc::clone(journal), Arc::clone(&self.bytes), self.expected);
        self.sent = Instant::now();
        self.attempt = Some(Box::pin(async move { journal.append(expected, bytes).await }));
    }

    /// What the attempt that is under way comes to. Waits for ever where there is none.
    pub(super) async fn outcome(&mut self) -> Result<Place, AppendError> {
        let Some(attempt) = &mut self.attempt else { return pending().await };
        let outcome = attempt.await;
        self.attempt = None;
        outcome
    }

    /// The last attempt did not settle it: there may be another one.
    pub(super) fn note(&mut self, failure: &AppendError) {
        match failure {
            AppendError::NotWritten { source } => self.cause = Some(Arc::clone(source)),
            AppendError::Ambiguous { source } => {
                self.cause = Some(Arc::clone(source));
                self.outcome = Outcome::Open;
            }
            // What stands there can be the entry itself: the engine may have heard of it twice.
            AppendError::Conflict => self.outcome = Outcome::Open,
            AppendError::TooLarge { .. } | AppendError::WrongJournal { .. } => {}
        }
    }

    /// It may have landed, whatever was said of it.
    pub(super) fn is_in_doubt(&mut self) {
        self.outcome = Outcome::Open;
    }

    /// Whether the entry has these bytes.
    pub(super) fn is_of(&self, bytes: &[u8]) -> bool {
        *self.bytes == *bytes
    }

    /// How large the entry is.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Whether no attempt is under way.
    pub(super) fn is_at_rest(&self) -> bool {
        self.attempt.is_none()
    }

    /// Whether it is certain that it has not landed, and will not.
    pub(super) fn is_not_written(&self) -> bool {
        self.attempt.is_none() && self.outcome == Outcome::NotWritten
    }
}

impl<M> Submission<M> {
    /// Whether its caller has waited for long enough.
    pub(super) fn is_overdue(&self, now: Instant, patience: Duration) -> bool {
        self.since.checked_add(patience).is_some_and(|until| until <= now)
    }

    /// Whether it need not be carried out.
    pub(super) fn is_moot(&self) -> bool {
        !self.is_begun && self.answer.is_unwanted()
    }

    /// What is to be written, if anything.
    fn body(&self) -> Option<&Body> {
        match &self.wanted {
            Wanted::Change(change) => Some(&change.body),
            Wanted::Admission => None,
        }
    }
}
