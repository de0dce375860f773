//! The lines of a journal: their exact bytes, and back. Pure; `docs/format.md` is its specification.

mod chain;
mod cursor;
mod familiar;
mod members;
#[cfg(feature = "inspect")]
mod voided;
mod written;

use std::ops::Range;

pub(crate) use chain::Chain;
use cursor::{Cursor, Stop};
pub(crate) use familiar::Familiar;
pub(crate) use members::{Member, Mutation};
pub(crate) use written::{Bodies, Body, BodyOfSeveral, end, mark, push_record};
#[cfg(feature = "inspect")]
use written::{push_number, push_payload};

/// A position in history: 0 is the empty history, every mutation adds one.
pub(crate) type Seq = u64;

/// `,"crc":"9f3a11c2"}`, with which every line ends.
pub(crate) const SUFFIX_BYTES: usize = 18;

/// Ends the line that starts at `start` with its checksum and a newline.
pub(crate) fn push_suffix(out: &mut Vec<u8>, start: usize, previous: Chain) -> Chain {
    let chain = previous.link(&out[start..]);
    out.extend_from_slice(&suffix(chain));
    out.push(b'\n');
    chain
}

fn suffix(chain: Chain) -> [u8; SUFFIX_BYTES] {
    let mut suffix = *br#","crc":"00000000"}"#;
    suffix[8..16].copy_from_slice(&chain.hex());
    suffix
}

/// Splits a line without its newline into what its checksum covers and the checksum.
pub(crate) fn split_suffix(line: &[u8]) -> Option<(&[u8], Chain)> {
    let (covered, hex) = split_hex(line)?;
    Some((covered, Chain::parse(hex)?))
}

/// Splits a line as [`split_suffix`] does, with the checksum as it stands there.
fn split_hex(line: &[u8]) -> Option<(&[u8], &[u8; 8])> {
    let (covered, suffix) = line.split_last_chunk::<SUFFIX_BYTES>()?;
    let hex = suffix.strip_prefix(br#","crc":""#)?.strip_suffix(br#""}"#)?;
    Some((covered, hex.try_into().ok()?))
}

/// The fields of a record before its payload.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) seq: Seq,
    pub(crate) place: u64,
    pub(crate) contents: Contents,
    contents_start: usize,
    payload_bytes: u64,
    payload_start: usize,
}

impl Head {
    /// The sequence number of the first mutation in the record's batch.
    pub(crate) fn batch(&self) -> Option<Seq> {
        self.seq.checked_sub(self.place)
    }

    /// When the record's batch was written, as its line says.
    pub(crate) fn time<'a>(&self, line: &'a str) -> &'a str {
        let end = self.contents_start - "\",".len();
        line.get(end - "2026-11-22T12:00:01.000Z".len()..end).unwrap_or_default()
    }

    /// The line is as long as its `len` says.
    fn agrees_with(&self, line: &[u8]) -> bool {
        let rest = line.len().saturating_sub(self.payload_start);
        rest.checked_sub(SUFFIX_BYTES).is_some_and(|payload| payload as u64 == self.payload_bytes)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contents {
    /// One mutation, with its tag where the mutator is derived.
    One(Option<Tagged>),
    /// So many mutations, all or nothing.
    Several(u64),
    /// One mutation that is not to be applied, with the length of the reason in its quotes.
    Void { reason_bytes: usize, tagged: Option<Tagged> },
}

impl Contents {
    pub(crate) fn mutations(self) -> u64 {
        match self {
            Contents::One(_) | Contents::Void { .. } => 1,
            Contents::Several(mutations) => mutations,
        }
    }
}

/// With what a tag begins; its name follows.
const OP: &[u8; 6] = br#""op":""#;

/// With what a mutation begins that is not to be applied; the reason follows, as a JSON string.
const VOID: &[u8; 7] = br#""void":"#;

/// A tag at a place that is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tagged {
    name_bytes: usize,
    version: u32,
}

impl Tagged {
    /// The tag, which begins in the text at `start`.
    #[inline]
    fn tag(self, text: &str, start: usize) -> Option<(&str, u32)> {
        let name = start + OP.len();
        Some((text.get(name..name + self.name_bytes)?, self.version))
    }
}

/// A record whose checksum has been verified.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    pub(crate) head: Head,
    /// Its checksum.
    pub(crate) chain: Chain,
    /// The length of its line, without the newline.
    pub(crate) bytes: usize,
    /// Begins with its line.
    text: &'a str,
    tag: Option<(&'a str, u32)>,
    payload: &'a str,
    /// Why it is not to be applied, as a JSON string; `None` where it is.
    void: Option<&'a str>,
}

impl<'a> Record<'a> {
    /// When its batch was written.
    pub(crate) fn time(&self) -> &'a str {
        self.head.time(self.text)
    }
}

/// Reads the record after `previous`, checksum included, with which `text` begins. What follows it
/// there is not looked at: its `len` says where it ends.
#[inline(always)]
pub(crate) fn parse_record<'a>(
    text: &'a str,
    previous: Chain,
    familiar: &mut Familiar,
) -> Option<Record<'a>> {
    let head = parse_head(text.as_bytes(), familiar).ok()?;
    let end = head.payload_start.checked_add(usize::try_from(head.payload_bytes).ok()?)?;
    let bytes = end.checked_add(SUFFIX_BYTES)?;
    let (covered, hex) = split_hex(text.as_bytes().get(..bytes)?)?;
    let chain = previous.link(covered);
    // Digits are compared and not numbers: there is one way to write them.
    if chain.hex() != *hex || holds_newline(text.as_bytes(), head.payload_start..end) {
        return None;
    }
    let payload = text.get(head.payload_start..end)?;
    let (mut tag, mut void) = (None, None);
    match head.contents {
        Contents::One(Some(tagged)) => tag = Some(tagged.tag(text, head.contents_start)?),
        Contents::One(None) | Contents::Several(_) => {}
        Contents::Void { reason_bytes, tagged } => {
            let start = head.contents_start + VOID.len();
            let end = start + reason_bytes;
            void = Some(text.get(start..end)?);
            if let Some(tagged) = tagged {
                tag = Some(tagged.tag(text, end + ",".len())?);
            }
        }
    }
    Some(Record { head, chain, text, tag, payload, void, bytes })
}

/// Whether the payload there holds a newline, of which a line has but one, at its end.
#[inline]
fn holds_newline(line: &[u8], payload: Range<usize>) -> bool {
    const BLOCK_BYTES: usize = 16;
    // The last of the blocks reaches into the checksum, which holds none.
    const _: () = assert!(BLOCK_BYTES <= SUFFIX_BYTES);
    let (blocks, _) = line[payload.start..payload.end + BLOCK_BYTES - 1].as_chunks::<BLOCK_BYTES>();
    blocks.iter().fold(false, |found, block| {
        found | block.iter().fold(false, |found, byte| found | (*byte == b'\n'))
    })
}

/// What a piece of a damaged or torn stretch looks like, wherever it came from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Record(Head),
    Control,
    Nothing,
}

/// Judges a piece by its form alone: the line before it is not known, so neither is its checksum.
pub(crate) fn judge_piece(line: &[u8]) -> Piece {
    if split_suffix(line).is_none() {
        return Piece::Nothing;
    }
    if let Ok(head) = parse_head(line, &mut Familiar::default()) {
        return if head.agrees_with(line) { Piece::Record(head) } else { Piece::Nothing };
    }
    let mut rest = Cursor(line);
    let control = rest.choice([br#"{"mark":"#, br#"{"end":"#]).is_ok()
        && rest.number().is_ok()
        && rest.0.len() == SUFFIX_BYTES;
    if control { Piece::Control } else { Piece::Nothing }
}

/// Whether `bytes` are the beginning, but not the whole, of the record `seq`, the `place`th after
/// the first of its batch, or the first.
pub(crate) fn begins_record(bytes: &[u8], seq: Seq, place: u64, previous: Chain) -> bool {
    let mut rest = Cursor(bytes);
    match begins_head(&mut rest, seq, place) {
        Err(Stop::End) => true,
        Err(Stop::Mismatch) => false,
        Ok(payload_bytes) => match rest.take(payload_bytes) {
            Err(_) => begins_json(rest.0),
            Ok(payload) => {
                let covered = &bytes[..bytes.len() - rest.0.len()];
                let suffix = suffix(previous.link(covered));
                is_json(payload) && rest.0.len() < suffix.len() && suffix.starts_with(rest.0)
            }
        },
    }
}

fn begins_head(rest: &mut Cursor<'_>, seq: Seq, place: u64) -> Result<u64, Stop> {
    rest.choice([format!(r#"{{"seq":{seq},"#).as_bytes()])?;
    let first = br#""at":""#;
    if place > 0 {
        let later = format!(r#""b":{place},"at":""#);
        rest.choice([first, later.as_bytes()])?;
    } else {
        rest.literal(first)?;
    }
    rest.time()?;
    // A record is void in files that appear whole, so none of it is torn.
    if rest.0.starts_with(&VOID[..2]) {
        return Err(Stop::Mismatch);
    }
    rest.contents()?;
    rest.length()
}

/// Whether `bytes` are the beginning of a JSON text that goes on.
fn begins_json(bytes: &[u8]) -> bool {
    let parse = serde_json::from_slice::<serde::de::IgnoredAny>;
    match parse(bytes) {
        // A number may stop behind its sign, point or exponent, where a digit has to follow.
        Err(error) => {
            error.is_eof()
                || parse(&[bytes, b"0"].concat()).map_or_else(|error| error.is_eof(), |_| true)
        }
        // A number is the one text whose beginning is a whole text as well.
        Ok(_) => bytes.first().is_some_and(|byte| *byte == b'-' || byte.is_ascii_digit()),
    }
}

fn is_json(bytes: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok()
}

#[inline(always)]
fn parse_head(line: &[u8], familiar: &mut Familiar) -> Result<Head, Stop> {
    let mut rest = Cursor(line);
    rest.literal(br#"{"seq":"#)?;
    let seq = rest.number()?;
    let mut place = 0;
    if !rest.skip(br#","at":""#) {
        rest.literal(br#","b":"#)?;
        place = rest.number()?;
        rest.literal(br#","at":""#)?;
    }
    rest.time()?;
    let contents_start = line.len() - rest.0.len();
    let contents = familiar.contents(&mut rest)?;
    let payload_bytes = rest.length()?;
    let payload_start = line.len() - rest.0.len();
    Ok(Head { seq, place, contents, contents_start, payload_bytes, payload_start })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Tag;

    const TAG: Tag = Tag { name: "deposit", version: 1 };

    fn line(payload: &[u8]) -> Vec<u8> {
        let mut line = Vec::new();
        let body = Body::one(Some(TAG), payload);
        push_record(&mut line, Chain::START, 7, 0, "2026-11-22T12:00:01.000Z", &body.bytes);
        line
    }

    fn is_record(text: &[u8]) -> bool {
        let text = str::from_utf8(text).expect("it is text");
        parse_record(text, Chain::START, &mut Familiar::default()).is_some()
    }

    #[test]
    fn record_is_read_from_the_front_of_a_longer_text() {
        let line = line(br#"{"cents":5}"#);
        let text = [line.clone(), line.clone()].concat();
        let text = str::from_utf8(&text).expect("it is text");
        let mut familiar = Familiar::default();
        let record = parse_record(text, Chain::START, &mut familiar).expect("it is a record");
        assert_eq!(record.bytes, line.len() - 1);
        let members: Vec<_> = record.members().collect();
        let deposit = (Some(("deposit", 1)), r#"{"cents":5}"#);
        assert_eq!(members, [Some(Member::Applied(deposit))]);
    }

    #[test]
    fn record_that_is_cut_anywhere_is_none() {
        let line = line(br#"{"cents":5}"#);
        for bytes in 0..line.len() - 1 {
            assert!(!is_record(&line[..bytes]), "{bytes}");
        }
        assert!(is_record(&line[..line.len() - 1]));
    }

    #[test]
    fn record_whose_payload_holds_a_newline_is_none_though_its_checksum_is_right() {
        for length in 2..70 {
            for place in 0..length {
                let mut payload = vec![b' '; length];
                assert!(is_record(&line(&payload)));
                payload[place] = b'\n';
                assert!(!is_record(&line(&payload)), "{place} of {length}");
            }
        }
    }
}
