//! What does etcd hold of the journal now: its end, and some entries?

use std::sync::Arc;
use std::time::Duration;

use etcd_client::{GetOptions, KeyValue, Txn, TxnOp, TxnOpResponse, TxnResponse};
use ministate::shared::{Entry, JournalError, JournalId, Place, TailError};

use crate::error::EtcdError;
use crate::journal::Kept;
use crate::verdict::Failure;

/// Entries of the journal that follow each other, as they stood in one revision of etcd.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) entries: Vec<Entry>,
    /// Where the journal ends.
    pub(crate) head: Place,
    pub(crate) revision: i64,
}

/// Where the journal ends, no earlier than in the moment of the call. A node that lost touch with the
/// others does not answer: reads that are not `serializable` are linearizable.
pub(crate) async fn head(kept: &Kept) -> Result<Place, JournalError> {
    let answer = kept.connection.transact(Txn::new().and_then(reads_of_head(kept))).await;
    let answer = answer.map_err(unreachable)?;
    head_in(kept, &values_of(&answer))
}

impl Page {
    /// The entries behind `after`, `limit` at most, if they come before patience ends.
    pub(crate) async fn behind(
        kept: &Kept,
        after: Place,
        limit: u64,
        patience: Duration,
    ) -> Result<Page, TailError> {
        let first = after.next();
        let end = Place::new(first.number().saturating_add(limit));
        let mut reads = reads_of_head(kept);
        // A range with an end, and not one with a limit: to limit it etcd would count what is behind.
        let range = GetOptions::new().with_range(kept.keys.entry(end));
        reads.push(TxnOp::get(kept.keys.entry(first), Some(range)));
        let txn = Txn::new().and_then(reads);
        let answer = kept.connection.transact_within(patience, txn).await;
        let answer = answer.map_err(unreachable).map_err(of_tail)?;
        let mut values = values_of(&answer);
        let head = head_in(kept, &values).map_err(of_tail)?;
        if head < after {
            return Err(TailError::Regressed { last: head });
        }
        let mut entries = Vec::new();
        let mut last = after;
        for pair in values.pop().into_iter().flatten() {
            if last == head || kept.keys.place_of(pair.key()) != Some(last.next()) {
                break;
            }
            last = last.next();
            entries.push(Entry { place: last, bytes: Arc::from(pair.into_key_value().1) });
        }
        if last == after && after < head {
            return Err(missing(kept, first, head).await);
        }
        let revision = answer.header().map_or(0, etcd_client::ResponseHeader::revision);
        Ok(Page { entries, head, revision })
    }
}

/// Why there is no entry at a place before the end: where none before it is left either, it was trimmed.
async fn missing(kept: &Kept, place: Place, head: Place) -> TailError {
    match first_entry(kept).await {
        Ok(None) => TailError::Trimmed { first: head },
        Ok(Some(first)) if first > place => TailError::Trimmed { first },
        Ok(Some(_)) => of_tail(damaged(kept.keys.entry(place))),
        Err(error) => of_tail(error),
    }
}

/// The place of the first entry that is there.
pub(crate) async fn first_entry(kept: &Kept) -> Result<Option<Place>, JournalError> {
    let first =
        GetOptions::new().with_range(kept.keys.entries_end()).with_limit(1).with_keys_only();
    let read = TxnOp::get(kept.keys.entry(Place::START), Some(first));
    let answer =
        kept.connection.transact(Txn::new().and_then([read])).await.map_err(unreachable)?;
    let first = values_of(&answer).into_iter().flatten().next();
    Ok(first.and_then(|pair| kept.keys.place_of(pair.key())))
}

impl Kept {
    /// Whether it is another journal whose identity this key holds, and which.
    pub(crate) fn is_other(&self, journal: Option<&KeyValue>) -> Option<Option<JournalId>> {
        let found = journal.and_then(|pair| JournalId::parse(pair.value_str().ok()?));
        (found.as_ref() != Some(&self.id)).then_some(found)
    }
}

/// What each read of a transaction found.
pub(crate) fn values_of(answer: &TxnResponse) -> Vec<Vec<KeyValue>> {
    let answers = answer.op_responses().into_iter();
    let values = answers.map(|answer| match answer {
        TxnOpResponse::Get(mut found) => found.take_kvs(),
        TxnOpResponse::Put(_) | TxnOpResponse::Delete(_) | TxnOpResponse::Txn(_) => Vec::new(),
    });
    values.collect()
}

/// The place whose number the key holds.
pub(crate) fn place_in(pair: Option<&KeyValue>) -> Option<Place> {
    let value = pair?.value_str().ok()?;
    let place = Place::new(value.parse().ok()?);
    // An append compares the digits.
    (place.to_string() == value).then_some(place)
}

pub(crate) fn reads_of_head(kept: &Kept) -> Vec<TxnOp> {
    let keys = [kept.keys.journal(), kept.keys.head()];
    keys.into_iter().map(|key| TxnOp::get(key, None)).collect()
}

pub(crate) fn head_in(kept: &Kept, values: &[Vec<KeyValue>]) -> Result<Place, JournalError> {
    let value = |at: usize| values.get(at).and_then(|values| values.first());
    if let Some(found) = kept.is_other(value(0)) {
        return Err(JournalError::WrongJournal { found });
    }
    place_in(value(1)).ok_or_else(|| damaged(kept.keys.head()))
}

pub(crate) fn unreachable(failure: Failure) -> JournalError {
    JournalError::Unreachable { source: failure.cause() }
}

fn damaged(key: String) -> JournalError {
    JournalError::Unreachable { source: Arc::new(EtcdError::NotAJournal { key }) }
}

fn of_tail(error: JournalError) -> TailError {
    match error {
        JournalError::WrongJournal { found } => TailError::WrongJournal { found },
        JournalError::Unreachable { source } => TailError::Unreachable { source },
        other => TailError::Unreachable { source: Arc::new(other) },
    }
}
