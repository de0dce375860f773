//! `void` writes a new directory in which one mutation is not applied, and says so everywhere.

use std::fs;
use std::path::{Path, PathBuf};

use ministate::{MiniStateError, Mutations, Options, StateManager};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tempfile::TempDir;

use crate::command::{Answer, ask, ministate};
use crate::journals::{
    Bank, BankOp, NAME, active, closed, deposit, edit_lines, everything, killed, open, read_only,
    sealed, snapshot, varied,
};

const REASON: &str = "booked \"twice\"";

/// Runs `void` and sees that the old directory is as it was, and that the new one is sound.
fn void(dir: &Path, seq: u64) -> (TempDir, PathBuf, Answer) {
    let before = everything(dir);
    let home = tempfile::tempdir().unwrap();
    let to = home.path().join("new");
    let seq = seq.to_string();
    let mut command = ministate();
    command.args(["void", "--json", "--seq", &seq, "--reason", REASON, "--to"]);
    let answer = crate::command::answer(command.arg(&to).arg(dir).output().unwrap());
    assert_eq!(everything(dir), before, "void changed the old directory");
    assert!(!home.path().join("new.partial").exists(), "{answer:?}");
    if answer.code == 0 {
        let verified = ask("verify --json", &to);
        assert_eq!(verified.code, 0, "{verified:?}");
        assert_eq!(verified.summary()["voided"], answer.summary()["voided"]);
    } else {
        assert!(!to.exists() && answer.out.is_empty(), "{answer:?}");
        assert_eq!(answer.err.lines().count(), 1, "{answer:?}");
    }
    (home, to, answer)
}

#[test]
fn a_void_mutation_is_shown_and_has_no_effect() {
    let dir = varied();
    let (_home, to, answer) = void(dir.path(), 20);
    assert_eq!(answer.code, 0, "{answer:?}");
    let objects = answer.objects();
    let changed = &objects[0];
    let (was, becomes) = (changed["was"].as_str().unwrap(), changed["becomes"].as_str().unwrap());
    assert!(was.starts_with("{\"seq\":20,") && !was.contains("void"), "{was}");
    assert!(becomes.contains(r#""void":"booked \"twice\"","op":"deposit""#), "{becomes}");
    let old = fs::read_to_string(changed["file"].as_str().unwrap()).unwrap();
    let line = changed["line"].as_u64().unwrap() as usize;
    assert_eq!(old.lines().nth(line - 1), Some(was));
    let new: String = everything(&to)
        .into_iter()
        .map(|(_, content)| String::from_utf8(content).unwrap())
        .collect();
    assert!(new.lines().any(|line| line == becomes), "{new}");
    assert_eq!(answer.summary()["snapshots"], json!([0, 13]));
    assert_eq!(answer.summary()["voided"], json!([20]));

    let (old, new) = (read_only(dir.path()).unwrap(), read_only(&to).unwrap());
    assert_eq!(old.read(|bank| bank.cents) - new.read(|bank| bank.cents), 20);
    assert_eq!((old.sequence(), new.sequence()), (30, 30));
    assert_eq!(new.recovery().voided, [20]);
    let bank = open(&to, 1_000);
    assert_eq!(bank.blocking_apply(deposit(1)).unwrap(), 31);
    bank.blocking_verify_replay().unwrap();
}

#[test]
fn every_command_tells_of_it() {
    let dir = varied();
    let (_home, to, _) = void(dir.path(), 12);
    let cat = ask("cat --from 11 --to 13", &to).objects();
    assert_eq!(cat[1]["void"], REASON);
    assert_eq!((&cat[1]["op"], &cat[1]["together"]["n"]), (&json!("freeze"), &json!(3)));
    assert!(cat[0].get("void").is_none() && cat[2].get("void").is_none(), "{cat:?}");
    let stats = ask("stats --json", &to).summary();
    assert_eq!((&stats["mutations"], &stats["voided"]), (&json!(30), &json!(1)));
    assert_eq!(stats["operations"].as_array().unwrap().len(), 1, "{stats}");
    assert!(ask("stats", &to).out.contains("1 not applied: void"));
    // Nobody needs the operation any more.
    let schema = ask("schema --json", &to).out;
    assert!(schema.contains("deposit") && !schema.contains("\"first\":12"), "{schema}");
    let diff = ask("diff --json --records --from 10 --to 13", &to);
    assert_eq!(diff.objects()[1]["void"], REASON);
    assert_eq!(diff.summary()["voided"], 1, "{diff:?}");
    assert!(ask("diff --from 10", &to).out.contains("1 of them did not happen"));
    assert!(ask("verify", &to).out.contains("void: mutation 12 is not applied"));
    assert_eq!(ask("status --json", &to).summary()["recovery"]["replayed"], 29);
    let sound = ask("stats --json", dir.path()).summary();
    assert!(sound.get("voided").is_none(), "{sound}");
}

#[test]
fn one_of_several_and_more_than_one_can_be_void() {
    let dir = varied();
    let (_first, once, answer) = void(dir.path(), 11);
    // The snapshot at 13 holds what it did.
    assert_eq!(answer.summary()["snapshots"], json!([0]));
    let left = answer.objects()[1].clone();
    assert_eq!(left["file"], snapshot(dir.path(), 13).to_str().unwrap());
    assert_eq!(
        (&left["left"], &left["last"]),
        (&json!("it holds what the mutation did"), &json!(13))
    );
    let (_second, twice, answer) = void(&once, 13);
    assert_eq!(answer.summary()["voided"], json!([11, 13]));
    let memos = read_only(&twice).unwrap().read(|bank| bank.memos.clone());
    assert_eq!(memos[0], "number 14");
    let (_third, _, again) = void(&twice, 11);
    assert_eq!(again.code, 2, "{again:?}");
    assert!(again.err.contains("mutation 11 is void already"), "{again:?}");
}

#[test]
fn a_torn_end_is_left_behind_and_named() {
    let dir = killed(5, u64::MAX);
    crate::journals::edit(&active(dir.path()), |content| {
        let end = content.iter().rposition(|byte| *byte != b'\n').unwrap() + 1;
        content[end - 30..].fill(b'\n');
    });
    let (_home, to, answer) = void(dir.path(), 2);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert_eq!(answer.objects()[1]["left"], "of a batch that was never acknowledged");
    assert_eq!(read_only(&to).unwrap().read(|bank| bank.cents), 1 + 3 + 4);
}

#[test]
fn only_what_the_journal_holds_can_be_void() {
    let dir = closed(5, u64::MAX);
    for seq in [0, 6] {
        let (_home, _, answer) = void(dir.path(), seq);
        assert_eq!(answer.code, 2, "{answer:?}");
        assert!(answer.err.contains("give --seq one from 1 to 5"), "{answer:?}");
    }
    let to = dir.path().with_extension("void");
    let words = format!("void --seq 2 --to {} --reason", to.display());
    let mut words: Vec<&str> = words.split(' ').collect();
    words.push("");
    let answer = ministate().args(words).arg(dir.path()).output().unwrap();
    assert_eq!(answer.status.code(), Some(2), "a void mutation has a reason");
}

#[test]
fn a_damaged_journal_is_to_be_repaired_first() {
    let dir = closed(9, u64::MAX);
    edit_lines(&active(dir.path()), |lines| lines[7] = lines[7].replace("memo", "nemo"));
    let (_home, _, answer) = void(dir.path(), 2);
    assert_eq!(answer.code, 3, "{answer:?}");
    assert!(answer.err.contains("run `ministate repair "), "{answer:?}");
}

#[test]
fn without_a_snapshot_before_it_the_state_could_not_be_built() {
    let dir = varied();
    fs::remove_file(sealed(dir.path(), 1)).unwrap();
    fs::remove_file(snapshot(dir.path(), 0)).unwrap();
    let first = ask("verify --json", dir.path()).summary()["first"].as_u64().unwrap();
    assert!((2..13).contains(&first), "{first}");
    let (_home, _, answer) = void(dir.path(), first);
    assert_eq!(answer.code, 3, "{answer:?}");
    for words in ["the state cannot be built", "bank.wal.archive", "a backup"] {
        assert!(answer.err.contains(words), "{answer:?}");
    }
    let (_home, _, answer) = void(dir.path(), 14);
    assert_eq!(answer.code, 0, "{answer:?}");
}

mod newer {
    use super::{Bank, Deserialize, Mutations, Serialize};

    #[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
    #[mutations(state = Bank)]
    pub(super) enum Op {
        #[mutation(apply = keep)]
        Deposit { cents: u64, memo: String },
        #[mutation(apply = forget)]
        Freeze,
        #[mutation(apply = forget)]
        Forget,
    }

    fn keep(bank: &mut Bank, cents: u64, memo: String) {
        bank.cents += cents;
        bank.memos.push(memo);
    }

    fn forget(bank: &mut Bank) {
        bank.memos.clear();
    }
}

#[test]
fn a_program_that_does_not_know_the_operation_opens_the_journal_again() {
    let dir = closed(5, u64::MAX);
    let bank: StateManager<Bank, newer::Op> =
        Options::new().blocking_open(dir.path(), NAME).unwrap();
    bank.blocking_apply(newer::Op::Deposit { cents: 6, memo: String::new() }).unwrap();
    bank.blocking_apply(newer::Op::Forget).unwrap();
    bank.blocking_apply(newer::Op::Freeze).unwrap();
    bank.blocking_close().unwrap();
    drop(bank);
    let refused = read_only(dir.path()).err();
    assert!(matches!(refused, Some(MiniStateError::UnknownOperations { .. })), "{refused:?}");
    let (_home, to, answer) = void(dir.path(), 7);
    assert_eq!(answer.code, 0, "{answer:?}");
    let bank = open(&to, u64::MAX);
    assert_eq!((bank.sequence(), &*bank.recovery().voided), (8, &[7][..]));
    bank.blocking_apply(BankOp::Freeze).unwrap();
}

#[test]
fn an_operation_that_other_records_need_stays_announced() {
    let dir = closed(5, u64::MAX);
    let bank: StateManager<Bank, newer::Op> =
        Options::new().blocking_open(dir.path(), NAME).unwrap();
    bank.blocking_apply(newer::Op::Forget).unwrap();
    bank.blocking_apply(newer::Op::Forget).unwrap();
    bank.blocking_close().unwrap();
    drop(bank);
    let (_first, once, _) = void(dir.path(), 6);
    assert!(matches!(read_only(&once).err(), Some(MiniStateError::UnknownOperations { .. })));
    let (_second, twice, _) = void(&once, 7);
    assert_eq!(read_only(&twice).unwrap().recovery().voided, [6, 7]);
}
