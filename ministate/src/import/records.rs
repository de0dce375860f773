//! The records of ministate 0.1: bare JSON, one a line, applied in order.

use std::path::PathBuf;

use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::files::{OldFiles, SIGNATURE};
use crate::error::{MiniStateError, Position};
use crate::journal::{Lines, Names};
use crate::mutation::{Mutator, Reply};
use crate::record::Seq;
use crate::recovery::{self, Progress};
use crate::schema::{self, DecodeError};
use crate::storage::Storage;

/// What an old journal holds.
pub(super) struct Replayed {
    /// The last mutation.
    pub(super) seq: Seq,
    /// The file that ends with bytes of a mutation that was never acknowledged, and how many.
    pub(super) torn: Option<(PathBuf, u64)>,
}

/// Receives a record with its number.
pub(super) type Visit<'a> = dyn FnMut(&[u8], Seq, &Position) -> Result<(), MiniStateError> + 'a;

/// Applies the records behind `behind` to the state.
pub(super) fn replay<S, M>(
    storage: &dyn Storage,
    names: &Names,
    old: &OldFiles,
    behind: Seq,
    state: &mut S,
    on_progress: &dyn Fn(Progress),
) -> Result<Replayed, MiniStateError>
where
    M: Mutator<S> + Serialize + DeserializeOwned,
{
    let mut apply = |record: &[u8], seq: Seq, at: &Position| {
        let decoded = decode::<S, M>(record)
            .map_err(|error| MiniStateError::undecodable(at.clone(), seq, None, error))?;
        let Some(mutation) = decoded else { return Ok(()) };
        let tag = mutation.__tag().map(|tag| (tag.name, tag.version));
        recovery::apply(mutation, state, &mut Reply::discarded())
            .map_err(|message| recovery::handler_panicked(seq, tag, message))
    };
    read(storage, names, old, behind, &mut apply, on_progress)
}

/// Gives the records behind `behind` to `visit`, in order. The journal must be all there: its
/// records bear no number, so only who has counted them from the first knows which one is which.
pub(super) fn read(
    storage: &dyn Storage,
    names: &Names,
    old: &OldFiles,
    behind: Seq,
    visit: &mut Visit<'_>,
    on_progress: &dyn Fn(Progress),
) -> Result<Replayed, MiniStateError> {
    let rotated = old.rotated().iter().map(|(number, path)| (Some(*number), path.clone()));
    let active = old.active(names).map(|path| (None, path));
    let mut segments = Vec::new();
    for (number, path) in rotated.chain(active) {
        segments.push((number, Lines::open(storage, &path)?));
    }
    let bytes_total = segments.iter().map(|(_, lines)| lines.file_bytes).sum();
    let progress = Progress { bytes_read: 0, bytes_total, replayed: 0 };
    let mut reader = Reader { seq: 0, behind, visit, progress, on_progress };
    let mut torn = None;
    let mut expected = 1;
    let mut segments = segments.into_iter().peekable();
    while let Some((number, lines)) = segments.next() {
        refuse_gap(names, &lines, number, expected, reader.seq)?;
        expected += 1;
        let path = lines.position.file.clone();
        let place = if segments.peek().is_some() { Place::Inner } else { Place::Last };
        torn = reader.read(lines, place)?.map(|bytes| (path, bytes));
    }
    on_progress(Progress { bytes_read: bytes_total, ..reader.progress });
    Ok(Replayed { seq: reader.seq, torn })
}

fn refuse_gap(
    names: &Names,
    lines: &Lines,
    number: Option<u32>,
    expected: u32,
    last: Seq,
) -> Result<(), MiniStateError> {
    match number {
        Some(number) if number > expected => {
            Err(MiniStateError::Missing { path: names.old_segment(expected), seq: last + 1 })
        }
        Some(number) if number < expected => Err(MiniStateError::Corrupt {
            at: lines.position.clone(),
            seq: last + 1,
            what: "a segment of ministate 0.1 has a number that does not follow the one before",
        }),
        Some(_) | None => Ok(()),
    }
}

/// Whether other segments stand behind one: a crash tears off the end of the last one only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Inner,
    Last,
}

/// How many bytes are read between two reports of progress.
const PROGRESS_BYTES: u64 = 1 << 20;

const NO_HEADER: &str = "the first line is not that of a journal of ministate 0.1";
const NO_RECORD: &str = "the line is not a record of ministate 0.1";

struct Reader<'a, 'v> {
    /// The last mutation that was read.
    seq: Seq,
    /// The last mutation that the state held before.
    behind: Seq,
    visit: &'a mut Visit<'v>,
    progress: Progress,
    on_progress: &'a dyn Fn(Progress),
}

impl Reader<'_, '_> {
    /// Reads a segment to its end, and says how many torn bytes stand there.
    fn read(&mut self, mut lines: Lines, place: Place) -> Result<Option<u64>, MiniStateError> {
        let before = self.progress.bytes_read;
        let mut reported = before;
        while let Some(range) = lines.peek()? {
            let line = &lines.buffer[range];
            // A program that raced another for the first opening wrote a second one.
            if !is_header(line) {
                if lines.position.line == 1 {
                    return Err(self.unreadable(&lines, NO_HEADER));
                }
                let (records, rest) = split(line);
                if records.is_empty() || !rest.is_empty() {
                    return Err(self.unreadable(&lines, NO_RECORD));
                }
                self.visit(&records, &lines.position)?;
            }
            lines.advance();
            self.progress.bytes_read = before + lines.position.byte;
            if self.progress.bytes_read >= reported + PROGRESS_BYTES {
                reported = self.progress.bytes_read;
                (self.on_progress)(self.progress);
            }
        }
        self.progress.bytes_read = before + lines.file_bytes;
        let last = lines.rest()?;
        self.read_unended(&lines, &last, place)
    }

    /// Reads the line that no newline ends. The next opening of 0.1 took it for a record if it was
    /// one as a whole, and went on in the same line.
    fn read_unended(
        &mut self,
        lines: &Lines,
        line: &[u8],
        place: Place,
    ) -> Result<Option<u64>, MiniStateError> {
        let (mut records, mut rest) = split(line);
        if lines.position.line == 1 {
            if !is_header(line) && !SIGNATURE.starts_with(line) {
                return Err(self.unreadable(lines, NO_HEADER));
            }
            (records, rest) = (Vec::new(), line);
        }
        // More digits may have been lost.
        if rest.is_empty() && line.last().is_some_and(u8::is_ascii_digit) {
            rest = records.pop().unwrap_or_default();
        }
        self.visit(&records, &lines.position)?;
        match place {
            _ if rest.is_empty() => Ok(None),
            Place::Last => Ok(Some(rest.len() as u64)),
            Place::Inner => Err(self.unreadable(lines, NO_RECORD)),
        }
    }

    fn visit(&mut self, records: &[&[u8]], at: &Position) -> Result<(), MiniStateError> {
        for record in records {
            self.seq += 1;
            if self.seq > self.behind {
                (self.visit)(record, self.seq, at)?;
                self.progress.replayed += 1;
            }
        }
        Ok(())
    }

    fn unreadable(&self, lines: &Lines, what: &'static str) -> MiniStateError {
        MiniStateError::Corrupt { at: lines.position.clone(), seq: self.seq + 1, what }
    }
}

fn is_header(line: &[u8]) -> bool {
    let is_version = |byte: &u8| byte.is_ascii_alphanumeric() || b".-+".contains(byte);
    line.strip_prefix(SIGNATURE).is_some_and(|version| version.iter().all(is_version))
}

/// The JSON values of a line, and the bytes behind them that are none. A line holds more than one
/// where a crash lost the newline between them.
fn split(line: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    let mut values = serde_json::Deserializer::from_slice(line).into_iter::<IgnoredAny>();
    let (mut found, mut end) = (Vec::new(), 0);
    while let Some(Ok(IgnoredAny)) = values.next() {
        found.push(&line[end..values.byte_offset()]);
        end = values.byte_offset();
    }
    (found, line[end..].trim_ascii())
}

/// The version that an operation had in 0.1, where operations had none.
pub(super) const OLD_VERSION: u32 = 1;

/// Decodes a record of 0.1, in the form that serde gives the mutation. `None` where the operation
/// was retired.
///
/// With the derive, operations have versions, and a record of 0.1 counts as the first: where the
/// operation is of a newer one by now, its shape may be another, or the same with another meaning.
fn decode<S, M>(record: &[u8]) -> Result<Option<M>, DecodeError>
where
    M: Mutator<S> + Serialize + DeserializeOwned,
{
    if M::__schema().operations.is_empty() {
        return M::__decode(None, schema::text(record)?);
    }
    let old = |tag: &str| {
        let content = variant(record).map_or(&b"null"[..], |(_, content)| content);
        M::__decode(Some((tag, OLD_VERSION)), schema::text(content)?)
    };
    match serde_json::from_slice::<M>(record) {
        Ok(mutation) => match mutation.__tag() {
            Some(tag) if tag.version > OLD_VERSION => old(tag.name),
            Some(_) | None => Ok(Some(mutation)),
        },
        Err(error) => match variant(record).map(|(name, _)| snake_case(&name)) {
            Some(tag) if M::__schema().reads(&tag, OLD_VERSION) => old(&tag),
            Some(_) | None => Err(error.into()),
        },
    }
}

/// The name and the content of the variant in serde's default form, `{"Name":content}`, or
/// `"Name"` where there is none.
pub(super) fn variant(record: &[u8]) -> Option<(String, &[u8])> {
    let record = record.trim_ascii();
    let Some(inner) = record.strip_prefix(b"{") else {
        return Some((serde_json::from_slice(record).ok()?, b"null"));
    };
    let inner = inner.strip_suffix(b"}")?;
    let mut names = serde_json::Deserializer::from_slice(inner).into_iter::<String>();
    let name = names.next()?.ok()?;
    let content = inner[names.byte_offset()..].trim_ascii_start().strip_prefix(b":")?;
    Some((name, content.trim_ascii()))
}

/// As the derive makes a tag of a variant's name.
pub(super) fn snake_case(name: &str) -> String {
    let name: Vec<char> = name.chars().collect();
    let mut snake = String::new();
    for (place, letter) in name.iter().enumerate() {
        let before = place.checked_sub(1).map(|place| name[place]);
        let ends_acronym = || {
            let after = name.get(place + 1);
            before.is_some_and(|before: char| before.is_uppercase())
                && after.is_some_and(|after| after.is_lowercase())
        };
        let ends_word = before.is_some_and(|before| before.is_lowercase() || before.is_numeric());
        if letter.is_uppercase() && (ends_word || ends_acronym()) {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::{is_header, snake_case, split, variant};

    #[test]
    fn a_line_without_a_lost_newline_is_one_record() {
        assert_eq!(split(br#"{"by":1}"#), (vec![&br#"{"by":1}"#[..]], &b""[..]));
        assert_eq!(split(br#""Reset""#), (vec![&br#""Reset""#[..]], &b""[..]));
        assert_eq!(split(b"12"), (vec![&b"12"[..]], &b""[..]));
        assert_eq!(split(b""), (vec![], &b""[..]));
    }

    #[test]
    fn records_that_share_a_line_are_told_apart() {
        let (records, rest) = split(br#"{"by":1}"Reset"[{"by":2}]"#);
        assert_eq!(records, [&br#"{"by":1}"#[..], br#""Reset""#, br#"[{"by":2}]"#]);
        assert!(rest.is_empty());
    }

    #[test]
    fn what_is_not_json_is_left_over() {
        for (line, whole, left) in [
            (&br#"{"by":1}{"by"#[..], 1, &br#"{"by"#[..]),
            (br#"{"by":1{"by":2}"#, 0, br#"{"by":1{"by":2}"#),
            (b"\0\0", 0, b"\0\0"),
            (b"nullnull", 0, b"nullnull"),
        ] {
            let (records, rest) = split(line);
            assert_eq!((records.len(), rest), (whole, left));
        }
    }

    #[test]
    fn only_a_whole_first_line_is_a_header() {
        assert!(is_header(b"// MINISTORE JOURNAL v0.1.4"));
        assert!(!is_header(b"// MINISTORE JOURNAL"));
        assert!(!is_header(br#"// MINISTORE JOURNAL v0.1.4{"by":1}"#));
    }

    #[test]
    fn variants_are_taken_apart() {
        let taken = |record| variant(record).expect("it is a variant");
        assert_eq!(taken(br#"{"Add":{"a":"}"}}"#), ("Add".to_string(), &br#"{"a":"}"}"#[..]));
        assert_eq!(taken(br#"{ "A\"b" : [1] }"#), ("A\"b".to_string(), &b"[1]"[..]));
        assert_eq!(taken(br#""Reset""#), ("Reset".to_string(), &b"null"[..]));
        for other in [&b"12"[..], b"[1]", b"{}", b"{1:2}"] {
            assert!(variant(other).is_none());
        }
    }

    #[test]
    fn tags_are_made_as_the_derive_makes_them() {
        for (name, tag) in
            [("Add", "add"), ("HTTPPing", "http_ping"), ("Sha256Sum", "sha256_sum"), ("A", "a")]
        {
            assert_eq!(snake_case(name), tag);
        }
    }
}
