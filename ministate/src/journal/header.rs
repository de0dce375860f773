//! The two small objects of a journal: the first line of a segment, and the head file.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::continuity::Continuity;
use super::names::Names;
use crate::error::{MiniStateError, Position};
use crate::record::{self, Chain, Seq};
use crate::schema::Schema;
use crate::storage::{self, Storage};

/// The format that this version of ministate writes, and the newest that it reads.
pub(crate) const FORMAT: u64 = 1;

/// With which every file of ministate begins, whatever its format.
pub(crate) const SIGNATURE: &[u8] = br#"{"ministate":"#;

/// What the first line of a segment says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    #[serde(rename = "ministate")]
    format: u64,
    /// The identity of the journal, which its segments share.
    pub(crate) journal: String,
    /// The sequence number of the segment's first mutation.
    pub(crate) first: Seq,
    /// The checksum of the record before it, in the segment before this.
    prev: String,
    /// The program that made the segment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) by: Option<String>,
    /// The operations that it writes, with their versions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) ops: BTreeMap<String, u32>,
}

impl Header {
    pub(crate) fn new(journal: String, after: &Continuity, schema: &Schema) -> Header {
        Header {
            format: FORMAT,
            journal,
            first: after.seq + 1,
            prev: after.record.to_string(),
            by: schema.by(),
            ops: schema.operations.iter().map(|tag| (tag.name.to_string(), tag.version)).collect(),
        }
    }

    /// Whether the segment's program writes what this one does.
    pub(crate) fn is_of(&self, schema: &Schema) -> bool {
        let ops = self.ops.iter().map(|(name, version)| (name.as_str(), *version));
        ops.eq(schema.operations.iter().map(|tag| (tag.name, tag.version)))
    }

    /// The line, and its checksum, which the segment's first record continues.
    pub(crate) fn line(&self) -> (Vec<u8>, Chain) {
        line_of(self)
    }

    /// A header of these words.
    #[cfg(feature = "inspect")]
    pub(crate) fn of_words(
        (journal, first): (String, Seq),
        previous: Chain,
        by: Option<String>,
        ops: BTreeMap<String, u32>,
    ) -> Header {
        Header { format: FORMAT, journal, first, prev: previous.to_string(), by, ops }
    }

    /// The header that the line, without its newline, says, whatever its checksum is.
    #[cfg(feature = "inspect")]
    pub(crate) fn unproven(line: &[u8]) -> Option<Header> {
        let (covered, _) = record::split_suffix(line)?;
        let header: Header = serde_json::from_slice(&[covered, b"}"].concat()).ok()?;
        let is_sound = header.format == FORMAT && header.first > 0;
        (is_sound && Chain::parse(header.prev.as_bytes()).is_some()).then_some(header)
    }

    pub(crate) fn previous(&self) -> Chain {
        Chain::parse(self.prev.as_bytes()).expect("parsing a header checks it")
    }

    pub(crate) fn parse(line: &[u8], file: &Path) -> Result<(Header, Chain), MiniStateError> {
        let header: Option<(Header, Chain)> = object_of(line, file)?;
        let sound = |(header, _): &(Header, Chain)| {
            header.first > 0 && Chain::parse(header.prev.as_bytes()).is_some()
        };
        header.filter(sound).ok_or_else(|| unsound(file))
    }
}

/// The first line of a segment is not sound.
pub(super) fn unsound(file: &Path) -> MiniStateError {
    MiniStateError::Corrupt {
        at: Position { file: file.to_path_buf(), line: 1, byte: 0 },
        seq: 0,
        what: "the first line is not the header that was written",
    }
}

/// How far a journal was synced when it was last closed, or a segment of it sealed. A lower bound.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeadFile {
    #[serde(rename = "ministate")]
    format: u64,
    journal: String,
    head: Seq,
}

/// Publishes that everything through `head` is synced.
pub(crate) fn publish_head(
    storage: &dyn Storage,
    names: &Names,
    journal: &str,
    head: Seq,
) -> Result<(), MiniStateError> {
    let file = HeadFile { format: FORMAT, journal: journal.to_string(), head };
    let (temporary, target) = (names.temporary(storage.unique()), names.head());
    storage::publish(storage, &temporary, &target, &line_of(&file).0)
        .map_err(MiniStateError::io("everything is synced, but remembering so in", target))
}

/// The identity and the head in the head file; `None` where there is no such file.
pub(crate) fn read_head(
    storage: &dyn Storage,
    names: &Names,
) -> Result<Option<(String, Seq)>, MiniStateError> {
    let path = names.head();
    let bytes = match storage::read_all(storage, &path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        result => result.map_err(MiniStateError::io("reading", &path))?,
    };
    let file: Option<(HeadFile, Chain)> = match bytes.split_last() {
        Some((b'\n', line)) => object_of(line, &path)?,
        Some(_) | None => None,
    };
    match file {
        Some((file, _)) => Ok(Some((file.journal, file.head))),
        None => Err(MiniStateError::Corrupt {
            at: Position { file: path, line: 1, byte: 0 },
            seq: 0,
            what: "the line is not the one that was written",
        }),
    }
}

pub(crate) fn line_of(object: &impl Serialize) -> (Vec<u8>, Chain) {
    let mut line = serde_json::to_vec(object).expect("these structs have a JSON form");
    let brace = line.pop();
    debug_assert_eq!(brace, Some(b'}'));
    let chain = record::push_suffix(&mut line, 0, Chain::START);
    (line, chain)
}

/// The object and the checksum of a line; `None` where the checksum is not right.
pub(crate) fn object_of<T: for<'de> Deserialize<'de>>(
    line: &[u8],
    file: &Path,
) -> Result<Option<(T, Chain)>, MiniStateError> {
    let Some(rest) = line.strip_prefix(SIGNATURE) else {
        return Ok(None);
    };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (format, rest) = rest.split_at(digits);
    let format = str::from_utf8(format).ok().and_then(|format| format.parse::<u64>().ok());
    let newer = format.filter(|found| *found > FORMAT && rest.starts_with(b","));
    if let Some(found) = newer {
        // A digit that was changed makes no new format of a line that is right without it.
        let ours = [SIGNATURE, FORMAT.to_string().as_bytes(), rest].concat();
        let is_ours = record::split_suffix(&ours)
            .is_some_and(|(covered, chain)| Chain::START.link(covered) == chain);
        let path = file.to_path_buf();
        return match is_ours {
            true => Ok(None),
            false => Err(MiniStateError::NewerFormat { path, found, supported: FORMAT }),
        };
    }
    if format != Some(FORMAT) {
        return Ok(None);
    }
    Ok(record::split_suffix(line).and_then(|(covered, chain)| {
        let sound = Chain::START.link(covered) == chain;
        let object = [covered, b"}"].concat();
        let object = sound.then(|| serde_json::from_slice(&object).ok()).flatten()?;
        Some((object, chain))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a header with a right checksum is taken for one.
    fn is_sound(first: Seq, prev: String) -> bool {
        let journal = "0123456789abcdef".to_string();
        let header =
            Header { format: FORMAT, journal, first, prev, by: None, ops: BTreeMap::new() };
        let (line, _) = header.line();
        match Header::parse(line.trim_ascii_end(), Path::new("segment")) {
            Ok((parsed, _)) => parsed == header,
            Err(MiniStateError::Corrupt { .. }) => false,
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn a_header_whose_segment_could_follow_nothing_is_refused() {
        let start = Chain::START.to_string();
        assert!(is_sound(1, start.clone()));
        assert!(!is_sound(0, start));
        assert!(!is_sound(1, "no checksum".to_string()));
    }
}
