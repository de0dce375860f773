//! Which mutations does a line hold?

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::line::{Adrift, Content};

/// One mutation, as a line of the journal has it.
#[derive(Debug, Clone)]
pub(crate) struct Mutation<'a> {
    pub(crate) seq: u64,
    pub(crate) time: &'a str,
    /// Name and version, where the mutator is derived.
    pub(crate) operation: Option<(&'a str, u32)>,
    /// The JSON of the payload, as it was written.
    pub(crate) payload: &'a str,
    /// Why it is not to be applied; `None` where it is.
    pub(crate) void: Option<Cow<'a, str>>,
    /// The first mutation of its record and how many it has, where they happen all or none.
    pub(crate) together: Option<(u64, u64)>,
    pub(crate) proof: Proof,
}

/// Whether it is known to be what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    Checked,
    /// The line before it is damaged or lost.
    Adrift,
}

/// The mutations of a line in order: none where it is no record.
pub(crate) fn mutations<'a>(
    content: &'a Content<'a>,
) -> Box<dyn Iterator<Item = Mutation<'a>> + 'a> {
    match content {
        Content::Record(record) => {
            let (first, time, count) = (record.seq(), record.time(), record.mutations());
            let together = record.is_of_several().then_some((first, count));
            // What cannot be taken apart is named by whoever checks the journal.
            Box::new((first..).zip(record.members().flatten()).map(move |(seq, member)| {
                let (operation, payload, proof) =
                    (member.operation, member.payload, Proof::Checked);
                // Reading the record has read the string.
                let void = member.void.and_then(|reason| serde_json::from_str(reason).ok());
                let void = void.map(Cow::Owned);
                Mutation { seq, time, operation, payload, void, together, proof }
            }))
        }
        Content::Adrift(adrift) => Box::new(of_adrift(adrift).into_iter()),
        Content::Header(_)
        | Content::Mark(_)
        | Content::End(_)
        | Content::Fill
        | Content::Torn
        | Content::Damaged { .. } => Box::new(std::iter::empty()),
    }
}

#[derive(Deserialize)]
struct Text<'a> {
    #[serde(borrow)]
    at: &'a str,
    n: Option<u64>,
    void: Option<Cow<'a, str>>,
    op: Option<&'a str>,
    v: Option<u32>,
    #[serde(borrow)]
    d: &'a RawValue,
}

#[derive(Deserialize)]
struct MemberText<'a> {
    void: Option<Cow<'a, str>>,
    #[serde(borrow)]
    op: Option<&'a str>,
    v: Option<u32>,
    #[serde(borrow)]
    d: &'a RawValue,
}

fn of_adrift<'a>(adrift: &Adrift<'a>) -> Vec<Mutation<'a>> {
    let Ok(text) = serde_json::from_str::<Text<'a>>(adrift.text) else { return Vec::new() };
    let mutation = |seq, member: MemberText<'a>, together| Mutation {
        seq,
        time: text.at,
        operation: member.op.zip(member.v),
        payload: member.d.get(),
        void: member.void,
        together,
        proof: Proof::Adrift,
    };
    match text.n {
        None => {
            let Text { void, op, v, d, .. } = text;
            vec![mutation(adrift.seq, MemberText { void, op, v, d }, None)]
        }
        Some(count) => {
            let members: Vec<MemberText<'a>> =
                serde_json::from_str(text.d.get()).unwrap_or_default();
            let together = Some((adrift.seq, count));
            (adrift.seq..)
                .zip(members)
                .map(|(seq, member)| mutation(seq, member, together))
                .collect()
        }
    }
}
