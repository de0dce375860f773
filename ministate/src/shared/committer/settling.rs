//! What became of the entry on its way? It landed, and its callers are answered; or it is sent again.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::task;
use tokio::time::Instant;

use super::Committer;
use crate::commit::Done;
use crate::mutation::Mutator;
use crate::shared::error::SharedError;
use crate::shared::flight::{Flight, Rest, Submission, Wanted};
use crate::shared::journal::{AppendError, Cause, JournalError, Place};

/// So many times those who were just answered get their turn before the next entry is composed.
const TURNS: usize = 4;

impl<S, M> Committer<S, M>
where
    S: Serialize + DeserializeOwned + Send + Sync + 'static,
    M: Mutator<S> + Serialize + DeserializeOwned + Send + 'static,
{
    /// What the journal said of the entry on its way.
    pub(super) async fn settle(
        &mut self,
        outcome: Result<Place, AppendError>,
    ) -> Result<(), SharedError> {
        let Some(mut flight) = self.flight.take() else { return Ok(()) };
        match outcome {
            Ok(place) if place == flight.expected.next() => {
                let asked = flight.sent;
                return self.land(flight, asked).await;
            }
            Ok(place) => {
                flight.is_in_doubt();
                self.flight = Some(flight);
                let what = "the engine says that it appended an entry at another place than asked";
                let seq = self.replica.held().standing.seq;
                return Err(SharedError::Damaged { place, seq, what });
            }
            // What stands there is read soon; it can be the entry itself.
            Err(failure @ AppendError::Conflict) => {
                flight.note(&failure);
                self.rest.lengthen();
            }
            Err(
                ref failure @ (AppendError::NotWritten { ref source }
                | AppendError::Ambiguous { ref source }),
            ) => {
                flight.note(failure);
                self.rest.lengthen();
                self.cause = Some(Arc::clone(source));
                let source = JournalError::Unreachable { source: Arc::clone(source) };
                self.contact.refused(SharedError::Journal { doing: "appending an entry", source });
            }
            // Said of this attempt alone: an earlier one may have landed, and this entry may be there.
            Err(AppendError::TooLarge { limit }) if !flight.is_not_written() => {
                self.rest.lengthen();
                self.contact.refused(SharedError::TooLarge { bytes: flight.bytes(), limit });
            }
            Err(AppendError::TooLarge { limit }) if flight.taken.len() > 1 => {
                // In pieces, then: at least one less each time.
                self.entry_bytes_max = limit.min(flight.bytes() - 1);
                self.give_back(flight);
                return Ok(());
            }
            Err(AppendError::TooLarge { limit }) => {
                let bytes = flight.bytes();
                for submission in &mut flight.taken {
                    submission.answer.give(Err(SharedError::TooLarge { bytes, limit }));
                }
                return Ok(());
            }
            Err(AppendError::WrongJournal { found }) => {
                self.flight = Some(flight);
                let expected = self.journal.id().clone();
                return Err(SharedError::WrongJournal { expected, found });
            }
        }
        self.flight = Some(flight);
        Ok(())
    }

    /// The entry stands at its place, and was appended after `asked`.
    pub(super) async fn land(
        &mut self,
        flight: Flight<M>,
        asked: Instant,
    ) -> Result<(), SharedError> {
        let Flight { taken, behind, expected, .. } = flight;
        debug_assert_eq!(self.replica.place(), expected, "what stands behind it was not read");
        let (before, last) = (self.replica.held().standing.seq, behind.seq);
        let (mut callers, mut choosing) = (Vec::with_capacity(taken.len()), None);
        let effects: Vec<_> = taken
            .into_iter()
            .filter_map(|Submission { wanted, answer, .. }| match wanted {
                Wanted::Change(change) => {
                    callers.push(answer);
                    Some(change.effect)
                }
                Wanted::Admission => {
                    choosing = Some(answer);
                    None
                }
            })
            .collect();
        let answers = self.replica.apply_own(behind, effects.into_iter());
        self.rest = Rest::over();
        self.contact.is_not_refused();
        if let Some(mut caller) = choosing {
            caller.give(Ok(Done { seq: last, output: None }));
        }
        self.contact.answered(asked.into_std(), expected.next(), self.replica.place());
        let answered = callers.len();
        let mut answers = answers.into_iter();
        let mut panicked = None;
        for mut caller in callers {
            caller.give(match answers.next() {
                Some(Ok(done)) => Ok(done),
                Some(Err(error)) => {
                    panicked = Some(error.clone());
                    Err(error)
                }
                // In the journal, and behind the one that panicked.
                None => Err(SharedError::OutcomeUnknown {
                    source: panicked.clone().map(|error| Arc::new(error) as Cause),
                }),
            });
        }
        if let Some(panicked) = panicked {
            return Err(panicked);
        }
        self.keeping.landed(before, last);
        if answered > 1 {
            self.gather(answered).await;
        }
        Ok(())
    }

    /// Lets those who were just answered come back: their next mutations would otherwise wait for the
    /// entry of those who came meanwhile.
    async fn gather(&mut self, answered: usize) {
        for _ in 0..TURNS {
            task::yield_now().await;
            self.take_all();
            if self.waiting.len() >= answered {
                return;
            }
        }
    }
}
