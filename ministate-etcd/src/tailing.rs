//! How does a reader learn of entries, and miss none?

use std::collections::VecDeque;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use etcd_client::{Event, EventType, WatchOptions, WatchResponse};
use ministate::shared::{Answer, Entry, Place, Tail, TailError};
use tokio::time::{Instant, Sleep, sleep, timeout};

use crate::connection::Watch;
use crate::error::EtcdError;
use crate::journal::Kept;
use crate::pace::Pace;
use crate::page::{self, Page};
use crate::verdict::Failure;

/// Reads page after page to the end, then watches, and reads again whenever the watch may have missed
/// something. What is underway is kept between two calls: a dropped `next` interrupts nothing.
pub(crate) struct EtcdTail {
    kept: Arc<Kept>,
    /// The last entry that is read: it is yielded, or the last of `ready`.
    last: Place,
    ready: VecDeque<Entry>,
    pace: Pace,
    /// When the page was asked for that is underway.
    asked: Instant,
    watch: Option<Watch>,
    /// When the watch last said something, or would have had nothing to say.
    heard: Instant,
    /// How long to rest after the next failure.
    rest: Duration,
    step: Step,
}

enum Step {
    Look,
    Looking(Answer<'static, Result<Page, TailError>>),
    Opening(Answer<'static, Result<Watch, Failure>>),
    Watching,
    Resting(Pin<Box<Sleep>>),
}

const FIRST_REST: Duration = Duration::from_millis(20);

impl EtcdTail {
    pub(crate) fn behind(after: Place, kept: Arc<Kept>) -> EtcdTail {
        let now = Instant::now();
        EtcdTail {
            pace: Pace::usual(kept.connection.request_timeout()),
            kept,
            last: after,
            ready: VecDeque::new(),
            asked: now,
            watch: None,
            heard: now,
            rest: FIRST_REST,
            step: Step::Look,
        }
    }

    async fn next_entry(&mut self) -> Result<Entry, TailError> {
        loop {
            if let Some(entry) = self.ready.pop_front() {
                return Ok(entry);
            }
            match &mut self.step {
                Step::Look => {
                    self.asked = Instant::now();
                    self.step = Step::Looking(self.look());
                }
                Step::Looking(looking) => {
                    let page = looking.await;
                    self.take_page(page)?;
                }
                Step::Opening(opening) => match opening.await {
                    Ok(watch) => {
                        self.watch = Some(watch);
                        self.heard = Instant::now();
                        self.step = Step::Watching;
                    }
                    // The look after the rest says whether etcd can be reached at all.
                    Err(_) => self.rest_and_look(),
                },
                Step::Watching => self.listen().await,
                Step::Resting(resting) => {
                    resting.await;
                    self.step = Step::Look;
                }
            }
        }
    }

    fn look(&self) -> Answer<'static, Result<Page, TailError>> {
        let (kept, after) = (Arc::clone(&self.kept), self.last);
        let (limit, patience) = (self.pace.entries(), self.pace.patience());
        Box::pin(async move { Page::behind(&kept, after, limit, patience).await })
    }

    fn take_page(&mut self, page: Result<Page, TailError>) -> Result<(), TailError> {
        let page = match page {
            Ok(page) => page,
            Err(error) => {
                self.rest_and_look();
                // Who is told begins anew, perhaps: not before less was asked for, and waited for longer.
                return if is_silence(&error) && self.pace.slowed_down() {
                    Ok(())
                } else {
                    Err(error)
                };
            }
        };
        let bytes = page.entries.iter().map(|entry| entry.bytes.len() as u64).sum();
        self.pace.follow(page.entries.len() as u64, bytes, self.asked.elapsed());
        if page.entries.is_empty() && self.watch_may_go_on() {
            self.heard = Instant::now();
            self.step = Step::Watching;
            return Ok(());
        }
        // A watch that did not tell of these entries is late, or will never tell of anything.
        self.watch = None;
        if !page.entries.is_empty() {
            self.rest = FIRST_REST;
        }
        for entry in page.entries {
            self.last = entry.place;
            self.ready.push_back(entry);
        }
        self.step = if self.last < page.head {
            Step::Look
        } else {
            Step::Opening(self.watch_from(page.revision.saturating_add(1)))
        };
        Ok(())
    }

    /// Whether there is a watch, on the node that is asked now: on another it may have stopped.
    fn watch_may_go_on(&self) -> bool {
        self.watch.as_ref().is_some_and(|watch| watch.node == self.kept.connection.current())
    }

    /// Watches all keys of the journal: what happens to the others says that it is not this journal any
    /// more.
    fn watch_from(&self, revision: i64) -> Answer<'static, Result<Watch, Failure>> {
        let kept = Arc::clone(&self.kept);
        let options = WatchOptions::new()
            .with_range(kept.keys.all_end())
            .with_start_revision(revision)
            .with_fragment();
        Box::pin(async move { kept.connection.watch(kept.keys.all(), options).await })
    }

    async fn listen(&mut self) {
        let Some(watch) = &mut self.watch else {
            self.step = Step::Look;
            return;
        };
        let silence_left = self.kept.look_every.saturating_sub(self.heard.elapsed());
        match timeout(silence_left, watch.stream.message()).await {
            // The watch stays, unless the look finds what it should have told of.
            Err(_) => self.step = Step::Look,
            Ok(Ok(Some(message))) => {
                self.heard = Instant::now();
                if !self.take_message(&message) {
                    self.rest_and_look();
                }
            }
            Ok(Ok(None) | Err(_)) => self.rest_and_look(),
        }
    }

    /// Takes the entries of a message; false where something else happened than that entries were
    /// appended behind the last one, or were trimmed before it.
    fn take_message(&mut self, message: &WatchResponse) -> bool {
        if message.canceled() || message.compact_revision() > 0 {
            return false;
        }
        message.events().iter().all(|event| self.take_event(event))
    }

    fn take_event(&mut self, event: &Event) -> bool {
        let Some(pair) = event.kv() else {
            return false;
        };
        if event.event_type() != EventType::Put {
            // What is trimmed has been read; all else stays as long as the journal does.
            return self.kept.keys.place_of(pair.key()).is_some_and(|place| place <= self.last);
        }
        if pair.key() == self.kept.keys.head().as_bytes() {
            // An entry and the end that it makes are one transaction, the entry first.
            return page::place_in(Some(pair)) == Some(self.last);
        }
        if self.kept.keys.place_of(pair.key()) != Some(self.last.next()) {
            return false;
        }
        self.last = self.last.next();
        self.rest = FIRST_REST;
        self.ready.push_back(Entry { place: self.last, bytes: Arc::from(pair.value()) });
        true
    }

    /// Gives the watch up, and looks after a while that doubles, until something was read.
    fn rest_and_look(&mut self) {
        self.watch = None;
        let doubled = self.rest.saturating_mul(2).min(self.kept.look_every.max(FIRST_REST));
        let rest = mem::replace(&mut self.rest, doubled);
        self.step = Step::Resting(Box::pin(sleep(rest)));
    }
}

fn is_silence(error: &TailError) -> bool {
    let TailError::Unreachable { source } = error else { return false };
    matches!(source.downcast_ref(), Some(EtcdError::Silent { .. }))
}

impl Tail for EtcdTail {
    fn next(&mut self) -> Answer<'_, Result<Entry, TailError>> {
        Box::pin(self.next_entry())
    }
}
