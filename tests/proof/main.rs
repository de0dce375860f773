//! The long tiers, and one history again: see the justfile.

use std::process::ExitCode;

use ministate::__private::Bug;
use ministate_proof::{Thoroughness, crashes, damage};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (what, which) = match arguments.as_slice() {
        [what, which, ..] => (what.as_str(), which.as_str()),
        _ => ("", ""),
    };
    let bug = arguments.get(2).and_then(|name| {
        Bug::ALL.into_iter().find(|bug| format!("{bug:?}").eq_ignore_ascii_case(name))
    });
    let number = |text: &str| text.parse().map_err(|_| USAGE.to_string());
    let proven = (|| {
        let counts = match what {
            "crashes" => crashes::explore(number(which)?, bug).map(|counts| counts.to_string()),
            "crash" => crashes::explore_one(number(which)?, bug).map(|counts| counts.to_string()),
            "damages" => {
                let thoroughness = match which {
                    "bits" => Thoroughness::Bits,
                    "bytes" => Thoroughness::Bytes,
                    _ => return Err(USAGE.to_string()),
                };
                damage::explore(thoroughness, bug).map(|counts| counts.to_string())
            }
            "damage" => {
                let (directory, damage) = which.split_once('.').ok_or(USAGE)?;
                let at = (number(directory)? as usize, number(damage)? as usize);
                damage::explore_one(at, bug).map(|counts| counts.to_string())
            }
            _ => return Err(USAGE.to_string()),
        };
        counts.map_err(|finding| finding.to_string())
    })();
    match proven {
        Ok(counts) => {
            println!("{counts}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

const USAGE: &str = "usage: proof crashes STATES [BUG] | crash SEED [BUG] | damages bits|bytes [BUG] | \
                     damage DIRECTORY.DAMAGE [BUG]";
