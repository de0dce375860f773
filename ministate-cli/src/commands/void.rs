//! `ministate void`: what is the journal without what one mutation did?
//!
//! The record keeps its place, its number and its payload, and says in its line that it is not to be
//! applied and why. An operation that nothing else needs is no longer announced by the headers that
//! recovery reads from now on: a program that does not know it then opens the journal. The header
//! of a segment that a kept snapshot stands in stays, since the checksums of its records follow it.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use ministate::inspect::{Opening, Reach, Record, opened_strictly};
use ministate::storage::Storage;
use serde::Serialize;

use super::rewritten::{ChangedLine, Holdings, tell_change, tell_holdings, tell_left};
use crate::Ending;
use crate::arguments;
use crate::failure::Failure;
use crate::output::{Form, Output};
use crate::reading::{Content, Damage, Files, Line, Segment, mutations, walked};
use crate::rewriting::{
    Base, Found, Lines, NewSegment, Plan, Refusal, Source, Stretch, source, stretches, written,
};

#[derive(Serialize)]
struct Summary<'a> {
    #[serde(flatten)]
    holdings: Holdings,
    voided: &'a [u64],
}

pub(crate) fn told(
    storage: &Arc<dyn Storage>,
    asked: &arguments::Void,
    output: &mut Output,
) -> Result<Ending, Failure> {
    let Source { files, target } = source(&**storage, &asked.journal, &asked.to)?;
    let before = sound(storage, &files)?;
    let (first, last, seq) = (before.first, before.last, asked.seq);
    if seq < first || seq > last {
        return Err(Refusal::NotHeld { seq, first, last }.into());
    }
    let held = held(&**storage, &files, seq, &asked.reason)?.ok_or(Refusal::NotHeld {
        seq,
        first,
        last,
    })?;
    let base = Base::before(&**storage, &files, (&before.journal, first), seq)?;
    let found = stretches(&**storage, &files, &BTreeSet::new())?;
    let plan = planned(&**storage, &files, &found, &base, &held)?;
    let opening = written(storage, plan, &files.layout, &target)?;

    let new = Files::of(&**storage, &target.dir, &files.name)?;
    let becomes = line_of(&**storage, &new, seq)?.unwrap_or_default();
    let (file, line, was) = (held.path.as_path(), held.line, held.was.as_str());
    tell_change(&ChangedLine { file, line, seq, was, becomes: &becomes }, output)?;
    tell_left(&base.left, output)?;
    for found in &found {
        tell_left(&found.left, output)?;
    }
    let holdings = Holdings::of(&target.dir, &opening);
    match output.form {
        Form::Json => output.json(&Summary { holdings, voided: &opening.voided })?,
        Form::Text => tell_holdings("voided", &holdings, output)?,
    }
    Ok(Ending::Well)
}

/// What opening the journal finds, all of which is sound.
fn sound(storage: &Arc<dyn Storage>, files: &Files) -> Result<Opening, Failure> {
    opened_strictly(storage, &files.layout, Reach::Everything, &|_, _| {}).map_err(|error| {
        match Damage::of_error(&error) {
            Some(Damage { what: damage, next, .. }) => {
                Refusal::Unsound { dir: files.dir().to_path_buf(), damage, next }.into()
            }
            None => error.into(),
        }
    })
}

/// The mutation that is to be void.
struct Held {
    seq: u64,
    path: PathBuf,
    line: u64,
    /// Where its record begins.
    byte: u64,
    operation: Option<(String, u32)>,
    was: String,
    /// What the checksum of its record covers then.
    covered: Vec<u8>,
}

fn held(
    storage: &dyn Storage,
    files: &Files,
    seq: u64,
    reason: &str,
) -> Result<Option<Held>, Failure> {
    let mut held = None;
    let mut visit = |segment: &Segment, line: &Line<'_>| {
        let Some(record) = record_of(line, seq) else { return Ok(ControlFlow::Continue(())) };
        let covered = record.voided(seq, reason).ok_or(Refusal::AlreadyVoid { seq })?;
        let mut all = mutations(&line.content);
        let operation = all.find(|one| one.seq == seq).and_then(|one| one.operation);
        let operation = operation.map(|(name, version)| (name.to_string(), version));
        let (path, was) = (segment.path.clone(), record.line().to_string());
        let (line, byte) = (line.number, line.byte);
        held = Some(Held { seq, path, line, byte, operation, was, covered });
        Ok(ControlFlow::Break(()))
    };
    walked(storage, files, seq, &mut visit)?;
    Ok(held)
}

/// The line that holds the mutation.
fn line_of(storage: &dyn Storage, files: &Files, seq: u64) -> Result<Option<String>, Failure> {
    let mut found = None;
    let mut visit = |_: &Segment, line: &Line<'_>| {
        found = record_of(line, seq).map(|record| record.line().to_string());
        Ok(if found.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    };
    walked(storage, files, seq, &mut visit)?;
    Ok(found)
}

/// The record of the line, if it holds the mutation.
fn record_of<'a, 'b>(line: &'b Line<'a>, seq: u64) -> Option<&'b Record<'a>> {
    match &line.content {
        Content::Record(record) => (record.seq()..=record.last()).contains(&seq).then_some(record),
        Content::Header(_)
        | Content::Adrift(_)
        | Content::Mark(_)
        | Content::End(_)
        | Content::Fill
        | Content::Torn
        | Content::Damaged { .. } => None,
    }
}

fn planned(
    storage: &dyn Storage,
    files: &Files,
    found: &[Found],
    base: &Base,
    held: &Held,
) -> Result<Plan, Failure> {
    let stretches: Vec<&Stretch> =
        found.iter().filter_map(|found| found.stretch.as_ref()).collect();
    let needs = needed_by(storage, files, held)?;
    let mut segments = Vec::new();
    for stretch in &stretches {
        let (from, bytes) = (stretch.path.clone(), stretch.lines.clone());
        let instead = (stretch.path == held.path).then(|| (held.byte, held.covered.clone()));
        let lines = Lines { from, bytes, instead: instead.into_iter().collect() };
        let mut segment = NewSegment::of(&stretch.header, Some(lines));
        let is_free = stretch.header.first > base.newest && !needs.contains(&stretch.path);
        if let Some((name, version)) = held.operation.as_ref().filter(|_| is_free) {
            segment.operations.retain(|other, of| (other, *of) != (name, *version));
        }
        segments.push(segment);
    }
    let first = stretches.first().map(|stretch| &stretch.header);
    let first = first.ok_or_else(|| Refusal::NothingSound { dir: files.dir().to_path_buf() })?;
    Ok(Plan::new(&first.journal, first.previous)
        .with_snapshots(&base.snapshots)
        .with_segments(segments))
}

/// The segments with other records of the same operation that are to be applied.
fn needed_by(
    storage: &dyn Storage,
    files: &Files,
    held: &Held,
) -> Result<BTreeSet<PathBuf>, Failure> {
    let mut needed_by = BTreeSet::new();
    let mut visit = |segment: &Segment, line: &Line<'_>| {
        for other in mutations(&line.content) {
            let operation = held.operation.as_ref().map(|(name, version)| (&**name, *version));
            if other.seq != held.seq && other.void.is_none() && other.operation == operation {
                needed_by.insert(segment.path.clone());
            }
        }
        Ok(ControlFlow::Continue(()))
    };
    walked(storage, files, 0, &mut visit)?;
    Ok(needed_by)
}
