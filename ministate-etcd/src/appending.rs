//! How does an entry get behind the end, once at most?

use std::sync::Arc;

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
    match kept.connection.transact(txn).await {
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
