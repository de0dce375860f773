//! Bytes that were synced and are not what they were: refused, by name and place, untouched.

mod segments;
mod torn_or_not;

use std::ops::Range;
use std::path::PathBuf;

use ministate::MiniStateError;
use ministate::storage::Simulated;
use ministate_tests::{JOURNAL, Push, entries, open_simulated, push};

const SEGMENT_BYTES: u64 = 1_000;

fn path(name: &str) -> PathBuf {
    PathBuf::from("lists").join(name)
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
