//! How are the first entries forgotten?

use etcd_client::{Compare, CompareOp, DeleteOptions, GetOptions, Txn, TxnOp};
use ministate::shared::{JournalError, Place};

use crate::journal::Kept;
use crate::page;

/// Deletes the entries before `before`. Nothing is put meanwhile: an etcd that is full refuses that, and
/// could not be helped any more.
pub(crate) async fn trim(kept: &Kept, before: Place) -> Result<(), JournalError> {
    let keys = &kept.keys;
    let trimmed = DeleteOptions::new().with_range(keys.entry(before));
    let txn = Txn::new()
        .when([Compare::value(keys.journal(), CompareOp::Equal, kept.id.as_str())])
        .and_then([TxnOp::delete(keys.entry(Place::START), Some(trimmed))])
        .or_else([TxnOp::get(keys.journal(), None::<GetOptions>)]);
    let answer = kept.connection.transact(txn).await;
    let answer = answer.map_err(|failure| JournalError::Unreachable { source: failure.cause() })?;
    if answer.succeeded() {
        return Ok(());
    }
    let found = page::values_of(&answer).into_iter().flatten().next();
    let found = kept.is_other(found.as_ref()).unwrap_or_default();
    Err(JournalError::WrongJournal { found })
}
