//! How short are the reads of ours and of the seed while a writer commits?

use crate::Outcome;
use crate::machine::Place;
use crate::peers::{ENTRIES, Ours, Seed};
use crate::readers::{self, Evaluated, Measured};
use crate::rounds::{Measure, interleave};
use crate::samples::{median, median_ratio};
use crate::settings::Settings;
use crate::table::{Report, Table, count, held, micros, ratio};

/// Of ours, in nanoseconds.
const TARGET: f64 = 5_000.0;

pub(crate) fn run(settings: &Settings, place: &Place) -> Outcome<Report> {
    let peers: [Measure<'_, Measured>; 2] = [
        Box::new(|dir| readers::measure::<Ours>(settings.measured, dir)),
        Box::new(|dir| readers::measure::<Seed>(settings.measured, dir)),
    ];
    let measured = interleave(settings.rounds, place, &peers)?;
    let evaluated: Vec<Vec<Evaluated>> = measured
        .into_iter()
        .map(|rounds| rounds.into_iter().map(Measured::evaluate).collect())
        .collect();
    let [ours, seed] = evaluated.as_slice() else { unreachable!("there are two peers") };
    let shorter = median_ratio(seed, ours, |round| round.reads.p99);
    let reached = median(ours, |round| round.reads.p99);

    let mut table = Table::new(["peer", "p50 us", "p99 us", "p99.9 us", "reads/s", "writes/s"]);
    for (name, rounds) in [("ours, read", ours), ("seed, snapshot", seed)] {
        table.row([
            name.to_string(),
            micros(median(rounds, |round| round.reads.p50)),
            micros(median(rounds, |round| round.reads.p99)),
            micros(median(rounds, |round| round.reads.p999)),
            count(median(rounds, |round| round.reads.per_second)),
            count(median(rounds, |round| round.writes.per_second)),
        ]);
    }
    Ok(Report {
        title: format!(
            "reads: of a state of {} entries while one writer commits; \
             medians of {} rounds of {:?}",
            count(ENTRIES as f64),
            settings.rounds,
            settings.measured
        ),
        table,
        verdict: format!(
            "The target of a p99 below {} us {} ({} us); the seed's is {} as long.",
            TARGET / 1_000.0,
            held(reached < TARGET),
            micros(reached),
            ratio(shorter),
        ),
    })
}
