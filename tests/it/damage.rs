//! Bytes that were synced and are not what they were: refused, by name and place, untouched.

use std::ops::Range;
use std::path::PathBuf;

use ministate::storage::Simulated;
use ministate::{MiniStateError, Options};
use ministate_tests::{JOURNAL, List, Push, entries, open_simulated, push};

const SEGMENT_BYTES: u64 = 1_000;

fn path(name: &str) -> PathBuf {
    PathBuf::from("lists").join(name)
}

fn sealed(first: u64) -> PathBuf {
    path(&format!("list.wal.{first:020}.jsonl"))
}

/// A journal of so many acknowledged mutations, as a killed process leaves it: not closed, with
/// no mark, and the fill still there.
fn journal(mutations: u64, segment_bytes: u64) -> Simulated {
    let disk = Simulated::new();
    let lists = open_simulated(&disk, segment_bytes).unwrap();
    for entry in 0..mutations {
        lists.blocking_apply(push(entry)).unwrap();
    }
    disk.after_kill()
}

fn active(disk: &Simulated) -> Vec<u8> {
    disk.content(path(JOURNAL)).unwrap()
}

/// The lines before the fill, newlines included.
fn lines(content: &[u8]) -> Vec<Range<usize>> {
    let mut start = 0;
    let mut lines = Vec::new();
    for line in content.split_inclusive(|byte| *byte == b'\n') {
        if line != b"\n" {
            lines.push(start..start + line.len());
        }
        start += line.len();
    }
    lines
}

/// Every file of the disk, to see that nothing was changed.
fn everything(disk: &Simulated) -> Vec<(String, Vec<u8>)> {
    use ministate::storage::Storage;
    let mut names = disk.list(&PathBuf::from("lists")).unwrap();
    names.sort();
    names.into_iter().map(|name| (name.clone(), disk.content(path(&name)).unwrap())).collect()
}

fn refuse(disk: &Simulated) -> MiniStateError {
    let before = everything(disk);
    let error = open_simulated(disk, SEGMENT_BYTES).expect_err("damage was accepted");
    assert_eq!(everything(disk), before, "a refused opening changed the disk");
    let text = error.to_string();
    assert!(!text.contains('\n') && text.starts_with(|c: char| c.is_lowercase()), "{text}");
    error
}

fn refuse_at_line(disk: &Simulated, expected_line: u64, expected_seq: u64) {
    match refuse(disk) {
        MiniStateError::Corrupt { at, seq, .. } => {
            assert_eq!((at.file, at.line, seq), (path(JOURNAL), expected_line, expected_seq));
            let content = active(disk);
            let start = content
                .split_inclusive(|byte| *byte == b'\n')
                .take(expected_line as usize - 1)
                .map(<[u8]>::len)
                .sum::<usize>();
            assert_eq!(at.byte, start as u64);
        }
        other => panic!("not named as corrupt: {other}"),
    }
}

#[test]
fn a_changed_byte_in_a_middle_record_is_refused_with_its_place() {
    let disk = journal(7, u64::MAX);
    let sound = active(&disk);
    // Line 1 is the header, so line 5 is mutation 4.
    let record = lines(&sound)[4].clone();
    for at in record {
        for value in [sound[at] ^ 1, sound[at] ^ 0x20, sound[at] ^ 0x80, 0, b'\n', b' ', b'}'] {
            if value == sound[at] {
                continue;
            }
            let mut damaged = sound.clone();
            damaged[at] = value;
            disk.set_content(path(JOURNAL), damaged);
            refuse_at_line(&disk, 5, 4);
        }
    }
}

/// Once, a bit flip that made a newline or a zero of the first or last byte of a sector was taken
/// for what a power cut leaves.
#[test]
fn a_flipped_bit_in_the_last_record_is_refused_too() {
    // One bit away from a newline or a zero, and so many of them that they meet sector ends.
    for padding in ["", "J*@ \u{8a}", "\u{2014}\u{201c}"] {
        let disk = journal(3, u64::MAX);
        let lists = open_simulated(&disk, u64::MAX).unwrap();
        let padding = padding.repeat(400);
        lists.blocking_apply(Push { entry: 3, padding }).unwrap();
        let sound = active(&disk);
        let record = lines(&sound).pop().unwrap();
        for at in record.start..record.end - 1 {
            for bit in 0..8 {
                let mut damaged = sound.clone();
                damaged[at] ^= 1 << bit;
                let gone = matches!(damaged[at], 0 | b'\n');
                // All of them where it matters, and a sample of the others.
                if gone || at % 7 == 0 {
                    disk.set_content(path(JOURNAL), damaged);
                    let disk = disk.after_kill();
                    let opened = open_simulated(&disk, SEGMENT_BYTES);
                    assert!(
                        matches!(opened, Err(MiniStateError::Corrupt { seq: 4, .. })),
                        "byte {at}, bit {bit}: {opened:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_deleted_swapped_repeated_or_foreign_line_is_refused() {
    let disk = journal(7, u64::MAX);
    let sound = active(&disk);
    let places = lines(&sound);
    let fill = sound[places.last().unwrap().end..].to_vec();
    let line = |index: usize| sound[places[index].clone()].to_vec();
    let all: Vec<Vec<u8>> = (0..places.len()).map(line).collect();
    let put = |lines: &[Vec<u8>], expected_line, expected_seq| {
        disk.set_content(path(JOURNAL), [lines.concat(), fill.clone()].concat());
        refuse_at_line(&disk, expected_line, expected_seq);
    };

    let mut deleted = all.clone();
    deleted.remove(3);
    put(&deleted, 4, 3);

    let mut swapped = all.clone();
    swapped.swap(3, 4);
    put(&swapped, 4, 3);

    let mut repeated = all.clone();
    repeated.insert(4, line(3));
    put(&repeated, 5, 4);

    let mut repeated_at_the_end = all.clone();
    repeated_at_the_end.push(line(7));
    put(&repeated_at_the_end, 9, 8);

    let mut blank = all.clone();
    blank.insert(3, b"\n".to_vec());
    put(&blank, 4, 3);

    let mut spliced = all.clone();
    let other = Simulated::new();
    let lists = open_simulated(&other, u64::MAX).unwrap();
    for entry in 100..107 {
        lists.blocking_apply(push(entry)).unwrap();
    }
    let foreign = active(&other);
    spliced[4] = foreign[lines(&foreign)[4].clone()].to_vec();
    put(&spliced, 5, 4);

    let mut edited = all;
    edited[4] = String::from_utf8(line(4)).unwrap().replace(r#""entry":3"#, r#""entry":9"#).into();
    put(&edited, 5, 4);
}

#[test]
fn damage_before_a_mark_is_refused_wherever_it_is() {
    let disk = journal(5, u64::MAX);
    open_simulated(&disk, u64::MAX).unwrap().blocking_close().unwrap();
    let sound = active(&disk);
    for at in 0..sound.len() {
        for value in [sound[at] ^ 4, 0, b'\n'] {
            if value == sound[at] {
                continue;
            }
            let mut damaged = sound.clone();
            damaged[at] = value;
            disk.set_content(path(JOURNAL), damaged);
            // In the mark itself nothing is lost, and what looks torn there is cut.
            let mark = lines(&sound).pop().unwrap();
            if mark.contains(&at) {
                if let Ok(lists) = open_simulated(&disk.restarted(0), u64::MAX) {
                    assert_eq!(entries(&lists), [0, 1, 2, 3, 4]);
                }
            } else {
                refuse(&disk);
            }
        }
    }
    for length in 0..sound.len() {
        disk.set_content(path(JOURNAL), sound[..length].to_vec());
        match open_simulated(&disk.restarted(0), u64::MAX) {
            Ok(lists) => assert_eq!(entries(&lists), [0, 1, 2, 3, 4], "cut to {length}"),
            Err(MiniStateError::LostTail { synced: 5, .. } | MiniStateError::Corrupt { .. }) => {}
            Err(other) => panic!("cut to {length}: {other}"),
        }
    }
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

/// Once, it was called a foreign file, or one of a newer format, which might be moved away.
#[test]
fn a_damaged_header_is_called_damage() {
    let disk = journal(5, u64::MAX);
    let sound = active(&disk);
    for at in 0..lines(&sound)[0].end {
        for value in [sound[at] ^ 2, b'3', 0, b'\n'] {
            let mut damaged = sound.clone();
            damaged[at] = value;
            if damaged != sound {
                disk.set_content(path(JOURNAL), damaged);
                match refuse(&disk) {
                    MiniStateError::Corrupt { at, .. } => assert_eq!((at.line, at.byte), (1, 0)),
                    other => panic!("byte {at}: {other}"),
                }
            }
        }
    }
}

/// The snapshot beside it says that there was a journal.
#[test]
fn a_damaged_header_is_called_damage_without_a_head_file_too() {
    use ministate::storage::Storage;
    let disk = journal(5, u64::MAX);
    disk.remove(&path("list.wal.head.json")).unwrap();
    let mut damaged = active(&disk);
    damaged[2] ^= 2;
    disk.set_content(path(JOURNAL), damaged);
    assert!(matches!(refuse(&disk), MiniStateError::Corrupt { .. }));
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

#[test]
fn a_damaged_head_file_is_refused() {
    let disk = journal(3, u64::MAX);
    open_simulated(&disk, u64::MAX).unwrap().blocking_close().unwrap();
    let head = path("list.wal.head.json");
    let sound = disk.content(&head).unwrap();
    for at in 0..sound.len() {
        let mut damaged = sound.clone();
        damaged[at] ^= 2;
        disk.set_content(&head, damaged);
        refuse(&disk);
    }
}

/// What a torn batch leaves is cut; what stands where a later batch would be proves damage.
#[test]
fn a_record_of_a_later_batch_proves_that_the_one_before_was_synced() {
    let disk = journal(2, u64::MAX);
    let lists = open_simulated(&disk, u64::MAX).unwrap();
    let several = (2..6).map(|entry| Push { entry, padding: "x".repeat(600) });
    lists.blocking_apply_batch(several).unwrap();
    drop(lists);
    let sound = active(&disk);
    let record = lines(&sound).pop().unwrap();
    // The first sector of the batch is gone, the others are there: a power cut leaves this.
    let sector = record.start / 512 * 512;
    let mut torn = sound.clone();
    torn[record.start..sector + 512].fill(b'\n');
    disk.set_content(path(JOURNAL), torn.clone());
    assert_eq!(entries(&open_simulated(&disk.restarted(0), u64::MAX).unwrap()), [0, 1]);

    // A batch behind it was written after the sync of this one returned.
    let lists = {
        disk.set_content(path(JOURNAL), sound);
        open_simulated(&disk, u64::MAX).unwrap()
    };
    lists.blocking_apply(push(6)).unwrap();
    drop(lists);
    let mut damaged = active(&disk);
    damaged[record.start..sector + 512].fill(b'\n');
    disk.set_content(path(JOURNAL), damaged);
    refuse(&disk);
}

/// A power cut takes whole sectors, so bytes that are gone in the middle of one were damaged.
#[test]
fn a_record_with_a_hole_in_a_sector_is_refused() {
    let disk = journal(4, u64::MAX);
    let sound = active(&disk);
    let record = lines(&sound).pop().unwrap();
    for start in record.start..record.end - 20 {
        for gone in [0, b'\n'] {
            let mut damaged = sound.clone();
            damaged[start..start + 5].fill(gone);
            if (start + 5) % 512 == 0 {
                continue;
            }
            disk.set_content(path(JOURNAL), damaged);
            refuse_at_line(&disk, 5, 4);
        }
    }
}

/// A mark that looks torn is dropped; not so if there was more behind it.
#[test]
fn a_mark_with_records_behind_it_is_not_taken_for_torn() {
    let disk = journal(4, u64::MAX);
    open_simulated(&disk, u64::MAX).unwrap().blocking_close().unwrap();
    let mark = lines(&active(&disk)).pop().unwrap();
    let lists = open_simulated(&disk, u64::MAX).unwrap();
    lists.blocking_apply(Push { entry: 4, padding: "x".repeat(2_000) }).unwrap();
    drop(lists);
    let mut damaged = active(&disk);
    let sector = (mark.start + 10).next_multiple_of(512);
    damaged[mark.start + 10..sector].fill(b'\n');
    disk.set_content(path(JOURNAL), damaged);
    refuse_at_line(&disk, 6, 5);
}

/// Its checksum is right, but no such batch was written.
#[test]
fn a_record_at_an_impossible_place_in_its_batch_is_refused() {
    let disk = journal(4, u64::MAX);
    let sound = String::from_utf8(active(&disk)).unwrap();
    let [.., previous, last] =
        sound.lines().filter(|line| !line.is_empty()).collect::<Vec<_>>()[..]
    else {
        unreachable!()
    };
    let checksum = |line: &str| line[line.len() - 10..line.len() - 2].to_string();
    let (covered, _) = last.split_once(r#","crc":"#).unwrap();
    for place in [1, 2, 3, 4, u64::MAX] {
        let covered = covered.replacen(r#""at""#, &format!(r#""b":{place},"at""#), 1);
        let crc = crate::format::crc32c(format!("{}{covered}", checksum(previous)).as_bytes());
        let crafted = format!(r#"{covered},"crc":"{crc}"}}"#);
        disk.set_content(path(JOURNAL), sound.replace(last, &crafted).into_bytes());
        if place == 1 {
            // The record before it may well have been the first of the batch.
            assert_eq!(entries(&open_simulated(&disk.restarted(0), u64::MAX).unwrap()).len(), 4);
        } else {
            refuse_at_line(&disk, 5, 4);
        }
    }
}

/// A power cut can take the newline of the last line, which is then the right one. One that is not
/// was changed.
#[test]
fn a_changed_last_line_is_refused_without_its_newline_too() {
    let disk = journal(4, u64::MAX);
    let record = lines(&active(&disk)).pop().unwrap();
    let without_newline = |content: &[u8], line: &Range<usize>| content[..line.end - 1].to_vec();
    let mut cut = without_newline(&active(&disk), &record);
    disk.set_content(path(JOURNAL), cut.clone());
    assert_eq!(entries(&open_simulated(&disk.restarted(0), u64::MAX).unwrap()), [0, 1, 2]);
    let entry =
        record.start + cut[record.clone().start..].iter().rposition(|b| *b == b'3').unwrap();
    let checksum = cut.len() - 3;
    for at in [entry, checksum] {
        cut[at] ^= 1;
        disk.set_content(path(JOURNAL), cut.clone());
        refuse_at_line(&disk, 5, 4);
        cut[at] ^= 1;
    }

    let disk = journal(4, u64::MAX);
    open_simulated(&disk, u64::MAX).unwrap().blocking_close().unwrap();
    let mark = lines(&active(&disk)).pop().unwrap();
    let mut cut = without_newline(&active(&disk), &mark);
    disk.set_content(path(JOURNAL), cut.clone());
    assert_eq!(entries(&open_simulated(&disk.restarted(0), u64::MAX).unwrap()), [0, 1, 2, 3]);
    let checksum = cut.len() - 3;
    cut[checksum] ^= 1;
    disk.set_content(path(JOURNAL), cut);
    refuse_at_line(&disk, 6, 5);
}

/// Where the sectors before it are gone, a later record of the same batch may stand; not this one.
#[test]
fn a_record_that_was_moved_back_by_whole_sectors_is_refused() {
    let disk = journal(4, u64::MAX);
    let mut moved = active(&disk);
    let record = lines(&moved).pop().unwrap();
    moved.splice(record.start..record.start, [b'\n'; 1024]);
    disk.set_content(path(JOURNAL), moved);
    refuse_at_line(&disk, 5, 4);
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
