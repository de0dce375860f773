//! All damage is found and named, nothing is called damage that is not, and the library agrees.

use std::fs;
use std::path::Path;

use ministate::MiniStateError;

use crate::command::{Answer, ask};
use crate::journals::{
    BankOp, active, closed, copied, deposit, edit, edit_lines, everything, killed, open, read_only,
    sealed, snapshot, try_open, varied,
};

/// Verifies, sees that nothing was written, and that the library opens what can be opened.
fn verify(dir: &Path) -> Answer {
    let before = everything(dir);
    let answer = ask("verify --json", dir);
    assert_eq!(everything(dir), before, "verify wrote something");
    let summary = answer.summary();
    let opened = read_only(dir);
    assert_eq!(summary["opens"], opened.is_ok(), "{answer:?}, but {:?}", opened.err());
    let sound = summary["sound"] == true;
    assert_eq!(answer.code, if sound { 0 } else { 1 }, "{answer:?}");
    if sound {
        assert!(opened.is_ok(), "{:?}", opened.err());
        let copy = copied(dir);
        try_open(copy.path(), 1_000).expect("a manager opens what is sound");
        assert_eq!(answer.objects().len(), 1, "{answer:?}");
    } else {
        assert!(answer.objects().len() > 1, "damaged, and nothing is named: {answer:?}");
    }
    if let Err(refused) = opened {
        assert!(!sound, "{refused} is called sound");
        // What the library names is among what is named.
        if let MiniStateError::Corrupt { at, .. } = &refused {
            let is_there = answer.objects().iter().any(|damage| {
                damage["file"] == at.file.to_str().unwrap() && damage["line"] == at.line
            });
            assert!(is_there, "{refused} is not among {answer:?}");
        }
    }
    answer
}

/// The lines that are damaged, and the words for each.
fn named(answer: &Answer) -> Vec<(u64, String)> {
    let damages = answer.objects();
    let named = damages[..damages.len() - 1].iter().map(|damage| {
        (damage["line"].as_u64().unwrap_or(0), damage["what"].as_str().unwrap().to_string())
    });
    named.collect()
}

#[test]
fn a_sound_journal_is_called_sound() {
    for dir in [varied(), closed(5, u64::MAX), killed(5, u64::MAX), killed(50, 1_000)] {
        let answer = verify(dir.path());
        assert_eq!(answer.summary()["sound"], true, "{answer:?}");
        let answer = ask("verify", dir.path());
        assert!(answer.code == 0 && answer.out.starts_with("sound: "), "{answer:?}");
    }
    assert_eq!(verify(varied().path()).summary()["last"], 30);
}

#[test]
fn a_torn_tail_is_no_damage_and_is_told() {
    let dir = killed(5, u64::MAX);
    edit(&active(dir.path()), |content| {
        let end = content.iter().rposition(|byte| *byte != b'\n').unwrap() + 1;
        content[end - 30..].fill(b'\n');
    });
    let answer = verify(dir.path());
    let summary = answer.summary();
    assert_eq!((&summary["sound"], &summary["last"]), (&true.into(), &4.into()), "{answer:?}");
    assert!(summary["torn"]["bytes"].as_u64().unwrap() > 50, "{answer:?}");
    assert!(ask("status", dir.path()).out.contains("cuts "));
    assert_eq!(ask("cat", dir.path()).seqs(), [1, 2, 3, 4]);
}

#[test]
fn every_damaged_line_is_found_and_those_between_are_checked() {
    let dir = closed(20, u64::MAX);
    // Line 1 is the header, so line 5 is mutation 4.
    edit_lines(&active(dir.path()), |lines| {
        lines[4] = lines[4].replace("number 4", "number 9");
        lines[11] = lines[11].replace("deposit", "withdraw");
        lines[15] = "no line at all\n".to_string();
    });
    let answer = verify(dir.path());
    let lines: Vec<u64> = named(&answer).iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [5, 12, 16], "{answer:?}");
    assert_eq!(answer.summary()["lost"], serde_json::json!([[4, 4], [11, 11], [15, 15]]));
    // Behind a line without a checksum the next cannot be checked, and the one behind that can.
    assert_eq!(answer.summary()["adrift"], 1);
    let cat = ask("cat", dir.path());
    assert_eq!((cat.code, cat.seqs().len()), (1, 17), "{cat:?}");
    assert!(cat.err.contains("line 5 ") && cat.err.contains("next: ministate repair"), "{cat:?}");
    let adrift: Vec<u64> = cat
        .objects()
        .iter()
        .filter(|object| object["adrift"] == true)
        .filter_map(|object| object["seq"].as_u64())
        .collect();
    assert_eq!(adrift, [16]);
}

#[test]
fn damage_is_named_with_file_line_byte_mutation_and_the_next_command() {
    let dir = closed(20, u64::MAX);
    edit_lines(&active(dir.path()), |lines| lines[7] = lines[7].replace("number", "numbxr"));
    let refused = read_only(dir.path()).err().unwrap().to_string();
    let answer = ask("verify", dir.path());
    let line = answer.out.lines().next().unwrap();
    // The words of the library, up to its remedy.
    let (words, _) = refused.split_once("; ").unwrap();
    assert!(line.contains(words), "{line}: {words}");
    assert!(line.contains("where mutation 7 should begin; next: ministate repair "), "{line}");
}

#[test]
fn lines_that_are_removed_repeated_swapped_or_edited_are_found() {
    let journal = closed(12, u64::MAX);
    let found = |change: &dyn Fn(&mut Vec<String>)| {
        let dir = copied(journal.path());
        edit_lines(&active(dir.path()), change);
        let answer = verify(dir.path());
        (named(&answer).len(), answer.summary()["lost"].clone())
    };
    let json = |text| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(found(&|lines| drop(lines.remove(4))), (1, json("[[4,4]]")));
    assert_eq!(found(&|lines| drop(lines.drain(4..7))), (1, json("[[4,6]]")));
    assert_eq!(found(&|lines| lines.insert(5, lines[4].clone())), (1, json("[]")));
    assert_eq!(found(&|lines| lines.insert(5, "\n".to_string())), (1, json("[]")));
    let (damages, _) = found(&|lines| lines.swap(4, 5));
    assert!(damages >= 1);
    let edited = |lines: &mut Vec<String>| lines[4] = lines[4].replace("number 4", "number 5");
    assert_eq!(found(&edited), (1, json("[[4,4]]")));
}

/// The number that a damaged line bears was believed: all mutations before it were said to be lost, though
/// the lines behind it, which are sound, have smaller ones.
#[test]
fn mutations_are_not_lost_by_a_damaged_number_of_a_record_before_them() {
    let journal = closed(12, u64::MAX);
    for number in [5, 8, 400, u64::MAX] {
        let dir = copied(journal.path());
        edit_lines(&active(dir.path()), |lines| {
            lines[4] = lines[4].replace("{\"seq\":4,", &format!("{{\"seq\":{number},"));
        });
        let answer = verify(dir.path());
        let summary = answer.summary();
        let lost = &summary["lost"];
        assert_eq!(lost, &serde_json::json!([[4, 4]]), "{number}: {answer:?}");
        assert_eq!((&summary["records"], &summary["adrift"]), (&11.into(), &0.into()), "{number}");
        assert_eq!((&summary["first"], &summary["last"]), (&1.into(), &12.into()), "{number}");
        assert_eq!(named(&answer).len(), 1, "{number}: {answer:?}");
    }
}

#[test]
fn damage_in_every_segment_is_found_at_once() {
    let dir = killed(60, 1_000);
    let segments: Vec<_> = everything(dir.path())
        .into_iter()
        .map(|(path, _)| path)
        .filter(|path| path.to_str().unwrap().contains("wal.0"))
        .collect();
    assert!(segments.len() > 4);
    for segment in &segments {
        edit_lines(segment, |lines| lines[2] = lines[2].replace("memo", "nemo"));
    }
    let answer = verify(dir.path());
    let named = named(&answer);
    assert_eq!(named.len(), segments.len(), "{answer:?}");
    assert!(named.iter().all(|(line, _)| *line == 3), "{named:?}");
}

#[test]
fn missing_and_misnamed_files_are_found() {
    let journal = varied();
    let files = everything(journal.path());
    let names: Vec<_> = files.iter().map(|(path, _)| path.file_name().unwrap()).collect();
    for name in &names {
        let dir = copied(journal.path());
        fs::remove_file(dir.path().join(name)).unwrap();
        let answer = verify(dir.path());
        let name = name.to_str().unwrap();
        // Compaction removes the oldest segments itself, where a newer snapshot holds them.
        let harmless = ["head", "lock", "snapshot", "wal.00000000000000000001."];
        let is_harmless = harmless.iter().any(|part| name.contains(part));
        assert_eq!(answer.code, i32::from(!is_harmless), "{name} removed: {answer:?}");
    }
    for (one, other) in names.iter().zip(names.iter().skip(1)) {
        let dir = copied(journal.path());
        let (one, other) = (dir.path().join(one), dir.path().join(other));
        let (first, second) = (fs::read(&one).unwrap(), fs::read(&other).unwrap());
        fs::write(one, second).unwrap();
        fs::write(other, first).unwrap();
        verify(dir.path());
    }
}

#[test]
fn a_snapshot_that_the_journal_does_not_go_back_to_is_told() {
    let dir = varied();
    fs::remove_file(sealed(dir.path(), 1)).unwrap();
    let answer = verify(dir.path());
    assert_eq!(answer.summary()["unreached"], serde_json::json!([0]), "{answer:?}");
    assert!(ask("verify", dir.path()).out.contains("the journal begins behind it"));
}

#[test]
fn files_of_another_journal_are_found() {
    let (journal, foreign) = (varied(), varied());
    for (path, content) in everything(foreign.path()) {
        let name = path.file_name().unwrap();
        if name.to_str().unwrap().ends_with(".lock") {
            continue;
        }
        let dir = copied(journal.path());
        fs::write(dir.path().join(name), content).unwrap();
        let answer = verify(dir.path());
        assert_eq!(answer.code, 1, "{name:?}: {answer:?}");
    }
}

fn flip_in_the_state(content: &mut [u8]) {
    let place = content.len() - 45;
    content[place] ^= 1;
}

#[test]
fn an_unsound_snapshot_is_found_where_recovery_uses_another() {
    let dir = varied();
    edit(&snapshot(dir.path(), 13), |content| flip_in_the_state(content));
    let answer = verify(dir.path());
    assert_eq!(answer.summary()["opens"], true, "{answer:?}");
    assert_eq!(answer.code, 1, "{answer:?}");
    let listed = ask("snapshots --json", dir.path());
    let sound: Vec<_> = listed.objects().iter().map(|one| one["sound"].clone()).collect();
    assert_eq!((listed.code, sound), (1, vec![true.into(), false.into()]));
    let status = ask("status", dir.path());
    assert!(status.code == 0 && status.out.contains("cannot use a newer snapshot"), "{status:?}");

    edit(&snapshot(dir.path(), 0), |content| flip_in_the_state(content));
    let answer = verify(dir.path());
    assert_eq!(answer.summary()["opens"], false, "{answer:?}");
    assert_eq!(ask("status", dir.path()).code, 1);
}

#[test]
fn damage_that_recovery_does_not_read_is_found_and_called_so() {
    let dir = varied();
    edit_lines(&sealed(dir.path(), 1), |lines| lines[2] = lines[2].replace("memo", "nemo"));
    let answer = verify(dir.path());
    assert_eq!(answer.summary()["opens"], true, "{answer:?}");
    assert_eq!((answer.code, named(&answer).len()), (1, 1), "{answer:?}");
    let text = ask("verify", dir.path()).out;
    assert!(text.contains("a manager opens it from snapshot 13 on"), "{text}");
}

#[test]
fn a_lost_tail_is_found() {
    let dir = closed(9, u64::MAX);
    edit_lines(&active(dir.path()), |lines| lines.truncate(6));
    let answer = verify(dir.path());
    assert_eq!(answer.summary()["lost"], serde_json::json!([[6, 9]]), "{answer:?}");
    assert!(answer.out.contains("head.json"), "{answer:?}");
}

/// Whatever byte of whatever file is changed, and however: the library and the command agree.
/// `MINISTATE_CLI_DAMAGES` is how often, for a longer look.
#[test]
fn the_command_and_the_library_agree_about_every_damage() {
    let journals = [varied(), {
        let dir = killed(3, u64::MAX);
        open(dir.path(), u64::MAX).blocking_apply_batch([deposit(1), BankOp::Freeze]).unwrap();
        dir
    }];
    let rounds = std::env::var("MINISTATE_CLI_DAMAGES").ok().and_then(|text| text.parse().ok());
    let mut place = 7;
    for journal in journals.iter().cycle().take(journals.len() * rounds.unwrap_or(1)) {
        for (path, content) in everything(journal.path()) {
            let data = content.iter().rposition(|byte| *byte != b'\n').map_or(0, |last| last + 1);
            for kind in 0..8 {
                let dir = copied(journal.path());
                place = (place * 31 + 11) % 10_007;
                let at = place % (data + 1);
                edit(&dir.path().join(path.file_name().unwrap()), |content| match kind {
                    0 => content[at.min(data - 1)] ^= 4,
                    1 => content[at.min(data - 1)] = b'\n',
                    2 => content.truncate(at),
                    3 => content.insert(at, b'x'),
                    4 => content[at.min(data - 1)..data].fill(0),
                    5 => content[at / 512 * 512..data].fill(b'\n'),
                    6 => content.extend_from_slice(b"{\"seq\":4,"),
                    _ => drop(content.drain(at..data.min(at + 40))),
                });
                if path.to_str().unwrap().ends_with(".lock") {
                    continue;
                }
                let answer = ask("verify --json", dir.path());
                // A file whose beginning is gone may be no journal any more.
                if answer.code == 3 {
                    assert!(read_only(dir.path()).is_err(), "{kind} at {at}: {answer:?}");
                } else {
                    verify(dir.path());
                }
            }
        }
    }
}
