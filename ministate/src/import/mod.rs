//! Takes over a directory of ministate 0.1: the old files are read, the history goes on in ours.
//!
//! Nothing in the old files is changed. They are read to the end first, so that whatever is refused
//! is refused before anything is written. Then ours are published beside them: a snapshot of the
//! state that they hold, and an empty segment behind it in the role of the `next` one. The import
//! is decided at the moment at which the old journal gives its name free: until then the next
//! opening starts over, and from then on it only puts the rest away. All names are given within one
//! directory, where a rename is atomic: a crash loses no file.

#[cfg(feature = "inspect")]
pub(crate) mod carried;
mod files;
mod records;
mod snapshots;

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::MiniStateError;
use crate::journal::{self, Names};
use crate::mutation::Mutator;
use crate::observation::Torn;
use crate::record::Chain;
use crate::recovery::{Imported, Progress, TornTail};
use crate::storage::Storage;
use crate::upkeep;

use files::{OldFiles, Stage};
use records::Replayed;
use snapshots::Newest;

/// Whether there is a journal of ministate 0.1 under the journal's name.
pub(crate) fn is_due(storage: &dyn Storage, names: &Names) -> Result<bool, MiniStateError> {
    match files::stage(storage, names)? {
        Stage::Old(_) => Ok(true),
        Stage::Switching(_) | Stage::Ours => Ok(false),
    }
}

/// Makes ours of a directory of ministate 0.1, for recovery to read as any other. `None` where
/// there is nothing to take over; what was torn off the end of the old journal comes beside.
pub(crate) fn take_over<S, M>(
    storage: &Arc<dyn Storage>,
    names: &Names,
    initial: impl FnOnce() -> S,
    on_progress: &dyn Fn(Progress),
) -> Result<Option<(Imported, Option<TornTail>)>, MiniStateError>
where
    S: Serialize + DeserializeOwned,
    M: Mutator<S> + Serialize + DeserializeOwned,
{
    let storage = &**storage;
    match files::stage(storage, names)? {
        Stage::Ours => Ok(None),
        Stage::Old(old) => begin::<S, M>(storage, names, &old, initial, on_progress).map(Some),
        Stage::Switching(old) => {
            old.put_away(storage, names)?;
            let kept = files::kept(storage, names)?;
            let mutations = old.newest_of_ours.unwrap_or(0);
            let imported = Imported { mutations, snapshot: None, rejected_snapshots: vec![], kept };
            // Where nothing is kept, the old journal was one of ours.
            Ok((!imported.kept.is_empty()).then_some((imported, None)))
        }
    }
}

fn begin<S, M>(
    storage: &dyn Storage,
    names: &Names,
    old: &OldFiles,
    initial: impl FnOnce() -> S,
    on_progress: &dyn Fn(Progress),
) -> Result<(Imported, Option<TornTail>), MiniStateError>
where
    S: Serialize + DeserializeOwned,
    M: Mutator<S> + Serialize + DeserializeOwned,
{
    let Newest { sound, rejected: rejected_snapshots } =
        snapshots::newest_sound(storage, old, &snapshots::decode::<S, M>)?;
    let (snapshot, mut state) = match sound {
        Some((seq, state)) => (Some(seq), state),
        None => (None, initial()),
    };
    let behind = snapshot.unwrap_or(0);
    let Replayed { seq, torn } =
        records::replay::<S, M>(storage, names, old, behind, &mut state, on_progress)?;
    refuse_lost_tail(names, old, seq)?;
    names.observer().rejected(&rejected_snapshots);

    let identity = format!("{:016x}{:016x}", storage.unique(), storage.unique());
    upkeep::publish::<S, M>(storage, names, &identity, (seq, Chain::START), &state)?;
    journal::publish_next(storage, names, &identity, seq, &M::__schema())?;
    let renamed = old.put_away(storage, names)?;
    let torn_tail = torn.and_then(|(path, bytes)| {
        let (_, kept_in) = renamed.into_iter().find(|(from, _)| *from == path)?;
        let (file, byte) = (&*kept_in, None);
        names.observer().torn_tail(&Torn { file, byte, bytes, after: seq, kept_in: file });
        Some(TornTail { after: seq, bytes, kept_in })
    });
    let kept = files::kept(storage, names)?;
    Ok((Imported { mutations: seq, snapshot, rejected_snapshots, kept }, torn_tail))
}

/// Refuses a journal that ends before one of its snapshots, or before an earlier import of it.
fn refuse_lost_tail(names: &Names, old: &OldFiles, found: u64) -> Result<(), MiniStateError> {
    let ours = old.newest_of_ours.map(|seq| (seq, names.snapshot(seq)));
    match old.snapshots.claims().chain(ours).find(|(seq, _)| *seq > found) {
        Some((synced, path)) => Err(MiniStateError::LostTail { path, found, synced }),
        None => Ok(()),
    }
}
