//! What does an operator see of a manager at work? The one door to `tracing` and to `metrics`.
//!
//! Without these features all of this is empty, and nobody looks at the clock. What a mutation holds
//! is told to nobody: neither its payload, nor what an error or a panic of the application says of it.

#![cfg_attr(
    not(all(feature = "tracing", feature = "metrics")),
    expect(unused_variables, reason = "nobody is told")
)]

#[cfg(feature = "metrics")]
mod dashboard;
#[cfg(feature = "metrics")]
pub mod names;
#[cfg(any(feature = "tracing", feature = "metrics"))]
mod sayable;

use std::path::Path;
#[cfg(feature = "tracing")]
use std::sync::Arc;
use std::time::Duration;
#[cfg(feature = "metrics")]
use std::time::Instant;

#[cfg(feature = "metrics")]
use dashboard::{Dashboard, Metric};
#[cfg(any(feature = "tracing", feature = "metrics"))]
use sayable::reason;
#[cfg(feature = "tracing")]
use sayable::sayable;
#[cfg(feature = "tracing")]
use tracing::{Level, Span, span::EnteredSpan};

use crate::error::{MiniStateError, RejectedSnapshot};
use crate::record::Seq;

/// Says something to the recorder: `dashboard!(self.count(Metric::Records, 1))`.
#[cfg(feature = "metrics")]
macro_rules! dashboard {
    ($observer:ident.$told:ident($($argument:expr),*)) => { $observer.dashboard.$told($($argument),*) };
}
#[cfg(not(feature = "metrics"))]
macro_rules! dashboard {
    ($($told:tt)*) => {};
}

/// An event of this level about the journal.
#[cfg(feature = "tracing")]
macro_rules! event {
    ($observer:ident, $level:ident, $($told:tt)*) => {
        tracing::event!(target: "ministate", Level::$level, journal = &*$observer.journal, $($told)*)
    };
}
#[cfg(not(feature = "tracing"))]
macro_rules! event {
    ($($told:tt)*) => {};
}

/// A span of this level and name about the journal, within that of the caller; or, as a root,
/// within none.
#[cfg(feature = "tracing")]
macro_rules! entered {
    ($observer:ident, root $level:ident, $($told:tt)*) => {
        entered!(@ $observer, (parent: None,) $level, $($told)*)
    };
    ($observer:ident, $level:ident, $($told:tt)*) => {
        entered!(@ $observer, () $level, $($told)*)
    };
    (@ $observer:ident, ($($parent:tt)*) $level:ident, $name:literal $($told:tt)*) => {{
        let journal = &*$observer.journal;
        let span = tracing::span!(
            target: "ministate", $($parent)* Level::$level, $name, journal $($told)*
        );
        Entered { _span: span.entered() }
    }};
}
#[cfg(not(feature = "tracing"))]
macro_rules! entered {
    ($($told:tt)*) => {
        Entered {}
    };
}

/// Tells of one journal.
#[derive(Debug, Clone)]
pub(crate) struct Observer {
    #[cfg(feature = "metrics")]
    dashboard: Dashboard,
    #[cfg(feature = "tracing")]
    journal: Arc<str>,
}

/// What an opening found.
pub(crate) struct Opening<'a> {
    pub(crate) seq: Seq,
    /// The snapshot that it began with.
    pub(crate) snapshot: Seq,
    pub(crate) rejected: &'a [RejectedSnapshot],
    pub(crate) replayed: u64,
    pub(crate) voided: &'a [Seq],
    pub(crate) took: Duration,
}

/// Bytes behind the last record that a crash left of others.
pub(crate) struct Torn<'a> {
    pub(crate) file: &'a Path,
    /// Where they began; `None` where the file keeps them as they were.
    pub(crate) byte: Option<u64>,
    pub(crate) bytes: u64,
    /// The last mutation before them.
    pub(crate) after: Seq,
    pub(crate) kept_in: &'a Path,
}

/// A span on this thread, until it is dropped.
#[must_use = "it ends when it is dropped"]
pub(crate) struct Entered {
    #[cfg(feature = "tracing")]
    _span: EnteredSpan,
}

/// A moment, where somebody is told how long things take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    #[cfg(feature = "metrics")]
    at: Instant,
}

impl Moment {
    pub(crate) fn now() -> Moment {
        Moment {
            #[cfg(feature = "metrics")]
            at: Instant::now(),
        }
    }

    #[cfg(feature = "metrics")]
    fn seconds(self) -> f64 {
        self.at.elapsed().as_secs_f64()
    }
}

/// Work under way, in a span of its own.
#[must_use = "it ends when it is dropped"]
pub(crate) struct Work<'a> {
    observer: &'a Observer,
    #[cfg_attr(not(feature = "metrics"), expect(dead_code, reason = "nobody is told"))]
    begun: Moment,
    _span: Entered,
}

impl Observer {
    /// The observer of the journal whose active segment has this path.
    pub(crate) fn of(journal: &Path) -> Observer {
        Observer {
            #[cfg(feature = "metrics")]
            dashboard: Dashboard::of(journal),
            #[cfg(feature = "tracing")]
            journal: journal.display().to_string().into(),
        }
    }

    /// The opening of the journal begins.
    pub(crate) fn opening(&self) -> Entered {
        entered!(self, INFO, "ministate.open")
    }

    /// Within the opening, files are read and mutations replayed from now on.
    pub(crate) fn recovering(&self) -> Entered {
        entered!(self, INFO, "ministate.recover")
    }

    /// The opening has come to its end.
    pub(crate) fn opened(&self, opening: &Opening<'_>) {
        let Opening { seq, snapshot, rejected, replayed, voided, took } = *opening;
        dashboard!(self.describe());
        dashboard!(self.set(Metric::RecoverySeconds, took.as_secs_f64()));
        dashboard!(self.set(Metric::ReplayedMutations, replayed as f64));
        dashboard!(self.set(Metric::SnapshotSequence, snapshot as f64));
        dashboard!(self.set(Metric::Sequence, seq as f64));
        dashboard!(self.set(Metric::WaitingRequests, 0.0));
        dashboard!(self.set(Metric::Poisoned, 0.0));
        self.rejected(rejected);
        if !rejected.is_empty() {
            event!(self, WARN, seq = snapshot, replayed, "recovery fell back to an older snapshot");
        }
        if let Some(first) = voided.first() {
            let records = voided.len();
            event!(self, WARN, seq = first, records, "void mutations were not applied");
        }
        event!(self, INFO, seq, snapshot, replayed, "the journal is open");
    }

    /// These snapshots cannot be used.
    pub(crate) fn rejected(&self, snapshots: &[RejectedSnapshot]) {
        #[cfg(feature = "tracing")]
        for RejectedSnapshot { path, why } in snapshots {
            let why = why.as_deref().map(sayable);
            let why = why.as_deref().unwrap_or("the journal begins only behind it");
            event!(self, WARN, file = %path.display(), why, "a snapshot was rejected");
        }
    }

    /// What a crash left was cut off, or kept out.
    pub(crate) fn torn_tail(&self, torn: &Torn<'_>) {
        let Torn { file, byte, bytes, after, kept_in } = *torn;
        event!(
            self,
            WARN,
            file = %file.display(),
            byte,
            bytes,
            seq = after,
            kept_in = %kept_in.display(),
            "a torn tail was cut off, and is kept aside"
        );
    }

    /// A batch of so many records was taken, the first of which will have this number.
    ///
    /// No caller's span is its parent: whoever leads works for all who wait.
    pub(crate) fn committing(&self, seq: Seq, records: usize) -> Work<'_> {
        let _span = entered!(self, root DEBUG, "ministate.commit", seq, records);
        Work { observer: self, begun: Moment::now(), _span }
    }

    /// The disk was asked to sync a batch, and has answered.
    pub(crate) fn synced(&self, asked: Moment) {
        dashboard!(self.record(Metric::SyncSeconds, asked.seconds()));
    }

    /// A batch is on stable storage, the last of whose mutations has this number.
    pub(crate) fn appended(&self, seq: Seq, records: impl FnOnce() -> usize, bytes: usize) {
        #[cfg(any(feature = "tracing", feature = "metrics"))]
        let records = records();
        dashboard!(self.record(Metric::BatchRecords, records as f64));
        dashboard!(self.count(Metric::Records, records as u64));
        dashboard!(self.count(Metric::WrittenBytes, bytes as u64));
        event!(self, DEBUG, seq, records, bytes, "a batch is durable");
    }

    /// A segment was ended with this mutation.
    pub(crate) fn rotated(&self, seq: Seq) {
        dashboard!(self.count(Metric::Rotations, 1));
        event!(self, DEBUG, seq, "a segment was ended");
    }

    /// So many requests wait now.
    pub(crate) fn waiting(&self, requests: impl FnOnce() -> usize) {
        dashboard!(self.set(Metric::WaitingRequests, requests() as f64));
    }

    /// A request to change the state is answered with this error.
    pub(crate) fn failed(&self, error: &MiniStateError) {
        dashboard!(self.count_with_reason(Metric::FailedApplies, reason(error)));
    }

    /// From now on all writes are refused.
    pub(crate) fn poisoned(&self, seq: Seq, cause: &MiniStateError) {
        dashboard!(self.set(Metric::Poisoned, 1.0));
        #[cfg(feature = "tracing")]
        let error = sayable(cause);
        event!(
            self,
            ERROR,
            seq,
            reason = reason(cause),
            error,
            "all writes are refused from now on"
        );
    }

    /// A snapshot at this mutation is made from now on.
    pub(crate) fn making_snapshot(&self, seq: Seq) -> Work<'_> {
        let _span = entered!(self, INFO, "ministate.snapshot", seq);
        Work { observer: self, begun: Moment::now(), _span }
    }

    /// What recovery does not need is put away from now on.
    pub(crate) fn compacting(&self) -> Work<'_> {
        let _span = entered!(self, INFO, "ministate.compact");
        Work { observer: self, begun: Moment::now(), _span }
    }

    /// A copy is made there from now on.
    pub(crate) fn backing_up(&self, to: &Path) -> Work<'_> {
        let _span = entered!(self, INFO, "ministate.backup", to = %to.display());
        Work { observer: self, begun: Moment::now(), _span }
    }
}

impl Work<'_> {
    /// All callers of a batch have their answer; the state is that behind this mutation.
    pub(crate) fn answered(self, seq: Seq) {
        let observer = self.observer;
        dashboard!(observer.record(Metric::CommitSeconds, self.begun.seconds()));
        dashboard!(observer.set(Metric::Sequence, seq as f64));
    }

    /// The snapshot at a mutation was made, and has so many bytes; or there was one already.
    pub(crate) fn snapshot_ended(&self, seq: Seq, made: &Result<Option<u64>, MiniStateError>) {
        let observer = self.observer;
        match made {
            Ok(Some(bytes)) => {
                dashboard!(observer.count(Metric::Snapshots, 1));
                dashboard!(observer.record(Metric::SnapshotSeconds, self.begun.seconds()));
                dashboard!(observer.set(Metric::SnapshotBytes, *bytes as f64));
                dashboard!(observer.set(Metric::SnapshotSequence, seq as f64));
                event!(observer, INFO, seq, bytes, "a snapshot was made");
            }
            Ok(None) => {}
            Err(error) => self.upkeep_failed(error),
        }
    }

    /// Compaction has put so many files away, the segments among which have so many bytes.
    pub(crate) fn compaction_ended(&self, ended: Result<(usize, u64), &MiniStateError>) {
        let observer = self.observer;
        match ended {
            Ok((files, bytes)) => {
                dashboard!(observer.count(Metric::CompactedFiles, files as u64));
                dashboard!(observer.count(Metric::CompactedBytes, bytes));
                event!(observer, INFO, files, bytes, "the journal was compacted");
            }
            Err(error) => self.upkeep_failed(error),
        }
    }

    /// The copy holds everything through this mutation, in so many files and bytes.
    pub(crate) fn copied(&self, seq: Seq, files: usize, bytes: u64) {
        let observer = self.observer;
        event!(observer, INFO, seq, files, bytes, "a backup was made");
    }

    /// Of what a manager does by itself nobody gets the error, so it is told.
    fn upkeep_failed(&self, error: &MiniStateError) {
        let observer = self.observer;
        dashboard!(observer.count(Metric::UpkeepFailures, 1));
        #[cfg(feature = "tracing")]
        let text = sayable(error);
        event!(observer, WARN, reason = reason(error), error = text, "upkeep failed");
    }
}

/// Lets a job that runs on another thread happen within the span of its caller.
pub(crate) fn in_span_of_caller<T>(job: impl FnOnce() -> T) -> impl FnOnce() -> T {
    #[cfg(feature = "tracing")]
    let job = {
        let caller = Span::current();
        move || caller.in_scope(job)
    };
    job
}
