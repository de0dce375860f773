//! Appends batches to the active segment, and seals it when it is full.

use std::any::Any;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::active::{Active, fill_bytes};
use super::continuity::Continuity;
use super::header::{self, Header};
use super::names::Names;
use crate::error::MiniStateError;
use crate::observation::{Moment, Observer};
use crate::planted::{Bug, planted};
use crate::record::{self, Bodies, Chain, Seq};
use crate::schema::Schema;
use crate::storage::{self, Storage};

/// What the application chose.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    /// A segment that has at least so many bytes is sealed before the next batch.
    pub(crate) segment_bytes: u64,
    pub(crate) schema: Schema,
}

/// A journal that can be appended to.
#[derive(Debug)]
pub(crate) struct Journal {
    pub(super) storage: Arc<dyn Storage>,
    pub(super) names: Names,
    pub(super) settings: Settings,
    pub(super) identity: String,
    pub(super) active: Active,
    pub(super) last: Continuity,
    /// What the head file says; `None` where it is missing.
    pub(super) head: Option<Seq>,
    pub(super) buffer: Vec<u8>,
    pub(super) _lock: Box<dyn Any + Send + Sync>,
}

/// Why a batch was not appended. No later one may be.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nothing of the batch is in the journal, nor will be.
    NotWritten(io::Error),
    /// Some of the batch may be in the journal.
    Unknown(io::Error),
}

/// Publishes the first segment of a journal whose history goes on behind `seq`, in the role that it
/// has until the active name is free.
pub(crate) fn publish_next(
    storage: &dyn Storage,
    names: &Names,
    identity: &str,
    seq: Seq,
    schema: &Schema,
) -> Result<(), MiniStateError> {
    publish_empty(storage, names, names.next(), identity, (seq, Chain::START), schema)
}

/// Publishes an active segment without records, behind a record that sealed segments end with: with
/// them, snapshots and a head file it makes a whole journal.
pub(crate) fn publish_active(
    storage: &dyn Storage,
    names: &Names,
    identity: &str,
    end: (Seq, Chain),
    schema: &Schema,
) -> Result<(), MiniStateError> {
    publish_empty(storage, names, names.active(), identity, end, schema)
}

fn publish_empty(
    storage: &dyn Storage,
    names: &Names,
    path: PathBuf,
    identity: &str,
    (seq, record): (Seq, Chain),
    schema: &Schema,
) -> Result<(), MiniStateError> {
    let after = Continuity { seq, record, ..Continuity::START };
    let (line, _) = Header::new(identity.to_string(), &after, schema).line();
    storage::publish(storage, &names.temporary(storage.unique()), &path, &line)
        .map_err(MiniStateError::io("writing", path))
}

pub(super) fn rename(storage: &dyn Storage, from: &Path, to: &Path) -> Result<(), MiniStateError> {
    let dir = to.parent().unwrap_or(Path::new("."));
    storage
        .rename(from, to)
        .and_then(|()| storage.sync_dir(dir))
        .map_err(MiniStateError::io("renaming", from))
}

impl Journal {
    /// The last mutation of the journal.
    pub(crate) fn seq(&self) -> Seq {
        self.last.seq
    }

    /// Whom to tell of the journal.
    pub(crate) fn observer(&self) -> &Observer {
        self.names.observer()
    }

    /// Appends the records as one batch, and returns once they are on stable storage.
    ///
    /// After a failure the journal must not be appended to again.
    pub(crate) fn append(&mut self, bodies: &Bodies) -> Result<(), Failure> {
        if self.active.data_bytes >= self.settings.segment_bytes {
            self.seal_records()?;
        }
        let at = time_stamp(self.storage.now());
        let first = self.last.seq + 1;
        let mut last = self.last;
        self.buffer.clear();
        for (body, mutations) in bodies.iter() {
            let seq = last.seq + 1;
            let place = seq - first;
            let chain = record::push_record(&mut self.buffer, last.chain, seq, place, &at, body);
            let seq = last.seq + mutations;
            last = Continuity { seq, batch: Some(first), chain, record: chain };
        }
        let bytes = self.buffer.len();
        let fill_bytes = fill_bytes(self.settings.segment_bytes, bytes);
        if let Err(error) = self.active.write(&mut self.buffer, fill_bytes) {
            return Err(match self.active.undo() {
                Ok(()) => Failure::NotWritten(error),
                Err(_) => Failure::Unknown(error),
            });
        }
        // A sync that failed says nothing about what the disk has, and neither would a second one.
        let asked = Moment::now();
        let synced = self.active.sync();
        self.observer().synced(asked);
        synced.map_err(Failure::Unknown)?;
        self.active.unmarked = true;
        self.last = last;
        self.observer().appended(last.seq, || bodies.iter().count(), bytes);
        Ok(())
    }

    /// Lets the active segment have a header that says what this program writes.
    pub(super) fn state_program(&mut self) -> Result<(), MiniStateError> {
        let path = self.names.active();
        if self.last.seq >= self.active.first {
            return self.seal().map_err(MiniStateError::io("sealing", path));
        }
        let (line, chain) =
            Header::new(self.identity.clone(), &self.last, &self.settings.schema).line();
        let storage = &*self.storage;
        storage::publish(storage, &self.names.temporary(storage.unique()), &path, &line)
            .map_err(MiniStateError::io("writing", &path))?;
        self.active = Active::open(storage, &path, self.active.first, line.len() as u64)?;
        self.last.chain = chain;
        Ok(())
    }

    /// Ends the active segment and begins the next one, if there is anything in it.
    pub(crate) fn seal_records(&mut self) -> Result<(), Failure> {
        match self.last.seq >= self.active.first {
            true => self.seal().map_err(Failure::NotWritten),
            false => Ok(()),
        }
    }

    /// Ends the active segment and begins the next one.
    ///
    /// The next one is there before the old one is ended, and under a name of its own until the
    /// old one has given the name free: a journal without an active segment was never left by a
    /// crash, so it is missed.
    fn seal(&mut self) -> io::Result<()> {
        let (storage, names) = (&*self.storage, &self.names);
        let (line, chain) =
            Header::new(self.identity.clone(), &self.last, &self.settings.schema).line();
        let end = record::end(self.last.seq, self.last.chain);
        if planted(Bug::SealedBeforeSuccessor) {
            self.active.cut_behind(&end)?;
        }
        storage::publish(storage, &names.temporary(storage.unique()), &names.next(), &line)?;
        if !planted(Bug::SealedBeforeSuccessor) {
            self.active.cut_behind(&end)?;
        }
        storage.rename(&names.active(), &names.sealed(self.active.first))?;
        storage.sync_dir(names.dir())?;
        storage.rename(&names.next(), &names.active())?;
        storage.sync_dir(names.dir())?;
        let first = self.last.seq + 1;
        let fill = self.active.fill;
        let active = Active::open(storage, &names.active(), first, line.len() as u64);
        self.active = Active { fill, ..active.map_err(into_io)? };
        self.last = Continuity { batch: None, chain, ..self.last };
        self.observer().rotated(self.last.seq);
        self.publish_head().map_err(into_io)
    }

    /// Marks everything as synced, cuts the fill, and remembers how far the journal goes.
    pub(crate) fn close(mut self) -> Result<(), MiniStateError> {
        let closing = MiniStateError::io("closing", self.names.active());
        let mark = match self.active.unmarked {
            true => record::mark(self.last.seq, self.last.chain),
            false => Vec::new(),
        };
        self.active.cut_behind(&mark).map_err(closing)?;
        self.publish_head()
    }

    pub(super) fn publish_head(&mut self) -> Result<(), MiniStateError> {
        if self.head.is_none_or(|head| head < self.last.seq) {
            header::publish_head(&*self.storage, &self.names, &self.identity, self.last.seq)?;
            self.head = Some(self.last.seq);
        }
        Ok(())
    }
}

fn into_io(error: MiniStateError) -> io::Error {
    match error {
        MiniStateError::Io { source, .. } => io::Error::new(source.kind(), source),
        other => io::Error::other(other),
    }
}

/// The time as records have it, within the four digits that a year has there.
pub(crate) fn time_stamp(now: SystemTime) -> String {
    const LAST: Duration = Duration::from_secs(253_402_300_799);
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().min(LAST);
    humantime::format_rfc3339_millis(SystemTime::UNIX_EPOCH + since).to_string()
}
