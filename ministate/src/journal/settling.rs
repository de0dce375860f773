//! What a crash left of a journal, made the beginning of what is written next.

use std::any::Any;
use std::path::{Path, PathBuf};

use super::active::Active;
use super::continuity::Continuity;
use super::header::Header;
use super::names::Names;
use super::reader::SegmentEnd;
use super::writer::{Journal, Settings, rename};
use super::{Found, FoundState, Newest, Predecessor};
use crate::error::MiniStateError;
use crate::observation::Torn;
use crate::planted::{Bug, planted};
use crate::record::{self, Chain, Seq};
use crate::storage::{self, Storage};

/// What settling did to the files.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    /// The bytes that were cut off, and the file that keeps them.
    pub(crate) torn: Option<(u64, PathBuf)>,
    /// Bytes of records that were written again, so that what was read is surely on the disk.
    pub(crate) rewritten_bytes: u64,
}

impl Found {
    /// The last mutation of the journal.
    pub(crate) fn seq(&self) -> Seq {
        self.end.seq
    }

    /// The checksum of the last record.
    pub(crate) fn record(&self) -> Chain {
        self.end.record
    }

    /// The identity of the journal.
    pub(crate) fn identity(&self) -> &str {
        &self.identity
    }

    /// Everything was marked as synced, and nothing was left half done.
    pub(crate) fn was_closed(&self) -> bool {
        match &self.state {
            FoundState::Active(newest) => !newest.end.unmarked && newest.end.torn.is_none(),
            FoundState::Nothing | FoundState::Sealing { .. } => false,
        }
    }

    /// The file that ends with leftovers of a batch that was never acknowledged, and how many bytes
    /// they are.
    pub(crate) fn torn(&self) -> Option<(&Path, u64)> {
        match &self.state {
            FoundState::Active(newest) | FoundState::Sealing { newest, .. } => {
                newest.end.torn.as_ref().map(|torn| (newest.path.as_path(), torn.len() as u64))
            }
            FoundState::Nothing => None,
        }
    }

    /// Makes the files what they were found to say, durably, and opens them for appending.
    pub(crate) fn settle(
        self,
        settings: Settings,
        lock: Box<dyn Any + Send + Sync>,
    ) -> Result<(Journal, Settled), MiniStateError> {
        let Found { storage, names, identity, temporaries, end: mut last, head, state } = self;
        // The names may be there to see and not yet durable: nothing is built on them before.
        storage.sync_dir(names.dir()).map_err(MiniStateError::io("syncing", names.dir()))?;
        for path in &temporaries {
            storage.remove(path).map_err(MiniStateError::io("removing", path))?;
        }
        let mut settled = Settled::default();
        let dir = &*storage;
        let is_of_program = match &state {
            FoundState::Nothing => true,
            FoundState::Active(newest) | FoundState::Sealing { newest, .. } => {
                newest.header.is_of(&settings.schema)
            }
        };
        let active = match state {
            FoundState::Nothing => {
                let (line, chain) = Header::new(identity.clone(), &last, &settings.schema).line();
                last.chain = chain;
                storage::publish(dir, &names.temporary(dir.unique()), &names.active(), &line)
                    .map_err(MiniStateError::io("writing", names.active()))?;
                Active::open(dir, &names.active(), last.seq + 1, line.len() as u64)?
            }
            FoundState::Active(newest) => {
                settle_newest(dir, &names, &last, head, &newest, &mut settled)?
            }
            FoundState::Sealing { newest, predecessor } => {
                if let Predecessor::Active { first, last, end } = predecessor {
                    seal_predecessor(dir, &names, &last, first, &end)?;
                }
                settle_newest(dir, &names, &last, head, &newest, &mut settled)?;
                rename(dir, &names.next(), &names.active())?;
                let data_bytes = newest.end.data_bytes;
                Active::open(dir, &names.active(), newest.header.first, data_bytes)?
            }
        };
        let buffer = Vec::new();
        let mut journal =
            Journal { storage, names, settings, identity, active, last, head, buffer, _lock: lock };
        if journal.head.is_none() {
            // From now on the active segment is missed if it is not there.
            journal.publish_head()?;
        }
        if !is_of_program {
            journal.state_program()?;
        }
        Ok((journal, settled))
    }
}

/// Cuts the newest segment behind its data. Where mark and head do not say that all of it was
/// synced, it is written again, into a new file: after a failed sync the page cache can show bytes
/// that the disk does not have, and ext4 loses some of what is then written in their place,
/// although it says that it is synced.
fn settle_newest(
    storage: &dyn Storage,
    names: &Names,
    last: &Continuity,
    head: Option<Seq>,
    newest: &Newest,
    settled: &mut Settled,
) -> Result<Active, MiniStateError> {
    let Newest { path, end, .. } = newest;
    if let Some(torn) = &end.torn {
        let (temporary, kept) =
            (names.temporary(storage.unique()), names.torn(last.seq + 1, storage.unique()));
        storage::publish(storage, &temporary, &kept, torn)
            .map_err(MiniStateError::io("keeping torn bytes in", &kept))?;
        settled.torn = Some((torn.len() as u64, kept));
    }
    // The head follows the mark once that is synced.
    let head_agrees = head >= Some(last.seq) || planted(Bug::MarkNotWrittenAgain);
    let synced = (!end.unmarked && head_agrees) || planted(Bug::NotWrittenAgain);
    if !synced {
        let temporary = names.temporary(storage.unique());
        let bytes = if planted(Bug::TornTailNotCut) { end.file_bytes } else { end.data_bytes };
        storage::publish_again(storage, &temporary, path, bytes)
            .map_err(MiniStateError::io("writing again", path))?;
    }
    if end.unmarked {
        settled.rewritten_bytes = end.data_bytes - end.mark.unwrap_or(0);
    }
    let mut active = Active::open(storage, path, newest.header.first, end.data_bytes)?;
    active.unmarked = end.unmarked;
    if synced && end.file_bytes > end.data_bytes {
        active.cut_to_data().map_err(MiniStateError::io("settling", path))?;
    }
    if let Some((bytes, kept_in)) = &settled.torn {
        let (byte, after) = (Some(end.data_bytes), last.seq);
        names.observer().torn_tail(&Torn { file: path, byte, bytes: *bytes, after, kept_in });
    }
    Ok(active)
}

/// Completes the sealing that a crash interrupted.
fn seal_predecessor(
    storage: &dyn Storage,
    names: &Names,
    last: &Continuity,
    first: Seq,
    end: &SegmentEnd,
) -> Result<(), MiniStateError> {
    if !end.sealed {
        let path = names.active();
        let mut active = Active::open(storage, &path, first, end.data_bytes)?;
        if end.file_bytes > end.data_bytes {
            // The beginning of an end line would still be there where a crash loses the sector that
            // it stands in of the one that is written over it.
            active.cut_to_data().map_err(MiniStateError::io("settling", &path))?;
        }
        let sealed = active.cut_behind(&record::end(last.seq, last.chain));
        sealed.map_err(MiniStateError::io("sealing", &path))?;
    }
    rename(storage, &names.active(), &names.sealed(first))
}
