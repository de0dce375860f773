//! Which is the longest sound history that the files hold? Pure.
//!
//! A history is a snapshot and the records behind it. The longest one is that which reaches the
//! last mutation, whichever snapshot it begins with: what a mutation did is in every snapshot
//! behind it, so a newer snapshot with nothing behind it holds more than older records without it.
//! Records before a gap then stay behind, and nothing that they did is lost. Where two reach as far,
//! the one with more records is kept, so that earlier states can be built too.
//!
//! - A segment goes on where the one before it ends: with the next mutation, and the checksum of the
//!   record before it. Files are taken for what they say, whatever their names are.
//! - A history begins with a header and not within a segment: snapshots are made of sealed segments,
//!   so the record behind one is the first of its segment.
//! - A snapshot is a part of the history if the record there has the checksum that it names. One
//!   that is newer than all records has only its own checksums for it, as in recovery.
//! - All is of one journal: of that which most files are of, as for `verify`. The longest history of
//!   a stranger's file is none of this journal.

use std::collections::BTreeMap;
use std::path::PathBuf;

use ministate::inspect::Chain;

use super::stretch::Stretch;

/// A snapshot whose own checksums are right.
#[derive(Debug, Clone)]
pub(crate) struct KnownSnapshot {
    pub(crate) seq: u64,
    pub(crate) path: PathBuf,
    /// The checksum of the record there, as it says.
    pub(crate) record: Chain,
}

/// A history.
#[derive(Debug)]
pub(crate) struct History {
    /// At least one.
    pub(crate) snapshots: BTreeMap<u64, PathBuf>,
    /// In order; where there is none, the only snapshot is all there is.
    pub(crate) stretches: Vec<Stretch>,
    /// The checksum of the record before the first stretch.
    pub(crate) previous: Chain,
    /// The last mutation.
    pub(crate) last: u64,
}

/// The longest history; `None` where no snapshot is sound, or none is reached.
pub(crate) fn longest(mut stretches: Vec<Stretch>, snapshots: &[KnownSnapshot]) -> Option<History> {
    stretches.sort_by_key(|stretch| (stretch.header.first, stretch.last));
    let mut best: Option<History> = None;
    for run in runs(&stretches) {
        let history = of_run(&run, snapshots);
        best = better(best, history);
    }
    let newest = snapshots.iter().max_by_key(|snapshot| snapshot.seq);
    better(best, newest.map(of_snapshot))
}

/// Every stretch with all those that lead to it.
fn runs(stretches: &[Stretch]) -> Vec<Vec<&Stretch>> {
    let mut runs: Vec<Vec<&Stretch>> = Vec::with_capacity(stretches.len());
    for stretch in stretches {
        let leads_to = |run: &&Vec<&Stretch>| {
            run.last().is_some_and(|before| {
                before.last + 1 == stretch.header.first && before.record == stretch.header.previous
            })
        };
        let longest = runs.iter().filter(leads_to).max_by_key(|run| run.len());
        let mut run = longest.cloned().unwrap_or_default();
        run.push(stretch);
        runs.push(run);
    }
    runs
}

/// The history of the run, with all snapshots that are a part of it.
fn of_run(run: &[&Stretch], snapshots: &[KnownSnapshot]) -> Option<History> {
    let is_of = |snapshot: &&KnownSnapshot| {
        let named = run.iter().find_map(|stretch| stretch.named.get(&snapshot.seq));
        named == Some(&snapshot.record)
    };
    let snapshots: BTreeMap<u64, PathBuf> = snapshots
        .iter()
        .filter(is_of)
        .map(|snapshot| (snapshot.seq, snapshot.path.clone()))
        .collect();
    let (first, last) = (run.first()?, run.last()?.last);
    let previous = first.header.previous;
    let stretches = run.iter().map(|stretch| (*stretch).clone()).collect();
    (!snapshots.is_empty()).then_some(History { snapshots, stretches, previous, last })
}

/// The history that is a snapshot and nothing more.
fn of_snapshot(snapshot: &KnownSnapshot) -> History {
    let snapshots = BTreeMap::from([(snapshot.seq, snapshot.path.clone())]);
    let (previous, last) = (snapshot.record, snapshot.seq);
    History { snapshots, stretches: Vec::new(), previous, last }
}

/// The longer one.
fn better(one: Option<History>, other: Option<History>) -> Option<History> {
    let reach = |history: &History| {
        let first = history.stretches.first().map_or(u64::MAX, |stretch| stretch.header.first);
        (history.last, std::cmp::Reverse(first), history.snapshots.len())
    };
    match (one, other) {
        (Some(one), Some(other)) if reach(&other) > reach(&one) => Some(other),
        (Some(one), _) => Some(one),
        (None, other) => other,
    }
}

#[cfg(test)]
mod tests {
    use ministate::inspect::Header;

    use super::*;

    /// A checksum of its own for each name.
    fn chain(name: &str) -> Chain {
        Chain::START.continued(name.as_bytes(), &mut Vec::new())
    }

    /// A segment with the mutations from the one to the other, of a history with this name.
    fn stretch(history: &str, first: u64, last: u64) -> Stretch {
        let at = |seq: u64| match seq {
            0 => Chain::START,
            seq => chain(&format!("{history} {seq}")),
        };
        let (journal, previous, chain) = (String::new(), at(first - 1), chain("header"));
        let operations = BTreeMap::new();
        let header = Header { journal, first, previous, by: None, operations, chain };
        let named = (first - 1..=last).map(|seq| (seq, at(seq))).collect();
        let (path, lines) = (PathBuf::from(format!("{history} {first}")), Vec::new());
        Stretch { path, header, last, record: at(last), lines, named }
    }

    fn snapshot(history: &str, seq: u64) -> KnownSnapshot {
        let record = if seq == 0 { Chain::START } else { chain(&format!("{history} {seq}")) };
        KnownSnapshot { seq, path: PathBuf::from(format!("snapshot {seq}")), record }
    }

    /// The snapshots, the first mutations of the segments, and the last mutation.
    fn found(
        stretches: &[Stretch],
        snapshots: &[KnownSnapshot],
    ) -> Option<(Vec<u64>, Vec<u64>, u64)> {
        let history = longest(stretches.to_vec(), snapshots)?;
        let firsts = history.stretches.iter().map(|stretch| stretch.header.first).collect();
        Some((history.snapshots.into_keys().collect(), firsts, history.last))
    }

    #[test]
    fn a_sound_history_is_kept_as_a_whole() {
        let all = [stretch("a", 4, 6), stretch("a", 7, 7), stretch("a", 1, 3)];
        let snapshots = [snapshot("a", 0), snapshot("a", 3), snapshot("a", 7)];
        assert_eq!(found(&all, &snapshots), Some((vec![0, 3, 7], vec![1, 4, 7], 7)));
    }

    #[test]
    fn a_gap_ends_what_no_snapshot_spans() {
        let all = [stretch("a", 1, 3), stretch("a", 5, 9)];
        assert_eq!(found(&all, &[snapshot("a", 0)]), Some((vec![0], vec![1], 3)));
    }

    #[test]
    fn a_snapshot_that_spans_a_gap_is_followed_by_the_records_behind_it() {
        let all = [stretch("a", 1, 3), stretch("a", 5, 9)];
        let snapshots = [snapshot("a", 0), snapshot("a", 4)];
        assert_eq!(found(&all, &snapshots), Some((vec![4], vec![5], 9)));
    }

    #[test]
    fn a_snapshot_that_is_newer_than_all_sound_records_is_all_there_is() {
        let all = [stretch("a", 1, 3), stretch("a", 7, 7)];
        let snapshots = [snapshot("a", 0), snapshot("a", 5)];
        assert_eq!(found(&all, &snapshots), Some((vec![5], vec![], 5)));
    }

    #[test]
    fn records_are_kept_where_a_snapshot_reaches_no_further() {
        let all = [stretch("a", 1, 3)];
        let snapshots = [snapshot("a", 0), snapshot("a", 3)];
        assert_eq!(found(&all, &snapshots), Some((vec![0, 3], vec![1], 3)));
    }

    #[test]
    fn what_is_of_another_history_is_not_joined() {
        let all = [stretch("a", 1, 3), stretch("b", 4, 9)];
        let snapshots = [snapshot("a", 0), snapshot("b", 2)];
        assert_eq!(found(&all, &snapshots), Some((vec![0], vec![1], 3)));
    }

    #[test]
    fn of_two_files_for_one_place_the_longer_one_is_kept() {
        let all = [stretch("a", 1, 2), stretch("a", 1, 3), stretch("a", 4, 5)];
        assert_eq!(found(&all, &[snapshot("a", 0)]), Some((vec![0], vec![1, 4], 5)));
    }

    #[test]
    fn without_a_snapshot_that_is_reached_there_is_no_history() {
        assert_eq!(found(&[stretch("a", 4, 9)], &[]), None);
        assert_eq!(found(&[], &[]), None);
    }
}
