//! Who is told that more is durable? Those who wait for it, wherever they read it then.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker};

use super::Unpark;
use crate::error::MiniStateError;
use crate::record::Seq;
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use crate::sync::{Mutex, MutexGuard, thread};

/// How far a history goes, and who waits for it to go on. Outlives the state that it is of.
#[derive(Debug)]
pub(crate) struct News {
    seq: AtomicU64,
    /// How many wait. Who tells looks at this alone where nobody does.
    waiting: AtomicUsize,
    listeners: Mutex<Listeners>,
}

#[derive(Debug, Default)]
struct Listeners {
    last: u64,
    wakers: BTreeMap<u64, Waker>,
    /// It does not go on, for this reason.
    end: Option<MiniStateError>,
}

/// What is known of a mutation.
#[derive(Debug)]
pub(crate) enum Known {
    /// It is there, and so is everything through this one.
    Through(Seq),
    /// It will not be there.
    Ended(MiniStateError),
}

/// One who waits, at one moment for one thing.
#[derive(Debug)]
pub(crate) struct Listener {
    news: Arc<News>,
    id: u64,
}

impl News {
    pub(crate) fn new(seq: Seq) -> News {
        let (seq, waiting) = (AtomicU64::new(seq), AtomicUsize::new(0));
        News { seq, waiting, listeners: Mutex::default() }
    }

    pub(crate) fn seq(&self) -> Seq {
        self.seq.load(Ordering::Acquire)
    }

    pub(crate) fn listener(self: &Arc<Self>) -> Listener {
        let mut listeners = self.listeners();
        listeners.last += 1;
        Listener { news: Arc::clone(self), id: listeners.last }
    }

    /// Everything through the mutation is there.
    pub(crate) fn tell(&self, seq: Seq) {
        // In one order with the counting of those who wait: either sees the other.
        self.seq.store(seq, Ordering::SeqCst);
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.wake_all();
        }
    }

    /// Nothing will be there behind the mutation. The first reason is the one that counts.
    pub(crate) fn end(&self, seq: Seq, why: &MiniStateError) {
        self.seq.store(seq, Ordering::SeqCst);
        self.listeners().end.get_or_insert_with(|| why.clone());
        self.wake_all();
    }

    fn wake_all(&self) {
        let wakers = {
            let mut listeners = self.listeners();
            self.waiting.store(0, Ordering::SeqCst);
            std::mem::take(&mut listeners.wakers)
        };
        for waker in wakers.into_values() {
            waker.wake();
        }
    }

    fn listeners(&self) -> MutexGuard<'_, Listeners> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener {
    pub(crate) fn seq(&self) -> Seq {
        self.news.seq()
    }

    /// What is known of the mutation, or a promise to wake the task once something is.
    pub(crate) fn poll(&self, wanted: Seq, context: &mut Context<'_>) -> Poll<Known> {
        let known = |seq: Seq| (seq >= wanted).then_some(Poll::Ready(Known::Through(seq)));
        if let Some(known) = known(self.seq()) {
            return known;
        }
        let mut listeners = self.news.listeners();
        let replaced = listeners.wakers.insert(self.id, context.waker().clone());
        self.news.waiting.store(listeners.wakers.len(), Ordering::SeqCst);
        let told = known(self.news.seq.load(Ordering::SeqCst)).unwrap_or_else(|| {
            let end = listeners.end.clone();
            end.map_or(Poll::Pending, |why| Poll::Ready(Known::Ended(why)))
        });
        drop(listeners);
        // It can own another listener.
        drop(replaced);
        told
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut listeners = self.news.listeners();
        let waker = listeners.wakers.remove(&self.id);
        self.news.waiting.store(listeners.wakers.len(), Ordering::SeqCst);
        drop(listeners);
        drop(waker);
    }
}

/// Polls until it is ready, on this thread.
pub(crate) fn block_on<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
    let unpark = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&unpark);
    loop {
        match poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}
