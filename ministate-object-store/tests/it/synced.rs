//! Is what was put on stable storage, or only on its way there? The system calls say.
#![expect(clippy::disallowed_methods, reason = "puts there what others would, and reads the trace")]

use std::fs;
use std::path::Path;
use std::process::Command;

use ministate::shared::{JournalId, SnapshotStore};
use ministate_object_store::ObjectStoreSnapshots;

use crate::snapshot;

const DIRECTORY: &str = "MINISTATE_SYNCED_DIRECTORY";
const JOURNAL: &str = "0123456789abcdef0123456789abcdef";

#[test]
fn a_snapshot_and_the_folders_above_it_are_synced_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path().canonicalize().unwrap();
    let Some(calls) = calls_of_a_put(&directory) else { return };
    let (states, journal) = (directory.join("states"), directory.join("states").join(JOURNAL));
    let first = |what: String| {
        let at = calls.iter().position(|call| call.contains(&what));
        at.unwrap_or_else(|| panic!("no {what} in {calls:#?}"))
    };
    let last_sync = |path: &Path| {
        let what = format!("<{}>) = 0", path.display());
        let at = calls.iter().rposition(|call| call.contains("sync(") && call.contains(&what));
        at.unwrap_or_else(|| panic!("{} is not synced in {calls:#?}", path.display()))
    };
    let made = |path: &Path| first(format!("\"{}\", 0777) = 0", path.display()));
    let linked = calls.iter().position(|call| call.contains("link") && call.contains("#1\", "));
    let linked = linked.unwrap_or_else(|| panic!("no link in {calls:#?}"));
    let file =
        calls.iter().position(|call| call.contains("sync(") && call.contains(".json#1>) = 0"));
    assert!(file.is_some_and(|file| file < linked), "{calls:#?}");
    assert!(last_sync(&directory) > made(&states), "{calls:#?}");
    assert!(last_sync(&states) > made(&journal), "{calls:#?}");
    assert!(last_sync(&journal) > linked, "{calls:#?}");
}

#[test]
fn a_name_that_another_process_gave_is_synced_before_the_put_is_answered() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path().canonicalize().unwrap();
    let states = directory.join("states");
    let journal = states.join(JOURNAL);
    fs::create_dir_all(&journal).unwrap();
    let name = snapshot(&JournalId::parse(JOURNAL).unwrap(), 42, 7);
    fs::write(journal.join(name.file_name()), "the state").unwrap();
    let Some(calls) = calls_of_a_put(&directory) else { return };
    for folder in [directory, states, journal] {
        let what = format!("<{}>) = 0", folder.display());
        let is_synced = calls.iter().any(|call| call.contains("sync(") && call.contains(&what));
        assert!(is_synced, "{} is not synced in {calls:#?}", folder.display());
    }
}

/// Runs the test below under strace; `None` where there is none.
fn calls_of_a_put(directory: &Path) -> Option<Vec<String>> {
    let trace = tempfile::NamedTempFile::new().unwrap();
    let strace = Command::new("strace")
        .args(["-f", "-y", "-s", "4096", "-e"])
        .arg("trace=fsync,fdatasync,mkdir,mkdirat,link,linkat,rename,renameat,renameat2")
        .arg("-o")
        .arg(trace.path())
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "synced::puts_where_it_is_told", "--ignored"])
        .env(DIRECTORY, directory)
        .output();
    let output = match strace {
        Ok(output) => output,
        Err(error) => {
            eprintln!("SKIPPED, nothing was tested: strace cannot be run: {error}");
            return None;
        }
    };
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    if told.contains("ptrace") || told.contains("PTRACE") {
        eprintln!("SKIPPED, nothing was tested: strace may not trace here: {told}");
        return None;
    }
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && printed.contains("1 passed"), "{printed}{told}");
    Some(whole_calls(&fs::read_to_string(trace.path()).unwrap()))
}

/// One line for each call, where it ended; strace divides those that others come between.
fn whole_calls(trace: &str) -> Vec<String> {
    let mut begun = std::collections::BTreeMap::new();
    let mut calls = Vec::new();
    for line in trace.lines() {
        let (thread, call) = line.split_once(' ').unwrap();
        let call = call.trim_start();
        if let Some(call) = call.strip_suffix(" <unfinished ...>") {
            begun.insert(thread, call);
        } else if let Some((_, end)) = call.split_once(" resumed>") {
            calls.push(format!("{}{end}", begun.remove(thread).unwrap()));
        } else {
            calls.push(call.to_string());
        }
    }
    // strace pads what comes before the result.
    calls.iter().map(|call| call.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[tokio::test]
#[ignore = "run under strace, by the tests above"]
async fn puts_where_it_is_told() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let states = Path::new(&directory).join("states");
    let snapshots = ObjectStoreSnapshots::in_directory(states).await.unwrap();
    let name = snapshot(&JournalId::parse(JOURNAL).unwrap(), 42, 7);
    snapshots.put(&name, b"the state".to_vec()).await.unwrap();
}
