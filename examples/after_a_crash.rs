//! What does a program find when it starts after a crash, and what should it say?
//!
//! ```sh
//! cargo run --example after_a_crash
//! ```
//!
//! Four accidents happen to a book of notes: its writer is killed, the power goes in the middle of a
//! write, a snapshot is damaged, and a byte of the journal is. After three of them it opens and says
//! what it found. After the fourth it refuses, and a backup is put in place.

#![expect(clippy::disallowed_methods, reason = "an example damages its own files")]

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use ministate::{MiniStateError, Mutations, Options, Recovery, StateManager};
use serde::{Deserialize, Serialize};

#[derive(Debug, Default, Serialize, Deserialize)]
struct Notes {
    texts: BTreeMap<u64, String>,
}

/// The writer gives each note its number. So it can look, after a crash, whether the last one is
/// there; and to write that again does no harm.
#[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
#[mutations(state = Notes)]
enum NoteOp {
    Write { number: u64, text: String },
}

impl Notes {
    fn write(&mut self, number: u64, text: String) {
        self.texts.insert(number, text);
    }
}

type Book = StateManager<Notes, NoteOp>;

const JOURNAL: &str = "notes.wal.jsonl";

fn open(dir: &Path) -> Result<Book, MiniStateError> {
    Options::new().blocking_open(dir, JOURNAL)
}

fn note(number: u64) -> NoteOp {
    NoteOp::Write { number, text: format!("note {number}") }
}

/// What a program should say when it has started: for a run that follows another in good order,
/// nothing.
fn report(recovery: &Recovery) -> Vec<String> {
    let mut lines = Vec::new();
    if !recovery.was_closed && !recovery.created {
        let (replayed, bytes) = (recovery.replayed, recovery.rewritten_bytes);
        lines.push(format!(
            "the last run was cut short: {replayed} mutations replayed, {bytes} bytes synced again"
        ));
    }
    if let Some(torn) = &recovery.torn_tail {
        // Nobody was told that these were written. Good to know, and nothing to mend.
        let (bytes, after, kept_in) = (torn.bytes, torn.after, name(&torn.kept_in));
        lines.push(format!("{bytes} unfinished bytes behind mutation {after} are in {kept_in}"));
    }
    for rejected in &recovery.rejected_snapshots {
        // Nothing was lost, and something damaged a file: look at the disk before the next one is.
        lines.push(format!("warning: {rejected:#}"));
    }
    for seq in &recovery.voided {
        // Somebody decided so with `ministate void`; the record still says why.
        lines.push(format!("mutation {seq} is void, and was not applied"));
    }
    lines
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// What is killed: writes notes, and tells of each when it is durable.
fn write_until_killed(dir: &Path) -> Result<(), MiniStateError> {
    let book = open(dir)?;
    for number in book.sequence() + 1.. {
        book.blocking_apply(note(number))?;
        println!("{number}");
    }
    Ok(())
}

/// Starts a writer, kills it after some notes, and returns the last of which it told.
fn killed(mut writer: Command) -> io::Result<u64> {
    let mut process = writer.stdout(Stdio::piped()).spawn()?;
    let mut told = 0;
    if let Some(stdout) = process.stdout.take() {
        for line in BufReader::new(stdout).lines() {
            told = line?.parse().unwrap_or(told);
            if told == 100 {
                // On Unix this is `kill -9`. What is in the pipe already is still read.
                process.kill()?;
            }
        }
    }
    process.wait()?;
    Ok(told)
}

/// A write that the power cut short: the beginning of a record, where the next one would stand.
fn tear(dir: &Path) -> io::Result<()> {
    let journal = fs::read_to_string(dir.join(JOURNAL))?;
    fs::write(dir.join(JOURNAL), format!("{}\n{{\"seq\":", journal.trim_end()))
}

/// Changes one letter of a file. Under a name of its own, as a backup may have a link to the old one.
fn damage(file: &Path, letter: &str) -> io::Result<()> {
    let text = fs::read_to_string(file)?.replacen(letter, "#", 1);
    fs::remove_file(file)?;
    fs::write(file, text)
}

fn newest_snapshot(dir: &Path) -> io::Result<PathBuf> {
    let paths =
        fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    let snapshots = paths.into_iter().filter(|path| name(path).contains(".snapshot."));
    snapshots.max().ok_or(io::ErrorKind::NotFound.into())
}

/// The files of the backup in place of what is there, which is kept for whoever wants to know more.
fn restore(backup: &[PathBuf], dir: &Path) -> io::Result<()> {
    fs::rename(dir, dir.with_extension("damaged"))?;
    fs::create_dir(dir)?;
    for file in backup {
        fs::copy(file, dir.join(file.file_name().unwrap_or_default()))?;
    }
    Ok(())
}

fn opened(dir: &Path) -> Result<Book, MiniStateError> {
    let book = open(dir)?;
    for line in report(book.recovery()) {
        println!("    {line}");
    }
    Ok(book)
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [command, dir] = arguments.as_slice()
        && command == "write"
    {
        return Ok(write_until_killed(Path::new(dir))?);
    }
    let desk = tempfile::tempdir()?;
    let dir = &desk.path().join("notes");

    println!("the writer is killed");
    let mut writer = Command::new(env::current_exe()?);
    writer.arg("write").arg(dir);
    let told = killed(writer)?;
    let book = opened(dir)?;
    // The one that was under way is there or not. Its writer can look, or just write it again.
    let (there, next) = (book.sequence(), told + 1);
    println!("    it told of {told} notes, and {there} are there");
    book.blocking_apply(note(next))?;

    println!("the power goes in the middle of a write");
    drop(book);
    tear(dir)?;
    let book = opened(dir)?;

    println!("a snapshot is damaged");
    book.blocking_create_snapshot()?;
    book.blocking_close()?;
    damage(&newest_snapshot(dir)?, "note")?;
    let book = opened(dir)?;
    // In place of the damaged one, so that the next start is as fast as it should be.
    book.blocking_apply(note(next + 1))?;
    book.blocking_create_snapshot()?;

    println!("a byte of the journal is damaged");
    let backup = book.blocking_backup(desk.path().join("backup"))?;
    book.blocking_apply(note(next + 2))?;
    book.blocking_apply(note(next + 3))?;
    book.blocking_close()?;
    damage(&dir.join(JOURNAL), "note")?;
    if let Err(error) = opened(dir) {
        println!("    {error}");
    }
    restore(&backup.files, dir)?;
    let book = opened(dir)?;
    println!("    from the backup: {} notes", book.sequence());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed_book(dir: &Path, notes: u64) {
        let book = open(dir).unwrap();
        for number in 1..=notes {
            book.blocking_apply(note(number)).unwrap();
        }
        book.blocking_close().unwrap();
    }

    fn texts(book: &Book) -> BTreeMap<u64, String> {
        book.read(|notes| notes.texts.clone())
    }

    const DIR_OF_WRITER: &str = "AFTER_A_CRASH_DIR_OF_WRITER";

    #[test]
    #[ignore = "the writer that another test kills"]
    fn writer() {
        if let Some(dir) = env::var_os(DIR_OF_WRITER) {
            write_until_killed(Path::new(&dir)).unwrap();
        }
    }

    #[test]
    fn what_the_killed_writer_told_of_is_there_and_at_most_one_note_more() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Command::new(env::current_exe().unwrap());
        writer.args(["--exact", "tests::writer", "--ignored", "--nocapture"]);
        writer.env(DIR_OF_WRITER, dir.path());
        let told = killed(writer).unwrap();
        assert!(told >= 100, "{told}");

        let book = open(dir.path()).unwrap();
        let there = book.sequence();
        assert!(there == told || there == told + 1, "{told} told of, {there} there");
        assert_eq!(texts(&book).into_keys().collect::<Vec<_>>(), Vec::from_iter(1..=there));
        assert!(report(book.recovery())[0].starts_with("the last run was cut short"));
    }

    #[test]
    fn after_a_run_in_good_order_there_is_nothing_to_say() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(report(open(dir.path()).unwrap().recovery()), [""; 0]);
        closed_book(dir.path(), 3);
        assert_eq!(report(open(dir.path()).unwrap().recovery()), [""; 0]);
    }

    #[test]
    fn an_unfinished_write_is_cut_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let book = open(dir.path()).unwrap();
        book.blocking_apply(note(1)).unwrap();
        drop(book);
        tear(dir.path()).unwrap();
        let book = open(dir.path()).unwrap();
        assert_eq!(texts(&book).len(), 1);
        let said = report(book.recovery());
        assert!(said[1].starts_with("7 unfinished bytes behind mutation 1 are in "), "{said:?}");
    }

    #[test]
    fn a_damaged_snapshot_is_named_and_loses_nothing() {
        let dir = tempfile::tempdir().unwrap();
        closed_book(dir.path(), 3);
        let book = open(dir.path()).unwrap();
        book.blocking_create_snapshot().unwrap();
        book.blocking_close().unwrap();
        damage(&newest_snapshot(dir.path()).unwrap(), "note").unwrap();
        let book = open(dir.path()).unwrap();
        assert_eq!(texts(&book).len(), 3);
        let said = report(book.recovery());
        let file = dir.path().join("notes.wal.snapshot.00000000000000000003.json");
        let warning = format!("warning: {} was not used, ", file.display());
        assert!(said[0].starts_with(&warning), "{said:?}");
    }

    #[test]
    fn a_damaged_journal_is_refused_until_a_backup_is_in_its_place() {
        let desk = tempfile::tempdir().unwrap();
        let dir = &desk.path().join("notes");
        closed_book(dir, 2);
        let book = open(dir).unwrap();
        let backup = book.blocking_backup(desk.path().join("backup")).unwrap();
        book.blocking_apply(note(3)).unwrap();
        book.blocking_close().unwrap();
        damage(&dir.join(JOURNAL), "note").unwrap();

        let refused = open(dir).unwrap_err();
        assert!(matches!(refused, MiniStateError::Corrupt { seq: 3, .. }), "{refused}");
        restore(&backup.files, dir).unwrap();
        assert_eq!(texts(&open(dir).unwrap()).len(), 2);
    }
}
