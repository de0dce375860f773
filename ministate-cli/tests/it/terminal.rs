//! Colours and progress are for terminals, and for nobody else.

use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::command::{answer, ministate};
use crate::journals::{BankOp, active, closed, edit_lines, open, read_only, varied};

/// The command on a terminal of its own.
fn script(words: &str, dir: &Path) -> Command {
    let program = env!("CARGO_BIN_EXE_ministate");
    let mut script = Command::new("script");
    script.args(["-qec", &format!("'{program}' {words} '{}'", dir.display()), "/dev/null"]);
    script.env_remove("NO_COLOR").env("TERM", "xterm");
    script
}

/// What came of it; `None` where there is no `script` to make a terminal.
fn shown(output: io::Result<Output>) -> Option<(Option<i32>, String)> {
    match output {
        Ok(Output { status, stdout, .. }) => {
            Some((status.code(), String::from_utf8(stdout).unwrap()))
        }
        Err(_) => {
            eprintln!("SKIPPED: there is no `script`, of util-linux, to make a terminal");
            None
        }
    }
}

/// What the command shows where nobody types anything.
fn on_a_terminal(words: &str, dir: &Path, environment: &[(&str, &str)]) -> Option<String> {
    let mut script = script(words, dir);
    script.envs(environment.iter().copied()).stdin(Stdio::null());
    let (code, shown) = shown(script.output())?;
    assert_eq!(code, Some(0), "{shown}");
    Some(shown)
}

/// What the command shows to somebody who types this.
fn answered(words: &str, dir: &Path, typed: &str) -> Option<(Option<i32>, String)> {
    let mut script = script(words, dir);
    script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    shown(script.spawn().and_then(|mut child| {
        child.stdin.take().unwrap().write_all(typed.as_bytes())?;
        child.wait_with_output()
    }))
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
    let of_mebibytes = |mebibytes| {
        let dir = closed(0, u64::MAX);
        let bank = open(dir.path(), u64::MAX);
        for cents in 0..mebibytes {
            bank.blocking_apply(BankOp::Deposit { cents, memo: "x".repeat(1 << 20) }).unwrap();
        }
        bank.blocking_close().unwrap();
        dir
    };
    let (dir, small) = (of_mebibytes(40), of_mebibytes(9));
    let Some(shown) = on_a_terminal("verify", dir.path(), &[]) else { return };
    assert!(shown.contains(" left"), "{shown}");
    assert!(!on_a_terminal("verify", small.path(), &[]).unwrap().contains(" left"));
    let elsewhere = answer(ministate().arg("verify").arg(dir.path()).output().unwrap());
    assert_eq!((elsewhere.code, elsewhere.err.as_str()), (0, ""));
}

#[test]
fn who_has_seen_an_edited_line_is_asked_whether_it_is_to_be_so() {
    let dir = closed(5, u64::MAX);
    edit_lines(&active(dir.path()), |lines| lines[2] = lines[2].replace("number 2", "number two"));
    let home = tempfile::tempdir().unwrap();
    let to = home.path().join("new");
    let words = format!("reseal --to '{}'", to.display());
    for (typed, code, is_written) in [("no\n", 3, false), ("yes\n", 0, true)] {
        let Some((ended, shown)) = answered(&words, dir.path(), typed) else { return };
        assert_eq!(ended, Some(code), "{shown}");
        let places = ["number two", "with 1 edited line? [yes/no]"].map(|part| shown.find(part));
        assert!(places[0].is_some() && places.is_sorted(), "{shown}");
        assert_eq!(to.exists(), is_written, "{shown}");
    }
    assert!(read_only(&to).unwrap().read(|bank| bank.memos.contains(&"number two".to_string())));
}
