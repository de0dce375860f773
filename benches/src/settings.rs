//! What is to be measured, how often, for how long, and where?

use std::path::PathBuf;
use std::time::Duration;

use crate::peers::ENTRIES;

pub(crate) const USAGE: &str = "\
usage: ministate-benches <applies | reads | recovery | batch | decode | seam | all | bounded |
                        snapshots | growth | compile>
       ministate-benches plot FILE.csv OUT.svg
  --rounds N       turns that every peer gets (5)
  --seconds S      length of one measurement, without its warm-up (0.5)
  --records N      length of the journals that `recovery` and `bounded` open (200000); `growth` has
                   journals up to ten, and states up to five times that
  --keys N         how many entries the records of `recovery` are over (1000)
  --state MB       size of the state that `snapshots` makes snapshots of (200)
  --operations N   size of the enum that `compile` checks (200)
  --dir PATH       where the journals are written (target/, below the current directory)
`all` leaves out those behind it: `bounded`, `snapshots` and `growth` write much, and `compile` runs
cargo. `plot` draws what the harness of the peers (benches/peers) wrote with --csv.";

#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) workload: Selection,
    pub(crate) rounds: usize,
    pub(crate) measured: Duration,
    pub(crate) records: u64,
    pub(crate) keys: u64,
    pub(crate) state_megabytes: u64,
    pub(crate) operations: usize,
    pub(crate) dir: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Workload {
    Applies,
    Reads,
    Recovery,
    Batch,
    Decode,
    Seam,
    Bounded,
    Snapshots,
    Growth(Along),
    Compile,
}

/// What grows.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Along {
    Writers,
    RecordSize,
    StateSize,
    JournalLength,
}

#[derive(Debug)]
pub(crate) struct Selection(&'static [Workload]);

impl Selection {
    pub(crate) fn each(&self) -> &'static [Workload] {
        self.0
    }

    fn named(name: &str) -> Option<Selection> {
        use Workload::{
            Applies, Batch, Bounded, Compile, Decode, Growth, Reads, Recovery, Seam, Snapshots,
        };
        Some(Selection(match name {
            "applies" => &[Applies],
            "reads" => &[Reads],
            "recovery" => &[Recovery],
            "batch" => &[Batch],
            "decode" => &[Decode],
            "seam" => &[Seam],
            "all" => &[Applies, Reads, Recovery, Batch, Decode, Seam],
            "bounded" => &[Bounded],
            "snapshots" => &[Snapshots],
            "growth" => &[
                Growth(Along::Writers),
                Growth(Along::RecordSize),
                Growth(Along::StateSize),
                Growth(Along::JournalLength),
            ],
            "compile" => &[Compile],
            _ => return None,
        }))
    }
}

impl Settings {
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Settings, String> {
        let mut settings = Settings {
            workload: Selection(&[]),
            rounds: 5,
            measured: Duration::from_millis(500),
            records: 200_000,
            keys: ENTRIES,
            state_megabytes: 200,
            operations: 200,
            dir: None,
        };
        while let Some(argument) = arguments.next() {
            if !argument.starts_with("--") {
                settings.workload = Selection::named(&argument)
                    .ok_or_else(|| format!("there is no workload {argument:?}"))?;
                continue;
            }
            let value = arguments.next().ok_or_else(|| format!("{argument} needs a value"))?;
            let mistake = || format!("{argument} cannot be {value:?}");
            match argument.as_str() {
                "--rounds" => {
                    settings.rounds =
                        value.parse().ok().filter(|rounds| *rounds > 0).ok_or_else(mistake)?;
                }
                "--seconds" => {
                    settings.measured = value
                        .parse()
                        .ok()
                        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
                        .filter(|measured| !measured.is_zero())
                        .ok_or_else(mistake)?;
                }
                "--records" => {
                    settings.records =
                        value.parse().ok().filter(|records| *records > 0).ok_or_else(mistake)?;
                }
                "--keys" => {
                    settings.keys =
                        value.parse().ok().filter(|keys| *keys > 0).ok_or_else(mistake)?;
                }
                "--state" => {
                    settings.state_megabytes =
                        value.parse().ok().filter(|number| *number > 0).ok_or_else(mistake)?;
                }
                "--operations" => {
                    settings.operations =
                        value.parse().ok().filter(|number| *number > 0).ok_or_else(mistake)?;
                }
                "--dir" => settings.dir = Some(PathBuf::from(value)),
                _ => return Err(format!("there is no flag {argument}")),
            }
        }
        match settings.workload.each() {
            [] => Err("which workload?".into()),
            _ => Ok(settings),
        }
    }
}
