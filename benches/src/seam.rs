//! What does the seam for engines cost where there is none? The same text appended through the trait,
//! and by the manager that the file journal is.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ministate::shared::{FileJournal, Journal, Place as Position};
use ministate::{Fidelity, Mutator, Options, StateManager};
use serde::{Deserialize, Serialize};

use crate::Outcome;
use crate::machine::Place;
use crate::peers;
use crate::rounds::{Measure, interleave};
use crate::samples::{Recorder, Sample, Window, median, median_ratio};
use crate::settings::Settings;
use crate::table::{Report, Table, count, micros, ratio};

/// How many records of about 200 bytes are in a text.
const RECORDS: [usize; 2] = [1, 64];

#[derive(Debug, Default, Serialize, Deserialize)]
struct Nothing {}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Text(Vec<Line>);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Line {
    account: String,
    cents: u64,
}

impl Mutator<Nothing> for Text {
    fn apply(&self, _: &mut Nothing) {}
}

fn lines(records: usize) -> Vec<Line> {
    (0..records as u64).map(|cents| Line { account: "a".repeat(170), cents }).collect()
}

pub(crate) fn run(settings: &Settings, place: &Place) -> Outcome<Report> {
    let measures: Vec<Measure<'_, Sample>> = RECORDS
        .into_iter()
        .flat_map(|records| -> [Measure<'_, Sample>; 2] {
            let measured = settings.measured;
            [
                Box::new(move |dir| direct(records, measured, dir)),
                Box::new(move |dir| through_the_seam(records, measured, dir)),
            ]
        })
        .collect();
    let measured = interleave(settings.rounds, place, &measures)?;
    let evaluated: Vec<Vec<_>> = measured
        .into_iter()
        .map(|rounds| rounds.into_iter().map(|round: Sample| round.evaluate()).collect())
        .collect();

    let mut table = Table::new(["records", "by", "appends/s", "p50 us", "p99 us", "p50 : direct"]);
    let mut ratios = Vec::new();
    for (records, pair) in RECORDS.into_iter().zip(evaluated.chunks(2)) {
        let [direct, seam] = pair else { unreachable!("there are two of each") };
        ratios.push(median_ratio(seam, direct, |round| round.p50));
        for (name, rounds) in [("the manager", direct), ("the seam", seam)] {
            table.row([
                records.to_string(),
                name.to_string(),
                count(median(rounds, |round| round.per_second)),
                micros(median(rounds, |round| round.p50)),
                micros(median(rounds, |round| round.p99)),
                ratio(median_ratio(rounds, direct, |round| round.p50)),
            ]);
        }
    }
    Ok(Report {
        title: format!(
            "seam: one task appends texts of so many records; medians of {} rounds of {:?}",
            settings.rounds, settings.measured
        ),
        table,
        verdict: format!(
            "Target: nothing that can be measured; {} and {} of the time of the manager.",
            ratio(ratios[0]),
            ratio(ratios[1])
        ),
    })
}

fn direct(records: usize, measured: Duration, dir: &Path) -> Outcome<Sample> {
    let runtime = peers::runtime()?;
    let options = Options::new().fidelity(Fidelity::Trusted);
    let opened = options.open::<Nothing, Text>(dir, "texts.wal.jsonl");
    let manager: Arc<StateManager<_, _>> = Arc::new(runtime.block_on(opened)?);
    let (window, text) = (Window::from_now(measured), Text(lines(records)));
    let task = runtime.spawn(async move {
        let mut recorder = Recorder::new(window);
        loop {
            let began = Instant::now();
            manager.apply(text.clone()).await?;
            if !recorder.record(began, Instant::now()) {
                return Outcome::Ok(recorder);
            }
        }
    });
    sampled(runtime.block_on(task)??, measured)
}

fn through_the_seam(records: usize, measured: Duration, dir: &Path) -> Outcome<Sample> {
    let runtime = peers::runtime()?;
    let opened = FileJournal::open(dir, "texts.wal.jsonl");
    let journal: Arc<dyn Journal> = Arc::new(runtime.block_on(opened)?);
    let mut text = String::new();
    for line in lines(records) {
        text += &serde_json::to_string(&line)?;
        text.push('\n');
    }
    let (window, text): (_, Arc<[u8]>) = (Window::from_now(measured), text.into_bytes().into());
    let task = runtime.spawn(async move {
        let mut recorder = Recorder::new(window);
        let mut end = Position::START;
        loop {
            let began = Instant::now();
            end = journal.append(end, Arc::clone(&text)).await?;
            if !recorder.record(began, Instant::now()) {
                return Outcome::Ok(recorder);
            }
        }
    });
    sampled(runtime.block_on(task)??, measured)
}

fn sampled(recorder: Recorder, measured: Duration) -> Outcome<Sample> {
    Ok(Sample { recorders: vec![recorder], measured, processor: Duration::ZERO })
}
