//! What is to be measured, of whom, how often, for how long, and where?

use std::path::PathBuf;
use std::time::Duration;

use crate::contestants::{self, Contestant};
use crate::one::Work;

pub(crate) fn usage() -> String {
    let names: Vec<&str> = contestants::all().iter().map(|contestant| contestant.name).collect();
    format!(
        "\
usage: ministate-bench-peers <applies | bulk | recovery | reads | redis | all>
       ministate-bench-peers one <applies | bulk | reads | fill | recovery> PEER --dir PATH
  --peers A,B,..   who takes part ({})
  --rounds N       turns that every peer gets (5)
  --seconds S      length of one measurement, without its warm-up (0.5)
  --tasks N,M,..   writers at a time in `applies` (1,64,256,1024)
  --records N      length of the histories that `recovery` opens (1000000)
  --keys N,M,..    over how many keys (as many as records, 10000)
  --dir PATH       where all is written (target/, below the current directory)
  --csv FILE       where `applies` writes its numbers, too
`one` does one piece of work once, for those who time the process, and prints a line of JSON. It
fails if what it wrote is not there when it opens the directory again.
  --tasks N        writers at a time in `applies` (1)
  --operations N   mutations to write, or values to read (10000)
  --check no       does not look again, since that takes time, too
`fill` writes --records over --keys, and `recovery` opens what it wrote. PEER may be redis, too.",
        names.join(",")
    )
}

#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) command: Command,
    pub(crate) peers: Vec<Contestant>,
    pub(crate) rounds: usize,
    pub(crate) measured: Duration,
    /// Empty: as is usual.
    pub(crate) tasks: Vec<usize>,
    pub(crate) records: u64,
    /// Empty: as is usual.
    pub(crate) keys: Vec<u64>,
    pub(crate) operations: u64,
    pub(crate) check: bool,
    pub(crate) dir: Option<PathBuf>,
    pub(crate) csv: Option<PathBuf>,
}

#[derive(Debug)]
pub(crate) enum Command {
    Tables(&'static [Workload]),
    One(Work, Contestant),
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Workload {
    Applies,
    Bulk,
    Recovery,
    Reads,
    Redis,
}

impl Command {
    fn parse(words: &[String]) -> Result<Command, String> {
        use Workload::{Applies, Bulk, Reads, Recovery, Redis};
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        Ok(match words.as_slice() {
            [] => return Err("which workload?".into()),
            ["applies"] => Command::Tables(&[Applies]),
            ["bulk"] => Command::Tables(&[Bulk]),
            ["recovery"] => Command::Tables(&[Recovery]),
            ["reads"] => Command::Tables(&[Reads]),
            ["redis"] => Command::Tables(&[Redis]),
            ["all"] => Command::Tables(&[Applies, Bulk, Recovery, Reads, Redis]),
            ["one", work, peer] => {
                let work = Work::named(work).ok_or_else(|| format!("there is no work {work:?}"))?;
                let named = contestants::named(peer);
                Command::One(work, named.ok_or_else(|| format!("there is no peer {peer:?}"))?)
            }
            _ => return Err(format!("there is no workload {:?}", words.join(" "))),
        })
    }
}

impl Settings {
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Settings, String> {
        let mut words = Vec::new();
        let mut settings = Settings {
            command: Command::Tables(&[]),
            peers: contestants::all(),
            rounds: 5,
            measured: Duration::from_millis(500),
            tasks: Vec::new(),
            records: 1_000_000,
            keys: Vec::new(),
            operations: 10_000,
            check: true,
            dir: None,
            csv: None,
        };
        while let Some(argument) = arguments.next() {
            if !argument.starts_with("--") {
                words.push(argument);
                continue;
            }
            let value = arguments.next().ok_or_else(|| format!("{argument} needs a value"))?;
            let known = settings.set(&argument, &value);
            known.ok_or_else(|| {
                format!("{argument} cannot be {value:?}, or there is no such flag")
            })?;
        }
        settings.command = Command::parse(&words)?;
        Ok(settings)
    }

    fn set(&mut self, flag: &str, value: &str) -> Option<()> {
        let number = || value.parse().ok().filter(|number: &u64| *number > 0);
        match flag {
            "--peers" => {
                self.peers = value.split(',').map(contestants::named).collect::<Option<_>>()?;
            }
            "--rounds" => self.rounds = number()? as usize,
            "--seconds" => {
                let measured = Duration::try_from_secs_f64(value.parse().ok()?).ok()?;
                self.measured = Some(measured).filter(|measured| !measured.is_zero())?;
            }
            "--tasks" => {
                self.tasks = list(value)?.into_iter().map(|tasks| tasks as usize).collect();
            }
            "--records" => self.records = number()?,
            "--keys" => self.keys = list(value)?,
            "--operations" => self.operations = number()?,
            "--check" => self.check = value != "no",
            "--dir" => self.dir = Some(PathBuf::from(value)),
            "--csv" => self.csv = Some(PathBuf::from(value)),
            _ => return None,
        }
        Some(())
    }
}

fn list(value: &str) -> Option<Vec<u64>> {
    value.split(',').map(|number| number.parse().ok().filter(|number| *number > 0)).collect()
}
