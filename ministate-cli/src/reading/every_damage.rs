//! What is damaged in the files of a journal: all of it, rather than the first?

use std::collections::BTreeMap;
use std::mem;
use std::ops::ControlFlow;
use std::path::Path;

use ministate::MiniStateError;
use ministate::inspect::{Chain, Reached, Role, Snapshot};
use ministate::storage::Storage;

use super::damage::Damage;
use super::directory::Files;
use super::journal::{Segment, segments};
use super::line::{Content, Line};
use super::segment::{End, Walked, walked_segment};
use crate::failure::Failure;

/// All that is wrong.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) damages: Vec<Damage>,
    /// Mutations that cannot be read, or are not there: the first and the last of each stretch.
    pub(crate) lost: Vec<(u64, u64)>,
    /// How many mutations are there and cannot be checked, since the line before is damaged.
    pub(crate) adrift: u64,
    pub(crate) records: u64,
    /// The first and the last mutation that can be read.
    pub(crate) reach: Option<(u64, u64)>,
}

/// Reads every file to its end.
pub(crate) fn every_damage(
    storage: &dyn Storage,
    files: &Files,
    on_progress: &dyn Fn(u64, u64),
) -> Result<Found, Failure> {
    let segments = segments(storage, files)?;
    let mut search = Search {
        files,
        found: Found::default(),
        next: None,
        adrift: Vec::new(),
        named: BTreeMap::new(),
    };
    search.named.extend(files.snapshots().map(|(seq, _)| (seq, None)));
    let total = segments.iter().map(|segment| segment.bytes).sum();
    let (mut before, mut end, mut identities) = (0, None, Vec::new());
    for (index, segment) in segments.iter().enumerate() {
        let successor = segments.get(index + 1).and_then(|next| next.first);
        let known = search.found.damages.len();
        let walked = search.segment(storage, segment, successor, &|byte| {
            on_progress(before + byte, total);
        })?;
        before += segment.bytes;
        if let Some(header) = &walked.header {
            identities.push((segment.path.clone(), header.journal.clone()));
        }
        search.continuity(segment, &walked, end.as_ref(), known);
        end = Some(walked).filter(|walked| walked.reached.is_some()).or(end);
    }
    search.adrift_before(None);
    search.newest(&segments, end.as_ref());
    let last = end.and_then(|end| end.reached).map(|reached| reached.seq());
    search.head(storage, last, &mut identities)?;
    search.snapshots(storage, last, &mut identities);
    search.strangers(&identities);
    Ok(search.found)
}

struct Search<'a> {
    files: &'a Files,
    found: Found,
    /// The mutation that should come next.
    next: Option<u64>,
    /// Lines that cannot be checked, until one comes that can: the number of the first mutation of each, and
    /// how many it has.
    adrift: Vec<(u64, u64)>,
    /// The checksums of the records that snapshots name.
    named: BTreeMap<u64, Option<Chain>>,
}

impl Search<'_> {
    fn segment(
        &mut self,
        storage: &dyn Storage,
        segment: &Segment,
        successor: Option<u64>,
        on_progress: &dyn Fn(u64),
    ) -> Result<Walked, Failure> {
        let mut told = 0;
        let mut visit = |line: &Line<'_>| {
            if line.byte > told + (1 << 20) {
                told = line.byte;
                on_progress(told);
            }
            self.line(&segment.path, line);
            Ok(ControlFlow::Continue(()))
        };
        let walked = walked_segment(storage, &segment.path, segment.first, successor, &mut visit)?;
        Ok(walked)
    }

    fn line(&mut self, path: &Path, line: &Line<'_>) {
        match &line.content {
            Content::Header(header) => {
                self.adrift_before(Some(header.first));
                self.comes(header.first);
                if let Some(named) = self.named.get_mut(&(header.first - 1)) {
                    named.get_or_insert(header.previous);
                }
            }
            Content::Record(record) => {
                self.adrift_before(Some(record.seq()));
                self.comes(record.seq());
                self.found.records += 1;
                self.reached(record.seq(), record.last());
                if let Some(named) = self.named.get_mut(&record.last()) {
                    *named = Some(record.chain());
                }
                if record.is_of_several() && record.members().any(|member| member.is_none()) {
                    let what = "the members of the record are not written as they should be";
                    self.damaged(path, line, Some(record.seq()), what);
                }
            }
            Content::Adrift(adrift) => self.adrift.push((adrift.seq, adrift.mutations)),
            Content::Damaged { what, seq } => self.damaged(path, line, *seq, what),
            Content::Mark(last) | Content::End(last) => self.adrift_before(last.checked_add(1)),
            Content::Fill | Content::Torn => {}
        }
    }

    /// Counts the lines that could not be checked, where a line came that could, and whose next mutation is
    /// `next`. A line with a larger number is where the damage is: that number may be it.
    fn adrift_before(&mut self, next: Option<u64>) {
        for (seq, mutations) in mem::take(&mut self.adrift) {
            let last = seq.saturating_add(mutations - 1);
            if next.is_none_or(|next| last < next) {
                self.comes(seq);
                self.found.records += 1;
                self.found.adrift += mutations;
                self.reached(seq, last);
            }
        }
    }

    fn damaged(&mut self, path: &Path, line: &Line<'_>, seq: Option<u64>, what: &str) {
        let damage = Damage::at(path, line.number, line.byte, seq, what);
        self.found.damages.push(Damage { bytes: Some(line.bytes), ..damage });
    }

    /// The mutation comes next, so those that should have come before it are lost.
    fn comes(&mut self, seq: u64) {
        if let Some(next) = self.next.filter(|next| *next < seq) {
            self.found.lost.push((next, seq - 1));
        }
        self.next = self.next.max(Some(seq));
    }

    fn reached(&mut self, first: u64, last: u64) {
        self.next = self.next.max(last.checked_add(1));
        let (begun, _) = self.found.reach.unwrap_or((first, last));
        self.found.reach = Some((begun, last));
    }

    /// Whether the segment goes on where the one before it ends, and bears its own name.
    fn continuity(
        &mut self,
        segment: &Segment,
        walked: &Walked,
        before: Option<&Walked>,
        known: usize,
    ) {
        let Some(header) = &walked.header else { return };
        let at_header = |seq, what| Damage::at(&segment.path, 1, 0, Some(seq), what);
        if let Role::Sealed(first) = segment.role
            && first != header.first
        {
            let damage = at_header(first, "the segment bears the name of another");
            self.found.damages.insert(known, damage);
            return;
        }
        let Some(Reached { .. }) = before.and_then(|before| before.reached) else { return };
        let Some(reached) = before.and_then(|before| before.reached) else { return };
        let next = reached.seq() + 1;
        if header.first == next && header.previous == reached.last_record() {
            return;
        }
        // What was lost of a damaged segment is damage already.
        let is_explained = self.found.damages[..known].iter().any(|damage| damage.line.is_some());
        if header.first > next && !is_explained {
            let missing =
                MiniStateError::Missing { path: self.files.layout.sealed(next), seq: next };
            let damage = Damage::of_error(&missing);
            self.found.damages.splice(known..known, damage);
        } else if !is_explained || header.first < next {
            let damage = at_header(next, "the segment does not continue the one before it");
            self.found.damages.insert(known, damage);
        }
    }

    /// Whether the newest segment is there.
    fn newest(&mut self, segments: &[Segment], end: Option<&Walked>) {
        let layout = &self.files.layout;
        let next = self.next.unwrap_or(1);
        let has = |role| segments.iter().any(|segment| segment.role == role);
        let missing = match (has(Role::Active) || has(Role::Next), end.map(|end| end.end)) {
            (false, _) => layout.active(),
            (true, Some(End::Sealed)) => layout.next(),
            (true, Some(End::Open | End::Torn | End::Stopped) | None) => return,
        };
        let error = MiniStateError::Missing { path: missing, seq: next };
        self.found.damages.extend(Damage::of_error(&error));
    }

    fn head(
        &mut self,
        storage: &dyn Storage,
        last: Option<u64>,
        identities: &mut Vec<(std::path::PathBuf, String)>,
    ) -> Result<(), Failure> {
        let path = self.files.layout.head();
        match self.files.layout.synced(storage) {
            Ok(Some((journal, synced))) => {
                identities.push((path.clone(), journal));
                self.synced(&path, synced, last);
            }
            Ok(None) => {}
            Err(error) => match Damage::of_error(&error) {
                Some(damage) => self.found.damages.push(damage),
                None => return Err(error.into()),
            },
        }
        Ok(())
    }

    /// The file says that so much was synced.
    fn synced(&mut self, path: &Path, synced: u64, last: Option<u64>) {
        let found = last.unwrap_or(0);
        if synced > found {
            self.found.lost.push((found + 1, synced));
            let error = MiniStateError::LostTail { path: path.to_path_buf(), found, synced };
            self.found.damages.extend(Damage::of_error(&error));
        }
    }

    fn snapshots(
        &mut self,
        storage: &dyn Storage,
        last: Option<u64>,
        identities: &mut Vec<(std::path::PathBuf, String)>,
    ) {
        for (seq, file) in self.files.snapshots() {
            let at = |what| Damage::at(&file.path, 1, 0, Some(seq), what);
            let snapshot = match Snapshot::read(storage, &file.path) {
                Ok(snapshot) => snapshot,
                Err(error) => {
                    self.found.damages.extend(Damage::of_error(&error));
                    continue;
                }
            };
            identities.push((file.path.clone(), snapshot.journal));
            if snapshot.seq != seq {
                self.found.damages.push(at("the snapshot bears the name of another"));
                continue;
            }
            let record = self.named.get(&seq).copied().flatten();
            if record.is_some_and(|record| record != snapshot.record) {
                let what = "the snapshot is of another history than the journal";
                self.found.damages.push(at(what));
            }
            self.synced(&file.path, seq, last);
        }
    }

    /// Files that are not of the journal that most are of.
    fn strangers(&mut self, identities: &[(std::path::PathBuf, String)]) {
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for (_, journal) in identities {
            *votes.entry(journal).or_default() += 1;
        }
        let Some((own, _)) = votes.iter().max_by_key(|(_, votes)| **votes) else { return };
        for (path, _) in identities.iter().filter(|(_, journal)| journal != own) {
            let what = "the file belongs to another journal";
            self.found.damages.push(Damage::at(path, 1, 0, None, what));
        }
    }
}
