//! How does a program keep its map in each of the peers, so that every change is on the disk when
//! the call is over?
//!
//! Each is used as its documentation advises: one shared handle, one call or transaction for one
//! mutation, and its default options otherwise, unless its file says why not. Those that store
//! values by key get the mutation's JSON as the value, and its key as the key.

pub(crate) mod fjall;
pub(crate) mod lmdb;
pub(crate) mod okaywal;
pub(crate) mod raft_engine;
pub(crate) mod redb;
pub(crate) mod redis;
#[cfg(feature = "rocksdb")]
pub(crate) mod rocksdb;
pub(crate) mod sled;
pub(crate) mod sqlite;

use ministate_benches::Outcome;
use ministate_benches::peers::Put;

fn text(put: &Put) -> Outcome<String> {
    Ok(serde_json::to_string(put)?)
}

/// What a stored mutation says.
fn see(bytes: &[u8], mut see: impl FnMut(u64, &str)) -> Outcome<()> {
    let put: Put = serde_json::from_slice(bytes)?;
    see(put.key, &put.value);
    Ok(())
}
