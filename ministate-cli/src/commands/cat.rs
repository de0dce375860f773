//! `ministate cat`: which mutations does the journal hold?

use std::ops::ControlFlow;

use ministate::storage::Storage;

use super::printed::{print, warn};
use super::selection::Selection;
use crate::Ending;
use crate::arguments;
use crate::failure::Failure;
use crate::output::Output;
use crate::reading::{Content, Damage, Files, Line, Segment, mutations, walked};

pub(crate) fn told(
    storage: &dyn Storage,
    asked: &arguments::Cat,
    output: &mut Output,
) -> Result<Ending, Failure> {
    let selection = Selection::of(&asked.selection)?;
    let (from, to) = (asked.from.unwrap_or(0), asked.to.unwrap_or(u64::MAX));
    if from > to {
        return Err(Failure::BadRange { from, to });
    }
    let files = Files::chosen(storage, &asked.journal.dir, asked.journal.name.as_deref())?;
    printed_between(storage, &files, (from, to), &selection, output)
}

/// Prints the mutations from the one to the other.
pub(super) fn printed_between(
    storage: &dyn Storage,
    files: &Files,
    (from, to): (u64, u64),
    selection: &Selection,
    output: &mut Output,
) -> Result<Ending, Failure> {
    let mut ending = Ending::Well;
    let mut next = None;
    let mut visit = |segment: &Segment, line: &Line<'_>| {
        if let Content::Damaged { what, seq } = line.content {
            output.flush()?;
            warn(&Damage::at(&segment.path, line.number, line.byte, seq, what));
            ending = Ending::Differs;
            // What is lost with it is said.
            next = None;
        }
        for mutation in mutations(&line.content) {
            if mutation.seq > to {
                return Ok(ControlFlow::Break(()));
            }
            if let Some(next) = next.filter(|next| *next < mutation.seq) {
                let last = mutation.seq - 1;
                eprintln!(
                    "ministate: mutations {next} to {last} were put away meanwhile; look for them \
                     in the archive"
                );
            }
            next = mutation.seq.checked_add(1);
            if mutation.seq >= from && selection.holds(&mutation) {
                print(output, &mutation)?;
            }
        }
        Ok(ControlFlow::Continue(()))
    };
    walked(storage, files, from, &mut visit)?;
    Ok(ending)
}
