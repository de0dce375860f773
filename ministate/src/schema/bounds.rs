//! What must the types of a derived enum be, in the words of the enum's author?

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Error;

use super::{DecodeError, dispatch};

/// What generated code asks of the enum.
///
/// Without supertraits: the compiler would name those, one error each, in place of this trait.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be journaled: it lacks `Clone`, `Serialize` or `Deserialize`",
    label = "add `#[derive(Clone, Serialize, Deserialize)]`",
    note = "`#[derive(Mutations)]` writes and reads `{Self}` through serde's derives: add `#[derive(Clone, Serialize, Deserialize)]` beside it"
)]
pub trait Data: Sized {
    /// `Clone`
    fn duplicate(&self) -> Self;
    /// `Serialize`
    ///
    /// # Errors
    ///
    /// The variant has no JSON form.
    fn encode_variant(&self, payload: &mut Vec<u8>) -> Result<(), Error>;
    /// `Deserialize`
    ///
    /// # Errors
    ///
    /// The payload is not one of the variant.
    fn decode_variant(index: u32, payload: &str) -> Result<Option<Self>, DecodeError>;
}

#[diagnostic::do_not_recommend]
impl<T: Clone + Serialize + DeserializeOwned> Data for T {
    fn duplicate(&self) -> Self {
        self.clone()
    }

    fn encode_variant(&self, payload: &mut Vec<u8>) -> Result<(), Error> {
        dispatch::encode_variant(self, payload)
    }

    fn decode_variant(index: u32, payload: &str) -> Result<Option<Self>, DecodeError> {
        dispatch::decode_variant(index, payload)
    }
}

/// The output of a payload, where the enum declares an output for all.
#[diagnostic::on_unimplemented(
    message = "the output `{Self}` of this operation does not convert into `{O}`, the output of the enum",
    label = "its output is `{Self}`",
    note = "add `impl From<{Self}> for {O}`, or name a function that returns `{O}`: `#[mutation(apply = path)]`"
)]
pub trait IntoOutput<O> {
    /// `From`
    fn into_output(self) -> O;
}

#[diagnostic::do_not_recommend]
impl<O: From<T>, T> IntoOutput<O> for T {
    fn into_output(self) -> O {
        O::from(self)
    }
}

/// What a handler returns, where the enum declares no output.
#[diagnostic::on_unimplemented(
    message = "this handler returns `{Self}`, which nobody would see",
    label = "returns `{Self}`",
    note = "declare what the handlers of this enum return: `#[mutations(output = {Self})]`",
    note = "or return `()`; a variant whose payload implements `Operation` has an output of its own"
)]
pub trait NoOutput {}

impl NoOutput for () {}

/// Takes what a handler returned, where the enum declares no output.
pub fn no_output<T: NoOutput>(_returned: T) {}
