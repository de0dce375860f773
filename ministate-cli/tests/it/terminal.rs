//! Colours and progress are for terminals, and for nobody else.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::command::{answer, ministate};
use crate::journals::{BankOp, closed, open, varied};

/// What the command shows on a terminal of its own; `None` where there is no `script` to make one.
fn on_a_terminal(words: &str, dir: &Path, environment: &[(&str, &str)]) -> Option<String> {
    let program = env!("CARGO_BIN_EXE_ministate");
    let mut script = Command::new("script");
    script.args(["-qec", &format!("'{program}' {words} '{}'", dir.display()), "/dev/null"]);
    script.env_remove("NO_COLOR").env("TERM", "xterm").envs(environment.iter().copied());
    match script.stdin(Stdio::null()).output() {
        Ok(Output { status, stdout, .. }) if status.code() == Some(0) => {
            Some(String::from_utf8(stdout).unwrap())
        }
        Ok(other) => panic!("{other:?}"),
        Err(_) => {
            eprintln!("SKIPPED: there is no `script`, of util-linux, to make a terminal");
            None
        }
    }
}

const ESCAPE: char = '\u{1b}';

#[test]
fn colours_are_for_terminals_where_nobody_objects() {
    let dir = varied();
    for words in ["status", "verify", "snapshots"] {
        let Some(shown) = on_a_terminal(words, dir.path(), &[]) else { return };
        assert!(shown.contains(ESCAPE), "{words}: {shown}");
        for objection in [("NO_COLOR", "1"), ("TERM", "dumb")] {
            let shown = on_a_terminal(words, dir.path(), &[objection]).unwrap();
            assert!(!shown.contains(ESCAPE), "{words}, {objection:?}: {shown}");
        }
        // An empty one is none.
        let shown = on_a_terminal(words, dir.path(), &[("NO_COLOR", "")]).unwrap();
        assert!(shown.contains(ESCAPE), "{words}: {shown}");
        let json = on_a_terminal(&format!("{words} --json"), dir.path(), &[]).unwrap();
        assert!(!json.contains(ESCAPE), "{words}: {json}");
    }
}

#[test]
fn a_bar_is_shown_on_a_terminal_while_much_is_read() {
    let dir = closed(0, u64::MAX);
    let bank = open(dir.path(), u64::MAX);
    let memo = "x".repeat(1 << 20);
    for cents in 0..40 {
        bank.blocking_apply(BankOp::Deposit { cents, memo: memo.clone() }).unwrap();
    }
    bank.blocking_close().unwrap();
    let small = closed(3, u64::MAX);
    let Some(shown) = on_a_terminal("verify", dir.path(), &[]) else { return };
    assert!(shown.contains(" left"), "{shown}");
    assert!(!on_a_terminal("verify", small.path(), &[]).unwrap().contains(" left"));
    let elsewhere = answer(ministate().arg("verify").arg(dir.path()).output().unwrap());
    assert_eq!((elsewhere.code, elsewhere.err.as_str()), (0, ""));
}
