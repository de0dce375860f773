//! Which files does a journal have, and are they of one?

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::header;
use super::names::{Kind, Names};
use super::reader::Segment;
use crate::error::{MiniStateError, Position};
use crate::record::Seq;
use crate::storage::Storage;

/// The files of a journal.
#[derive(Debug, Clone, Default)]
pub(super) struct Files {
    pub(super) sealed: BTreeMap<Seq, PathBuf>,
    pub(super) snapshots: BTreeMap<Seq, PathBuf>,
    pub(super) active: bool,
    pub(super) next: bool,
    pub(super) temporaries: Vec<PathBuf>,
}

impl Files {
    pub(super) fn list(storage: &dyn Storage, names: &Names) -> Result<Files, MiniStateError> {
        let mut files = Files::default();
        let dir = names.dir();
        for name in storage.list(dir).map_err(MiniStateError::io("listing", dir))? {
            match names.kind(&name) {
                Some(Kind::Active) => files.active = true,
                Some(Kind::Next) => files.next = true,
                Some(Kind::Sealed(first)) => {
                    files.sealed.insert(first, dir.join(name));
                }
                Some(Kind::Snapshot(seq)) => {
                    files.snapshots.insert(seq, dir.join(name));
                }
                Some(Kind::Temporary) => files.temporaries.push(dir.join(name)),
                None => {}
            }
        }
        Ok(files)
    }

    pub(super) fn has_segments_of(&self, other: &Files) -> bool {
        let segments = |files: &Files| (files.sealed.clone(), files.active, files.next);
        segments(self) == segments(other)
    }

    /// Opens the segments in the order of history.
    pub(super) fn open(
        &self,
        storage: &dyn Storage,
        names: &Names,
    ) -> Result<Vec<Segment>, MiniStateError> {
        let mut segments = Vec::new();
        for (first, path) in &self.sealed {
            let segment = Segment::open(storage, path).map_err(as_damage)?;
            if segment.header.first != *first {
                return Err(MiniStateError::Corrupt {
                    at: Position { file: path.clone(), line: 1, byte: 0 },
                    seq: *first,
                    what: "the segment bears the name of another",
                });
            }
            segments.push(segment);
        }
        if self.active {
            segments.push(Segment::open(storage, &names.active()).map_err(as_damage)?);
        }
        if self.next {
            segments.push(Segment::open(storage, &names.next()).map_err(as_damage)?);
        }
        Ok(segments)
    }
}

/// A segment of a journal that does not look like one.
fn as_damage(error: MiniStateError) -> MiniStateError {
    match error {
        MiniStateError::Foreign { path } => header::unsound(&path),
        other => other,
    }
}

pub(super) fn one_identity(
    segments: &[Segment],
    names: &Names,
    head: Option<&(String, Seq)>,
) -> Result<Option<String>, MiniStateError> {
    let head_path = names.head();
    let segments = segments.iter().map(|segment| (&segment.path, &segment.header.journal));
    let mut all = segments.chain(head.map(|(journal, _)| (&head_path, journal)));
    let Some((_, first)) = all.next() else {
        return Ok(None);
    };
    match all.find(|(_, journal)| *journal != first) {
        None => Ok(Some(first.clone())),
        Some((path, _)) => Err(MiniStateError::Corrupt {
            at: Position { file: path.clone(), line: 1, byte: 0 },
            seq: 0,
            what: "the file belongs to another journal",
        }),
    }
}

pub(super) fn refuse_gap(names: &Names, last: Seq, first: Seq) -> Result<(), MiniStateError> {
    if first > last + 1 {
        return Err(MiniStateError::Missing { path: names.sealed(last + 1), seq: last + 1 });
    }
    Ok(())
}
