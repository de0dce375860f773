//! Who appends and who applies: the one task of a replica that does both, and so knows what it writes
//! behind.

mod composing;
mod settling;
mod trouble;

use std::collections::VecDeque;
use std::future::{pending, ready};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};

use crate::mutation::Mutator;
use crate::record::Seq;
use crate::shared::contact::Contact;
use crate::shared::error::SharedError;
use crate::shared::flight::{Flight, Rest, Submission, after};
use crate::shared::journal::{
    AppendError, Cause, Entry, Journal, JournalError, Place, Tail, TailError,
};
use crate::shared::keeping::Keeping;
use crate::shared::opening::Found;
use crate::shared::replica::{Replica, envelope};

/// What callers ask of the committer.
pub(super) enum Request<M> {
    Submit(Submission<M>),
    /// Carry out what was submitted, then end.
    Close(oneshot::Sender<()>),
}

/// The one who appends and applies.
pub(super) struct Committer<S, M> {
    replica: Arc<Replica<S>>,
    journal: Arc<dyn Journal>,
    contact: Arc<Contact>,
    keeping: Arc<Keeping<S, M>>,
    requests: mpsc::UnboundedReceiver<Request<M>>,
    /// How long callers wait for the engine.
    patience: Option<Duration>,
    /// How often the engine is asked where the journal ends.
    look_every: Duration,
    waiting: VecDeque<Submission<M>>,
    flight: Option<Flight<M>>,
    /// Until then nothing is appended.
    rest: Rest,
    closing: Vec<oneshot::Sender<()>>,
    look: Option<Look>,
    next_look: Instant,
    /// When those are forgotten next who went away.
    next_sweep: Instant,
    /// Since when it seems that the journal ends before what was heard of.
    suspected: Option<Instant>,
    /// A snapshot to begin again with, while the store is asked for it.
    beginning: Option<Beginning<S>>,
    /// Where the tail stands, which does not skip the replica's own entries.
    tail_at: Place,
    /// After the tail failed.
    read_again_at: Option<Instant>,
    /// What the engine said last when it refused or did not answer.
    cause: Option<Cause>,
    /// How large an entry may be; less than the journal says, where its engine takes less.
    entry_bytes_max: usize,
    /// Where the runtime drops the task, nobody is to wait for it any longer.
    _ends: Ends<S>,
}

/// A question that is on its way: where the journal ends.
struct Look {
    asked: Instant,
    /// The last place that was heard of then: the journal does not end before it.
    heard: Place,
    answer: Pin<Box<dyn Future<Output = Result<Place, JournalError>> + Send>>,
}

type Beginning<S> = Pin<Box<dyn Future<Output = Result<Found<S>, SharedError>> + Send>>;

/// What happened.
enum Event<S, M> {
    Requested(Option<Request<M>>),
    Appended(Result<Place, AppendError>),
    Read(Result<Entry, TailError>),
    Looked(Result<Place, JournalError>),
    Found(Result<Found<S>, SharedError>),
    Time,
    /// Nothing, and something waits to be appended.
    Idle,
}

/// After the tail failed, and between two looks who has gone.
const PAUSE: Duration = Duration::from_millis(100);

/// An engine that says nothing to a question for so long does not answer it.
const SILENCE: Duration = Duration::from_secs(10);

impl<S, M> Committer<S, M>
where
    S: Serialize + DeserializeOwned + Send + Sync + 'static,
    M: Mutator<S> + Serialize + DeserializeOwned + Send + 'static,
{
    pub(super) fn new(
        (replica, journal): (Arc<Replica<S>>, Arc<dyn Journal>),
        contact: Arc<Contact>,
        keeping: Arc<Keeping<S, M>>,
        requests: mpsc::UnboundedReceiver<Request<M>>,
        (patience, look_every): (Option<Duration>, Duration),
        here: watch::Sender<()>,
    ) -> Self {
        let (entry_bytes_max, tail_at) = (journal.entry_bytes_max(), replica.place());
        let _ends = Ends { replica: Arc::clone(&replica), _here: here };
        Committer {
            replica,
            journal,
            contact,
            keeping,
            requests,
            patience,
            look_every,
            waiting: VecDeque::new(),
            flight: None,
            rest: Rest::over(),
            closing: Vec::new(),
            look: None,
            next_look: after(Instant::now(), look_every),
            next_sweep: Instant::now(),
            suspected: None,
            beginning: None,
            tail_at,
            read_again_at: None,
            cause: None,
            entry_bytes_max,
            _ends,
        }
    }

    /// Goes on until the manager is closed or dropped, or there is a reason to stop.
    pub(super) async fn run(mut self, mut tail: Box<dyn Tail>) {
        let ended = loop {
            if !self.closing.is_empty() && self.is_carried_out() {
                break SharedError::Closed;
            }
            let stopped = match self.next_event(&mut *tail).await {
                Event::Requested(None) => break SharedError::Closed,
                Event::Requested(Some(request)) => {
                    self.take(request);
                    self.take_all();
                    Ok(())
                }
                Event::Appended(outcome) => self.settle(outcome).await,
                Event::Read(Ok(entry)) => self.read(entry).await,
                Event::Read(Err(failure)) => self.recover_from(failure, &mut tail),
                Event::Looked(end) => self.looked(end),
                Event::Found(found) => self.begin_with(found, &mut tail),
                Event::Idle => {
                    self.begin_flight();
                    Ok(())
                }
                Event::Time => self.on_time(),
            };
            if let Err(stopped) = stopped {
                break stopped;
            }
        };
        self.end(ended).await;
    }

    async fn next_event(&mut self, tail: &mut dyn Tail) -> Event<S, M> {
        let wake = self.wake();
        let is_reading = self.read_again_at.is_none() && self.beginning.is_none();
        let may_begin = self.may_begin();
        tokio::select! {
            biased;
            request = self.requests.recv() => Event::Requested(request),
            outcome = landed(&mut self.flight) => Event::Appended(outcome),
            // Before what is read: there can be a long time of that.
            () = sleep_until(wake) => Event::Time,
            end = looked(&mut self.look) => Event::Looked(end),
            found = found(&mut self.beginning) => Event::Found(found),
            entry = tail.next(), if is_reading => Event::Read(entry),
            // Behind what is read: while there is that, another entry stands where one would be appended.
            () = ready(()), if may_begin => Event::Idle,
        }
    }

    /// When something has to be done though nothing happens.
    fn wake(&self) -> Instant {
        let overdue = |submission: &Submission<M>| submission.since.checked_add(self.patience?);
        let taken = self.flight.iter().flat_map(|flight| &flight.taken);
        let wanted = taken.filter(|submission| !submission.answer.is_unwanted());
        let first = wanted.chain(self.waiting.front()).filter_map(overdue).min();
        let now = Instant::now();
        let append = match &self.flight {
            Some(flight) if flight.is_at_rest() => Some(self.rest.until().unwrap_or(now)),
            Some(_) => None,
            None => self.rest.until(),
        };
        let look = self.look.as_ref().map_or(self.next_look, |look| look.asked + SILENCE);
        let is_any = !self.waiting.is_empty() || !self.closing.is_empty();
        let sweep = is_any.then_some(self.next_sweep);
        let times = [first, append, sweep, self.read_again_at];
        times.into_iter().flatten().fold(look, Instant::min)
    }

    fn on_time(&mut self) -> Result<(), SharedError> {
        let now = Instant::now();
        if self.read_again_at.is_some_and(|at| at <= now) {
            self.read_again_at = None;
        }
        if self.look.as_ref().is_some_and(|look| look.asked + SILENCE <= now) {
            let source: Cause = Arc::new(io::Error::from(io::ErrorKind::TimedOut));
            self.looked(Err(JournalError::Unreachable { source }))?;
        }
        if self.look.is_none() && self.next_look <= now {
            let journal = Arc::clone(&self.journal);
            let answer = Box::pin(async move { journal.barrier().await });
            self.look = Some(Look { asked: now, heard: self.contact.end(), answer });
        }
        if let Some(flight) = &mut self.flight
            && flight.is_at_rest()
            && self.rest.until().is_none()
        {
            flight.send(&self.journal);
        }
        if self.next_sweep <= now {
            // Nobody says that he has gone, and they are not to pile up while the engine is away.
            self.waiting.retain(|submission| !submission.is_moot());
            self.next_sweep = now + PAUSE;
        }
        if let Some(patience) = self.patience {
            self.answer_overdue(now, patience);
        }
        Ok(())
    }

    /// Takes the requests that have come.
    fn take_all(&mut self) {
        while let Ok(request) = self.requests.try_recv() {
            self.take(request);
        }
    }

    fn take(&mut self, request: Request<M>) {
        match request {
            // Later writes would keep those from ending who wait for it.
            Request::Submit(mut submission) if !self.closing.is_empty() => {
                submission.answer.give(Err(SharedError::Closed));
            }
            Request::Submit(submission) => self.waiting.push_back(submission),
            Request::Close(answer) => self.closing.push(answer),
        }
    }

    /// Takes an entry that was read from the journal.
    async fn read(&mut self, entry: Entry) -> Result<(), SharedError> {
        let Entry { place, bytes } = entry;
        self.tail_at = place;
        self.suspected = None;
        let (held, seq) = {
            let held = self.replica.held();
            (held.place, held.standing.seq)
        };
        if place <= held {
            return Ok(());
        }
        if place != held.next() {
            let what = "the entry before it was not given";
            return Err(SharedError::Damaged { place, seq: seq + 1, what });
        }
        let chunk = envelope(place, seq + 1, &bytes)?;
        if let Some(mut flight) = self.flight.take() {
            if flight.append == chunk.envelope.append {
                if !flight.is_of(&bytes) {
                    flight.is_in_doubt();
                    self.flight = Some(flight);
                    let what = "it is not what this replica has appended there";
                    return Err(SharedError::Damaged { place, seq: seq + 1, what });
                }
                // Which attempt it was that landed is not known.
                let asked = flight.begun;
                return self.land(flight, asked).await;
            }
            // Another entry has its place, so it never gets there.
            self.give_back(flight);
            self.rest = Rest::over();
        }
        self.replica.apply_read::<M>(place, &chunk, Seq::MAX)?;
        self.contact.reached(place);
        Ok(())
    }
}

/// Ends the replica when it is dropped, unless there was a reason before.
struct Ends<S> {
    replica: Arc<Replica<S>>,
    /// For those who wait for an answer that nobody would give.
    _here: watch::Sender<()>,
}

impl<S> Drop for Ends<S> {
    fn drop(&mut self) {
        self.replica.end(SharedError::Closed);
    }
}

/// What the entry on its way comes to. Waits for ever where there is none.
async fn landed<M>(flight: &mut Option<Flight<M>>) -> Result<Place, AppendError> {
    match flight {
        Some(flight) => flight.outcome().await,
        None => pending().await,
    }
}

/// Where the journal ends, once that was asked. Waits for ever where it was not.
async fn looked(look: &mut Option<Look>) -> Result<Place, JournalError> {
    match look {
        Some(look) => look.answer.as_mut().await,
        None => pending().await,
    }
}

/// The snapshot to begin again with. Waits for ever where none is looked for.
async fn found<S>(beginning: &mut Option<Beginning<S>>) -> Result<Found<S>, SharedError> {
    match beginning {
        Some(beginning) => beginning.await,
        None => pending().await,
    }
}
