//! A backup can be restored, also one that was made beside a writer.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::command::{Answer, ask};
use crate::journals::{
    Bank, active, closed, deposit, edit, edit_lines, everything, killed, open, read_only, sealed,
    snapshot, varied,
};

fn copy(command: &str, from: &Path, to: &Path) -> Answer {
    ask(&format!("{command} --json --to {}", to.display()), from)
}

/// The state that an application finds, and the last mutation.
fn found(dir: &Path) -> (u64, Vec<String>, u64) {
    let bank = read_only(dir).unwrap();
    let (cents, memos) = bank.read(|bank: &Bank| (bank.cents, bank.memos.clone()));
    (cents, memos, bank.sequence())
}

/// The names and bytes, but for the lock.
fn without_lock(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_string();
    let files = everything(dir).into_iter().map(|(path, content)| (name(&path), content));
    files.filter(|(name, _)| !name.ends_with(".lock")).collect()
}

#[test]
fn what_was_backed_up_is_restored_and_goes_on() {
    for dir in [varied(), closed(3, u64::MAX), closed(0, u64::MAX), killed(50, 1_000)] {
        let before = everything(dir.path());
        let there = tempfile::tempdir().unwrap();
        let (monday, restored) = (there.path().join("monday"), there.path().join("restored"));
        let backup = copy("backup", dir.path(), &monday);
        assert_eq!(backup.code, 0, "{backup:?}");
        assert_eq!(everything(dir.path()), before, "the original was changed");
        let last = backup.summary()["last"].as_u64().unwrap();
        assert_eq!(found(&monday), found(dir.path()));
        assert_eq!(found(&monday).2, last);
        assert_eq!(ask("verify", &monday).code, 0);

        let of_backup = everything(&monday);
        let restore = copy("restore", &monday, &restored);
        assert_eq!((restore.code, &restore.summary()["last"]), (0, &last.into()), "{restore:?}");
        assert_eq!(everything(&monday), of_backup, "the backup was changed");
        assert_eq!(found(&restored), found(dir.path()));
        let bank = open(&restored, 1_000);
        assert_eq!(bank.blocking_apply(deposit(7)).unwrap(), last + 1);
        assert!(bank.recovery().was_closed, "a copy is a closed journal");
        drop(bank);
        assert_eq!(found(&monday).2, last, "the copies share bytes");
        assert_eq!(fs::read_dir(there.path()).unwrap().count(), 2, "something was left");
    }
}

#[test]
fn people_are_told_how_far_the_copy_goes_and_what_to_do_next() {
    let dir = varied();
    let there = tempfile::tempdir().unwrap();
    let to = there.path().join("monday");
    let backup = ask(&format!("backup --to {}", to.display()), dir.path()).out;
    for words in [
        "backed up: ",
        "through mutation 30, to ",
        "each was read back",
        "begins with snapshot 13, replays 17 mutations",
        &format!("next       ministate restore {} --to DIR", to.display()),
    ] {
        assert!(backup.contains(words), "{words}: {backup}");
    }
}

/// Damage to the tail of a journal that was not closed can pass for a crash; the copy is closed.
#[test]
fn a_backup_of_a_killed_journal_misses_its_tail_when_that_is_gone() {
    let dir = killed(5, u64::MAX);
    let there = tempfile::tempdir().unwrap();
    let monday = there.path().join("monday");
    assert_eq!(copy("backup", dir.path(), &monday).code, 0);
    let lines = fs::read_to_string(active(&monday)).unwrap();
    assert!(lines.trim_end().lines().last().unwrap().starts_with("{\"mark\":5,"), "{lines}");
    edit_lines(&active(&monday), |lines| lines.truncate(5));
    assert_eq!(ask("verify", &monday).code, 1);
    edit_lines(&active(dir.path()), |lines| lines.truncate(5));
    assert_eq!(ask("verify", dir.path()).code, 0);
}

#[test]
fn torn_bytes_are_left_out_and_told() {
    let dir = killed(5, u64::MAX);
    edit(&active(dir.path()), |content| {
        let end = content.iter().rposition(|byte| *byte != b'\n').unwrap() + 1;
        content[end - 30..].fill(b'\n');
    });
    let there = tempfile::tempdir().unwrap();
    let monday = there.path().join("monday");
    let backup = copy("backup", dir.path(), &monday).summary();
    assert_eq!(backup["last"], 4);
    assert!(backup["torn_bytes"].as_u64().unwrap() > 50, "{backup}");
    assert!(ask("verify --json", &monday).summary().get("torn").is_none());
    assert_eq!(found(&monday).2, 4);
}

#[test]
fn a_sealing_that_was_interrupted_is_copied() {
    for ended in [true, false] {
        let dir = closed(40, 1_000);
        // As it was before the newest sealed segment had its name.
        let newest = everything(dir.path());
        let newest = newest.iter().rev().map(|(path, _)| path).find(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name.starts_with("bank.wal.0")
        });
        let newest = newest.unwrap();
        edit_lines(&active(dir.path()), |lines| lines.truncate(1));
        fs::rename(active(dir.path()), dir.path().join("bank.wal.next.jsonl")).unwrap();
        fs::remove_file(dir.path().join("bank.wal.head.json")).unwrap();
        if !ended {
            edit_lines(newest, |lines| drop(lines.pop()));
        }
        fs::rename(newest, active(dir.path())).unwrap();
        let there = tempfile::tempdir().unwrap();
        let monday = there.path().join("monday");
        let backup = copy("backup", dir.path(), &monday);
        assert_eq!(backup.code, 0, "{backup:?}");
        assert_eq!(found(&monday), found(dir.path()));
        drop(open(&monday, 1_000));
    }
}

#[test]
fn a_journal_with_damage_is_neither_backed_up_nor_restored() {
    let dir = closed(20, 1_000);
    edit_lines(&sealed(dir.path(), 1), |lines| lines[2] = lines[2].replace("memo", "nemo"));
    let there = tempfile::tempdir().unwrap();
    for command in ["backup", "restore"] {
        let refused = copy(command, dir.path(), &there.path().join("new"));
        assert_eq!(refused.code, 1, "{refused:?}");
        assert!(refused.err.contains("is damaged, nothing was changed: "), "{refused:?}");
        assert!(refused.err.contains("0001.jsonl line 3 (byte "), "{refused:?}");
        assert!(refused.err.contains("; see all of it with `ministate verify "), "{refused:?}");
        assert_eq!(refused.err.lines().count(), 1, "{refused:?}");
        assert_eq!(fs::read_dir(there.path()).unwrap().count(), 0);
    }
    // Recovery does not read an older snapshot, and a backup with it would not verify.
    let dir = varied();
    edit(&snapshot(dir.path(), 0), |content| content[100] ^= 1);
    assert_eq!(copy("backup", dir.path(), &there.path().join("new")).code, 1);
}

#[test]
fn nothing_is_copied_over_a_journal() {
    let (dir, other) = (varied(), closed(3, u64::MAX));
    let before = everything(other.path());
    for command in ["backup", "restore"] {
        let refused = copy(command, dir.path(), other.path());
        assert_eq!(refused.code, 3, "{refused:?}");
        assert!(refused.err.contains("is there already, nothing was written"), "{refused:?}");
        assert_eq!(everything(other.path()), before);
    }
    let file = active(other.path());
    assert_eq!(copy("backup", dir.path(), &file).code, 3, "a file is no directory");
    // Onto itself, too.
    assert_eq!(copy("backup", dir.path(), dir.path()).code, 3);
}

#[test]
fn a_directory_that_is_there_takes_the_files_beside_its_own() {
    let dir = varied();
    let there = tempfile::tempdir().unwrap();
    fs::write(there.path().join("notes.txt"), "mine").unwrap();
    let restored = copy("restore", dir.path(), there.path());
    assert_eq!(restored.code, 0, "{restored:?}");
    assert_eq!(found(there.path()), found(dir.path()));
    assert_eq!(fs::read_to_string(there.path().join("notes.txt")).unwrap(), "mine");
}

#[test]
fn nothing_is_restored_where_an_application_is_about_to_begin() {
    let (dir, other) = (varied(), tempfile::tempdir().unwrap());
    let lock = fs::File::create(other.path().join("bank.wal.lock")).unwrap();
    lock.lock().unwrap();
    let refused = copy("restore", dir.path(), other.path());
    assert_eq!(refused.code, 3, "{refused:?}");
    assert!(refused.err.contains("another manager has the journal open"), "{refused:?}");
    assert_eq!(fs::read_dir(other.path()).unwrap().count(), 1);
}

#[test]
fn what_an_interrupted_copy_left_is_no_journal_and_is_begun_anew() {
    let dir = varied();
    let there = tempfile::tempdir().unwrap();
    let (monday, partial) = (there.path().join("monday"), there.path().join("monday.partial"));
    assert_eq!(copy("backup", dir.path(), &partial).code, 0);
    // All but the file that comes last.
    fs::remove_file(active(&partial)).unwrap();
    fs::write(sealed(&partial, 7), "half").unwrap();
    assert_eq!(ask("verify", &partial).code, 1);
    assert_eq!(copy("restore", &partial, &there.path().join("restored")).code, 1);
    let backup = copy("backup", dir.path(), &monday);
    assert_eq!(backup.code, 0, "{backup:?}");
    assert!(!partial.exists());
    assert_eq!(without_lock(&monday), without_lock(dir.path()));

    // What is not of a copy is not taken into one.
    fs::create_dir(&partial).unwrap();
    fs::write(partial.join("notes.txt"), "mine").unwrap();
    let refused = copy("backup", dir.path(), &monday.with_file_name("monday"));
    assert_eq!(refused.code, 3, "{refused:?}");
}

#[test]
fn a_backup_beside_a_writer_holds_all_that_was_acknowledged_before() {
    let dir = closed(5, 4_000);
    let bank = open(dir.path(), 4_000);
    let done = Arc::new(AtomicBool::new(false));
    let acknowledged = Arc::new(std::sync::atomic::AtomicU64::new(5));
    let writer = thread::spawn({
        let (done, acknowledged) = (Arc::clone(&done), Arc::clone(&acknowledged));
        move || {
            let mut cents = 6;
            while !done.load(Ordering::Relaxed) {
                let seq = bank.blocking_apply(deposit(cents)).unwrap();
                acknowledged.store(seq, Ordering::SeqCst);
                cents += 1;
                if cents % 100 == 0 {
                    bank.blocking_create_snapshot().unwrap();
                    bank.blocking_compact().unwrap();
                }
            }
        }
    });
    let there = tempfile::tempdir().unwrap();
    for round in 0..10 {
        let to = there.path().join(format!("backup-{round}"));
        let before = acknowledged.load(Ordering::SeqCst);
        let backup = copy("backup", dir.path(), &to);
        assert_eq!(backup.code, 0, "{backup:?}");
        let last = backup.summary()["last"].as_u64().unwrap();
        let after = acknowledged.load(Ordering::SeqCst);
        assert!((before..=after + 1).contains(&last), "{before} {last} {after}");
        let (cents, _, seq) = found(&to);
        assert_eq!((cents, seq), ((1..=last).sum(), last));
        assert_eq!(ask("verify", &to).code, 0);
    }
    done.store(true, Ordering::Relaxed);
    writer.join().unwrap();
}
