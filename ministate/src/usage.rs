//! Which operations does a journal hold, and which of a program's old versions can go?

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::error::{MiniStateError, Position, operation_name};
use crate::journal::{Names, Opened, Through};
use crate::record::{Member, Record, Seq};
use crate::schema::Schema;
use crate::snapshot;
use crate::storage::Storage;

/// What the files of a journal hold, from [`StateManager::usage`](crate::StateManager::usage).
///
/// What compaction has put away, and backups, are not among them.
///
/// ```
/// # use ministate::{Mutations, Options};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Default, Serialize, Deserialize)]
/// # struct Bank { cents: u64 }
/// # #[derive(Clone, Serialize, Deserialize, Mutations)]
/// # #[mutations(state = Bank)]
/// # enum BankOp { Deposit { cents: u64 }, Empty }
/// # impl Bank {
/// #     fn deposit(&mut self, cents: u64) { self.cents += cents }
/// #     fn empty(&mut self) { self.cents = 0 }
/// # }
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let dir = dir.path();
/// let bank = Options::new().blocking_open::<Bank, BankOp>(dir, "bank.wal.jsonl")?;
/// bank.blocking_apply(BankOp::Deposit { cents: 500 })?;
/// let usage = bank.blocking_usage()?;
/// let deposits = usage.operations.iter().find(|operation| operation.name == "deposit");
/// assert_eq!(deposits.map(|operation| operation.mutations), Some(1));
/// assert_eq!(usage.states, [1]);
/// assert!(usage.unneeded.is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// The operations in the order of their names and versions; empty for a mutator written by
    /// hand.
    pub operations: Vec<OperationUsage>,
    /// The versions of the state in the snapshots, ascending; a damaged snapshot has none.
    pub states: Vec<u32>,
    /// What the program can read, and this journal does not need: `deposit@1`, or `version 1 of
    /// the state`. The program does not write it, no record holds it, and no segment was begun by
    /// a program that wrote it, nor anything older. Its types and conversions are no longer needed
    /// for this directory.
    pub unneeded: Vec<String>,
}

/// How often an operation occurs in one version.
///
/// ```
/// # use ministate::{Mutations, Options};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Default, Serialize, Deserialize)]
/// # struct Bank { cents: u64 }
/// # #[derive(Clone, Serialize, Deserialize, Mutations)]
/// # #[mutations(state = Bank)]
/// # enum BankOp { Deposit { cents: u64 }, Empty }
/// # impl Bank {
/// #     fn deposit(&mut self, cents: u64) { self.cents += cents }
/// #     fn empty(&mut self) { self.cents = 0 }
/// # }
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let dir = dir.path();
/// let bank = Options::new().blocking_open::<Bank, BankOp>(dir, "bank.wal.jsonl")?;
/// bank.blocking_apply(BankOp::Deposit { cents: 500 })?;
/// bank.blocking_apply(BankOp::Deposit { cents: 20 })?;
/// let deposits = &bank.blocking_usage()?.operations[0];
/// assert_eq!((deposits.name.as_str(), deposits.version), ("deposit", 1));
/// assert_eq!((deposits.mutations, deposits.first, deposits.last), (2, Some(1), Some(2)));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OperationUsage {
    /// The tag.
    pub name: String,
    /// The version.
    pub version: u32,
    /// How many mutations there are.
    pub mutations: u64,
    /// The first of them; `None` where a program said that it would write some, and did not.
    pub first: Option<u64>,
    /// The last of them.
    pub last: Option<u64>,
}

/// Counts what the journal holds through `last`, which is durable.
pub(crate) fn count(
    storage: &Arc<dyn Storage>,
    names: &Names,
    schema: &Schema,
    last: Seq,
) -> Result<Usage, MiniStateError> {
    let opened = Opened::live(storage, names)?;
    let beginning = opened.beginning();
    let mut found: BTreeMap<(String, u32), OperationUsage> = BTreeMap::new();
    for (_, header) in opened.headers_behind(&beginning) {
        for (name, version) in &header.ops {
            entry(&mut found, name, *version);
        }
    }
    // One that cannot be read is of no use to recovery either.
    let mut states: Vec<u32> = opened
        .snapshots()
        .filter_map(|(_, path)| snapshot::version(&**storage, path).ok())
        .collect();
    states.sort_unstable();
    states.dedup();
    let mut visit = |record: &Record<'_>, at: &Position| {
        for (seq, member) in (record.head.seq..).zip(record.members()) {
            let tag = match member.ok_or_else(|| MiniStateError::malformed(at.clone(), seq))? {
                Member::Applied((tag, _)) => tag,
                // Nobody decodes it, so nobody needs its operation.
                Member::Void(..) => None,
            };
            let Some((name, version)) = tag else { continue };
            let usage = entry(&mut found, name, version);
            usage.mutations += 1;
            usage.first.get_or_insert(seq);
            usage.last = Some(seq);
        }
        Ok(ControlFlow::Continue(()))
    };
    // Compaction may have put away `last` before the files were opened.
    let through = Through::Seq(last.max(beginning.seq));
    opened.read(&beginning, through, &mut visit)?;
    let unneeded = unneeded(schema, &found, &states);
    Ok(Usage { operations: found.into_values().collect(), states, unneeded })
}

fn entry<'a>(
    found: &'a mut BTreeMap<(String, u32), OperationUsage>,
    name: &str,
    version: u32,
) -> &'a mut OperationUsage {
    let unused = || OperationUsage {
        name: name.to_string(),
        version,
        mutations: 0,
        first: None,
        last: None,
    };
    found.entry((name.to_string(), version)).or_insert_with(unused)
}

fn unneeded(
    schema: &Schema,
    found: &BTreeMap<(String, u32), OperationUsage>,
    states: &[u32],
) -> Vec<String> {
    let written = |name: &str, version: u32| {
        schema.operations.iter().any(|tag| (tag.name, tag.version) == (name, version))
    };
    let mut unneeded = Vec::new();
    for known in schema.readable {
        // What is read hop by hop needs every newer type, so only the oldest ones can go.
        let is_unused = |version: &u32| {
            let key = (known.name.to_string(), *version);
            !written(known.name, *version) && !found.contains_key(&key)
        };
        let oldest = (known.oldest..=known.newest).take_while(is_unused);
        unneeded.extend(oldest.map(|version| operation_name((known.name, version))));
    }
    unneeded.sort();
    let old_states = schema.oldest_state..schema.state;
    let unused = old_states.take_while(|version| !states.contains(version));
    unneeded.extend(unused.map(|version| format!("version {version} of the state")));
    unneeded
}
