//! `ministate reseal`: what is the journal with the lines that somebody edited by hand?
//!
//! Every edited line is shown as it was and as it becomes, before anything is written, and only who
//! has seen them, or says so with `--yes`, gets the new directory.

use std::io::{self, BufRead, IsTerminal};
use std::sync::Arc;

use ministate::storage::Storage;
use serde::Serialize;

use super::rewritten::{ChangedLine, Holdings, tell_change, tell_holdings, tell_left};
use crate::Ending;
use crate::arguments;
use crate::failure::Failure;
use crate::output::{Count, Form, Output};
use crate::rewriting::{Base, Edit, Edits, Plan, Refusal, Source, edits, source, written};

#[derive(Serialize)]
struct Summary {
    #[serde(flatten)]
    holdings: Holdings,
    edited: usize,
    /// Lines that get another checksum alone.
    chained: u64,
}

pub(crate) fn told(
    storage: &Arc<dyn Storage>,
    asked: &arguments::Reseal,
    output: &mut Output,
) -> Result<Ending, Failure> {
    let Source { files, target } = source(&**storage, &asked.journal, &asked.to)?;
    let Edits { journal, previous, segments, edits, chained } = edits(&**storage, &files)?;
    let Some(changed) = edits.iter().map(|edit| edit.seq).min() else {
        return Err(Refusal::NothingEdited { dir: files.dir().to_path_buf() }.into());
    };
    let first = segments.first().map_or(1, |segment| segment.first);
    let base = Base::before(&**storage, &files, (&journal, first), changed)?;
    for Edit { file, line, seq, was, becomes } in &edits {
        let (line, seq) = (*line, *seq);
        tell_change(&ChangedLine { file, line, seq, was, becomes }, output)?;
    }
    tell_left(&base.left, output)?;
    if output.form == Form::Text {
        let chained = Count(chained, "line");
        output.line(format_args!("{chained} more, of which only the checksums become others"))?;
    }
    output.flush()?;
    if !asked.yes {
        confirmed(edits.len() as u64)?;
    }
    let plan =
        Plan::new(&journal, previous).with_snapshots(&base.snapshots).with_segments(segments);
    let opening = written(storage, plan, &files.layout, &target)?;
    let holdings = Holdings::of(&target.dir, &opening);
    match output.form {
        Form::Json => output.json(&Summary { holdings, edited: edits.len(), chained })?,
        Form::Text => tell_holdings("resealed", &holdings, output)?,
    }
    Ok(Ending::Well)
}

/// Asks on standard error, where somebody is there to answer.
fn confirmed(edits: u64) -> Result<(), Failure> {
    if !io::stdin().is_terminal() {
        return Err(Refusal::NobodyToAsk.into());
    }
    eprint!("ministate: write the new directory with {}? [yes/no] ", Count(edits, "edited line"));
    match is_yes(&mut io::stdin().lock()) {
        true => Ok(()),
        false => Err(Refusal::Declined.into()),
    }
}

/// Whether the next line says so.
fn is_yes(answers: &mut impl BufRead) -> bool {
    let mut answer = String::new();
    answers.read_line(&mut answer).is_ok() && matches!(answer.trim(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::is_yes;

    #[test]
    fn only_yes_is_yes() {
        for answer in ["y\n", "yes\n", " yes \r\n", "yes"] {
            assert!(is_yes(&mut answer.as_bytes()), "{answer:?}");
        }
        for answer in ["", "\n", "no\n", "Yes, but\n", "nyes\n"] {
            assert!(!is_yes(&mut answer.as_bytes()), "{answer:?}");
        }
    }
}
