//! `ministate snapshots`: which states are there, and is each sound?

use std::path::PathBuf;
use std::sync::Arc;

use ministate::inspect::Snapshot;
use ministate::storage::Storage;
use serde::Serialize;

use crate::Ending;
use crate::arguments::Journal;
use crate::failure::Failure;
use crate::output::{Form, Output, Size, Tone};
use crate::reading::{Damage, Files, inspected};

#[derive(Serialize)]
struct SnapshotStatus {
    seq: u64,
    file: PathBuf,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    v: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    sound: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

pub(crate) fn told(
    storage: &Arc<dyn Storage>,
    asked: &Journal,
    output: &mut Output,
) -> Result<Ending, Failure> {
    let files = Files::chosen(&**storage, &asked.dir, asked.name.as_deref())?;
    // Whether a snapshot is of this history only the journal says.
    let damages = inspected(storage, &files, &|_, _| {})?.found.damages;
    let mut ending = Ending::Well;
    for (seq, file) in files.snapshots() {
        let read = Snapshot::read(&**storage, &file.path).ok();
        let why = damages.iter().find(|damage| damage.file == file.path);
        if why.is_some() {
            ending = Ending::Differs;
        }
        let status = SnapshotStatus {
            seq,
            file: file.path.clone(),
            bytes: file.bytes,
            v: read.as_ref().map(|snapshot| snapshot.version),
            by: read.and_then(|snapshot| snapshot.by),
            sound: why.is_none(),
            why: why.map(|damage: &Damage| damage.what.clone()),
        };
        match output.form {
            Form::Json => output.json(&status)?,
            Form::Text => for_people(&status, output)?,
        }
    }
    Ok(ending)
}

fn for_people(status: &SnapshotStatus, output: &mut Output) -> Result<(), Failure> {
    let sound = match &status.why {
        None => output.toned(Tone::Good, "sound"),
        Some(why) => format!("{}: {why}", output.toned(Tone::Bad, "unsound")),
    };
    let version = status.v.map_or("?".to_string(), |version| version.to_string());
    output.line(format_args!(
        "{:>20}  version {version}  {:>10}  {sound}",
        status.seq,
        Size(status.bytes)
    ))
}
