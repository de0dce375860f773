//! Do disk, start-up and memory stay bounded while the history grows?
#![expect(clippy::disallowed_methods, reason = "looks at what the measured program wrote")]

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use ministate::{Disposal, Options, SnapshotEvery, StateManager};

use crate::machine::{self, Place};
use crate::peers::{JOURNAL, Map, Put};
use crate::samples::median;
use crate::settings::Settings;
use crate::table::{Report, Table, count, held, none, ratio};
use crate::{Failure, Outcome};

/// How many keys the mutations are over.
const KEYS: u64 = 10_000;

/// How many mutations a batch has.
const BATCH: u64 = 1_000;

/// How many times as fast as a full replay an opening is to be.
const TARGET: f64 = 50.0;

/// How much more memory than the state recovery may take.
pub(crate) const TARGET_MEGABYTES: f64 = 32.0;

const SEGMENT_BYTES: u64 = 64 << 20;

/// Set for the process that recovers a journal to see how much memory that takes.
const RECOVERS: &str = "MINISTATE_BENCHES_RECOVERS";

pub(crate) fn run(settings: &Settings, place: &Place) -> Outcome<Report> {
    // No divisor of all records, so that there is something behind the last snapshot.
    let every = SnapshotEvery::Mutations((settings.records / 95 / BATCH * BATCH).max(1));
    let (bounded, whole) = (place.fresh()?, place.fresh()?);
    let most = write(&bounded, settings.records, Some(every))?;
    write(&whole, settings.records, None)?;
    let bound = 2 * largest_snapshot(&bounded)? + 3 * SEGMENT_BYTES;
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..settings.rounds {
        with.push(open(&bounded, settings.records)?);
        without.push(open(&whole, settings.records)?);
    }
    let seconds = |took: &Duration| took.as_secs_f64();
    let faster = median(&without, seconds) / median(&with, seconds);
    let memory = memory(&whole)?;

    let mut table = Table::new(["journal", "most MB on disk", "ms to open", "MB beside the state"]);
    let megabytes = |bytes: u64| format!("{:.1}", bytes as f64 / 1e6);
    for (name, bytes, rounds, memory) in [
        ("with snapshots, every 1%", most, &with, None),
        ("without snapshots", bytes_in(&whole)?, &without, memory),
    ] {
        table.row([
            name.to_string(),
            megabytes(bytes),
            format!("{:.1}", 1e3 * median(rounds, seconds)),
            memory.map_or_else(none, |megabytes: f64| format!("{megabytes:.1}")),
        ]);
    }
    let memory = match memory {
        Some(memory) => format!(
            "{TARGET_MEGABYTES:.0} MB beside the state {} ({memory:.1} MB)",
            held(memory <= TARGET_MEGABYTES)
        ),
        None => "memory is not known here".to_string(),
    };
    Ok(Report {
        title: format!(
            "bounded: {} mutations over {} keys; medians of {} openings",
            count(settings.records as f64),
            count(KEYS as f64),
            settings.rounds
        ),
        table,
        verdict: format!(
            "The targets: below two snapshots and three segments, {} MB, {}; an opening {TARGET:.0}x \
             as fast as a full replay {} ({}); {memory}.",
            megabytes(bound),
            held(most <= bound),
            held(faster >= TARGET),
            ratio(faster),
        ),
    })
}

/// Whether this process was started to see how much memory a recovery takes; it says so.
pub(crate) fn recovers() -> Option<Outcome<()>> {
    let dir = env::var_os(RECOVERS)?;
    Some((|| {
        let before = machine::memory("VmRSS").unwrap_or_default();
        let manager: StateManager<Map, Put> =
            Options::new().blocking_open(Path::new(&dir), JOURNAL)?;
        let peak = machine::memory("VmHWM").unwrap_or_default();
        let state = manager.read(Map::bytes);
        println!("{}", peak.saturating_sub(before).saturating_sub(state));
        Ok(())
    })())
}

/// How many MB recovery takes beside the state; `None` where the system does not say.
pub(crate) fn memory(dir: &Path) -> Outcome<Option<f64>> {
    if machine::memory("VmHWM").is_none() {
        return Ok(None);
    }
    // The flag is for tests of the benches, whose executable lists its tests then.
    let output = Command::new(env::current_exe()?).arg("--list").env(RECOVERS, dir).output()?;
    if !output.status.success() {
        return Err(Failure::from(String::from_utf8_lossy(&output.stderr)));
    }
    let printed = String::from_utf8(output.stdout)?;
    let bytes = printed.lines().find_map(|line| line.trim().parse::<u64>().ok());
    Ok(bytes.map(|bytes| bytes as f64 / 1e6))
}

/// Writes so many mutations, and returns how many bytes there were at most.
fn write(dir: &Path, records: u64, every: Option<SnapshotEvery>) -> Outcome<u64> {
    let mut options = Options::new().segment_bytes(SEGMENT_BYTES).disposal(Disposal::Delete);
    if let Some(every) = every {
        options = options.snapshot_every(every);
    }
    let manager: StateManager<Map, Put> = options.blocking_open(dir, JOURNAL)?;
    let mut most = 0;
    for first in (0..records).step_by(BATCH as usize) {
        let batch = first..records.min(first + BATCH);
        manager.blocking_apply_batch(batch.map(|number| Put::among(number, KEYS)))?;
        if first % (100 * BATCH) == 0 {
            most = most.max(bytes_in(dir)?);
        }
    }
    if let Some(failure) = manager.journal_status().snapshot_failure {
        return Err(failure.into());
    }
    manager.blocking_close()?;
    Ok(most.max(bytes_in(dir)?))
}

fn open(dir: &Path, records: u64) -> Outcome<Duration> {
    let began = Instant::now();
    let manager: StateManager<Map, Put> = Options::new().blocking_open(dir, JOURNAL)?;
    let took = began.elapsed();
    if manager.sequence() != records {
        return Err(format!("{records} mutations written, {} there", manager.sequence()).into());
    }
    manager.blocking_close()?;
    Ok(took)
}

fn bytes_in(dir: &Path) -> Outcome<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(dir)? {
        // A file may be put away while this looks.
        bytes += entry?.metadata().map_or(0, |metadata| metadata.len());
    }
    Ok(bytes)
}

fn largest_snapshot(dir: &Path) -> Outcome<u64> {
    let mut largest = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().contains(".snapshot.") {
            largest = largest.max(entry.metadata()?.len());
        }
    }
    Ok(largest)
}
