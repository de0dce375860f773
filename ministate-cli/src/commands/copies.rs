//! `ministate backup` and `ministate restore`: is there a whole journal in the other directory now?
//!
//! They are one act in two directions: what was copied is a journal like the one it was copied from.

use std::path::Path;
use std::sync::Arc;

use ministate::inspect::{Copied, copied};
use ministate::storage::Storage;
use serde::Serialize;

use crate::Ending;
use crate::arguments;
use crate::failure::Failure;
use crate::output::{Count, Form, Output, Size, Tone};
use crate::reading::{Files, inspected_sound};

#[derive(Serialize)]
struct Answer<'a> {
    journal: &'a str,
    from: &'a Path,
    to: &'a Path,
    /// The snapshot that recovery begins with.
    snapshot: u64,
    first: u64,
    last: u64,
    torn_bytes: u64,
    bytes: u64,
    files: Vec<&'a str>,
}

/// What the copy is to who asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Backup,
    Restore,
}

pub(crate) fn told(
    storage: &Arc<dyn Storage>,
    purpose: Purpose,
    asked: &arguments::CopyTo,
    output: &mut Output,
) -> Result<Ending, Failure> {
    let files = Files::chosen(&**storage, &asked.journal.dir, asked.journal.name.as_deref())?;
    inspected_sound(storage, &files)?;
    let copied = copied(storage, &files.layout, &asked.to)?;
    match output.form {
        Form::Json => output.json(&answer(&files, &asked.to, &copied))?,
        Form::Text => for_people(&files, purpose, &asked.to, &copied, output)?,
    }
    Ok(Ending::Well)
}

fn answer<'a>(files: &'a Files, to: &'a Path, copied: &'a Copied) -> Answer<'a> {
    let names = copied.files.iter().filter_map(|file| file.file_name()?.to_str());
    Answer {
        journal: &files.name,
        from: files.dir(),
        to,
        snapshot: copied.opening.snapshot,
        first: copied.opening.first,
        last: copied.opening.last,
        torn_bytes: copied.torn,
        bytes: copied.bytes,
        files: names.collect(),
    }
}

fn for_people(
    files: &Files,
    purpose: Purpose,
    to: &Path,
    copied: &Copied,
    output: &mut Output,
) -> Result<(), Failure> {
    let opening = &copied.opening;
    let (word, next) = match purpose {
        Purpose::Backup => ("backed up", format!("ministate restore {} --to DIR", to.display())),
        Purpose::Restore => ("restored", "start the application".to_string()),
    };
    let word = output.toned(Tone::Good, word);
    output.line(format_args!(
        "{word}: {} through mutation {}, to {}",
        files.layout.active().display(),
        opening.last,
        to.display()
    ))?;
    output.line(format_args!(
        "  copy       {}, {}; each was read back",
        Count(copied.files.len() as u64, "file"),
        Size(copied.bytes)
    ))?;
    output.line(format_args!(
        "  recovery   begins with snapshot {}, replays {}",
        opening.snapshot,
        Count(opening.replayed, "mutation")
    ))?;
    if copied.torn > 0 {
        output.line(format_args!(
            "  left out   {} of a batch that was never acknowledged",
            Count(copied.torn, "torn byte")
        ))?;
    }
    output.line(format_args!("  next       {next}"))
}
