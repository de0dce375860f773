//! The mutations of a record, one by one.

use super::cursor::{Cursor, Stop};
use super::{Contents, Record};

/// A mutation as it is written: its tag and its payload.
pub(crate) type Mutation<'a> = (Option<(&'a str, u32)>, &'a str);

/// One mutation of a record. Nobody has its payload without knowing whether it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Member<'a> {
    /// To be applied.
    Applied(Mutation<'a>),
    /// Neither to be decoded nor to be applied, for this reason, which is a JSON string.
    Void(Mutation<'a>, &'a str),
}

impl<'a> Member<'a> {
    pub(super) fn new(mutation: Mutation<'a>, void: Option<&'a str>) -> Member<'a> {
        match void {
            None => Member::Applied(mutation),
            Some(reason) => Member::Void(mutation, reason),
        }
    }
}

impl<'a> Record<'a> {
    /// The mutations in order; `None` in place of one that is not written as it should be.
    #[inline]
    pub(crate) fn members(&self) -> impl Iterator<Item = Option<Member<'a>>> + use<'a> {
        let mut members = match self.head.contents {
            Contents::One(_) | Contents::Void { .. } => {
                Members::One(Some(Member::new((self.tag, self.payload), self.void)))
            }
            Contents::Several(count) => {
                let (array, rest) = (self.payload, Cursor(self.payload.as_bytes()));
                Members::Several { array, rest, count, next: 0 }
            }
        };
        std::iter::from_fn(move || members.next())
    }
}

enum Members<'a> {
    One(Option<Member<'a>>),
    Several { array: &'a str, rest: Cursor<'a>, count: u64, next: u64 },
}

impl<'a> Members<'a> {
    #[inline]
    fn next(&mut self) -> Option<Option<Member<'a>>> {
        match self {
            Members::One(member) => member.take().map(Some),
            Members::Several { next, count, .. } if next == count => None,
            Members::Several { array, rest, count, next } => {
                *next += 1;
                let member = next_of_several(array, rest, *next == 1, next == count);
                if member.is_err() {
                    *next = *count;
                }
                Some(member.ok())
            }
        }
    }
}

pub(super) fn next_of_several<'a>(
    array: &'a str,
    rest: &mut Cursor<'a>,
    first: bool,
    last: bool,
) -> Result<Member<'a>, Stop> {
    rest.literal(if first { b"[{" } else { b",{" })?;
    let void = match rest.void()? {
        Some(bytes) => {
            let end = array.len() - rest.0.len() - ",".len();
            Some(array.get(end - bytes..end).ok_or(Stop::Mismatch)?)
        }
        None => None,
    };
    let start = array.len() - rest.0.len();
    let tag = match rest.tag()? {
        Some(tagged) => Some(tagged.tag(array, start).ok_or(Stop::Mismatch)?),
        None => None,
    };
    let payload_bytes = rest.length()?;
    let start = array.len() - rest.0.len();
    let bytes = rest.take(payload_bytes)?;
    let payload = array.get(start..start + bytes.len()).ok_or(Stop::Mismatch)?;
    rest.literal(b"}")?;
    if last {
        rest.literal(b"]")?;
        if !rest.0.is_empty() {
            return Err(Stop::Mismatch);
        }
    }
    Ok(Member::new((tag, payload), void))
}
