//! How long does replay take to decode a line, beside the decoding of its payload alone?
#![expect(clippy::disallowed_methods, reason = "reads what the measured program wrote")]

use std::collections::BTreeMap;
use std::fs;
use std::hint::black_box;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ministate::{Mutations, Options, StateManager};
use serde::{Deserialize, Serialize};

use crate::machine::Place;
use crate::peers::{self, JOURNAL};
use crate::rounds::{Measure, interleave};
use crate::samples::{median, median_ratio, warm_up};
use crate::settings::Settings;
use crate::table::{Report, Table, count, held};
use crate::{Failure, Outcome};

/// How many times as long as its payload alone a line may take.
const TARGET: f64 = 1.3;

/// As many as the reader of a journal has in memory at a time, about.
const LINES: u64 = 2_000;

#[derive(Debug, Default, Serialize, Deserialize)]
struct Bank;

impl Bank {
    fn deposit(&mut self, _account: u64, _cents: u64, _memo: String) {}

    fn close(&mut self, _account: u64) {}

    fn tag(&mut self, _names: Vec<String>, _counts: BTreeMap<String, u32>) {}

    fn register(&mut self, _name: String, _version: String, _component: Component) {}
}

/// As in the example `registry`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Component {
    source: Option<String>,
    checksum: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Mutations)]
#[mutations(state = Bank)]
enum BankOp {
    Deposit { account: u64, cents: u64, memo: String },
    Close { account: u64 },
    Tag { names: Vec<String>, counts: BTreeMap<String, u32> },
    Register { name: String, version: String, component: Component },
}

#[derive(Deserialize)]
struct Register {
    name: String,
    version: String,
    component: Component,
}

#[derive(Deserialize)]
struct Deposit {
    account: u64,
    cents: u64,
    memo: String,
}

#[derive(Deserialize)]
struct Close {
    account: u64,
}

#[derive(Deserialize)]
struct Tag {
    names: Vec<String>,
    counts: BTreeMap<String, u32>,
}

/// An operation by its number.
type Make = fn(u64) -> BankOp;

impl BankOp {
    /// What the main job of the README journals.
    fn registered(number: u64) -> BankOp {
        let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        BankOp::Register {
            name: format!("component-{}", mixed % 1_000),
            version: format!("{}.{}.{}", mixed % 7, mixed % 19, mixed % 5),
            component: Component {
                source: Some("registry+https://github.com/rust-lang/crates.io-index".to_string()),
                checksum: Some(format!("{mixed:016x}").repeat(4)),
            },
        }
    }

    /// Of eight operations five are deposits, two are closes and one has tags, in a mixed order.
    fn numbered(number: u64) -> BankOp {
        let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        match mixed >> 61 {
            0..5 => BankOp::Deposit {
                account: mixed % 100_000,
                cents: mixed % 1_000_007,
                memo: format!("invoice {}, paid late", mixed % 10_007),
            },
            5..7 => BankOp::Close { account: mixed % 100_000 },
            _ => BankOp::Tag {
                names: ["north", "wholesale", "new"].map(String::from).into(),
                counts: ["visits", "returns"].map(|of| (of.to_string(), number as u32)).into(),
            },
        }
    }
}

/// As which of the types a payload is read.
#[derive(Clone, Copy)]
enum Type {
    Deposit,
    Close,
    Tag,
    Register,
}

/// What both peers decode.
struct Journal {
    /// The lines of the records alone, each with its newline.
    lines: Vec<u8>,
    /// The checksum before them, in hexadecimal.
    previous: Vec<u8>,
    /// Where the payloads are in the lines.
    payloads: Vec<(Type, Range<usize>)>,
}

pub(crate) fn run(settings: &Settings, place: &Place) -> Outcome<Report> {
    let mut table = Table::new(["decoded", "bytes", "ns/line", "ns : payload's"]);
    let mut verdicts = Vec::new();
    let kinds: [(&str, Make); 2] =
        [("small operations", BankOp::numbered), ("registrations", BankOp::registered)];
    for (kind, make) in kinds {
        let journal = Journal::write(&place.fresh()?, make)?;
        journal.check()?;
        let per_line = |pass: &dyn Fn() -> Outcome<()>| {
            Ok(quickest(settings, pass)?.as_nanos() as f64 / LINES as f64)
        };
        let peers: [Measure<'_, f64>; 2] = [
            Box::new(|_| {
                per_line(&|| journal.decode_lines(|operation| drop(black_box(operation))))
            }),
            Box::new(|_| per_line(&|| journal.decode_payloads())),
        ];
        let measured = interleave(settings.rounds, place, &peers)?;
        let [lines, payloads] = measured.as_slice() else { unreachable!("there are two peers") };
        let reached = median_ratio(lines, payloads, |nanoseconds| *nanoseconds);
        let payload_bytes = journal.payloads.iter().map(|(_, place)| place.len()).sum::<usize>();
        for (what, rounds, bytes, to_payload) in [
            ("the line, checksum included", lines, journal.lines.len(), reached),
            ("its payload alone, by serde_json", payloads, payload_bytes, 1.0),
        ] {
            table.row([
                format!("{kind}: {what}"),
                count(bytes as f64 / LINES as f64),
                count(median(rounds, |nanoseconds| *nanoseconds)),
                format!("{to_payload:.2}x"),
            ]);
        }
        verdicts.push(format!("{kind} {} ({reached:.2}x)", held(reached <= TARGET)));
    }
    Ok(Report {
        title: format!(
            "decode: {} records of a kind, in memory; medians of {} rounds, of each the quickest \
             pass in {:?}",
            count(LINES as f64),
            settings.rounds,
            settings.measured
        ),
        table,
        verdict: format!("The target of at most {TARGET}x: {}.", verdicts.join(", ")),
    })
}

/// The time of the quickest pass: all that the machine does besides can only add to it.
fn quickest(settings: &Settings, pass: &dyn Fn() -> Outcome<()>) -> Outcome<Duration> {
    let start = Instant::now();
    let mut quickest = Duration::MAX;
    while start.elapsed() < warm_up(settings.measured) + settings.measured {
        let began = Instant::now();
        pass()?;
        quickest = quickest.min(began.elapsed());
    }
    Ok(quickest)
}

impl Journal {
    /// Written by the manager, one line for each operation.
    fn write(dir: &Path, make: Make) -> Outcome<Journal> {
        peers::runtime()?.block_on(async {
            let bank: StateManager<Bank, BankOp> = Options::new().open(dir, JOURNAL).await?;
            let bank = Arc::new(bank);
            let tasks: Vec<_> = (0..LINES)
                .map(|number| {
                    let bank = Arc::clone(&bank);
                    tokio::spawn(async move { bank.apply(make(number)).await })
                })
                .collect();
            for task in tasks {
                task.await??;
            }
            bank.close().await?;
            Ok::<_, Failure>(())
        })?;
        Journal::read(&fs::read(dir.join(JOURNAL))?).ok_or_else(|| "not as it was written".into())
    }

    fn read(segment: &[u8]) -> Option<Journal> {
        let mut journal = Journal { lines: Vec::new(), previous: Vec::new(), payloads: Vec::new() };
        for line in segment.split_inclusive(|byte| *byte == b'\n') {
            let (covered, checksum) = line.split_at_checked(line.len().checked_sub(19)?)?;
            if line.starts_with(br#"{"ministate":"#) {
                journal.previous = checksum.get(8..16)?.to_vec();
            } else if line.starts_with(br#"{"seq":"#) {
                let (read_as, payload) = find_payload(str::from_utf8(covered).ok()?)?;
                let end = journal.lines.len() + covered.len();
                journal.payloads.push((read_as, end - payload.len()..end));
                journal.lines.extend_from_slice(line);
            }
        }
        Some(journal)
    }

    /// Both peers decode the same operations, and all of them.
    fn check(&self) -> Outcome<()> {
        let mut operations = Vec::new();
        self.decode_lines(|operation| operations.push(operation))?;
        let mut payloads = Vec::new();
        for (read_as, place) in &self.payloads {
            let text = &self.lines[place.clone()];
            payloads.push(match read_as {
                Type::Deposit => serde_json::from_slice::<Deposit>(text)?.into(),
                Type::Close => serde_json::from_slice::<Close>(text)?.into(),
                Type::Tag => serde_json::from_slice::<Tag>(text)?.into(),
                Type::Register => serde_json::from_slice::<Register>(text)?.into(),
            });
        }
        if operations != payloads || operations.len() as u64 != LINES {
            return Err("the lines and their payloads are decoded as different operations".into());
        }
        Ok(())
    }

    fn decode_lines(&self, each: impl FnMut(BankOp)) -> Outcome<()> {
        ministate::__private::decode_records::<Bank, BankOp>(&self.lines, &self.previous, each)
            .ok_or_else(|| "a line cannot be decoded".into())
    }

    fn decode_payloads(&self) -> Outcome<()> {
        for (read_as, place) in &self.payloads {
            let text = &self.lines[place.clone()];
            match read_as {
                Type::Deposit => drop(black_box(serde_json::from_slice::<Deposit>(text)?)),
                Type::Close => drop(black_box(serde_json::from_slice::<Close>(text)?)),
                Type::Tag => drop(black_box(serde_json::from_slice::<Tag>(text)?)),
                Type::Register => drop(black_box(serde_json::from_slice::<Register>(text)?)),
            }
        }
        Ok(())
    }
}

/// The payload in a line whose end has been split off.
fn find_payload(covered: &str) -> Option<(Type, &str)> {
    let (head, payload) = covered.split_once(r#","d":"#)?;
    let (_, operation) = head.split_once(r#""op":""#)?;
    let read_as = match operation.split_once('"')?.0 {
        "deposit" => Type::Deposit,
        "close" => Type::Close,
        "tag" => Type::Tag,
        "register" => Type::Register,
        _ => return None,
    };
    Some((read_as, payload))
}

impl From<Deposit> for BankOp {
    fn from(Deposit { account, cents, memo }: Deposit) -> Self {
        BankOp::Deposit { account, cents, memo }
    }
}

impl From<Close> for BankOp {
    fn from(Close { account }: Close) -> Self {
        BankOp::Close { account }
    }
}

impl From<Tag> for BankOp {
    fn from(Tag { names, counts }: Tag) -> Self {
        BankOp::Tag { names, counts }
    }
}

impl From<Register> for BankOp {
    fn from(Register { name, version, component }: Register) -> Self {
        BankOp::Register { name, version, component }
    }
}
