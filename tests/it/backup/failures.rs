//! What do a power cut and a failing call leave of a backup, and of its journal?

use std::path::Path;

use ministate::storage::{Fault, Simulated, Storage};
use ministate::{MiniStateError, Options};
use ministate_tests::{JOURNAL, List, Lists, Push, entries, open_simulated, push};

use super::{all_of, open_in, push_all};

fn before_a_backup() -> (Simulated, Lists) {
    let disk = Simulated::new();
    let lists = open_simulated(&disk, 600).unwrap();
    push_all(&lists, 0..10);
    lists.blocking_create_snapshot().unwrap();
    push_all(&lists, 10..20);
    (disk, lists)
}

/// The copy is whole, or is refused, or was not begun; returns whether it is whole.
fn is_whole_or_no_journal(disk: &Simulated, story: &str) -> bool {
    let options = Options::new().storage(disk.clone());
    match options.blocking_read_only::<List, Push>("copy", JOURNAL) {
        Ok(copy) => {
            assert_eq!(copy.read(|list| list.entries.clone()), all_of(20), "{story}");
            assert_eq!(copy.blocking_state_at(5).unwrap().entries, all_of(5), "{story}");
            let copy = open_in(disk, "copy").unwrap();
            assert_eq!(copy.blocking_apply(push(20)).unwrap(), 21, "{story}");
            true
        }
        Err(MiniStateError::NoJournal { .. }) => {
            // Nothing that a manager would take for the beginning of a journal.
            let listed = disk.list(Path::new("copy")).unwrap_or_default();
            let begun = |name: &String| !name.ends_with(".tmp") && !name.ends_with(".lock");
            assert!(!listed.iter().any(begun), "{story}: {listed:?}");
            false
        }
        Err(refused) => {
            let error = open_in(disk, "copy").expect_err(story);
            assert_eq!(error.to_string(), refused.to_string(), "{story}");
            // What makes it whole comes last.
            assert!(disk.content(Path::new("copy").join(JOURNAL)).is_none(), "{story}: {refused}");
            false
        }
    }
}

#[test]
fn a_power_cut_during_a_backup_leaves_the_journal_sound_and_no_shorter_copy() {
    let mut whole = 0;
    let calls = {
        let (disk, lists) = before_a_backup();
        let before = disk.calls();
        lists.blocking_backup("copy").unwrap();
        disk.calls() - before
    };
    assert!(calls > 50);
    for call in 0..=calls {
        for seed in 0..8 {
            let story = format!("call {call}, seed {seed}");
            let (disk, lists) = before_a_backup();
            disk.cut_power_at(disk.calls() + call);
            let acknowledged = lists.blocking_backup("copy").is_ok();
            let disk = disk.restarted(seed);
            assert_eq!(entries(&open_simulated(&disk, 600).unwrap()), all_of(20), "{story}");
            let is_whole = is_whole_or_no_journal(&disk, &story);
            assert!(is_whole || !acknowledged, "{story}");
            whole += usize::from(is_whole);
        }
    }
    assert!(whole >= 8);
}

#[test]
fn a_failing_call_during_a_backup_takes_nothing_from_the_journal() {
    let calls = {
        let (disk, lists) = before_a_backup();
        let before = disk.calls();
        lists.blocking_backup("copy").unwrap();
        disk.calls() - before
    };
    for call in 0..calls {
        for fault in [Fault::Fails, Fault::Full] {
            let story = format!("call {call}, {fault:?}");
            let (disk, lists) = before_a_backup();
            disk.fail_at(disk.calls() + call, fault);
            let acknowledged = lists.blocking_backup("copy").is_ok();
            assert_eq!(entries(&lists), all_of(20), "{story}");
            drop(lists);
            assert_eq!(entries(&open_simulated(&disk, 600).unwrap()), all_of(20), "{story}");
            assert!(is_whole_or_no_journal(&disk, &story) || !acknowledged, "{story}");
        }
    }
}
