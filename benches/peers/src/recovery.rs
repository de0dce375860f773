//! How long does it take, and how much memory, to have the state again?
//!
//! Every opening has a process of its own, which is this program with `one recovery`, so that its
//! peak of memory is of nothing else. Some have the state in their own structures, on the disk, and
//! are open sooner; what a program that wants it as a map waits for is said beside.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use ministate_benches::machine::{self, Place};
use ministate_benches::peers::{self, Map, Peer, Put, State};
use ministate_benches::rounds::{Measure, interleave};
use ministate_benches::samples::median;
use ministate_benches::table::{Report, Table, count};
use serde_json::Value;

use crate::bulk::BATCH;
use crate::contestants::{Contestant, OURS, SEED};
use crate::settings::Settings;
use crate::standing::{Standing, at_least, at_most, target};
use crate::{Failure, Outcome};

/// Of the second kind of history.
const FEW: u64 = 10_000;

/// How many times as fast as the seed, with as many keys as records and with few.
const TARGETS: [f64; 2] = [3.0, 4.5];

/// How much more memory than the state recovery may take.
const TARGET_MEGABYTES: f64 = 32.0;

#[derive(Debug)]
pub(crate) struct Recovered {
    /// Until it can be asked for a value.
    pub(crate) opened: Duration,
    /// Until all of it is in a map.
    pub(crate) mapped: Duration,
    /// At the peak, without what the process had before.
    pub(crate) peak: u64,
    /// Of the map that it is.
    pub(crate) state: u64,
    pub(crate) keys: u64,
    pub(crate) sequence: Option<u64>,
}

/// So many mutations over so many keys.
pub(crate) fn fill<P: Peer>(dir: &Path, records: u64, keys: u64) -> Outcome<()> {
    peers::runtime()?.block_on(async {
        let peer = P::open(dir).await?;
        for first in (0..records).step_by(BATCH as usize) {
            let batch = first..records.min(first + BATCH);
            peer.apply_batch(batch.map(|number| Put::among(number, keys))).await?;
        }
        peer.close().await
    })
}

pub(crate) fn recover<P: Peer>(dir: &Path) -> Outcome<Recovered> {
    let runtime = peers::runtime()?;
    let before = machine::memory("VmRSS").unwrap_or_default();
    let peak = || machine::memory("VmHWM").unwrap_or_default().saturating_sub(before);
    let began = Instant::now();
    let peer = runtime.block_on(P::open(dir))?;
    let opened = began.elapsed();
    let in_memory = peak();
    let mut map = Map::default();
    let visit = peer.visit(|key, value| map.insert(Put { key, value: value.to_string() }));
    runtime.block_on(visit)?;
    let (mapped, peak) = match P::STATE {
        // The second map is for looking at alone.
        State::InMemory => (opened, in_memory),
        State::Native => (began.elapsed(), peak()),
    };
    let (state, keys, sequence) = (map.bytes(), map.entries(), peer.sequence());
    runtime.block_on(peer.close())?;
    Ok(Recovered { opened, mapped, peak, state, keys, sequence })
}

pub(crate) fn run(settings: &Settings, place: &Place) -> Outcome<Report> {
    let records = settings.records;
    let usual = [records, FEW.min(records)];
    let keys = if settings.keys.is_empty() { usual.as_slice() } else { &settings.keys };
    let names: Vec<String> = settings.peers.iter().map(|peer| peer.name.to_string()).collect();
    let mut table = Table::new([
        "keys, peer",
        "ms to open",
        "ms to a map",
        "records/s",
        "state MB",
        "peak MB",
        "beside MB",
        ": seed",
        ": best peer",
    ]);
    let mut verdicts = Vec::new();
    for keys in keys.iter().copied() {
        let rounds = measure(settings, place, keys)?;
        let speed = |round: &Seen| 1.0 / round.mapped;
        let standing = Standing::new(&names, &rounds, speed);
        for (name, rounds) in names.iter().zip(&rounds) {
            let [_, seed, best] = standing.cells(name);
            let megabytes = |of: fn(&Seen) -> f64| format!("{:.1}", median(rounds, of) / 1e6);
            table.row([
                format!("{:>9}, {name}", count(keys as f64)),
                format!("{:.1}", median(rounds, |round| round.opened)),
                format!("{:.1}", median(rounds, |round| round.mapped)),
                count(1e3 * records as f64 / median(rounds, |round| round.mapped)),
                megabytes(|round| round.state),
                megabytes(|round| round.peak),
                megabytes(Seen::beside),
                seed,
                best,
            ]);
        }
        let bound = TARGETS[usize::from(keys < records)];
        let reached = standing.ratio(OURS, Some(SEED), speed);
        let beside = standing.of(OURS).map_or(f64::NAN, |ours| median(ours, Seen::beside) / 1e6);
        verdicts.push(format!(
            "  {} keys: {}, {}\n",
            count(keys as f64),
            target(&format!("{bound}x the seed"), at_least, bound, reached),
            target("32 MB beside the state", at_most, TARGET_MEGABYTES, beside)
        ));
    }
    Ok(Report {
        title: format!(
            "recovery: of {} records from the page cache, each in a process of its own; ratios of \
             the time to a map; medians of {} rounds",
            count(records as f64),
            settings.rounds
        ),
        table,
        verdict: format!("The targets:\n{}", verdicts.concat()),
    })
}

/// What a process said of its recovery: milliseconds and bytes.
#[derive(Debug, Clone, Copy)]
struct Seen {
    opened: f64,
    mapped: f64,
    peak: f64,
    state: f64,
}

impl Seen {
    fn beside(&self) -> f64 {
        self.peak - self.state
    }
}

fn measure(settings: &Settings, place: &Place, keys: u64) -> Outcome<Vec<Vec<Seen>>> {
    let mut peers: Vec<Measure<'_, Seen>> = Vec::new();
    for contestant in &settings.peers {
        let dir = place.fresh()?;
        itself("fill", contestant, settings, keys, &dir)?;
        peers.push(Box::new(move |_| {
            let said = itself("recovery", contestant, settings, keys, &dir)?;
            let number = |name: &str| said[name].as_f64().ok_or(format!("no {name} in {said}"));
            Ok(Seen {
                opened: number("milliseconds_to_open")?,
                mapped: number("milliseconds_to_map")?,
                peak: number("peak_bytes")?,
                state: number("state_bytes")?,
            })
        }));
    }
    // A first round reads the files into the page cache, and lets some repair what they left.
    interleave(1, place, &peers)?;
    interleave(settings.rounds, place, &peers)
}

/// Does one piece of work in another process.
fn itself(
    work: &str,
    contestant: &Contestant,
    settings: &Settings,
    keys: u64,
    dir: &Path,
) -> Outcome<Value> {
    let output = Command::new(std::env::current_exe()?)
        .args(["one", work, contestant.name])
        .args(["--records", &settings.records.to_string(), "--keys", &keys.to_string()])
        .arg("--dir")
        .arg(dir)
        .output()?;
    if !output.status.success() {
        let failure = String::from_utf8_lossy(&output.stderr);
        return Err(Failure::from(format!("{work} of {}: {failure}", contestant.name)));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
