//! `ministate verify`: is every byte what was written?

use std::path::PathBuf;
use std::sync::Arc;

use ministate::storage::Storage;
use serde::Serialize;

use crate::Ending;
use crate::arguments::Journal;
use crate::failure::Failure;
use crate::output::{Count, Form, Output, Tone};
use crate::progress::Progress;
use crate::reading::{Files, Inspection, inspected, segments};

#[derive(Serialize)]
struct Summary<'a> {
    sound: bool,
    opens: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
    damages: usize,
    lost: &'a [(u64, u64)],
    adrift: u64,
    /// Snapshots that the journal does not go back to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unreached: Vec<u64>,
    records: u64,
    first: Option<u64>,
    last: Option<u64>,
    /// Mutations that are not applied.
    #[serde(skip_serializing_if = "<[u64]>::is_empty")]
    voided: &'a [u64],
    #[serde(skip_serializing_if = "Option::is_none")]
    torn: Option<TornTail>,
}

#[derive(Serialize)]
struct TornTail {
    file: PathBuf,
    bytes: u64,
}

pub(crate) fn told(
    storage: &Arc<dyn Storage>,
    asked: &Journal,
    output: &mut Output,
) -> Result<Ending, Failure> {
    let files = Files::chosen(&**storage, &asked.dir, asked.name.as_deref())?;
    let bytes = segments(&**storage, &files)?.iter().map(|segment| segment.bytes).sum();
    let progress = Progress::of_bytes(bytes);
    let inspection = inspected(storage, &files, &|done, total| progress.reached(done, total))?;
    drop(progress);
    let Inspection { found, opening } = &inspection;
    match output.form {
        Form::Json => {
            for damage in &found.damages {
                output.json(damage)?;
            }
            let torn = opening.as_ref().ok().and_then(|opening| opening.torn.clone());
            output.json(&Summary {
                sound: found.damages.is_empty(),
                opens: opening.is_ok(),
                refused: opening.as_ref().err().map(ToString::to_string),
                damages: found.damages.len(),
                lost: &found.lost,
                adrift: found.adrift,
                unreached: unreached(&inspection),
                records: found.records,
                first: found.reach.map(|(first, _)| first),
                last: found.reach.map(|(_, last)| last),
                voided: opening.as_ref().map_or(&[], |opening| &opening.voided),
                torn: torn.map(|(file, bytes)| TornTail { file, bytes }),
            })?;
        }
        Form::Text => for_people(&files, &inspection, output)?,
    }
    Ok(if found.damages.is_empty() { Ending::Well } else { Ending::Differs })
}

/// The snapshots before the first segment: compaction that was interrupted leaves them, and so does
/// who removes a segment that no newer snapshot needs.
fn unreached(inspection: &Inspection) -> Vec<u64> {
    let Ok(opening) = &inspection.opening else { return Vec::new() };
    let is_before = |seq: &u64| seq + 1 < opening.first;
    opening.snapshots.iter().map(|snapshot| snapshot.seq).filter(is_before).collect()
}

fn for_people(files: &Files, inspection: &Inspection, output: &mut Output) -> Result<(), Failure> {
    let Inspection { found, opening } = inspection;
    for seq in unreached(inspection) {
        output.line(format_args!(
            "not reached: snapshot {seq}, the journal begins behind it; no recovery needs it"
        ))?;
    }
    for seq in opening.as_ref().map_or(&[][..], |opening| &opening.voided) {
        output
            .line(format_args!("void: mutation {seq} is not applied; `ministate cat` tells why"))?;
    }
    for damage in &found.damages {
        output.line(format_args!("{}: {damage}", output.toned(Tone::Bad, "damaged")))?;
    }
    for (first, last) in &found.lost {
        let lost = output.toned(Tone::Bad, "lost");
        match first == last {
            true => output.line(format_args!("{lost}: mutation {first}"))?,
            false => output.line(format_args!("{lost}: mutations {first} to {last}"))?,
        }
    }
    if found.adrift > 0 {
        let adrift = Count(found.adrift, "mutation");
        output.line(format_args!(
            "not checked: {adrift}, each behind a damaged line; `ministate cat` prints them"
        ))?;
    }
    if let Ok(Some((path, bytes))) = opening.as_ref().map(|opening| &opening.torn) {
        output.line(format_args!(
            "torn: {} at the end of {}, of a batch that was never acknowledged; the next opening \
             keeps them aside",
            Count(*bytes, "byte"),
            path.display()
        ))?;
    }
    let records = Count(found.records, "record");
    let reach = match found.reach {
        Some((first, last)) => format!(", mutations {first} to {last}"),
        None => String::new(),
    };
    let journal = files.layout.active();
    match (found.damages.len() as u64, opening) {
        (0, _) => {
            let sound = output.toned(Tone::Good, "sound");
            output.line(format_args!("{sound}: {}: {records}{reach}", journal.display()))
        }
        (damages, Ok(opening)) => output.line(format_args!(
            "{}: {} in {}: {records}{reach}; a manager opens it from snapshot {} on, and does not \
             read what is damaged",
            output.toned(Tone::Bad, "damaged"),
            Count(damages, "damage"),
            journal.display(),
            opening.snapshot
        )),
        (damages, Err(_)) => output.line(format_args!(
            "{}: {} in {}: {records}{reach}; a manager refuses to open it",
            output.toned(Tone::Bad, "damaged"),
            Count(damages, "damage"),
            journal.display(),
        )),
    }
}
