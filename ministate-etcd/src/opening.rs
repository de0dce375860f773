//! Which journal lies under the keys, and is one made where there is none?

use etcd_client::{Compare, CompareOp, KeyValue, Txn, TxnOp};
use ministate::shared::{JournalId, Place};

use crate::connection::Connection;
use crate::error::EtcdError;
use crate::keys::Keys;
use crate::page;
use crate::verdict::{Failure, Verdict};

/// What becomes of it where there is no journal.
#[derive(Debug, Clone, Copy)]
pub(crate) enum IfNone {
    Make,
    Refuse,
}

/// The journal under the keys.
pub(crate) async fn id_under(
    keys: &Keys,
    connection: &Connection,
    if_none: IfNone,
) -> Result<JournalId, EtcdError> {
    let mut tries_left = connection.node_count();
    loop {
        let failure = match found_or_made(keys, connection, if_none).await {
            Ok(id) => return Ok(id),
            Err(failure) => failure,
        };
        tries_left -= 1;
        match failure.verdict {
            // Where the answer was lost, the next node tells what there is.
            Verdict::Open | Verdict::Decided if tries_left > 0 => {}
            Verdict::Open
            | Verdict::Decided
            | Verdict::NotSent
            | Verdict::LoginEnded
            | Verdict::Refused
            | Verdict::TooLarge => return Err(failure.error),
        }
    }
}

/// Reads before it writes: an etcd that is full refuses to be written to, whether or not anything would
/// be, and its journal must be opened to be trimmed.
async fn found_or_made(
    keys: &Keys,
    connection: &Connection,
    if_none: IfNone,
) -> Result<JournalId, Failure> {
    let reads = [TxnOp::get(keys.journal(), None)];
    let answer = connection.transact(Txn::new().and_then(reads)).await?;
    if let Some(found) = page::values_of(&answer).into_iter().flatten().next() {
        return id_in(keys, Some(&found));
    }
    match if_none {
        IfNone::Refuse => Err(refused(EtcdError::NoJournal { key: keys.journal() })),
        IfNone::Make => made(keys, connection).await,
    }
}

/// A new journal, or the one that somebody else has made meanwhile.
async fn made(keys: &Keys, connection: &Connection) -> Result<JournalId, Failure> {
    let id = JournalId::random();
    // Entries that are left of a journal would become some of the new one.
    let no_keys = Compare::version(keys.all(), CompareOp::Equal, 0).with_range(keys.all_end());
    let txn = Txn::new()
        .when([Compare::version(keys.journal(), CompareOp::Equal, 0), no_keys])
        .and_then([
            TxnOp::put(keys.journal(), id.as_str(), None),
            TxnOp::put(keys.head(), Place::START.to_string(), None),
        ])
        .or_else([TxnOp::get(keys.journal(), None)]);
    let answer = connection.transact(txn).await?;
    if answer.succeeded() {
        return Ok(id);
    }
    id_in(keys, page::values_of(&answer).into_iter().flatten().next().as_ref())
}

fn id_in(keys: &Keys, found: Option<&KeyValue>) -> Result<JournalId, Failure> {
    let id = found.and_then(|pair| JournalId::parse(pair.value_str().ok()?));
    id.ok_or_else(|| refused(EtcdError::NotAJournal { key: keys.journal() }))
}

fn refused(error: EtcdError) -> Failure {
    Failure { verdict: Verdict::Refused, error }
}
