//! How is a recorder told? One key a metric and journal, made once; the recorder is asked each time.
//!
//! Handles are not kept: a recorder that is installed late, or forgets what was silent for long,
//! would never see them again.

use std::path::Path;
use std::sync::Arc;

use metrics::{Key, KeyName, Label, Level, Metadata, SharedString, Unit, with_recorder};

use super::names;

const METADATA: Metadata<'static> = Metadata::new("ministate", Level::INFO, Some("ministate"));

#[derive(Debug, Clone, Copy)]
pub(super) enum Metric {
    SyncSeconds,
    CommitSeconds,
    BatchRecords,
    Records,
    WrittenBytes,
    FailedApplies,
    WaitingRequests,
    Rotations,
    Snapshots,
    UpkeepFailures,
    SnapshotSeconds,
    SnapshotBytes,
    SnapshotSequence,
    CompactedFiles,
    CompactedBytes,
    RecoverySeconds,
    ReplayedMutations,
    Poisoned,
    Sequence,
}

/// In the order of their declaration, which is that of the keys.
const ALL: [Metric; 19] = [
    Metric::SyncSeconds,
    Metric::CommitSeconds,
    Metric::BatchRecords,
    Metric::Records,
    Metric::WrittenBytes,
    Metric::FailedApplies,
    Metric::WaitingRequests,
    Metric::Rotations,
    Metric::Snapshots,
    Metric::UpkeepFailures,
    Metric::SnapshotSeconds,
    Metric::SnapshotBytes,
    Metric::SnapshotSequence,
    Metric::CompactedFiles,
    Metric::CompactedBytes,
    Metric::RecoverySeconds,
    Metric::ReplayedMutations,
    Metric::Poisoned,
    Metric::Sequence,
];

/// How values of a metric become one.
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Metric {
    fn description(self) -> (&'static str, Kind, Unit, &'static str) {
        use Kind::{Counter, Gauge, Histogram};
        use Unit::{Bytes, Count, Seconds};
        match self {
            Metric::SyncSeconds => (names::SYNC_SECONDS, Histogram, Seconds, "the sync of a batch"),
            Metric::CommitSeconds => (
                names::COMMIT_SECONDS,
                Histogram,
                Seconds,
                "a batch, until its callers are answered",
            ),
            Metric::BatchRecords => (names::BATCH_RECORDS, Histogram, Count, "records of a batch"),
            Metric::Records => (names::RECORDS, Counter, Count, "records that were made durable"),
            Metric::WrittenBytes => {
                (names::WRITTEN_BYTES, Counter, Bytes, "bytes of these records")
            }
            Metric::FailedApplies => {
                (names::FAILED_APPLIES, Counter, Count, "requests answered with an error")
            }
            Metric::WaitingRequests => {
                (names::WAITING_REQUESTS, Gauge, Count, "requests behind the batch at hand")
            }
            Metric::Rotations => (names::ROTATIONS, Counter, Count, "segments that were ended"),
            Metric::Snapshots => (names::SNAPSHOTS, Counter, Count, "snapshots that were made"),
            Metric::UpkeepFailures => {
                (names::UPKEEP_FAILURES, Counter, Count, "snapshots and compactions that failed")
            }
            Metric::SnapshotSeconds => {
                (names::SNAPSHOT_SECONDS, Histogram, Seconds, "the making of a snapshot")
            }
            Metric::SnapshotBytes => {
                (names::SNAPSHOT_BYTES, Gauge, Bytes, "bytes of the last snapshot")
            }
            Metric::SnapshotSequence => {
                (names::SNAPSHOT_SEQUENCE, Gauge, Count, "the last mutation in the newest snapshot")
            }
            Metric::CompactedFiles => {
                (names::COMPACTED_FILES, Counter, Count, "files that compaction put away")
            }
            Metric::CompactedBytes => {
                (names::COMPACTED_BYTES, Counter, Bytes, "bytes of the segments among them")
            }
            Metric::RecoverySeconds => {
                (names::RECOVERY_SECONDS, Gauge, Seconds, "the last opening")
            }
            Metric::ReplayedMutations => {
                (names::REPLAYED_MUTATIONS, Gauge, Count, "mutations that it replayed")
            }
            Metric::Poisoned => {
                (names::POISONED, Gauge, Count, "1 once a failure stopped all writes")
            }
            Metric::Sequence => {
                (names::SEQUENCE, Gauge, Count, "the last mutation that is durable and visible")
            }
        }
    }
}

/// The metrics of one journal.
#[derive(Debug, Clone)]
pub(super) struct Dashboard(Arc<Vec<Key>>);

impl Dashboard {
    pub(super) fn of(journal: &Path) -> Dashboard {
        let journal: Arc<str> = journal.display().to_string().into();
        let label = Label::new(names::JOURNAL, SharedString::from(journal));
        let key = |metric: Metric| Key::from_parts(metric.description().0, vec![label.clone()]);
        Dashboard(Arc::new(ALL.into_iter().map(key).collect()))
    }

    /// Says what the metrics are. Once an opening, whose recorder may be another one.
    pub(super) fn describe(&self) {
        with_recorder(|recorder| {
            for (name, kind, unit, text) in ALL.into_iter().map(Metric::description) {
                let (name, text) = (KeyName::from(name), SharedString::from(text));
                match kind {
                    Kind::Counter => recorder.describe_counter(name, Some(unit), text),
                    Kind::Gauge => recorder.describe_gauge(name, Some(unit), text),
                    Kind::Histogram => recorder.describe_histogram(name, Some(unit), text),
                }
            }
        });
    }

    pub(super) fn count(&self, metric: Metric, more: u64) {
        self.count_of(self.key(metric), more);
    }

    pub(super) fn count_with_reason(&self, metric: Metric, reason: &'static str) {
        let reason = Label::from_static_parts(names::REASON, reason);
        self.count_of(&self.key(metric).with_extra_labels(vec![reason]), 1);
    }

    pub(super) fn set(&self, metric: Metric, value: f64) {
        with_recorder(|recorder| recorder.register_gauge(self.key(metric), &METADATA).set(value));
    }

    pub(super) fn record(&self, metric: Metric, value: f64) {
        with_recorder(|recorder| {
            recorder.register_histogram(self.key(metric), &METADATA).record(value);
        });
    }

    fn count_of(&self, key: &Key, more: u64) {
        with_recorder(|recorder| recorder.register_counter(key, &METADATA).increment(more));
    }

    fn key(&self, metric: Metric) -> &Key {
        &self.0[metric as usize]
    }
}
