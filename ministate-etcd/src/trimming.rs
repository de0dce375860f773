//! How are the first entries forgotten?

use etcd_client::{Compare, CompareOp, DeleteOptions, Txn, TxnOp};
use ministate::shared::{JournalError, Place};

use crate::journal::Kept;
use crate::page;

/// So many entries are deleted by one request: etcd carries out nothing else meanwhile.
const STEP: u64 = 1000;

/// Deletes the entries before `before` and none behind the end, the oldest first: what is left, also by a
/// trim that did not get to its end, is the last part of the journal. Nothing is put meanwhile: an etcd that
/// is full refuses that, and could not be helped any more.
pub(crate) async fn trim(kept: &Kept, before: Place) -> Result<(), JournalError> {
    let head = page::head(kept).await?;
    let before = before.min(head.next());
    let Some(first) = page::first_entry(kept).await? else { return Ok(()) };
    let mut first = first.number();
    while first < before.number() {
        let behind = first.saturating_add(STEP).min(before.number());
        delete(kept, Place::new(first), Place::new(behind)).await?;
        first = behind;
    }
    Ok(())
}

/// Deletes the entries from `first` on and before `behind`.
async fn delete(kept: &Kept, first: Place, behind: Place) -> Result<(), JournalError> {
    let keys = &kept.keys;
    let range = DeleteOptions::new().with_range(keys.entry(behind));
    let txn = Txn::new()
        .when([Compare::value(keys.journal(), CompareOp::Equal, kept.id.as_str())])
        .and_then([TxnOp::delete(keys.entry(first), Some(range))])
        .or_else([TxnOp::get(keys.journal(), None)]);
    let answer = kept.connection.transact(txn).await.map_err(page::unreachable)?;
    if answer.succeeded() {
        return Ok(());
    }
    let found = page::values_of(&answer).into_iter().flatten().next();
    let found = kept.is_other(found.as_ref()).unwrap_or_default();
    Err(JournalError::WrongJournal { found })
}
