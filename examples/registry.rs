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
mod tests {
    use std::process::{Command, Stdio};
    use std::thread;

    use super::*;

    /// A lock file and a state directory, as one user has them.
    struct Desk(tempfile::TempDir);

    impl Desk {
        fn new(packages: &[(&str, &str, &str)]) -> Self {
            let desk = Desk(tempfile::tempdir().unwrap());
            desk.lock(packages);
            desk
        }

        fn lock_file(&self) -> PathBuf {
            self.0.path().join("Cargo.lock")
        }

        fn state_dir(&self) -> PathBuf {
            self.0.path().join("state")
        }

        fn journal(&self) -> PathBuf {
            self.state_dir().join("registry.wal.jsonl")
        }

        /// Name, version and checksum of each package.
        fn lock(&self, packages: &[(&str, &str, &str)]) {
            let mut text = "version = 4\n".to_string();
            for (name, version, checksum) in packages {
                text += &format!(
                    "\n[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n\
                     source = \"registry\"\nchecksum = \"{checksum}\"\n"
                );
            }
            fs::write(self.lock_file(), text).unwrap();
        }

        async fn run(&self) -> Result<Report, Error> {
            run(&self.lock_file(), &self.state_dir()).await
        }
    }

    fn id(name: &str, version: &str) -> PackageId {
        (name.to_string(), version.to_string())
    }

    fn new() -> Change {
        Change::Registered(Registered::New)
    }

    #[tokio::test]
    async fn the_first_run_registers_every_package() {
        let desk =
            Desk::new(&[("serde", "1.0.0", "aa"), ("syn", "1.0.0", "bb"), ("syn", "2.0.0", "cc")]);
        let report = desk.run().await.unwrap();
        let expected = [
            (id("serde", "1.0.0"), new()),
            (id("syn", "1.0.0"), new()),
            (id("syn", "2.0.0"), new()),
        ];
        assert_eq!(report.changes, BTreeMap::from(expected));
        assert_eq!(report.components["syn"].len(), 2);
        assert!(report.recovery.created);
        assert_eq!(report.written, 3);
        assert!(report.to_string().contains("\n  syn 1.0.0, 2.0.0\n"), "{report}");
    }

    #[tokio::test]
    async fn the_second_run_writes_nothing() {
        let desk = Desk::new(&[("serde", "1.0.0", "aa"), ("syn", "2.0.0", "cc")]);
        let first = desk.run().await.unwrap();
        let journal = fs::read(desk.journal()).unwrap();

        let second = desk.run().await.unwrap();
        assert_eq!((second.changes.len(), second.written), (0, 0));
        assert_eq!(second.recovery.replayed, 2);
        assert_eq!(second.components, first.components);
        assert_eq!(fs::read(desk.journal()).unwrap(), journal);
    }

    #[tokio::test]
    async fn a_changed_lock_file_shows_what_is_new_updated_and_withdrawn() {
        let desk =
            Desk::new(&[("serde", "1.0.0", "aa"), ("syn", "1.0.0", "bb"), ("toml", "1.0.0", "cc")]);
        desk.run().await.unwrap();

        desk.lock(&[("serde", "1.0.0", "a2"), ("syn", "2.0.0", "dd"), ("toml", "1.0.0", "cc")]);
        let report = desk.run().await.unwrap();
        let from = Component { source: Some("registry".into()), checksum: Some("aa".into()) };
        let expected = [
            (id("serde", "1.0.0"), Change::Registered(Registered::Updated { from })),
            (id("syn", "1.0.0"), Change::Withdrawn),
            (id("syn", "2.0.0"), new()),
        ];
        assert_eq!(report.changes, BTreeMap::from(expected));
        assert_eq!(report.written, 3);
        let text = report.to_string();
        assert!(text.starts_with(
            "~ serde 1.0.0: checksum was aa, is a2\n\
             - syn 1.0.0\n\
             + syn 2.0.0\n\
             1 new, 1 updated, 1 withdrawn since the last run\n"
        ));
        assert_eq!(desk.run().await.unwrap().components, report.components);
    }

    #[tokio::test]
    async fn a_package_that_vanished_takes_its_name_along() {
        let desk = Desk::new(&[("serde", "1.0.0", "aa"), ("syn", "1.0.0", "bb")]);
        desk.run().await.unwrap();
        desk.lock(&[("serde", "1.0.0", "aa")]);
        assert!(!desk.run().await.unwrap().components.contains_key("syn"));
    }

    #[tokio::test]
    async fn what_a_crash_left_of_a_write_is_cut_and_named() {
        let desk = Desk::new(&[("serde", "1.0.0", "aa")]);
        let manager = Manager::open(desk.state_dir(), "registry.wal.jsonl").await.unwrap();
        let component = Component { source: Some("registry".into()), checksum: Some("aa".into()) };
        let (name, version) = id("serde", "1.0.0");
        manager.execute(Register { name, version, component }).await.unwrap();
        drop(manager);
        let written = fs::read_to_string(desk.journal()).unwrap();
        fs::write(desk.journal(), format!("{}\n{{\"seq\":2,\"at", written.trim_end())).unwrap();

        let report = desk.run().await.unwrap();
        assert_eq!((report.recovery.replayed, report.written), (1, 0));
        assert!(
            report
                .to_string()
                .contains("a crash left 12 bytes of unfinished writes behind mutation 1: "),
            "{report}"
        );
    }

    #[tokio::test]
    async fn whatever_goes_wrong_is_said_in_one_line_with_its_remedy() {
        let desk = Desk::new(&[]);
        let message = async || {
            desk.run()
                .await
                .unwrap_err()
                .to_string()
                .replace(desk.0.path().to_str().unwrap(), "DESK")
        };

        fs::write(desk.lock_file(), "[package]\nname = \"app\"\n").unwrap();
        assert_eq!(
            message().await,
            "DESK/Cargo.lock is not a lock file (invalid type: map, expected a sequence); \
             name a Cargo.lock"
        );
        fs::write(desk.lock_file(), "").unwrap();
        assert_eq!(
            message().await,
            "DESK/Cargo.lock is not a lock file (missing field `package`); name a Cargo.lock"
        );
        desk.lock(&[("serde", "1.0.0", "aa"), ("serde", "1.0.0", "bb")]);
        assert_eq!(
            message().await,
            "DESK/Cargo.lock has serde 1.0.0 from two sources, and this registry keeps one; \
             make them agree"
        );
        fs::remove_file(desk.lock_file()).unwrap();
        let gone = io::Error::from_raw_os_error(2);
        assert_eq!(
            message().await,
            format!("cannot read DESK/Cargo.lock ({gone}); name a Cargo.lock")
        );
        assert!(!desk.state_dir().exists(), "a mistyped name leaves no registry behind");

        desk.lock(&[("serde", "1.0.0", "aa")]);
        let first = Manager::open(desk.state_dir(), "registry.wal.jsonl").await.unwrap();
        let second = message().await;
        assert!(second.ends_with("close it there first"), "{second}");
        assert!(!second.contains('\n'), "{second}");
        drop(first);

        let arguments = ["Cargo.lock", "--state"].map(OsString::from).into_iter();
        let error = parse_arguments(arguments).unwrap_err();
        assert_eq!(
            error.to_string(),
            "--state names no directory; usage: registry CARGO_LOCK [--state DIR]"
        );
    }

    const PACKAGES: u64 = 5_000;
    const DESK_OF_CHILD: &str = "REGISTRY_DESK_OF_CHILD";

    #[tokio::test]
    async fn a_killed_run_is_completed_by_the_next() {
        let packages: Vec<_> = (0..PACKAGES).map(|n| format!("package-{n}")).collect();
        let packages: Vec<_> = packages.iter().map(|name| (name.as_str(), "1.0.0", "aa")).collect();
        let whole = Desk::new(&packages);
        let report = whole.run().await.unwrap();
        let whole_bytes = fs::metadata(whole.journal()).unwrap().len();

        let mut interrupted = 0;
        for eighth in 0..8 {
            let desk = Desk::new(&packages);
            let mut child = Command::new(env::current_exe().unwrap())
                .args(["--exact", "tests::child", "--ignored"])
                .env(DESK_OF_CHILD, desk.0.path())
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            let reached = |bytes| fs::metadata(desk.journal()).is_ok_and(|file| file.len() > bytes);
            while !reached(whole_bytes * eighth / 8) && child.try_wait().unwrap().is_none() {
                thread::sleep(Duration::from_micros(100));
            }
            // On Unix this is `kill -9`.
            child.kill().unwrap();
            child.wait().unwrap();

            let next = desk.run().await.unwrap();
            assert_eq!(next.components, report.components);
            assert_eq!(next.recovery.replayed + next.written, PACKAGES, "each exactly once");
            interrupted += u32::from((1..PACKAGES).contains(&next.recovery.replayed));
            assert_eq!(desk.run().await.unwrap().written, 0);
        }
        assert!(interrupted > 0, "no child was killed in the middle");
    }

    #[tokio::test]
    #[ignore = "the child that `a_killed_run_is_completed_by_the_next` kills"]
    async fn child() {
        if let Some(desk) = env::var_os(DESK_OF_CHILD) {
            let desk = Path::new(&desk);
            run(&desk.join("Cargo.lock"), &desk.join("state")).await.unwrap();
        }
    }
}
