//! What does a derived enum make of records, and what do its types look like?

use std::cell::RefCell;
use std::fmt::Display;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Refusal;
use crate::fidelity::{self, Fidelity};
use crate::json::Json;
use crate::mutation::Reply;
use crate::schema::{self, DecodeError, variant_of};
use crate::unsayable;

use super::file::{After, Key};
use super::interrogation::{Answer, Ask, Silent, interrogate};
use super::plan::Unfed;
use super::program::{Fresh, Program, Role, Unread};
use super::{Content, Handlers, Locked, Payload, taste};

/// A derived enum `M` and its state `S`.
pub(super) struct Enum<S, M> {
    payloads: Vec<Payload>,
    types: PhantomData<fn() -> (S, M)>,
}

impl<S, M> Enum<S, M>
where
    S: Default + Serialize + DeserializeOwned,
    M: Locked<S>,
{
    pub(super) fn new() -> Self {
        Enum { payloads: M::payloads(), types: PhantomData }
    }

    fn payload(&self, name: &str, version: u32) -> Option<&Payload> {
        self.payloads.iter().find(|payload| {
            let versions = match payload.content {
                Content::Current(_) | Content::Old(_) => payload.version..=payload.version,
                Content::Dropped { first } => first..=payload.version,
            };
            payload.name == name && versions.contains(&version)
        })
    }

    fn state(&self, version: u32, json: &Json) -> Result<S, Unread> {
        let json = json.to_string();
        unless_it_panics(|| {
            if version == M::__schema().state {
                schema::decode_content(&json)
            } else {
                M::__decode_old_state(version, &json)
            }
        })
    }

    fn mutation(&self, name: &str, version: u32, json: &Json) -> Result<Option<M>, Unread> {
        unless_it_panics(|| M::__decode(Some((name, version)), &json.to_string()))
    }

    fn interrogate_current(
        &self,
        key: &Key,
        payload: &Payload,
        index: u32,
    ) -> Result<Fresh, String> {
        let made: RefCell<Option<M>> = RefCell::new(None);
        let make = |feeder: super::Feeder<'_, '_>| {
            variant_of::<M, _>(index, feeder).map(|mutation| *made.borrow_mut() = Some(mutation))
        };
        let canonical = |sample: Json| match self.read(key, &sample) {
            Ok(Some((_, content))) => content,
            Ok(None) | Err(_) => sample,
        };
        let mut fresh = match interrogate(&make, &canonical) {
            Ok(answer) => {
                let mut refuses = Vec::new();
                answer.feed_unsayable(|feeder| {
                    if make(feeder).is_ok() {
                        let mutation = made.borrow_mut().take();
                        let encoded = mutation.map(|mutation| {
                            fidelity::encode::<S, M, _>(mutation, Fidelity::Checked, |_, _| ())
                        });
                        refuses.extend(encoded.and_then(Result::err).map(|why| refused(&why)));
                    }
                });
                fresh(answer, refuses)
            }
            Err(silent) if payload.samples.is_empty() => return Err(silence(&silent)),
            Err(_) => Fresh::silent("any"),
        };
        for given in payload.samples {
            let sample = Json::parse(given.as_bytes())
                .ok_or_else(|| format!("its sample {given} is not JSON; mend it"))?;
            match self.read(key, &sample) {
                Ok(_) => {}
                Err(Unread::Shape(why) | Unread::Step(why)) => {
                    return Err(format!("its sample {given} is not read, {why}; mend it"));
                }
            }
            let sample = canonical(sample);
            fresh.given.push(sample.clone());
            if !fresh.samples.contains(&sample) {
                fresh.samples.push(sample);
            }
        }
        Ok(fresh)
    }

    fn interrogate_state(&self, ask: &Ask<'_>, version: u32) -> Result<Fresh, String> {
        let key = Key::State(version);
        let is_current = version == M::__schema().state;
        let canonical = |sample: Json| match self.read(&key, &sample) {
            Ok(Some((_, content))) if is_current => content,
            Ok(_) | Err(_) => sample,
        };
        match interrogate(ask, &canonical) {
            Ok(answer) => {
                let mut refuses = Vec::new();
                answer.feed_unsayable(|feeder| {
                    if let Ok(state) = S::deserialize(feeder) {
                        refuses.extend(unsayable::find(&state).err().map(|why| refused(&why)));
                    }
                });
                Ok(fresh(answer, if is_current { refuses } else { Vec::new() }))
            }
            // A state that does not say what it looks like has at least its default.
            Err(_) if is_current => {
                Ok(Fresh { samples: vec![json_of(&S::default())?], ..Fresh::silent("any") })
            }
            Err(silent) => Err(silence(&silent)),
        }
    }

    /// The state behind the mutation; `None` where the handler panics, as it may do in one build
    /// and not in another.
    fn applied(&self, mutation: M, mut state: S) -> Result<Option<Json>, String> {
        let apply = || mutation.__execute(&mut state, &mut Reply::discarded());
        match catch_unwind(AssertUnwindSafe(apply)) {
            Ok(()) => json_of(&state).map(Some),
            Err(_) => Ok(None),
        }
    }
}

impl<S, M> Program for Enum<S, M>
where
    S: Default + Serialize + DeserializeOwned,
    M: Locked<S>,
{
    fn keys(&self) -> Vec<Key> {
        let mut keys: Vec<Key> =
            M::old_states().iter().map(|old| Key::State(old.version)).collect();
        keys.push(Key::State(M::__schema().state));
        let operation =
            |payload: &Payload| Key::Operation(payload.name.to_string(), payload.version);
        keys.extend(self.payloads.iter().map(operation));
        keys
    }

    fn role(&self, key: &Key) -> Option<Role> {
        match key {
            Key::State(version) if *version == M::__schema().state => Some(Role::Current),
            Key::State(version) => {
                M::old_states().iter().any(|old| old.version == *version).then_some(Role::Old)
            }
            Key::Operation(name, version) => match self.payload(name, *version) {
                Some(payload) => Some(match payload.content {
                    Content::Current(_) => Role::Current,
                    Content::Old(_) => Role::Old,
                    Content::Dropped { .. } => Role::Dropped,
                }),
                // An alias is read, and never written.
                None => M::__schema().reads(name, *version).then_some(Role::Old),
            },
        }
    }

    fn reserved(&self) -> &'static [&'static str] {
        M::LOCK.reserved
    }

    fn read(&self, key: &Key, content: &Json) -> Result<Option<(Key, Json)>, Unread> {
        match key {
            Key::State(version) => {
                let state = self.state(*version, content)?;
                let json = json_of(&state).map_err(Unread::Shape)?;
                Ok(Some((Key::State(M::__schema().state), json)))
            }
            Key::Operation(name, version) => {
                let Some(mutation) = self.mutation(name, *version, content)? else {
                    return Ok(None);
                };
                let mut payload = Vec::new();
                mutation.__encode(&mut payload).map_err(|error| {
                    Unread::Shape(format!("what it is read as cannot be written: {error}"))
                })?;
                let json = Json::parse(&payload)
                    .ok_or_else(|| Unread::Shape("what it is read as is no JSON".to_string()))?;
                let tag = mutation.__tag().expect("derived mutations have tags");
                Ok(Some((Key::Operation(tag.name.to_string(), tag.version), json)))
            }
        }
    }

    fn interrogate(&self, key: &Key) -> Result<Fresh, String> {
        match key {
            Key::State(version) => {
                let old = M::old_states();
                match old.iter().find(|old| old.version == *version) {
                    Some(old) => self.interrogate_state(&old.content, *version),
                    None => self.interrogate_state(&taste::<S>, *version),
                }
            }
            Key::Operation(name, version) => {
                let Some(payload) = self.payload(name, *version) else {
                    return Err("an alias has no type of its own".to_string());
                };
                match payload.content {
                    Content::Current(index) => self.interrogate_current(key, payload, index),
                    Content::Old(ask) => match interrogate(&ask, &|sample| sample) {
                        Ok(answer) => Ok(fresh(answer, Vec::new())),
                        Err(silent) => Err(silence(&silent)),
                    },
                    Content::Dropped { .. } => Err("it is not read".to_string()),
                }
            }
        }
    }

    fn apply(
        &self,
        key: &Key,
        content: &Json,
        (filled_version, filled): &(u32, Json),
    ) -> Result<Option<After>, String> {
        let Key::Operation(name, version) = key else { return Ok(None) };
        match M::LOCK.handlers {
            Handlers::Free => return Ok(None),
            Handlers::Pinned => {}
        }
        let run = || {
            let mutation = || self.mutation(name, *version, content).ok().flatten();
            let (Some(one), Some(other)) = (mutation(), mutation()) else { return Ok(None) };
            let Ok(state) = self.state(*filled_version, filled) else { return Ok(None) };
            let empty = self.applied(one, S::default())?;
            let (Some(empty), Some(filled)) = (empty, self.applied(other, state)?) else {
                return Ok(None);
            };
            Ok::<_, String>(Some(After { version: M::__schema().state, empty, filled }))
        };
        let in_order = |after: Option<After>| {
            after.map(|after| (after.empty.in_order(), after.filled.in_order()))
        };
        let first = run()?;
        // What hangs on the order of a hash map is not the same each time.
        for _ in 0..RUNS {
            if in_order(run()?) != in_order(first.clone()) {
                return Err(format!(
                    "its handler is not deterministic, as it left two states behind for {content}; \
                     keep clocks, chance and the order of hash maps out of it",
                ));
            }
        }
        Ok(first)
    }

    fn is_unordered(&self, key: &Key, content: &Json) -> bool {
        let read = || self.read(key, content).ok().flatten().map(|(_, content)| content.by_keys());
        let first = read();
        (0..RUNS).any(|_| read() != first)
    }
}

/// So often is something done that may come out in another order each time. Two members in one of
/// two orders stay in the same one all the while once in so many powers of two.
const RUNS: usize = 16;

/// Decodes; a conversion that panics is a step that refuses.
fn unless_it_panics<T>(decode: impl FnOnce() -> Result<T, DecodeError>) -> Result<T, Unread> {
    match catch_unwind(AssertUnwindSafe(decode)) {
        Ok(decoded) => decoded.map_err(|error| unread(&error)),
        Err(_) => Err(Unread::Step("it panics".to_string())),
    }
}

fn fresh(answer: Answer, mut refuses: Vec<String>) -> Fresh {
    refuses.dedup();
    let Answer { shape, samples, aliases, plain, .. } = answer;
    Fresh { shape, samples, aliases, refuses, given: Vec::new(), plain }
}

fn unread(error: &DecodeError) -> Unread {
    let is_step = error.is_upcast();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    if is_step { Unread::Step(text) } else { Unread::Shape(text) }
}

fn refused(why: &Refusal) -> String {
    match why {
        Refusal::Unsayable { field, value } if field.is_empty() => (*value).replace('`', "'"),
        Refusal::Unsayable { field, value } => format!("{field}: {}", value.replace('`', "'")),
        Refusal::NotEncodable(_)
        | Refusal::NotDecodable(_)
        | Refusal::NotFaithful
        | Refusal::TooLarge { .. } => why.to_string().replace('`', "'"),
    }
}

fn silence(Silent { place, why }: &Silent) -> String {
    let place = if place.is_empty() { String::new() } else { format!(" at `{place}`") };
    let told: &dyn Display = match why {
        Unfed::Opaque => &"it takes more than one form there",
        Unfed::Duplicate(_) | Unfed::Missing(_) | Unfed::Recursive | Unfed::Other(_) => why,
    };
    format!(
        "its shape cannot be found out{place}: {told}; give payloads to go by: \
         `#[mutation(sample(r#\"{{..}}\"#))]`",
    )
}

fn json_of(value: &impl Serialize) -> Result<Json, String> {
    let text = serde_json::to_vec(value)
        .map_err(|error| format!("the state cannot be written: {error}"))?;
    Json::parse(&text).ok_or_else(|| "the state is nested too deep".to_string())
}
