//! The bytes of records and control lines, before and when their place in history is known.

use super::{Chain, OP, Seq, push_suffix};
use crate::schema::Tag;

/// What a record says, from its `op` to the end of its payload: encoded by the caller, outside of
/// every lock, before its place in history is known.
#[derive(Debug)]
pub(crate) struct Body {
    pub(super) bytes: Vec<u8>,
    pub(crate) mutations: u64,
}

impl Body {
    /// A single mutation.
    pub(crate) fn one(tag: Option<Tag>, payload: &[u8]) -> Body {
        let mut bytes = Vec::with_capacity(payload.len() + 64);
        push_fields(&mut bytes, tag, payload);
        Body { bytes, mutations: 1 }
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Its part of the record.
    #[cfg(feature = "shared")]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// About how many bytes its record has.
    pub(crate) fn record_bytes(&self) -> u64 {
        const AROUND: &[u8] =
            br#"{"seq":1234567,"at":"2026-11-22T12:00:01.000Z",,"crc":"9f3a11c2"}."#;
        (AROUND.len() + self.bytes.len()) as u64
    }
}

/// The mutations of one record with several, all or nothing.
#[derive(Debug, Default)]
pub(crate) struct BodyOfSeveral {
    /// An array that was not ended yet.
    array: Vec<u8>,
    mutations: u64,
}

impl BodyOfSeveral {
    pub(crate) fn push(&mut self, tag: Option<Tag>, payload: &[u8]) {
        self.array.push(if self.mutations == 0 { b'[' } else { b',' });
        self.array.push(b'{');
        push_fields(&mut self.array, tag, payload);
        self.array.push(b'}');
        self.mutations += 1;
    }

    /// Of at least one mutation.
    pub(crate) fn body(mut self) -> Body {
        debug_assert!(self.mutations > 0, "a record has mutations");
        self.array.push(b']');
        let mut bytes = Vec::with_capacity(self.array.len() + 48);
        push_number(&mut bytes, br#""n":"#, self.mutations);
        bytes.push(b',');
        push_payload(&mut bytes, &self.array);
        Body { bytes, mutations: self.mutations }
    }
}

/// Bodies of several records, one behind the other.
#[derive(Debug, Default)]
pub(crate) struct Bodies {
    bytes: Vec<u8>,
    /// How long each is, and how many mutations it holds.
    each: Vec<(usize, u64)>,
}

impl Bodies {
    pub(crate) fn with_capacity(bytes: usize, bodies: usize) -> Bodies {
        Bodies { bytes: Vec::with_capacity(bytes), each: Vec::with_capacity(bodies) }
    }

    pub(crate) fn push(&mut self, body: &Body) {
        self.bytes.extend_from_slice(&body.bytes);
        self.each.push((body.bytes.len(), body.mutations));
    }

    pub(crate) fn remove(&mut self, at: usize) {
        let start: usize = self.each[..at].iter().map(|(bytes, _)| bytes).sum();
        let (bytes, _) = self.each.remove(at);
        self.bytes.drain(start..start + bytes);
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], u64)> {
        let mut rest = self.bytes.as_slice();
        self.each.iter().map(move |(bytes, mutations)| {
            let (body, behind) = rest.split_at(*bytes);
            rest = behind;
            (body, *mutations)
        })
    }
}

fn push_fields(out: &mut Vec<u8>, tag: Option<Tag>, payload: &[u8]) {
    if let Some(Tag { name, version }) = tag {
        out.extend_from_slice(OP);
        out.extend_from_slice(name.as_bytes());
        push_number(out, br#"","v":"#, version.into());
        out.push(b',');
    }
    push_payload(out, payload);
}

pub(super) fn push_payload(out: &mut Vec<u8>, payload: &[u8]) {
    push_number(out, br#""len":"#, payload.len() as u64);
    out.extend_from_slice(br#","d":"#);
    out.extend_from_slice(payload);
}

/// Every record has several numbers, and `fmt` takes longer for them than all the rest.
pub(super) fn push_number(out: &mut Vec<u8>, before: &[u8], number: u64) {
    const DIGITS: usize = 20;
    let (mut digits, mut at, mut rest) = ([0; DIGITS], DIGITS, number);
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(before);
    out.extend_from_slice(&digits[at..]);
}

/// Writes the record of `body` with the sequence number `seq`, which is the `place`th after the
/// first of its batch.
pub(crate) fn push_record(
    out: &mut Vec<u8>,
    previous: Chain,
    seq: Seq,
    place: u64,
    at: &str,
    body: &[u8],
) -> Chain {
    let start = out.len();
    push_number(out, br#"{"seq":"#, seq);
    if place > 0 {
        push_number(out, br#","b":"#, place);
    }
    for text in [br#","at":""#, at.as_bytes(), br#"","#] {
        out.extend_from_slice(text);
    }
    out.extend_from_slice(body);
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
