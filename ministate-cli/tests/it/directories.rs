//! Whatever is given as a directory, the answer is a sentence that helps.

use std::fs;
use std::path::Path;

use ministate::Options;

use crate::command::{Answer, answer, ask, ministate};
use crate::journals::{Bank, BankOp, active, closed, deposit, open, try_open, varied};

const COMMANDS: [&str; 8] =
    ["status", "cat", "tail", "verify", "schema", "diff --from 0", "stats", "snapshots"];

fn every_command(dir: &Path, expected: i32, words: &str) {
    for command in COMMANDS {
        let Answer { code, out, err } = ask(command, dir);
        assert_eq!((code, out.as_str()), (expected, ""), "{command}: {err}");
        assert!(err.starts_with("ministate: ") && err.contains(words), "{command}: {err}");
        assert_eq!(err.lines().count(), 1, "{command}: {err}");
    }
}

#[test]
fn a_missing_directory_is_named() {
    every_command(Path::new("/no/such/directory"), 3, "no directory /no/such/directory; check");
}

#[test]
fn an_empty_directory_has_no_journal() {
    let dir = tempfile::tempdir().unwrap();
    every_command(dir.path(), 3, "there is no journal in");
    fs::write(dir.path().join("notes.jsonl"), "{}\n").unwrap();
    fs::write(dir.path().join("other.lock"), "").unwrap();
    every_command(dir.path(), 3, "there is no journal in");
}

#[test]
fn one_of_two_journals_has_to_be_named() {
    let dir = closed(3, u64::MAX);
    let other =
        Options::new().blocking_open::<Bank, BankOp>(dir.path(), "other.wal.jsonl").unwrap();
    other.blocking_apply(deposit(1)).unwrap();
    other.blocking_close().unwrap();
    every_command(dir.path(), 2, "--name: bank.wal.jsonl, other.wal.jsonl");
    let last = |name: &str| ask(&format!("verify --json --name {name}"), dir.path()).summary();
    assert_eq!(last("bank.wal.jsonl")["last"], 3);
    assert_eq!(last("other.wal.jsonl")["last"], 1);
    // The file of a journal names it too.
    assert_eq!(ask("cat", &active(dir.path())).seqs(), [1, 2, 3]);
    let unknown = ask("verify --name third.wal.jsonl", dir.path());
    assert_eq!(unknown.code, 2, "{unknown:?}");
}

#[test]
fn journals_are_found_by_whatever_is_left_of_them() {
    let dir = closed(3, u64::MAX);
    fs::remove_file(active(dir.path())).unwrap();
    let answer = ask("verify", dir.path());
    assert_eq!(answer.code, 1, "{answer:?}");
    assert!(
        answer.out.contains("the file is missing: ") && answer.out.contains(NAME),
        "{answer:?}"
    );
}

const NAME: &str = crate::journals::NAME;

#[test]
fn names_without_the_ending_are_journals_too() {
    let dir = tempfile::tempdir().unwrap();
    let bank = Options::new().blocking_open::<Bank, BankOp>(dir.path(), "bank").unwrap();
    bank.blocking_apply(deposit(1)).unwrap();
    bank.blocking_close().unwrap();
    assert_eq!(ask("cat", dir.path()).seqs(), [1]);
}

#[test]
fn a_journal_of_0_1_is_to_be_taken_over_first() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/0.1");
    for fixture in ["counter", "bank", "rotated", "snapshot", "interrupted_rotation"] {
        let dir = fixtures.join(fixture);
        for command in COMMANDS {
            let answer = ask(command, &dir);
            assert_eq!(answer.code, 3, "{fixture}, {command}: {answer:?}");
            assert!(
                answer.err.contains("open it once with a manager"),
                "{fixture}, {command}: {answer:?}"
            );
        }
    }
}

#[test]
fn a_newer_format_needs_a_newer_command() {
    let dir = closed(3, u64::MAX);
    fs::write(active(dir.path()), "{\"ministate\":2,\"journal\":\"x\"}\n").unwrap();
    fs::remove_file(dir.path().join("bank.wal.head.json")).unwrap();
    for command in ["verify", "status", "cat"] {
        let answer = ask(command, dir.path());
        assert_eq!(answer.code, 3, "{answer:?}");
        assert!(answer.err.contains("built with a newer ministate"), "{answer:?}");
    }
}

#[test]
fn the_lock_is_told_and_not_taken() {
    let dir = closed(3, u64::MAX);
    let lock = |dir| ask("status --json", dir).summary()["lock"].clone();
    assert_eq!(lock(dir.path())["held"], false);
    let bank = open(dir.path(), u64::MAX);
    let held = lock(dir.path());
    assert_eq!((&held["held"], &held["pid"]), (&true.into(), &std::process::id().into()));
    bank.blocking_apply(deposit(4)).unwrap();
    bank.blocking_close().unwrap();
    drop(bank);
    assert_eq!(lock(dir.path())["held"], false);
    drop(open(dir.path(), u64::MAX));
}

#[test]
fn status_tells_what_recovery_would_do() {
    let dir = varied();
    let status = ask("status --json", dir.path());
    let summary = status.summary();
    assert_eq!(status.code, 0, "{status:?}");
    assert_eq!(summary["recovery"]["snapshot"], 13);
    assert_eq!(summary["recovery"]["replayed"], 17);
    assert_eq!((&summary["mark"], &summary["was_closed"]), (&30.into(), &true.into()));
    let bank = open(dir.path(), 1_000);
    assert_eq!((bank.recovery().snapshot, bank.recovery().replayed), (13, 17));
}

#[test]
fn status_tells_how_long_the_last_opening_took() {
    let dir = varied();
    let bank = open(dir.path(), 1_000);
    let took = bank.recovery().duration.as_micros() as u64;
    let status = ask("status --json", dir.path()).summary();
    let last = &status["last_opening"];
    assert_eq!((&last["replayed"], &last["microseconds"]), (&17.into(), &took.into()));
    assert_eq!(status["lock"]["pid"], std::process::id());
    drop(bank);
    let text = ask("status", dir.path()).out;
    assert!(text.contains("last time  replayed 17 mutations in "), "{text}");
    // An opening that is refused leaves what the last one said.
    let head = dir.path().join("bank.wal.head.json");
    let kept = fs::read(&head).unwrap();
    fs::write(&head, "{}\n").unwrap();
    assert!(try_open(dir.path(), 1_000).is_err());
    fs::write(&head, kept).unwrap();
    assert_eq!(ask("status --json", dir.path()).summary()["last_opening"], *last);
    fs::write(dir.path().join("bank.wal.lock"), "{\"pid\":1}\n").unwrap();
    assert!(!ask("status", dir.path()).out.contains("last time"));
}

#[test]
fn words_that_cannot_be_understood_end_with_2() {
    let dir = closed(1, u64::MAX);
    for words in ["cat --since yesterday", "cat --from 3 --to 2", "diff", "cat --from x"] {
        assert_eq!(ask(words, dir.path()).code, 2, "{words}");
    }
    assert_eq!(answer(ministate().output().unwrap()).code, 2);
}

#[test]
fn help_man_page_and_completions_are_there() {
    let run = |words: &str| answer(ministate().args(words.split(' ')).output().unwrap());
    let man = run("generate man").out;
    for word in ["Exit codes", "MINISTATE VERIFY", "MINISTATE TAIL", "\\-\\-since"] {
        assert!(man.contains(word), "{word} is not in the man page:\n{man}");
    }
    for shell in ["bash", "zsh", "fish"] {
        assert!(run(&format!("generate completions {shell}")).out.contains("verify"), "{shell}");
    }
    assert!(run("--help").out.contains("Exit codes:"));
    assert!(run("verify --help").out.contains("JSON:"));
}

#[test]
fn what_is_kept_of_0_1_is_no_journal_of_its_own() {
    let dir = closed(3, u64::MAX);
    for kept in ["bank.wal.from-0.1.jsonl", "bank.wal.from-0.1.jsonl.000001"] {
        fs::write(dir.path().join(kept), "// MINISTORE JOURNAL v0.1.4\n").unwrap();
    }
    assert_eq!(ask("verify", dir.path()).code, 0);
}
