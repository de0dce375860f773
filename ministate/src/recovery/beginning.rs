//! Which snapshot does a recovery begin with, and what is the state in it?

use std::path::Path;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::error::{MiniStateError, Position, RejectedSnapshot};
use crate::journal::{Names, Opened, Start};
use crate::mutation::Mutator;
use crate::record::Seq;
use crate::schema;
use crate::snapshot::{self, Snapshot};
use crate::storage::Storage;

/// The oldest snapshot that replay can begin with.
pub(super) fn oldest_sound<S: DeserializeOwned, M: Mutator<S>>(
    storage: &dyn Storage,
    opened: &Opened,
) -> Option<Seq> {
    let mut reached: Vec<_> =
        opened.snapshots().filter(|(seq, _)| seq + 1 >= opened.first()).collect();
    reached.reverse();
    let mut reached = reached.into_iter();
    reached
        .find(|(seq, path)| sound::<S, M>(storage, opened, *seq, path).is_ok())
        .map(|(seq, _)| seq)
}

/// The newest snapshot that is sound, not newer than `newest`, and that the journal reaches.
///
/// A snapshot of a newer version of the state ends the search: a newer program wrote it, and what
/// this one would make of the records before it is not what that one made of them.
pub(super) fn newest_sound<S: DeserializeOwned, M: Mutator<S>>(
    storage: &dyn Storage,
    names: &Names,
    opened: &Opened,
    newest: Seq,
) -> Result<(S, Start, Vec<RejectedSnapshot>), MiniStateError> {
    let is_sound = |seq, path: &Path| sound::<S, M>(storage, opened, seq, path);
    let ((state, start), rejected) = newest_usable(names, opened, newest, is_sound)?;
    Ok((state, start, rejected))
}

/// What `read` makes of the newest snapshot that it accepts, as [`newest_sound`] chooses it.
pub(crate) fn newest_usable<T>(
    names: &Names,
    opened: &Opened,
    newest: Seq,
    read: impl Fn(Seq, &Path) -> Result<T, MiniStateError>,
) -> Result<(T, Vec<RejectedSnapshot>), MiniStateError> {
    let mut rejected = Vec::new();
    for (seq, path) in opened.snapshots().filter(|(seq, _)| *seq <= newest) {
        let reaches = seq + 1 >= opened.first();
        let why = match reaches.then(|| read(seq, path)) {
            Some(Ok(used)) => return Ok((used, rejected)),
            Some(Err(newer @ MiniStateError::UnknownOperations { .. })) => return Err(newer),
            Some(Err(why)) => Some(Box::new(why)),
            None => None,
        };
        rejected.push(RejectedSnapshot { path: path.clone(), why });
    }
    let newest = opened.snapshots().map(|(seq, _)| seq).find(|seq| *seq <= newest);
    Err(match newest {
        Some(newest) if rejected.iter().all(|snapshot| snapshot.why.is_none()) => {
            MiniStateError::Missing { path: names.sealed(newest + 1), seq: newest + 1 }
        }
        Some(_) | None => {
            let dir = names.dir().to_path_buf();
            MiniStateError::NoSnapshot { dir, first: opened.first(), rejected }
        }
    })
}

/// A snapshot of this journal, with a state that this program can read.
pub(crate) fn sound<S: DeserializeOwned, M: Mutator<S>>(
    storage: &dyn Storage,
    opened: &Opened,
    seq: Seq,
    path: &Path,
) -> Result<(S, Start), MiniStateError> {
    let snapshot = of_journal(storage, opened, seq, path)?;
    let state = decode::<S, M>(&snapshot)?;
    Ok((state, snapshot.start))
}

/// A snapshot of this journal, whatever its state is.
pub(crate) fn of_journal(
    storage: &dyn Storage,
    opened: &Opened,
    seq: Seq,
    path: &Path,
) -> Result<Snapshot, MiniStateError> {
    let snapshot = snapshot::read(storage, path)?;
    let other = |what| MiniStateError::Corrupt {
        at: Position { file: path.to_path_buf(), line: 1, byte: 0 },
        seq,
        what,
    };
    if opened.identity() != Some(&*snapshot.journal) {
        return Err(other("the snapshot belongs to another journal"));
    }
    if snapshot.start.seq != seq {
        return Err(other("the snapshot bears the name of another"));
    }
    Ok(snapshot)
}

/// The state of a snapshot, whichever version of it this program still reads.
pub(crate) fn decode<S: DeserializeOwned, M: Mutator<S>>(
    snapshot: &Snapshot,
) -> Result<S, MiniStateError> {
    let (path, version) = (&snapshot.start.path, snapshot.version);
    if version > M::__schema().state {
        let unknown = vec![format!("version {version} of the state")];
        let (path, by) = (path.clone(), snapshot.by.clone());
        return Err(MiniStateError::UnknownOperations { path, by, unknown });
    }
    decode_version::<S, M>(version, &snapshot.state, path)
}

/// The state in the JSON, which has this version and stands in the file.
pub(crate) fn decode_version<S: DeserializeOwned, M: Mutator<S>>(
    version: u32,
    json: &[u8],
    path: &Path,
) -> Result<S, MiniStateError> {
    let current = version == M::__schema().state;
    let decoded = schema::text(json).and_then(|json| match current {
        true => schema::decode_content(json),
        false => M::__decode_old_state(version, json),
    });
    decoded.map_err(|source| MiniStateError::UnreadableState {
        path: path.to_path_buf(),
        version,
        source: Arc::new(source),
    })
}
