//! How fast is ministate beside those that others keep their state in, and beside the bare disk?
//!
//! ```text
//! cargo run --release --features rocksdb -- all
//! chrt -r 1 target/release/ministate-bench-peers applies --csv applies.csv
//! target/release/ministate-bench-peers one applies ours --tasks 64 --operations 100000 --dir D
//! ```
//!
//! The same rules as in the harness of ours hold, `benches/src/main.rs`: the peers take turns, every
//! measurement has a fresh directory, and what is reported are medians over the rounds.

mod settings; // what the command line says
mod peers; // how each peer is used
mod contestants; // who takes part, and what each can be asked
mod standing; // how each compares with the floor, the seed and the best

mod applies; // the workloads
mod bulk;
mod reads;
mod recovery;

mod one; // one of them, once, in this process alone

use std::process::ExitCode;

use ministate_benches::machine::{self, Place};
use ministate_benches::table::Report;
use ministate_benches::{Failure, Outcome};
use settings::{Command, Settings, Workload};

fn main() -> ExitCode {
    let settings = match Settings::parse(std::env::args().skip(1)) {
        Ok(settings) => settings,
        Err(mistake) => {
            eprintln!("{mistake}\n\n{}", settings::usage());
            return ExitCode::FAILURE;
        }
    };
    match run(&settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(settings: &Settings) -> Outcome<()> {
    let workloads = match &settings.command {
        Command::One(work, contestant) => return one::run(*work, contestant, settings),
        Command::Tables(workloads) => *workloads,
    };
    let place = Place::new(settings.dir.as_deref())?;
    println!("{}", machine::describe(place.path()));
    println!("{}", contestants::versions());
    for workload in workloads {
        if let Some(report) = measure(*workload, settings, &place)? {
            println!("\n{report}");
        }
    }
    Ok(())
}

fn measure(workload: Workload, settings: &Settings, place: &Place) -> Outcome<Option<Report>> {
    Ok(Some(match workload {
        Workload::Applies => applies::run(settings, place)?,
        Workload::Bulk => bulk::run(settings, place)?,
        Workload::Recovery => recovery::run(settings, place)?,
        Workload::Reads => reads::run(settings, place)?,
        Workload::Redis => match peers::redis::version() {
            Some(version) => applies::beside_redis(settings, place, &version)?,
            None => {
                println!("\nREDIS IS LEFT OUT: there is no redis-server; Debian has a package");
                return Ok(None);
            }
        },
    }))
}
