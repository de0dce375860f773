//! ministate
mod commit;
mod error;
mod fidelity;
mod journal;
mod manager;
mod mutation;
mod options;
mod record;
mod recovery;
mod schema;
pub mod storage;
mod unsayable;

pub use error::{MiniStateError, Position, Refusal};
pub use fidelity::Fidelity;
pub use manager::{Applied, StateManager};
pub use ministate_derive::Mutations;
pub use mutation::{Accepts, Mutator, Operation};
pub use options::Options;
pub use recovery::{Progress, Recovery, TornTail};

/// What the derive's generated code uses. Not for anybody else: it changes without notice.
#[doc(hidden)]
pub mod __private {
    pub use crate::mutation::Reply;
    pub use crate::schema::{
        DecodeError, Schema, Tag, decode_content, decode_variant, encode_variant,
    };
    pub use serde_json::Error as EncodeError;
}
