//! What is a mutation once it is written? Its JSON, from which it can be made again and again.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Refusal, operation_name};
use crate::fidelity::{self, Encoded, Fidelity};
use crate::mutation::Mutator;
use crate::schema::Tag;

/// A mutation as the journal has it.
#[derive(Debug)]
pub(super) struct Written {
    tag: Option<Tag>,
    payload: String,
}

impl Written {
    /// Encodes the mutation as a manager does, and hands back what that applies.
    pub(super) fn of<S, M>(mutation: M) -> Result<(Written, M), Refusal>
    where
        M: Mutator<S> + Serialize + DeserializeOwned,
    {
        let Encoded { mutation, tag, payload } =
            fidelity::encode::<S, M, _>(mutation, Fidelity::Checked, |_, payload| {
                String::from_utf8_lossy(payload).into_owned()
            })?;
        Ok((Written { tag, payload }, mutation))
    }

    /// Makes the mutation again, as replay does.
    pub(super) fn read<S, M>(&self) -> M
    where
        M: Mutator<S> + Serialize + DeserializeOwned,
    {
        let tag = self.tag.map(|tag| (tag.name, tag.version));
        let read = M::__decode(tag, &self.payload).ok().flatten();
        read.unwrap_or_else(|| panic!("{self} was read a moment ago, and now it is not"))
    }

    pub(super) fn bytes(&self) -> u64 {
        self.payload.len() as u64
    }
}

/// The operation and the payload: `` `deposit@1` {"cents":5} ``.
impl fmt::Display for Written {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Tag { name, version }) = self.tag {
            write!(out, "`{}` ", operation_name((name, version)))?;
        }
        out.write_str(&shortened(&self.payload))
    }
}

/// So much of a text is enough to know it by.
const CHARS_SHOWN: usize = 160;

/// The text, or its beginning.
pub(super) fn shortened(text: &str) -> String {
    match text.char_indices().nth(CHARS_SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_string(),
    }
}
