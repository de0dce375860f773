//! `ministate status`: how is the journal, and what would recovery do?

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ministate::MiniStateError;
use ministate::inspect::{Opening, Role};
use ministate::storage::Storage;
use serde::Serialize;

use crate::Ending;
use crate::arguments::Journal;
use crate::failure::Failure;
use crate::output::{Count, Form, Output, Size, Tone};
use crate::reading::{
    Content, Damage, Files, Holder, LastOpening, Line, holder, last_opening, mutations, opening_of,
    segments, walked_segment,
};

#[derive(Serialize)]
struct Status<'a> {
    journal: &'a str,
    dir: &'a Path,
    lock: Lock,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_opening: Option<LastOpening>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mark: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    was_closed: Option<bool>,
    sound_to_open: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery: Option<Recovery>,
    bytes: u64,
    files: Vec<FileStatus<'a>>,
}

#[derive(Serialize)]
struct Lock {
    /// `null` where it cannot be told.
    held: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
}

#[derive(Serialize)]
struct Recovery {
    snapshot: u64,
    replayed: u64,
    torn_bytes: u64,
    rejected: Vec<String>,
    read_in_ms: u64,
}

#[derive(Serialize)]
struct FileStatus<'a> {
    name: &'a str,
    role: &'static str,
    bytes: u64,
}

/// What the end of the newest segment says.
#[derive(Debug, Default)]
struct Newest {
    time: Option<String>,
    mark: Option<u64>,
}

pub(crate) fn told(
    storage: &Arc<dyn Storage>,
    asked: &Journal,
    output: &mut Output,
) -> Result<Ending, Failure> {
    let files = Files::chosen(&**storage, &asked.dir, asked.name.as_deref())?;
    let lock = holder(&files.layout.lock());
    let started = Instant::now();
    let opening = opening_of(storage, &files);
    let took = started.elapsed();
    if let Err(error) = &opening
        && Damage::of_error(error).is_none()
    {
        return Err(error.clone().into());
    }
    let newest = newest(&**storage, &files)?;
    match output.form {
        Form::Json => output.json(&status(&files, lock, &opening, took, &newest))?,
        Form::Text => for_people(&files, lock, &opening, took, &newest, output)?,
    }
    Ok(if opening.is_ok() { Ending::Well } else { Ending::Differs })
}

/// Reads the newest segments with records, or with a mark.
fn newest(storage: &dyn Storage, files: &Files) -> Result<Newest, Failure> {
    let segments = segments(storage, files)?;
    let mut newest = Newest::default();
    for segment in segments.iter().rev() {
        let mut found = Newest::default();
        let mut visit = |line: &Line<'_>| {
            match line.content {
                Content::Mark(seq) | Content::End(seq) => found.mark = Some(seq),
                Content::Record(_) | Content::Adrift(_) => {
                    let last = mutations(&line.content).last();
                    found.time = last.map(|last| last.time.to_string()).or(found.time.take());
                }
                Content::Header(_) | Content::Fill | Content::Torn | Content::Damaged { .. } => {}
            }
            Ok(ControlFlow::Continue(()))
        };
        match walked_segment(storage, &segment.path, segment.first, None, &mut visit) {
            // It was given its next name since it was listed.
            Err(failure) if failure.is_of_missing_file() => {}
            walked => drop(walked?),
        }
        newest.mark = newest.mark.or(found.mark);
        newest.time = newest.time.or(found.time);
        if newest.time.is_some() {
            break;
        }
    }
    Ok(newest)
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::Snapshot(_) => "snapshot",
        Role::Sealed(_) => "sealed segment",
        Role::Active => "active segment",
        Role::Next => "next segment",
        Role::Head => "head",
        Role::Lock => "lock",
        Role::Archive => "archive",
        Role::Torn(_) => "torn bytes",
        Role::Temporary => "temporary",
        Role::Old(_) => "segment of 0.1",
        Role::Kept => "kept from 0.1",
    }
}

fn status<'a>(
    files: &'a Files,
    lock: Holder,
    opening: &Result<Opening, MiniStateError>,
    took: Duration,
    newest: &Newest,
) -> Status<'a> {
    let opened = opening.as_ref().ok();
    let lock = match lock {
        Holder::Nobody => Lock { held: Some(false), pid: None },
        Holder::Process(pid) => Lock { held: Some(true), pid },
        Holder::Unknown => Lock { held: None, pid: None },
    };
    let recovery = opened.map(|opening| Recovery {
        snapshot: opening.snapshot,
        replayed: opening.replayed,
        torn_bytes: opening.torn.as_ref().map_or(0, |(_, bytes)| *bytes),
        rejected: rejected(opening),
        read_in_ms: took.as_millis() as u64,
    });
    let files_status = files.files.iter().map(|file| FileStatus {
        name: &file.name,
        role: role_name(file.role),
        bytes: file.bytes,
    });
    Status {
        journal: &files.name,
        dir: files.dir(),
        lock,
        last_opening: last_opening(&files.layout.lock()),
        first: opened.map(|opening| opening.first),
        last: opened.map(|opening| opening.last),
        last_time: newest.time.clone(),
        mark: newest.mark,
        was_closed: opened.map(|opening| opening.was_closed),
        sound_to_open: opened.is_some(),
        refused: opening.as_ref().err().map(ToString::to_string),
        recovery,
        bytes: files.files.iter().map(|file| file.bytes).sum(),
        files: files_status.collect(),
    }
}

fn rejected(opening: &Opening) -> Vec<String> {
    let why = |snapshot: &ministate::RejectedSnapshot| match &snapshot.why {
        Some(why) => why.to_string(),
        None => format!("{} is too old", snapshot.path.display()),
    };
    opening.rejected.iter().map(why).collect()
}

fn for_people(
    files: &Files,
    lock: Holder,
    opening: &Result<Opening, MiniStateError>,
    took: Duration,
    newest: &Newest,
    output: &mut Output,
) -> Result<(), Failure> {
    let title = output.toned(Tone::Title, files.layout.active().display());
    output.line(format_args!("{title}"))?;
    let held = match lock {
        Holder::Nobody => "free".to_string(),
        Holder::Process(Some(pid)) => format!("held by process {pid}"),
        Holder::Process(None) => "held".to_string(),
        Holder::Unknown => "cannot be told".to_string(),
    };
    output.line(format_args!("  lock       {held}"))?;
    if let Some(LastOpening { replayed, microseconds }) = last_opening(&files.layout.lock()) {
        let (replayed, took) = (Count(replayed, "mutation"), microseconds as f64 / 1e3);
        output.line(format_args!("  last time  replayed {replayed} in {took:.1} ms"))?;
    }
    match opening {
        Ok(opening) => recovery_for_people(files, lock, opening, took, newest, output)?,
        Err(error) => {
            let refused = output.toned(Tone::Bad, "refused");
            output.line(format_args!("  opening    {refused}: {error}"))?;
            let dir = files.dir().display();
            output.line(format_args!("  next       ministate verify {dir}"))?;
        }
    }
    let bytes: u64 = files.files.iter().map(|file| file.bytes).sum();
    let count = Count(files.files.len() as u64, "file");
    output.line(format_args!("  files      {count}, {}", Size(bytes)))?;
    for file in &files.files {
        let role = output.toned(Tone::Aside, role_name(file.role));
        output.line(format_args!("  {:>10}  {}  {role}", Size(file.bytes), file.name))?;
    }
    Ok(())
}

fn recovery_for_people(
    files: &Files,
    lock: Holder,
    opening: &Opening,
    took: Duration,
    newest: &Newest,
    output: &mut Output,
) -> Result<(), Failure> {
    if opening.last >= opening.first {
        let time =
            newest.time.as_ref().map_or(String::new(), |time| format!(", the last at {time}"));
        output.line(format_args!("  mutations  {} to {}{time}", opening.first, opening.last))?;
    } else {
        output.line(format_args!("  mutations  none in the segments, {} before", opening.last))?;
    }
    let mark = newest.mark.map_or("none".to_string(), |mark| format!("behind mutation {mark}"));
    let closed = match (opening.was_closed, lock) {
        (true, _) => "closed",
        (false, Holder::Process(_)) => "being written",
        (false, Holder::Nobody | Holder::Unknown) => "not closed",
    };
    output.line(format_args!("  last mark  {mark}; {closed}"))?;
    output.line(format_args!(
        "  recovery   begins with snapshot {}, replays {}; reading that took {:.1} ms now",
        opening.snapshot,
        Count(opening.replayed, "mutation"),
        took.as_secs_f64() * 1_000.0,
    ))?;
    if let Some((path, bytes)) = &opening.torn {
        output.line(format_args!(
            "             cuts {} off {}, of a batch that was never acknowledged",
            Count(*bytes, "byte"),
            path.display()
        ))?;
    }
    for why in rejected(opening) {
        let passed = output.toned(Tone::Bad, "cannot use");
        output.line(format_args!("             {passed} a newer snapshot: {why}"))?;
    }
    let temporaries = files.files.iter().filter(|file| file.role == Role::Temporary).count() as u64;
    if temporaries > 0 {
        let temporaries = Count(temporaries, "temporary file");
        output.line(format_args!("             removes {temporaries}"))?;
    }
    Ok(())
}
