//! `ministate compact`: what does recovery no longer need, and where is it now?

use std::path::Path;
use std::sync::Arc;

use ministate::inspect::{Away, PlannedCompaction, compacted, compaction_planned, snapshots_kept};
use ministate::storage::Storage;
use serde::Serialize;

use crate::Ending;
use crate::arguments;
use crate::failure::Failure;
use crate::output::{Count, Form, Output, Tone};
use crate::reading::{Files, inspected_sound};

#[derive(Serialize)]
struct Answer<'a> {
    done: bool,
    /// Every mutation behind it stays in the journal.
    oldest_snapshot: u64,
    /// Where the files are then; absent where they are removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<&'a Path>,
    files: Vec<&'a str>,
}

/// Whether the plan was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    Planned,
    Done,
}

pub(crate) fn told(
    storage: &Arc<dyn Storage>,
    asked: &arguments::Compact,
    output: &mut Output,
) -> Result<Ending, Failure> {
    let files = Files::chosen(&**storage, &asked.journal.dir, asked.journal.name.as_deref())?;
    let own_archive = files.layout.archive();
    let (away, to) = match (&asked.archive, asked.delete) {
        (_, true) => (Away::Deleted, None),
        (Some(archive), false) => (Away::Elsewhere(archive), Some(archive.as_path())),
        (None, false) => (Away::Archive, Some(own_archive.as_path())),
    };
    let (plan, deed) = match asked.dry_run {
        true => (planned(storage, &files, asked.keep)?, Deed::Planned),
        false => {
            let _lock = files.layout.locked(&**storage)?;
            let plan = planned(storage, &files, asked.keep)?;
            compacted(&**storage, &files.layout, &plan, away)?;
            (plan, Deed::Done)
        }
    };
    match output.form {
        Form::Json => output.json(&Answer {
            done: deed == Deed::Done,
            oldest_snapshot: plan.oldest_snapshot,
            to,
            files: names(&plan).collect(),
        })?,
        Form::Text => for_people(&plan, deed, to, output)?,
    }
    Ok(Ending::Well)
}

/// The plan, where every byte is sound: what is damaged is for `repair`, and is not put out of sight.
fn planned(
    storage: &Arc<dyn Storage>,
    files: &Files,
    keep: Option<u32>,
) -> Result<PlannedCompaction, Failure> {
    inspected_sound(storage, files)?;
    let kept = keep.map_or_else(snapshots_kept, |keep| keep as usize);
    Ok(compaction_planned(storage, &files.layout, kept)?)
}

fn names(plan: &PlannedCompaction) -> impl Iterator<Item = &str> {
    plan.files.iter().filter_map(|file| file.file_name()?.to_str())
}

fn for_people(
    plan: &PlannedCompaction,
    deed: Deed,
    to: Option<&Path>,
    output: &mut Output,
) -> Result<(), Failure> {
    let word = match (deed, to) {
        (Deed::Done, Some(to)) => format!("moved to {}", to.display()),
        (Deed::Done, None) => "removed".to_string(),
        (Deed::Planned, Some(to)) => format!("would be moved to {}", to.display()),
        (Deed::Planned, None) => "would be removed".to_string(),
    };
    for name in names(plan) {
        output.line(format_args!("{word}: {name}"))?;
    }
    let segments = Count(plan.segments as u64, "segment");
    let snapshots = Count(plan.snapshots as u64, "snapshot");
    let title = match deed {
        Deed::Done => output.toned(Tone::Good, "compacted"),
        Deed::Planned => output.toned(Tone::Title, "nothing was changed"),
    };
    output.line(format_args!(
        "{title}: {segments} and {snapshots}; snapshot {} and all mutations behind it are kept",
        plan.oldest_snapshot
    ))
}
