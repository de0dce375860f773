//! How well does a replica keep up with the engine? When it was last heard of, and what it said.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::error::SharedError;
use super::journal::Place;

/// What is known of the engine and of its journal's end.
#[derive(Debug)]
pub(super) struct Contact(Mutex<Known>);

#[derive(Debug)]
struct Known {
    /// The state holds all that was acknowledged, to anybody, before this.
    current_as_of: Instant,
    /// The state holds all that was acknowledged before the instant once it reaches the place. The
    /// oldest of these that it has not reached.
    ahead: Option<(Instant, Place)>,
    /// The last place that was heard of.
    end: Place,
    /// Why it was last not to be had; `None` once it answered again.
    failure: Option<SharedError>,
    /// Why an entry was last not appended; `None` once one was, or none is to be.
    refusal: Option<SharedError>,
    /// Why there is no snapshot to begin again with; `None` once there is, or none is needed.
    missing: Option<SharedError>,
}

/// What [`Contact`] says of a replica.
pub(super) struct Seen {
    pub(super) stale: Duration,
    pub(super) end: Place,
    pub(super) failure: Option<SharedError>,
}

impl Contact {
    /// The engine answered a barrier, asked at `asked`, with `end`, which the replica has reached.
    pub(super) fn new(asked: Instant, end: Place) -> Contact {
        Contact(Mutex::new(Known {
            current_as_of: asked,
            ahead: None,
            end,
            failure: None,
            refusal: None,
            missing: None,
        }))
    }

    /// The engine said, when asked at `asked`, that the journal ends at `end`; the replica is at `place`.
    pub(super) fn answered(&self, asked: Instant, end: Place, place: Place) {
        let mut known = self.known();
        known.failure = None;
        known.end = known.end.max(end);
        if place >= end {
            known.current_as_of = known.current_as_of.max(asked);
        } else {
            known.ahead.get_or_insert((asked, end));
        }
    }

    /// The replica is at `place` now.
    pub(super) fn reached(&self, place: Place) {
        let mut known = self.known();
        known.end = known.end.max(place);
        if let Some((asked, end)) = known.ahead
            && place >= end
        {
            known.current_as_of = known.current_as_of.max(asked);
            known.ahead = None;
        }
    }

    /// It does not answer.
    pub(super) fn failed(&self, failure: SharedError) {
        self.known().failure = Some(failure);
    }

    /// It did not append an entry.
    pub(super) fn refused(&self, refusal: SharedError) {
        self.known().refusal = Some(refusal);
    }

    /// It appended one, or is not asked to any more.
    pub(super) fn is_not_refused(&self) {
        self.known().refusal = None;
    }

    /// What it holds no more is not to be had from the store of snapshots either; `None`: it is.
    pub(super) fn is_missing(&self, why: Option<SharedError>) {
        self.known().missing = why;
    }

    /// The last place that was heard of.
    pub(super) fn end(&self) -> Place {
        self.known().end
    }

    pub(super) fn seen(&self) -> Seen {
        let known = self.known();
        Seen {
            stale: known.current_as_of.elapsed(),
            end: known.end,
            failure: [&known.failure, &known.missing, &known.refusal]
                .into_iter()
                .flatten()
                .next()
                .cloned(),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
