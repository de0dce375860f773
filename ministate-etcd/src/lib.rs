//! The journal of a shared state, kept by etcd.
//!
//! [`EtcdJournal`] is a [`ministate::shared::Journal`] for small journals: etcd confirms an entry when a
//! majority of its nodes has synced it to disk, and answers reads only from nodes that are in touch with
//! this majority. Several processes may append; at each place there is one entry.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use ministate::shared::{Journal, Place};
//! use ministate_etcd::EtcdOptions;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let journal = EtcdOptions::new(["http://10.0.0.1:2379", "http://10.0.0.2:2379"])
//!     .prefix("/ministate/registry")
//!     .open()
//!     .await?;
//! let end = journal.barrier().await?;
//! journal.append(end, Arc::from(&b"an entry\n"[..])).await?;
//!
//! let mut tail = journal.tail(Place::START);
//! println!("{:?}", tail.next().await?);
//! # Ok(())
//! # }
//! ```
//!
//! # The keys
//!
//! | key | value |
//! |---|---|
//! | `<prefix>/journal` | the [identity](ministate::shared::JournalId) of the journal |
//! | `<prefix>/head` | the number of the last place, 0 at first |
//! | `<prefix>/log/<place>` | the entry at the place, whose number has 20 digits |
//!
//! An entry is text, and `etcdctl get --prefix <prefix>/log/` shows it. Nobody else should write under the
//! prefix. What is trimmed is deleted: the journal begins with the first entry that is there. A user of
//! etcd needs the permission `readwrite` for all keys that begin with `<prefix>/`.
//!
//! # What etcd must be configured with
//!
//! etcd 3.4 or later; of 3.5, at least 3.5.3, since those before can lose what they confirmed. Three nodes
//! or five, on disks of their own, none with `--unsafe-no-fsync`.
//!
//! * `--auto-compaction-retention=1h`: trimming deletes entries from the present, and etcd keeps the past
//!   until it is compacted. [`trim`](ministate::shared::Journal::trim) does *not* compact it, since others
//!   may use the same etcd. Once or now and then by hand: `etcdctl compaction <revision>`.
//! * `etcdctl defrag`, on one node after the other, gives the space of what was compacted back to the disk.
//! * `--quota-backend-bytes`: 2 GiB where it is not given, and etcd refuses to write when it is full; then
//!   trim, compact, defrag, and `etcdctl alarm disarm`.
//! * `--max-request-bytes`: 1.5 MiB where it is not given. An entry has at most 1 MiB unless
//!   [`EtcdOptions::entry_bytes_max`] says otherwise, and must fit into a request.
//!
//! # What it does not do
//!
//! * It does not keep snapshots: etcd is made for small values. See `ministate::shared::SnapshotStore`.
//! * It does not decide again what is ambiguous: see [`AppendError`](ministate::shared::AppendError).
//! * It does not find nodes by itself: name all of them in [`EtcdOptions::new`].
//!
//! # To build it
//!
//! etcd-client needs `protoc` and the well-known protos: `apt-get install protobuf-compiler
//! libprotobuf-dev`.
//!
//! # Features
//!
//! * `tls`: connections over TLS, see `EtcdOptions::tls`.
//! * `tls-roots`: the certificates that the system trusts, beside those that are given.

mod appending;
mod connection;
mod error;
mod journal;
mod keys;
mod opening;
mod options;
mod pace;
mod page;
mod tailing;
mod trimming;
mod verdict;

pub use etcd_client;

pub use error::EtcdError;
pub use journal::EtcdJournal;
pub use options::EtcdOptions;
