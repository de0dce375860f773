//! What is an answer worth? A journal that is asked until it answers, and what may not be the answer.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time;

use super::Handle;
use crate::shared::journal::{AppendError, Entry, JournalError, Place, Tail, TailError};

/// How long an engine is left alone that did not answer.
const PAUSE: Duration = Duration::from_millis(50);

pub(super) type Checked<T = ()> = Result<T, Broken>;

/// A rule that does not hold, and what was seen.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) rule: Rule,
    pub(super) seen: String,
}

/// What the seam says.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rule {
    /// A point of the documentation of this trait.
    Numbered(&'static str, u8),
    /// What the documentation of this method says.
    Of(&'static str),
}

pub(super) const PLACES: Rule = Rule::Numbered("Journal", 1);
pub(super) const CONDITION: Rule = Rule::Numbered("Journal", 2);
pub(super) const DURABLE: Rule = Rule::Numbered("Journal", 3);
pub(super) const TAIL: Rule = Rule::Numbered("Journal", 4);
pub(super) const BARRIER: Rule = Rule::Numbered("Journal", 5);
pub(super) const IDENTITY: Rule = Rule::Numbered("Journal", 6);
pub(super) const TRIM: Rule = Rule::Of("Journal::trim");
pub(super) const TOO_LARGE: Rule = Rule::Of("Journal::entry_bytes_max");

impl Rule {
    pub(super) fn broken<T>(self, seen: impl Into<String>) -> Checked<T> {
        Err(Broken { rule: self, seen: seen.into() })
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seen = &self.seen;
        match self.rule {
            Rule::Numbered(of, number) => {
                write!(f, "rule {number} of `{of}` does not hold: {seen}")
            }
            Rule::Of(method) => write!(f, "what `{method}` says does not hold: {seen}"),
        }
    }
}

/// A journal that is asked until it answers.
#[derive(Clone)]
pub(super) struct Asked {
    pub(super) journal: Handle,
    pub(super) patience: Duration,
}

/// What became of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Appended,
    Conflict,
}

impl Asked {
    /// Appends an entry where the journal ends.
    pub(super) async fn appended(&self, expected: Place, entry: &Arc<[u8]>) -> Checked<Place> {
        match self.outcome(expected, entry).await? {
            Outcome::Appended => Ok(expected.next()),
            Outcome::Conflict => {
                let end = self.barrier().await?;
                if end < expected {
                    return DURABLE.broken(format!(
                        "an entry at {expected} was acknowledged, and the journal ends at {end}"
                    ));
                }
                CONDITION.broken(format!("an entry was refused behind the end, {expected}"))
            }
        }
    }

    /// Appends an entry that has to be refused.
    pub(super) async fn refused(&self, expected: Place, entry: &Arc<[u8]>) -> Checked {
        match self.outcome(expected, entry).await? {
            Outcome::Conflict => Ok(()),
            Outcome::Appended => CONDITION.broken(format!(
                "an entry was taken for place {}, behind which the journal does not end",
                expected.next()
            )),
        }
    }

    /// Appends an entry, which nobody else does.
    pub(super) async fn outcome(&self, expected: Place, entry: &Arc<[u8]>) -> Checked<Outcome> {
        let asking = async {
            let mut in_doubt = false;
            loop {
                match self.journal.append(expected, Arc::clone(entry)).await {
                    Ok(place) if place == expected.next() => return Ok(Outcome::Appended),
                    Ok(place) => {
                        return PLACES.broken(format!("the place behind {expected} was {place}"));
                    }
                    Err(AppendError::Conflict) if in_doubt => {
                        let there = self.tail(expected).next().await?;
                        return Ok(match there.bytes == *entry {
                            true => Outcome::Appended,
                            false => Outcome::Conflict,
                        });
                    }
                    Err(AppendError::Conflict) => return Ok(Outcome::Conflict),
                    Err(AppendError::Ambiguous { .. }) => in_doubt = true,
                    Err(AppendError::NotWritten { .. }) => {}
                    Err(error @ AppendError::TooLarge { .. }) => {
                        let bytes = entry.len();
                        return TOO_LARGE.broken(format!("of {bytes} bytes it was said: {error}"));
                    }
                    Err(error @ AppendError::WrongJournal { .. }) => {
                        return IDENTITY
                            .broken(format!("the journal is there, and it was said: {error}"));
                    }
                }
                time::sleep(PAUSE).await;
            }
        };
        within(self.patience, CONDITION, "an append", asking).await
    }

    pub(super) async fn barrier(&self) -> Checked<Place> {
        let asking = async {
            loop {
                match self.journal.barrier().await {
                    Ok(place) => return Ok(place),
                    Err(JournalError::Unreachable { .. }) => time::sleep(PAUSE).await,
                    Err(error @ JournalError::WrongJournal { .. }) => {
                        return IDENTITY
                            .broken(format!("the journal is there, and it was said: {error}"));
                    }
                }
            }
        };
        within(self.patience, BARRIER, "a barrier", asking).await
    }

    pub(super) async fn trimmed(&self, before: Place) -> Checked {
        let asking = async {
            loop {
                match self.journal.trim(before).await {
                    Ok(()) => return Ok(()),
                    Err(JournalError::Unreachable { .. }) => time::sleep(PAUSE).await,
                    Err(error @ JournalError::WrongJournal { .. }) => {
                        return IDENTITY
                            .broken(format!("the journal is there, and it was said: {error}"));
                    }
                }
            }
        };
        within(self.patience, TRIM, "a trim", asking).await
    }

    pub(super) fn tail(&self, after: Place) -> AskedTail {
        AskedTail { tail: self.journal.tail(after), after, patience: self.patience }
    }

    /// Appends so many entries to an empty journal.
    pub(super) async fn filled(&self, entries: u64) -> Checked<Vec<Entry>> {
        let mut history: Vec<Entry> = Vec::new();
        for number in 0..entries {
            let bytes = line(&format!("number {number}"));
            let place = self.appended(Place::new(number), &bytes).await?;
            history.push(Entry { place, bytes });
        }
        Ok(history)
    }
}

/// A tail that is asked until it answers.
pub(super) struct AskedTail {
    pub(super) tail: Box<dyn Tail>,
    after: Place,
    patience: Duration,
}

impl AskedTail {
    /// The next entry, which was acknowledged.
    pub(super) async fn next(&mut self) -> Checked<Entry> {
        match self.next_or_trimmed().await? {
            Ok(entry) => Ok(entry),
            Err(first) => {
                let after = self.after;
                PLACES.broken(format!(
                    "a tail behind {after} was told that the journal begins at {first}, which nobody \
                     asked for"
                ))
            }
        }
    }

    /// The next entry, or the first place that the journal still holds.
    pub(super) async fn next_or_trimmed(&mut self) -> Checked<Result<Entry, Place>> {
        let (tail, after) = (&mut self.tail, self.after);
        let asking = async {
            loop {
                match tail.next().await {
                    Ok(entry) => return Ok(Ok(entry)),
                    Err(TailError::Trimmed { first }) => return Ok(Err(first)),
                    Err(TailError::Unreachable { .. }) => time::sleep(PAUSE).await,
                    Err(error @ TailError::Regressed { .. }) => {
                        return DURABLE.broken(format!("a tail behind {after} was told: {error}"));
                    }
                    Err(error @ TailError::WrongJournal { .. }) => {
                        return IDENTITY
                            .broken(format!("the journal is there, and it was said: {error}"));
                    }
                }
            }
        };
        let what = format!("the acknowledged entry behind {after}");
        let answer = within(self.patience, DURABLE, &what, asking).await?;
        if let Ok(entry) = &answer {
            self.take(entry)?;
        }
        Ok(answer)
    }

    /// Reads on: the entries must be these.
    pub(super) async fn reads(&mut self, wanted: &[Entry]) -> Checked {
        for wanted in wanted {
            let entry = self.next().await?;
            is(&entry, wanted)?;
        }
        Ok(())
    }

    /// Asks once: there must not be another entry yet.
    pub(super) fn ends(&mut self) -> Checked {
        match self.glance()? {
            None => Ok(()),
            Some(entry) => TAIL.broken(format!(
                "a tail yielded an entry at place {} before one was acknowledged",
                entry.place
            )),
        }
    }

    /// Asks once, and waits for nothing.
    pub(super) fn glance(&mut self) -> Checked<Option<Entry>> {
        let mut next = self.tail.next();
        match next.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(entry)) => {
                drop(next);
                self.take(&entry)?;
                Ok(Some(entry))
            }
            Poll::Ready(Err(TailError::Unreachable { .. })) | Poll::Pending => Ok(None),
            Poll::Ready(Err(error)) => {
                TAIL.broken(format!("a tail behind {} was told: {error}", self.after))
            }
        }
    }

    fn take(&mut self, entry: &Entry) -> Checked {
        if entry.place != self.after.next() {
            let (after, place) = (self.after, entry.place);
            return TAIL.broken(format!("behind place {after} a tail yielded {place}"));
        }
        self.after = entry.place;
        Ok(())
    }
}

/// The entry that was read must be the one that was appended.
pub(super) fn is(entry: &Entry, wanted: &Entry) -> Checked {
    let place = wanted.place;
    if is_refused(&entry.bytes) {
        return TAIL.broken(format!("place {place} was read as an entry that had been refused"));
    }
    if entry != wanted {
        let differs = entry.bytes.iter().zip(&*wanted.bytes).take_while(|(read, put)| read == put);
        return PLACES.broken(format!(
            "at place {place} stand {} bytes in place of {}; they differ from byte {}",
            entry.bytes.len(),
            wanted.bytes.len(),
            differs.count()
        ));
    }
    Ok(())
}

/// What is awaited, or the rule that is broken where it does not come.
pub(super) async fn within<T>(
    patience: Duration,
    rule: Rule,
    what: &str,
    asking: impl Future<Output = Checked<T>> + Send,
) -> Checked<T> {
    match time::timeout(patience, asking).await {
        Ok(answer) => answer,
        Err(_) => rule.broken(format!("{what} did not come within {patience:?}")),
    }
}

/// An entry of one line.
pub(super) fn line(what: &str) -> Arc<[u8]> {
    format!("{{\"entry\":\"{what}\"}}\n").into_bytes().into()
}

const REFUSED: &[u8] = b"{\"refused\":";

/// An entry that has to be refused.
pub(super) fn refused_line(what: &str) -> Arc<[u8]> {
    [REFUSED, format!("\"{what}\"}}\n").as_bytes()].concat().into()
}

fn is_refused(bytes: &[u8]) -> bool {
    bytes.starts_with(REFUSED)
}
