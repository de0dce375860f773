//! How does an entry get behind the end, once at most?

use std::sync::Arc;
use std::time::Duration;

use etcd_client::{Compare, CompareOp, Txn, TxnOp};
use ministate::shared::{AppendError, JournalError, Place};

use crate::error::EtcdError;
use crate::journal::Kept;
use crate::page;
use crate::verdict::{Failure, Verdict};

/// Appends the entry if the journal ends at `expected`, in one transaction.
pub(crate) async fn append(
    kept: &Kept,
    expected: Place,
    entry: Arc<[u8]>,
) -> Result<Place, AppendError> {
    if entry.len() > kept.entry_bytes_max {
        return Err(AppendError::TooLarge { limit: kept.entry_bytes_max });
    }
    let (keys, place) = (&kept.keys, expected.next());
    // There is no place behind the last number; and an entry that stands behind the end, which somebody set
    // back by hand, may have been acknowledged.
    let not_sound =
        |key| AppendError::NotWritten { source: Arc::new(EtcdError::NotAJournal { key }) };
    if place <= expected {
        return Err(not_sound(keys.head()));
    }
    let txn = Txn::new()
        .when([
            Compare::value(keys.journal(), CompareOp::Equal, kept.id.as_str()),
            Compare::value(keys.head(), CompareOp::Equal, expected.to_string()),
            Compare::version(keys.entry(place), CompareOp::Equal, 0),
        ])
        .and_then([
            TxnOp::put(keys.entry(place), &*entry, None),
            TxnOp::put(keys.head(), place.to_string(), None),
        ])
        .or_else(page::reads_of_head(kept));
    let patience = patience_for(entry.len(), kept.connection.request_timeout());
    match kept.connection.transact_within(patience, txn).await {
        Ok(answer) if answer.succeeded() => Ok(place),
        Ok(answer) => Err(match page::head_in(kept, &page::values_of(&answer)) {
            Ok(head) if head == expected => not_sound(keys.entry(place)),
            Ok(_) => AppendError::Conflict,
            Err(JournalError::WrongJournal { found }) => AppendError::WrongJournal { found },
            Err(JournalError::Unreachable { source }) => AppendError::NotWritten { source },
            Err(other) => AppendError::NotWritten { source: Arc::new(other) },
        }),
        Err(failure) => Err(not_appended(kept, expected, entry.len(), failure).await),
    }
}

/// So many bytes of an entry are given as much time again as a request without an entry: enough for a link
/// with 1 Mbit/s, where a request has 2 seconds.
const BYTES_PER_TIMEOUT: usize = 256 << 10;

fn patience_for(entry_bytes: usize, request_timeout: Duration) -> Duration {
    let times = (entry_bytes / BYTES_PER_TIMEOUT).saturating_add(1);
    request_timeout.saturating_mul(u32::try_from(times).unwrap_or(u32::MAX))
}

async fn not_appended(
    kept: &Kept,
    expected: Place,
    entry_bytes: usize,
    failure: Failure,
) -> AppendError {
    match failure.verdict {
        Verdict::NotSent | Verdict::LoginEnded | Verdict::Refused => {
            AppendError::NotWritten { source: failure.cause() }
        }
        // etcd does not say how much it takes, only that this was too much.
        Verdict::TooLarge => AppendError::TooLarge { limit: entry_bytes.saturating_sub(1) },
        Verdict::Open => AppendError::Ambiguous { source: failure.cause() },
        Verdict::Decided => match page::head(kept).await {
            Ok(head) if head <= expected => AppendError::NotWritten { source: failure.cause() },
            Ok(_) => AppendError::Conflict,
            Err(JournalError::WrongJournal { found }) => AppendError::WrongJournal { found },
            Err(_) => AppendError::Ambiguous { source: failure.cause() },
        },
    }
}
