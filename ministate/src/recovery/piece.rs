//! What is taken from a journal at a time, and how does it change the state? Pure.

use std::any::Any;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use crate::error::{MiniStateError, Position, operation_name};
use crate::mutation::{Mutator, Reply};
use crate::record::{Mutation, Seq};
use crate::schema::DecodeError;

/// How large a piece gets, but for its last mutation.
const PIECE_BYTES: usize = 64 * 1024;

/// How many mutations are decoded before they are applied, where a piece was not decoded ahead. So
/// few that an allocator has their memory at hand again for the next ones, and so many that the
/// processor fetches what one touches of the state while it still applies the one before.
const TOGETHER: usize = 8;

/// Mutations from neighbouring records of one segment, verified.
#[derive(Debug)]
pub(super) struct Piece<M> {
    file: PathBuf,
    /// The tags and payloads, one behind the other.
    text: String,
    places: Vec<Place>,
    /// How many of the mutations have been decoded.
    decoded: usize,
    /// Those that have been and are not applied; `None` in place of one that is to have no effect.
    mutations: Vec<Option<M>>,
    /// Why the one behind them cannot be decoded.
    failure: Option<MiniStateError>,
    /// How many bytes of the journal have been read by then, where that is to be told.
    pub(super) bytes_read: Option<u64>,
}

/// Where a mutation is in the journal, and where in the piece's text.
#[derive(Debug)]
struct Place {
    seq: Seq,
    line: u64,
    byte: u64,
    /// Where its name begins and ends, and its version.
    tag: Option<(usize, usize, u32)>,
    payload: Range<usize>,
}

impl Place {
    fn tag<'a>(&self, text: &'a str) -> Option<(&'a str, u32)> {
        self.tag.map(|(start, end, version)| (&text[start..end], version))
    }
}

impl<M> Default for Piece<M> {
    fn default() -> Self {
        Piece {
            file: PathBuf::new(),
            text: String::new(),
            places: Vec::new(),
            decoded: 0,
            mutations: Vec::new(),
            failure: None,
            bytes_read: None,
        }
    }
}

impl<M> Piece<M> {
    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes() >= PIECE_BYTES
    }

    pub(super) fn bytes(&self) -> usize {
        self.text.len() + self.places.len() * size_of::<Place>()
    }

    /// Begins anew, with what memory there is: what is added from now on is of this segment.
    pub(super) fn begin(&mut self, file: &Path) {
        file.clone_into(&mut self.file);
        self.text.clear();
        // A large record is not to take its memory until the end.
        self.text.shrink_to(2 * PIECE_BYTES);
        self.places.clear();
        self.decoded = 0;
        self.discard();
        self.failure = None;
        self.bytes_read = None;
    }

    /// Drops the mutations behind one that could not be applied. A drop that panics may do so for
    /// each of them, which is nothing that the caller asked for.
    fn discard(&mut self) {
        for mutation in self.mutations.drain(..).flatten() {
            let _ = catch_unwind(AssertUnwindSafe(|| drop(mutation)));
        }
    }

    #[inline]
    pub(super) fn push(&mut self, seq: Seq, at: &Position, (tag, payload): Mutation<'_>) {
        let tag = tag.map(|(name, version)| {
            let start = self.text.len();
            self.text.push_str(name);
            (start, self.text.len(), version)
        });
        let start = self.text.len();
        self.text.push_str(payload);
        let payload = start..self.text.len();
        self.places.push(Place { seq, line: at.line, byte: at.byte, tag, payload });
    }

    /// Decodes all that can be.
    pub(super) fn decode<S>(&mut self)
    where
        M: Mutator<S> + DeserializeOwned,
    {
        self.decode_next::<S>(self.places.len());
    }

    fn decode_next<S>(&mut self, mutations: usize)
    where
        M: Mutator<S> + DeserializeOwned,
    {
        for place in self.places[self.decoded..].iter().take(mutations) {
            let tag = place.tag(&self.text);
            match decode_one(tag, &self.text[place.payload.clone()]) {
                Ok(mutation) => self.mutations.push(mutation),
                Err(error) => {
                    let Place { seq, line, byte, .. } = *place;
                    let at = Position { file: self.file.clone(), line, byte };
                    self.failure = Some(MiniStateError::undecodable(at, seq, tag, error));
                    break;
                }
            }
            self.decoded += 1;
        }
    }

    /// Applies the mutations up to one that cannot be decoded or applied, and says how many there
    /// are.
    pub(super) fn apply<S>(&mut self, state: &mut S) -> Result<u64, MiniStateError>
    where
        M: Mutator<S> + DeserializeOwned,
    {
        let mut applied = 0;
        while applied < self.places.len() {
            if self.mutations.is_empty() {
                self.decode_next::<S>(TOGETHER);
            }
            for mutation in &mut self.mutations {
                let place = &self.places[applied];
                apply_one(mutation.take(), place.seq, place.tag(&self.text), state)?;
                applied += 1;
            }
            self.mutations.clear();
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
        }
        Ok(applied as u64)
    }
}

impl<M> Drop for Piece<M> {
    fn drop(&mut self) {
        self.discard();
    }
}

/// Decodes a mutation and applies it.
pub(super) fn replay_one<S, M>(
    (tag, payload): Mutation<'_>,
    seq: Seq,
    at: &Position,
    state: &mut S,
) -> Result<(), MiniStateError>
where
    M: Mutator<S> + DeserializeOwned,
{
    let decoded = decode_one::<S, M>(tag, payload);
    let mutation =
        decoded.map_err(|error| MiniStateError::undecodable(at.clone(), seq, tag, error))?;
    apply_one(mutation, seq, tag, state)
}

/// The mutation; `None` where it is to have no effect, since its operation was retired.
pub(crate) fn decode_one<S, M>(
    tag: Option<(&str, u32)>,
    payload: &str,
) -> Result<Option<M>, DecodeError>
where
    M: Mutator<S> + DeserializeOwned,
{
    catch_unwind(|| M::__decode(tag, payload))
        .unwrap_or_else(|panic| Err(DecodeError::upcast(panic_message(panic))))
}

fn apply_one<S, M: Mutator<S>>(
    mutation: Option<M>,
    seq: Seq,
    tag: Option<(&str, u32)>,
    state: &mut S,
) -> Result<(), MiniStateError> {
    // Where the operation was retired, its records are to have no effect.
    mutation.map_or(Ok(()), |mutation| {
        apply(mutation, state, &mut Reply::discarded())
            .map_err(|message| handler_panicked(seq, tag, message))
    })
}

/// Applies a mutation; where its handler panics, returns what the panic said.
pub(crate) fn apply<S, M: Mutator<S>>(
    mutation: M,
    state: &mut S,
    reply: &mut Reply,
) -> Result<(), String> {
    // The state may be half changed after a panic. Both callers throw it away then.
    catch_unwind(AssertUnwindSafe(|| mutation.__execute(state, reply))).map_err(panic_message)
}

pub(crate) fn handler_panicked(
    seq: Seq,
    tag: Option<(&str, u32)>,
    message: String,
) -> MiniStateError {
    MiniStateError::HandlerPanicked { seq, operation: tag.map(operation_name), message }
}

fn panic_message(payload: Box<dyn Any + Send>) -> String {
    match payload.downcast::<String>() {
        Ok(message) => *message,
        Err(payload) => match payload.downcast::<&'static str>() {
            Ok(message) => (*message).to_string(),
            Err(_) => "it said nothing".to_string(),
        },
    }
}
