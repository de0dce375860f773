//! What happened, and what happens now? Every mutation once, in order, to whoever asks for it.

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::mem;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use serde::de::DeserializeOwned;

use crate::commit::ground;
use crate::commit::news::{Known, Listener, block_on};
use crate::error::{MiniStateError, Position};
use crate::journal::{Names, Onward};
use crate::mutation::Mutator;
use crate::read_only::believed;
use crate::record::{Member, Record, Seq};
use crate::recovery;
use crate::schema::DecodeError;
use crate::storage::Storage;

/// A mutation that is durable, from a [`Subscription`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change<M> {
    /// Its sequence number.
    pub seq: u64,
    /// When its batch was written, by the clock of the machine: for people.
    pub at: SystemTime,
    /// The mutation, in its current version whichever was written.
    pub mutation: M,
}

/// The mutations of a journal from one on, those that there are and then those to come; from
/// [`StateManager::subscribe`](crate::StateManager::subscribe).
///
/// It reads the files of the journal, a piece of about 64 KiB at a time, however far ahead the writers
/// are: they never wait for a subscription, and its memory does not grow with what it has not taken
/// yet. (A record that is larger is read as a whole.)
///
/// # What is yielded, and when
///
/// Each mutation that was acknowledged, once, in the order of the sequence numbers, each of a batch by
/// itself; and of those whose callers went away, the same. Its effect is then in the state. A mutation
/// that is not durable, or whose handler panicked, is not yielded. Numbers are left out where a
/// mutation is [void](crate::_documentation::format#void-mutations), or of an operation that was
/// retired with `drop`.
///
/// # Its end
///
/// After the manager was closed or dropped, it yields what is durable, and then `None`. After the
/// manager was poisoned it yields what is durable and visible, and then
/// [`Poisoned`](MiniStateError::Poisoned). It keeps neither the state nor the lock of the journal, so
/// it can go on when the journal is open elsewhere.
///
/// ```
/// # use ministate::{Mutator, Options};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Default, Serialize, Deserialize)]
/// # struct Counter { value: u32 }
/// # #[derive(Serialize, Deserialize)]
/// # struct Inc { by: u32 }
/// # impl Mutator<Counter> for Inc {
/// #     fn apply(&self, state: &mut Counter) { state.value += self.by }
/// # }
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let dir = dir.path();
/// let manager = Options::new().blocking_open::<Counter, Inc>(dir, "counter.wal.jsonl")?;
/// for by in 1..=3 {
///     manager.blocking_apply(Inc { by })?;
/// }
///
/// let mut changes = manager.subscribe(2).lag_limit(1_000);
/// assert_eq!(changes.lag(), 2);
/// let change = changes.blocking_next().expect("the manager is open")?;
/// assert_eq!((change.seq, change.mutation.by), (2, 2));
/// assert_eq!(changes.next_sequence(), 3);
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is read until `next` is called"]
pub struct Subscription<M> {
    news: Listener,
    storage: Arc<dyn Storage>,
    names: Names,
    decode: Decode<M>,
    reader: Reader<M>,
    /// Everything through this mutation was read, or is not wanted.
    read: Seq,
    /// What was read and not yielded.
    ready: VecDeque<Change<M>>,
    /// What comes behind that.
    failure: Option<MiniStateError>,
    lag_limit: Option<u64>,
    lag_told: bool,
}

type Decode<M> = fn(Option<(&str, u32)>, &str) -> Result<Option<M>, DecodeError>;

/// Who reads the files.
enum Reader<M> {
    Here(Box<Onward>),
    /// At work, also while nobody waits for it.
    Away(Reading<M>),
    /// It panicked.
    Lost,
}

type Reading<M> = Pin<Box<dyn Future<Output = (Box<Onward>, Piece<M>)> + Send>>;

/// Who waits for what is read.
#[derive(Clone, Copy)]
enum Waiter {
    Task,
    /// It reads itself: the pool can have no other thread left.
    Thread,
}

/// What was read at a time.
struct Piece<M> {
    changes: Vec<Change<M>>,
    failure: Option<MiniStateError>,
}

/// How many bytes of records are read at a time.
const PIECE_BYTES: usize = 64 * 1024;

impl<M> Subscription<M> {
    pub(crate) fn new<S>(
        news: Listener,
        storage: &Arc<dyn Storage>,
        names: &Names,
        from: Seq,
    ) -> Subscription<M>
    where
        M: Mutator<S> + DeserializeOwned,
    {
        Subscription {
            news,
            storage: Arc::clone(storage),
            names: names.clone(),
            decode: recovery::decode_one::<S, M>,
            reader: Reader::Lost,
            read: from.saturating_sub(1),
            ready: VecDeque::new(),
            failure: None,
            lag_limit: None,
            lag_told: false,
        }
    }

    /// Lets [`next`](Self::next) say so when more than so many mutations are durable and were not
    /// yielded: with [`Lagging`](MiniStateError::Lagging), once, and again after the subscription
    /// has caught up in between. Nothing is lost by it, and the next call goes on. A subscription that
    /// begins so far back says so at its beginning.
    ///
    /// Without it a subscription may be behind by as much as the disk holds.
    pub fn lag_limit(mut self, mutations: u64) -> Self {
        self.lag_limit = Some(mutations);
        self
    }

    /// How many mutations are durable and were not yielded yet. Does not look at the disk.
    pub fn lag(&self) -> u64 {
        self.news.seq().saturating_sub(self.next_sequence() - 1)
    }

    /// The first mutation that was not yielded yet: subscribing from it goes on where this stopped.
    pub fn next_sequence(&self) -> u64 {
        self.ready.front().map_or(self.read.saturating_add(1), |change| change.seq)
    }
}

impl<M: Send + 'static> Subscription<M> {
    /// The next mutation, as soon as it is durable; `None` once there will be none.
    ///
    /// Files are read on the runtime's pool for blocking work; without a runtime, on this thread.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing: the next call goes on with the same mutation.
    ///
    /// # Errors
    ///
    /// An error does not move the subscription, and the next call tries again. So a loop that passes
    /// over every error does not end: `Poisoned` and `Trimmed` come again each time.
    ///
    /// - [`Trimmed`](MiniStateError::Trimmed): compaction has put away what is wanted next, with the
    ///   first mutation that is left. Take the state and subscribe behind it
    ///   ([`read_with_sequence`](crate::StateManager::read_with_sequence)), or from there.
    /// - [`Lagging`](MiniStateError::Lagging): more than [`lag_limit`](Self::lag_limit) mutations wait.
    /// - [`Poisoned`](MiniStateError::Poisoned): the manager takes no more mutations, and all that it
    ///   acknowledged were yielded.
    /// - [`Undecodable`](MiniStateError::Undecodable): a conversion of an old version failed.
    /// - [`Io`](MiniStateError::Io), [`Corrupt`](MiniStateError::Corrupt),
    ///   [`Missing`](MiniStateError::Missing): the files cannot be read, or are damaged.
    pub async fn next(&mut self) -> Option<Result<Change<M>, MiniStateError>> {
        poll_fn(|context| self.poll_next(Waiter::Task, context)).await
    }

    /// [`next`](Self::next) for callers without a runtime: blocks the thread, and reads on it.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next).
    pub fn blocking_next(&mut self) -> Option<Result<Change<M>, MiniStateError>> {
        block_on(|context| self.poll_next(Waiter::Thread, context))
    }

    fn poll_next(
        &mut self,
        waiter: Waiter,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Change<M>, MiniStateError>>> {
        if let Some(lagging) = self.told_of_lag() {
            return Poll::Ready(Some(Err(lagging)));
        }
        loop {
            if let Some(change) = self.ready.pop_front() {
                return Poll::Ready(Some(Ok(change)));
            }
            if let Some(failure) = self.failure.take() {
                return Poll::Ready(Some(Err(failure)));
            }
            // Where it panics, it is lost.
            let onward = match mem::replace(&mut self.reader, Reader::Lost) {
                Reader::Away(mut reading) => {
                    match (reading.as_mut().poll(context), waiter) {
                        (Poll::Ready((onward, piece)), _) => self.take(onward, piece),
                        (Poll::Pending, Waiter::Task) => {
                            self.reader = Reader::Away(reading);
                            return Poll::Pending;
                        }
                        // What it reads was not taken yet, and is read here.
                        (Poll::Pending, Waiter::Thread) => {}
                    }
                    continue;
                }
                Reader::Here(onward) => onward,
                Reader::Lost => Box::new(self.onward()),
            };
            match self.news.poll(self.read.saturating_add(1), context) {
                Poll::Ready(Known::Through(through)) => {
                    let (from, decode) = (self.read + 1, self.decode);
                    let read = move || read_piece(onward, from, through, decode);
                    match waiter {
                        Waiter::Task => self.reader = Reader::Away(Box::pin(ground::run(read))),
                        Waiter::Thread => {
                            let (onward, piece) = read();
                            self.take(onward, piece);
                        }
                    }
                    continue;
                }
                Poll::Ready(Known::Ended(MiniStateError::Closed)) => return Poll::Ready(None),
                Poll::Ready(Known::Ended(why)) => return Poll::Ready(Some(Err(why))),
                Poll::Pending => {
                    self.reader = Reader::Here(onward);
                    return Poll::Pending;
                }
            }
        }
    }

    fn told_of_lag(&mut self) -> Option<MiniStateError> {
        let behind = self.lag();
        if self.lag_limit.is_none_or(|limit| behind <= limit) {
            self.lag_told = false;
            return None;
        }
        let is_news = !mem::replace(&mut self.lag_told, true);
        is_news.then(|| MiniStateError::Lagging { next: self.next_sequence(), behind })
    }

    fn take(&mut self, onward: Box<Onward>, piece: Piece<M>) {
        self.read = onward.seq();
        self.reader = Reader::Here(onward);
        self.ready.extend(piece.changes);
        self.failure = piece.failure;
    }

    fn onward(&self) -> Onward {
        // The manager has checked the segments that it found, and writes the others itself.
        Onward::behind(&self.storage, &self.names, self.read, None, |_, _| Ok(()))
    }
}

/// Reads about a piece of what is durable: at least a record, or why there is none.
fn read_piece<M>(
    mut onward: Box<Onward>,
    from: Seq,
    through: Seq,
    decode: Decode<M>,
) -> (Box<Onward>, Piece<M>) {
    let (mut changes, mut bytes) = (Vec::new(), 0);
    let read = believed(|| {
        let before = onward.seq();
        let read = onward.read_on(through, &mut |record, at| {
            let whole = changes.len();
            if let Err(error) = push_changes(record, at, from, decode, &mut changes) {
                changes.truncate(whole);
                return Err(error);
            }
            bytes += record.bytes;
            let is_enough = bytes >= PIECE_BYTES;
            Ok(if is_enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        });
        // Behind what was read it fails again.
        if onward.seq() > before {
            return Ok(());
        }
        read?;
        // It was synced, so it is there.
        Err(onward.missing())
    });
    (onward, Piece { changes, failure: read.err() })
}

fn push_changes<M>(
    record: &Record<'_>,
    place: &Position,
    from: Seq,
    decode: Decode<M>,
    changes: &mut Vec<Change<M>>,
) -> Result<(), MiniStateError> {
    let at = time_of(record);
    for (seq, member) in (record.head.seq..).zip(record.members()) {
        let (tag, payload) = match member {
            Some(Member::Applied(mutation)) if seq >= from => mutation,
            Some(Member::Applied(_) | Member::Void(..)) => continue,
            None => return Err(MiniStateError::malformed(place.clone(), seq)),
        };
        let mutation = decode(tag, payload)
            .map_err(|error| MiniStateError::undecodable(place.clone(), seq, tag, error))?;
        changes.extend(mutation.map(|mutation| Change { seq, at, mutation }));
    }
    Ok(())
}

/// The form of a time stamp is checked, and its value is not: no month has more than 31 days.
pub(crate) fn time_of(record: &Record<'_>) -> SystemTime {
    humantime::parse_rfc3339(record.time()).unwrap_or(SystemTime::UNIX_EPOCH)
}

impl<M> fmt::Debug for Subscription<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("journal_path", &self.names.active())
            .field("next_sequence", &self.next_sequence())
            .field("lag", &self.lag())
            .finish_non_exhaustive()
    }
}
