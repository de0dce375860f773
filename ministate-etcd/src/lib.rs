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
//!     .open_existing()
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
//! # The first start, and all later ones
//!
//! [`open`](EtcdOptions::open) makes the journal where there is none, and
//! [`open_existing`](EtcdOptions::open_existing) never does: it fails with [`EtcdError::NoJournal`]. Call the
//! one once, when the application is set up, and the other whenever a process starts. An etcd whose data
//! was wiped, or another one under the same address, is then not taken for a new one, in which the application
//! would begin again with nothing.
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
//! prefix. What is trimmed is deleted: the journal begins with the first entry that is there.
//!
//! # Permissions
//!
//! A user of etcd needs the permission `readwrite` for all keys that begin with `<prefix>/`, and no other:
//! `etcdctl role grant-permission <role> --prefix readwrite <prefix>/`. Both kinds of tokens will do, `simple`
//! and `jwt`. Each connection logs in, which costs etcd about 0.1 s of a processor (`--bcrypt-cost`), and
//! again when a login has ended. See [`EtcdOptions::user`].
//!
//! # Connections
//!
//! A journal has one connection, to one node, and each tail another: what a tail is sent and nobody takes
//! holds up nobody else. At most 5 MiB of it are in this process.
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
//! * `--quota-backend-bytes`: 2 GiB where it is not given, and etcd refuses to write when it is full, though
//!   it still opens, reads and trims journals. Then trim (a snapshot does), compact, defrag, and `etcdctl
//!   alarm disarm`, in this order.
//! * `--max-request-bytes`: 1.5 MiB where it is not given. An entry has at most 1 MiB unless
//!   [`EtcdOptions::entry_bytes_max`] says otherwise, and must fit into a request.
//!
//! # What the errors mean
//!
//! | error | what it says | what helps |
//! |---|---|---|
//! | `NotWritten` | the entry is not in the journal, and will not be | append it again |
//! | `Ambiguous` | it may be, or still get there | the same entry again at the same place, then look |
//! | `Unreachable` | etcd did not answer, or refused; the source says which | waiting, mostly |
//! | `Regressed` | etcd has lost what it had confirmed | an operator, before anybody writes |
//! | `WrongJournal` | the keys were removed, or made again | an operator |
//! | [`EtcdError::NoJournal`] | as `WrongJournal`, at the start | an operator |
//! | [`EtcdError::NotAJournal`] | somebody else wrote under the prefix | an operator: nothing is written over |
//!
//! Certain to be `NotWritten` is what was not sent, what etcd refused before it carried out anything
//! (permissions, a login that has ended or is refused, too many requests), and what it refused for want of
//! space, once the end of the journal was seen to be the same. All else is `Ambiguous`.
//!
//! # What it does not do
//!
//! * It does not keep snapshots: etcd is made for small values. See `ministate::shared::SnapshotStore`.
//! * It does not decide again what is ambiguous: see [`AppendError`](ministate::shared::AppendError).
//! * It does not find nodes by itself: name all of them in [`EtcdOptions::new`].
//! * It does not watch over etcd: the README says what to be alarmed by, and what to do with an etcd that is
//!   lost.
//!
//! # To build it
//!
//! etcd-client needs `protoc` and the well-known protos: `apt-get install protobuf-compiler
//! libprotobuf-dev`.
//!
//! # Features
//!
//! * `tls`: connections over TLS, see `EtcdOptions::tls`.
//! * `tls-roots`: over TLS, the certificates that the system trusts, see `EtcdOptions::tls_roots`.

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

/// The examples of the README compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
