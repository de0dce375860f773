//! How is a new directory told of?

use std::path::{Path, PathBuf};

use ministate::inspect::Opening;
use serde::Serialize;

use crate::failure::Failure;
use crate::output::{Count, Form, Output, Tone};
use crate::rewriting::LeftBehind;

/// A line that becomes another one.
#[derive(Debug, Serialize)]
pub(super) struct ChangedLine<'a> {
    pub(super) file: &'a Path,
    pub(super) line: u64,
    pub(super) seq: u64,
    pub(super) was: &'a str,
    pub(super) becomes: &'a str,
}

/// What the new directory holds.
#[derive(Debug, Serialize)]
pub(super) struct Holdings {
    pub(super) to: PathBuf,
    snapshots: Vec<u64>,
    /// Absent where no record is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<u64>,
    last: u64,
}

impl Holdings {
    pub(super) fn of(to: &Path, opening: &Opening) -> Holdings {
        let snapshots = opening.snapshots.iter().rev().map(|snapshot| snapshot.seq).collect();
        let first = (opening.first <= opening.last).then_some(opening.first);
        Holdings { to: to.to_path_buf(), snapshots, first, last: opening.last }
    }
}

/// Tells which line becomes which.
pub(super) fn tell_change(changed: &ChangedLine<'_>, output: &mut Output) -> Result<(), Failure> {
    let ChangedLine { file, line, seq, was, becomes } = changed;
    match output.form {
        Form::Json => output.json(changed),
        Form::Text => {
            output.line(format_args!("{} line {line}, mutation {seq}", file.display()))?;
            output.line(format_args!("  {} {was}", output.toned(Tone::Bad, "-")))?;
            output.line(format_args!("  {} {becomes}", output.toned(Tone::Good, "+")))
        }
    }
}

/// Tells what is not in the new directory.
pub(super) fn tell_left(left: &[LeftBehind], output: &mut Output) -> Result<(), Failure> {
    for one in left {
        match output.form {
            Form::Json => output.json(one)?,
            Form::Text => {
                let title = output.toned(Tone::Aside, "left behind");
                output.line(format_args!("{title}: {}", in_words(one)))?;
            }
        }
    }
    Ok(())
}

fn in_words(left: &LeftBehind) -> String {
    let LeftBehind { left, file, line, lines, byte, bytes, first, last } = left;
    let mut words = format!("{left}: {}", file.display());
    if let (Some(line), Some(lines)) = (line, lines) {
        words += &format!(" line {line} (byte {byte}), {}", Count(*lines, "line"));
    }
    words += &format!(", {}", Count(*bytes, "byte"));
    if let (Some(first), Some(last)) = (first, last) {
        words += &format!(", {}", mutations(*first, *last));
    }
    words
}

/// From the one to the other.
pub(super) fn mutations(first: u64, last: u64) -> String {
    match first == last {
        true => format!("mutation {first}"),
        false => format!("mutations {first} to {last}"),
    }
}

/// Tells what is in it, and what that is called.
pub(super) fn tell_holdings(
    title: &str,
    holdings: &Holdings,
    output: &mut Output,
) -> Result<(), Failure> {
    let Holdings { to, snapshots, first, last } = holdings;
    let title = output.toned(Tone::Good, title);
    let records = match first {
        Some(first) => mutations(*first, *last),
        None => format!("no records, all through mutation {last} in a snapshot"),
    };
    let snapshots: Vec<String> = snapshots.iter().map(u64::to_string).collect();
    output.line(format_args!(
        "{title}: {}: {records}; snapshots: {}",
        to.display(),
        snapshots.join(", ")
    ))
}
