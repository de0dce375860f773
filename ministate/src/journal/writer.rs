//! Appends batches to the active segment, seals it when it is full, and settles what a crash left.

use std::any::Any;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::continuity::Continuity;
use super::header::{self, Header};
use super::names::Names;
use super::{Found, FoundState, Newest, Predecessor, SegmentEnd};
use crate::error::MiniStateError;
use crate::observation::{Moment, Observer, Torn};
use crate::planted::{Bug, planted};
use crate::record::{self, Bodies, Chain, Seq};
use crate::schema::Schema;
use crate::storage::{self, Access, Storage, StorageFile};

/// The active segment is filled ahead with newlines, so that most syncs have no new length or block
/// to make durable: up to a multiple of what so many batches like the one at hand take.
const FILL_BATCHES: u64 = 64;

/// The least that is filled where segments are not small. They are filled by their own size.
const FILL_BYTES: u64 = 64 * 1024;

/// The most: it is written together with a batch, whose callers wait for it.
const FILL_BYTES_MAX: u64 = 1024 * 1024;

/// The least that is filled: a page, which systems write as a whole.
const FILL_BYTES_MIN: u64 = 4 * 1024;

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
    storage: Arc<dyn Storage>,
    names: Names,
    settings: Settings,
    identity: String,
    active: Active,
    last: Continuity,
    /// What the head file says; `None` where it is missing.
    head: Option<Seq>,
    buffer: Vec<u8>,
    _lock: Box<dyn Any + Send + Sync>,
}

/// The segment that is written to.
#[derive(Debug)]
struct Active {
    file: Box<dyn StorageFile>,
    first: Seq,
    /// The first byte behind the last line.
    data_bytes: u64,
    /// The first byte behind the fill: the length of the file.
    filled_bytes: u64,
    fill: Fill,
    unmarked: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fill {
    Ahead,
    /// The disk was too full for it.
    Off,
}

/// What settling did to the files.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    /// The bytes that were cut off, and the file that keeps them.
    pub(crate) torn: Option<(u64, PathBuf)>,
    /// Bytes of records that were written again, so that what was read is surely on the disk.
    pub(crate) rewritten_bytes: u64,
}

/// Why a batch was not appended. No later one may be.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nothing of the batch is in the journal, nor will be.
    NotWritten(io::Error),
    /// Some of the batch may be in the journal.
    Unknown(io::Error),
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

fn rename(storage: &dyn Storage, from: &Path, to: &Path) -> Result<(), MiniStateError> {
    let dir = to.parent().unwrap_or(Path::new("."));
    storage
        .rename(from, to)
        .and_then(|()| storage.sync_dir(dir))
        .map_err(MiniStateError::io("renaming", from))
}

impl Active {
    fn open(
        storage: &dyn Storage,
        path: &Path,
        first: Seq,
        data_bytes: u64,
    ) -> Result<Active, MiniStateError> {
        let file =
            storage.open(path, Access::Write).map_err(MiniStateError::io("opening", path))?;
        let filled_bytes = data_bytes;
        Ok(Active { file, first, data_bytes, filled_bytes, fill: Fill::Ahead, unmarked: false })
    }

    /// Writes the lines behind the data, and fill behind them where they pass the old one.
    fn write(&mut self, lines: &mut Vec<u8>, fill_bytes: u64) -> io::Result<()> {
        let line_bytes = lines.len();
        let data_bytes = self.data_bytes + line_bytes as u64;
        let passes_fill = data_bytes > self.filled_bytes;
        if passes_fill && self.fill == Fill::Ahead {
            let filled_bytes = data_bytes.next_multiple_of(fill_bytes);
            lines.resize((filled_bytes - self.data_bytes) as usize, b'\n');
            match self.file.write_at(lines, self.data_bytes) {
                Err(error) if is_full(&error) => {
                    self.fill = Fill::Off;
                    lines.truncate(line_bytes);
                    self.file.set_len(self.data_bytes)?;
                    self.filled_bytes = self.data_bytes;
                }
                result => {
                    result?;
                    self.filled_bytes = filled_bytes;
                    self.data_bytes = data_bytes;
                    return Ok(());
                }
            }
        }
        self.file.write_at(lines, self.data_bytes)?;
        self.filled_bytes = self.filled_bytes.max(data_bytes);
        self.data_bytes = data_bytes;
        Ok(())
    }

    /// Makes what was written durable.
    fn sync(&mut self) -> io::Result<()> {
        if planted(Bug::AcknowledgedBeforeSync) {
            return Ok(());
        }
        match self.file.sync() {
            Err(_) if planted(Bug::SyncRetried) => self.file.sync(),
            result => result,
        }
    }

    /// Makes everything behind the data unwritten.
    fn undo(&mut self) -> io::Result<()> {
        if planted(Bug::WriteNotUndone) {
            return Ok(());
        }
        if planted(Bug::CutNotSynced) {
            return self.file.set_len(self.data_bytes);
        }
        self.cut_to_data()
    }

    /// Ends the file with the data, durably.
    fn cut_to_data(&self) -> io::Result<()> {
        self.file.set_len(self.data_bytes)?;
        self.file.sync()
    }

    /// Writes the control line behind the data, cuts the fill behind it, and syncs.
    fn cut_behind(&mut self, control: &[u8]) -> io::Result<()> {
        self.file.write_at(control, self.data_bytes)?;
        self.data_bytes += control.len() as u64;
        self.filled_bytes = self.data_bytes;
        self.cut_to_data()
    }
}

/// By which multiples a segment is filled, a power of two where segments are not small.
fn fill_bytes(segment_bytes: u64, batch_bytes: usize) -> u64 {
    let batches = (FILL_BATCHES * batch_bytes as u64).next_power_of_two();
    let fill = batches.clamp(FILL_BYTES, FILL_BYTES_MAX);
    segment_bytes.clamp(FILL_BYTES_MIN, fill).next_multiple_of(FILL_BYTES_MIN)
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
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
    fn state_program(&mut self) -> Result<(), MiniStateError> {
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

    fn publish_head(&mut self) -> Result<(), MiniStateError> {
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
pub(super) fn time_stamp(now: SystemTime) -> String {
    const LAST: Duration = Duration::from_secs(253_402_300_799);
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().min(LAST);
    humantime::format_rfc3339_millis(SystemTime::UNIX_EPOCH + since).to_string()
}
