//! Small sound journals of each kind, and everything that can be done to their files.

use std::path::{Path, PathBuf};

use ministate::storage::{Simulated, Storage};
use ministate::{Disposal, MiniStateError, Options};
use ministate_tests::{JOURNAL, Lists, Push, push};

use crate::history::DIR;

/// A sound journal.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(crate) story: &'static str,
    pub(crate) end: End,
    pub(crate) disk: Simulated,
    pub(crate) mutations: u64,
    segment_bytes: u64,
    /// In the order of their names.
    files: Vec<(PathBuf, Vec<u8>)>,
}

/// How the last program left it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// A mark and the head file say what there is.
    Closed,
    /// Nothing says what there is of the newest segment.
    Killed,
}

/// What was done to a directory. The file is named by its place among the names.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Damage {
    BitFlipped { file: usize, byte: usize, bit: u8 },
    ByteChanged { file: usize, byte: usize, value: u8 },
    ByteInserted { file: usize, byte: usize },
    ByteTaken { file: usize, byte: usize },
    CutTo { file: usize, length: usize },
    LineRemoved { file: usize, line: usize },
    LineRepeated { file: usize, line: usize },
    LinesSwapped { file: usize, line: usize },
    SectorBlanked { file: usize, sector: usize, value: u8 },
    Appended { file: usize, bytes: &'static [u8] },
    Removed { file: usize },
    Exchanged { file: usize, with: usize },
    Replaced { file: usize, by: usize },
}

/// How many damages to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thoroughness {
    /// Every bit, every length, every line, every sector, every file.
    Bits,
    /// And every byte with every value.
    Bytes,
}

/// Sectors are the units in which a disk writes.
const SECTOR_BYTES: usize = 512;

/// The journals to damage.
pub(crate) fn directories() -> Vec<Directory> {
    let kinds = [
        ("snapshots", 600, snapshots as fn(&Lists)),
        ("compacted", 400, compacted),
        ("segments", 400, segments),
        ("batches", 4_000, batches),
        ("few", 4_000, few),
    ];
    let ends = [End::Closed, End::Killed];
    let all = kinds.iter().flat_map(|kind| ends.map(|end| (kind, end)));
    all.map(|((story, segment_bytes, work), end)| Directory::of(story, *segment_bytes, end, work))
        .collect()
}

fn few(lists: &Lists) {
    write(lists, 4);
}

fn batches(lists: &Lists) {
    write(lists, 2);
    lists.blocking_apply_batch((2..5).map(push)).unwrap();
    lists.blocking_apply(Push { entry: 5, padding: "x".repeat(900) }).unwrap();
}

fn segments(lists: &Lists) {
    write(lists, 9);
}

fn snapshots(lists: &Lists) {
    write(lists, 5);
    lists.blocking_create_snapshot().unwrap();
    write(lists, 4);
    lists.blocking_create_snapshot_by_clone().unwrap();
    write(lists, 3);
}

fn compacted(lists: &Lists) {
    for _ in 0..3 {
        write(lists, 4);
        lists.blocking_create_snapshot().unwrap();
    }
    lists.blocking_compact().unwrap();
    write(lists, 2);
}

fn write(lists: &Lists, mutations: u64) {
    let first = lists.sequence();
    for entry in first..first + mutations {
        lists.blocking_apply(push(entry)).unwrap();
    }
}

impl Directory {
    fn of(story: &'static str, segment_bytes: u64, end: End, work: &fn(&Lists)) -> Directory {
        let disk = Simulated::new();
        let mut directory =
            Directory { story, end, disk, mutations: 0, segment_bytes, files: Vec::new() };
        let lists = directory.open(&directory.disk, 2).unwrap();
        work(&lists);
        directory.mutations = lists.sequence();
        match end {
            End::Closed => lists.blocking_close().unwrap(),
            End::Killed => drop(lists),
        }
        let mut names = directory.disk.list(Path::new(DIR)).unwrap();
        names.sort();
        for path in names.into_iter().map(|name| Path::new(DIR).join(name)) {
            let content = directory.disk.content(&path).unwrap();
            directory.files.push((path, content));
        }
        directory
    }

    /// Opens the journal on a disk that was made of this directory's.
    pub(crate) fn open(&self, disk: &Simulated, kept: usize) -> Result<Lists, MiniStateError> {
        Options::new()
            .segment_bytes(self.segment_bytes)
            .snapshots_kept(kept)
            .disposal(Disposal::Delete)
            .storage(disk.clone())
            .blocking_open(DIR, JOURNAL)
    }

    /// The disk with the damage.
    pub(crate) fn damaged(&self, damage: &Damage) -> Simulated {
        let disk = self.disk.after_kill();
        let change = |file: usize, change: &dyn Fn(&mut Vec<u8>)| {
            let (path, mut content) = self.files[file].clone();
            change(&mut content);
            disk.set_content(path, content);
        };
        match *damage {
            Damage::BitFlipped { file, byte, bit } => change(file, &|all| all[byte] ^= 1 << bit),
            Damage::ByteChanged { file, byte, value } => change(file, &|all| all[byte] = value),
            Damage::ByteInserted { file, byte } => change(file, &|all| all.insert(byte, b'1')),
            Damage::ByteTaken { file, byte } => change(file, &|all| {
                all.remove(byte);
            }),
            Damage::CutTo { file, length } => change(file, &|all| all.truncate(length)),
            Damage::LineRemoved { file, line } => {
                change(file, &|all| change_lines(all, |lines| drop(lines.remove(line))));
            }
            Damage::LineRepeated { file, line } => change(file, &|all| {
                change_lines(all, |lines| lines.insert(line, lines[line].clone()));
            }),
            Damage::LinesSwapped { file, line } => {
                change(file, &|all| change_lines(all, |lines| lines.swap(line, line + 1)));
            }
            Damage::SectorBlanked { file, sector, value } => change(file, &|all| {
                let end = all.len().min((sector + 1) * SECTOR_BYTES);
                all[sector * SECTOR_BYTES..end].fill(value);
            }),
            Damage::Appended { file, bytes } => change(file, &|all| all.extend_from_slice(bytes)),
            Damage::Removed { file } => disk.remove(&self.files[file].0).unwrap(),
            Damage::Exchanged { file, with } => {
                disk.set_content(&self.files[file].0, self.files[with].1.clone());
                disk.set_content(&self.files[with].0, self.files[file].1.clone());
            }
            Damage::Replaced { file, by } => {
                disk.set_content(&self.files[file].0, self.files[by].1.clone());
            }
        }
        disk
    }

    /// Everything that can be done to the directory.
    pub(crate) fn damages(&self, thoroughness: Thoroughness) -> Vec<Damage> {
        let mut all = Vec::new();
        for (file, (_, content)) in self.files.iter().enumerate() {
            let bytes = content.len();
            for byte in 0..bytes {
                all.extend((0..8).map(|bit| Damage::BitFlipped { file, byte, bit }));
                all.push(Damage::CutTo { file, length: byte });
                all.push(Damage::ByteInserted { file, byte });
                all.push(Damage::ByteTaken { file, byte });
            }
            let lines = content.split_inclusive(|byte| *byte == b'\n').count();
            all.extend((0..lines).map(|line| Damage::LineRemoved { file, line }));
            all.extend((0..lines).map(|line| Damage::LineRepeated { file, line }));
            all.extend((1..lines).map(|line| Damage::LinesSwapped { file, line: line - 1 }));
            for sector in 0..bytes.div_ceil(SECTOR_BYTES) {
                let blanked = |value| Damage::SectorBlanked { file, sector, value };
                all.extend([0, b'\n', b'x'].map(blanked));
            }
            let garbage: [&[u8]; 4] = [b"\0", b"x", b"{\"seq\":1", b"\n{\"mark\":1}\n"];
            all.extend(garbage.map(|bytes| Damage::Appended { file, bytes }));
            all.push(Damage::Removed { file });
            for other in (0..self.files.len()).filter(|other| *other != file) {
                all.push(Damage::Replaced { file, by: other });
                if other < file {
                    all.push(Damage::Exchanged { file, with: other });
                }
            }
        }
        if thoroughness == Thoroughness::Bytes {
            for (file, (_, content)) in self.files.iter().enumerate() {
                for byte in 0..content.len() {
                    all.extend((0..=255).map(|value| Damage::ByteChanged { file, byte, value }));
                }
            }
        }
        all
    }
}

impl Damage {
    /// What was done, in a word.
    pub(crate) fn name(&self) -> String {
        format!("{self:?}").split(' ').take(1).collect()
    }

    /// Whether a power cut could leave the same, where nothing says what was there: bytes are gone
    /// from the end, or are what was written ahead.
    pub(crate) fn may_look_torn(&self) -> bool {
        match self {
            Damage::CutTo { .. }
            | Damage::LineRemoved { .. }
            | Damage::ByteTaken { .. }
            | Damage::ByteChanged { value: 0 | b'\n', .. }
            | Damage::SectorBlanked { value: 0 | b'\n', .. } => true,
            Damage::BitFlipped { .. }
            | Damage::ByteChanged { .. }
            | Damage::ByteInserted { .. }
            | Damage::LineRepeated { .. }
            | Damage::LinesSwapped { .. }
            | Damage::SectorBlanked { .. }
            | Damage::Appended { .. }
            | Damage::Removed { .. }
            | Damage::Exchanged { .. }
            | Damage::Replaced { .. } => false,
        }
    }
}

fn change_lines(content: &mut Vec<u8>, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
    let mut lines: Vec<Vec<u8>> =
        content.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    change(&mut lines);
    *content = lines.concat();
}
