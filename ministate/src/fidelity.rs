//! Apply what you logged: a mutation is encoded, read back and compared before it is written.

use std::cell::Cell;
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
///
/// ```
/// # use ministate::{Mutator, Options};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Default, Serialize, Deserialize)]
/// # struct Counter { value: u32 }
/// # #[derive(Serialize, Deserialize)]
/// # struct Inc { by: u32 }
/// # impl Mutator<Counter> for Inc {
/// #     fn apply(&self, state: &mut Counter) { state.value += self.by }
/// # }
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let dir = dir.path();
/// use ministate::Fidelity;
///
/// // `Inc` is a number, of which nothing can be lost.
/// let options = Options::new().fidelity(Fidelity::Trusted);
/// let manager = options.blocking_open::<Counter, Inc>(dir, "app.wal.jsonl")?;
/// manager.blocking_apply(Inc { by: 10 })?;
/// # Ok(())
/// # }
/// ```
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
pub(crate) struct Encoded<M, P> {
    /// What is applied once the payload is durable.
    pub(crate) mutation: M,
    pub(crate) tag: Option<Tag>,
    /// What the caller keeps of the payload.
    pub(crate) payload: P,
}

/// Encodes a mutation, and lends its payload to `keep`.
pub(crate) fn encode<S, M, P>(
    mutation: M,
    fidelity: Fidelity,
    keep: impl FnOnce(Option<Tag>, &[u8]) -> P,
) -> Result<Encoded<M, P>, Refusal>
where
    M: Mutator<S> + Serialize + DeserializeOwned,
{
    let mut scratch = Scratch::taken();
    let tag = mutation.__tag();
    let Scratch { payload, again } = &mut scratch;
    write_payload::<S, M>(&mutation, payload)?;
    refuse_raw_bytes(payload)?;
    let mutation = match fidelity {
        Fidelity::Trusted => mutation,
        Fidelity::Checked => read_back::<S, M>(&mutation, tag, payload, again)?,
    };
    let payload = keep(tag, payload);
    scratch.put_back();
    Ok(Encoded { mutation, tag, payload })
}

/// Where payloads are written first: one allocation for all that a thread encodes.
#[derive(Debug, Default)]
struct Scratch {
    payload: Vec<u8>,
    again: Vec<u8>,
}

/// No thread keeps more than this between two mutations.
const SCRATCH_BYTES_MAX: usize = 64 << 10;

thread_local! {
    static SCRATCH: Cell<Scratch> = Cell::default();
}

impl Scratch {
    /// A new one where the thread is ending, or this is called by what is being encoded.
    fn taken() -> Scratch {
        SCRATCH.try_with(Cell::take).unwrap_or_default()
    }

    fn put_back(self) {
        if self.payload.capacity() + self.again.capacity() <= SCRATCH_BYTES_MAX {
            // A thread that is ending needs none.
            let _ended = SCRATCH.try_with(|scratch| scratch.set(self));
        }
    }
}

static NULL: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("null"));

fn write_payload<S, M>(mutation: &M, payload: &mut Vec<u8>) -> Result<(), Refusal>
where
    M: Mutator<S> + Serialize,
{
    payload.clear();
    mutation.__encode(payload).map_err(|error| Refusal::NotEncodable(Arc::new(error)))
}

/// A line has no control characters, and JSON needs none. serde_json writes none, but what hands it
/// a `RawValue` may.
fn refuse_raw_bytes(payload: &[u8]) -> Result<(), Refusal> {
    use serde::ser::Error;
    let is_raw = |byte: &u8| *byte < b' ';
    // Looks at all of them at once, where `any` looks at one after the other.
    if !payload.iter().fold(false, |found, byte| found | is_raw(byte)) {
        return Ok(());
    }
    let byte = payload.iter().copied().find(is_raw).unwrap_or_default();
    let what = format!("its JSON holds the raw byte {byte:#04x}; a line has no control characters");
    Err(Refusal::NotEncodable(Arc::new(serde_json::Error::custom(what))))
}

fn read_back<S, M>(
    mutation: &M,
    tag: Option<Tag>,
    payload: &[u8],
    again: &mut Vec<u8>,
) -> Result<M, Refusal>
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
    write_payload::<S, M>(&decoded, again)?;
    // Two hash maps or sets of the same content have no order.
    let in_order = |text| Json::parse(text).map(Json::in_order);
    let same_but_for_order = || in_order(again).is_some_and(|own| Some(own) == in_order(payload));
    if *again == payload || same_but_for_order() { Ok(decoded) } else { Err(Refusal::NotFaithful) }
}
