//! What does an opening make of hostile bytes? It refuses them, or finds what was written.
//!
//! Each function takes the bytes of one input and panics where ministate breaks a promise. The fuzz
//! targets in `tests/fuzz` call them, and so does a bounded test.

mod choices;
mod damage;
mod history;
mod operations;
mod seeds;

use std::path::PathBuf;

use ministate::storage::{Simulated, Storage};
use ministate::{MiniStateError, Options, StateManager};

use crate::reference::{self, Files, Reading};
use crate::{JOURNAL, List};
use choices::Choices;
use damage::Damage;
use history::History;
use operations::{Named, Pushes};

pub use seeds::seeds;

/// The directory on the simulated disk.
const DIR: &str = "lists";

/// With which the names of the files begin.
const STEM: &str = "list.wal";

/// What became of an input that keeps all promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It opened with all that was written, or with what the reference reads.
    Opened,
    /// It opened without mutations that nothing on the disk says were synced.
    Shortened,
    /// It was refused with a typed error, and nothing was changed.
    Refused,
}

/// One function per fuzz target.
pub type Target = fn(&[u8]) -> Outcome;

/// The fuzz targets by their names.
pub const TARGETS: [(&str, Target); 3] =
    [("segment", segment), ("snapshot", snapshot), ("directory", directory)];

/// The bytes as the active segment: as they are, and with the checksums that they should have;
/// beside the genesis and a head file, beside the genesis, and alone.
///
/// What opens is what the reference reads, takes another mutation, and opens again with it. What
/// the reference reads is refused only for what its payloads are.
pub fn segment(bytes: &[u8]) -> Outcome {
    const GENESIS: &str = "snapshot.00000000000000000000.json";
    let disk = Simulated::new();
    open::<Named>(&disk).expect("an empty disk opens");
    let sound = files(&disk);
    let forged = reseal_segment(bytes);
    let mut outcome = Outcome::Refused;
    for beside in [&["head.json", GENESIS][..], &[GENESIS], &[]] {
        for content in [bytes, &forged] {
            let kept = beside.iter().map(|rest| format!("{STEM}.{rest}"));
            let mut files: Files = kept.map(|name| (name.clone(), sound[&name].clone())).collect();
            files.insert(JOURNAL.to_string(), content.to_vec());
            outcome = outcome.min(agree::<Named>(&files)).min(agree::<crate::Push>(&files));
        }
    }
    outcome
}

/// The bytes as the newest snapshot of a journal whose older snapshots are sound.
///
/// As they are, they make no other state. With the checksums that they should have, what opens is
/// what the reference reads.
pub fn snapshot(bytes: &[u8]) -> Outcome {
    let (sound, entries) = history::with_snapshots();
    let newest = format!("{STEM}.snapshot.{:020}.json", history::NEWEST_SNAPSHOT);
    let mut damaged = sound.clone();
    damaged.insert(newest.clone(), bytes.to_vec());
    let disk = disk_of(&damaged);
    let outcome = match open::<Named>(&disk) {
        Ok(lists) => {
            assert_eq!(lists.read(|list| list.entries.clone()), entries, "another state");
            let rejected = &lists.recovery().rejected_snapshots;
            assert_eq!(rejected.len(), usize::from(bytes != sound[&newest]), "{rejected:?}");
            if rejected.is_empty() { Outcome::Opened } else { Outcome::Shortened }
        }
        Err(error) => refused(&error, &damaged, &disk, Payloads::Sound),
    };
    let mut forged = sound;
    forged.insert(newest, reseal_snapshot(bytes));
    agree::<Named>(&forged);
    outcome
}

/// The bytes as the choices of a small history and of damage to what it leaves.
///
/// It opens with all of the history, or is refused. One damage can lose the mutations behind the
/// last mark; several can lose what no file any more says was synced. What opens is what the
/// reference reads, and what the reference reads opens.
pub fn directory(bytes: &[u8]) -> Outcome {
    let mut choices = Choices(bytes);
    match choices.below(3) {
        0 => directory_of::<crate::Push>(choices),
        _ => directory_of::<Named>(choices),
    }
}

fn directory_of<M: Pushes>(mut choices: Choices<'_>) -> Outcome {
    let History { files: sound, entries } = history::lived::<M>(&mut choices);
    let covered = damage::evidence(&sound);
    let mut damaged = sound.clone();
    let damages = Damage::chosen::<M>(&mut choices, &mut damaged);
    let disk = disk_of(&damaged);
    let story = || format!("{entries:?} of which {covered} are marked, then {damages:?}");
    match open::<M>(&disk) {
        Ok(lists) => {
            let found = lists.read(|list| list.entries.clone());
            assert!(entries.starts_with(&found), "{found:?} is no part of {}", story());
            let floor = if damages.len() > 1 { damage::evidence(&damaged) } else { covered };
            assert!(found.len() as u64 >= floor, "{} of {}", found.len(), story());
            drop(lists);
            agree::<M>(&damaged);
            if found == entries { Outcome::Opened } else { Outcome::Shortened }
        }
        Err(error) => {
            assert!(damaged != sound, "a sound journal was refused: {error}, {}", story());
            let read = read::<M>(&damaged);
            assert!(read.is_err(), "{error}, but {read:?}, {}", story());
            refused(&error, &damaged, &disk, Payloads::Sound)
        }
    }
}

/// Opens the files, and compares with what the reference reads.
fn agree<M: Pushes>(files: &Files) -> Outcome {
    let disk = disk_of(files);
    let expected = read::<M>(files);
    let lists = match open::<M>(&disk) {
        Ok(lists) => lists,
        Err(error) => {
            if let Ok(reading) = expected {
                let told = operations::entries_of::<M>(&reading).is_some();
                let sound = told && !is_of_programs(&error);
                assert!(!sound, "{error}, but the reference reads {reading:?}");
            }
            return refused(&error, files, &disk, Payloads::Forged);
        }
    };
    let found = lists.read(|list| list.entries.clone());
    if lists.recovery().imported.is_none() {
        let reading = expected.unwrap_or_else(|why| panic!("{found:?}, to the reference {why}"));
        assert_eq!(Some(&found), operations::entries_of::<M>(&reading).as_ref());
        assert_eq!(lists.sequence(), reading.last);
    }
    let seq = lists.sequence();
    assert_eq!(lists.blocking_apply(M::pushes(9_999)).expect("it is open"), seq + 1);
    drop(lists);
    trim_fill(&disk);
    let again = open::<M>(&disk).unwrap_or_else(|error| panic!("it opened once: {error}"));
    assert_eq!(again.read(|list| list.entries.clone()), [found, vec![9_999]].concat());
    Outcome::Opened
}

fn read<M: Pushes>(files: &Files) -> Result<Reading, reference::Refusal> {
    let reading =
        reference::read(files, STEM, &|state| serde_json::from_str::<List>(state).is_ok())?;
    match operations::entries_of::<M>(&reading) {
        Some(_) => Ok(reading),
        None => Err("payloads that are none of the program's".to_string()),
    }
}

/// Whose payloads the files hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Payloads {
    /// A program's: each sound record is one of its mutations.
    Sound,
    /// Anybody's.
    Forged,
}

/// Errors about what the bytes mean to a program, and not about the bytes.
fn is_of_programs(error: &MiniStateError) -> bool {
    matches!(
        error,
        MiniStateError::UnknownOperations { .. }
            | MiniStateError::UnreadableState { .. }
            | MiniStateError::Undecodable { .. }
    )
}

/// Checks that the error is one of those that an opening has for bytes, and that it says what to do
/// and has done nothing.
fn refused(
    error: &MiniStateError,
    before: &Files,
    disk: &Simulated,
    payloads: Payloads,
) -> Outcome {
    let is_of_bytes = matches!(
        error,
        MiniStateError::Foreign { .. }
            | MiniStateError::NewerFormat { .. }
            | MiniStateError::Corrupt { .. }
            | MiniStateError::Missing { .. }
            | MiniStateError::LostTail { .. }
            | MiniStateError::NoSnapshot { .. }
    );
    let typed = is_of_bytes || (payloads == Payloads::Forged && is_of_programs(error));
    assert!(typed, "not an error for bytes: {error:?}");
    let text = error.to_string();
    assert!(!text.contains('\n') && text.contains("; "), "{text}");
    assert!(files(disk) == *before, "a refused opening changed the disk: {error}");
    Outcome::Refused
}

fn open<M: Pushes>(disk: &Simulated) -> Result<StateManager<List, M>, MiniStateError> {
    Options::new().storage(disk.clone()).blocking_open(DIR, JOURNAL)
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(DIR).join(name)
}

fn files(disk: &Simulated) -> Files {
    let names = disk.list(&PathBuf::from(DIR)).expect("the directory is there");
    names
        .into_iter()
        .map(|name| (name.clone(), disk.content(path(&name)).expect("it was listed")))
        .collect()
}

/// Cuts most of the fill, which is many times longer than the data, and as dull to a fuzzer as to
/// a reader.
fn trim_fill(disk: &Simulated) {
    if let Some(mut content) = disk.content(path(JOURNAL)) {
        while content.ends_with(&[b'\n'; 1_400]) {
            content.truncate(content.len() - 700);
        }
        disk.set_content(path(JOURNAL), content);
    }
}

fn disk_of(files: &Files) -> Simulated {
    let disk = Simulated::new();
    disk.create_dir_all(&PathBuf::from(DIR)).expect("it is in memory");
    for (name, content) in files {
        disk.set_content(path(name), content.clone());
    }
    // So that what is written from now on bears names of its own.
    for _ in 0..200 {
        disk.unique();
    }
    disk
}

/// Gives the lines of a segment the lengths and checksums that they should have, where they end
/// with one. A format that there never was stays as damaged as it is.
fn reseal_segment(content: &[u8]) -> Vec<u8> {
    let (mut before, mut sealed) = ("00000000".to_string(), Vec::new());
    for line in content.split_inclusive(|byte| *byte == b'\n') {
        let (line, newline) = match line.strip_suffix(b"\n") {
            Some(line) => (line, &b"\n"[..]),
            None => (line, &b""[..]),
        };
        match reference::reseal_line(&with_its_length(line), &before) {
            Some((line, crc)) => {
                if !line.starts_with(br#"{"mark""#) && !line.starts_with(br#"{"end""#) {
                    before = crc;
                }
                sealed.extend(line);
            }
            None => sealed.extend(line),
        }
        sealed.extend(newline);
    }
    sealed
}

fn with_its_length(line: &[u8]) -> Vec<u8> {
    const KEY: &[u8] = br#""len":"#;
    const PAYLOAD: &[u8] = br#","d":"#;
    let corrected = || {
        let digits = line.windows(KEY.len()).position(|window| window == KEY)? + KEY.len();
        let behind = line[digits..].windows(PAYLOAD.len()).position(|w| w == PAYLOAD)? + digits;
        let bytes = line.len().checked_sub(behind + PAYLOAD.len() + 18)?;
        Some([&line[..digits], bytes.to_string().as_bytes(), &line[behind..]].concat())
    };
    corrected().unwrap_or_else(|| line.to_vec())
}

/// Gives the lines of a snapshot the checksums and the length that they should have.
fn reseal_snapshot(content: &[u8]) -> Vec<u8> {
    let lines: Vec<&[u8]> = content.split(|byte| *byte == b'\n').collect();
    let [header, state, _end, rest @ ..] = &lines[..] else { return content.to_vec() };
    let Some((header, crc)) = reference::reseal_line(header, "00000000") else {
        return content.to_vec();
    };
    let end = format!(r#"{{"bytes":{},"crc":"00000000"}}"#, state.len());
    let before = [crc.as_bytes(), state, b"\n"].concat();
    let before = String::from_utf8_lossy(&before).into_owned();
    let Some((end, _)) = reference::reseal_line(end.as_bytes(), &before) else {
        return content.to_vec();
    };
    [&[&header, *state, &end][..], rest].concat().join(&b'\n')
}
