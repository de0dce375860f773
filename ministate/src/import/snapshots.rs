//! The snapshots that stand beside a journal of ministate 0.1, in both of their forms.
//!
//! Through minisnap 0.1.2 there is one: the state in `snapshot.json`, its sequence number in
//! `snapshot.seq`. From 0.1.3 on there are several, each an object of both.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::files::{self, OldFiles};
use crate::error::{MiniStateError, Position, RejectedSnapshot};
use crate::journal::Names;
use crate::json::Json;
use crate::mutation::Mutator;
use crate::record::Seq;
use crate::recovery;
use crate::storage::{self, Storage};

const STATE: &str = "snapshot.json";
const SEQ: &str = "snapshot.seq";
const STATE_BEING_WRITTEN: &str = "snapshot.json.tmp";
const SEQ_BEING_WRITTEN: &str = "snapshot.seq.tmp";

/// Without one of these, a `snapshot.json` is a file of the application's own.
const SIGNS: [&str; 2] = [SEQ, SEQ_BEING_WRITTEN];

/// The snapshots of 0.1 in a directory.
#[derive(Debug, Default)]
pub(super) struct OldSnapshots {
    dir: PathBuf,
    numbered: BTreeSet<(Seq, PathBuf)>,
    /// Which files of the single snapshot there are.
    single: Vec<&'static str>,
    /// What `snapshot.seq` says, if it is a number.
    single_seq: Option<Seq>,
    /// They may be of this journal or of another.
    shared: bool,
}

impl OldSnapshots {
    pub(super) fn among(
        storage: &dyn Storage,
        names: &Names,
        listed: &[String],
    ) -> Result<OldSnapshots, MiniStateError> {
        let dir = names.dir().to_path_buf();
        let others = || listed.iter().filter(|name| names.kind(name).is_none());
        let numbered = others().filter_map(|name| Some((number(name)?, dir.join(name)))).collect();
        let is_there = |file: &&str| others().any(|name| name == *file);
        let mut single: Vec<_> = [STATE, STATE_BEING_WRITTEN, SEQ_BEING_WRITTEN, SEQ]
            .into_iter()
            .filter(is_there)
            .collect();
        if !single.iter().any(|name| SIGNS.contains(name)) {
            single.clear();
        }
        let mut found = OldSnapshots { dir, numbered, single, single_seq: None, shared: false };
        if !found.numbered.is_empty() || !found.single.is_empty() {
            found.shared = files::is_shared(storage, names, listed)?;
        }
        if found.single.contains(&SEQ) {
            found.single_seq = read_seq(storage, &found.dir.join(SEQ))?;
        }
        Ok(found)
    }

    /// The last mutation that each snapshot says it holds, and the file that says so, the newest
    /// first.
    pub(super) fn claims(&self) -> impl Iterator<Item = (Seq, PathBuf)> {
        let single = self.single_seq.map(|seq| (seq, self.dir.join(SEQ)));
        let claims: BTreeSet<_> = self.numbered.iter().cloned().chain(single).collect();
        claims.into_iter().rev().filter(|_| !self.shared)
    }

    /// The files to put away, but for the signs.
    pub(super) fn files(&self) -> impl Iterator<Item = PathBuf> {
        let single = self.single.iter().filter(|name| !SIGNS.contains(name));
        let single = single.map(|name| self.dir.join(name));
        let numbered = self.numbered.iter().map(|(_, path)| path.clone());
        numbered.chain(single).filter(|_| !self.shared)
    }

    /// The files to put away that say that `snapshot.json` is of 0.1.
    pub(super) fn signs(&self) -> impl Iterator<Item = PathBuf> {
        let signs = self.single.iter().filter(|name| SIGNS.contains(name));
        signs.map(|name| self.dir.join(name)).filter(|_| !self.shared)
    }

    fn single_is_half_replaced(&self) -> bool {
        [STATE_BEING_WRITTEN, SEQ_BEING_WRITTEN].iter().any(|name| self.single.contains(name))
    }
}

/// Makes of the JSON of a state, in this file, what is wanted of it.
pub(super) type Decode<'a, S> = &'a dyn Fn(&Json, &Path) -> Result<S, MiniStateError>;

/// The newest snapshot that can be read.
pub(super) struct Newest<S> {
    /// The last mutation that it holds, and its state; `None` where there is no such snapshot.
    pub(super) sound: Option<(Seq, S)>,
    /// The newer ones, which cannot be read.
    pub(super) rejected: Vec<RejectedSnapshot>,
}

/// Finds the snapshot that the import begins with. `decode` has to accept its state.
pub(super) fn newest_sound<S>(
    storage: &dyn Storage,
    old: &OldFiles,
    decode: Decode<'_, S>,
) -> Result<Newest<S>, MiniStateError> {
    let snapshots = &old.snapshots;
    let mut candidates: Vec<(Option<Seq>, &Path)> =
        snapshots.numbered.iter().map(|(seq, path)| (Some(*seq), path.as_path())).collect();
    let single = snapshots.dir.join(STATE);
    if snapshots.single.contains(&STATE) {
        candidates.push((snapshots.single_seq, &single));
    }
    candidates.sort();
    let mut rejected = Vec::new();
    for (seq, path) in candidates.into_iter().rev() {
        match sound(storage, snapshots, seq, path, decode) {
            Ok(found) => return Ok(Newest { sound: Some(found), rejected }),
            Err(error @ MiniStateError::Io { .. }) => return Err(error),
            Err(why) => {
                let (path, why) = (path.to_path_buf(), Some(Box::new(why)));
                rejected.push(RejectedSnapshot { path, why });
            }
        }
    }
    Ok(Newest { sound: None, rejected })
}

fn sound<S>(
    storage: &dyn Storage,
    snapshots: &OldSnapshots,
    seq: Option<Seq>,
    path: &Path,
    decode: Decode<'_, S>,
) -> Result<(Seq, S), MiniStateError> {
    let unsound = |what| MiniStateError::Corrupt {
        at: Position { file: path.to_path_buf(), line: 1, byte: 0 },
        seq: 0,
        what,
    };
    if snapshots.shared {
        return Err(unsound("the snapshot may be of another journal in the directory"));
    }
    if snapshots.numbered.iter().any(|(_, numbered)| numbered == path) {
        let snapshot = read(storage, path)?;
        let held = snapshot.member("seq").and_then(Json::number);
        let (Some(held), Some(state)) = (held, snapshot.member("state")) else {
            return Err(unsound("the snapshot does not hold `seq` and `state`"));
        };
        if seq != Some(held) {
            return Err(unsound("the snapshot bears the name of another"));
        }
        return Ok((held, decode(state, path)?));
    }
    if snapshots.single_is_half_replaced() {
        // Its two files are given their names one after the other, so they may not belong together.
        return Err(unsound("the snapshot was not replaced as a whole"));
    }
    match seq {
        Some(seq) => Ok((seq, decode(&read(storage, path)?, path)?)),
        None => Err(unsound("`snapshot.seq` beside the snapshot holds no number")),
    }
}

fn read(storage: &dyn Storage, path: &Path) -> Result<Json, MiniStateError> {
    let content = storage::read_all(storage, path)
        .map_err(MiniStateError::io("reading the snapshot", path))?;
    Json::parse(&content).ok_or_else(|| MiniStateError::Corrupt {
        at: Position { file: path.to_path_buf(), line: 1, byte: 0 },
        seq: 0,
        what: "the snapshot is not JSON",
    })
}

/// The state, which has the version that all states had before they had one.
pub(super) fn decode<S: DeserializeOwned, M: Mutator<S>>(
    state: &Json,
    path: &Path,
) -> Result<S, MiniStateError> {
    recovery::decode_version::<S, M>(1, state.to_string().as_bytes(), path)
}

fn read_seq(storage: &dyn Storage, path: &Path) -> Result<Option<Seq>, MiniStateError> {
    let content = storage::read_all(storage, path).map_err(MiniStateError::io("reading", path))?;
    Ok(str::from_utf8(&content).ok().and_then(|digits| digits.trim().parse().ok()))
}

/// The sequence number in a name such as `snapshot_00000000000000000042.json`. Another codec than
/// JSON has another ending, or none.
fn number(name: &str) -> Option<Seq> {
    let (digits, ending) = name.strip_prefix("snapshot_")?.split_at_checked(20)?;
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && (ending.is_empty() || ending.starts_with('.'))).then(|| digits.parse().ok())?
}
