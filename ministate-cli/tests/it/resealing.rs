//! `reseal` makes lines sound that were edited by hand, and nothing else.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use tempfile::TempDir;

use crate::command::{Answer, ask};
use crate::journals::{
    active, closed, copied, deposit, edit, edit_lines, everything, killed, open, read_only, sealed,
    snapshot, varied,
};

fn reseal(dir: &Path, words: &str) -> (TempDir, PathBuf, Answer) {
    let before = everything(dir);
    let home = tempfile::tempdir().unwrap();
    let to = home.path().join("new");
    let answer = ask(&format!("reseal --json --to {} {words}", to.display()), dir);
    assert_eq!(everything(dir), before, "reseal changed the old directory");
    assert!(!home.path().join("new.partial").exists(), "{answer:?}");
    if answer.code == 0 {
        let verified = ask("verify --json", &to);
        assert_eq!(verified.code, 0, "{verified:?}, {answer:?}");
    } else {
        assert!(!to.exists(), "{answer:?}");
    }
    (home, to, answer)
}

#[test]
fn an_edited_line_is_shown_and_sound_again() {
    let dir = closed(9, u64::MAX);
    // Line 5 is mutation 4.
    edit_lines(&active(dir.path()), |lines| {
        lines[4] = lines[4].replace("\"cents\":4,", "\"cents\":4000,");
    });
    let old = fs::read_to_string(active(dir.path())).unwrap();
    let (_home, to, answer) = reseal(dir.path(), "--yes");
    assert_eq!(answer.code, 0, "{answer:?}");
    let objects = answer.objects();
    assert_eq!(objects.len(), 2, "{objects:?}");
    assert_eq!((&objects[0]["line"], &objects[0]["seq"]), (&json!(5), &json!(4)));
    assert_eq!(objects[0]["was"].as_str(), old.lines().nth(4));
    let new = fs::read_to_string(active(&to)).unwrap();
    assert_eq!(objects[0]["becomes"].as_str(), new.lines().nth(4));
    // Those behind it cover its checksum, and so does the mark.
    assert_eq!((&objects[1]["edited"], &objects[1]["chained"]), (&json!(1), &json!(6)));
    assert_eq!(read_only(&to).unwrap().read(|bank| bank.cents), 45 - 4 + 4_000);
    let bank = open(&to, u64::MAX);
    assert_eq!(bank.blocking_apply(deposit(10)).unwrap(), 10);

    let people = tempfile::tempdir().unwrap();
    let to = people.path().join("new");
    let answer = ask(&format!("reseal --yes --to {}", to.display()), dir.path());
    for words in ["line 5, mutation 4\n  - {\"seq\":4,", "\n  + {\"seq\":4,", "resealed: "] {
        assert!(answer.out.contains(words), "{words}: {answer:?}");
    }
}

#[test]
fn edits_in_several_segments_and_in_batches_are_found() {
    let dir = varied();
    let first = sealed(dir.path(), 1);
    edit_lines(&first, |lines| lines[2] = lines[2].replace("number 2", "number two"));
    let mut batch = None;
    for (path, content) in everything(dir.path()) {
        let text = String::from_utf8(content).unwrap();
        if text.contains("\"n\":3,")
            && text.contains("number 13")
            && path.extension() == first.extension()
        {
            batch = Some(path);
        }
    }
    edit_lines(&batch.unwrap(), |lines| {
        let line = lines.iter_mut().find(|line| line.contains("\"n\":3,")).unwrap();
        *line = line.replace("number 13", "thirteen").replace(",\"op\"", ", \"op\"");
    });
    let (_home, to, answer) = reseal(dir.path(), "--yes");
    assert_eq!(answer.code, 0, "{answer:?}");
    let edited: Vec<u64> = answer.seqs();
    assert_eq!(edited, [2, 11]);
    // The snapshot at 13 holds what was there before.
    assert_eq!(answer.summary()["snapshots"], json!([0]));
    let left = answer.objects()[2].clone();
    assert_eq!(left["file"], snapshot(dir.path(), 13).to_str().unwrap());
    let memos = read_only(&to).unwrap().read(|bank| bank.memos.clone());
    assert_eq!(memos[0], "thirteen");
}

#[test]
fn nothing_is_written_before_somebody_has_seen_it() {
    let dir = closed(5, u64::MAX);
    edit_lines(&active(dir.path()), |lines| lines[2] = lines[2].replace("number", "nomber"));
    // Standard input is no terminal here.
    let (_home, _, answer) = reseal(dir.path(), "");
    assert_eq!(answer.code, 2, "{answer:?}");
    assert!(answer.err.contains("run again with --yes"), "{answer:?}");
    assert_eq!(answer.objects()[0]["line"], 3, "the lines are shown all the same");
}

#[test]
fn where_nothing_was_edited_nothing_is_written() {
    for dir in [closed(5, u64::MAX), varied(), killed(5, u64::MAX)] {
        let (_home, _, answer) = reseal(dir.path(), "--yes");
        assert_eq!((answer.code, answer.out.as_str()), (3, ""), "{answer:?}");
        assert!(answer.err.contains("is other than it was written"), "{answer:?}");
    }
}

#[test]
fn what_is_no_whole_record_is_refused_by_its_place() {
    let journal = closed(9, u64::MAX);
    let refused = |change: &dyn Fn(&mut Vec<String>), place: &str| {
        let dir = copied(journal.path());
        edit_lines(&active(dir.path()), change);
        let (_home, _, answer) = reseal(dir.path(), "--yes");
        assert_eq!(answer.code, 3, "{answer:?}");
        assert!(answer.err.contains(place) && answer.err.lines().count() == 1, "{answer:?}");
    };
    let header = fs::read_to_string(active(journal.path())).unwrap().find('\n').unwrap() + 1;
    refused(&|lines| lines[1].truncate(40), &format!("line 2 (byte {header}), where mutation 1"));
    refused(&|lines| lines[1] = "torn\u{7f}\n".to_string(), "line 2 ");
    refused(&|lines| drop(lines.remove(4)), "line 5 ");
    refused(&|lines| lines.swap(4, 5), "line 5 ");
    refused(&|lines| lines.insert(4, lines[3].clone()), "line 5 ");
    refused(&|lines| lines.insert(4, "\n".to_string()), "a blank line");
    refused(&|lines| lines[4] = lines[4].replace("\"op\"", "\"oq\""), "line 5 ");
    refused(&|lines| lines[4] = lines[4].replace("\"at\":\"2", "\"at\":\"x"), "line 5 ");
    refused(&|lines| lines[4] = lines[4].replace("\"seq\":4", "\"seq\":5"), "where mutation 4");
    refused(&|lines| lines[4] = lines[4].replace("deposit", "de posit"), "line 5 ");
    refused(&|lines| lines[0] = lines[0].replace("\"first\":1", "\"first\":0"), "line 1 ");
    refused(
        &|lines| {
            let last = lines.last_mut().unwrap();
            *last = last.trim_end().to_string();
        },
        "no newline ends the line",
    );
    // Bytes that a power cut left, and those of something else.
    for tail in [&b"{\"seq\":10,\"at\":\"2026"[..], b"\xff\xfe\0\x01\n"] {
        let dir = copied(journal.path());
        edit(&active(dir.path()), |content| content.extend_from_slice(tail));
        let (_home, _, answer) = reseal(dir.path(), "--yes");
        assert_eq!(answer.code, 3, "{answer:?}");
        assert!(answer.err.contains("where mutation 10 should begin"), "{answer:?}");
    }
}

#[test]
fn line_ends_of_another_system_and_headers_are_edits_too() {
    let dir = closed(5, u64::MAX);
    edit_lines(&active(dir.path()), |lines| {
        lines[0] = lines[0].replace("\"by\":\"", "\"by\":\"another ");
        lines[3] = lines[3].replace('\n', "\r\n");
    });
    let (_home, to, answer) = reseal(dir.path(), "--yes");
    assert_eq!((answer.code, answer.seqs()), (0, vec![1, 3]), "{answer:?}");
    assert!(!fs::read_to_string(active(&to)).unwrap().contains('\r'));
    assert_eq!(read_only(&to).unwrap().read(|bank| bank.cents), 15);
}

#[test]
fn a_segment_that_is_missing_is_not_passed_over() {
    let dir = closed(60, 1_000);
    edit_lines(&sealed(dir.path(), 1), |lines| lines[2] = lines[2].replace("number", "nomber"));
    let second = everything(dir.path())
        .into_iter()
        .map(|(path, _)| path)
        .filter(|path| path.to_str().unwrap().contains("wal.0"))
        .nth(1)
        .unwrap();
    fs::remove_file(second).unwrap();
    let (_home, _, answer) = reseal(dir.path(), "--yes");
    assert_eq!(answer.code, 3, "{answer:?}");
    assert!(answer.err.contains("does not continue the one before it"), "{answer:?}");
}

#[test]
fn whatever_is_given_as_a_directory_the_answer_is_a_sentence_that_helps() {
    let home = tempfile::tempdir().unwrap();
    let to = home.path().join("new");
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures");
    let two = Path::new(fixtures).join("0.1/two_journals_and_one_snapshot");
    let of_0_1 = Path::new(fixtures).join("0.1/counter");
    for command in ["repair", "void --seq 1 --reason x", "reseal --yes"] {
        let told = |dir: &Path, code: i32, words: &str| {
            let answer = ask(&format!("{command} --to {}", to.display()), dir);
            assert_eq!((answer.code, answer.out.as_str()), (code, ""), "{command}: {answer:?}");
            assert!(answer.err.contains(words), "{command}: {answer:?}");
            assert_eq!(answer.err.lines().count(), 1, "{command}: {answer:?}");
        };
        told(Path::new("/no/such/directory"), 3, "no directory /no/such/directory; check");
        told(home.path(), 3, "there is no journal in");
        told(&two, 2, "choose with --name");
        told(&of_0_1, 3, "open it once with a manager");
        assert!(!to.exists());
    }
}

#[test]
fn without_a_snapshot_before_the_edit_the_state_could_not_be_built() {
    let dir = varied();
    fs::remove_file(snapshot(dir.path(), 0)).unwrap();
    edit_lines(&sealed(dir.path(), 1), |lines| lines[2] = lines[2].replace("number", "nomber"));
    let (_home, _, answer) = reseal(dir.path(), "--yes");
    assert_eq!(answer.code, 3, "{answer:?}");
    assert!(answer.err.contains("the state cannot be built"), "{answer:?}");
}
