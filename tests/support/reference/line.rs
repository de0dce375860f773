//! What does one line of a journal say? Taken apart, written again, compared.

use std::fmt::Write;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Mutation;

/// `,"crc":"` 8 digits `"}`.
const SUFFIX_BYTES: usize = 18;

/// A record whose checksum is right.
pub(super) struct Record {
    pub(super) seq: u64,
    pub(super) b: u64,
    pub(super) crc: String,
    /// How many mutations it holds.
    pub(super) count: u64,
    operation: Option<(String, u32)>,
    payload: String,
    is_batch: bool,
    is_void: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields<'a> {
    seq: u64,
    b: Option<u64>,
    at: String,
    n: Option<u64>,
    void: Option<String>,
    op: Option<String>,
    v: Option<u32>,
    len: u64,
    #[serde(borrow)]
    d: &'a RawValue,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Member<'a> {
    void: Option<String>,
    op: Option<String>,
    v: Option<u32>,
    len: u64,
    #[serde(borrow)]
    d: &'a RawValue,
}

impl Record {
    /// The record that the line is behind the checksum `before`.
    pub(super) fn of(line: &[u8], before: &str) -> Option<Record> {
        let crc = ends_with_crc(line)?;
        let record = Record::by_form(line)?;
        (crc32c(before.as_bytes(), covered(line)) == crc).then_some(record)
    }

    /// The record that the line would be if its checksum were right.
    pub(super) fn by_form(line: &[u8]) -> Option<Record> {
        let crc = ends_with_crc(line)?;
        let text = [covered(line), b"}"].concat();
        let fields: Fields<'_> = serde_json::from_slice(&text).ok()?;
        let Fields { seq, b, at, n, void, op, v, len, d } = fields;
        let mut written = format!(r#"{{"seq":{seq},"#);
        if let Some(b) = b {
            write!(written, r#""b":{b},"#).ok()?;
        }
        write!(written, r#""at":"{at}","#).ok()?;
        if let Some(n) = n {
            write!(written, r#""n":{n},"#).ok()?;
        }
        let operation = operation(op, v)?;
        let contents = contents(void.as_deref(), operation.as_ref(), len, d)?;
        write!(written, "{contents}}}").ok()?;
        let sound = is_time(&at) && d.get().len() as u64 == len && n != Some(0);
        let one = n.is_none() || (operation.is_none() && void.is_none());
        (sound && one && written.as_bytes() == text).then(|| Record {
            seq,
            b: b.unwrap_or(0),
            crc,
            count: n.unwrap_or(1),
            operation,
            payload: d.get().to_string(),
            is_batch: n.is_some(),
            is_void: void.is_some(),
        })
    }

    /// The mutations that are not void, unless the members of the batch are not written as they
    /// should be.
    pub(super) fn mutations(&self) -> Option<Vec<Mutation>> {
        if !self.is_batch {
            let Record { seq, operation, payload, .. } = self;
            let (operation, payload) = (operation.clone(), payload.clone());
            let mutation = Mutation { seq: *seq, operation, payload };
            return Some(if self.is_void { Vec::new() } else { vec![mutation] });
        }
        let members: Vec<Member<'_>> = serde_json::from_str(&self.payload).ok()?;
        let (mut written, mut mutations) = (Vec::new(), Vec::new());
        for (seq, Member { void, op, v, len, d }) in (self.seq..).zip(members) {
            let operation = operation(op, v)?;
            if d.get().len() as u64 != len {
                return None;
            }
            let contents = contents(void.as_deref(), operation.as_ref(), len, d)?;
            written.push(format!("{{{contents}}}"));
            if void.is_none() {
                mutations.push(Mutation { seq, operation, payload: d.get().to_string() });
            }
        }
        let sound = format!("[{}]", written.join(",")) == self.payload;
        (sound && written.len() as u64 == self.count).then_some(mutations)
    }
}

/// The outer `None` where the two keys do not go together, or the tag is none.
#[expect(clippy::option_option, reason = "absent is sound")]
fn operation(op: Option<String>, v: Option<u32>) -> Option<Option<(String, u32)>> {
    match (op, v) {
        (None, None) => Some(None),
        (Some(op), Some(v)) => {
            let of_a_tag = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
            op.bytes().all(of_a_tag).then_some(Some((op, v)))
        }
        (Some(_), None) | (None, Some(_)) => None,
    }
}

fn contents(
    void: Option<&str>,
    operation: Option<&(String, u32)>,
    len: u64,
    d: &RawValue,
) -> Option<String> {
    let void = match void {
        Some(reason) => format!(r#""void":{},"#, serde_json::to_string(reason).ok()?),
        None => String::new(),
    };
    let operation = match operation {
        Some((op, v)) => format!(r#""op":"{op}","v":{v},"#),
        None => String::new(),
    };
    Some(format!(r#"{void}{operation}"len":{len},"d":{}"#, d.get()))
}

/// `2026-11-22T12:00:01.000Z`, in form.
fn is_time(at: &str) -> bool {
    let form = b"0000-00-00T00:00:00.000Z";
    let fits = |(byte, form): (u8, &u8)| match form {
        b'0' => byte.is_ascii_digit(),
        form => byte == *form,
    };
    at.len() == form.len() && at.bytes().zip(form).all(fits)
}

/// The digits with which the line ends.
pub(super) fn ends_with_crc(line: &[u8]) -> Option<String> {
    let suffix = line.get(line.len().checked_sub(SUFFIX_BYTES)?..)?;
    let digits = suffix.strip_prefix(br#","crc":""#)?.strip_suffix(br#""}"#)?;
    let digits = str::from_utf8(digits).ok()?;
    is_checksum(digits).then(|| digits.to_string())
}

/// The line up to its `,"crc":`.
pub(super) fn covered(line: &[u8]) -> &[u8] {
    &line[..line.len() - SUFFIX_BYTES]
}

pub(super) fn is_checksum(digits: &str) -> bool {
    digits.len() == 8 && digits.bytes().all(|digit| b"0123456789abcdef".contains(&digit))
}

/// From the definition: reflected polynomial 0x82f63b78, a byte at a time.
pub(super) fn crc32c(before: &[u8], bytes: &[u8]) -> String {
    let step = |crc: u32, byte: &u8| crc >> 8 ^ TABLE[((crc ^ u32::from(*byte)) & 0xff) as usize];
    format!("{:08x}", !before.iter().chain(bytes).fold(u32::MAX, step))
}

const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

/// The line with the checksum that it should have behind `before`, and that checksum; `None` where
/// the line does not end with one.
pub fn reseal_line(line: &[u8], before: &str) -> Option<(Vec<u8>, String)> {
    ends_with_crc(line)?;
    let covered = covered(line);
    let crc = crc32c(before.as_bytes(), covered);
    Some(([covered, format!(r#","crc":"{crc}"}}"#).as_bytes()].concat(), crc))
}
