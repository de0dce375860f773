//! The command looks at journals that somebody is writing, and follows them.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::command::{ask, ministate};
use crate::journals::{closed, deposit, edit_lines, open, sealed};

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A `tail -f` that is running.
struct Tail {
    child: Child,
    lines: Receiver<String>,
}

impl Tail {
    fn of(dir: &Path, words: &str) -> Tail {
        let mut child = ministate()
            .args(["tail", "-f"])
            .args(words.split_whitespace())
            .arg(dir)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let out: BufReader<ChildStdout> = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in out.lines() {
                if line.is_err() || sender.send(line.unwrap()).is_err() {
                    break;
                }
            }
        });
        Tail { child, lines }
    }

    fn seq(&self) -> u64 {
        let line = self.lines.recv_timeout(PATIENCE).expect("nothing came");
        serde_json::from_str::<Value>(&line).unwrap()["seq"].as_u64().unwrap()
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn tail_follows_through_new_segments_and_compaction() {
    let dir = closed(5, 1_000);
    let tail = Tail::of(dir.path(), "-n 2");
    assert_eq!([tail.seq(), tail.seq()], [4, 5]);
    let bank = open(dir.path(), 1_000);
    let mut next = 6;
    for round in 0..3 {
        for _ in 0..20 {
            bank.blocking_apply(deposit(next)).unwrap();
            if round == 0 {
                assert_eq!(tail.seq(), next);
            }
            next += 1;
        }
        // What is put away before it was seen is read where it was put.
        bank.blocking_create_snapshot().unwrap();
        bank.blocking_compact().unwrap();
    }
    for seq in 26..next {
        assert_eq!(tail.seq(), seq);
    }
    bank.blocking_close().unwrap();
    let bank = open(dir.path(), 1_000);
    bank.blocking_apply(deposit(next)).unwrap();
    assert_eq!(tail.seq(), next);
}

#[test]
fn tail_ends_at_damage_and_names_it() {
    let dir = closed(40, 1_000);
    edit_lines(&sealed(dir.path(), 1), |lines| lines[2] = lines[2].replace("memo", "nemo"));
    let mut tail = Tail::of(dir.path(), "-n 3");
    assert_eq!([tail.seq(), tail.seq(), tail.seq()], [38, 39, 40]);
    let active = crate::journals::active(dir.path());
    crate::journals::edit(&active, |content| content.extend_from_slice(b"{\"seq\":7}\n"));
    assert_eq!(tail.child.wait().unwrap().code(), Some(1));
    let mut err = String::new();
    tail.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert!(err.contains("where mutation 41 should begin; next: "), "{err}");
}

#[test]
fn a_journal_that_is_being_written_is_called_sound() {
    let dir = closed(5, 4_000);
    let bank = open(dir.path(), 4_000);
    let done = Arc::new(AtomicBool::new(false));
    let writer = {
        let done = Arc::clone(&done);
        thread::spawn(move || {
            let mut cents = 6;
            while !done.load(Ordering::Relaxed) {
                bank.blocking_apply(deposit(cents)).unwrap();
                cents += 1;
                if cents % 100 == 0 {
                    bank.blocking_create_snapshot().unwrap();
                    bank.blocking_compact().unwrap();
                }
            }
            cents - 1
        })
    };
    let mut before = 5;
    for _ in 0..10 {
        let verified = ask("verify --json", dir.path());
        assert_eq!(verified.code, 0, "{verified:?}");
        let last = verified.summary()["last"].as_u64().unwrap();
        assert!(last >= before, "{last} behind {before}");
        before = last;
        let status = ask("status --json", dir.path());
        assert_eq!(status.code, 0, "{status:?}");
        let printed = ask("cat", dir.path());
        let seqs = printed.seqs();
        // What compaction puts away meanwhile is said, and nothing else is left out.
        let is_whole = seqs.windows(2).all(|pair| {
            let away = format!("mutations {} to {} were put away", pair[0] + 1, pair[1] - 1);
            pair[0] + 1 == pair[1] || printed.err.contains(&away)
        });
        assert!(printed.code == 0 && is_whole, "{} {:?}", printed.err, seqs);
        assert_eq!(status.summary()["lock"]["held"], true, "{status:?}");
    }
    done.store(true, Ordering::Relaxed);
    let last = writer.join().unwrap();
    assert_eq!(ask("tail -n 1", dir.path()).seqs(), [last]);
}

#[test]
fn a_closed_pipe_ends_the_command_quietly() {
    let dir = closed(3_000, u64::MAX);
    for words in [&["cat"][..], &["tail", "-n", "3000"], &["diff", "--records", "--from", "0"]] {
        let mut child = ministate()
            .args(words)
            .arg(dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut out = BufReader::with_capacity(64, child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        assert!(line.contains("\"seq\":1,"), "{line}");
        drop(out);
        let ended = child.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), Some(0), "{words:?}: {ended:?}");
        assert!(ended.stderr.is_empty(), "{words:?}: {ended:?}");
    }
}
