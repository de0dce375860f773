//! How does the cost of ours grow with the writers, the record, the state and the journal?

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ministate::{Disposal, Options, StateManager};

use crate::machine::Place;
use crate::peers::{self, JOURNAL, Map, Ours, Put};
use crate::rounds::{Measure, interleave};
use crate::samples::{Figures, Sample, median};
use crate::settings::{Along, Settings};
use crate::table::{Report, Table, count, micros};
use crate::{Outcome, writers};

const WRITERS: [usize; 7] = [1, 4, 16, 64, 256, 1024, 4096];

const RECORD_BYTES: [usize; 8] =
    [64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20];

/// So many large records are in the state, over and over again.
const LARGE_RECORDS: u64 = 64;

/// How many times as many entries as `--records` the states have, in thousandths, and how many
/// writers write to them.
const STATE_THOUSANDTHS: [u64; 4] = [5, 50, 500, 5_000];
const WRITERS_OF_STATES: usize = 64;

/// How many keys journals of any length are over.
const KEYS: u64 = 10_000;

const BATCH: u64 = 1_000;

pub(crate) fn run(along: Along, settings: &Settings, place: &Place) -> Outcome<Report> {
    // Large records take much of the disk, and it is had again after each of these.
    let place = Place::new(Some(place.path()))?;
    let (what, table) = match along {
        Along::Writers => ("the number of writers", by_writers(settings, &place)?),
        Along::RecordSize => ("the size of a record", by_record_size(settings, &place)?),
        Along::StateSize => ("the size of the state", by_state_size(settings, &place)?),
        Along::JournalLength => ("the length of the journal", by_length(settings, &place)?),
    };
    Ok(Report {
        title: format!(
            "growth with {what}: medians of {} rounds of {:?}",
            settings.rounds, settings.measured
        ),
        table,
        verdict: "No target is set here.".to_string(),
    })
}

fn by_writers(settings: &Settings, place: &Place) -> Outcome<Table> {
    let measured = figures(&WRITERS, settings, place, |writers, dir| {
        writers::measure::<Ours>(writers, settings.measured, dir)
    })?;
    let mut table = Table::new(["writers", "op/s", "p50 us", "p99 us", "cpu us/op"]);
    for (writers, rounds) in WRITERS.iter().zip(measured) {
        table.row([
            count(*writers as f64),
            count(median(&rounds, |round| round.per_second)),
            micros(median(&rounds, |round| round.p50)),
            micros(median(&rounds, |round| round.p99)),
            micros(median(&rounds, |round| round.processor)),
        ]);
    }
    Ok(table)
}

fn by_record_size(settings: &Settings, place: &Place) -> Outcome<Table> {
    let mut table = Table::new(["writers, bytes", "op/s", "MB/s", "p50 us", "p99 us", "cpu us/op"]);
    for writers in [1, 64] {
        let measured = figures(&RECORD_BYTES, settings, place, |bytes, dir| {
            let runtime = peers::runtime()?;
            let manager = Options::new().disposal(Disposal::Delete).blocking_open(dir, JOURNAL)?;
            let ours: Arc<Ours> = Arc::new(Ours(manager));
            let put = move |number| sized(number, bytes);
            let (sample, _) = writers::apply(&runtime, &ours, writers, settings.measured, put)?;
            ours.0.blocking_close()?;
            Ok(sample)
        })?;
        for (bytes, rounds) in RECORD_BYTES.iter().zip(measured) {
            let per_second = median(&rounds, |round| round.per_second);
            table.row([
                format!("{writers:>2}, {:>9}", count(*bytes as f64)),
                count(per_second),
                count(per_second * *bytes as f64 / 1e6),
                micros(median(&rounds, |round| round.p50)),
                micros(median(&rounds, |round| round.p99)),
                micros(median(&rounds, |round| round.processor)),
            ]);
        }
    }
    Ok(table)
}

/// A mutation that is so long as JSON, about.
fn sized(number: u64, bytes: usize) -> Put {
    const FRAME: usize = r#"{"key":10,"value":""}"#.len();
    let key = number % LARGE_RECORDS;
    Put { key, value: "v".repeat(bytes.saturating_sub(FRAME)) }
}

struct OfState {
    applies: Sample,
    state: u64,
    snapshot: Duration,
    /// From the snapshot.
    opening: Duration,
}

fn by_state_size(settings: &Settings, place: &Place) -> Outcome<Table> {
    let states = STATE_THOUSANDTHS.map(|part| (settings.records * part).div_ceil(1_000));
    let mut peers: Vec<Measure<'_, OfState>> = Vec::new();
    for entries in states {
        peers.push(Box::new(move |dir| measure_state(entries, settings, dir)));
    }
    let measured = interleave(settings.rounds, place, &peers)?;
    let mut table = Table::new([
        "entries",
        "state MB",
        "op/s",
        "p50 us",
        "p99 us",
        "snapshot ms",
        "opening ms",
    ]);
    for (entries, rounds) in states.iter().zip(measured) {
        let milliseconds = |of: fn(&OfState) -> Duration| {
            format!("{:.1}", 1e3 * median(&rounds, |round| of(round).as_secs_f64()))
        };
        let (snapshot, opening) =
            (milliseconds(|round| round.snapshot), milliseconds(|round| round.opening));
        let state = median(&rounds, |round| round.state as f64) / 1e6;
        let figures: Vec<Figures> =
            rounds.into_iter().map(|round| round.applies.evaluate()).collect();
        table.row([
            count(*entries as f64),
            format!("{state:.1}"),
            count(median(&figures, |round| round.per_second)),
            micros(median(&figures, |round| round.p50)),
            micros(median(&figures, |round| round.p99)),
            snapshot,
            opening,
        ]);
    }
    Ok(table)
}

fn measure_state(entries: u64, settings: &Settings, dir: &Path) -> Outcome<OfState> {
    let runtime = peers::runtime()?;
    let ours = Arc::new(Ours(filled(dir, entries, entries)?));
    let put = move |number: u64| Put::among(number.wrapping_mul(7_919), entries);
    let (applies, _) = writers::apply(&runtime, &ours, WRITERS_OF_STATES, settings.measured, put)?;
    let state = ours.0.read(Map::bytes);
    let began = Instant::now();
    runtime.block_on(ours.0.create_snapshot())?;
    let snapshot = began.elapsed();
    ours.0.blocking_close()?;
    drop(ours);
    let opening = opening(dir, entries)?;
    Ok(OfState { applies, state, snapshot, opening })
}

fn by_length(settings: &Settings, place: &Place) -> Outcome<Table> {
    let lengths = [settings.records.div_ceil(100), settings.records.div_ceil(10), settings.records]
        .into_iter()
        .chain([10 * settings.records]);
    let mut peers: Vec<Measure<'_, Duration>> = Vec::new();
    for records in lengths.clone() {
        let dir = place.fresh()?;
        filled(&dir, records, KEYS)?.blocking_close()?;
        peers.push(Box::new(move |_| opening(&dir, records.min(KEYS))));
    }
    // A first round reads the files into the page cache.
    interleave(1, place, &peers)?;
    let measured = interleave(settings.rounds, place, &peers)?;
    let mut table = Table::new(["records", "opening ms", "records/s"]);
    for (records, rounds) in lengths.zip(measured) {
        let seconds = median(&rounds, Duration::as_secs_f64);
        table.row([
            count(records as f64),
            format!("{:.1}", 1e3 * seconds),
            count(records as f64 / seconds),
        ]);
    }
    Ok(table)
}

fn filled(dir: &Path, records: u64, keys: u64) -> Outcome<StateManager<Map, Put>> {
    let manager = Options::new().blocking_open(dir, JOURNAL)?;
    for first in (0..records).step_by(BATCH as usize) {
        let batch = first..records.min(first + BATCH);
        manager.blocking_apply_batch(batch.map(|number| Put::among(number, keys)))?;
    }
    Ok(manager)
}

fn opening(dir: &Path, entries: u64) -> Outcome<Duration> {
    let began = Instant::now();
    let manager: StateManager<Map, Put> = Options::new().blocking_open(dir, JOURNAL)?;
    let took = began.elapsed();
    let there = manager.read(Map::entries);
    if there != entries {
        return Err(format!("{entries} entries written, {there} there").into());
    }
    manager.blocking_close()?;
    Ok(took)
}

/// Of one measurement for each of these numbers, a round.
fn figures(
    numbers: &[usize],
    settings: &Settings,
    place: &Place,
    measure: impl Fn(usize, &Path) -> Outcome<Sample>,
) -> Outcome<Vec<Vec<Figures>>> {
    let measure = &measure;
    let mut peers: Vec<Measure<'_, Sample>> = Vec::new();
    for number in numbers.iter().copied() {
        peers.push(Box::new(move |dir| measure(number, dir)));
    }
    let measured = interleave(settings.rounds, place, &peers)?;
    let evaluated = measured.into_iter().map(|rounds| rounds.into_iter().map(Sample::evaluate));
    Ok(evaluated.map(Iterator::collect).collect())
}
