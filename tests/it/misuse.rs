//! Misuse does not compile, and the compiler says what to do instead.
//!
//! Each file of `ui` makes the mistake that it is named after. Those in `ui/rustc` are found by the
//! compiler's own rules, so part of their text is the compiler's and changes with it.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::process::Command;

/// The compiler that wrote the texts in `ui/rustc`.
const PINNED: &str = "rustc 1.95.";

#[test]
fn misuse_does_not_compile_and_the_message_says_the_way_out() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail(all_of("ui", 70));
    cases.pass(all_of("ui/pass", 2));
    if compiler().starts_with(PINNED) {
        cases.compile_fail(all_of("ui/rustc", 20));
    } else {
        let this = compiler();
        ministate_tests::say_loudly(&format!("NOT RUN: ui/rustc is for {PINNED}x, this is {this}"));
    }
}

/// The pattern of all sources in the directory, which holds at least that many.
fn all_of(dir: &str, at_least: usize) -> String {
    let entries = Path::new(env!("CARGO_MANIFEST_DIR")).join(dir).read_dir().unwrap();
    let names: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    let count = |extension: &str| {
        names.iter().filter(|name| name.extension().is_some_and(|it| it == extension)).count()
    };
    assert!(count("rs") >= at_least, "only {} files in {dir}", count("rs"));
    assert!(count("stderr") <= count("rs"), "a text in {dir} lacks its source");
    format!("{dir}/*.rs")
}

fn compiler() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("--version").output().unwrap();
    String::from_utf8(version.stdout).unwrap()
}
