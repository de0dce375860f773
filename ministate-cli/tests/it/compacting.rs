//! A compaction puts away what a sound snapshot covers, and nothing else.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use tempfile::TempDir;

use crate::command::{Answer, ask};
use crate::journals::{
    Bank, closed, copied, deposit, edit, edit_lines, everything, open, read_only, sealed, snapshot,
};

/// Three snapshots, at 0, 20 and 40, and segments before and behind each.
fn long() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let bank = open(dir.path(), 1_000);
    for cents in 1..=60 {
        bank.blocking_apply(deposit(cents)).unwrap();
        if cents == 20 || cents == 40 {
            bank.blocking_create_snapshot().unwrap();
        }
    }
    bank.blocking_close().unwrap();
    dir
}

fn names(dir: &Path) -> Vec<String> {
    let name = |path: PathBuf| path.file_name().unwrap().to_str().unwrap().to_string();
    everything(dir).into_iter().map(|(path, _)| name(path)).collect()
}

/// The files and their bytes, but for the lock, in which each who has it leaves word.
fn without_lock(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let is_lock = |path: &Path| path.extension().is_some_and(|extension| extension == "lock");
    everything(dir).into_iter().filter(|(path, _)| !is_lock(path)).collect()
}

fn cents(dir: &Path) -> (u64, u64) {
    let bank = read_only(dir).unwrap();
    (bank.read(|bank: &Bank| bank.cents), bank.sequence())
}

fn compact(dir: &Path, words: &str) -> Answer {
    ask(&format!("compact --json {words}"), dir)
}

#[test]
fn what_the_library_puts_away_is_put_away() {
    let (dir, expected) = (long(), long());
    let bank = open(expected.path(), 1_000);
    let compaction = bank.blocking_compact().unwrap();
    bank.blocking_close().unwrap();
    let answer = compact(dir.path(), "");
    assert_eq!(answer.code, 0, "{answer:?}");
    let summary = answer.summary();
    assert_eq!(summary["oldest_snapshot"], compaction.oldest_snapshot);
    let files = summary["files"].as_array().unwrap().len();
    assert_eq!(files, compaction.segments + compaction.snapshots);
    assert!(files > 2, "{summary}");
    assert_eq!(names(dir.path()), names(expected.path()));
    let archive = "bank.wal.archive";
    assert_eq!(names(&dir.path().join(archive)), names(&expected.path().join(archive)));
    assert_eq!(cents(dir.path()), (60 * 61 / 2, 60));
    assert_eq!(ask("verify", dir.path()).code, 0);
    assert_eq!(compact(dir.path(), "").summary()["files"], json!([]));
}

#[test]
fn history_is_removed_only_where_that_is_said() {
    let dir = long();
    let before = everything(dir.path());
    let plan = compact(dir.path(), "--delete --dry-run").summary();
    assert_eq!((&plan["done"], plan.get("to")), (&false.into(), None));
    assert_eq!(everything(dir.path()), before, "a dry run changed something");
    let said = ask("compact --delete --dry-run", dir.path()).out;
    assert!(said.contains("would be removed: bank.wal.00000000000000000001.jsonl"), "{said}");
    assert!(said.contains("nothing was changed: "), "{said}");

    let done = compact(dir.path(), "--delete").summary();
    assert_eq!((&done["done"], &done["files"]), (&true.into(), &plan["files"]));
    for name in done["files"].as_array().unwrap() {
        assert!(!dir.path().join(name.as_str().unwrap()).exists(), "{name}");
    }
    assert!(!dir.path().join("bank.wal.archive").exists());
    assert_eq!(cents(dir.path()).1, 60);
    assert_eq!(ask("compact --delete --archive x", dir.path()).code, 2);
    assert_eq!(ask("compact --keep 0", dir.path()).code, 2);
}

#[test]
fn files_are_moved_to_another_directory_whole() {
    let dir = long();
    let before: Vec<_> = everything(dir.path());
    let there = tempfile::tempdir().unwrap();
    let archive = there.path().join("old");
    let words = format!("--keep 1 --archive {}", archive.display());
    let moved = compact(dir.path(), &words).summary();
    assert_eq!(moved["oldest_snapshot"], 40);
    for name in moved["files"].as_array().unwrap() {
        let name = name.as_str().unwrap();
        let content = fs::read(archive.join(name)).unwrap();
        assert!(before.contains(&(dir.path().join(name), content)), "{name}");
        assert!(!dir.path().join(name).exists(), "{name}");
    }
    assert_eq!(names(&archive).len(), moved["files"].as_array().unwrap().len());
    assert_eq!(cents(dir.path()).1, 60);
}

#[test]
fn what_an_interrupted_move_copied_is_known_again() {
    let dir = long();
    let archive = tempfile::tempdir().unwrap();
    let words = format!("--keep 1 --archive {}", archive.path().display());
    let first = sealed(dir.path(), 1);
    let there = archive.path().join(first.file_name().unwrap());
    fs::copy(&first, &there).unwrap();
    assert_eq!(compact(dir.path(), &words).code, 0);
    assert!(!first.exists() && there.exists());
}

#[test]
fn nothing_is_moved_over_another_file_or_into_the_journal_itself() {
    let dir = long();
    let before = without_lock(dir.path());
    let archive = tempfile::tempdir().unwrap();
    fs::write(archive.path().join(sealed(dir.path(), 1).file_name().unwrap()), "other").unwrap();
    for place in [archive.path().to_path_buf(), dir.path().join("."), dir.path().to_path_buf()] {
        let refused = compact(dir.path(), &format!("--archive {}", place.display()));
        assert_eq!(refused.code, 3, "{refused:?}");
        assert!(refused.err.contains("name another directory"), "{refused:?}");
        assert_eq!(without_lock(dir.path()), before);
    }
}

#[test]
fn a_journal_that_is_open_is_left_alone() {
    let dir = long();
    let bank = open(dir.path(), 1_000);
    let before = everything(dir.path());
    let refused = compact(dir.path(), "");
    assert_eq!(refused.code, 3, "{refused:?}");
    let pid = format!("process {} has the journal open", std::process::id());
    assert!(refused.err.contains(&pid), "{refused:?}");
    assert_eq!(everything(dir.path()), before);
    // Looking at the plan needs nobody to stop.
    assert_eq!(compact(dir.path(), "--dry-run").code, 0);
    drop(bank);
}

#[test]
fn an_unsound_snapshot_covers_nothing() {
    for damaged in [0, 20, 40] {
        let dir = long();
        edit(&snapshot(dir.path(), damaged), |content| content[190] ^= 1);
        let before = without_lock(dir.path());
        let refused = compact(dir.path(), "--keep 1 --delete");
        assert_eq!(refused.code, 1, "{refused:?}");
        assert!(refused.err.contains("is damaged, nothing was changed"), "{refused:?}");
        assert_eq!(without_lock(dir.path()), before);
    }
    // A segment that only the older snapshot would need is no reason to hide its damage.
    let dir = long();
    edit_lines(&sealed(dir.path(), 1), |lines| lines[2] = lines[2].replace("memo", "nemo"));
    assert_eq!(compact(dir.path(), "").code, 1);
}

#[test]
fn a_journal_without_a_newer_snapshot_stays_whole() {
    let dir = closed(40, 1_000);
    let answer = compact(dir.path(), "--delete").summary();
    assert_eq!((&answer["files"], &answer["oldest_snapshot"]), (&json!([]), &0.into()));
    assert_eq!(ask("cat", dir.path()).seqs().len(), 40);
    assert_eq!(cents(copied(dir.path()).path()).1, 40);
}
