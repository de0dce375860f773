//! What is written of a mutation, and what is applied once that is durable.

use std::any::Any;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{MiniStateError, Refusal};
use crate::fidelity::{self, Encoded, Fidelity};
use crate::mutation::{Mutator, Reply};
use crate::record::{Body, BodyOfSeveral, Seq};
use crate::recovery;
use crate::schema::Tag;

/// A record to be written, and what is applied once it is durable.
pub(crate) struct Change<M> {
    pub(crate) body: Body,
    pub(crate) effect: Effect<M>,
}

/// What a change does to the state.
pub(crate) struct Effect<M> {
    mutations: Mutations<M>,
    reply: Reply,
}

enum Mutations<M> {
    One(Option<Tag>, M),
    Several(Vec<(Option<Tag>, M)>),
}

impl<M> Change<M> {
    /// A single mutation.
    pub(crate) fn one<S>(mutation: M, fidelity: Fidelity, reply: Reply) -> Result<Self, Refusal>
    where
        M: Mutator<S> + Serialize + DeserializeOwned,
    {
        let encoded = fidelity::encode::<S, M, _>(mutation, fidelity, Body::one)?;
        let Encoded { mutation, tag, payload: body } = encoded;
        Ok(Change { body, effect: Effect { mutations: Mutations::One(tag, mutation), reply } })
    }

    /// Several mutations, all or nothing; `None` where there are none.
    pub(crate) fn several<S>(
        mutations: impl IntoIterator<Item = M>,
        fidelity: Fidelity,
    ) -> Result<Option<Self>, Refusal>
    where
        M: Mutator<S> + Serialize + DeserializeOwned,
    {
        let mut members = BodyOfSeveral::default();
        let mut encoded = Vec::new();
        for mutation in mutations {
            let push = |tag, payload: &[u8]| members.push(tag, payload);
            let Encoded { mutation, tag, .. } =
                fidelity::encode::<S, M, _>(mutation, fidelity, push)?;
            encoded.push((tag, mutation));
        }
        if encoded.is_empty() {
            return Ok(None);
        }
        let mutations = Mutations::Several(encoded);
        let effect = Effect { mutations, reply: Reply::discarded() };
        Ok(Some(Change { body: members.body(), effect }))
    }
}

impl<M> Effect<M> {
    /// How many mutations it has.
    pub(crate) fn count(&self) -> u64 {
        match &self.mutations {
            Mutations::One(..) => 1,
            Mutations::Several(mutations) => mutations.len() as u64,
        }
    }

    /// The tags of its mutations.
    #[cfg(feature = "shared")]
    pub(crate) fn tags(&self) -> impl Iterator<Item = Option<Tag>> {
        let (one, several) = match &self.mutations {
            Mutations::One(tag, _) => (Some(*tag), &[][..]),
            Mutations::Several(mutations) => (None, mutations.as_slice()),
        };
        one.into_iter().chain(several.iter().map(|(tag, _)| *tag))
    }

    /// Changes the state behind mutation `before`. Returns what the handler of an executed operation
    /// did. Where a handler panics, the state may be half changed.
    pub(crate) fn apply<S>(
        self,
        state: &mut S,
        before: Seq,
    ) -> Result<Option<Box<dyn Any + Send>>, MiniStateError>
    where
        M: Mutator<S>,
    {
        let mut reply = self.reply;
        let mut apply = |seq, tag: Option<Tag>, mutation| {
            recovery::apply(mutation, state, &mut reply).map_err(|message| {
                recovery::handler_panicked(seq, tag.map(|tag| (tag.name, tag.version)), message)
            })
        };
        match self.mutations {
            Mutations::One(tag, mutation) => apply(before + 1, tag, mutation)?,
            Mutations::Several(mutations) => {
                for (seq, (tag, mutation)) in (before + 1..).zip(mutations) {
                    apply(seq, tag, mutation)?;
                }
            }
        }
        Ok(reply.into_output())
    }
}
