//! Is a segment missed that is gone, and refused that is not the one of its place?

use std::ops::Range;
use std::path::PathBuf;

use ministate::storage::Simulated;
use ministate::{MiniStateError, Options};
use ministate_tests::{JOURNAL, List, Push, open_simulated, push};

use super::{SEGMENT_BYTES, active, everything, journal, lines, path, refuse, refuse_at_line};

fn sealed(first: u64) -> PathBuf {
    path(&format!("list.wal.{first:020}.jsonl"))
}

#[test]
fn a_removed_segment_is_missed() {
    let sound = journal(60, SEGMENT_BYTES);
    let files = everything(&sound);
    let segments: Vec<&String> =
        files.iter().map(|(name, _)| name).filter(|name| name.ends_with(".jsonl")).collect();
    assert!(segments.len() > 4, "{segments:?}");
    for removed in segments {
        use ministate::storage::Storage;
        let disk = sound.restarted(1);
        disk.remove(&path(removed)).unwrap();
        match refuse(&disk) {
            MiniStateError::Missing { path: missing, seq } => {
                let header = String::from_utf8(sound.content(&missing).unwrap()).unwrap();
                assert!(header.contains(&format!(r#""first":{seq},"#)), "{seq}: {header}");
                assert_eq!(missing, path(removed));
            }
            other => panic!("{removed} removed: {other}"),
        }
    }
}

/// Once, such a journal opened as a new and empty one.
#[test]
fn the_only_segment_of_a_journal_is_missed() {
    use ministate::storage::Storage;
    let disk = journal(5, u64::MAX);
    disk.remove(&path(JOURNAL)).unwrap();
    match refuse(&disk) {
        MiniStateError::Missing { path: missing, seq: 1 } => assert_eq!(missing, path(JOURNAL)),
        other => panic!("{other}"),
    }
}

#[test]
fn what_follows_a_snapshot_is_missed_where_no_segment_is_left() {
    use ministate::storage::Storage;
    let disk = journal(5, u64::MAX);
    open_simulated(&disk, u64::MAX).unwrap().blocking_create_snapshot().unwrap();
    // Creating it may have sealed the segment.
    for (name, _) in everything(&disk).iter().filter(|(name, _)| name.ends_with(".jsonl")) {
        disk.remove(&path(name)).unwrap();
    }
    for head in ["there", "removed"] {
        if head == "removed" {
            disk.remove(&path("list.wal.head.json")).unwrap();
        }
        let view = Options::new().storage(disk.clone());
        let view = view.blocking_read_only::<List, Push>("lists", JOURNAL).map(drop);
        for error in [refuse(&disk), view.unwrap_err()] {
            match error {
                MiniStateError::Missing { path: missing, seq: 6 } => {
                    assert_eq!(missing, path(JOURNAL));
                }
                other => panic!("the head file is {head}: {other:?}"),
            }
        }
    }
}

/// A segment is sealed once its successor is there, so the successor was lost.
#[test]
fn the_successor_of_a_segment_that_was_being_sealed_is_missed() {
    use ministate::storage::Storage;
    let disk = journal(40, SEGMENT_BYTES);
    let header = String::from_utf8(active(&disk)).unwrap();
    let last_sealed = everything(&disk).into_iter().rfind(|(name, _)| name.contains("wal.0"));
    disk.rename(&path(&last_sealed.unwrap().0), &path(JOURNAL)).unwrap();
    match refuse(&disk) {
        MiniStateError::Missing { path: missing, seq } => {
            assert_eq!(missing, path("list.wal.next.jsonl"));
            assert!(header.contains(&format!(r#""first":{seq},"#)), "{seq}: {header}");
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_segment_under_the_name_of_another_is_refused() {
    let disk = journal(40, SEGMENT_BYTES);
    let (first, second) = (sealed(1), second_sealed(&disk));
    let (one, two) = (disk.content(&first).unwrap(), disk.content(&second).unwrap());
    disk.set_content(first, two);
    disk.set_content(second, one);
    assert!(matches!(refuse(&disk), MiniStateError::Corrupt { .. }));
}

/// A journal like any other but for its identity.
fn other_journal(mutations: u64, segment_bytes: u64) -> Simulated {
    use ministate::storage::Storage;
    let disk = Simulated::new();
    disk.unique();
    let lists = open_simulated(&disk, segment_bytes).unwrap();
    for entry in 0..mutations {
        lists.blocking_apply(push(entry)).unwrap();
    }
    disk.after_kill()
}

#[test]
fn a_segment_of_another_journal_is_refused() {
    let disk = journal(40, SEGMENT_BYTES);
    let other = other_journal(40, SEGMENT_BYTES);
    let second = second_sealed(&disk);
    disk.set_content(&second, other.content(&second).unwrap());
    assert!(matches!(refuse(&disk), MiniStateError::Corrupt { .. }));
}

#[test]
fn the_first_record_of_another_journal_is_refused() {
    let (disk, other) = (journal(1, u64::MAX), other_journal(1, u64::MAX));
    let (mut content, foreign) = (active(&disk), active(&other));
    let record = lines(&content).pop().unwrap();
    content.splice(record.clone(), foreign[record].to_vec());
    disk.set_content(path(JOURNAL), content);
    refuse_at_line(&disk, 2, 1);
}

#[test]
fn records_behind_the_end_of_a_sealed_segment_are_refused() {
    let disk = journal(40, SEGMENT_BYTES);
    let first = sealed(1);
    let sound = disk.content(&first).unwrap();
    let [.., last_record, end] = &lines(&sound)[..] else { unreachable!() };
    let begun = end.start..end.start + 10;
    for more in [b"x", &sound[last_record.clone()], &sound[begun]] {
        disk.set_content(&first, [&sound, more].concat());
        assert!(matches!(refuse(&disk), MiniStateError::Corrupt { .. }));
    }
}

/// All of it was synced before its successor was there, so no batch can be torn in it.
#[test]
fn a_sealed_segment_that_ends_with_the_beginning_of_a_record_is_refused() {
    let disk = journal(40, SEGMENT_BYTES);
    let (first, second) = (sealed(1), second_sealed(&disk));
    let (sound, next) = (disk.content(&first).unwrap(), disk.content(second).unwrap());
    let end = lines(&sound).pop().unwrap();
    let record = lines(&next)[1].clone();
    for bytes in [20, record.len() - 10] {
        let begun = [&sound[..end.start], &next[record.start..record.start + bytes]].concat();
        disk.set_content(&first, begun);
        assert!(matches!(refuse(&disk), MiniStateError::Corrupt { .. }), "{bytes} bytes");
    }
}

/// A segment begins with a new batch.
#[test]
fn a_batch_does_not_go_on_in_the_next_segment() {
    let journals = (2..60).map(|mutations| (mutations, journal(mutations, SEGMENT_BYTES)));
    let (mutations, disk) = journals
        .filter(|(_, disk)| disk.content(sealed(1)).is_some())
        .find(|(_, disk)| lines(&active(disk)).len() == 2)
        .unwrap();
    let sound = String::from_utf8(active(&disk)).unwrap();
    let mut lines = sound.lines();
    let (header, record) = (lines.next().unwrap(), lines.next().unwrap());
    let (covered, _) = record.split_once(r#","crc":"#).unwrap();
    let covered = covered.replacen(r#""at""#, r#""b":1,"at""#, 1);
    let previous = &header[header.len() - 10..header.len() - 2];
    let crc = crate::format::crc32c(format!("{previous}{covered}").as_bytes());
    let crafted = format!(r#"{covered},"crc":"{crc}"}}"#);
    disk.set_content(path(JOURNAL), sound.replace(record, &crafted).into_bytes());
    refuse_at_line(&disk, 2, mutations);
}

/// Both are of the same journal, as after a backup was restored and used beside it.
#[test]
fn a_segment_of_another_branch_of_the_history_is_refused() {
    let disk = journal(20, SEGMENT_BYTES);
    let branch = disk.restarted(0);
    let go_on = |disk: &Simulated, entries: Range<u64>| {
        let lists = open_simulated(disk, SEGMENT_BYTES).unwrap();
        for entry in entries {
            lists.blocking_apply(push(entry)).unwrap();
        }
    };
    go_on(&disk, 20..40);
    go_on(&branch, 60..80);
    let (name, foreign) =
        everything(&branch).into_iter().rfind(|(name, _)| name.contains("wal.0")).unwrap();
    assert!(disk.content(path(&name)).is_some_and(|own| own != foreign));
    let first: u64 = name.split('.').nth(2).unwrap().parse().unwrap();
    disk.set_content(path(&name), foreign);
    match refuse(&disk) {
        MiniStateError::Corrupt { at, seq, .. } => {
            assert_eq!((at.file, at.line, seq), (path(&name), 1, first));
        }
        other => panic!("{other}"),
    }
}

fn second_sealed(disk: &Simulated) -> PathBuf {
    let (name, _) = everything(disk)
        .into_iter()
        .filter(|(name, _)| name.ends_with(".jsonl") && name != JOURNAL)
        .nth(1)
        .unwrap();
    path(&name)
}
