//! Does the promise hold where a call of the kernel fails, or is the last one?

use std::fs;

use ministate_tests::say_loudly;
use tempfile::TempDir;

use super::account::Account;
use super::machine::strace_works;
use super::rounds;
use super::writer::{Event, Work, Writer};

/// All that a manager does, in little time.
const WORK: Work = Work::Once { padding: 30 };

/// What the program said, and the calls that it made in its last run, in a directory of its own.
struct Traced {
    dir: TempDir,
    said: Vec<Event>,
    log: String,
}

/// Runs the program to its end; `tampering` is strace's, such as `error=EIO:when=7`.
fn run(call: &str, tampering: Option<&str>) -> Traced {
    let dir = tempfile::tempdir().unwrap();
    let mut traced = Traced { dir, said: Vec::new(), log: String::new() };
    traced.run(call, tampering);
    traced
}

impl Traced {
    /// Runs the program, again, in the same directory.
    fn run(&mut self, call: &str, tampering: Option<&str>) {
        let log = self.dir.path().join("strace.log");
        let mut arguments = vec!["-o".to_string(), log.display().to_string()];
        arguments.extend(["-e".into(), format!("trace={call}")]);
        if let Some(tampering) = tampering {
            arguments.extend(["-e".into(), format!("inject={call}:{tampering}")]);
        }
        let mut writer = Writer::traced(&arguments, &self.dir.path().join("lists"), WORK);
        // A second life, should the first fail.
        writer.again();
        self.said.extend(writer.end());
        self.log = fs::read_to_string(log).unwrap();
    }

    /// The lines that strace wrote for calls. It counts them by thread, and so must we.
    fn calls(&self) -> Vec<&str> {
        let calls: Vec<&str> = self.log.lines().filter(|line| line.contains('(')).collect();
        let thread = |line: &str| line.split(' ').next().map(str::to_string);
        let first = calls.first().and_then(|line| thread(line));
        assert!(calls.iter().all(|line| thread(line) == first), "the disk has several threads");
        calls
    }

    fn check(&self, unheard: u64) -> Result<(), String> {
        let mut account = Account::default();
        account.hear_all(&self.said)?;
        account.check(&self.dir.path().join("lists"), unheard)
    }
}

/// The numbers of the calls to tamper with: all, or as many as there are rounds, evenly spread.
fn moments(calls: u64) -> impl Iterator<Item = u64> {
    let rounds = rounds(12).min(calls);
    (0..rounds).map(move |round| 1 + round * calls / rounds)
}

/// How often the program was tampered with, and how often it said why it failed.
#[derive(Debug, PartialEq, Eq)]
struct Tampered {
    runs: u64,
    reports: u64,
}

/// Tampers in each run with another call, the `#`th. Up to `unheard` mutations may be there that
/// the program did not live to speak of.
fn tamper(call: &str, how: &str, report: &str, unheard: u64) -> Tampered {
    let undisturbed = run(call, None);
    undisturbed.check(0).unwrap();
    let calls = undisturbed.calls().len() as u64;
    assert!(calls > 0, "`{call}` is not called any more");
    let mut tampered = Tampered { runs: 0, reports: 0 };
    for moment in moments(calls) {
        let traced = run(call, Some(&how.replace('#', &moment.to_string())));
        if let Err(why) = traced.check(unheard) {
            let (dir, said) = (traced.dir.keep(), traced.said);
            panic!("{call} {moment} of {calls}, {how}: {why}\n{}\n{said:#?}", dir.display());
        }
        let reports = |event: &Event| event.why().is_some_and(|why| why.contains(report));
        tampered.reports += u64::from(traced.said.iter().any(reports));
        tampered.runs += 1;
    }
    let Tampered { runs, reports } = tampered;
    say_loudly(&format!("{call} with {how}, {runs} of {calls}: {reports} reports"));
    tampered
}

fn every_failure_is_reported(call: &str, how: &str, report: &str) {
    let Tampered { runs, reports } = tamper(call, how, report, 0);
    assert_eq!(reports, runs, "{call} failed and nobody said so");
}

// Where a machine has no such call, it has one that does the same.
const RENAME: &str = "?rename,?renameat,?renameat2";
const UNLINK: &str = "?unlink,?unlinkat";
const MKDIR: &str = "?mkdir,?mkdirat";

// What the errors say of these two.
const EIO: &str = "code: 5,";
const ENOSPC: &str = "StorageFull";

#[test]
fn after_a_sync_that_failed_nothing_is_acknowledged_and_nothing_lost() {
    if strace_works() {
        every_failure_is_reported("fdatasync", "error=EIO:when=#", EIO);
        every_failure_is_reported("fsync", "error=EIO:when=#", EIO);
    }
}

#[test]
fn a_write_that_fails_is_reported_and_loses_nothing() {
    if !strace_works() {
        return;
    }
    every_failure_is_reported("pwrite64", "error=EIO:when=#", EIO);
    // Where the room does not suffice for the fill behind a record, there is nothing to report.
    let Tampered { runs, reports } = tamper("pwrite64", "error=ENOSPC:when=#", ENOSPC, 0);
    assert!((runs / 2..=runs).contains(&reports), "{reports} of {runs}");
}

#[test]
fn a_change_of_names_or_lengths_that_fails_is_reported_and_loses_nothing() {
    if strace_works() {
        every_failure_is_reported("ftruncate", "error=EIO:when=#", EIO);
        every_failure_is_reported(RENAME, "error=ENOSPC:when=#", ENOSPC);
        every_failure_is_reported(UNLINK, "error=EIO:when=#", EIO);
        every_failure_is_reported(MKDIR, "error=ENOSPC:when=#", ENOSPC);
    }
}

/// A read that fails, in a journal that is there already, must not pass for the end of the journal.
#[test]
fn a_read_that_fails_is_reported_and_loses_nothing() {
    if !strace_works() {
        return;
    }
    let mut undisturbed = run("pread64", None);
    undisturbed.run("pread64", None);
    let calls = undisturbed.calls().len() as u64;
    let (mut reports, mut runs) = (0, 0);
    for moment in moments(calls) {
        let mut traced = run("pread64", None);
        traced.run("pread64", Some(&format!("error=EIO:when={moment}")));
        traced.check(0).unwrap_or_else(|why| panic!("{moment}: {why}\n{:#?}", traced.said));
        let is_report = |event: &Event| event.why().is_some_and(|why| why.contains(EIO));
        reports += u64::from(traced.said.iter().any(is_report));
        runs += 1;
    }
    // The first calls are of the program's loader, and there are two snapshots to begin with.
    assert!(reports * 2 > runs, "{reports} of {runs}");
    say_loudly(&format!("pread64 with error=EIO, {runs} of {calls}: {reports} reports"));
}

#[test]
fn a_disk_that_fails_for_good_loses_nothing() {
    if strace_works() {
        every_failure_is_reported("fdatasync", "error=EIO:when=#+", EIO);
        every_failure_is_reported("pwrite64", "error=EIO:when=#+", EIO);
        every_failure_is_reported("fsync", "error=EIO:when=#+", EIO);
    }
}

#[test]
fn a_process_that_is_killed_at_a_call_loses_nothing() {
    if !strace_works() {
        return;
    }
    for call in ["pwrite64", "fdatasync", "fsync", "ftruncate", RENAME, UNLINK] {
        let Tampered { runs, reports } = tamper(call, "signal=KILL:when=#", "", 1);
        assert!(runs > 0 && reports == 0, "the program lived on");
    }
}

/// The control: these tests see it when a record is missing that was acknowledged.
#[test]
fn a_write_that_only_seemed_to_happen_is_caught() {
    if !strace_works() {
        return;
    }
    let undisturbed = run("pwrite64", None);
    let calls = undisturbed.calls();
    // A record that others follow in its segment, so small that it has no fill behind it.
    let small: Vec<&str> = calls
        .iter()
        .copied()
        .filter(|line| line.contains("\"{\\\"seq\\\":") && bytes(line) < 1000)
        .collect();
    let line = small[small.len() / 2];
    let moment = 1 + calls.iter().position(|other| std::ptr::eq(*other, line)).unwrap();
    let traced = run("pwrite64", Some(&format!("retval={}:when={moment}", bytes(line))));
    let why = traced.check(0).expect_err("an acknowledged mutation was never written");
    say_loudly(&format!("a write that never happened was caught: {why}"));
}

/// What the call returned: how many bytes it wrote.
fn bytes(line: &str) -> u64 {
    line.rsplit(" = ").next().unwrap().trim().parse().unwrap()
}
