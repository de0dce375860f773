//! How long do readers of each wait while a writer commits?

use ministate_benches::machine::Place;
use ministate_benches::peers::ENTRIES;
use ministate_benches::readers::{Evaluated, Measured};
use ministate_benches::rounds::{Measure, interleave};
use ministate_benches::samples::median;
use ministate_benches::table::{Report, Table, count, micros};

use crate::Outcome;
use crate::contestants::OURS;
use crate::settings::Settings;
use crate::standing::{Standing, at_most, target};

pub(crate) fn run(settings: &Settings, place: &Place) -> Outcome<Report> {
    let names: Vec<String> = settings.peers.iter().map(|peer| peer.name.to_string()).collect();
    let mut peers: Vec<Measure<'_, Measured>> = Vec::new();
    for contestant in &settings.peers {
        peers.push(Box::new(move |dir| (contestant.reads)(settings.measured, dir)));
    }
    let measured = interleave(settings.rounds, place, &peers)?;
    let evaluated: Vec<Vec<Evaluated>> = measured
        .into_iter()
        .map(|rounds| rounds.into_iter().map(Measured::evaluate).collect())
        .collect();
    // The shorter, the better.
    let standing = Standing::new(&names, &evaluated, |round| 1.0 / round.reads.p99);
    let mut table = Table::new([
        "peer",
        "p50 us",
        "p99 us",
        "p99.9 us",
        "reads/s",
        "writes/s",
        "p99: seed",
        "p99: best peer",
    ]);
    for (name, rounds) in names.iter().zip(&evaluated) {
        let [_, seed, best] = standing.cells(name);
        table.row([
            name.clone(),
            micros(median(rounds, |round| round.reads.p50)),
            micros(median(rounds, |round| round.reads.p99)),
            micros(median(rounds, |round| round.reads.p999)),
            count(median(rounds, |round| round.reads.per_second)),
            count(median(rounds, |round| round.writes.per_second)),
            seed,
            best,
        ]);
    }
    let ours = |of: fn(&Evaluated) -> f64| {
        standing.of(OURS).map_or(f64::NAN, |rounds| median(rounds, of) / 1e3)
    };
    Ok(Report {
        title: format!(
            "reads: of one of {} entries while one writer commits, at most one a microsecond; the \
             ratios say how many times as short; medians of {} rounds of {:?}",
            count(ENTRIES as f64),
            settings.rounds,
            settings.measured
        ),
        table,
        verdict: format!(
            "The targets: {}, {}.",
            target("p99 of 0.5 us", at_most, 0.5, ours(|round| round.reads.p99)),
            target("p99.9 of 20 us", at_most, 20.0, ours(|round| round.reads.p999)),
        ),
    })
}
