//! The lines of a journal: their exact bytes, and back. Pure; `docs/format.md` is its specification.

mod cursor;

use std::fmt;

use crate::schema::Tag;
use cursor::{Cursor, Stop};

/// A position in history: 0 is the empty history, every mutation adds one.
pub(crate) type Seq = u64;

/// The checksum of the last record or header, which the next line's covers: a link of a chain.
///
/// CRC-32C (Castagnoli). A line that was altered, lost, repeated or moved breaks the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chain(u32);

impl Chain {
    /// What stands in place of a link before headers and head files, and as `prev` in the first.
    pub(crate) const START: Chain = Chain(0);

    /// The checksum of a line that follows `self`: over `self` in hexadecimal, then the line's
    /// bytes up to its `,"crc":`.
    #[inline]
    pub(crate) fn link(self, line: &[u8]) -> Chain {
        Chain(crc32c::crc32c_append(crc32c::crc32c(&self.hex()), line))
    }

    /// [`link`](Self::link) for bytes that come in pieces, of which `self` has the earlier ones.
    pub(crate) fn extend(self, piece: &[u8]) -> Chain {
        Chain(crc32c::crc32c_append(self.0, piece))
    }

    /// In hexadecimal: all digits at once, each in a byte of its own, the first in the lowest one.
    #[inline]
    pub(crate) fn hex(self) -> [u8; 8] {
        const ONES: u64 = 0x0101_0101_0101_0101;
        let mut digits = u64::from(self.0.swap_bytes());
        digits = (digits | digits << 16) & 0x0000_ffff_0000_ffff;
        digits = (digits | digits << 8) & 0x00ff_00ff_00ff_00ff;
        digits = (digits >> 4 | digits << 8) & (0x0f * ONES);
        let letters = (digits + 6 * ONES) >> 4 & ONES;
        (digits + u64::from(b'0') * ONES + u64::from(b'a' - b'9' - 1) * letters).to_le_bytes()
    }

    pub(crate) fn parse(hex: &[u8]) -> Option<Chain> {
        let canonical = |digit: &u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
        if hex.len() != 8 || !hex.iter().all(canonical) {
            return None;
        }
        u32::from_str_radix(str::from_utf8(hex).ok()?, 16).ok().map(Chain)
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

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

/// What a record says, from its `op` to the end of its payload: encoded by the caller, outside of
/// every lock, before its place in history is known.
#[derive(Debug)]
pub(crate) struct Body {
    bytes: Vec<u8>,
    pub(crate) mutations: u64,
}

impl Body {
    /// A single mutation.
    pub(crate) fn one(tag: Option<Tag>, payload: &[u8]) -> Body {
        let mut bytes = Vec::with_capacity(payload.len() + 64);
        push_fields(&mut bytes, tag, payload);
        Body { bytes, mutations: 1 }
    }

    /// Several mutations in one record, all or nothing.
    pub(crate) fn several<'a>(members: impl Iterator<Item = (Option<Tag>, &'a [u8])>) -> Body {
        let mut array = vec![b'['];
        let mut mutations = 0;
        for (tag, payload) in members {
            if mutations > 0 {
                array.push(b',');
            }
            array.push(b'{');
            push_fields(&mut array, tag, payload);
            array.push(b'}');
            mutations += 1;
        }
        array.push(b']');
        let mut bytes = Vec::with_capacity(array.len() + 48);
        push_text(&mut bytes, format_args!(r#""n":{mutations},"#));
        push_payload(&mut bytes, &array);
        Body { bytes, mutations }
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// About how many bytes its record has.
    pub(crate) fn record_bytes(&self) -> u64 {
        const AROUND: &[u8] =
            br#"{"seq":1234567,"at":"2026-11-22T12:00:01.000Z",,"crc":"9f3a11c2"}."#;
        (AROUND.len() + self.bytes.len()) as u64
    }
}

fn push_fields(out: &mut Vec<u8>, tag: Option<Tag>, payload: &[u8]) {
    if let Some(Tag { name, version }) = tag {
        push_text(out, format_args!(r#""op":"{name}","v":{version},"#));
    }
    push_payload(out, payload);
}

fn push_payload(out: &mut Vec<u8>, payload: &[u8]) {
    push_text(out, format_args!(r#""len":{},"d":"#, payload.len()));
    out.extend_from_slice(payload);
}

fn push_text(out: &mut Vec<u8>, text: fmt::Arguments<'_>) {
    use std::io::Write;
    out.write_fmt(text).expect("writing to a vector does not fail");
}

/// Writes the record of `body` with the sequence number `seq`, which is the `place`th after the
/// first of its batch.
pub(crate) fn push_record(
    out: &mut Vec<u8>,
    previous: Chain,
    seq: Seq,
    place: u64,
    at: &str,
    body: &Body,
) -> Chain {
    let start = out.len();
    push_text(out, format_args!(r#"{{"seq":{seq},"#));
    if place > 0 {
        push_text(out, format_args!(r#""b":{place},"#));
    }
    push_text(out, format_args!(r#""at":"{at}","#));
    out.extend_from_slice(&body.bytes);
    push_suffix(out, start, previous)
}

/// A line that says: everything through `seq` was synced when this was written.
pub(crate) fn mark(seq: Seq, chain: Chain) -> Vec<u8> {
    control_line("mark", seq, chain)
}

/// The last line of a sealed segment.
pub(crate) fn end(seq: Seq, chain: Chain) -> Vec<u8> {
    control_line("end", seq, chain)
}

fn control_line(kind: &str, seq: Seq, chain: Chain) -> Vec<u8> {
    let mut line = format!(r#"{{"{kind}":{seq}"#).into_bytes();
    push_suffix(&mut line, 0, chain);
    line
}

/// The fields of a record before its payload.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head<'a> {
    pub(crate) seq: Seq,
    pub(crate) place: u64,
    pub(crate) contents: Contents<'a>,
    payload_bytes: u64,
    payload_start: usize,
}

impl Head<'_> {
    /// The sequence number of the first mutation in the record's batch.
    pub(crate) fn batch(&self) -> Option<Seq> {
        self.seq.checked_sub(self.place)
    }

    /// The line is as long as its `len` says.
    fn agrees_with(&self, line: &[u8]) -> bool {
        let rest = line.len().saturating_sub(self.payload_start);
        rest.checked_sub(SUFFIX_BYTES).is_some_and(|payload| payload as u64 == self.payload_bytes)
    }

    fn payload<'line>(&self, line: &'line [u8]) -> &'line [u8] {
        &line[self.payload_start..line.len() - SUFFIX_BYTES]
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contents<'a> {
    /// One mutation, with its tag where the mutator is derived.
    One(Option<(&'a str, u32)>),
    /// So many mutations, all or nothing.
    Several(u64),
}

impl Contents<'_> {
    pub(crate) fn mutations(self) -> u64 {
        match self {
            Contents::One(_) => 1,
            Contents::Several(mutations) => mutations,
        }
    }
}

/// A record whose checksum has been verified.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    pub(crate) head: Head<'a>,
    /// Its checksum.
    pub(crate) chain: Chain,
    payload: &'a [u8],
}

/// One mutation of a record: its tag and its payload.
pub(crate) type Member<'a> = (Option<(&'a str, u32)>, &'a [u8]);

impl<'a> Record<'a> {
    /// The mutations in order; `None` in place of one that is not written as it should be.
    #[inline]
    pub(crate) fn members(&self) -> impl Iterator<Item = Option<Member<'a>>> + use<'a> {
        let mut members = match self.head.contents {
            Contents::One(tag) => Members::One(Some((tag, self.payload))),
            Contents::Several(count) => {
                Members::Several { rest: Cursor(self.payload), count, next: 0 }
            }
        };
        std::iter::from_fn(move || members.next())
    }
}

enum Members<'a> {
    One(Option<Member<'a>>),
    Several { rest: Cursor<'a>, count: u64, next: u64 },
}

impl<'a> Members<'a> {
    #[inline]
    fn next(&mut self) -> Option<Option<Member<'a>>> {
        match self {
            Members::One(member) => member.take().map(Some),
            Members::Several { next, count, .. } if next == count => None,
            Members::Several { rest, count, next } => {
                *next += 1;
                let member = next_of_several(rest, *next == 1, next == count);
                if member.is_err() {
                    *next = *count;
                }
                Some(member.ok())
            }
        }
    }
}

fn next_of_several<'a>(rest: &mut Cursor<'a>, first: bool, last: bool) -> Result<Member<'a>, Stop> {
    rest.literal(if first { b"[{" } else { b",{" })?;
    let tag = rest.tag()?;
    let payload_bytes = rest.length()?;
    let payload = rest.take(payload_bytes)?;
    rest.literal(b"}")?;
    if last {
        rest.literal(b"]")?;
        if !rest.0.is_empty() {
            return Err(Stop::Mismatch);
        }
    }
    Ok((tag, payload))
}

/// Reads a line without its newline that must be the record after `previous`, checksum included.
#[inline]
pub(crate) fn parse_record(line: &[u8], previous: Chain) -> Option<Record<'_>> {
    let head = parse_head(line).ok()?;
    if !head.agrees_with(line) {
        return None;
    }
    let (covered, hex) = split_hex(line)?;
    let chain = previous.link(covered);
    // Digits are compared and not numbers: there is one way to write them.
    if chain.hex() != *hex {
        return None;
    }
    let payload = head.payload(line);
    Some(Record { head, chain, payload })
}

/// What a piece of a damaged or torn stretch looks like, wherever it came from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    Record(Head<'a>),
    Control,
    Nothing,
}

/// Judges a piece by its form alone: the line before it is not known, so neither is its checksum.
pub(crate) fn judge_piece(line: &[u8]) -> Piece<'_> {
    if split_suffix(line).is_none() {
        return Piece::Nothing;
    }
    if let Ok(head) = parse_head(line) {
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
    rest.time_and_contents()?;
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

fn parse_head(line: &[u8]) -> Result<Head<'_>, Stop> {
    let mut rest = Cursor(line);
    rest.literal(br#"{"seq":"#)?;
    let seq = rest.number()?;
    let mut place = 0;
    if !rest.skip(br#","at":""#) {
        rest.literal(br#","b":"#)?;
        place = rest.number()?;
        rest.literal(br#","at":""#)?;
    }
    let contents = rest.time_and_contents()?;
    let payload_bytes = rest.length()?;
    let payload_start = line.len() - rest.0.len();
    Ok(Head { seq, place, contents, payload_bytes, payload_start })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_of_a_line_of_any_length_is_that_of_the_digits_and_the_line() {
        let bytes: Vec<u8> = (0..400).map(|place| place as u8 ^ 0x5a).collect();
        let previous = Chain(0x9f3a_11c2);
        for length in 0..bytes.len() {
            let covered = [b"9f3a11c2", &bytes[..length]].concat();
            assert_eq!(
                previous.link(&bytes[..length]),
                Chain(crc32c::crc32c(&covered)),
                "{length}"
            );
        }
    }

    #[test]
    fn checksum_is_written_in_hexadecimal_and_read_back() {
        for checksum in [0, 1, 0x0123_4567, 0x89ab_cdef, 0x9a09_af90, u32::MAX] {
            let hex = Chain(checksum).hex();
            assert_eq!(hex, *format!("{checksum:08x}").as_bytes());
            assert_eq!(Chain::parse(&hex), Some(Chain(checksum)));
        }
    }
}
