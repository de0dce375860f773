//! Which segment can still change, and what of it is there to stay?

use std::path::{Path, PathBuf};

use super::continuity::Continuity;
use super::reader::{Segment, SegmentEnd};
use super::{Found, FoundState, Names, Predecessor};
use crate::error::MiniStateError;
use crate::record::{self, Seq};
use crate::storage::{self, Storage};

/// The records of the segment that is written to, or that was until its sealing began.
#[derive(Debug)]
pub(crate) struct OpenEnd {
    /// Where it stood when it was read; by now it may bear its sealed name.
    path: PathBuf,
    first: Seq,
    data_bytes: u64,
    /// What says behind the data that all of it is synced; empty where something does.
    mark: Vec<u8>,
}

impl Found {
    /// The segment that an active one is made of in a copy.
    pub(crate) fn open_end(&self) -> Result<OpenEnd, MiniStateError> {
        match &self.state {
            FoundState::Nothing => {
                Err(MiniStateError::Missing { path: self.names.active(), seq: self.end.seq + 1 })
            }
            FoundState::Active(newest)
            | FoundState::Sealing { newest, predecessor: Predecessor::Renamed } => {
                Ok(OpenEnd::of(newest.path.clone(), newest.header.first, &self.end, &newest.end))
            }
            // The segment behind it is empty.
            FoundState::Sealing {
                predecessor: Predecessor::Active { first, last, end }, ..
            } => Ok(OpenEnd::of(self.names.active(), *first, last, end)),
        }
    }
}

impl OpenEnd {
    fn of(path: PathBuf, first: Seq, last: &Continuity, end: &SegmentEnd) -> OpenEnd {
        let mut data_bytes = end.data_bytes;
        if end.sealed {
            data_bytes -= record::end(last.seq, last.chain).len() as u64;
        }
        let mark = match end.sealed || end.unmarked {
            true => record::mark(last.seq, last.chain),
            false => Vec::new(),
        };
        OpenEnd { path, first, data_bytes, mark }
    }

    /// Writes the data and the mark behind it into the active segment of the copy: it gets that name
    /// once it is there as a whole, durably.
    pub(crate) fn copy(
        &self,
        storage: &dyn Storage,
        names: &Names,
        copy: &Names,
    ) -> Result<(), MiniStateError> {
        let mut segment = Segment::open(storage, &self.path)?;
        if segment.header.first != self.first {
            segment = Segment::open(storage, &names.sealed(self.first))?;
        }
        let (temporary, target) = (copy.temporary(storage.unique()), copy.active());
        let written = storage.create(&temporary).and_then(|file| {
            storage::copy_range(segment.file(), &*file, self.data_bytes)?;
            file.write_at(&self.mark, self.data_bytes)?;
            file.sync()
        });
        written
            .and_then(|()| storage.rename(&temporary, &target))
            .and_then(|()| storage.sync_dir(target.parent().unwrap_or(Path::new("."))))
            .map_err(MiniStateError::io("copying to", &target))
    }
}
