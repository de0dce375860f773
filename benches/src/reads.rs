//! How long does a reader wait while a writer commits?

use std::hint::{black_box, spin_loop};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::Outcome;
use crate::machine::Place;
use crate::peers::{self, ENTRIES, Ours, Peer, Put, Seed};
use crate::rounds::{Measure, interleave};
use crate::samples::{Figures, Recorder, Sample, Window, median, median_ratio};
use crate::settings::Settings;
use crate::table::{Report, Table, count, held, micros, ratio};

/// Of ours, in nanoseconds.
const TARGET: f64 = 5_000.0;

/// At most one read in so long, which keeps the reader from being all that there is to measure.
const PACE: Duration = Duration::from_micros(1);

struct Measured {
    reads: Sample,
    writes: Sample,
}

struct Evaluated {
    reads: Figures,
    writes: Figures,
}

fn evaluate(measured: Measured) -> Evaluated {
    Evaluated { reads: measured.reads.evaluate(), writes: measured.writes.evaluate() }
}

pub(crate) fn run(settings: &Settings, place: &Place) -> Outcome<Report> {
    let peers: [Measure<'_, Measured>; 2] = [
        Box::new(|dir| measure::<Ours>(settings, dir)),
        Box::new(|dir| measure::<Seed>(settings, dir)),
    ];
    let measured = interleave(settings.rounds, place, &peers)?;
    let evaluated: Vec<Vec<Evaluated>> =
        measured.into_iter().map(|rounds| rounds.into_iter().map(evaluate).collect()).collect();
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

fn measure<P: Peer>(settings: &Settings, dir: &Path) -> Outcome<Measured> {
    let runtime = peers::runtime()?;
    let peer = Arc::new(runtime.block_on(P::open(dir))?);
    runtime.block_on(peers::fill(&peer, ENTRIES))?;
    let window = Window::from_now(settings);
    let writer = runtime.spawn(write(Arc::clone(&peer), window.clone()));
    // On this thread, which is none of the runtime's: a reader who never waits would keep a worker
    // from the writer.
    let reads = read(&*peer, runtime.handle(), window);
    let writes = runtime.block_on(writer)??;
    runtime.block_on(peer.close())?;
    let sample = |recorder| Sample {
        recorders: vec![recorder],
        measured: settings.measured,
        processor: Duration::ZERO,
    };
    Ok(Measured { reads: sample(reads), writes: sample(writes) })
}

fn read<P: Peer>(peer: &P, runtime: &Handle, window: Window) -> Recorder {
    let mut recorder = Recorder::new(window);
    for key in (0..ENTRIES).cycle() {
        let began = Instant::now();
        black_box(runtime.block_on(peer.look_up(key)));
        if !recorder.record(began, Instant::now()) {
            break;
        }
        while began.elapsed() < PACE {
            spin_loop();
        }
    }
    recorder
}

async fn write<P: Peer>(peer: Arc<P>, window: Window) -> Outcome<Recorder> {
    let mut recorder = Recorder::new(window);
    for number in 0.. {
        let began = Instant::now();
        peer.apply(Put::numbered(number)).await?;
        if !recorder.record(began, Instant::now()) {
            break;
        }
    }
    Ok(recorder)
}
