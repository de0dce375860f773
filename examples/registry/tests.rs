//! Does the registry hold what the lock file says, and does a run that was killed lose nothing?

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
    let expected =
        [(id("serde", "1.0.0"), new()), (id("syn", "1.0.0"), new()), (id("syn", "2.0.0"), new())];
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
        desk.run().await.unwrap_err().to_string().replace(desk.0.path().to_str().unwrap(), "DESK")
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
    assert_eq!(message().await, format!("cannot read DESK/Cargo.lock ({gone}); name a Cargo.lock"));
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
