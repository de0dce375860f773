//! How many mutations become durable in a second, when one caller has many at once?

use std::path::Path;
use std::time::{Duration, Instant};

use crate::machine::Place;
use crate::peers::{self, Ours, Peer, Put, Seed};
use crate::rounds::{Measure, interleave};
use crate::samples::{Figures, Recorder, Sample, Window, median, median_ratio};
use crate::settings::Settings;
use crate::table::{Report, Table, count, micros, ratio};
use crate::{Outcome, writers};

const BATCH: u64 = 1_000;

struct Calls {
    sample: Sample,
    /// In one call.
    mutations: u64,
}

struct Evaluated {
    calls: Figures,
    mutations_per_second: f64,
}

fn evaluate(Calls { sample, mutations }: Calls) -> Evaluated {
    let calls = sample.evaluate();
    Evaluated { calls, mutations_per_second: calls.per_second * mutations as f64 }
}

pub(crate) fn run(settings: &Settings, place: &Place) -> Outcome<Report> {
    let single = |sample| Calls { sample, mutations: 1 };
    let peers: [Measure<'_, Calls>; 3] = [
        Box::new(|dir| measure(settings, dir)),
        Box::new(|dir| writers::measure::<Ours>(1, settings.measured, dir).map(single)),
        Box::new(|dir| writers::measure::<Seed>(1, settings.measured, dir).map(single)),
    ];
    let measured = interleave(settings.rounds, place, &peers)?;
    let evaluated: Vec<Vec<Evaluated>> =
        measured.into_iter().map(|rounds| rounds.into_iter().map(evaluate).collect()).collect();
    let [batched, ours, seed] = evaluated.as_slice() else { unreachable!("there are three") };
    let of_batches = median_ratio(batched, seed, |round| round.mutations_per_second);
    let of_singles = median_ratio(ours, seed, |round| round.mutations_per_second);

    let mut table =
        Table::new(["peer", "mutations/s", "call p50 us", "call p99 us", "mutations/s : seed"]);
    for (name, rounds, to_seed) in [
        ("ours, apply_batch of 1,000", batched, of_batches),
        ("ours, apply", ours, of_singles),
        ("seed, apply", seed, 1.0),
    ] {
        table.row([
            name.to_string(),
            count(median(rounds, |round| round.mutations_per_second)),
            micros(median(rounds, |round| round.calls.p50)),
            micros(median(rounds, |round| round.calls.p99)),
            ratio(to_seed),
        ]);
    }
    Ok(Report {
        title: format!(
            "batch: one task applies {} mutations a call; medians of {} rounds of {:?}",
            count(BATCH as f64),
            settings.rounds,
            settings.measured
        ),
        table,
        verdict: format!(
            "No target is set here; in batches, ours writes {} as many mutations as the seed, \
             which has none.",
            ratio(of_batches)
        ),
    })
}

fn measure(settings: &Settings, dir: &Path) -> Outcome<Calls> {
    let runtime = peers::runtime()?;
    let peer = runtime.block_on(Ours::open(dir))?;
    let window = Window::from_now(settings.measured);
    let task = runtime.spawn(async move {
        let recorder = write(&peer, window).await?;
        peer.close().await?;
        Outcome::Ok(recorder)
    });
    let recorder = runtime.block_on(task)??;
    let (recorders, measured) = (vec![recorder], settings.measured);
    let sample = Sample { recorders, measured, processor: Duration::ZERO };
    Ok(Calls { sample, mutations: BATCH })
}

async fn write(peer: &Ours, window: Window) -> Outcome<Recorder> {
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
