//! Every disk that a power cut or a kill may leave of the import of a directory of ministate 0.1
//! opens, with all that the old program had, and goes on.
#![expect(clippy::disallowed_methods, reason = "the old directories are real files")]

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use ministate::storage::Simulated;
use ministate::{MiniStateError, Options, StateManager};
use ministate_tests::{Counter, Inc};

use crate::Finding;

/// Directories of ministate 0.1, with what their counter says and how many mutations they hold.
const CASES: [(&str, u64, u64); 5] = [
    ("rotated", 111_111_110, 8),
    ("interrupted_rotation", 111_111_110, 8),
    ("numbered_snapshots", 11_111, 5),
    ("half_replaced_snapshot", 11_111, 5),
    ("torn_tail", 11, 2),
];

/// How many disks to look at of one moment.
const AT_MOST: usize = 256;

/// Looks at all disks, and says how many there were.
pub fn explore() -> Result<u64, Finding> {
    let mut states = 0;
    for (case, value, mutations) in CASES {
        let disk = loaded(case);
        disk.watch();
        drop(open(&disk).unwrap());
        let mut seen = HashSet::new();
        for moment in disk.moments() {
            let kill = [(format!("kill after {}", moment.what()), moment.after_kill())];
            let cuts = moment.crash_states(AT_MOST);
            let cuts = cuts.into_iter().map(|state| (state.to_string(), state.disk));
            for (story, disk) in kill.into_iter().chain(cuts) {
                if seen.insert(disk.digest()) {
                    goes_on(&disk, value, mutations).map_err(|what| Finding {
                        story: format!("import of {case:?}, {story}: {what}"),
                        replay: "cargo test -p ministate-tests -- every_crash".to_string(),
                    })?;
                }
            }
        }
        states += seen.len() as u64;
    }
    Ok(states)
}

/// Opens twice, with a mutation in between.
fn goes_on(disk: &Simulated, value: u64, mutations: u64) -> Result<(), String> {
    let sound = |disk: &Simulated, value, mutations| {
        let counter = open(disk).map_err(|error| error.to_string())?;
        let reached = (counter.read(|counter| counter.value), counter.sequence());
        if reached == (value, mutations) { Ok(counter) } else { Err(format!("{reached:?}")) }
    };
    let counter = sound(disk, value, mutations)?;
    counter.blocking_apply(Inc { by: 5 }).map_err(|error| error.to_string())?;
    drop(counter);
    let later = disk.moment().crash_states(1).remove(0).disk;
    sound(&later, value + 5, mutations + 1).map(drop)
}

fn open(disk: &Simulated) -> Result<StateManager<Counter, Inc>, MiniStateError> {
    Options::new().storage(disk.clone()).blocking_open("counter", "counter.wal.jsonl")
}

fn loaded(case: &str) -> Simulated {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/0.1");
    let disk = Simulated::new();
    for entry in fs::read_dir(fixtures.join(case)).unwrap() {
        let entry = entry.unwrap();
        let content = fs::read(entry.path()).unwrap();
        disk.set_content(Path::new("counter").join(entry.file_name()), content);
    }
    disk
}
