//! Is damage refused that looks like what a power cut leaves?

use std::ops::Range;

use ministate_tests::{JOURNAL, Push, entries, open_simulated, push};

use super::{active, journal, lines, path, refuse, refuse_at_line};

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
