//! `ministate repair`: what is the longest sound history, in a directory of its own?
//!
//! The old directory is not changed, and keeps every byte: what is left behind is named where it
//! still is, rather than copied, so that nobody takes it for a part of the new journal. Segments
//! whose lines are as they were written become byte for byte what they were; a snapshot is kept
//! where it is a part of the history. [`longest`] says which history that is, and why.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use ministate::inspect::{Role, Snapshot};
use ministate::storage::Storage;
use serde::Serialize;

use super::rewritten::{Holdings, mutations, tell_holdings, tell_left};
use crate::Ending;
use crate::arguments;
use crate::failure::Failure;
use crate::output::{Form, Output, Tone};
use crate::reading::Files;
use crate::rewriting::{
    Found, History, KnownSnapshot, LeftBehind, Lines, NewSegment, Plan, Refusal, Source, longest,
    source, stretches, written,
};

#[derive(Serialize)]
struct Summary {
    #[serde(flatten)]
    holdings: Holdings,
    left_bytes: u64,
    /// The first and the last of those that are not in the new directory.
    lost: Vec<(u64, u64)>,
}

pub(crate) fn told(
    storage: &Arc<dyn Storage>,
    asked: &arguments::Repair,
    output: &mut Output,
) -> Result<Ending, Failure> {
    let Source { files, target } = source(&**storage, &asked.journal, &asked.to)?;
    let remains = Remains::of(&**storage, &files)?;
    let Divided { history, left, lost } = remains.divided(&files)?;
    let opening = written(storage, planned(&remains.journal, &history), &files.layout, &target)?;
    tell_left(&left, output)?;
    let holdings = Holdings::of(&target.dir, &opening);
    let left_bytes = left.iter().map(|left| left.bytes).sum();
    match output.form {
        Form::Json => {
            let lost = lost.into_iter().collect();
            output.json(&Summary { holdings, left_bytes, lost })?;
        }
        Form::Text => {
            if let Some((first, last)) = lost {
                let title = output.toned(Tone::Bad, "lost");
                output.line(format_args!("{title}: {}", mutations(first, last)))?;
            }
            tell_holdings("repaired", &holdings, output)?;
            if left_bytes > 0 {
                let dir = files.dir().display();
                output.line(format_args!("keep {dir}, which still has what is left behind"))?;
            }
        }
    }
    Ok(if lost.is_none() { Ending::Well } else { Ending::Differs })
}

/// What there is of a journal, damaged or not.
struct Remains {
    /// The identity that most files have.
    journal: String,
    segments: Vec<Found>,
    /// Those whose checksums are right, with their identities.
    snapshots: Vec<(KnownSnapshot, String)>,
    /// What is of no use to anybody.
    left: Vec<LeftBehind>,
    /// What the head file says was synced.
    synced: u64,
}

/// What becomes of it.
struct Divided {
    history: History,
    left: Vec<LeftBehind>,
    /// The first and the last mutation that the history does not reach.
    lost: Option<(u64, u64)>,
}

impl Remains {
    fn of(storage: &dyn Storage, files: &Files) -> Result<Remains, Failure> {
        let (mut snapshots, mut left, mut votes) = (Vec::new(), Vec::new(), BTreeMap::new());
        for (seq, file) in files.snapshots() {
            match Snapshot::read(storage, &file.path) {
                Ok(Snapshot { seq, record, journal, .. }) => {
                    *votes.entry(journal.clone()).or_insert(0) += 1;
                    let path = file.path.clone();
                    snapshots.push((KnownSnapshot { seq, path, record }, journal));
                }
                Err(_) => {
                    let why = "the snapshot is not what was written";
                    left.push(LeftBehind::file(&file.path, file.bytes, Some(seq), why));
                }
            }
        }
        let asked: BTreeSet<u64> = snapshots.iter().map(|(snapshot, _)| snapshot.seq).collect();
        let segments = stretches(storage, files, &asked)?;
        for stretch in segments.iter().filter_map(|segment| segment.stretch.as_ref()) {
            *votes.entry(stretch.header.journal.clone()).or_insert(0) += 1;
        }
        let mut synced = 0;
        match files.layout.synced(storage) {
            Ok(Some((journal, head))) => {
                *votes.entry(journal).or_insert(0) += 1;
                synced = head;
            }
            Ok(None) => {}
            Err(_) => {
                let (head, why) = (files.layout.head(), "the head file is not what was written");
                let bytes = files.with_role(Role::Head).map_or(0, |file| file.bytes);
                left.push(LeftBehind::file(&head, bytes, None, why));
            }
        }
        left.extend(never_read(files));
        let journal = votes.into_iter().max_by_key(|(_, votes)| *votes);
        let journal = journal.map(|(journal, _)| journal).unwrap_or_default();
        Ok(Remains { journal, segments, snapshots, left, synced })
    }

    /// What is kept, and what is not.
    fn divided(&self, files: &Files) -> Result<Divided, Refusal> {
        let is_own = |found: &&Found| {
            let stretch = found.stretch.as_ref();
            stretch.is_none_or(|stretch| stretch.header.journal == self.journal)
        };
        let own = self.segments.iter().filter(is_own);
        let candidates = own.clone().filter_map(|found| found.stretch.clone()).collect();
        let snapshots: Vec<KnownSnapshot> = self
            .snapshots
            .iter()
            .filter(|(_, journal)| *journal == self.journal)
            .map(|(snapshot, _)| snapshot.clone())
            .collect();
        let history = longest(candidates, &snapshots)
            .ok_or_else(|| Refusal::NothingSound { dir: files.dir().to_path_buf() })?;
        let mut left = Vec::new();
        for found in &self.segments {
            let is_kept = |path: &PathBuf| history.stretches.iter().any(|kept| kept.path == *path);
            match &found.stretch {
                Some(stretch) if !is_kept(&stretch.path) => left.push(found.whole.clone()),
                Some(_) | None => left.extend(found.left.iter().cloned()),
            }
        }
        let kept: BTreeSet<&PathBuf> = history.snapshots.values().collect();
        for (snapshot, _) in self.snapshots.iter().filter(|(one, _)| !kept.contains(&one.path)) {
            let bytes = files.files.iter().find(|file| file.path == snapshot.path);
            let bytes = bytes.map_or(0, |file| file.bytes);
            let why = "not of the history that is kept";
            left.push(LeftBehind::file(&snapshot.path, bytes, Some(snapshot.seq), why));
        }
        left.extend(self.left.iter().cloned());
        let of_snapshots = snapshots.iter().map(|snapshot| snapshot.seq);
        let of_segments = own.flat_map(|found| found.left.iter().chain([&found.whole]));
        let of_segments = of_segments.filter_map(|left| left.last);
        let known = of_snapshots.chain(of_segments).chain([self.synced]).max();
        let lost = known.filter(|known| *known > history.last);
        let lost = lost.map(|known| (history.last + 1, known));
        Ok(Divided { history, left, lost })
    }
}

/// The files that recovery never reads.
fn never_read(files: &Files) -> Vec<LeftBehind> {
    let is_never_read = |role| match role {
        Role::Archive | Role::Torn(_) | Role::Old(_) | Role::Kept => true,
        Role::Snapshot(_)
        | Role::Sealed(_)
        | Role::Active
        | Role::Next
        | Role::Head
        | Role::Lock
        | Role::Temporary => false,
    };
    let files = files.files.iter().filter(|file| is_never_read(file.role));
    files.map(|file| LeftBehind::file(&file.path, file.bytes, None, "never read")).collect()
}

fn planned(journal: &str, history: &History) -> Plan {
    let of_stretch = |stretch: &crate::rewriting::Stretch| {
        let (from, bytes) = (stretch.path.clone(), stretch.lines.clone());
        let lines = Lines { from, bytes, instead: BTreeMap::new() };
        NewSegment::of(&stretch.header, Some(lines))
    };
    let mut segments: Vec<NewSegment> = history.stretches.iter().map(of_stretch).collect();
    if segments.is_empty() {
        let (first, operations) = (history.last + 1, BTreeMap::new());
        segments.push(NewSegment { first, by: None, operations, lines: None });
    }
    Plan::new(journal, history.previous).with_snapshots(&history.snapshots).with_segments(segments)
}
