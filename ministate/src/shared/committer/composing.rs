//! What goes into the next entry? All that waits and may be written, as far as there is room.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Committer;
use crate::commit::{Change, Done};
use crate::error::operation_name;
use crate::mutation::Mutator;
use crate::schema::Tag;
use crate::shared::chunk::{self, Admitted};
use crate::shared::error::SharedError;
use crate::shared::flight::{Flight, Wanted};

impl<S, M> Committer<S, M>
where
    S: Serialize + DeserializeOwned + Send + Sync + 'static,
    M: Mutator<S> + Serialize + DeserializeOwned + Send + 'static,
{
    /// Whether there is something to append, nothing on its way, and as far as is known a place for it: where
    /// another entry stands it would be for nothing.
    pub(super) fn may_begin(&self) -> bool {
        !self.waiting.is_empty()
            && self.flight.is_none()
            && self.beginning.is_none()
            && self.rest.until().is_none()
            && self.contact.end() <= self.replica.place()
    }

    /// Composes an entry of all that waits.
    pub(super) fn begin_flight(&mut self) {
        let (place, standing) = {
            let held = self.replica.held();
            (held.place, held.standing.clone())
        };
        let format = standing.admitted.format;
        let own = || Arc::new(Admitted::of(format + 1, &M::__schema()));
        let mut admits = (format == 0).then(own);
        let mut bytes = chunk::envelope_bytes_at_most(admits.as_deref());
        let mut taken = Vec::new();
        while let Some(mut submission) = self.waiting.pop_front() {
            if submission.is_moot() {
                continue;
            }
            let change = match &submission.wanted {
                Wanted::Change(change) => change,
                Wanted::Admission if standing.admitted.is_of(&M::__schema()) && format > 0 => {
                    submission.answer.give(Ok(Done { seq: standing.seq, output: None }));
                    continue;
                }
                Wanted::Admission if taken.is_empty() => {
                    admits = Some(own());
                    taken.push(submission);
                    break;
                }
                Wanted::Admission => {
                    self.waiting.push_front(submission);
                    break;
                }
            };
            let admitted = admits.as_ref().unwrap_or(&standing.admitted);
            if let Some(operation) = not_admitted(change, admitted) {
                submission.answer.give(Err(SharedError::NotAdmitted { operation, format }));
                continue;
            }
            bytes += chunk::record_bytes_at_most(&change.body);
            if bytes > self.entry_bytes_max && !taken.is_empty() {
                self.waiting.push_front(submission);
                break;
            }
            taken.push(submission);
        }
        if !taken.is_empty() {
            let admits = admits.as_ref();
            self.flight = Some(Flight::begin(&self.journal, place, &standing, admits, taken));
        }
    }

    /// What was to be appended waits again, before all others.
    pub(super) fn give_back(&mut self, flight: Flight<M>) {
        for submission in flight.taken.into_iter().rev() {
            self.waiting.push_front(submission);
        }
    }
}

/// The operation of the change that may not be written yet.
fn not_admitted<M>(change: &Change<M>, admitted: &Admitted) -> Option<String> {
    let is_admitted = |tag: &Tag| admitted.ops.get(tag.name) == Some(&tag.version);
    let tag = change.effect.tags().flatten().find(|tag| !is_admitted(tag))?;
    Some(operation_name((tag.name, tag.version)))
}
