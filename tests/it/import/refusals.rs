//! Which old journals are refused, and by which place?

use std::fs;

use ministate::{MiniStateError, Mutator};
use ministate_tests::Counter;
use serde::{Deserialize, Serialize};

use super::{JOURNAL, copied, counter, files, fixture, opened, reached, refused};

#[test]
fn a_segment_that_0_1_has_removed_is_missed() {
    let dir = copied("rotated_and_removed");
    match refused(dir.path()) {
        MiniStateError::Missing { path, seq: 1 } => {
            assert_eq!(path, dir.path().join("counter.wal.jsonl.000001"));
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_segment_that_is_missing_in_between_is_missed() {
    let dir = copied("rotated");
    fs::remove_file(dir.path().join("counter.wal.jsonl.000002")).unwrap();
    match refused(dir.path()) {
        MiniStateError::Missing { path, seq: 4 } => {
            assert_eq!(path, dir.path().join("counter.wal.jsonl.000002"));
        }
        other => panic!("{other}"),
    }
}

#[test]
fn two_segments_with_one_number_are_refused() {
    let dir = copied("rotated");
    fs::copy(dir.path().join(JOURNAL), dir.path().join("counter.wal.jsonl.002")).unwrap();
    assert!(matches!(refused(dir.path()), MiniStateError::Corrupt { seq: 6, .. }));
}

#[test]
fn a_journal_that_ends_before_an_old_snapshot_has_lost_its_tail() {
    for (case, file, synced) in [
        ("snapshot", "snapshot.seq", 3),
        ("numbered_snapshots", "snapshot_00000000000000000004.json", 4),
    ] {
        let dir = copied(case);
        fs::write(dir.path().join(JOURNAL), "// MINISTORE JOURNAL v0.1.4\n{\"by\":1}\n").unwrap();
        match refused(dir.path()) {
            MiniStateError::LostTail { path, found: 1, synced: said } => {
                assert_eq!((path, said), (dir.path().join(file), synced));
            }
            other => panic!("{other}"),
        }
    }
}

#[test]
fn a_line_that_is_not_a_record_is_refused_by_its_place() {
    for (line, bad) in [
        (3, "{\"by\":1"),
        (3, ""),
        (3, "by"),
        (4, "{\"by\":1{\"by\":2}"),
        (4, "{\"by\":1}}"),
        (3, "\0\0\0"),
        (3, "// MINISTORE"),
    ] {
        let dir = copied("counter");
        let text = String::from_utf8(fixture("counter")[JOURNAL].clone()).unwrap();
        let mut lines: Vec<&str> = text.lines().collect();
        lines[line - 1] = bad;
        fs::write(dir.path().join(JOURNAL), lines.join("\n") + "\n").unwrap();
        match refused(dir.path()) {
            MiniStateError::Corrupt { at, seq, .. } => {
                assert_eq!(at.file, dir.path().join(JOURNAL), "{bad:?}");
                assert_eq!((at.line, seq), (line as u64, line as u64 - 1), "{bad:?}");
                let before: usize = lines[..line - 1].iter().map(|line| line.len() + 1).sum();
                assert_eq!(at.byte, before as u64, "{bad:?}");
            }
            other => panic!("{bad:?}: {other}"),
        }
    }
}

#[test]
fn an_inner_segment_that_was_cut_is_refused() {
    let dir = copied("rotated");
    let path = dir.path().join("counter.wal.jsonl.000001");
    let content = fs::read(&path).unwrap();
    fs::write(&path, &content[..content.len() - 3]).unwrap();
    match refused(dir.path()) {
        MiniStateError::Corrupt { at, seq: 3, .. } => assert_eq!((at.file, at.line), (path, 4)),
        other => panic!("{other}"),
    }
}

#[test]
fn an_old_record_that_this_program_does_not_know_is_refused_by_its_place() {
    for bad in ["{\"unheard\":\"of\"}\n", "{\"unheard\":\"of\"}"] {
        let dir = copied("counter");
        let mut content = fixture("counter")[JOURNAL].clone();
        content.extend(bad.as_bytes());
        fs::write(dir.path().join(JOURNAL), content).unwrap();
        match refused(dir.path()) {
            MiniStateError::Undecodable { at, seq: 4, .. } => assert_eq!(at.line, 5),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn a_handler_that_panics_at_an_old_record_changes_nothing() {
    #[derive(Serialize, Deserialize)]
    struct Picky {
        by: u64,
    }

    impl Mutator<Counter> for Picky {
        fn apply(&self, _counter: &mut Counter) {
            assert!(self.by < 100, "too much");
        }
    }

    let dir = copied("counter");
    match opened::<Counter, Picky>(dir.path(), JOURNAL) {
        Err(MiniStateError::HandlerPanicked { seq: 3, .. }) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(files(dir.path())[JOURNAL], fixture("counter")[JOURNAL]);
    assert_eq!(reached(&counter(dir.path())), (111, 3));
}

#[test]
fn an_old_journal_in_the_place_of_ours_is_damage() {
    let dir = copied("counter");
    drop(counter(dir.path()));
    fs::write(dir.path().join(JOURNAL), &fixture("counter")[JOURNAL]).unwrap();
    assert!(matches!(refused(dir.path()), MiniStateError::Corrupt { .. }));
}
