//! Where does the journal end? One question to the engine for all readers who ask at the same time.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;

use super::journal::{Journal, JournalError, Place};

/// Shares barriers among readers: each takes part in one that begins after it has asked.
#[derive(Debug, Default)]
pub(super) struct Barrier {
    /// How many readers have asked.
    asked: AtomicU64,
    last: Mutex<Option<Answered>>,
}

#[derive(Debug)]
struct Answered {
    /// The readers who had asked when it began.
    readers: u64,
    answer: Result<Place, JournalError>,
}

impl Barrier {
    /// A place that is no less than that of any entry that was acknowledged before this call.
    pub(super) async fn place(&self, journal: &dyn Journal) -> Result<Place, JournalError> {
        let reader = self.asked.fetch_add(1, Ordering::SeqCst);
        let mut last = self.last.lock().await;
        if let Some(Answered { readers, answer }) = &*last
            && *readers > reader
        {
            return answer.clone();
        }
        let readers = self.asked.load(Ordering::SeqCst);
        let answer = journal.barrier().await;
        *last = Some(Answered { readers, answer: answer.clone() });
        answer
    }
}
