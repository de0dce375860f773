//! Who takes part, and what can each be asked to do?

use std::path::Path;
use std::time::Duration;

use ministate_benches::peers::{Ours, Peer, Seed, write_seed};
use ministate_benches::readers::{self, Measured};
use ministate_benches::samples::Sample;
use ministate_benches::writers;

use crate::one::{self, Task};
use crate::peers::{fjall, lmdb, okaywal, raft_engine, redb, redis, sled, sqlite};
use crate::recovery::{self, Recovered};
use crate::{Outcome, bulk};

#[derive(Debug, Clone, Copy)]
pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    /// In the lock file.
    package: &'static str,
    pub(crate) applies: fn(usize, Duration, &Path) -> Outcome<Sample>,
    pub(crate) bulk: fn(Duration, &Path) -> Outcome<Sample>,
    /// Mutations in one of its calls.
    pub(crate) bulk_call: u64,
    pub(crate) reads: fn(Duration, &Path) -> Outcome<Measured>,
    pub(crate) fill: fn(&Path, u64, u64) -> Outcome<()>,
    pub(crate) recover: fn(&Path) -> Outcome<Recovered>,
    pub(crate) one: fn(&Task) -> Outcome<one::Done>,
}

pub(crate) const OURS: &str = "ours";
pub(crate) const SEED: &str = "seed";

const fn contestant<P: Peer>(name: &'static str, package: &'static str) -> Contestant {
    Contestant {
        name,
        package,
        applies: writers::measure::<P>,
        bulk: bulk::measure::<P>,
        bulk_call: bulk::BATCH,
        reads: readers::measure::<P>,
        fill: recovery::fill::<P>,
        recover: recovery::recover::<P>,
        one: one::work::<P>,
    }
}

/// Ours is the first.
const ALL: &[Contestant] = &[
    contestant::<Ours>(OURS, "ministate"),
    // It has no batches, and syncs each record by itself.
    Contestant {
        bulk: |measured, dir| writers::measure::<Seed>(1, measured, dir),
        bulk_call: 1,
        fill: write_seed,
        ..contestant::<Seed>(SEED, "ministate")
    },
    contestant::<okaywal::Okaywal>("okaywal", "okaywal"),
    contestant::<raft_engine::RaftEngine>("raft-engine", "raft-engine"),
    contestant::<redb::Redb>("redb", "redb"),
    contestant::<fjall::Fjall>("fjall", "fjall"),
    contestant::<sled::Sled>("sled", "sled"),
    contestant::<sqlite::Sqlite>("sqlite", "rusqlite"),
    contestant::<lmdb::Lmdb>("lmdb", "heed"),
    #[cfg(feature = "rocksdb")]
    contestant::<crate::peers::rocksdb::Rocksdb>("rocksdb", "librocksdb-sys"),
];

/// Has a table of its own, since half of it is another process.
pub(crate) const REDIS: Contestant = contestant::<redis::Redis>("redis", "redis");

pub(crate) fn all() -> Vec<Contestant> {
    ALL.to_vec()
}

pub(crate) fn named(name: &str) -> Option<Contestant> {
    ALL.iter().chain([&REDIS]).find(|contestant| contestant.name == name).copied()
}

/// Of all, as the lock file has them.
pub(crate) fn versions() -> String {
    let lock = include_str!("../Cargo.lock");
    let mut versions = Vec::new();
    for Contestant { name, package, .. } in ALL.iter().chain([&REDIS]) {
        let header = format!("name = \"{package}\"\nversion = \"");
        let found: Vec<&str> =
            lock.split(&header).skip(1).filter_map(|rest| rest.split('"').next()).collect();
        // Two versions of one package are ours and the seed.
        let version = match (*name, found.as_slice()) {
            (SEED, [first, _]) => first,
            (_, [.., last]) => last,
            (_, []) => "unknown",
        };
        let package = if name == package { String::new() } else { format!(" ({package})") };
        versions.push(format!("{name}{package} {version}"));
    }
    format!("peers:   {}", versions.join(", "))
}
