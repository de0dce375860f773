//! What happened, and what happens now? Every mutation of a shared journal once, in order.

use std::collections::VecDeque;
use std::fmt;
use std::future::pending;
use std::mem;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use tokio::sync::watch;

use super::error::SharedError;
use super::journal::{Entry, Journal, JournalError, JournalId, Place, Tail, TailError};
use super::replica::{Progress, Stop, decode_member, envelope, unsound};
use crate::feed::{Change, time_of};
use crate::mutation::Mutator;
use crate::record::{Chain, Seq};

/// The mutations of a shared journal from one on, those that there are and then those to come; from
/// [`SharedManager::subscribe`](crate::shared::SharedManager::subscribe).
///
/// It reads the journal itself, an entry at a time, however far ahead the writers are; its memory does
/// not grow with what it has not taken yet.
///
/// Each mutation is yielded once, in the order of the sequence numbers, once this replica has applied
/// it. Numbers are left out where an operation was retired with `drop`.
///
/// After the manager was closed or dropped it yields what was applied, and then `None`; after the replica
/// has [stopped](SharedError::Stopped), what was applied, and then why.
#[must_use = "nothing is read until `next` is called"]
pub struct SharedSubscription<M> {
    journal: Arc<dyn Journal>,
    progress: watch::Receiver<Progress>,
    reader: Reader<M>,
    tail: Option<Box<dyn Tail>>,
    /// Where the tail begins.
    begin: Place,
    /// The checksum of the last line there, if it is known.
    chain: Option<Chain>,
    /// Everything through this mutation was read, or is not wanted.
    read: Seq,
    ready: VecDeque<Change<M>>,
    lag_limit: Option<u64>,
    lag_told: bool,
}

/// Decodes the mutations of an entry that are behind one.
type Reader<M> = fn(&Entry, &JournalId, Option<Chain>, Seq) -> Result<Read<M>, SharedError>;

/// What was read of an entry.
struct Read<M> {
    changes: Vec<Change<M>>,
    /// Its first mutation, and its last.
    first: Seq,
    last: Seq,
    /// The checksum of its last line.
    chain: Chain,
}

impl<M> SharedSubscription<M> {
    pub(super) fn new<S>(
        journal: &Arc<dyn Journal>,
        progress: watch::Receiver<Progress>,
        (begin, chain): (Place, Chain),
        from: Seq,
    ) -> Self
    where
        M: Mutator<S> + DeserializeOwned,
    {
        SharedSubscription {
            journal: Arc::clone(journal),
            progress,
            reader: read_entry::<S, M>,
            tail: None,
            begin,
            chain: Some(chain),
            read: from.saturating_sub(1),
            ready: VecDeque::new(),
            lag_limit: None,
            lag_told: false,
        }
    }

    /// Lets [`next`](Self::next) say so when this replica has applied more than so many mutations that were
    /// not yielded: with [`Lagging`](SharedError::Lagging), once, and again after the subscription has
    /// caught up in between. Nothing is lost by it, and the next call goes on.
    pub fn lag_limit(mut self, mutations: u64) -> Self {
        self.lag_limit = Some(mutations);
        self
    }

    /// How many mutations this replica has applied that were not yielded yet.
    pub fn lag(&self) -> u64 {
        self.progress.borrow().seq.saturating_sub(self.next_sequence() - 1)
    }

    /// The first mutation that was not yielded yet: subscribing from it goes on where this stopped.
    pub fn next_sequence(&self) -> u64 {
        self.ready.front().map_or(self.read.saturating_add(1), |change| change.seq)
    }

    /// The next mutation, as soon as this replica has applied it; `None` once there will be none.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing: the next call goes on with the same mutation.
    ///
    /// # Errors
    ///
    /// An error does not move the subscription, and the next call tries again.
    ///
    /// - [`Trimmed`](SharedError::Trimmed): the journal was trimmed behind a snapshot, and does not hold
    ///   what is wanted next. Take the state, and subscribe behind it.
    /// - [`Lagging`](SharedError::Lagging): more than [`lag_limit`](Self::lag_limit) mutations wait.
    /// - [`Stopped`](SharedError::Stopped): the replica has, and all that it applied was yielded.
    /// - [`Undecodable`](SharedError::Undecodable): a conversion of an old version failed.
    /// - [`Journal`](SharedError::Journal): the engine does not answer.
    /// - [`Damaged`](SharedError::Damaged), [`Regressed`](SharedError::Regressed),
    ///   [`WrongJournal`](SharedError::WrongJournal): the engine does not hold what it did. Where it lost
    ///   entries that were not yielded yet, and others were written in their places, the replica is the one
    ///   that finds out, and stops; until then those others can be yielded.
    pub async fn next(&mut self) -> Option<Result<Change<M>, SharedError>> {
        let behind = self.lag();
        if self.lag_limit.is_none_or(|limit| behind <= limit) {
            self.lag_told = false;
        } else if !mem::replace(&mut self.lag_told, true) {
            return Some(Err(SharedError::Lagging { next: self.next_sequence(), behind }));
        }
        loop {
            let wanted = self.next_sequence();
            let known = {
                let reached = |known: &Progress| known.seq >= wanted || known.ended.is_some();
                let known = self.progress.wait_for(reached).await;
                known.map(|known| known.clone()).ok()?
            };
            match known.ended {
                Some(SharedError::Closed) if known.seq < wanted => return None,
                Some(why) if known.seq < wanted => return Some(Err(why)),
                Some(_) | None => {}
            }
            if let Some(change) = self.ready.pop_front() {
                return Some(Ok(change));
            }
            if let Err(failure) = self.read_on().await {
                return Some(Err(failure));
            }
        }
    }

    /// Reads an entry, of which there is one.
    async fn read_on(&mut self) -> Result<(), SharedError> {
        let tail = self.tail.get_or_insert_with(|| self.journal.tail(self.begin));
        let read = tokio::select! {
            biased;
            read = tail.next() => read,
            lost = lost(&*self.journal, &mut self.progress, self.begin) => return Err(lost),
        };
        match read {
            Ok(entry) => {
                let read = (self.reader)(&entry, self.journal.id(), self.chain, self.read);
                let read = read.and_then(|read| {
                    let (seq, first) = (self.read + 1, read.first);
                    if first <= seq { Ok(read) } else { Err(SharedError::Trimmed { seq, first }) }
                });
                // After an error the same entry is read again.
                let Read { changes, last, chain, .. } = read.inspect_err(|_| self.tail = None)?;
                (self.begin, self.chain) = (entry.place, Some(chain));
                self.read = self.read.max(last);
                self.ready.extend(changes);
                Ok(())
            }
            Err(TailError::Trimmed { first }) => {
                self.tail = None;
                let begin = Place::new(first.number().saturating_sub(1));
                if begin <= self.begin {
                    // None is left.
                    let first = self.progress.borrow().seq.saturating_add(1);
                    return Err(SharedError::Trimmed { seq: self.next_sequence(), first });
                }
                // What is wanted may be in the first entry that is left.
                (self.begin, self.chain) = (begin, None);
                Ok(())
            }
            Err(TailError::Regressed { last }) => {
                Err(SharedError::Regressed { last, read: self.begin })
            }
            Err(TailError::WrongJournal { found }) => {
                Err(SharedError::WrongJournal { expected: self.journal.id().clone(), found })
            }
            Err(TailError::Unreachable { source }) => {
                let source = JournalError::Unreachable { source };
                Err(SharedError::Journal { doing: "reading the journal", source })
            }
        }
    }
}

/// Why there is no entry behind `begin`, though the replica has applied it. Waits for ever as long as there
/// can be one: until the replica has ended, it is the one that finds out.
async fn lost(
    journal: &dyn Journal,
    progress: &mut watch::Receiver<Progress>,
    begin: Place,
) -> SharedError {
    let read = match progress.wait_for(|known| known.ended.is_some()).await {
        Ok(known) => known.place,
        Err(_) => return SharedError::Closed,
    };
    match journal.barrier().await {
        Ok(last) if last <= begin => SharedError::Regressed { last, read },
        Ok(_) => pending().await,
        Err(error) => {
            SharedError::journal("asking for the end of the journal", journal.id())(error)
        }
    }
}

fn read_entry<S, M>(
    entry: &Entry,
    journal: &JournalId,
    chain: Option<Chain>,
    read: Seq,
) -> Result<Read<M>, SharedError>
where
    M: Mutator<S> + DeserializeOwned,
{
    let place = entry.place;
    let chunk = envelope(place, read + 1, &entry.bytes)?;
    let first = chunk.envelope.first;
    chunk.continues(journal, chain).map_err(|why| unsound(place, first, why))?;
    let mut changes = Vec::new();
    let walked = chunk.walk(|record| {
        let at = time_of(record);
        for (seq, member) in (record.head.seq..).zip(record.members()) {
            if seq > read {
                let mutation = decode_member::<S, M>(place, seq, member).map_err(Stop::Told)?;
                changes.extend(mutation.map(|mutation| Change { seq, at, mutation }));
            }
        }
        Ok(())
    });
    match walked {
        Ok(chain) => {
            let last = (first + chunk.envelope.count).saturating_sub(1);
            Ok(Read { changes, first, last, chain })
        }
        Err(Stop::Told(error)) => Err(error),
        Err(Stop::Unsound(why)) => Err(unsound(place, first, why)),
    }
}

impl<M> fmt::Debug for SharedSubscription<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedSubscription")
            .field("journal", &self.journal.id())
            .field("next_sequence", &self.next_sequence())
            .field("lag", &self.lag())
            .finish_non_exhaustive()
    }
}
