//! One state on several machines: its journal is kept by an engine that they share.
//!
//! | for | take |
//! |---|---|
//! | a replica of the state: writing and reading | [`SharedManager`], with [`SharedOptions`] and [`SharedStatus`] |
//! | every mutation, one after the other | [`SharedSubscription`] |
//! | the engine | [`Journal`]: the crate `ministate-etcd`, or [`FileJournal`] for one machine |
//! | the store of snapshots | [`SnapshotStore`]: the crate `ministate-object-store` |
//! | tests (feature `testing`) | `memory`, in place of both; `conformance`, for adapters of your own |
//!
//! The [guide](crate::_documentation::guide#several-machines) has a chapter for it, with the steps of rolling
//! out a new release.

mod barrier;
mod chunk;
mod committer;
#[cfg(feature = "testing")]
pub mod conformance;
mod contact;
mod error;
mod feed;
mod file;
mod flight;
mod journal;
mod keeping;
mod landmarks;
mod manager;
#[cfg(feature = "testing")]
pub mod memory;
mod opening;
mod options;
mod replica;
mod snapshots;
mod status;
mod stored;

pub use error::SharedError;
pub use feed::SharedSubscription;
pub use file::FileJournal;
pub use journal::{
    Answer, AppendError, Cause, Entry, Journal, JournalError, JournalId, Place, Tail, TailError,
};
pub use manager::SharedManager;
pub use options::SharedOptions;
pub use snapshots::{SnapshotName, SnapshotStore, StoreError};
pub use status::{Role, SharedStatus};
