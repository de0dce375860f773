//! Which journals do the tests look at?

use std::fs;
use std::path::{Path, PathBuf};

use ministate::{MiniStateError, Mutations, Options, ReadOnly, StateManager};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

pub(crate) const NAME: &str = "bank.wal.jsonl";

#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Bank {
    pub(crate) cents: u64,
    pub(crate) memos: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
#[mutations(state = Bank)]
pub(crate) enum BankOp {
    Deposit { cents: u64, memo: String },
    Freeze,
}

impl Bank {
    fn deposit(&mut self, cents: u64, memo: String) {
        self.cents += cents;
        self.memos.push(memo);
    }

    fn freeze(&mut self) {
        self.memos.clear();
    }
}

pub(crate) type Manager = StateManager<Bank, BankOp>;

pub(crate) fn deposit(cents: u64) -> BankOp {
    BankOp::Deposit { cents, memo: format!("number {cents}") }
}

pub(crate) fn open(dir: &Path, segment_bytes: u64) -> Manager {
    try_open(dir, segment_bytes).unwrap()
}

pub(crate) fn try_open(dir: &Path, segment_bytes: u64) -> Result<Manager, MiniStateError> {
    Options::new().segment_bytes(segment_bytes).blocking_open(dir, NAME)
}

pub(crate) fn read_only(dir: &Path) -> Result<ReadOnly<Bank, BankOp>, MiniStateError> {
    Options::new().blocking_read_only(dir, NAME)
}

/// A directory with a journal of so many deposits, closed.
pub(crate) fn closed(mutations: u64, segment_bytes: u64) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let bank = open(dir.path(), segment_bytes);
    for cents in 1..=mutations {
        bank.blocking_apply(deposit(cents)).unwrap();
    }
    bank.blocking_close().unwrap();
    dir
}

/// The same as a killed process leaves it: no mark, and the fill still there.
pub(crate) fn killed(mutations: u64, segment_bytes: u64) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let bank = open(dir.path(), segment_bytes);
    for cents in 1..=mutations {
        bank.blocking_apply(deposit(cents)).unwrap();
    }
    drop(bank);
    dir
}

/// Several segments, two snapshots, a batch, and a mark.
pub(crate) fn varied() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let bank = open(dir.path(), 1_000);
    for cents in 1..=10 {
        bank.blocking_apply(deposit(cents)).unwrap();
    }
    bank.blocking_apply_batch([deposit(11), BankOp::Freeze, deposit(13)]).unwrap();
    bank.blocking_create_snapshot().unwrap();
    for cents in 14..=30 {
        bank.blocking_apply(deposit(cents)).unwrap();
    }
    bank.blocking_close().unwrap();
    dir
}

pub(crate) fn active(dir: &Path) -> PathBuf {
    dir.join(NAME)
}

pub(crate) fn sealed(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("bank.wal.{first:020}.jsonl"))
}

pub(crate) fn snapshot(dir: &Path, seq: u64) -> PathBuf {
    dir.join(format!("bank.wal.snapshot.{seq:020}.json"))
}

/// The names and bytes of all files.
pub(crate) fn everything(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

/// A copy of the directory.
pub(crate) fn copied(dir: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for (path, content) in everything(dir) {
        fs::write(copy.path().join(path.file_name().unwrap()), content).unwrap();
    }
    copy
}

/// Changes the bytes of a file.
pub(crate) fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut content = fs::read(path).unwrap();
    change(&mut content);
    fs::write(path, content).unwrap();
}

/// Changes the lines of a file; what follows the last line stays.
pub(crate) fn edit_lines(path: &Path, change: impl FnOnce(&mut Vec<String>)) {
    edit(path, |content| {
        let text = String::from_utf8(content.clone()).unwrap();
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let is_fill = |line: &&&str| **line == "\n";
        let fill: String = lines.iter().rev().take_while(is_fill).copied().collect();
        let data = lines.len() - fill.len();
        let mut lines: Vec<String> = lines[..data].iter().map(ToString::to_string).collect();
        change(&mut lines);
        *content = [lines.concat(), fill].concat().into_bytes();
    });
}
