//! What does a process that changes a journal say of it?

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// What the program `crash/witness.rs` says.
#[derive(Debug, Clone)]
pub(super) enum Event {
    /// The journal is open, with so many entries.
    Opened(u64),
    Acknowledged(u64),
    Absent(u64, String),
    Unknown(u64, String),
    /// Something else failed.
    Trouble(String),
}

impl Event {
    /// What went wrong, if anything did.
    pub(super) fn why(&self) -> Option<&str> {
        match self {
            Event::Opened(_) | Event::Acknowledged(_) => None,
            Event::Absent(_, why) | Event::Unknown(_, why) | Event::Trouble(why) => Some(why),
        }
    }

    /// It is about a mutation, which was not acknowledged.
    pub(super) fn is_failure(&self) -> bool {
        matches!(self, Event::Absent(..) | Event::Unknown(..))
    }

    fn parse(line: &str) -> Event {
        let (kind, rest) = line.split_once(' ').unwrap();
        let (number, why) = rest.split_once(' ').unwrap_or((rest, ""));
        match kind {
            "open" => Event::Opened(number.parse().unwrap()),
            "yes" => Event::Acknowledged(number.parse().unwrap()),
            "no" => Event::Absent(number.parse().unwrap(), why.to_string()),
            "unknown" => Event::Unknown(number.parse().unwrap(), why.to_string()),
            "trouble" => Event::Trouble(rest.to_string()),
            _ => panic!("{line}"),
        }
    }
}

/// The program, alone or under strace.
pub(super) struct Writer {
    process: Child,
    input: Option<ChildStdin>,
    says: Receiver<Event>,
}

/// What the program does, and how large its mutations are.
#[derive(Debug, Clone, Copy)]
pub(super) enum Work {
    /// Mutations, until one fails.
    Push { padding: usize },
    /// All that a manager does, and the end.
    Once { padding: usize },
    /// All that a manager does, until a mutation fails.
    Ever { padding: usize },
}

impl Writer {
    pub(super) fn start(dir: &Path, work: Work) -> Writer {
        Writer::spawn(Command::new(env!("CARGO_BIN_EXE_witness")), dir, work)
    }

    /// Starts it under strace, with these arguments.
    pub(super) fn traced<A: AsRef<OsStr>>(
        arguments: impl IntoIterator<Item = A>,
        dir: &Path,
        work: Work,
    ) -> Writer {
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq"]).args(arguments).arg(env!("CARGO_BIN_EXE_witness"));
        Writer::spawn(strace, dir, work)
    }

    fn spawn(mut command: Command, dir: &Path, work: Work) -> Writer {
        let (name, padding) = match work {
            Work::Push { padding } => ("push", padding),
            Work::Once { padding } => ("once", padding),
            Work::Ever { padding } => ("ever", padding),
        };
        command.arg(dir).args([name, &padding.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        let mut process = command.spawn().unwrap();
        let (sender, says) = channel();
        let output = BufReader::new(process.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(Event::parse(&line)).is_err() {
                    return;
                }
            }
        });
        Writer { input: process.stdin.take(), process, says }
    }

    /// Lets it open the journal again, once it has failed.
    pub(super) fn again(&mut self) {
        let mut input = self.input.as_ref().unwrap();
        // Where the program has ended without asking, nobody reads this.
        let _ = input.write_all(b"again\n");
    }

    /// What it said since it was listened to last.
    pub(super) fn said(&self) -> Vec<Event> {
        self.says.try_iter().collect()
    }

    /// Listens until it has said such a thing.
    pub(super) fn until(&self, mut is_it: impl FnMut(&Event) -> bool) -> Vec<Event> {
        let mut said = Vec::new();
        loop {
            let event = self.says.recv_timeout(Duration::from_secs(60)).unwrap_or_else(|error| {
                panic!("the writer went silent ({error}) after {:?}", said.last())
            });
            said.push(event);
            if is_it(&said[said.len() - 1]) {
                return said;
            }
        }
    }

    /// Lets it open the journal again, and listens until so many mutations are acknowledged, or
    /// something fails.
    pub(super) fn again_until(&mut self, acknowledged: usize) -> Vec<Event> {
        self.again();
        let (mut opened, mut count) = (false, 0);
        self.until(|event| match event {
            Event::Opened(_) => {
                opened = true;
                false
            }
            Event::Acknowledged(_) => {
                count += 1;
                count == acknowledged
            }
            // Before that, it still speaks of what it tried in vain.
            Event::Absent(..) | Event::Unknown(..) => opened,
            Event::Trouble(_) => true,
        })
    }

    /// Lets it end, and returns what else it said.
    pub(super) fn end(mut self) -> Vec<Event> {
        drop(self.input.take());
        // It has to come to its end by itself, or the thread that listens never does.
        self.says.iter().collect()
    }

    /// Kills it, and returns what else it said.
    pub(super) fn kill(mut self) -> Vec<Event> {
        self.kill_all();
        self.says.iter().collect()
    }

    /// What strace has started would outlive it.
    fn kill_all(&mut self) {
        let group = format!("kill -KILL -{}", self.process.id());
        let _ = Command::new("sh").args(["-c", &group]).stderr(Stdio::null()).status();
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if self.process.try_wait().is_ok_and(|status| status.is_none()) {
            self.kill_all();
        }
        let _ = self.process.wait();
    }
}
