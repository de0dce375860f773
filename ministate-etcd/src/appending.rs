//! How does an entry get behind the end, once at most?

use std::sync::Arc;
use std::time::Duration;

use etcd_client::{Compare, CompareOp, Txn, TxnOp};
use ministate::shared::{AppendError, JournalError, Place};

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
    let txn = Txn::new()
        .when([
            Compare::value(keys.journal(), CompareOp::Equal, kept.id.as_str()),
            Compare::value(keys.head(), CompareOp::Equal, expected.to_string()),
        ])
        .and_then([
            TxnOp::put(keys.entry(place), &*entry, None),
            TxnOp::put(keys.head(), place.to_string(), None),
        ])
        .or_else([TxnOp::get(keys.journal(), None)]);
    let patience = patience_for(entry.len(), kept.connection.request_timeout());
    match kept.connection.transact_within(patience, txn).await {
        Ok(answer) if answer.succeeded() => Ok(place),
        Ok(answer) => {
            let journal = page::values_of(&answer).into_iter().flatten().next();
            Err(match kept.is_other(journal.as_ref()) {
                Some(found) => AppendError::WrongJournal { found },
                None => AppendError::Conflict,
            })
        }
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
