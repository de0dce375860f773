//! What does one process do that works once, for those who time it from outside?
#![expect(clippy::disallowed_methods, reason = "makes the directory that it was told")]

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ministate_benches::machine;
use ministate_benches::peers::{self, ENTRIES, Peer, Put};
use ministate_benches::samples::{Figures, Recorder, Sample, Window};
use ministate_benches::writers::{Writers, now};
use serde_json::{Value, json};

use crate::bulk::BATCH;
use crate::contestants::Contestant;
use crate::settings::Settings;
use crate::{Failure, Outcome};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// So many mutations, by so many writers.
    Applies,
    /// So many mutations, 1,000 at a time.
    Bulk,
    /// So many reads, while one writer commits.
    Reads,
    /// Writes what is to be recovered.
    Fill,
    Recovery,
}

impl Work {
    pub(crate) fn named(name: &str) -> Option<Work> {
        Some(match name {
            "applies" => Work::Applies,
            "bulk" => Work::Bulk,
            "reads" => Work::Reads,
            "fill" => Work::Fill,
            "recovery" => Work::Recovery,
            _ => return None,
        })
    }
}

/// One piece of work that one peer is to do.
#[derive(Debug)]
pub(crate) struct Task {
    work: Work,
    dir: PathBuf,
    writers: u64,
    operations: u64,
    check: bool,
}

#[derive(Debug)]
pub(crate) struct Done {
    figures: Figures,
    took: Duration,
}

pub(crate) fn run(work: Work, contestant: &Contestant, settings: &Settings) -> Outcome<()> {
    let dir = settings.dir.clone().ok_or("--dir is missing")?;
    fs::create_dir_all(&dir)?;
    let records = settings.records;
    let keys = settings.keys.first().copied().unwrap_or(records);
    let said = match work {
        Work::Fill => {
            (contestant.fill)(&dir, records, keys)?;
            json!({ "records": records, "keys": keys })
        }
        Work::Recovery => recovery(contestant, &dir, records, keys)?,
        Work::Applies | Work::Bulk | Work::Reads => {
            if fs::read_dir(&dir)?.next().is_some() {
                return Err(format!("{} is not empty", dir.display()).into());
            }
            let writers = match work {
                Work::Applies => settings.tasks.first().map_or(1, |writers| *writers as u64),
                _ => 1,
            };
            let (operations, check) = (settings.operations, settings.check);
            let Done { figures, took } =
                (contestant.one)(&Task { work, dir, writers, operations, check })?;
            let micros = |nanoseconds: f64| nanoseconds / 1e3;
            json!({
                "tasks": writers,
                "operations": operations,
                "seconds": took.as_secs_f64(),
                "operations_per_second": operations as f64 / took.as_secs_f64(),
                "p50_us": micros(figures.p50),
                "p99_us": micros(figures.p99),
                "p999_us": micros(figures.p999),
                "processor_us": micros(figures.processor),
                "checked": check && work != Work::Reads,
            })
        }
    };
    let mut line = json!({ "work": format!("{work:?}").to_lowercase(), "peer": contestant.name });
    if let (Value::Object(line), Value::Object(said)) = (&mut line, said) {
        line.extend(said);
    }
    println!("{line}");
    Ok(())
}

fn recovery(
    contestant: &Contestant,
    dir: &std::path::Path,
    records: u64,
    keys: u64,
) -> Outcome<Value> {
    let recovered = (contestant.recover)(dir)?;
    let there = (recovered.keys, recovered.sequence.unwrap_or(records));
    if there != (keys.min(records), records) {
        return Err(format!("{records} records over {keys} keys written, {there:?} there").into());
    }
    Ok(json!({
        "records": records,
        "keys": keys,
        "milliseconds_to_open": 1e3 * recovered.opened.as_secs_f64(),
        "milliseconds_to_map": 1e3 * recovered.mapped.as_secs_f64(),
        "peak_bytes": recovered.peak,
        "state_bytes": recovered.state,
    }))
}

pub(crate) fn work<P: Peer>(task: &Task) -> Outcome<Done> {
    let runtime = peers::runtime()?;
    // What is polled on this thread may ask for its timers, too.
    let _inside = runtime.enter();
    let peer = Arc::new(runtime.block_on(P::open(&task.dir))?);
    let mut reads = None;
    if task.work == Work::Reads {
        runtime.block_on(peer.apply_batch((0..ENTRIES).map(Put::numbered)))?;
        let handle = runtime.handle().clone();
        let (reader, operations) = (Arc::clone(&peer), task.operations);
        reads = Some(move || -> Outcome<Recorder> {
            let mut recorder = Recorder::new(Window::unlimited());
            for number in 0..operations {
                let began = Instant::now();
                if now(&handle, reader.look_up(number % ENTRIES)) == 0 {
                    return Err(Failure::from("a value is not there"));
                }
                recorder.record(began, Instant::now());
            }
            Ok(recorder)
        });
    }
    let stop = Arc::new(AtomicBool::new(false));
    let before = machine::processor_time();
    let began = Instant::now();
    let writers = Writers::start::<P, _>(&runtime, task.writers as usize, |writer| {
        let share = Share::of(writer, task);
        write(Arc::clone(&peer), share, Arc::clone(&stop))
    })?;
    let read = reads.map(|reads| {
        let recorder = reads();
        stop.store(true, Ordering::Relaxed);
        recorder
    });
    let written = writers.finish(&runtime)?;
    let took = began.elapsed();
    let processor = machine::processor_time() - before;
    runtime.block_on(peer.close())?;
    drop(peer);
    let mutations_per_call = if task.work == Work::Bulk { BATCH } else { 1 };
    let recorders = match read {
        Some(read) => vec![read?],
        None => written,
    };
    let mut figures = Sample { recorders, measured: took, processor }.evaluate();
    figures.processor /= mutations_per_call as f64;
    if task.check && task.work != Work::Reads {
        runtime.block_on(check::<P>(task))?;
    }
    Ok(Done { figures, took })
}

/// The mutations of one writer: so many, over keys of its own, so that it is known which ones are
/// the last of their keys.
#[derive(Debug, Clone, Copy)]
struct Share {
    work: Work,
    first_key: u64,
    keys: u64,
    mutations: u64,
}

impl Share {
    fn of(writer: u64, task: &Task) -> Share {
        let keys = (ENTRIES / task.writers).max(1);
        let more = u64::from(writer < task.operations % task.writers);
        Share {
            work: task.work,
            first_key: writer * keys,
            keys,
            mutations: task.operations / task.writers + more,
        }
    }

    fn put(&self, number: u64) -> Put {
        Put::stamped(self.first_key + number % self.keys, number)
    }
}

async fn write<P: Peer>(peer: Arc<P>, share: Share, stop: Arc<AtomicBool>) -> Outcome<Recorder> {
    let mut recorder = Recorder::new(Window::unlimited());
    match share.work {
        // Beside the reader, for as long as there is one.
        Work::Reads => {
            for number in ENTRIES.. {
                peer.apply(share.put(number)).await?;
                if stop.load(Ordering::Relaxed) {
                    break;
                }
            }
        }
        Work::Bulk => {
            for first in (0..share.mutations).step_by(BATCH as usize) {
                let batch = first..share.mutations.min(first + BATCH);
                let began = Instant::now();
                peer.apply_batch(batch.map(|number| share.put(number))).await?;
                recorder.record(began, Instant::now());
            }
        }
        Work::Applies | Work::Fill | Work::Recovery => {
            for number in 0..share.mutations {
                let began = Instant::now();
                peer.apply(share.put(number)).await?;
                recorder.record(began, Instant::now());
            }
        }
    }
    Ok(recorder)
}

/// Whether another opening has the last mutation of every key, and nothing else.
async fn check<P: Peer>(task: &Task) -> Outcome<()> {
    let mut last = HashMap::new();
    for share in (0..task.writers).map(|writer| Share::of(writer, task)) {
        for number in share.mutations.saturating_sub(share.keys)..share.mutations {
            let put = share.put(number);
            last.insert(put.key, put.value);
        }
    }
    let peer = P::open(&task.dir).await?;
    let mut wrong = 0;
    peer.visit(|key, value| wrong += u64::from(last.remove(&key).as_deref() != Some(value)))
        .await?;
    peer.close().await?;
    match (wrong, last.len()) {
        (0, 0) => Ok(()),
        (wrong, missing) => Err(format!("{missing} keys are not there, {wrong} are wrong").into()),
    }
}
