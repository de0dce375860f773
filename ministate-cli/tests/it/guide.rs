//! What the guide shows of the command is what it prints.

use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::journals::{BankOp, active, deposit, edit_lines, open, try_open};

const GUIDE: &str = include_str!("../../../ministate/docs/guide.md");

/// The commands of the chapter for operators, in order, each with what is shown of its answer.
fn shown() -> Vec<(String, String)> {
    let (_, chapter) = GUIDE.split_once("\n## Operating it\n").expect("the chapter is there");
    let chapter = chapter.split("\n## ").next().unwrap();
    let mut shown = Vec::new();
    for block in chapter.split("```console\n").skip(1) {
        for command in block.split("\n```").next().unwrap().split("$ ").skip(1) {
            let (command, answer) = command.split_once('\n').unwrap_or((command, ""));
            shown.push((command.to_string(), answer.to_string()));
        }
    }
    shown
}

/// Without what is another with every run: times, sizes, processes, and how words are padded.
fn lasting(text: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for line in text.trim().lines() {
        for word in line.split_whitespace() {
            let is_number = |word: &str| word.parse::<f64>().is_ok();
            let before = words.last().map_or("", String::as_str);
            let is_of_size = ["B", "B;", "KiB", "KiB;", "ms"].contains(&word) && is_number(before);
            let is_process = before == "process" || before == "(byte";
            if is_of_size && let Some(number) = words.last_mut() {
                *number = "N".to_string();
            }
            words.push(match is_process {
                true => "N".to_string(),
                false => without_checksum(&without_time(word)),
            });
        }
        words.push("\n".to_string());
    }
    words.join(" ")
}

/// `2026-11-22T12:00:01.000Z`, wherever it stands in the word, is another with every run.
fn without_time(word: &str) -> String {
    match word.find("20").filter(|at| word[*at..].get(10..11) == Some("T")) {
        Some(at) => format!("{}TIME{}", &word[..at], word[at + 24..].trim_start()),
        None => word.to_string(),
    }
}

/// A record holds the time, so its checksum is another with every run.
fn without_checksum(word: &str) -> String {
    const BEFORE: &str = r#""crc":""#;
    match word.find(BEFORE).map(|at| at + BEFORE.len()) {
        Some(at) => format!("{}CRC{}", &word[..at], &word[at + 8..]),
        None => word.to_string(),
    }
}

/// The journal of the chapter: 30 mutations, a snapshot behind the 13th.
fn sample() -> TempDir {
    let place = tempfile::tempdir().unwrap();
    let bank = open(&place.path().join("state"), 2_000);
    for cents in 1..=30 {
        bank.blocking_apply(deposit(cents)).unwrap();
        if cents == 13 {
            bank.blocking_create_snapshot().unwrap();
        }
    }
    bank.blocking_close().unwrap();
    place
}

/// Two days later: three mutations more, and a byte of the first of them went bad.
fn damage(state: &Path) -> String {
    let bank = open(state, 2_000);
    for mutation in [deposit(31), BankOp::Freeze, deposit(33)] {
        bank.blocking_apply(mutation).unwrap();
    }
    bank.blocking_close().unwrap();
    edit_lines(&active(state), |lines| {
        let line = lines.iter_mut().find(|line| line.starts_with("{\"seq\":31,")).unwrap();
        *line = line.replace("number", "numcer");
    });
    try_open(Path::new(state), 2_000).unwrap_err().to_string()
}

fn answer(command: &str, place: &Path) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_ministate")).parent().unwrap();
    let path = std::env::join_paths(
        std::iter::once(program.to_path_buf())
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let output = Command::new("sh")
        .args(["-c", &format!("{command} 2>&1")])
        .env("PATH", path.unwrap())
        .current_dir(place)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_chapter_for_operators_shows_what_is_printed() {
    let place = sample();
    let state = place.path().join("state");
    let (mut shown_now, mut printed_now) = (String::new(), String::new());
    let shown = shown();
    for (command, shown) in &shown {
        let printed = answer(command, place.path());
        shown_now += &format!("$ {command}\n{}\n", lasting(shown));
        printed_now += &format!("$ {command}\n{}\n", lasting(&printed));
        if command.starts_with("ministate backup") {
            let refused = damage(&state).replace(&format!("{}/", place.path().display()), "");
            let is_shown = GUIDE.lines().any(|line| lasting(line) == lasting(&refused));
            assert!(is_shown, "the guide does not show: {refused}");
        }
    }
    assert!(
        shown_now == printed_now,
        "the guide shows\n{shown_now}\nand printed is\n{printed_now}"
    );
    assert!(shown.len() >= 9, "the guide shows {}", shown.len());
    let bank = try_open(&state, 2_000).expect("the application starts again");
    assert_eq!(bank.sequence(), 30);
}
