//! How is a mutation marked as one that is not to be applied? Pure.

use super::cursor::Cursor;
use super::members::next_of_several;
use super::{Contents, Member, Record, SUFFIX_BYTES, Seq, VOID, push_number, push_payload};

impl Record<'_> {
    /// What the checksum of the record covers once its mutation `seq` is void; `None` where the
    /// record does not hold it, or it is void already. `line` is the record's.
    pub(crate) fn voided(&self, line: &str, seq: Seq, reason: &str) -> Option<Vec<u8>> {
        let index = seq.checked_sub(self.head.seq)?;
        if index >= self.head.contents.mutations() {
            return None;
        }
        let void = void_of(reason);
        let (before, behind) = line.as_bytes().split_at_checked(self.head.contents_start)?;
        match self.head.contents {
            Contents::One(_) => {
                let behind = behind.get(..behind.len().checked_sub(SUFFIX_BYTES)?)?;
                Some([before, &void, behind].concat())
            }
            Contents::Several(mutations) => {
                let array = with_void_member(self.payload, index, &void)?;
                let mut covered = before.to_vec();
                push_number(&mut covered, br#""n":"#, mutations);
                covered.push(b',');
                push_payload(&mut covered, &array);
                Some(covered)
            }
            Contents::Void { .. } => None,
        }
    }
}

/// `"void":"reason",`
fn void_of(reason: &str) -> Vec<u8> {
    let reason = serde_json::Value::from(reason).to_string();
    [VOID, reason.as_bytes(), b","].concat()
}

/// The array of a record's mutations, of which the one at `index` is void now.
fn with_void_member(array: &str, index: u64, void: &[u8]) -> Option<Vec<u8>> {
    let mut rest = Cursor(array.as_bytes());
    for place in 0..index {
        next_of_several(array, &mut rest, place == 0, false).ok()?;
    }
    // Behind `[{` or `,{`.
    let at = array.len() - rest.0.len() + 2;
    match next_of_several(array, &mut rest, index == 0, false).ok()? {
        Member::Applied(_) => {
            let (before, behind) = array.as_bytes().split_at(at);
            Some([before, void, behind].concat())
        }
        Member::Void(..) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{
        Body, BodyOfSeveral, Chain, Familiar, parse_record, push_record, push_suffix,
    };
    use super::*;
    use crate::schema::Tag;

    const REASON: &str = "a \"bad\" one \\ \u{e9}\n";

    /// The record of the body, once its mutation `seq` is void, and once more the same.
    fn voided(body: &Body, seq: Seq) -> Option<String> {
        let mut line = Vec::new();
        push_record(&mut line, Chain::START, 7, 0, "2026-11-22T12:00:01.000Z", &body.bytes);
        let line = String::from_utf8(line).expect("it is text");
        let covered = parse(&line)?.voided(line.trim_end(), seq, REASON)?;
        let mut voided = covered;
        push_suffix(&mut voided, 0, Chain::START);
        let voided = String::from_utf8(voided).expect("it is text");
        assert_eq!(parse(&voided)?.voided(voided.trim_end(), seq, REASON), None);
        Some(voided)
    }

    fn parse(line: &str) -> Option<Record<'_>> {
        parse_record(line, Chain::START, &mut Familiar::default())
    }

    fn void_seqs(line: &str) -> Vec<Seq> {
        let members = parse(line).expect("it is a record").members();
        let members = (7..).zip(members.map(|member| member.expect("it is well written")));
        members
            .filter_map(|(seq, member)| match member {
                Member::Applied(_) => None,
                Member::Void(_, reason) => {
                    let reason: String = serde_json::from_str(reason).expect("it is a string");
                    assert_eq!(reason, REASON);
                    Some(seq)
                }
            })
            .collect()
    }

    #[test]
    fn a_void_mutation_is_read_back_with_its_reason_and_its_payload() {
        let tag = Some(Tag { name: "deposit", version: 3 });
        for tag in [tag, None] {
            let line = voided(&Body::one(tag, b"[5]"), 7).expect("it can be void");
            let member = parse(&line).and_then(|record| record.members().next());
            let name = tag.map(|tag| (tag.name, tag.version));
            assert!(
                matches!(member, Some(Some(Member::Void(mutation, _))) if mutation == (name, "[5]")),
                "{line}"
            );
            assert_eq!(void_seqs(&line), [7]);
        }
    }

    fn several(members: &[(Option<Tag>, &[u8])]) -> Body {
        let mut body = BodyOfSeveral::default();
        for (tag, payload) in members {
            body.push(*tag, payload);
        }
        body.body()
    }

    #[test]
    fn any_one_of_several_mutations_is_void_by_itself() {
        let tag = Some(Tag { name: "deposit", version: 3 });
        let members: [(Option<Tag>, &[u8]); 3] =
            [(tag, b"[5]"), (None, b"null"), (tag, b"{\"a\":\"},{\"}")];
        for seq in 7..10 {
            let line = voided(&several(&members), seq).expect("it can be void");
            assert_eq!(void_seqs(&line), [seq], "{line}");
            let payloads: Vec<_> = parse(&line)
                .expect("it is a record")
                .members()
                .map(|member| match member {
                    Some(Member::Applied(mutation) | Member::Void(mutation, _)) => mutation.1,
                    None => "",
                })
                .collect();
            assert_eq!(payloads, ["[5]", "null", "{\"a\":\"},{\"}"]);
        }
    }

    #[test]
    fn mutations_that_the_record_does_not_hold_are_not_void() {
        assert_eq!(voided(&Body::one(None, b"[5]"), 6), None);
        assert_eq!(voided(&Body::one(None, b"[5]"), 8), None);
        let several = several(&[(None, b"[5]"), (None, b"[6]")]);
        assert_eq!(voided(&several, 9), None);
    }

    #[test]
    fn a_reason_that_is_written_in_another_way_is_none() {
        for reason in [r#""\u0041""#, r#""a\/""#, "\"a\u{7}\"", "5", "null", r#""a"#] {
            let mut line = format!(
                r#"{{"seq":7,"at":"2026-11-22T12:00:01.000Z","void":{reason},"len":3,"d":[5]"#
            )
            .into_bytes();
            push_suffix(&mut line, 0, Chain::START);
            assert!(parse(str::from_utf8(&line).expect("it is text")).is_none(), "{reason}");
        }
    }
}
