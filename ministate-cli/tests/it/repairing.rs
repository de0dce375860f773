//! Whatever is damaged, `repair` writes the longest sound history into a new directory, names what
//! it leaves behind, and changes nothing in the old one.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::command::{Answer, ask};
use crate::journals::{
    BankOp, active, closed, copied, deposit, edit, edit_lines, everything, killed, open, read_only,
    sealed, snapshot, varied,
};

/// A repaired directory, and what was said of it.
struct Repaired {
    answer: Answer,
    home: TempDir,
}

impl Repaired {
    /// Repairs, sees that the old directory is as it was, that the new one is sound and opens, and
    /// that a manager goes on there.
    fn of(dir: &Path) -> Repaired {
        let before = everything(dir);
        let home = tempfile::tempdir().unwrap();
        let to = home.path().join("new");
        let answer = ask(&format!("repair --json --to {}", to.display()), dir);
        assert_eq!(everything(dir), before, "repair changed the old directory");
        let repaired = Repaired { answer, home };
        if repaired.answer.code > 1 {
            return repaired;
        }
        assert!(!home_has_partial(&repaired), "{:?}", repaired.answer);
        let verified = ask("verify --json", &to);
        assert_eq!(verified.code, 0, "{verified:?}, {:?}", repaired.answer);
        let last = repaired.answer.summary()["last"].as_u64().unwrap();
        let state = read_only(&to).unwrap();
        assert_eq!(state.sequence(), last);
        assert!(state.recovery().rejected_snapshots.is_empty() && state.recovery().was_closed);
        let copy = copied(&to);
        let bank = open(copy.path(), 1_000);
        assert_eq!(bank.blocking_apply(deposit(1)).unwrap(), last + 1);
        bank.blocking_verify_replay().unwrap();
        repaired
    }

    fn to(&self) -> std::path::PathBuf {
        self.home.path().join("new")
    }

    fn summary(&self, key: &str) -> Value {
        self.answer.summary()[key].clone()
    }

    /// Why each thing is left behind, and in which line.
    fn left(&self) -> Vec<(String, u64)> {
        let objects = self.answer.objects();
        let left = objects[..objects.len() - 1].iter();
        left.map(|one| {
            (one["left"].as_str().unwrap().to_string(), one["line"].as_u64().unwrap_or(0))
        })
        .collect()
    }
}

fn home_has_partial(repaired: &Repaired) -> bool {
    repaired.home.path().join("new.partial").exists()
}

/// The files without the lock, whose names and bytes a repair of a sound journal keeps.
fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    everything(dir)
        .into_iter()
        .map(|(path, content)| (path.file_name().unwrap().to_str().unwrap().to_string(), content))
        .filter(|(name, _)| !name.ends_with(".lock"))
        .collect()
}

#[test]
fn a_sound_journal_becomes_the_same_byte_for_byte() {
    for dir in [varied(), closed(5, u64::MAX), closed(0, u64::MAX)] {
        let repaired = Repaired::of(dir.path());
        assert_eq!((repaired.answer.code, repaired.left()), (0, vec![]));
        assert_eq!(files(&repaired.to()), files(dir.path()));
        assert_eq!(repaired.summary("lost"), json!([]));
    }
}

#[test]
fn a_damaged_line_ends_the_history_and_what_is_behind_it_is_named() {
    let dir = closed(20, u64::MAX);
    // Line 8 is mutation 7.
    edit_lines(&active(dir.path()), |lines| lines[7] = lines[7].replace("memo", "nemo"));
    let content = fs::read(active(dir.path())).unwrap();
    let kept = content.split_inclusive(|byte| *byte == b'\n').take(7).map(<[u8]>::len);
    let kept = kept.sum::<usize>();
    let repaired = Repaired::of(dir.path());
    assert_eq!(repaired.answer.code, 1);
    let left = repaired.answer.objects()[0].clone();
    assert_eq!((&left["line"], &left["lines"]), (&json!(8), &json!(15)), "{left}");
    assert_eq!((&left["first"], &left["last"]), (&json!(7), &json!(20)), "{left}");
    assert_eq!(left["file"], active(dir.path()).to_str().unwrap());
    assert_eq!(left["byte"], kept);
    assert_eq!(left["bytes"], content.len() - 1 - kept);
    assert_eq!((repaired.summary("last"), repaired.summary("lost")), (json!(6), json!([[7, 20]])));
    assert_eq!(read_only(&repaired.to()).unwrap().read(|bank| bank.cents), 21);
    let people =
        ask(&format!("repair --to {}", repaired.home.path().join("2").display()), dir.path());
    for words in
        ["left behind: ", "mutations 7 to 20", "lost: mutations 7 to 20", "repaired: ", "keep "]
    {
        assert!(people.out.contains(words), "{words}: {people:?}");
    }
    assert!(people.err.is_empty() && people.code == 1, "{people:?}");
}

#[test]
fn what_is_no_record_ends_nothing() {
    let journal = closed(9, u64::MAX);
    type Change<'a> = &'a dyn Fn(&mut Vec<String>);
    let changes: [Change<'_>; 4] = [
        &|lines| lines.insert(4, "no line\n".to_string()),
        &|lines| lines.insert(4, lines[3].clone()),
        &|lines| lines.insert(4, "\n".to_string()),
        &|lines| drop(lines.pop()),
    ];
    for change in changes {
        let dir = copied(journal.path());
        edit_lines(&active(dir.path()), change);
        let repaired = Repaired::of(dir.path());
        assert_eq!((repaired.answer.code, repaired.summary("last")), (0, json!(9)));
        assert_eq!(files(&repaired.to()), files(journal.path()), "{:?}", repaired.answer);
    }
}

#[test]
fn a_damaged_last_line_may_have_been_a_record() {
    let dir = closed(9, u64::MAX);
    edit_lines(&active(dir.path()), |lines| {
        *lines.last_mut().unwrap() = "{\"mark\":7}\n".to_string();
    });
    let repaired = Repaired::of(dir.path());
    assert_eq!((repaired.answer.code, repaired.summary("last")), (1, json!(9)));
    assert_eq!(repaired.summary("lost"), json!([[10, 10]]));
}

#[test]
fn a_damaged_end_line_or_head_file_loses_nothing() {
    let dir = varied();
    let first = sealed(dir.path(), 1);
    edit_lines(&first, |lines| *lines.last_mut().unwrap() = "{\"end\"\n".to_string());
    edit(&dir.path().join("bank.wal.head.json"), |content| content[20] ^= 1);
    assert_eq!(ask("verify", dir.path()).code, 1);
    let repaired = Repaired::of(dir.path());
    assert_eq!((repaired.answer.code, repaired.left().len()), (0, 2), "{:?}", repaired.answer);
    assert_eq!(files(&repaired.to()), files(varied_as(&dir).path()));
}

/// The directory, with those two files as they were.
fn varied_as(dir: &TempDir) -> TempDir {
    let copy = copied(dir.path());
    let repaired = Repaired::of(dir.path());
    for name in ["bank.wal.00000000000000000001.jsonl", "bank.wal.head.json"] {
        let content = fs::read(repaired.to().join(name)).unwrap();
        fs::write(copy.path().join(name), content).unwrap();
    }
    assert_eq!(ask("verify", copy.path()).code, 0);
    copy
}

#[test]
fn a_torn_tail_is_left_behind_and_nothing_is_lost_with_it() {
    let dir = killed(5, u64::MAX);
    edit(&active(dir.path()), |content| {
        let end = content.iter().rposition(|byte| *byte != b'\n').unwrap() + 1;
        content[end - 30..].fill(b'\n');
    });
    let repaired = Repaired::of(dir.path());
    assert_eq!((repaired.answer.code, repaired.summary("last")), (0, json!(4)));
    let why = "of a batch that was never acknowledged".to_string();
    assert_eq!(repaired.left(), [(why, 6)]);
}

#[test]
fn a_snapshot_behind_the_damage_is_where_the_history_begins() {
    let dir = varied();
    edit_lines(&sealed(dir.path(), 1), |lines| lines[2] = lines[2].replace("memo", "nemo"));
    let expected = read_only(dir.path()).unwrap().read(|bank| (bank.cents, bank.memos.clone()));
    let repaired = Repaired::of(dir.path());
    assert_eq!(repaired.answer.code, 0, "{:?}", repaired.answer);
    assert_eq!(repaired.summary("snapshots"), json!([13]));
    // The segment before the snapshot is sound too, and goes on to it.
    let first = repaired.summary("first").as_u64().unwrap();
    assert!((2..14).contains(&first), "{first}");
    assert_eq!(repaired.summary("last"), json!(30));
    let found = read_only(&repaired.to()).unwrap().read(|bank| (bank.cents, bank.memos.clone()));
    assert_eq!(found, expected);
    let left: Vec<String> = repaired.left().into_iter().map(|(why, _)| why).collect();
    assert_eq!(left, ["not of the history that is kept"; 2]);
}

#[test]
fn a_snapshot_that_is_newer_than_all_sound_records_is_kept_alone() {
    let dir = varied();
    let expected = fs::read_to_string(snapshot(dir.path(), 13)).unwrap();
    let firsts: Vec<_> = everything(dir.path())
        .into_iter()
        .map(|(path, _)| path)
        .filter(|path| path.to_str().unwrap().contains("jsonl"))
        .collect();
    for segment in &firsts {
        edit_lines(segment, |lines| lines[1] = lines[1].replace("memo", "nemo"));
    }
    let repaired = Repaired::of(dir.path());
    assert_eq!(repaired.answer.code, 1);
    assert_eq!((repaired.summary("snapshots"), repaired.summary("last")), (json!([13]), json!(13)));
    assert_eq!(repaired.summary("first"), Value::Null);
    assert_eq!(repaired.summary("lost"), json!([[14, 30]]));
    assert_eq!(fs::read_to_string(snapshot(&repaired.to(), 13)).unwrap(), expected);
}

#[test]
fn an_unsound_snapshot_is_left_behind_and_the_records_stand_for_it() {
    let dir = varied();
    edit(&snapshot(dir.path(), 13), |content| {
        let place = content.len() - 45;
        content[place] ^= 1;
    });
    let repaired = Repaired::of(dir.path());
    assert_eq!((repaired.answer.code, repaired.summary("snapshots")), (0, json!([0])));
    assert_eq!((repaired.summary("first"), repaired.summary("last")), (json!(1), json!(30)));
}

#[test]
fn a_missing_file_in_the_middle_ends_the_history() {
    let dir = closed(60, 1_000);
    let segments: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_prefix("bank.wal.")?.strip_suffix(".jsonl")?.parse().ok())
        .collect();
    let mut firsts: Vec<u64> = segments;
    firsts.sort_unstable();
    fs::remove_file(sealed(dir.path(), firsts[2])).unwrap();
    let repaired = Repaired::of(dir.path());
    assert_eq!(repaired.answer.code, 1);
    assert_eq!(repaired.summary("last"), json!(firsts[2] - 1));
    assert_eq!(repaired.summary("lost"), json!([[firsts[2], 60]]));
}

#[test]
fn a_lost_tail_and_a_missing_active_segment_are_repaired() {
    let dir = closed(9, u64::MAX);
    edit_lines(&active(dir.path()), |lines| lines.truncate(6));
    let repaired = Repaired::of(dir.path());
    assert_eq!((repaired.summary("last"), repaired.summary("lost")), (json!(5), json!([[6, 9]])));
    fs::remove_file(active(dir.path())).unwrap();
    let repaired = Repaired::of(dir.path());
    assert_eq!((repaired.summary("last"), repaired.summary("lost")), (json!(0), json!([[1, 9]])));
}

#[test]
fn a_damaged_header_and_files_of_another_journal_are_left_behind() {
    let dir = closed(5, u64::MAX);
    edit(&active(dir.path()), |content| content[20] ^= 1);
    let repaired = Repaired::of(dir.path());
    assert_eq!((repaired.summary("last"), repaired.summary("lost")), (json!(0), json!([[1, 5]])));

    let (own, foreign) = (varied(), varied());
    let name = "bank.wal.00000000000000000001.jsonl";
    fs::copy(foreign.path().join(name), own.path().join(name)).unwrap();
    let repaired = Repaired::of(own.path());
    assert_eq!((repaired.summary("snapshots"), repaired.summary("last")), (json!([13]), json!(30)));
    assert_eq!((repaired.answer.code, repaired.summary("lost")), (0, json!([])));
    // However much a stranger's file holds, it is not of this journal.
    let (own, foreign) = (varied(), closed(60, 1_000));
    open(foreign.path(), 1_000).blocking_create_snapshot().unwrap();
    fs::copy(active(foreign.path()), own.path().join("bank.wal.next.jsonl")).unwrap();
    fs::copy(snapshot(foreign.path(), 60), snapshot(own.path(), 60)).unwrap();
    let repaired = Repaired::of(own.path());
    assert_eq!((repaired.summary("first"), repaired.summary("last")), (json!(1), json!(30)));
    assert_eq!((repaired.answer.code, repaired.summary("lost")), (0, json!([])));
}

/// Files cannot be larger than a few blocks, so the system ends the command while it writes.
#[cfg(unix)]
#[test]
fn a_run_that_is_killed_leaves_nothing_that_could_be_taken_for_a_journal() {
    let dir = closed(100, u64::MAX);
    let home = tempfile::tempdir().unwrap();
    let (to, partial) = (home.path().join("new"), home.path().join("new.partial"));
    let killed = std::process::Command::new("sh")
        .args(["-c", "ulimit -c 0; ulimit -f 8; exec \"$0\" repair \"$1\" --to \"$2\""])
        .arg(env!("CARGO_BIN_EXE_ministate"))
        .args([dir.path(), &to])
        .output()
        .unwrap();
    assert_eq!(killed.status.code(), None, "it was not killed: {killed:?}");
    assert!(partial.exists() && !to.exists());
    assert_eq!(ask("verify", &to).code, 3);
    let again = ask(&format!("repair --to {}", to.display()), dir.path());
    assert_eq!(again.code, 3, "{again:?}");
    assert!(again.err.contains("remove it and run again"), "{again:?}");
    fs::remove_dir_all(partial).unwrap();
    assert_eq!(ask(&format!("repair --to {}", to.display()), dir.path()).code, 0);
    assert_eq!(ask("verify", &to).code, 0);
}

#[test]
fn misnamed_segments_are_taken_for_what_they_say() {
    let journal = closed(60, 1_000);
    let dir = copied(journal.path());
    let sealed: Vec<_> =
        files(dir.path()).into_iter().filter(|(name, _)| name.contains("wal.0")).collect();
    fs::write(dir.path().join(&sealed[0].0), &sealed[1].1).unwrap();
    fs::write(dir.path().join(&sealed[1].0), &sealed[0].1).unwrap();
    let repaired = Repaired::of(dir.path());
    assert_eq!(repaired.answer.code, 0, "{:?}", repaired.answer);
    assert_eq!(files(&repaired.to()), files(journal.path()));
}

#[test]
fn without_a_sound_snapshot_there_is_nothing_to_repair() {
    let dir = closed(5, u64::MAX);
    edit(&snapshot(dir.path(), 0), |content| content[20] ^= 1);
    let repaired = Repaired::of(dir.path());
    assert_eq!(repaired.answer.code, 3, "{:?}", repaired.answer);
    assert!(repaired.answer.err.contains("restore a backup"), "{:?}", repaired.answer);
    assert!(!repaired.to().exists() && !home_has_partial(&repaired));
}

#[test]
fn the_next_command_that_damage_names_repairs_it() {
    let dir = closed(9, u64::MAX);
    edit_lines(&active(dir.path()), |lines| lines[4] = lines[4].replace("memo", "nemo"));
    let verified = ask("verify --json", dir.path()).objects();
    let next = verified[0]["next"].as_str().unwrap();
    let words: Vec<&str> = next.split(' ').collect();
    let ["ministate", words @ ..] = &words[..] else { panic!("{next}") };
    let answer = crate::command::answer(crate::command::ministate().args(words).output().unwrap());
    assert_eq!(answer.code, 1, "{answer:?}");
    let to = words.last().unwrap();
    assert_eq!(ask("verify", Path::new(to)).code, 0);
    fs::remove_dir_all(to).unwrap();
}

#[test]
fn only_a_free_directory_outside_of_the_old_one_is_written() {
    let dir = closed(5, u64::MAX);
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name);
    let repair = |to: &Path| ask(&format!("repair --to {}", to.display()), dir.path());
    let refused = |to: &Path, code: i32, words: &str| {
        let answer = repair(to);
        assert_eq!((answer.code, answer.out.as_str()), (code, ""), "{answer:?}");
        assert!(answer.err.contains(words) && answer.err.lines().count() == 1, "{answer:?}");
    };
    fs::create_dir(path("full")).unwrap();
    fs::write(path("full").join("file"), "").unwrap();
    refused(&path("full"), 2, "is not empty; name a new directory");
    fs::write(path("file"), "").unwrap();
    refused(&path("file"), 2, "is not empty; name a new directory");
    refused(dir.path(), 2, "name one outside of the journal's");
    refused(&dir.path().join("below/it"), 2, "name one outside of the journal's");
    refused(Path::new("/"), 2, "name one outside of the journal's");
    // As a run leaves it that was killed.
    fs::create_dir(path("cut.partial")).unwrap();
    refused(&path("cut"), 3, "an interrupted run left behind; remove it and run again");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), everything(dir.path()).len());

    fs::create_dir(path("empty")).unwrap();
    assert_eq!(repair(&path("empty")).code, 0);
    assert_eq!(ask("verify", &path("empty")).code, 0);
    assert_eq!(repair(&path("above/new")).code, 0);
    let bank = open(dir.path(), u64::MAX);
    refused(&path("open"), 3, "has the journal open");
    drop(bank);
    assert_eq!(repair(&path("open")).code, 0);
}

#[test]
fn batches_and_marks_are_kept() {
    let dir = closed(3, u64::MAX);
    let bank = open(dir.path(), u64::MAX);
    bank.blocking_apply_batch([deposit(4), BankOp::Freeze, deposit(6)]).unwrap();
    bank.blocking_apply(deposit(7)).unwrap();
    bank.blocking_close().unwrap();
    drop(bank);
    edit_lines(&active(dir.path()), |lines| {
        let last = lines.iter().position(|line| line.starts_with("{\"seq\":7")).unwrap();
        lines[last] = lines[last].replace("memo", "nemo");
    });
    let repaired = Repaired::of(dir.path());
    assert_eq!(repaired.summary("last"), json!(6));
    let text = fs::read_to_string(active(&repaired.to())).unwrap();
    assert_eq!(text.matches("{\"mark\":3,").count(), 1, "{text}");
    assert_eq!(text.matches("{\"mark\":6,").count(), 1, "{text}");
}
