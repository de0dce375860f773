//! What is the seam worth where there is one machine? A journal over files, with the same rules.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::journal::{
    Answer, AppendError, Cause, Entry, Journal, JournalError, JournalId, Place, Tail, TailError,
};
use crate::commit::ground;
use crate::compaction::Disposal;
use crate::error::MiniStateError;
use crate::feed::Subscription;
use crate::fidelity::Fidelity;
use crate::manager::StateManager;
use crate::mutation::Mutator;
use crate::options::Options;
use crate::rhythm::SnapshotEvery;
use crate::schema::{DecodeError, decode_content, decode_untagged};

/// The largest entry: 8 MiB.
const ENTRY_BYTES_MAX: usize = 8 << 20;

/// As JSON text an entry may have six times as many bytes.
const RECORD_BYTES_MAX: u64 = 6 * ENTRY_BYTES_MAX as u64 + 1024;

/// A [`Journal`] in files, for one machine, development and tests: several processes cannot share it,
/// since the one that opened it holds its lock.
///
/// Its files are those of any journal of ministate, in [the same format](crate::_documentation::format),
/// with all that a crash, a torn tail and damage mean there. Each entry is one record without a tag. Where
/// its lines are JSON objects, the payload is the array of them, and else a JSON string.
///
/// After a sync that failed the answer is [`Ambiguous`](AppendError::Ambiguous), once: whether that entry
/// is there shows when the journal is opened again. All later appends are
/// [`NotWritten`](AppendError::NotWritten) until then, and nothing lands late.
///
/// [`trim`](Journal::trim) seals the segment that is written to, and removes the sealed segments all of
/// whose entries are to be forgotten; entries in the same segment as one that is kept stay.
///
/// ```
/// use ministate::shared::{FileJournal, Journal, Place};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let dir = dir.path();
/// let journal = FileJournal::open(dir, "bank.wal.jsonl").await?;
/// let place = journal.append(Place::START, (*b"{\"deposit\":500}\n").into()).await?;
/// assert_eq!(place, Place::new(1));
/// drop(journal);
///
/// let journal = FileJournal::open(dir, "bank.wal.jsonl").await?;
/// assert_eq!(&*journal.tail(Place::START).next().await?.bytes, b"{\"deposit\":500}\n");
/// # Ok(())
/// # }
/// ```
pub struct FileJournal {
    manager: Arc<StateManager<Kept, Stored>>,
    id: JournalId,
    /// Who appends looks where the journal ends, and nobody else appends meanwhile.
    turn: Mutex<Turn>,
}

/// What became of the last append.
#[derive(Debug, Default)]
enum Turn {
    #[default]
    Answered,
    /// Its future was dropped, and it may still be carried out.
    Left,
}

impl FileJournal {
    /// Opens the journal `journal_file` in `dir`, and creates what is not there.
    ///
    /// # Errors
    ///
    /// As [`StateManager::open`]: [`Locked`](MiniStateError::Locked) where it is open already.
    pub async fn open(
        dir: impl AsRef<Path>,
        journal_file: impl AsRef<Path>,
    ) -> Result<FileJournal, MiniStateError> {
        FileJournal::open_with(Options::new(), dir, journal_file).await
    }

    /// [`open`](Self::open) with a storage and a size of segments of your choice; all else that the
    /// options say is left aside.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub async fn open_with(
        options: Options,
        dir: impl AsRef<Path>,
        journal_file: impl AsRef<Path>,
    ) -> Result<FileJournal, MiniStateError> {
        let options = options
            .fidelity(Fidelity::Trusted)
            .record_bytes_max(RECORD_BYTES_MAX)
            .snapshot_every(SnapshotEvery::Mutations(u64::MAX))
            .snapshots_kept(1)
            .disposal(Disposal::Delete);
        let (dir, file) = (dir.as_ref().to_path_buf(), journal_file.as_ref().to_path_buf());
        ground::run(move || {
            let manager = options.blocking_open::<Kept, Stored>(dir, file)?;
            let id = JournalId::parse(&manager.identity()?).ok_or_else(|| {
                let path = manager.journal_path().to_path_buf();
                let source = io::Error::other("the identity of the journal has not 32 digits");
                MiniStateError::io("identifying", path)(source)
            })?;
            Ok(FileJournal { manager: Arc::new(manager), id, turn: Mutex::default() })
        })
        .await
    }
}

impl fmt::Debug for FileJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileJournal").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Journal for FileJournal {
    fn id(&self) -> &JournalId {
        &self.id
    }

    fn entry_bytes_max(&self) -> usize {
        ENTRY_BYTES_MAX
    }

    fn append(&self, expected: Place, entry: Arc<[u8]>) -> Answer<'_, Result<Place, AppendError>> {
        Box::pin(async move {
            if entry.len() > ENTRY_BYTES_MAX {
                return Err(AppendError::TooLarge { limit: ENTRY_BYTES_MAX });
            }
            let text = String::from_utf8(entry.to_vec());
            let text = text.map_err(|error| AppendError::NotWritten { source: Arc::new(error) })?;
            let mut turn = self.turn.lock().await;
            if matches!(*turn, Turn::Left) {
                let settled = self.manager.settled().await;
                settled.map_err(|error| AppendError::NotWritten { source: Arc::new(error) })?;
            }
            if self.manager.sequence() != expected.number() {
                *turn = Turn::Answered;
                return Err(AppendError::Conflict);
            }
            *turn = Turn::Left;
            let appended = self.manager.apply(Stored(text)).await;
            *turn = Turn::Answered;
            appended.map(Place::new).map_err(not_appended)
        })
    }

    fn tail(&self, after: Place) -> Box<dyn Tail> {
        let end = Place::new(self.manager.sequence());
        let changes = self.manager.subscribe(after.next().number());
        Box::new(FileTail { changes, after, ends_before: (end < after).then_some(end) })
    }

    fn barrier(&self) -> Answer<'_, Result<Place, JournalError>> {
        Box::pin(async { Ok(Place::new(self.manager.sequence())) })
    }

    fn trim(&self, before: Place) -> Answer<'_, Result<(), JournalError>> {
        let manager = Arc::clone(&self.manager);
        Box::pin(async move {
            let trimmed = ground::run(move || manager.blocking_trim(before.number(), &Kept {}));
            trimmed.await.map_err(|error| JournalError::Unreachable { source: Arc::new(error) })
        })
    }
}

fn not_appended(error: MiniStateError) -> AppendError {
    let is_in_doubt = matches!(
        error,
        MiniStateError::OutcomeUnknown { .. } | MiniStateError::HandlerPanicked { .. }
    );
    let source: Cause = Arc::new(error);
    match is_in_doubt {
        true => AppendError::Ambiguous { source },
        false => AppendError::NotWritten { source },
    }
}

struct FileTail {
    changes: Subscription<Stored>,
    after: Place,
    /// Where the journal ended that was to be read from a later place.
    ends_before: Option<Place>,
}

impl Tail for FileTail {
    fn next(&mut self) -> Answer<'_, Result<Entry, TailError>> {
        Box::pin(async move {
            if let Some(last) = self.ends_before {
                return Err(TailError::Regressed { last });
            }
            let unreachable = |source: Cause| TailError::Unreachable { source };
            match self.changes.next().await {
                Some(Ok(change)) if change.seq == self.after.next().number() => {
                    self.after = Place::new(change.seq);
                    let bytes = change.mutation.0.into_bytes().into();
                    Ok(Entry { place: self.after, bytes })
                }
                Some(Ok(_)) => Err(unreachable(Arc::new(io::Error::other("an entry was voided")))),
                Some(Err(MiniStateError::Trimmed { first, .. })) => {
                    let end = self.changes.next_sequence() - 1 + self.changes.lag();
                    Err(TailError::Trimmed { first: Place::new(first.min(end)) })
                }
                Some(Err(error)) => Err(unreachable(Arc::new(error))),
                None => Err(unreachable(Arc::new(MiniStateError::Closed))),
            }
        })
    }
}

/// The state that the entries make here: none.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {}

/// An entry as the payload of a record.
#[derive(Debug, Serialize, Deserialize)]
struct Stored(String);

impl Mutator<Kept> for Stored {
    fn apply(&self, _kept: &mut Kept) {}

    fn __encode(&self, payload: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        let Some(lines) = self.0.strip_suffix('\n').filter(|lines| are_objects(lines)) else {
            return serde_json::to_writer(payload, &self.0);
        };
        payload.push(b'[');
        payload.extend(lines.bytes().map(|byte| if byte == b'\n' { b',' } else { byte }));
        payload.push(b']');
        Ok(())
    }

    fn __decode(tag: Option<(&str, u32)>, payload: &str) -> Result<Option<Self>, DecodeError> {
        let inner = payload.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        match (tag, inner) {
            (Some(_), _) => decode_untagged(tag, payload).map(Some),
            (None, None) => decode_content(payload).map(|text| Some(Stored(text))),
            (None, Some(objects)) => Ok(Some(Stored(lines_of(objects)))),
        }
    }
}

/// Whether each line is a JSON object, and nothing beside it.
fn are_objects(lines: &str) -> bool {
    lines.split('\n').all(|line| {
        line.starts_with('{')
            && line.ends_with('}')
            && line.bytes().all(|byte| byte >= b' ')
            && serde_json::from_str::<IgnoredAny>(line).is_ok()
    })
}

/// The objects of an array, each on a line of its own.
fn lines_of(objects: &str) -> String {
    let mut text = String::with_capacity(objects.len() + 1);
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for character in objects.chars() {
        let separates = depth == 0 && character == ',';
        text.push(if separates { '\n' } else { character });
        match character {
            _ if escaped => escaped = false,
            '\\' if in_string => escaped = true,
            '"' => in_string = !in_string,
            '{' | '[' if !in_string => depth += 1,
            '}' | ']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    text.push('\n');
    text
}
