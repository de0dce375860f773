//! What are the metrics called? Names that dashboards and alarms rely on.
//!
//! With the feature `metrics`, a manager tells the recorder of the facade
//! [`metrics`](https://docs.rs/metrics), whichever the program has installed. The recorder is looked
//! up each time, so one that is installed after an opening is told of all that comes then; what the
//! opening told, it has missed. Without a recorder nothing is kept.
//!
//! Each metric has the label [`JOURNAL`]. Which of them to look at is said in
//! [the guide](crate::_documentation::guide#watching-it). Only managers have metrics: followers,
//! subscriptions and read-only views have none.
//!
//! ```
//! use ministate::metrics;
//!
//! assert_eq!(metrics::SYNC_SECONDS, "ministate_sync_seconds");
//! ```

/// The label of every metric: the path of the journal's active segment, such as
/// `state/bank.wal.jsonl`.
pub const JOURNAL: &str = "journal";

/// The second label of [`FAILED_APPLIES`]: the error, such as `poisoned`, `not_written` or, of a
/// refused mutation, `too_large`.
pub const REASON: &str = "reason";

/// Histogram, in seconds: the sync of a batch, failed ones included. One sample a batch.
pub const SYNC_SECONDS: &str = "ministate_sync_seconds";

/// Histogram, in seconds: a batch from the moment it is taken until all its callers have their
/// answer, so the write, the sync and the handlers. Not the time before, in which callers wait for
/// the batch before theirs.
pub const COMMIT_SECONDS: &str = "ministate_commit_seconds";

/// Histogram: how many records a batch has. One request is one record, whatever the number of its
/// mutations.
pub const BATCH_RECORDS: &str = "ministate_batch_records";

/// Counter: records that were made durable.
pub const RECORDS: &str = "ministate_records_total";

/// Counter, in bytes: the lines of these records. Not the fill behind them.
pub const WRITTEN_BYTES: &str = "ministate_written_bytes_total";

/// Counter: requests to apply, to execute or to apply a batch that were answered with an error,
/// by [`REASON`]. Not those whose callers went away.
pub const FAILED_APPLIES: &str = "ministate_failed_applies_total";

/// Gauge: requests that wait for the batch before theirs.
pub const WAITING_REQUESTS: &str = "ministate_waiting_requests";

/// Counter: segments that were ended, full ones and those that a snapshot or a backup ended.
pub const ROTATIONS: &str = "ministate_rotations_total";

/// Counter: snapshots that were made. Not the first one, with which a journal begins.
pub const SNAPSHOTS: &str = "ministate_snapshots_total";

/// Counter: snapshots and compactions that failed.
pub const UPKEEP_FAILURES: &str = "ministate_upkeep_failures_total";

/// Histogram, in seconds: a snapshot, from its replay until it is published.
pub const SNAPSHOT_SECONDS: &str = "ministate_snapshot_seconds";

/// Gauge, in bytes: the last snapshot that was made.
pub const SNAPSHOT_BYTES: &str = "ministate_snapshot_bytes";

/// Gauge: the last mutation in the newest snapshot that the manager made or began with. How far
/// [`SEQUENCE`] is ahead is what the next opening replays.
pub const SNAPSHOT_SEQUENCE: &str = "ministate_snapshot_sequence";

/// Counter: segments and snapshots that were put away.
pub const COMPACTED_FILES: &str = "ministate_compacted_files_total";

/// Counter, in bytes: the segments among them.
pub const COMPACTED_BYTES: &str = "ministate_compacted_bytes_total";

/// Gauge, in seconds: the last opening.
pub const RECOVERY_SECONDS: &str = "ministate_recovery_seconds";

/// Gauge: mutations that the last opening replayed.
pub const REPLAYED_MUTATIONS: &str = "ministate_replayed_mutations";

/// Gauge: 1 once the manager refuses all writes because of a failure, 0 before.
pub const POISONED: &str = "ministate_poisoned";

/// Gauge: the last mutation that is durable and visible.
pub const SEQUENCE: &str = "ministate_sequence";
