//! Every single damage to small journals is refused by name, or changes nothing, or is what a power
//! cut leaves too.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use ministate::__private::{Bug, planted_now, with_bug};
use ministate::MiniStateError;
use ministate::storage::Simulated;
use ministate_tests::{entries, push};

use crate::directory::{Damage, Directory, End, Thoroughness, directories};
use crate::{Finding, on_all_cores};

/// What was looked at.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// Different damaged directories.
    pub openings: u64,
    /// Of them, those that were refused with a typed error and left as they were.
    pub refused: u64,
    /// Those that opened with all that was there, and went on from it.
    pub same: u64,
    /// Those that opened without batches that no mark covered: a power cut leaves the same bytes. By
    /// what was done.
    pub undecidable: BTreeMap<String, u64>,
}

impl fmt::Display for Counts {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { openings, refused, same, undecidable } = self;
        write!(
            out,
            "{openings} damaged openings: {refused} refused, {same} with the same state, {} that \
             cannot be told from a power cut {undecidable:?}",
            undecidable.values().sum::<u64>()
        )
    }
}

/// How many damages a thread takes at a time.
const CHUNK: usize = 64;

/// Tries every damage to every directory, on all cores. The program that opens them may have a bug.
pub fn explore(thoroughness: Thoroughness, bug: Option<Bug>) -> Result<Counts, Finding> {
    let directories: Vec<(Directory, Vec<Damage>)> = directories()
        .into_iter()
        .map(|directory| {
            let damages = directory.damages(thoroughness);
            (directory, damages)
        })
        .collect();
    let sizes = directories.iter().map(|(_, damages)| damages.len());
    let chunks: Vec<(usize, usize)> = sizes
        .enumerate()
        .flat_map(|(directory, size)| (0..size).step_by(CHUNK).map(move |at| (directory, at)))
        .collect();
    let (next, found, totals) = (AtomicUsize::new(0), Mutex::new(None), Totals::default());
    let work = || {
        while found.lock().unwrap().is_none() {
            let Some((index, first)) = chunks.get(next.fetch_add(1, Ordering::Relaxed)).copied()
            else {
                return;
            };
            let (directory, damages) = &directories[index];
            for (at, damage) in damages.iter().enumerate().skip(first).take(CHUNK) {
                if let Err(what) = check(directory, damage, &totals) {
                    found.lock().unwrap().get_or_insert(finding((index, at), &what));
                }
            }
        }
    };
    on_all_cores(bug, work);
    match found.into_inner().unwrap() {
        Some(finding) => Err(finding),
        None => Ok(totals.counts()),
    }
}

/// Tries one damage again.
pub fn explore_one(at: (usize, usize), bug: Option<Bug>) -> Result<Counts, Finding> {
    let totals = Totals::default();
    let directory = &directories()[at.0];
    let damage = &directory.damages(Thoroughness::Bytes)[at.1];
    with_bug(bug, || check(directory, damage, &totals).map_err(|what| finding(at, &what)))?;
    Ok(totals.counts())
}

fn finding((directory, damage): (usize, usize), what: &str) -> Finding {
    let bug = planted_now().map_or(String::new(), |bug| format!(" {bug:?}"));
    let replay =
        format!("cargo run --release -p ministate-proof -- damage {directory}.{damage}{bug}");
    Finding { story: what.to_string(), replay }
}

#[derive(Default)]
struct Totals {
    seen: Mutex<HashSet<u64>>,
    refused: AtomicU64,
    same: AtomicU64,
    undecidable: Mutex<BTreeMap<String, u64>>,
}

impl Totals {
    fn counts(&self) -> Counts {
        Counts {
            openings: self.seen.lock().unwrap().len() as u64,
            refused: self.refused.load(Ordering::Relaxed),
            same: self.same.load(Ordering::Relaxed),
            undecidable: self.undecidable.lock().unwrap().clone(),
        }
    }
}

/// Opens the directory with the damage. What is wrong then is said in the error.
fn check(directory: &Directory, damage: &Damage, totals: &Totals) -> Result<(), String> {
    let disk = directory.damaged(damage);
    let digest = disk.digest();
    if digest == directory.disk.digest() || !totals.seen.lock().unwrap().insert(digest) {
        return Ok(());
    }
    let Directory { story, end, mutations, .. } = directory;
    let refuse = |what: String| Err(format!("{story:?}, {end:?}, {damage:?}: {what}"));
    let lists = match directory.open(&disk, 1) {
        Ok(lists) => lists,
        Err(error @ (MiniStateError::Io { .. } | MiniStateError::BadName { .. })) => {
            return refuse(format!("refused, but not for its damage: {error}"));
        }
        Err(error) if disk.digest() != digest => {
            return refuse(format!("refused, and changed: {error}"));
        }
        Err(_) => {
            totals.refused.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
    };
    let found = entries(&lists);
    let length = found.len() as u64;
    if !found.iter().copied().eq(0..length) || lists.sequence() != length {
        return refuse(format!("found {found:?} at {}", lists.sequence()));
    }
    if length == *mutations {
        totals.same.fetch_add(1, Ordering::Relaxed);
    } else if length < *mutations && *end == End::Killed && damage.may_look_torn() {
        *totals.undecidable.lock().unwrap().entry(damage.name()).or_default() += 1;
    } else {
        return refuse(format!("found {length} of {mutations} mutations"));
    }
    // What can be opened goes on, and nothing that it needs is put away.
    if let Err(error) = lists.blocking_apply(push(length)) {
        return refuse(format!("opened, but the next mutation failed: {error}"));
    }
    drop(lists.blocking_compact());
    drop(lists);
    match directory.open(&restarted(&disk), 1) {
        Ok(lists) if entries(&lists).into_iter().eq(0..=length) => Ok(()),
        Ok(lists) => refuse(format!("{length} and one, and then {:?}", entries(&lists))),
        Err(error) => refuse(format!("opened, but not a second time: {error}")),
    }
}

/// The disk without anything that was not synced.
fn restarted(disk: &Simulated) -> Simulated {
    disk.moment().crash_states(1).remove(0).disk
}
