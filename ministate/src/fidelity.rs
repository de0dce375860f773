//! Apply what you logged: a mutation is encoded, read back and compared before it is written.

use std::sync::{Arc, LazyLock};

use memchr::memmem::Finder;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Refusal;
use crate::json::Json;
use crate::mutation::Mutator;
use crate::schema::{self, Tag};
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

static NULL: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("null"));

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
    if NULL.find(payload).is_some() {
        unsayable::find(mutation)?;
    }
    let decoded = schema::text(payload)
        .and_then(|payload| M::__decode(tag.map(|tag| (tag.name, tag.version)), payload))
        .map_err(|error| Refusal::NotDecodable(Arc::new(error)))?
        .ok_or(Refusal::NotFaithful)?;
    let again = payload_of::<S, M>(&decoded)?;
    // Two hash maps or sets of the same content have no order.
    let in_order = |text| Json::parse(text).map(Json::in_order);
    let same_but_for_order = || in_order(&again).is_some_and(|own| Some(own) == in_order(payload));
    if again == payload || same_but_for_order() { Ok(decoded) } else { Err(Refusal::NotFaithful) }
}
