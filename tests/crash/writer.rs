//! A program that counts up durably until it is killed, and says what was acknowledged.
//!
//! `writer DIR hold` opens the journal and waits; `writer DIR push` pushes for ever.

use std::io::Write;
use std::process::ExitCode;

use ministate_tests::{open, push};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, dir, mode] = arguments.as_slice() else {
        eprintln!("usage: writer DIR hold|push");
        return ExitCode::FAILURE;
    };
    let lists = match open(dir) {
        Ok(lists) => lists,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let mut out = std::io::stdout().lock();
    let mut say = |line: &str| {
        writeln!(out, "{line}").and_then(|()| out.flush()).expect("the test reads this");
    };
    say("open");
    if mode == "hold" {
        loop {
            std::thread::park();
        }
    }
    loop {
        let seq = lists.blocking_apply(push(lists.sequence())).expect("the disk works");
        say(&seq.to_string());
    }
}
