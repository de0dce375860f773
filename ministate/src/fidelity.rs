//! Apply what you logged: a mutation is encoded, read back and compared before it is written.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Refusal;
use crate::mutation::Mutator;
use crate::schema::Tag;
use crate::unsayable;

/// Whether a mutation is read back before it is written. Default: [`Checked`](Self::Checked).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fidelity {
    /// Each mutation is encoded, decoded and encoded again. It is refused unless both texts say
    /// the same, up to the order of maps and sets; and what is applied is the *decoded* mutation,
    /// as it will be at every replay. Costs about one more decoding and encoding of the payload,
    /// in the calling task.
    #[default]
    Checked,
    /// Each mutation is encoded, and applied as it was given.
    ///
    /// The risk: where the serde attributes of a type do not agree with each other, or a value
    /// has no JSON form (`NaN`, `Some(None)`), the mutation is acknowledged and every later
    /// opening either fails at its record or replays something else.
    Trusted,
}

/// A mutation that is ready to be written.
#[derive(Debug)]
pub(crate) struct Encoded<M> {
    /// What is applied once the payload is durable.
    pub(crate) mutation: M,
    pub(crate) tag: Option<Tag>,
    pub(crate) payload: Vec<u8>,
}

pub(crate) fn encode<S, M>(mutation: M, fidelity: Fidelity) -> Result<Encoded<M>, Refusal>
where
    M: Mutator<S> + Serialize + DeserializeOwned,
{
    let tag = mutation.__tag();
    let payload = payload_of::<S, M>(&mutation)?;
    if let Some(byte) = payload.iter().find(|byte| **byte < b' ') {
        return Err(refuse_raw_byte(*byte));
    }
    let mutation = match fidelity {
        Fidelity::Trusted => mutation,
        Fidelity::Checked => read_back::<S, M>(&mutation, tag, &payload)?,
    };
    Ok(Encoded { mutation, tag, payload })
}

fn payload_of<S, M: Mutator<S> + Serialize>(mutation: &M) -> Result<Vec<u8>, Refusal> {
    let mut payload = Vec::with_capacity(128);
    mutation.__encode(&mut payload).map_err(|error| Refusal::NotEncodable(Arc::new(error)))?;
    Ok(payload)
}

fn refuse_raw_byte(byte: u8) -> Refusal {
    use serde::ser::Error;
    let what = format!("its JSON holds the raw byte {byte:#04x}; a line has no control characters");
    Refusal::NotEncodable(Arc::new(serde_json::Error::custom(what)))
}

fn read_back<S, M>(mutation: &M, tag: Option<Tag>, payload: &[u8]) -> Result<M, Refusal>
where
    M: Mutator<S> + Serialize + DeserializeOwned,
{
    // All that JSON cannot say, it writes as `null`; mostly there is none, and nothing to ask.
    if memchr::memmem::find(payload, b"null").is_some() {
        unsayable::find(mutation)?;
    }
    let decoded = M::__decode(tag.map(|tag| (tag.name, tag.version)), payload)
        .map_err(|error| Refusal::NotDecodable(Arc::new(error)))?
        .ok_or(Refusal::NotFaithful)?;
    let again = payload_of::<S, M>(&decoded)?;
    let same_but_for_order = || Some(in_order(&again)? == in_order(payload)?);
    if again == payload || same_but_for_order() == Some(true) {
        Ok(decoded)
    } else {
        Err(Refusal::NotFaithful)
    }
}

/// Deeper than serde_json reads; raw JSON inside a payload can be deeper still.
const DEPTH: u32 = 256;

/// The JSON text with the members of every object and array sorted, so that two hash maps or
/// sets of the same content, which have no order, have one text. `None` for text that is nested
/// too deep to look into.
fn in_order(json: &[u8]) -> Option<Vec<u8>> {
    let mut rest = json;
    value_in_order(&mut rest, DEPTH)
}

fn value_in_order(rest: &mut &[u8], depth: u32) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    let mut members: Vec<Vec<u8>> = Vec::new();
    while let Some((&byte, after)) = rest.split_first() {
        match byte {
            b'{' | b'[' => {
                *rest = after;
                members.clear();
                loop {
                    members.push(value_in_order(rest, depth.checked_sub(1)?)?);
                    let closing = rest.split_first();
                    *rest = closing.map_or(&[], |(_, after)| after);
                    if closing.is_none_or(|(byte, _)| *byte != b',') {
                        break;
                    }
                }
                members.sort();
                text.push(byte);
                text.extend(members.join(&b','));
                text.push(byte);
            }
            b'}' | b']' | b',' => break,
            b'"' => {
                let length = string_length(rest);
                text.extend_from_slice(&rest[..length]);
                *rest = &rest[length..];
            }
            _ => {
                text.push(byte);
                *rest = after;
            }
        }
    }
    Some(text)
}

/// The length of the JSON string at the start, quotes included.
fn string_length(json: &[u8]) -> usize {
    let mut escaped = true;
    let closing = json.iter().position(|&byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    });
    closing.map_or(json.len(), |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::in_order;

    fn same(one: &str, other: &str) -> bool {
        let order = |text: &str| in_order(text.as_bytes()).expect("it is not deep");
        order(one) == order(other)
    }

    #[test]
    fn text_that_is_too_deep_is_not_looked_into() {
        assert_eq!(in_order("[".repeat(100_000).as_bytes()), None);
    }

    #[test]
    fn maps_and_sets_have_no_order() {
        assert!(same(r#"{"a":1,"b":[2,3]}"#, r#"{"b":[3,2],"a":1}"#));
        assert!(same(r#"[{"x":"]"},[]]"#, r#"[[],{"x":"]"}]"#));
        assert!(same(r#"["\"","a"]"#, r#"["a","\""]"#));
    }

    #[test]
    fn values_stay_where_they_belong() {
        assert!(!same(r#"{"a":1,"b":2}"#, r#"{"a":2,"b":1}"#));
        assert!(!same("[[1],2]", "[[2],1]"));
        assert!(!same("{}", "[]"));
        assert!(!same("[1,2]", "[12]"));
        assert!(!same(r#"["\\",","]"#, r#"["\\,",""]"#));
    }
}
