//! How long does `cargo check` take for an enum with `Mutations`, beside serde's derives alone?
#![expect(clippy::disallowed_methods, reason = "writes and touches the packages that cargo checks")]

use std::env;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::machine::{self, Place};
use crate::rounds::{Measure, interleave};
use crate::samples::{median, median_ratio};
use crate::settings::Settings;
use crate::table::{Report, Table, held};
use crate::{Failure, Outcome};

/// How many times as long as with serde alone a check with the derive may take.
const TARGET: f64 = 1.3;

/// What stands between two measurements of the same package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Memory {
    /// The compiler has nothing of what it did before.
    None,
    /// It has all of it, and the source has not changed but was touched.
    Incremental,
}

#[derive(Debug, Clone, Copy)]
struct Check {
    wall: Duration,
    /// Processor time of cargo and the compiler.
    processor: Duration,
}

pub(crate) fn run(settings: &Settings, place: &Place) -> Outcome<Report> {
    let workspace = Workspace::write(&place.fresh()?, settings.operations)?;
    let mut peers: Vec<Measure<'_, Check>> = Vec::new();
    for memory in [Memory::None, Memory::Incremental] {
        for package in PACKAGES {
            // Checks the dependencies, once, and leaves what an incremental check begins with.
            workspace.check(package, memory)?;
            let workspace = &workspace;
            peers.push(Box::new(move |_| workspace.check(package, memory)));
        }
    }
    let measured = interleave(settings.rounds, place, &peers)?;
    let [serde, derived, serde_again, derived_again] = measured.as_slice() else {
        unreachable!("there are four")
    };
    let wall = |check: &Check| check.wall.as_secs_f64();
    let processor = |check: &Check| check.processor.as_secs_f64();
    let (reached, reached_again) =
        (median_ratio(derived, serde, wall), median_ratio(derived_again, serde_again, wall));

    let mut table = Table::new(["checked", "wall ms", "cpu ms", "wall : serde", "cpu : serde"]);
    for (name, rounds, beside) in [
        ("from nothing, serde alone", serde, serde),
        ("from nothing, with Mutations", derived, serde),
        ("touched, serde alone", serde_again, serde_again),
        ("touched, with Mutations", derived_again, serde_again),
    ] {
        table.row([
            name.to_string(),
            format!("{:.0}", 1e3 * median(rounds, wall)),
            format!("{:.0}", 1e3 * median(rounds, processor)),
            format!("{:.2}x", median_ratio(rounds, beside, wall)),
            format!("{:.2}x", median_ratio(rounds, beside, processor)),
        ]);
    }
    Ok(Report {
        title: format!(
            "compile: `cargo check` of an enum of {} operations with 3 fields each, and their \
             handlers; medians of {} rounds",
            settings.operations, settings.rounds
        ),
        table,
        verdict: format!(
            "The target of at most {TARGET}x {} from nothing ({reached:.2}x), and {} for a source \
             that was touched ({reached_again:.2}x).",
            held(reached <= TARGET),
            held(reached_again <= TARGET)
        ),
    })
}

/// Of the same enum and handlers; only the second has the derive.
const PACKAGES: [&str; 2] = ["with_serde", "with_mutations"];

/// Two packages that share one build of their dependencies.
struct Workspace {
    dir: PathBuf,
}

impl Workspace {
    fn write(dir: &Path, operations: usize) -> Outcome<Workspace> {
        let benches = Path::new(env!("CARGO_MANIFEST_DIR"));
        let ministate = benches.join("../ministate").canonicalize()?;
        let dir = dir.canonicalize()?;
        fs::write(
            dir.join("Cargo.toml"),
            format!(
                "[workspace]\n\
                 resolver = \"3\"\n\
                 members = {PACKAGES:?}\n\
                 [workspace.dependencies]\n\
                 ministate = {{ path = {ministate:?} }}\n\
                 serde = {{ version = \"1\", features = [\"derive\"] }}\n"
            ),
        )?;
        // The versions that this program was built with, so that nothing has to be fetched.
        fs::copy(benches.join("../Cargo.lock"), dir.join("Cargo.lock"))?;
        for (package, derives) in PACKAGES.into_iter().zip([SERDE, MUTATIONS]) {
            fs::create_dir_all(dir.join(package).join("src"))?;
            fs::write(
                dir.join(package).join("Cargo.toml"),
                format!(
                    "[package]\n\
                     name = \"{package}\"\n\
                     edition = \"2024\"\n\
                     [dependencies]\n\
                     ministate.workspace = true\n\
                     serde.workspace = true\n"
                ),
            )?;
            fs::write(dir.join(package).join(SOURCE), source(derives, operations)?)?;
        }
        Ok(Workspace { dir })
    }

    fn check(&self, package: &str, memory: Memory) -> Outcome<Check> {
        let source = self.dir.join(package).join(SOURCE);
        fs::write(&source, fs::read(&source)?)?;
        if memory == Memory::None {
            self.forget(package)?;
        }
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
        cargo
            .args(["check", "--offline", "--quiet", "--package", package])
            .args(["--target-dir", "target"])
            .env("CARGO_INCREMENTAL", "1")
            .current_dir(&self.dir);
        let before = machine::processor_time_of_children();
        let began = Instant::now();
        let output = cargo.output()?;
        let wall = began.elapsed();
        let processor = machine::processor_time_of_children() - before;
        if !output.status.success() {
            return Err(Failure::from(String::from_utf8_lossy(&output.stderr)));
        }
        Ok(Check { wall, processor })
    }

    /// Removes what the compiler remembers of the package. To compile without a memory instead
    /// would make cargo check ministate again as well.
    fn forget(&self, package: &str) -> Outcome<()> {
        let memories = self.dir.join("target/debug/incremental");
        if !memories.exists() {
            return Ok(());
        }
        for memory in fs::read_dir(memories)? {
            let memory = memory?;
            if memory.file_name().to_string_lossy().starts_with(package) {
                fs::remove_dir_all(memory.path())?;
            }
        }
        Ok(())
    }
}

const SOURCE: &str = "src/lib.rs";

const SERDE: &str = "#[derive(Clone, serde::Serialize, serde::Deserialize)]";

const MUTATIONS: &str = "\
#[derive(Clone, serde::Serialize, serde::Deserialize, ministate::Mutations)]
#[mutations(state = State)]";

/// An enum of so many operations, and their handlers.
fn source(derives: &str, operations: usize) -> Outcome<String> {
    const TYPES: [&str; 5] =
        ["u64", "String", "Option<u32>", "Vec<String>", "std::collections::BTreeMap<String, u32>"];
    let (mut variants, mut handlers) = (String::new(), String::new());
    for number in 0..operations {
        let [first, second, third] = [0, 1, 2].map(|field| TYPES[(number + field) % TYPES.len()]);
        writeln!(
            variants,
            "    Change{number} {{ first: {first}, second: {second}, third: {third} }},"
        )?;
        writeln!(
            handlers,
            "    pub fn change{number}(&mut self, first: {first}, second: {second}, third: {third}) {{\n\
             \x20       drop((first, second, third));\n\
             \x20       self.changes += 1;\n\
             \x20   }}"
        )?;
    }
    Ok(format!(
        "#[derive(Default)]\n\
         pub struct State {{\n    pub changes: u64,\n}}\n\n\
         impl State {{\n{handlers}}}\n\n\
         {derives}\n\
         pub enum Change {{\n{variants}}}\n"
    ))
}
