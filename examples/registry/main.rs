//! A registry of components that survives `kill -9`, fed with a `Cargo.lock`:
//!
//! ```sh
//! cargo run --example registry -- Cargo.lock [--state DIR]
//! ```
//!
//! The registry is a plain struct in memory. A change to it is a line of the journal, on the disk,
//! before anybody sees it: a run that was killed left nothing half done, and the next completes it.

#![expect(clippy::disallowed_methods, reason = "an example reads its input from the disk")]

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{env, fmt, fs, io};

use ministate::{MiniStateError, Mutations, Operation, Recovery, StateManager};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

// The state, and what can happen to it.

/// By name, then by version: a lock file can hold several versions of one package.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Registry {
    components: BTreeMap<String, BTreeMap<String, Component>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Component {
    source: Option<String>,
    checksum: Option<String>,
}

/// Whoever registers gets an answer, so `Register` is a type with an output of its own. Withdrawing
/// has none: it calls the method of that name on the state.
#[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
#[mutations(state = Registry)]
enum RegistryOp {
    Register(Register),
    Withdraw { name: String, version: String },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Register {
    name: String,
    version: String,
    component: Component,
}

#[derive(Debug, PartialEq, Eq)]
enum Registered {
    New,
    Updated { from: Component },
    Unchanged,
}

impl Operation<Registry> for Register {
    type Output = Registered;

    fn execute(self, registry: &mut Registry) -> Registered {
        let Register { name, version, component } = self;
        match registry.components.entry(name).or_default().entry(version) {
            Entry::Vacant(place) => {
                place.insert(component);
                Registered::New
            }
            Entry::Occupied(place) if *place.get() == component => Registered::Unchanged,
            Entry::Occupied(mut place) => Registered::Updated { from: place.insert(component) },
        }
    }
}

impl Registry {
    #[expect(clippy::needless_pass_by_value, reason = "an operation hands over its fields")]
    fn withdraw(&mut self, name: String, version: String) {
        if let Entry::Occupied(mut versions) = self.components.entry(name) {
            versions.get_mut().remove(&version);
            if versions.get().is_empty() {
                versions.remove();
            }
        }
    }

    fn get(&self, (name, version): &PackageId) -> Option<&Component> {
        self.components.get(name)?.get(version)
    }

    fn ids(&self) -> impl Iterator<Item = PackageId> {
        self.components.iter().flat_map(|(name, versions)| {
            versions.keys().map(|version| (name.clone(), version.clone()))
        })
    }
}

// One run: make the registry hold what the lock file says.

type Manager = StateManager<Registry, RegistryOp>;
type PackageId = (String, String);
type Packages = BTreeMap<PackageId, Component>;

async fn run(lock_file: &Path, state_dir: &Path) -> Result<Report, Error> {
    // First of all, so that a mistyped name leaves no empty registry behind.
    let packages = read_packages(lock_file)?;

    let manager = Arc::new(Manager::open(state_dir, "registry.wal.jsonl").await?);
    let (before, started) = (manager.sequence(), Instant::now());
    let changes = catch_up(&manager, packages).await?;
    let report = Report {
        changes,
        written: manager.sequence() - before,
        took: started.elapsed(),
        components: manager.read(|registry| registry.components.clone()),
        recovery: manager.recovery().clone(),
        journal: manager.journal_path().to_path_buf(),
    };
    // All of it is durable already. Closing marks the journal's end, and says what `drop` cannot.
    manager.close().await?;
    Ok(report)
}

async fn catch_up(manager: &Arc<Manager>, packages: Packages) -> Result<Changes, MiniStateError> {
    // Looking is free. An operation is journaled even if its handler finds nothing to do.
    let (new_or_changed, vanished) = manager.read(|registry| {
        let vanished: Vec<_> = registry.ids().filter(|id| !packages.contains_key(id)).collect();
        let mut new_or_changed = packages;
        new_or_changed.retain(|id, component| registry.get(id) != Some(component));
        (new_or_changed, vanished)
    });

    // All at once: those that come while the disk syncs share the next sync. One after the other,
    // each would wait for a sync of its own. The journal shows it: `b` is a record's place in its
    // batch.
    let mut tasks = JoinSet::new();
    for ((name, version), component) in new_or_changed {
        let manager = Arc::clone(manager);
        tasks.spawn(async move {
            let id = (name.clone(), version.clone());
            let applied = manager.execute(Register { name, version, component }).await?;
            Ok((id, Change::Registered(applied.output)))
        });
    }
    for (name, version) in vanished {
        let manager = Arc::clone(manager);
        tasks.spawn(async move {
            let id = (name.clone(), version.clone());
            manager.apply(RegistryOp::Withdraw { name, version }).await?;
            Ok((id, Change::Withdrawn))
        });
    }
    tasks.join_all().await.into_iter().collect()
}

/// The part of a `Cargo.lock` that matters here. Not the journal's types: either may change alone.
#[derive(Deserialize)]
struct LockFile {
    package: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    source: Option<String>,
    checksum: Option<String>,
}

fn read_packages(path: &Path) -> Result<Packages, Error> {
    let text = fs::read_to_string(path)
        .map_err(|source| Error::Unreadable { path: path.to_path_buf(), source })?;
    let lock_file: LockFile = toml::from_str(&text)
        .map_err(|source| Error::NotALockFile { path: path.to_path_buf(), source })?;
    let mut packages = Packages::new();
    for Package { name, version, source, checksum } in lock_file.package {
        match packages.entry((name, version)) {
            Entry::Vacant(place) => {
                place.insert(Component { source, checksum });
            }
            // Cargo allows it where the sources differ.
            Entry::Occupied(place) => {
                let (name, version) = place.key().clone();
                return Err(Error::Twice { path: path.to_path_buf(), name, version });
            }
        }
    }
    Ok(packages)
}

// What came of it.

type Changes = BTreeMap<PackageId, Change>;

#[derive(Debug, PartialEq, Eq)]
enum Change {
    Registered(Registered),
    Withdrawn,
}

#[derive(Debug)]
struct Report {
    changes: Changes,
    written: u64,
    took: Duration,
    components: BTreeMap<String, BTreeMap<String, Component>>,
    recovery: Recovery,
    journal: PathBuf,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { changes, written, took, components, recovery, journal } = self;
        let (mut new, mut updated, mut withdrawn) = (0, 0, 0);
        for ((name, version), change) in changes {
            match change {
                Change::Registered(Registered::New) => {
                    new += 1;
                    writeln!(f, "+ {name} {version}")?;
                }
                Change::Registered(Registered::Updated { from }) => {
                    updated += 1;
                    let now = &components[name][version];
                    let (what, was, is) = if from.source == now.source {
                        ("checksum", &from.checksum, &now.checksum)
                    } else {
                        ("source", &from.source, &now.source)
                    };
                    let (was, is) =
                        (was.as_deref().unwrap_or("none"), is.as_deref().unwrap_or("none"));
                    writeln!(f, "~ {name} {version}: {what} was {was}, is {is}")?;
                }
                Change::Registered(Registered::Unchanged) => {}
                Change::Withdrawn => {
                    withdrawn += 1;
                    writeln!(f, "- {name} {version}")?;
                }
            }
        }
        writeln!(f, "{new} new, {updated} updated, {withdrawn} withdrawn since the last run\n")?;

        let count: usize = components.values().map(BTreeMap::len).sum();
        writeln!(f, "in the registry: {count}")?;
        for (name, versions) in components {
            let versions: Vec<_> = versions.keys().map(String::as_str).collect();
            writeln!(f, "  {name} {}", versions.join(", "))?;
        }

        if recovery.created {
            writeln!(f, "\nmutations recovered: none, the journal is new")?;
        } else {
            let Recovery { replayed, duration, was_closed, .. } = recovery;
            let cut_short = if *was_closed { "" } else { ", the last run was cut short" };
            writeln!(f, "\nmutations recovered: {replayed} in {duration:.1?}{cut_short}")?;
        }
        if let Some(torn) = &recovery.torn_tail {
            let (bytes, after, kept_in) = (torn.bytes, torn.after, torn.kept_in.display());
            writeln!(
                f,
                "  a crash left {bytes} bytes of unfinished writes behind mutation {after}: \
                 cut off, and kept in {kept_in}"
            )?;
        }
        writeln!(f, "mutations written: {written} in {took:.1?}")?;
        let journal = journal.display();
        writeln!(f, "journal: {journal}")?;
        writeln!(f, "  jq -c 'select(.op) | [.seq, .op, .d.name, .d.version]' '{journal}'")
    }
}

#[derive(Debug)]
enum Error {
    Usage(String),
    Unreadable { path: PathBuf, source: io::Error },
    NotALockFile { path: PathBuf, source: toml::de::Error },
    Twice { path: PathBuf, name: String, version: String },
    Journal(MiniStateError),
}

impl From<MiniStateError> for Error {
    fn from(error: MiniStateError) -> Self {
        Error::Journal(error)
    }
}

/// One line, which ends with the remedy.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Usage(what) => write!(f, "{what}; usage: registry CARGO_LOCK [--state DIR]"),
            Error::Unreadable { path, source } => {
                write!(f, "cannot read {} ({source}); name a Cargo.lock", path.display())
            }
            Error::NotALockFile { path, source } => {
                let what = source.message().lines().next().unwrap_or("no TOML");
                write!(f, "{} is not a lock file ({what}); name a Cargo.lock", path.display())
            }
            Error::Twice { path, name, version } => write!(
                f,
                "{} has {name} {version} from two sources, and this registry keeps one; \
                 make them agree",
                path.display()
            ),
            Error::Journal(error) => write!(f, "{error:#}"),
        }
    }
}

impl std::error::Error for Error {}

#[tokio::main]
async fn main() -> ExitCode {
    let result = match parse_arguments(env::args_os().skip(1)) {
        Ok((lock_file, state_dir)) => run(&lock_file, &state_dir).await,
        Err(error) => Err(error),
    };
    match result {
        Ok(report) => match write!(io::stdout(), "{report}") {
            Ok(()) => ExitCode::SUCCESS,
            // Whoever read it has seen enough: `| head`.
            Err(_) => ExitCode::FAILURE,
        },
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn parse_arguments(
    mut arguments: impl Iterator<Item = OsString>,
) -> Result<(PathBuf, PathBuf), Error> {
    let mut lock_file = None;
    let mut state_dir = PathBuf::from("target/registry");
    while let Some(argument) = arguments.next() {
        if argument == "--state" {
            let dir = arguments.next();
            state_dir =
                dir.ok_or_else(|| Error::Usage("--state names no directory".into()))?.into();
        } else if argument.as_encoded_bytes().starts_with(b"-") || lock_file.is_some() {
            return Err(Error::Usage(format!("unexpected argument {}", argument.display())));
        } else {
            lock_file = Some(PathBuf::from(argument));
        }
    }
    match lock_file {
        Some(lock_file) => Ok((lock_file, state_dir)),
        None => Err(Error::Usage("no lock file is named".into())),
    }
}

#[cfg(test)]
mod tests;
