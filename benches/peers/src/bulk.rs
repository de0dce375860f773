//! How many mutations become durable in a second, when one caller has 1,000 at once?

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ministate_benches::machine::{self, Place};
use ministate_benches::peers::{self, ENTRIES, Peer, Put};
use ministate_benches::rounds::{Measure, interleave};
use ministate_benches::samples::{Figures, Recorder, Sample, Window, median};
use ministate_benches::table::{Report, Table, count, micros};
use ministate_benches::writers::Writers;

use crate::Outcome;
use crate::contestants::{Contestant, OURS, SEED};
use crate::settings::Settings;
use crate::standing::{Standing, at_least, target};

pub(crate) const BATCH: u64 = 1_000;

/// Whom ours is to be how many times as fast as.
const TARGETS: [(&str, f64); 3] = [(SEED, 350.0), ("lmdb", 1.25), ("sqlite", 1.25)];

pub(crate) fn run(settings: &Settings, place: &Place) -> Outcome<Report> {
    let names: Vec<String> = settings.peers.iter().map(|peer| peer.name.to_string()).collect();
    let mut peers: Vec<Measure<'_, Sample>> = Vec::new();
    for contestant in &settings.peers {
        peers.push(Box::new(move |dir| (contestant.bulk)(settings.measured, dir)));
    }
    let measured = interleave(settings.rounds, place, &peers)?;
    let evaluated: Vec<Vec<Figures>> = settings
        .peers
        .iter()
        .zip(measured)
        .map(|(peer, rounds)| rounds.into_iter().map(|round| evaluate(peer, round)).collect())
        .collect();
    let speed = |round: &Figures| round.per_second;
    let standing = Standing::new(&names, &evaluated, speed);
    let mut table = Table::new([
        "peer",
        "mutations/s",
        "call p50 us",
        "call p99 us",
        "cpu us/mutation",
        ": seed",
        ": best peer",
    ]);
    for (name, rounds) in names.iter().zip(&evaluated) {
        let [_, seed, best] = standing.cells(name);
        table.row([
            name.clone(),
            count(median(rounds, speed)),
            micros(median(rounds, |round| round.p50)),
            micros(median(rounds, |round| round.p99)),
            micros(median(rounds, |round| round.processor)),
            seed,
            best,
        ]);
    }
    let verdicts = TARGETS.map(|(peer, bound)| {
        let reached = standing.ratio(OURS, Some(peer), speed);
        target(&format!("{bound}x {peer}"), at_least, bound, reached)
    });
    Ok(Report {
        title: format!(
            "bulk: one caller, {} mutations a call, durable together (the seed: one a call); \
             medians of {} rounds of {:?}",
            count(BATCH as f64),
            settings.rounds,
            settings.measured
        ),
        table,
        verdict: format!("The targets: {}.", verdicts.join(", ")),
    })
}

/// What is read off the calls, but speed and processor time, which are of mutations.
fn evaluate(contestant: &Contestant, sample: Sample) -> Figures {
    let mutations = contestant.bulk_call as f64;
    let calls = sample.evaluate();
    Figures {
        per_second: calls.per_second * mutations,
        processor: calls.processor / mutations,
        ..calls
    }
}

/// Each operation is a batch.
pub(crate) fn measure<P: Peer>(measured: Duration, dir: &Path) -> Outcome<Sample> {
    let runtime = peers::runtime()?;
    let peer = Arc::new(runtime.block_on(P::open(dir))?);
    let window = Window::from_now(measured);
    let writers =
        Writers::start::<P, _>(&runtime, 1, |_| write(Arc::clone(&peer), window.clone()))?;
    std::thread::sleep(window.start().saturating_duration_since(Instant::now()));
    let before = machine::processor_time();
    std::thread::sleep(window.end().saturating_duration_since(Instant::now()));
    let processor = machine::processor_time() - before;
    let recorders = writers.finish(&runtime)?;
    let mut there = 0;
    runtime.block_on(peer.visit(|_, _| there += 1))?;
    if there != ENTRIES {
        return Err(format!("{ENTRIES} entries written, {there} there").into());
    }
    runtime.block_on(peer.close())?;
    Ok(Sample { recorders, measured, processor })
}

async fn write<P: Peer>(peer: Arc<P>, window: Window) -> Outcome<Recorder> {
    let mut recorder = Recorder::new(window);
    let mut first = 0;
    loop {
        let began = Instant::now();
        peer.apply_batch((first..first + BATCH).map(Put::numbered)).await?;
        if !recorder.record(began, Instant::now()) {
            return Ok(recorder);
        }
        first += BATCH;
    }
}
