//! A program that changes a journal, and says what became of each mutation.
//!
//! `witness DIR push BYTES` pushes entries with so many bytes of padding until one fails; `witness
//! DIR once BYTES` does all that a manager does, and closes; `witness DIR ever BYTES` does that,
//! without the closing, until a mutation fails.
//!
//! It says `open COUNT`, then `yes ENTRY` for a mutation that was acknowledged, `no ENTRY WHY` for
//! one that was not written, `unknown ENTRY WHY` for one of which that is not known, and
//! `trouble WHY` where anything else fails. After a failed mutation it tries a few more; then it
//! opens the journal again for each line of its input, and goes on.

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

use ministate::{Disposal, MiniStateError, Options};
use ministate_tests::{JOURNAL, Lists, Push, entries};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, dir, work, padding] = arguments.as_slice() else {
        eprintln!("usage: witness DIR push|once|ever BYTES");
        return ExitCode::FAILURE;
    };
    let padding = padding.parse().expect("BYTES is a number");
    let options = Options::new()
        .segment_bytes(40 * (100 + padding as u64))
        .snapshots_kept(1)
        .disposal(Disposal::Delete);
    let mut witness = Witness { next: 0, padding };
    loop {
        match options.clone().blocking_open(dir, JOURNAL) {
            Ok(lists) => {
                let there = entries(&lists);
                say(format_args!("open {}", there.len()));
                let behind = there.last().map_or(0, |last| last + 1);
                witness.next = witness.next.max(behind);
                let done = match work.as_str() {
                    "once" => witness.once(&lists),
                    "ever" => witness.ever(&lists),
                    _ => witness.push(&lists),
                };
                match done {
                    Ok(()) => return ExitCode::SUCCESS,
                    Err(Failed) => witness.insist(&lists),
                }
            }
            Err(error) => trouble(&error),
        }
        match std::io::stdin().read_line(&mut String::new()) {
            Ok(1..) => {}
            Ok(0) | Err(_) => return ExitCode::SUCCESS,
        }
    }
}

fn say(what: impl Display) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{what}").and_then(|()| out.flush()).expect("the test reads this");
}

fn trouble(error: &MiniStateError) {
    say(format_args!("trouble {error:?}"));
}

/// A mutation failed, so that the journal has to be opened again.
struct Failed;

struct Witness {
    /// No number is used for two mutations, so that one that comes back is noticed.
    next: u64,
    padding: usize,
}

impl Witness {
    fn push_one(&mut self, lists: &Lists) -> Result<(), Failed> {
        let entry = self.next;
        self.next += 1;
        match lists.blocking_apply(Push { entry, padding: "x".repeat(self.padding) }) {
            Ok(_) => {
                say(format_args!("yes {entry}"));
                return Ok(());
            }
            Err(error @ MiniStateError::OutcomeUnknown { .. }) => {
                say(format_args!("unknown {entry} {error:?}"));
            }
            Err(error) => say(format_args!("no {entry} {error:?}")),
        }
        Err(Failed)
    }

    /// Tries what has to fail.
    fn insist(&mut self, lists: &Lists) {
        for _ in 0..3 {
            // What was said is for the test to judge.
            let _ = self.push_one(lists);
        }
    }

    fn push(&mut self, lists: &Lists) -> Result<(), Failed> {
        loop {
            self.push_one(lists)?;
        }
    }

    fn once(&mut self, lists: &Lists) -> Result<(), Failed> {
        self.all(lists)?;
        lists.blocking_close().unwrap_or_else(|error| trouble(&error));
        Ok(())
    }

    fn ever(&mut self, lists: &Lists) -> Result<(), Failed> {
        loop {
            self.all(lists)?;
        }
    }

    fn all(&mut self, lists: &Lists) -> Result<(), Failed> {
        for _ in 0..3 {
            for _ in 0..8 {
                self.push_one(lists)?;
            }
            lists.blocking_create_snapshot().unwrap_or_else(|error| trouble(&error));
            self.push_one(lists)?;
            if let Err(error) = lists.blocking_compact() {
                trouble(&error);
            }
        }
        Ok(())
    }
}
