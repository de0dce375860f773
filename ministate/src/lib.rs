//! Application state in memory, every change to it in a durable, human-readable journal.
//!
//! An application has a state, a plain struct, and an enum of the operations that change it.
//! `#[derive(Mutations)]` makes the enum a [`Mutator`] whose values have a name and a version in
//! the journal. [`StateManager::apply`] writes a mutation to the journal, syncs it, and only then
//! applies it to the state in memory; [`StateManager::open`] replays the journal.
//!
//! ```
//! use std::collections::BTreeMap;
//!
//! use ministate::{Mutations, StateManager};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Default, Serialize, Deserialize)]
//! struct Bank {
//!     cents: BTreeMap<String, u64>,
//! }
//!
//! #[derive(Clone, Serialize, Deserialize, Mutations)]
//! #[mutations(state = Bank)]
//! enum BankOp {
//!     Deposit { account: String, cents: u64 },
//!     Close { account: String },
//! }
//!
//! // The handlers: methods with the names of the variants, and their fields as arguments.
//! impl Bank {
//!     fn deposit(&mut self, account: String, cents: u64) {
//!         *self.cents.entry(account).or_default() += cents;
//!     }
//!
//!     fn close(&mut self, account: String) {
//!         self.cents.remove(&account);
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # let dir = dir.path();
//! let bank = StateManager::<Bank, BankOp>::open(dir, "bank.wal.jsonl").await?;
//! bank.apply(BankOp::Deposit { account: "alice".into(), cents: 500 }).await?;
//! assert_eq!(bank.read(|bank| bank.cents["alice"]), 500);
//! bank.close().await?;
//!
//! let bank = StateManager::<Bank, BankOp>::open(dir, "bank.wal.jsonl").await?;
//! assert_eq!(bank.recovery().replayed, 1);
//! assert_eq!(bank.read(|bank| bank.cents["alice"]), 500);
//! # Ok(())
//! # }
//! ```
//!
//! # What `Ok` means
//!
//! The record is on stable storage, and readers see its effect. After a crash at any moment an
//! acknowledged mutation is there once, in order; one that was not acknowledged is wholly there or
//! wholly absent. What the disk must do for it is said in [`storage::Storage`]; why it holds, and how it
//! is checked, in [`_documentation::reliability`].
//!
//! # What to call
//!
//! | for | call |
//! |---|---|
//! | one change | [`apply`](StateManager::apply) |
//! | several changes, all or nothing | [`apply_batch`](StateManager::apply_batch) |
//! | a change with a result | [`execute`](StateManager::execute) with an [`Operation`] |
//! | looking at the state | [`read`](StateManager::read), or [`snapshot`](StateManager::snapshot) for a clone |
//! | choices | [`Options`] |
//! | what the start found | [`recovery`](StateManager::recovery) |
//! | a faster next start | [`create_snapshot`](StateManager::create_snapshot) |
//! | proof that the journal replays to the state | [`verify_replay`](StateManager::verify_replay) |
//! | snapshots and compaction by themselves | [`Options::snapshot_every`] |
//! | which old versions are still needed | [`usage`](StateManager::usage) |
//! | less on the disk | [`compact`](StateManager::compact) |
//! | a copy elsewhere | [`backup`](StateManager::backup), or [`necessary_files`](StateManager::necessary_files) for a tool |
//! | a look at a journal that another process writes | [`Options::read_only`] |
//! | every change, as it becomes durable | [`subscribe`](StateManager::subscribe) |
//! | the state in another process, kept up to date | [`Follower`] |
//! | the state as it was after a mutation | [`state_at`](StateManager::state_at) |
//! | whether it still takes mutations | [`journal_status`](StateManager::journal_status) |
//! | the same state on several machines | `shared::SharedManager` (feature `shared`) |
//! | figures and events for an operator | the features `metrics` and `tracing` |
//! | the end | [`close`](StateManager::close) |
//! | tests of your handlers and your state | `testing` (feature `testing`) |
//!
//! Each asynchronous call that can wait has a `blocking_` twin for threads without a runtime, but for
//! those of `shared`; those of `open` are [`Options::blocking_open`] and [`Options::blocking_follow`].
//!
//! # Where the idea comes from
//!
//! System prevalence (Prevayler, acid-state): the state is in memory, its changes are logged as
//! commands, handlers are deterministic. The journal is a write-ahead log with group commit. Its
//! format is in [`_documentation::format`]. The [guide](_documentation::guide) goes from the concepts to
//! types that change over the years, with a chapter for each step.
//!
//! # Features
//!
//! - `snapshot`: for programs of ministate 0.1, which needed it for snapshots. They are always there
//!   now; it adds the name that 0.1 had for [`open`](StateManager::open), and nothing else.
//! - `testing`: for your tests. The module `testing` finds handlers that are not deterministic and
//!   states that a crash would change, replays directories of older releases, and has a manager in
//!   memory; `storage::Simulated` is a disk in memory whose power can be cut.
//! - `tracing`: spans of openings, commits, snapshots, compactions and backups, and events for what an
//!   operator should know, by the crate [`tracing`](https://docs.rs/tracing) with the target
//!   `ministate`.
//! - `metrics`: sync latency, batches, failures and the like, by the crate
//!   [`metrics`](https://docs.rs/metrics). Their names are constants in the module `metrics` of this
//!   crate.
//!
//! - `shared`: one state on several machines, whose journal an engine such as etcd keeps, by the crate
//!   `ministate-etcd`. The [guide](_documentation::guide#several-machines) begins there.
//!
//! What `tracing` and `metrics` tell, and what to be alarmed by, is in the
//! [guide](_documentation::guide#watching-it). Neither tells what a mutation holds.

// What is published says what it is, how it fails and when it panics, or it is not published.
#![deny(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)]

// From what users see to what the disk sees.
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "shared")]
pub mod shared;
#[cfg(feature = "snapshot")]
mod former;
mod follower;
mod manager;
mod options;
mod mutation;
mod feed;
mod read_only;
mod commit;
mod import;
mod upkeep;
mod backup;
mod rhythm;
mod compaction;
mod usage;
mod recovery;
mod schema_lock;
mod snapshot;
mod journal;
mod record;
mod fidelity;
mod unsayable;
mod schema;
mod json;
mod observation;
mod error;
pub mod storage;
mod sync;
#[cfg_attr(
    not(feature = "planted-bugs"),
    expect(dead_code, unreachable_pub, reason = "nobody plants any")
)]
mod planted;

pub use backup::Backup;
pub use compaction::{Compaction, Disposal};
pub use error::{MiniStateError, Position, Refusal, RejectedSnapshot};
pub use feed::{Change, Subscription};
pub use fidelity::Fidelity;
pub use follower::{Follower, FollowerStatus, NotPromoted, Reload};
pub use manager::{Applied, JournalStatus, StateManager};
/// ```
/// use ministate::{Mutations, Mutator};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Default)]
/// struct Bank {
///     cents: u64,
///     memos: Vec<String>,
/// }
///
/// #[derive(Clone, Serialize, Deserialize, Mutations)]
/// #[mutations(state = Bank, retired(tag = "audit", versions = 1..=1, drop))]
/// enum BankOp {
///     // Version 1 counted in whole units and had no memo. Its records are still read.
///     #[mutation(version = 2, from(1 = DepositV1))]
///     Deposit { cents: u64, memo: String },
///     #[mutation(tag = "empty", alias("reset"), apply = Bank::clear)]
///     Empty,
/// }
///
/// #[derive(Deserialize)]
/// struct DepositV1 {
///     units: u64,
/// }
///
/// impl From<DepositV1> for BankOp {
///     fn from(old: DepositV1) -> Self {
///         BankOp::Deposit { cents: old.units * 100, memo: String::new() }
///     }
/// }
///
/// impl Bank {
///     fn deposit(&mut self, cents: u64, memo: String) {
///         self.cents += cents;
///         self.memos.push(memo);
///     }
///
///     fn clear(&mut self) {
///         *self = Bank::default();
///     }
/// }
///
/// let mut bank = Bank::default();
/// BankOp::Deposit { cents: 5, memo: "lunch".into() }.apply(&mut bank);
/// BankOp::from(DepositV1 { units: 2 }).apply(&mut bank);
/// assert_eq!(bank.cents, 205);
/// ```
pub use ministate_derive::Mutations;
pub use mutation::{Accepts, Mutator, Operation};
#[cfg(feature = "metrics")]
pub use observation::names as metrics;
pub use options::Options;
pub use read_only::ReadOnly;
pub use recovery::{Imported, Progress, Recovery, TornTail};
pub use rhythm::SnapshotEvery;
#[cfg(shuttled)]
pub use sync::model;
pub use usage::{OperationUsage, Usage};

/// Documents that belong to the crate, for reading.
pub mod _documentation {
    #[doc = include_str!("../docs/guide.md")]
    pub mod guide {}
    #[doc = include_str!("../docs/format.md")]
    pub mod format {}
    #[doc = include_str!("../docs/reliability.md")]
    pub mod reliability {}
    #[doc = include_str!("../docs/performance.md")]
    pub mod performance {}
}

/// What the `ministate` command uses. Not for anybody else: it changes without notice.
#[cfg(feature = "inspect")]
#[doc(hidden)]
pub mod inspect;

/// What the derive's generated code and the benches use. Not for anybody else: it changes without
/// notice.
#[doc(hidden)]
pub mod __private {
    pub use crate::mutation::{Reply, execute};
    #[cfg(feature = "planted-bugs")]
    pub use crate::planted::{Bug, planted_now, with_bug};
    pub use crate::recovery::decode_records;
    pub use crate::schema::{
        Data, DecodeError, IntoOutput, NoOutput, Readable, Schema, Tag, Upcast, Upcasted,
    };
    pub use crate::schema::{decode_content, no_output, try_upcasted, upcasted};
    pub use crate::schema_lock::{
        Content, Feeder, Handlers, Locked, OldState, Payload, SchemaLock, Taste, check, judge,
        taste,
    };
    pub use serde::de::DeserializeOwned;
    pub use serde_json::Error as EncodeError;
}
