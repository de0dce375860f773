//! A writer that opens what another has left can write the newest segment again, into a new file.

use ministate::MiniStateError;
use ministate::storage::{Access, Simulated, Storage};
use ministate_tests::{JOURNAL, open_simulated};

use super::{Following, all_of, follow, looking_often, push_all, seen};

#[test]
fn a_torn_tail_that_the_next_writer_cuts_does_not_hold_a_follower_up() {
    let disk = Simulated::new();
    let lists = open_simulated(&disk, 1 << 20).unwrap();
    push_all(&lists, 0..3);
    let path = lists.journal_path().to_path_buf();
    drop(lists);
    let content = disk.content(&path).unwrap();
    let end = content.iter().rposition(|byte| *byte != b'\n').unwrap() + 2;
    // As by a writer that was killed while it wrote.
    let file = disk.open(&path, Access::Write).unwrap();
    file.write_at(br#"{"seq":4,"at""#, end as u64).unwrap();
    let follower = follow(&disk);
    assert_eq!(seen(&follower), all_of(3));
    let lists = open_simulated(&disk, 1 << 20).unwrap();
    assert_eq!(lists.recovery().torn_tail.as_ref().unwrap().after, 3);
    assert!(lists.recovery().rewritten_bytes > 0);
    push_all(&lists, 3..6);
    follower.blocking_wait_for(6).unwrap();
    assert_eq!((seen(&follower), follower.status().reloads), (all_of(6), 0));
}

#[test]
fn a_follower_of_nothing_says_that_there_is_no_journal() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), Simulated::new());
    let refused = [
        looking_often().blocking_follow(dir.path(), JOURNAL),
        looking_often().blocking_follow(dir.path().join("missing"), JOURNAL),
        looking_often().storage(disk).blocking_follow("lists", JOURNAL),
    ];
    for refused in refused.map(|follower: Result<Following, _>| follower.unwrap_err()) {
        assert!(matches!(refused, MiniStateError::NoJournal { .. }), "{refused}");
    }
    assert_eq!(dir.path().read_dir().unwrap().count(), 0);
}
