//! How many mutations become durable in a second, and how long does each take?

use std::path::{Path, PathBuf};

use crate::floor::{self, File};
use crate::journal;
use crate::machine::Place;
use crate::peers::{Ours, Seed};
use crate::rounds::{Measure, interleave};
use crate::samples::{Figures, Sample, median, median_ratio};
use crate::settings::Settings;
use crate::table::{Report, Table, count, held, micros, none, ratio};
use crate::{Outcome, writers};

/// So many tasks, and how many times as fast as the seed ours is to be.
const TARGETS: [(usize, f64); 4] = [(1, 2.6), (64, 50.0), (256, 130.0), (1024, 300.0)];

pub(crate) fn run(settings: &Settings, place: &Place) -> Outcome<Report> {
    let mut table = Table::new([
        "tasks, peer",
        "op/s",
        "p50 us",
        "p99 us",
        "op/s : seed",
        "p50 : floor",
        "cpu us/op",
        "records/sync",
    ]);
    // All measurements come first, and their evaluation after.
    let mut measured = Vec::new();
    for (tasks, _) in TARGETS {
        let mut peers: Vec<Measure<'_, Applies>> = vec![
            Box::new(move |dir| measure_ours(tasks, settings, dir)),
            Box::new(move |dir| {
                Ok((writers::measure::<Seed>(tasks, settings.measured, dir)?, None))
            }),
        ];
        if tasks == 1 {
            for file in [File::Filled, File::Appended] {
                peers.push(Box::new(move |dir| {
                    Ok((floor::measure(file, settings.measured, dir)?, None))
                }));
            }
        }
        measured.push(interleave(settings.rounds, place, &peers)?);
    }
    let mut verdicts = Vec::new();
    let mut appended = None;
    for ((tasks, target), peers) in TARGETS.into_iter().zip(measured) {
        let peers: Vec<Vec<Evaluated>> =
            peers.into_iter().map(|rounds| rounds.into_iter().map(evaluate).collect()).collect();
        let reached = median_ratio(&peers[0], &peers[1], |round| round.figures.per_second);
        let holds = held(reached >= target);
        verdicts.push(format!("{target}x at {tasks} {holds} ({})", ratio(reached)));
        if let Some(rounds) = peers.get(3) {
            appended = Some(median_ratio(&peers[0], rounds, |round| round.figures.per_second));
        }
        let names = ["ours", "seed", "floor, filled", "floor, appended"];
        for (name, rounds) in names.into_iter().zip(&peers) {
            let to_floor = peers.get(2).map(|floor| median_ratio(rounds, floor, |r| r.figures.p50));
            table.row([
                format!("{tasks:>4}, {name}"),
                count(median(rounds, |round| round.figures.per_second)),
                micros(median(rounds, |round| round.figures.p50)),
                micros(median(rounds, |round| round.figures.p99)),
                ratio(median_ratio(rounds, &peers[1], |round| round.figures.per_second)),
                to_floor.map_or_else(none, ratio),
                micros(median(rounds, |round| round.figures.processor)),
                format!("{:.1}", median(rounds, |round| round.records_per_sync)),
            ]);
        }
    }
    Ok(Report {
        title: format!(
            "applies: durable mutations of about 100 bytes; medians of {} rounds of {:?}",
            settings.rounds, settings.measured
        ),
        table,
        verdict: format!(
            "The targets against the seed: {}. One task of ours to the appended file: {}.",
            verdicts.join(", "),
            appended.map_or_else(none, ratio),
        ),
    })
}

/// A measurement, and where it left a journal with shared syncs.
type Applies = (Sample, Option<PathBuf>);

struct Evaluated {
    figures: Figures,
    records_per_sync: f64,
}

fn evaluate((sample, journal): Applies) -> Evaluated {
    let records_per_sync = match journal {
        Some(dir) => journal::records_per_sync(&dir).unwrap_or(f64::NAN),
        None => 1.0,
    };
    Evaluated { figures: sample.evaluate(), records_per_sync }
}

fn measure_ours(tasks: usize, settings: &Settings, dir: &Path) -> Outcome<Applies> {
    Ok((writers::measure::<Ours>(tasks, settings.measured, dir)?, Some(dir.to_path_buf())))
}
