//! A program that works through all that a manager does, and dies before one call of the disk.
//!
//! `mortal DIR lists CALL` makes and compacts snapshots beside its mutations, and says which of
//! these were acknowledged; `mortal DIR import CALL` opens a directory of ministate 0.1. Both die
//! before the call with that number, without any farewell.

use std::io::Write;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use ministate::storage::Disk;
use ministate::{Disposal, MiniStateError, Options};
use ministate_tests::{Call, Counter, Hook, Hooked, Inc, JOURNAL, Lists, push};

/// How many calls are left.
#[derive(Debug)]
struct Lifetime(AtomicU64);

impl Hook for Lifetime {
    fn before(&self, call: Call) {
        match call {
            Call::Read => {}
            Call::Change | Call::Sync => {
                if self.0.fetch_sub(1, Ordering::Relaxed) == 0 {
                    std::process::abort();
                }
            }
        }
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, dir, mode, call] = arguments.as_slice() else {
        eprintln!("usage: mortal DIR lists|import CALL");
        return ExitCode::FAILURE;
    };
    let lifetime = Lifetime(AtomicU64::new(call.parse().expect("CALL is a number")));
    let options = Options::new()
        .segment_bytes(600)
        .snapshots_kept(1)
        .disposal(if call.ends_with(['0', '2', '4']) {
            Disposal::Archive
        } else {
            Disposal::Delete
        })
        .storage(Hooked::new(Disk, lifetime));
    let worked = match mode.as_str() {
        "import" => options
            .blocking_open::<Counter, Inc>(dir, "counter.wal.jsonl")
            .and_then(|counter| counter.blocking_close()),
        _ => options.blocking_open(dir, JOURNAL).and_then(|lists| work(&lists)),
    };
    match worked {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn work(lists: &Lists) -> Result<(), MiniStateError> {
    let mut out = std::io::stdout().lock();
    let mut push_some = |count| {
        for _ in 0..count {
            let seq = lists.blocking_apply(push(lists.sequence()))?;
            writeln!(out, "{seq}").and_then(|()| out.flush()).expect("the test reads this");
        }
        Ok::<_, MiniStateError>(())
    };
    push_some(8)?;
    lists.blocking_create_snapshot()?;
    push_some(8)?;
    lists.blocking_create_snapshot_by_clone()?;
    lists.blocking_compact()?;
    push_some(3)?;
    lists.blocking_close()
}
