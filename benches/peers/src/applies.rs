//! How many mutations become durable in a second, and how long does each take?
#![expect(clippy::disallowed_methods, reason = "writes the numbers down for a plot")]

use std::fmt::Write;
use std::fs;

use ministate_benches::floor::{self, File};
use ministate_benches::machine::Place;
use ministate_benches::rounds::{Measure, interleave};
use ministate_benches::samples::{Figures, Sample, median};
use ministate_benches::table::{Report, Table, count, micros};

use crate::Outcome;
use crate::contestants::{self, Contestant, OURS, SEED};
use crate::settings::Settings;
use crate::standing::{FLOOR, Standing, at_least, at_most, target};

/// So many writers, and how many times as fast as the seed and as the best peer ours is to be.
const TARGETS: [(usize, f64, f64); 4] =
    [(1, 2.6, 1.0), (64, 50.0, 3.0), (256, 130.0, 5.0), (1024, 300.0, 15.0)];

pub(crate) fn run(settings: &Settings, place: &Place) -> Outcome<Report> {
    table(settings, place, &settings.peers, "durable mutations of about 100 bytes")
}

/// Its processor time is that of the process that asks, alone.
pub(crate) fn beside_redis(settings: &Settings, place: &Place, version: &str) -> Outcome<Report> {
    let ours = contestants::named(OURS).ok_or("ours is missing")?;
    let title = format!(
        "the same beside Redis {version} (appendfsync always, local socket; without the \
         processor time of the server)"
    );
    table(settings, place, &[ours, contestants::REDIS], &title)
}

fn table(
    settings: &Settings,
    place: &Place,
    contestants: &[Contestant],
    title: &str,
) -> Outcome<Report> {
    let usual: Vec<usize> = TARGETS.iter().map(|(writers, ..)| *writers).collect();
    let writers = if settings.tasks.is_empty() { &usual } else { &settings.tasks };
    let mut names: Vec<String> = contestants.iter().map(|peer| peer.name.to_string()).collect();
    names.push(FLOOR.to_string());
    // All measurements come first, and their evaluation after.
    let mut measured = Vec::new();
    for writers in writers.iter().copied() {
        let mut peers: Vec<Measure<'_, Sample>> = Vec::new();
        for contestant in contestants {
            peers.push(Box::new(move |dir| (contestant.applies)(writers, settings.measured, dir)));
        }
        peers.push(Box::new(|dir| floor::measure(File::Filled, settings.measured, dir)));
        measured.push(interleave(settings.rounds, place, &peers)?);
    }
    let mut table = Table::new([
        "writers, peer",
        "op/s",
        "p50 us",
        "p99 us",
        "cpu us/op",
        ": floor",
        ": seed",
        ": best peer",
    ]);
    let mut csv = "writers,peer,operations_per_second,p50_us,p99_us,cpu_us\n".to_string();
    let mut verdicts = Vec::new();
    for (writers, peers) in writers.iter().zip(measured) {
        let peers: Vec<Vec<Figures>> = peers
            .into_iter()
            .map(|rounds| rounds.into_iter().map(Sample::evaluate).collect())
            .collect();
        let standing = Standing::new(&names, &peers, |round| round.per_second);
        for (name, rounds) in names.iter().zip(&peers) {
            let [floor, seed, best] = standing.cells(name);
            let per_second = median(rounds, |round| round.per_second);
            let p50 = median(rounds, |round| round.p50);
            let p99 = median(rounds, |round| round.p99);
            let processor = median(rounds, |round| round.processor);
            // The floor is of one writer, whoever else there is.
            table.row([
                format!("{writers:>4}, {name}"),
                count(per_second),
                micros(p50),
                micros(p99),
                micros(processor),
                floor,
                seed,
                best,
            ]);
            let [p50, p99, processor] = [p50, p99, processor].map(|nanoseconds| nanoseconds / 1e3);
            writeln!(csv, "{writers},{name},{per_second:.0},{p50:.2},{p99:.2},{processor:.3}")?;
        }
        verdicts.push(verdict(*writers, &standing));
    }
    if let Some(path) = &settings.csv {
        fs::write(path, csv)?;
    }
    Ok(Report {
        title: format!(
            "applies: {title}; medians of {} rounds of {:?}",
            settings.rounds, settings.measured
        ),
        table,
        verdict: format!("The targets:\n{}", verdicts.concat()),
    })
}

fn verdict(writers: usize, standing: &Standing<'_, Figures>) -> String {
    let Some((_, seed, best)) = TARGETS.into_iter().find(|(of, ..)| *of == writers) else {
        return String::new();
    };
    let (speed, p99) = (|round: &Figures| round.per_second, |round: &Figures| round.p99);
    let name = standing.best();
    let to_seed = standing.ratio(OURS, Some(SEED), speed);
    let to_best = standing.ratio(OURS, name, speed);
    let mut words = vec![
        target(&format!("{seed}x the seed"), at_least, seed, to_seed),
        target(&format!("{best}x {}", name.unwrap_or("a peer")), at_least, best, to_best),
    ];
    match writers {
        1 => {
            let reached = standing.ratio(OURS, Some(FLOOR), |round| round.p50);
            words.push(target("p50 of 1.25 of the floor's", at_most, 1.25, reached));
        }
        64 => {
            let reached = standing.ratio(OURS, name, p99);
            words.push(target("a third of its p99", at_most, 1.0 / 3.0, reached));
        }
        1024 => {
            let reached = standing.of(OURS).map_or(f64::NAN, |ours| median(ours, |r| r.processor));
            words.push(target("1 us of processor time", at_most, 1.0, reached / 1e3));
        }
        _ => {}
    }
    format!("  {writers:>4}: {}\n", words.join(", "))
}
