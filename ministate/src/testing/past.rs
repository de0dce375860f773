//! What was a state, so that a later one can be compared with it? And is its JSON all of it?

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::difference::Difference;
use super::picture::Picture;
use crate::error::Refusal;
use crate::unsayable;

/// A state as it was, whose JSON says all that serde does.
#[derive(Debug)]
pub(super) struct Past {
    json: String,
    picture: Picture,
}

/// Why a state is not what its JSON says. The text goes on where a state has been named.
#[derive(Debug)]
pub(super) enum Unfaithful {
    NotSaid(Refusal),
    NotRead(serde_json::Error),
    Other(Difference),
}

impl Past {
    pub(super) fn of<S: Serialize + DeserializeOwned>(state: &S) -> Result<Past, Unfaithful> {
        let not_encodable = |error| Unfaithful::NotSaid(not_encodable(error));
        let json = serde_json::to_string(state).map_err(not_encodable)?;
        unsayable::find(state).map_err(Unfaithful::NotSaid)?;
        let past = Past { json, picture: Picture::of(state).map_err(not_encodable)? };
        match past.difference(&past.read_back::<S>()?)? {
            Some(difference) => Err(Unfaithful::Other(difference)),
            None => Ok(past),
        }
    }

    /// The state again, as it is read from a snapshot.
    pub(super) fn read_back<S: DeserializeOwned>(&self) -> Result<S, Unfaithful> {
        serde_json::from_str(&self.json).map_err(Unfaithful::NotRead)
    }

    /// Where a state is another than this one.
    pub(super) fn difference<S: Serialize>(
        &self,
        is: &S,
    ) -> Result<Option<Difference>, Unfaithful> {
        let is = Picture::of(is).map_err(|error| Unfaithful::NotSaid(not_encodable(error)))?;
        Ok(Difference::between(&self.picture, &is))
    }
}

fn not_encodable(error: serde_json::Error) -> Refusal {
    Refusal::NotEncodable(error.into())
}

impl fmt::Display for Unfaithful {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        const REMEDY: &str = "make `Serialize` and `Deserialize` of the state agree";
        match self {
            Unfaithful::NotSaid(Refusal::NotEncodable(error)) => {
                write!(out, "has no JSON ({error}); change its type")
            }
            Unfaithful::NotSaid(reason) => write!(out, "has no JSON of its own: {reason}"),
            Unfaithful::NotRead(error) => {
                write!(out, "cannot be read from its own JSON ({error}); {REMEDY}")
            }
            Unfaithful::Other(difference) => {
                write!(out, "is another when it is read from its own JSON: {difference}; {REMEDY}")
            }
        }
    }
}
