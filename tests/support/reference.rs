//! What does a directory hold, read as `docs/format.md` says and in no other way?
//!
//! Written from that page alone, slow and short, to be compared with ministate's own reading. It
//! shares no code with it: lines are taken apart with serde_json, written again in the one way that
//! there is, and compared.

mod line;
mod tail;

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Deserialize;
use serde::de::DeserializeOwned;

pub use line::reseal_line;
use line::{Record, covered, crc32c, ends_with_crc, is_checksum};

/// The files of a directory, by their names.
pub type Files = BTreeMap<String, Vec<u8>>;

/// What the files hold.
#[derive(Debug, PartialEq, Eq)]
pub struct Reading {
    /// The state that the history begins with, as JSON; `None` where there is no journal yet.
    pub state: Option<String>,
    /// The mutations behind it.
    pub mutations: Vec<Mutation>,
    /// The number of the last mutation.
    pub last: u64,
}

/// One mutation, as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mutation {
    /// Its number.
    pub seq: u64,
    /// The operation, with its version; `None` for a mutator that is written by hand.
    pub operation: Option<(String, u32)>,
    /// Its payload, as JSON.
    pub payload: String,
}

/// Why nothing is read, for people.
pub type Refusal = String;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    ministate: u64,
    journal: String,
    first: u64,
    prev: String,
    by: Option<String>,
    #[serde(default)]
    ops: BTreeMap<String, u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SnapshotHeader {
    ministate: u64,
    journal: String,
    snapshot: u64,
    prev: String,
    by: Option<String>,
    v: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    ministate: u64,
    journal: String,
    head: u64,
}

struct Segment<'a> {
    name: &'a str,
    content: &'a [u8],
    header: Header,
    /// Behind the header's line.
    data: usize,
    crc: String,
}

/// Where reading is: the last mutation, the first one of its batch, and the checksums to continue.
pub(crate) struct Place {
    pub(crate) last: u64,
    pub(crate) batch: Option<u64>,
    /// Of the last record, or the header before the first.
    pub(crate) crc: String,
    /// Of the last record.
    record: String,
}

/// Reads the journal `{stem}.jsonl` of a program whose states are those that `is_state` accepts.
pub fn read(
    files: &Files,
    stem: &str,
    is_state: &dyn Fn(&str) -> bool,
) -> Result<Reading, Refusal> {
    let numbered = |prefix: &str, suffix: &str| -> BTreeMap<u64, &String> {
        let number = |name: &String| {
            let digits = name.strip_prefix(prefix)?.strip_suffix(suffix)?;
            let number: Option<u64> = (digits.len() == 20).then(|| digits.parse().ok()).flatten();
            number.filter(|number| *number < u64::MAX)
        };
        files.keys().filter_map(|name| Some((number(name)?, name))).collect()
    };
    let sealed = numbered(&format!("{stem}."), ".jsonl");
    let snapshots = numbered(&format!("{stem}.snapshot."), ".json");
    let (active, next) = (format!("{stem}.jsonl"), format!("{stem}.next.jsonl"));
    let head = match files.get(&format!("{stem}.head.json")) {
        Some(content) => Some(read_head(content).ok_or("the head file is damaged")?),
        None => None,
    };

    let mut segments = Vec::new();
    for (first, name) in &sealed {
        let segment = open(name, &files[*name]).ok_or("the header of a sealed segment")?;
        if segment.header.first != *first {
            return Err(format!("{name} begins with {}", segment.header.first));
        }
        segments.push(segment);
    }
    for name in [&active, &next] {
        if let Some(content) = files.get(name) {
            segments.push(open(name, content).ok_or("the header of the newest segment")?);
        }
    }
    let of_segments = segments.iter().map(|segment| &segment.header.journal);
    let mut identities = of_segments.chain(head.as_ref().map(|head| &head.journal));
    let Some(identity) = identities.next() else {
        return fresh(files, &snapshots, is_state);
    };
    if identities.any(|other| other != identity) {
        return Err("files of two journals".to_string());
    }

    let begins = segments.first().map_or(1, |segment| segment.header.first);
    let mut start = None;
    for (seq, name) in snapshots.iter().rev() {
        let Some((header, state)) = snapshot(&files[*name]) else { continue };
        let reached = u128::from(*seq) + 1 >= u128::from(begins);
        if !reached || header.journal != *identity || header.snapshot != *seq {
            continue;
        }
        if header.v > 1 {
            return Err("a newer version of the state".to_string());
        }
        if header.v == 1 && is_state(&state) {
            start = Some((header, state));
            break;
        }
    }
    let (start, state) = start.ok_or("no snapshot to begin with")?;

    let is_read =
        |segment: &&Segment<'_>| u128::from(segment.header.first) <= u128::from(start.snapshot) + 1;
    let skipped = segments.iter().take_while(is_read).count().saturating_sub(1);
    let read = &segments[skipped..];
    let Some(oldest) = read.first() else {
        return Err("the active segment is missing".to_string());
    };
    let before = oldest.header.first.checked_sub(1).ok_or("no first mutation")?;
    let record = oldest.header.prev.clone();
    let mut place = Place { last: before, batch: None, crc: String::new(), record };
    let mut mutations = Vec::new();
    let mut records_end_at = vec![(place.last, place.record.clone())];
    let mut newest = (false, false);
    for (index, segment) in read.iter().enumerate() {
        let successor = read.get(index + 1).map(|next| next.header.first);
        if segment.header.first != place.last + 1 || segment.header.prev != place.record {
            return Err(format!("{} does not continue the one before", segment.name));
        }
        newest = lines(segment, successor, &mut place, &mut mutations, &mut records_end_at)?;
    }
    if !files.contains_key(&active) && !files.contains_key(&next) {
        return Err("the active segment is missing".to_string());
    }
    if place.last < start.snapshot || head.is_some_and(|head| place.last < head.head) {
        return Err("the tail is lost".to_string());
    }
    let (has_records, is_sealed) = newest;
    if is_sealed || (files.contains_key(&next) && has_records) {
        return Err("the newest segment is sealed, or next and has records".to_string());
    }
    let known = records_end_at.iter().find(|(seq, _)| *seq == start.snapshot);
    if known.is_none_or(|(_, crc)| *crc != start.prev) {
        return Err("the snapshot is of another history".to_string());
    }
    mutations.retain(|mutation: &Mutation| mutation.seq > start.snapshot);
    Ok(Reading { state: Some(state), mutations, last: place.last })
}

fn fresh(
    files: &Files,
    snapshots: &BTreeMap<u64, &String>,
    is_state: &dyn Fn(&str) -> bool,
) -> Result<Reading, Refusal> {
    let state = match snapshots.last_key_value() {
        None => None,
        Some((0, genesis)) => match snapshot(&files[*genesis]) {
            Some((header, state)) if header.v == 1 && is_state(&state) => Some(state),
            Some(_) | None => return Err("the genesis is damaged".to_string()),
        },
        Some(_) => return Err("the first segment is missing".to_string()),
    };
    Ok(Reading { state, mutations: Vec::new(), last: 0 })
}

/// A line of its own with `00000000` before it, without its newline.
fn object<T: DeserializeOwned>(line: &[u8]) -> Option<(T, String)> {
    let crc = ends_with_crc(line)?;
    let covered = covered(line);
    let object = serde_json::from_slice(&[covered, b"}"].concat()).ok()?;
    (crc32c(b"00000000", covered) == crc).then_some((object, crc))
}

fn open<'a>(name: &'a str, content: &'a [u8]) -> Option<Segment<'a>> {
    let end = content.iter().position(|byte| *byte == b'\n')?;
    let (header, crc): (Header, _) = object(&content[..end])?;
    let Header { ministate, journal, first, prev, by, ops } = &header;
    let mut written = format!(
        r#"{{"ministate":{ministate},"journal":{journal:?},"first":{first},"prev":"{prev}""#
    );
    if let Some(by) = by {
        write!(written, r#","by":{by:?}"#).ok()?;
    }
    if !ops.is_empty() {
        write!(written, r#","ops":{}"#, serde_json::to_string(ops).ok()?).ok()?;
    }
    let sound = *ministate == 1 && *first > 0 && is_checksum(prev);
    let canonical = written.as_bytes() == covered(&content[..end]);
    (sound && canonical).then_some(Segment { name, content, header, data: end + 1, crc })
}

fn read_head(content: &[u8]) -> Option<Head> {
    let (head, _): (Head, _) = object(content.strip_suffix(b"\n")?)?;
    let Head { ministate, journal, head: last } = &head;
    let written = format!(r#"{{"ministate":{ministate},"journal":{journal:?},"head":{last}"#);
    let canonical = written.as_bytes() == covered(content.strip_suffix(b"\n")?);
    (*ministate == 1 && canonical).then_some(head)
}

fn snapshot(content: &[u8]) -> Option<(SnapshotHeader, String)> {
    let text = str::from_utf8(content).ok()?.strip_suffix('\n')?;
    let [header, state, end] = text.split('\n').collect::<Vec<_>>()[..] else { return None };
    let (parsed, crc): (SnapshotHeader, _) = object(header.as_bytes())?;
    let SnapshotHeader { ministate, journal, snapshot, prev, by, v } = &parsed;
    let by = by.as_ref().map_or(String::new(), |by| format!(r#","by":{by:?}"#));
    let written = format!(
        r#"{{"ministate":{ministate},"journal":{journal:?},"snapshot":{snapshot},"prev":"{prev}"{by},"v":{v}"#
    );
    let canonical = written.as_bytes() == covered(header.as_bytes());
    let bytes = format!(r#"{{"bytes":{}"#, state.len());
    let own = crc32c(crc.as_bytes(), format!("{state}\n{bytes}").as_bytes());
    let sound = *ministate == 1 && is_checksum(prev) && canonical;
    (sound && end == format!(r#"{bytes},"crc":"{own}"}}"#)).then(|| (parsed, state.to_string()))
}

/// Reads the lines behind the header, and says whether there are records behind the last mark, and
/// whether the segment is sealed.
fn lines(
    segment: &Segment<'_>,
    successor: Option<u64>,
    place: &mut Place,
    mutations: &mut Vec<Mutation>,
    records_end_at: &mut Vec<(u64, String)>,
) -> Result<(bool, bool), Refusal> {
    place.crc.clone_from(&segment.crc);
    place.batch = None;
    let (mut at, mut unmarked, mut is_sealed) = (segment.data, false, false);
    while let Some(bytes) = segment.content[at..].iter().position(|byte| *byte == b'\n') {
        let line = &segment.content[at..at + bytes];
        if line == tail::control("mark", place) {
            unmarked = false;
        } else if line == tail::control("end", place) {
            is_sealed = true;
        } else if let Some(record) = Record::of(line, &place.crc) {
            let place_in_batch = place.batch.map_or(0, |batch| place.last + 1 - batch);
            if record.seq != place.last + 1 || ![0, place_in_batch].contains(&record.b) {
                break;
            }
            let members = record.mutations().ok_or("a record whose members are malformed")?;
            place.last = record.seq.checked_add(record.count - 1).ok_or("too many mutations")?;
            place.batch = Some(record.seq - record.b);
            place.crc.clone_from(&record.crc);
            place.record = record.crc;
            records_end_at.push((place.last, place.record.clone()));
            mutations.extend(members);
            unmarked = true;
        } else {
            break;
        }
        at += bytes + 1;
        if is_sealed {
            break;
        }
    }
    let rest = &segment.content[at..];
    let gone = rest.iter().all(|byte| matches!(byte, 0 | b'\n'));
    if !gone && is_sealed {
        return Err(format!("{} goes on behind its end", segment.name));
    }
    tail::judge(rest, at, place, successor).map_err(|rule| format!("rule {rule} of the tail"))?;
    Ok((unmarked, is_sealed))
}
