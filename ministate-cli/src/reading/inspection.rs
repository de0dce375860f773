//! Is a journal sound, and would a manager open it?

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use ministate::MiniStateError;
use ministate::inspect::{Opening, Reach, opened_strictly};
use ministate::storage::Storage;

use super::damage::Damage;
use super::directory::Files;
use super::every_damage::{Found, every_damage};
use super::journal::segments;
use super::lock::{Holder, holder};
use crate::failure::Failure;
use crate::progress::Progress;

/// What is wrong with a journal, and what the library says of it.
#[derive(Debug)]
pub(crate) struct Inspection {
    pub(crate) found: Found,
    /// What opening it finds, or why it is refused. Damage that recovery does not read is no reason.
    pub(crate) opening: Result<Opening, MiniStateError>,
}

/// How long a writer gets to complete what it was seen in the middle of.
const PAUSE: Duration = Duration::from_millis(20);

/// Checks every checksum of every file.
///
/// The library reads it all first, from the oldest record on. Only where it refuses, or a snapshot
/// is unsound, is everything read again by who goes on behind damage.
pub(crate) fn inspected(
    storage: &Arc<dyn Storage>,
    files: &Files,
    on_progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<Inspection, Failure> {
    let refused = match opened_strictly(storage, &files.layout, Reach::Everything, on_progress) {
        Ok(opening) => {
            let unsound = opening.snapshots.iter().filter_map(|snapshot| snapshot.unsound.as_ref());
            let damages = unsound.filter_map(Damage::of_error).collect();
            let reach = (opening.last >= opening.first).then_some((opening.first, opening.last));
            let records = opening.records;
            let found = Found { damages, records, reach, ..Found::default() };
            return Ok(Inspection { found, opening: Ok(opening) });
        }
        Err(error) => error,
    };
    if Damage::of_error(&refused).is_none() {
        return Err(refused.into());
    }
    let mut found = every_damage(&**storage, files, on_progress)?;
    if holder(&files.layout.lock()) != Holder::Nobody {
        // What is being written can look like damage for a moment.
        thread::sleep(PAUSE);
        let again = every_damage(&**storage, &files.again(&**storage)?, on_progress)?;
        let is_there = |damage: &Damage| found.damages.contains(damage);
        let damages = again.damages.iter().filter(|damage| is_there(damage)).cloned().collect();
        found = Found { damages, ..again };
    }
    let opening = opening_of(storage, files);
    for error in [Some(&refused), opening.as_ref().err()].into_iter().flatten() {
        // Whatever the library refuses is said, whether or not the search came upon it.
        let damage = Damage::of_error(error);
        let is_said = |damage: &Damage| found.damages.iter().any(|other| other.is_where(damage));
        if let Some(damage) = damage.filter(|damage| !is_said(damage)) {
            found.damages.insert(0, damage);
        }
    }
    Ok(Inspection { found, opening })
}

/// Checks every checksum of every file, with a bar where that is long, and refuses damage.
pub(crate) fn inspected_sound(storage: &Arc<dyn Storage>, files: &Files) -> Result<(), Failure> {
    let bytes = segments(&**storage, files)?.iter().map(|segment| segment.bytes).sum();
    let progress = Progress::of_bytes(bytes);
    let found = inspected(storage, files, &|done, total| progress.reached(done, total))?.found;
    match found.damages.first() {
        None => Ok(()),
        Some(first) => Err(Failure::Damaged {
            journal: files.layout.active(),
            damage: Box::new(first.clone()),
            damages: found.damages.len(),
        }),
    }
}

/// What opening the journal finds, or why it is refused.
pub(crate) fn opening_of(
    storage: &Arc<dyn Storage>,
    files: &Files,
) -> Result<Opening, MiniStateError> {
    opened_strictly(storage, &files.layout, Reach::Recovery, &|_, _| {})
}
