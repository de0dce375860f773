//! What does an entry of a shared journal say? An envelope, and the records of some mutations. Pure;
//! `docs/format.md` is its specification.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::journal::JournalId;
use crate::error::MiniStateError;
use crate::journal::{FORMAT, line_of, object_of};
use crate::record::{self, Body, Chain, Familiar, Record, Seq};
use crate::schema::Schema;

/// Where a replica stands between two entries: what the next one has to continue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    /// The last mutation.
    pub(super) seq: Seq,
    /// The checksum of the last line.
    pub(super) chain: Chain,
    /// What may be written.
    pub(super) admitted: Arc<Admitted>,
}

/// The operations that may be written into a shared journal, since some place in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Admitted {
    /// How often they were chosen: 0 before the first mutation.
    pub(super) format: u64,
    /// Their versions by name.
    pub(super) ops: BTreeMap<String, u32>,
    /// The version that states are written with.
    pub(super) state: u32,
    /// The program that writes them.
    pub(super) by: Option<String>,
}

impl Admitted {
    /// What the program writes that has this schema.
    pub(super) fn of(format: u64, schema: &Schema) -> Admitted {
        let tags = schema.operations.iter();
        let ops = tags.map(|tag| (tag.name.to_string(), tag.version)).collect();
        Admitted { format, ops, state: schema.state, by: schema.by() }
    }

    /// Nothing yet, in a journal that a program of this schema begins.
    pub(super) fn none(schema: &Schema) -> Admitted {
        Admitted { ops: BTreeMap::new(), ..Admitted::of(0, schema) }
    }

    /// Whether it is just what a program of this schema writes.
    pub(super) fn is_of(&self, schema: &Schema) -> bool {
        let own = Admitted::of(self.format, schema);
        (&own.ops, own.state) == (&self.ops, self.state)
    }

    /// What of it a program of this schema cannot read.
    pub(super) fn unknown_to(&self, schema: &Schema) -> Vec<String> {
        let ops = self.ops.iter().filter(|(name, version)| !schema.reads(name, **version));
        let mut unknown: Vec<_> = ops.map(|(name, version)| format!("{name}@{version}")).collect();
        if self.state > schema.state {
            unknown.push(format!("version {} of the state", self.state));
        }
        unknown
    }
}

/// The first line of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Envelope {
    #[serde(rename = "ministate")]
    format_of_lines: u64,
    journal: String,
    /// Tells this entry from what others would append at its place.
    pub(super) append: String,
    /// Its first mutation.
    pub(super) first: Seq,
    /// How many mutations it has.
    pub(super) count: u64,
    /// Which choice of operations its records follow.
    pub(super) format: u64,
    /// The checksum of the last line of the entry before.
    prev: String,
    /// The choice, where this entry makes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) admits: Option<Admits>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Admits {
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    ops: BTreeMap<String, u32>,
    v: u32,
}

/// An entry to be appended.
#[derive(Debug)]
pub(super) struct Composed {
    pub(super) bytes: Vec<u8>,
    /// Where a replica stands behind it.
    pub(super) behind: Standing,
}

/// More than any envelope has, but for the operations in it.
const ENVELOPE_BYTES: usize = 400;

/// More than any record has around its body.
const AROUND_RECORD_BYTES: usize = 128;

/// No more than this many bytes has the envelope of an entry.
pub(super) fn envelope_bytes_at_most(admits: Option<&Admitted>) -> usize {
    let admits = admits.map_or(0, |admitted| {
        let ops = admitted.ops.keys().map(|name| name.len() + 16).sum::<usize>();
        ops + admitted.by.as_ref().map_or(0, |by| 2 * by.len()) + 64
    });
    ENVELOPE_BYTES + admits
}

/// No more than this many bytes has the record of a body.
pub(super) fn record_bytes_at_most(body: &Body) -> usize {
    body.len() + AROUND_RECORD_BYTES
}

/// The entry with these records that continues `standing`, and chooses `admits` before them.
pub(super) fn compose<'a>(
    journal: &JournalId,
    append: &str,
    standing: &Standing,
    admits: Option<&Arc<Admitted>>,
    at: &str,
    bodies: impl Iterator<Item = &'a Body> + Clone,
) -> Composed {
    let count = bodies.clone().map(|body| body.mutations).sum();
    let envelope = Envelope {
        format_of_lines: FORMAT,
        journal: journal.to_string(),
        append: append.to_string(),
        first: standing.seq + 1,
        count,
        format: admits.unwrap_or(&standing.admitted).format,
        prev: standing.chain.to_string(),
        admits: admits.map(|admitted| Admits {
            by: admitted.by.clone(),
            ops: admitted.ops.clone(),
            v: admitted.state,
        }),
    };
    let (mut bytes, mut chain) = line_of(&envelope);
    let mut seq = standing.seq;
    for body in bodies {
        let place = seq - standing.seq;
        chain = record::push_record(&mut bytes, chain, seq + 1, place, at, body.bytes());
        seq += body.mutations;
    }
    let admitted = Arc::clone(admits.unwrap_or(&standing.admitted));
    Composed { bytes, behind: Standing { seq, chain, admitted } }
}

/// Why an entry is not what should stand there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unsound {
    /// It was written in a newer format of lines than this one.
    Newer { found: u64 },
    /// What is wrong with it.
    Damaged(&'static str),
}

impl Unsound {
    /// What reading a first line came to.
    pub(super) fn of_line(error: &MiniStateError) -> Unsound {
        if let MiniStateError::NewerFormat { found, .. } = error {
            return Unsound::Newer { found: *found };
        }
        Unsound::Damaged("its first line is not the one that was written")
    }
}

/// An entry whose envelope is sound.
#[derive(Debug)]
pub(super) struct Chunk<'a> {
    pub(super) envelope: Envelope,
    chain: Chain,
    records: &'a str,
}

/// Reads the envelope of an entry.
pub(super) fn parse(bytes: &[u8]) -> Result<Chunk<'_>, Unsound> {
    let damaged = || Unsound::Damaged("its first line is not the one that was written");
    let end = memchr::memchr(b'\n', bytes).ok_or_else(damaged)?;
    let parsed: Option<(Envelope, Chain)> =
        object_of(&bytes[..end], Path::new("")).map_err(|error| Unsound::of_line(&error))?;
    let (envelope, chain) = parsed.ok_or_else(damaged)?;
    let records = str::from_utf8(&bytes[end + 1..])
        .map_err(|_| Unsound::Damaged("its records are not text"))?;
    Ok(Chunk { envelope, chain, records })
}

impl Chunk<'_> {
    /// What it chooses, where it does.
    pub(super) fn admits(&self) -> Option<Admitted> {
        let Admits { by, ops, v } = self.envelope.admits.clone()?;
        Some(Admitted { format: self.envelope.format, ops, state: v, by })
    }

    /// Only if it is of this journal and continues the line before it, where that is known.
    pub(super) fn continues(
        &self,
        journal: &JournalId,
        last: Option<Chain>,
    ) -> Result<(), Unsound> {
        if self.envelope.journal != journal.as_str() {
            return Err(Unsound::Damaged("it belongs to another journal"));
        }
        let stated = Chain::parse(self.envelope.prev.as_bytes());
        if stated.is_none() || last.is_some_and(|last| stated != Some(last)) {
            return Err(Unsound::Damaged("it does not continue the entry before it"));
        }
        Ok(())
    }

    /// Where a replica stands behind it that stood at `standing` before: only if it continues that, and
    /// each of its records is sound.
    pub(super) fn follows(
        &self,
        journal: &JournalId,
        standing: &Standing,
    ) -> Result<Standing, Unsound> {
        let Envelope { first, count, format, admits, .. } = &self.envelope;
        self.continues(journal, Some(standing.chain))?;
        if *first != standing.seq + 1 {
            return Err(Unsound::Damaged("it does not continue the entry before it"));
        }
        if *format != standing.admitted.format + u64::from(admits.is_some()) {
            return Err(Unsound::Damaged("it follows another choice of operations"));
        }
        let chain = self.walk(|_| Ok(()))?;
        let admitted = self.admits().map_or_else(|| Arc::clone(&standing.admitted), Arc::new);
        Ok(Standing { seq: standing.seq + count, chain, admitted })
    }

    /// Gives its records to `visit`, in order. Returns the checksum of its last line.
    pub(super) fn walk<E: From<Unsound>>(
        &self,
        mut visit: impl FnMut(&Record<'_>) -> Result<(), E>,
    ) -> Result<Chain, E> {
        let damaged = || Unsound::Damaged("its records are not those that were written");
        let (mut text, mut chain, mut next) = (self.records, self.chain, self.envelope.first);
        let mut familiar = Familiar::default();
        while !text.is_empty() {
            let record = record::parse_record(text, chain, &mut familiar).ok_or_else(damaged)?;
            if record.head.seq != next || record.head.batch() != Some(self.envelope.first) {
                return Err(damaged().into());
            }
            visit(&record)?;
            next = next.checked_add(record.head.contents.mutations()).ok_or_else(damaged)?;
            chain = record.chain;
            text = text[record.bytes..].strip_prefix('\n').ok_or_else(damaged)?;
        }
        if Some(next) != self.envelope.first.checked_add(self.envelope.count) {
            return Err(damaged().into());
        }
        Ok(chain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(journal: &JournalId, first: Seq, count: u64) -> Vec<u8> {
        let envelope = Envelope {
            format_of_lines: FORMAT,
            journal: journal.to_string(),
            append: JournalId::random().to_string(),
            first,
            count,
            format: 0,
            prev: Chain::START.to_string(),
            admits: None,
        };
        line_of(&envelope).0
    }

    /// Numbers that no writer writes made a reader panic, where arithmetic is checked.
    #[test]
    fn entry_that_says_it_has_all_mutations_is_damaged() {
        let admitted = Arc::new(Admitted { format: 0, ops: BTreeMap::new(), state: 1, by: None });
        let standing = Standing { seq: 0, chain: Chain::START, admitted };
        let journal = JournalId::random();
        let bytes = entry(&journal, 1, 0);
        assert_eq!(
            parse(&bytes).unwrap().follows(&journal, &standing).map(|behind| behind.seq),
            Ok(0)
        );
        for (first, count) in [(1, u64::MAX), (1, u64::MAX - 1), (1, 1), (u64::MAX, 1), (0, 0)] {
            let bytes = entry(&journal, first, count);
            let followed = parse(&bytes).unwrap().follows(&journal, &standing);
            assert!(matches!(followed, Err(Unsound::Damaged(_))), "{first} {count}");
        }
    }
}
