//! Who waits while a large state becomes a snapshot?

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ministate::{Disposal, Options, StateManager};

use crate::machine::Place;
use crate::peers::{self, JOURNAL, Map, Put};
use crate::samples::median;
use crate::settings::Settings;
use crate::table::{Report, Table, count, held};
use crate::{Failure, Outcome};

/// How many tasks write.
const WRITERS: u64 = 64;

/// How long an apply may wait because of a snapshot by replay.
const TARGET: Duration = Duration::from_millis(50);

/// Which part of the throughput has to be left.
const TARGET_THROUGHPUT: f64 = 0.6;

type Manager = StateManager<Map, Put>;

/// How a snapshot is made, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    None,
    Replay,
    Clone,
}

/// What the writers saw.
#[derive(Debug, Clone, Copy)]
struct Seen {
    applies_per_second: f64,
    longest: Duration,
    p99: Duration,
    took: Duration,
}

pub(crate) fn run(settings: &Settings, place: &Place) -> Outcome<Report> {
    // The state has about 100 bytes for each of its entries.
    let entries = settings.state_megabytes * 10_000;
    let dir = place.fresh()?;
    let runtime = peers::runtime()?;
    let manager = Arc::new(runtime.block_on(filled(&dir, entries))?);
    let ways = [Way::None, Way::Replay, Way::Clone];
    let mut seen: [Vec<Seen>; 3] = Default::default();
    for _ in 0..settings.rounds {
        for (way, seen) in ways.into_iter().zip(&mut seen) {
            seen.push(runtime.block_on(measure(&manager, way, settings, entries))?);
        }
    }
    let [none, replay, clone] = &seen;
    let rate = |seen: &Seen| seen.applies_per_second;
    let milliseconds = |of: fn(&Seen) -> Duration| {
        move |rounds: &Vec<Seen>| 1e3 * median(rounds, |seen| of(seen).as_secs_f64())
    };
    let longest = milliseconds(|seen| seen.longest);
    let (p99, took) = (milliseconds(|seen| seen.p99), milliseconds(|seen| seen.took));
    let left = |rounds: &Vec<Seen>| median(rounds, rate) / median(none, rate);
    let waits = longest(replay) - longest(none);

    let mut table =
        Table::new(["snapshot", "s", "applies/s", "of without", "p99 ms", "longest ms"]);
    for (name, rounds) in [("none", none), ("by replay", replay), ("by clone", clone)] {
        table.row([
            name.to_string(),
            format!("{:.1}", took(rounds) / 1e3),
            count(median(rounds, rate)),
            format!("{:.2}", left(rounds)),
            format!("{:.1}", p99(rounds)),
            format!("{:.1}", longest(rounds)),
        ]);
    }
    Ok(Report {
        title: format!(
            "snapshots: of a state of about {} MB under {WRITERS} writers; medians of {} rounds",
            settings.state_megabytes, settings.rounds
        ),
        table,
        verdict: format!(
            "The targets of a snapshot by replay: no apply waits longer than {} ms because of it {} \
             ({waits:.1} ms), and the throughput stays above {TARGET_THROUGHPUT} of without {} ({:.2}).",
            TARGET.as_millis(),
            held(waits <= 1e3 * TARGET.as_secs_f64()),
            held(left(replay) >= TARGET_THROUGHPUT),
            left(replay),
        ),
    })
}

async fn filled(dir: &Path, entries: u64) -> Outcome<Manager> {
    let options = Options::new().snapshots_kept(1).disposal(Disposal::Delete);
    let manager: Manager = options.open(dir, JOURNAL).await?;
    for first in (0..entries).step_by(1_000) {
        let batch = first..entries.min(first + 1_000);
        manager.apply_batch(batch.map(|number| Put::among(number, entries))).await?;
    }
    manager.create_snapshot_by_clone().await?;
    manager.compact().await?;
    Ok(manager)
}

/// Lets the writers write while a snapshot is made, or as long as is usual.
async fn measure(
    manager: &Arc<Manager>,
    way: Way,
    settings: &Settings,
    entries: u64,
) -> Outcome<Seen> {
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (manager, stop) = (Arc::clone(manager), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut times = Vec::new();
                let mut number = writer;
                while !stop.load(Ordering::Relaxed) {
                    let began = Instant::now();
                    manager.apply(Put::among(number, entries)).await?;
                    times.push(began.elapsed());
                    number += WRITERS;
                }
                Outcome::Ok(times)
            })
        })
        .collect();
    let began = Instant::now();
    match way {
        Way::None => {
            let pause = settings.measured;
            tokio::task::spawn_blocking(move || thread::sleep(pause)).await?;
        }
        Way::Replay => manager.create_snapshot().await?,
        Way::Clone => manager.create_snapshot_by_clone().await?,
    }
    let took = began.elapsed();
    stop.store(true, Ordering::Relaxed);
    let mut times = Vec::new();
    for writer in writers {
        times.extend(writer.await??);
    }
    manager.compact().await?;
    times.sort_unstable();
    let Some(longest) = times.last().copied() else {
        return Err(Failure::from("nothing was written"));
    };
    Ok(Seen {
        applies_per_second: times.len() as f64 / took.as_secs_f64(),
        longest,
        p99: times[times.len() * 99 / 100],
        took,
    })
}
