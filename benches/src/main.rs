//! How fast is ministate, beside ministate 0.1 and beside the bare disk of the same machine? And
//! what does it cost beside serde, at run time and at compile time?
//!
//! ```text
//! cargo run --release -p ministate-benches -- all
//! cargo run --release -p ministate-benches -- compile
//! chrt -r 1 target/release/ministate-benches applies --rounds 9    # where others use the machine
//! ```
//!
//! Only ratios within a run mean anything: an idle processor or a busy neighbour moves one sync
//! from 0.1 to 4 ms. So the peers take turns, every measurement begins with a warm-up in a fresh
//! directory, nothing is evaluated, printed or removed before the last one is over, and what is
//! reported are medians over the rounds.

use ministate_benches::{
    Failure, Outcome, floor, journal, machine, peers, readers, rounds, samples, table, writers,
};

mod settings; // what the command line says

mod applies; // the workloads, from here on
mod batch;
mod bounded;
mod compile;
mod decode;
mod growth;
mod reads;
mod recovery;
mod seam;
mod snapshots;

mod plot; // a picture of what the harness of the peers found

use std::process::ExitCode;

use machine::Place;
use settings::{Settings, Workload};
use table::Report;

fn main() -> ExitCode {
    if let Some(outcome) = bounded::recovers() {
        return exit(outcome);
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [command, csv, svg] = arguments.as_slice()
        && command == "plot"
    {
        return exit(plot::run(csv.as_ref(), svg.as_ref()));
    }
    let settings = match Settings::parse(arguments.into_iter()) {
        Ok(settings) => settings,
        Err(mistake) => {
            eprintln!("{mistake}\n\n{}", settings::USAGE);
            return ExitCode::FAILURE;
        }
    };
    exit(run(&settings))
}

fn exit(outcome: Outcome<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(settings: &Settings) -> Outcome<()> {
    let place = Place::new(settings.dir.as_deref())?;
    println!("{}", machine::describe(place.path()));
    for workload in settings.workload.each() {
        println!("\n{}", measure(*workload, settings, &place)?);
    }
    Ok(())
}

fn measure(workload: Workload, settings: &Settings, place: &Place) -> Outcome<Report> {
    match workload {
        Workload::Applies => applies::run(settings, place),
        Workload::Reads => reads::run(settings, place),
        Workload::Recovery => recovery::run(settings, place),
        Workload::Batch => batch::run(settings, place),
        Workload::Decode => decode::run(settings, place),
        Workload::Seam => seam::run(settings, place),
        Workload::Bounded => bounded::run(settings, place),
        Workload::Snapshots => snapshots::run(settings, place),
        Workload::Growth(along) => growth::run(along, settings, place),
        Workload::Compile => compile::run(settings, place),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The workload runs to its end and says something about both peers.
    fn smoke(workload: &str, peers: [&str; 2]) {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let dir = dir.path().to_str().expect("its name is text");
        let line =
            format!("{workload} --rounds 2 --seconds 0.02 --records 1500 --operations 5 --state 1");
        let line = line.split(' ').chain(["--dir", dir]).map(String::from);
        let settings = Settings::parse(line).expect("sound arguments");
        let place = Place::new(settings.dir.as_deref()).expect("a place");
        for workload in settings.workload.each() {
            let report = measure(*workload, &settings, &place).expect("it runs").to_string();
            assert!(peers.iter().all(|peer| report.contains(peer)), "{report}");
        }
    }

    #[test]
    fn applies_run() {
        smoke("applies", ["ours", "seed"]);
    }

    #[test]
    fn reads_run() {
        smoke("reads", ["ours", "seed"]);
    }

    #[test]
    fn recovery_runs() {
        smoke("recovery", ["ours", "seed"]);
    }

    #[test]
    fn batch_runs() {
        smoke("batch", ["ours", "seed"]);
    }

    #[test]
    fn seam_runs() {
        smoke("seam", ["the manager", "the seam"]);
    }

    #[test]
    fn bounded_runs() {
        smoke("bounded", ["with snapshots", "without snapshots"]);
    }

    #[test]
    fn snapshots_run() {
        smoke("snapshots", ["by replay", "by clone"]);
    }

    #[test]
    fn growth_runs() {
        smoke("growth", ["growth with", "medians"]);
    }

    #[test]
    fn decode_runs() {
        smoke("decode", ["the line", "its payload"]);
    }

    #[test]
    fn compile_runs() {
        smoke("compile", ["serde alone", "with Mutations"]);
    }
}
