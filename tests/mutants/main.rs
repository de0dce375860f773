//! Which changes of the code does no test see? `cargo mutants` says what to change; all changes are
//! built at once, each behind a number, since building them one by one would take days.

#![expect(clippy::disallowed_methods, reason = "sources are real files")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

mod instrument;
mod tree;

use tree::{build, copy, refused_by_the_compiler, write_mutants};

/// One of the changes that `cargo mutants` proposes.
#[derive(Debug)]
pub(crate) struct Mutant {
    file: String,
    start: instrument::Place,
    end: instrument::Place,
    replacement: String,
    /// With the line, for people.
    name: String,
    /// Without it, for the list of those that are accepted.
    change: String,
}

/// Tests that run together, the quick ones first.
struct Stage {
    name: &'static str,
    binary: &'static str,
    /// All where it is empty.
    tests: &'static str,
    skipped: &'static str,
    /// With what the file of a mutant begins that the stage is for.
    files: &'static str,
}

/// What all mutants are in.
const ALL: &str = "ministate/src/";

/// Those that a busy machine fails by itself, or that say nothing of what a mutant does.
const NEVER: &str = "house:: misuse published_api real_kernel guide:: derive:: \
                     upkeep::a_snapshot_that_fails_by_itself";

/// Those that take longer than a second: the other stages.
const LATER: &str = "every_crash planted_bugs hostile_input commit_protocol power_cuts import:: \
                     fault_points a_flipped_bit_in_the_last backup:: survive_kill \
                     a_dropped_manager fidelity:: upcasting upkeep:: usage:: schema_";

const STAGES: [Stage; 8] = [
    Stage { name: "unit", binary: "ministate", tests: "", skipped: "", files: ALL },
    // To a model checker a deadlock is a failure; all others would wait for its end.
    Stage {
        name: "protocol",
        binary: "it",
        tests: "commit_protocol",
        skipped: "",
        files: "ministate/src/commit/",
    },
    Stage { name: "quick", binary: "it", tests: "", skipped: LATER, files: ALL },
    Stage {
        name: "crash",
        binary: "it",
        tests: "every_crash_leaves every_crash_of_an_import",
        skipped: "",
        files: ALL,
    },
    Stage { name: "hostile", binary: "it", tests: "hostile_input", skipped: "", files: ALL },
    Stage {
        name: "commit",
        binary: "it",
        tests: "commit_protocol power_cuts",
        skipped: "",
        files: ALL,
    },
    Stage {
        name: "rest",
        binary: "it",
        tests: "import:: fault_points a_flipped_bit_in_the_last backup:: survive_kill \
                a_dropped_manager fidelity:: upcasting upkeep:: usage:: schema_",
        skipped: "",
        files: ALL,
    },
    Stage { name: "damage", binary: "it", tests: "every_damage", skipped: "", files: ALL },
];

/// So many of the bounded tiers show most of what more of them show.
const BOUNDS: [(&str, &str); 5] = [
    ("MINISTATE_CRASH_STATES", "20000"),
    ("MINISTATE_CRASH_HISTORIES", "500"),
    ("MINISTATE_HOSTILE_INPUTS", "1000"),
    ("MINISTATE_KILL_ROUNDS", "3"),
    ("MINISTATE_SCHEMA_HISTORIES", "50"),
];

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().and_then(Path::parent);
    let root = root.expect("the package is in a workspace").to_path_buf();
    let work = std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
    let work = work.join("mutants");
    let mutants = list(&root);
    let (checked, tree) = (work.join("checked"), work.join("tree"));
    let mut unviable = BTreeSet::new();
    copy(&root, &checked);
    loop {
        write_mutants(&root, &checked, &mutants, &unviable);
        let refused = refused_by_the_compiler(&checked, &work);
        if refused.is_empty() {
            break;
        }
        unviable.extend(refused);
    }
    // Elsewhere, so that what did not change is not built again.
    copy(&root, &tree);
    let found = write_mutants(&root, &tree, &mutants, &unviable);
    eprintln!("{} mutants, {} of them built", mutants.len(), found.len());
    let binaries = build(&tree, &work);

    let results = work.join("results");
    let known: BTreeMap<String, String> = fs::read_to_string(&results)
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .map(|(result, name)| (name.to_string(), result.to_string()))
        .collect();
    let reasons = accepted(&root);
    let all = Mutex::new(known);
    let file = OpenOptions::new().create(true).append(true).open(&results);
    let file = Mutex::new(file.expect("the results can be written"));
    let remember = |result: String, mutant: &Mutant| {
        eprintln!("{result}: {}", mutant.name);
        writeln!(lock(&file), "{result}\t{}", mutant.name).expect("the results can be written");
        lock(&all).insert(mutant.name.clone(), result);
    };
    let wanted: Vec<(usize, &Mutant)> = (1..)
        .zip(&mutants)
        .filter(|(_, mutant)| {
            wanted.is_empty() || wanted.iter().any(|wanted| mutant.name.contains(wanted))
        })
        .collect();
    let is_known = |mutant: &Mutant| match lock(&all).get(&mutant.name).map(String::as_str) {
        // A test that is new may see it.
        Some("missed") => reasons.contains_key(&mutant.change),
        known => known.is_some(),
    };
    let mut todo = wanted.clone();
    todo.retain(|(number, mutant)| {
        if !is_known(mutant) && !found.contains(number) {
            remember("unviable".to_string(), mutant);
        }
        !is_known(mutant)
    });
    // All mutants in the quick stages first: few are left for the slow ones.
    for stage in &STAGES {
        let (tried, others): (Vec<_>, Vec<_>) =
            todo.into_iter().partition(|(_, mutant)| mutant.file.starts_with(stage.files));
        todo = others;
        if tried.is_empty() {
            continue;
        }
        let begun = Instant::now();
        let passes = run(stage, &binaries, &tree, 0, Duration::from_secs(1800));
        assert_eq!(passes, Outcome::Passed, "without a mutant, in {}", stage.name);
        let seconds = begun.elapsed().as_secs_f32();
        eprintln!("{} mutants in {}, {seconds:.1} s without one", tried.len(), stage.name);
        let limit = begun.elapsed() * 5 + Duration::from_secs(10);
        let (next, passed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        let work = || {
            while let Some(one) = tried.get(next.fetch_add(1, Ordering::Relaxed)) {
                let (number, mutant) = one;
                match run(stage, &binaries, &tree, *number, limit) {
                    Outcome::Passed => lock(&passed).push(*one),
                    Outcome::Failed(test) => {
                        remember(format!("caught by {}: {test}", stage.name), mutant);
                    }
                    Outcome::TimedOut => remember(format!("timeout in {}", stage.name), mutant),
                }
            }
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            for _ in 0..cores {
                scope.spawn(work);
            }
        });
        todo.extend(lock(&passed).drain(..));
    }
    for (_, mutant) in &todo {
        remember("missed".to_string(), mutant);
    }

    let stale =
        reasons.keys().filter(|change| mutants.iter().all(|mutant| mutant.change != **change));
    let stale: Vec<&String> = stale.collect();
    for change in &stale {
        println!("{change}\n    A REASON IS LISTED, BUT THERE IS NO SUCH CHANGE");
    }
    let all_explained = report(&reasons, &wanted, &lock(&all));
    if all_explained && stale.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().expect("no thread panics")
}

/// What `cargo mutants` would do to the files in its configuration.
fn list(root: &Path) -> Vec<Mutant> {
    let listed = Command::new("cargo")
        .args(["mutants", "--list", "--json"])
        .current_dir(root)
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo runs");
    assert!(listed.status.success(), "first: cargo install cargo-mutants --locked");
    let listed: Vec<Value> = serde_json::from_slice(&listed.stdout).expect("cargo mutants' JSON");
    let place = |place: &Value| {
        let number = |name: &str| place[name].as_u64().expect("a place") as usize;
        (number("line"), number("column"))
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let mutant = |mutant: &Value| {
        let (file, name) = (text(&mutant["file"]), text(&mutant["name"]));
        let position = name.splitn(4, ':').nth(3).unwrap_or_default();
        let change = format!("{file}:{position}");
        let span = &mutant["span"];
        let (start, end) = (place(&span["start"]), place(&span["end"]));
        Mutant { file, start, end, replacement: text(&mutant["replacement"]), name, change }
    };
    listed.iter().map(mutant).collect()
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Passed,
    /// The first test that failed.
    Failed(String),
    TimedOut,
}

fn run(
    stage: &Stage,
    binaries: &BTreeMap<String, PathBuf>,
    tree: &Path,
    number: usize,
    limit: Duration,
) -> Outcome {
    let package = if stage.binary == "it" { "tests" } else { stage.binary };
    let log = tree.with_file_name(format!("log.{number}"));
    let output = File::create(&log).expect("the log can be written");
    let skipped = [NEVER, stage.skipped].into_iter().flat_map(str::split_whitespace);
    let mut child = Command::new(&binaries[stage.binary])
        .args(["-Zunstable-options", "--fail-fast"])
        .args(stage.tests.split_whitespace())
        .args(skipped.map(|test| format!("--skip={test}")))
        .current_dir(tree.join(package))
        .env("MINISTATE_MUTANT", number.to_string())
        .env("RUST_BACKTRACE", "0")
        // For `--fail-fast`.
        .env("RUSTC_BOOTSTRAP", "1")
        .envs(BOUNDS)
        .stdout(output)
        .stderr(Stdio::null())
        .spawn()
        .expect("the tests run");
    let begun = Instant::now();
    let status = loop {
        match child.try_wait().expect("the tests can be waited for") {
            None if begun.elapsed() > limit => {
                child.kill().and_then(|()| child.wait()).expect("the tests can be stopped");
                break None;
            }
            None => std::thread::sleep(Duration::from_millis(20)),
            status => break status,
        }
    };
    let said = fs::read(&log).unwrap_or_default();
    fs::remove_file(&log).expect("the log can be removed");
    match status {
        None => Outcome::TimedOut,
        Some(status) if status.success() => Outcome::Passed,
        Some(_) => {
            let said = String::from_utf8_lossy(&said);
            let failed = said.lines().find_map(|line| {
                line.strip_prefix("test ")?.split_once(" ... FAILED").map(|(test, _)| test)
            });
            Outcome::Failed(failed.unwrap_or("it ended").to_string())
        }
    }
}

/// The changes that no test has to see, with the reasons: a change, ` -- ` and the reason a line.
fn accepted(root: &Path) -> BTreeMap<String, String> {
    let accepted = fs::read_to_string(root.join("tests/mutants/accepted.txt")).unwrap_or_default();
    let lines = accepted.lines().filter_map(|line| line.split_once(" -- "));
    lines.map(|(change, reason)| (change.to_string(), reason.to_string())).collect()
}

/// Says what became of the mutants. Those that were missed need a reason: whether all have one.
fn report(
    reasons: &BTreeMap<String, String>,
    mutants: &[(usize, &Mutant)],
    results: &BTreeMap<String, String>,
) -> bool {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut all_explained = true;
    for (_, mutant) in mutants {
        let result = results[&mutant.name].as_str();
        let kind = result.split(':').next().unwrap_or_default();
        *counts.entry(kind).or_default() += 1;
        if result == "missed" {
            let reason = reasons.get(&mutant.change);
            all_explained &= reason.is_some();
            println!("{}\n    {}", mutant.name, reason.map_or("NO REASON IS LISTED", |it| it));
        }
    }
    println!("{counts:?}");
    all_explained
}
