//! What is done to the files of a journal that lies there? Bits, bytes, lines, sectors, files.

use ministate::storage::{Simulated, Storage};

use super::choices::Choices;
use super::operations::Pushes;
use super::{STEM, files};
use crate::JOURNAL;
use crate::reference::Files;

/// One damage, for the story of a finding.
#[derive(Debug)]
pub(super) struct Damage {
    #[expect(dead_code, reason = "it is printed")]
    kind: Kind,
    #[expect(dead_code, reason = "it is printed")]
    file: String,
    #[expect(dead_code, reason = "it is printed")]
    at: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    FlipBit,
    SetByte,
    Blank,
    Cut,
    Insert,
    Append,
    RemoveLine,
    RepeatLine,
    SwapLines,
    RemoveFile,
    SwapFiles,
    /// Under the name of another number.
    CopyFile,
    /// In place of the file of this name.
    Foreign,
}

const KINDS: [Kind; 13] = [
    Kind::FlipBit,
    Kind::SetByte,
    Kind::Blank,
    Kind::Cut,
    Kind::Insert,
    Kind::Append,
    Kind::RemoveLine,
    Kind::RepeatLine,
    Kind::SwapLines,
    Kind::RemoveFile,
    Kind::SwapFiles,
    Kind::CopyFile,
    Kind::Foreign,
];

/// Bytes that mean something to somebody.
const TELLING: [u8; 8] = [0, b'\n', b'"', b'0', b'}', b' ', 0xff, b'/'];

impl Damage {
    /// Damages the files as the bytes choose, mostly once.
    pub(super) fn chosen<M: Pushes>(choices: &mut Choices<'_>, files: &mut Files) -> Vec<Damage> {
        let damages = choices.one_of(&[1, 1, 1, 1, 0, 2, 2, 3]);
        (0..damages).map(|_| Damage::one::<M>(choices, files)).collect()
    }

    fn one<M: Pushes>(choices: &mut Choices<'_>, files: &mut Files) -> Damage {
        let kind = choices.one_of(&KINDS);
        let names: Vec<String> = files.keys().cloned().collect();
        if names.is_empty() {
            return Damage { kind, file: String::new(), at: 0 };
        }
        let file = names[choices.below(names.len() as u64) as usize].clone();
        let other = || names[names.len() - 1].clone();
        let mut content = files[&file].clone();
        let at = place(choices, &content);
        match kind {
            Kind::FlipBit => {
                let bit = choices.below(8);
                content[at..].iter_mut().take(1).for_each(|byte| *byte ^= 1 << bit);
            }
            Kind::SetByte => {
                let byte = choices.one_of(&TELLING);
                content[at..].iter_mut().take(1).for_each(|old| *old = byte);
            }
            Kind::Blank => {
                let end = content.len().min(at + choices.one_of(&[2, 5, 18, 512, 4_096]));
                // As a lost sector is, which begins and ends with one.
                let is_sector = choices.below(2) == 0;
                let align = |place: usize| if is_sector { place / 512 * 512 } else { place };
                content[align(at)..align(end).max(align(at))].fill(choices.one_of(&[0, b'\n']));
            }
            Kind::Cut => content.truncate(at),
            Kind::Insert => {
                let byte = choices.one_of(&TELLING);
                content.insert(at, byte);
            }
            Kind::Append => {
                let more = content[at..].iter().take(choices.below(700) as usize);
                content.extend(more.copied().collect::<Vec<u8>>());
            }
            Kind::RemoveLine | Kind::RepeatLine | Kind::SwapLines => {
                content = with_other_lines(kind, &content, at);
            }
            Kind::RemoveFile => {
                files.remove(&file);
                return Damage { kind, file, at };
            }
            Kind::SwapFiles => {
                let with = names.get(choices.below(names.len() as u64) as usize);
                let with = with.cloned().unwrap_or_else(other);
                let theirs = files.insert(with, content).unwrap_or_default();
                content = theirs;
            }
            Kind::CopyFile => {
                let number = choices.one_of(&[0, 1, 2, 3, 5, 1 << 63, u64::MAX - 1, u64::MAX]);
                let name = choices.one_of(&["", "snapshot.", "next", "head"]);
                let name = match name {
                    "" => format!("{STEM}.{number:020}.jsonl"),
                    "next" => format!("{STEM}.next.jsonl"),
                    "head" => format!("{STEM}.head.json"),
                    snapshot => format!("{STEM}.{snapshot}{number:020}.json"),
                };
                files.insert(name.clone(), content);
                return Damage { kind, file: name, at };
            }
            Kind::Foreign => content = foreign::<M>().remove(&file).unwrap_or(content),
        }
        files.insert(file.clone(), content);
        Damage { kind, file, at }
    }
}

/// A place in the data mostly, since the fill is much longer.
fn place(choices: &mut Choices<'_>, content: &[u8]) -> usize {
    let data = content.iter().rposition(|byte| *byte != b'\n').map_or(0, |last| last + 2);
    let (data, bytes) = (data.min(content.len()) as u64, content.len() as u64);
    let place = match choices.below(4) {
        0 => choices.below(0x1_0000) % (bytes + 1),
        // What is behind the last mark is at the end.
        1 => data.saturating_sub(choices.below(0x100)),
        _ => choices.below(0x1_0000) % (data + 1),
    };
    place as usize
}

fn with_other_lines(kind: Kind, content: &[u8], at: usize) -> Vec<u8> {
    let mut lines: Vec<&[u8]> = content.split_inclusive(|byte| *byte == b'\n').collect();
    let line = content[..at].iter().filter(|byte| **byte == b'\n').count();
    match kind {
        _ if line >= lines.len() => {}
        Kind::RemoveLine => drop(lines.remove(line)),
        Kind::RepeatLine => lines.insert(line, lines[line]),
        _ => lines.swap(line, (line + 1) % content.split_inclusive(|b| *b == b'\n').count()),
    }
    lines.concat()
}

/// The files of a journal like any other, but for its identity.
fn foreign<M: Pushes>() -> Files {
    let disk = Simulated::new();
    disk.unique();
    let lists = super::open::<M>(&disk).expect("an empty disk opens");
    for entry in 1..4 {
        lists.blocking_apply(M::pushes(entry)).expect("the disk is sound");
        if entry == 2 {
            lists.blocking_create_snapshot().expect("the disk is sound");
        }
    }
    lists.blocking_close().expect("the disk is sound");
    files(&disk)
}

/// The last mutation of which a head file, a mark, a header or a snapshot's name says that it was
/// synced.
pub(super) fn evidence(files: &Files) -> u64 {
    let text = |name: &String| String::from_utf8_lossy(&files[name]).into_owned();
    let number = |text: &str, key: &str| -> Option<u64> {
        let (_, behind) = text.rsplit_once(key)?;
        behind.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    let head = format!("{STEM}.head.json");
    let said = files.keys().filter_map(|name| match name {
        name if *name == head => number(&text(name), r#""head":"#),
        name if *name == JOURNAL => {
            let text = text(name);
            let text = text.trim_end_matches('\n');
            let mark = number(text, "{\"mark\":");
            mark.max(number(text, r#""first":"#).map(|first| first.saturating_sub(1)))
        }
        _ => None,
    });
    said.max().unwrap_or(0)
}
