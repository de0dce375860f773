//! Takes over a directory of ministate 0.1 without the application: its newest snapshot and the
//! records behind it become ours as they are, and the application replays them when it opens them.
//!
//! The order is that of an import with the application, which ends one that was interrupted here;
//! but the `next` segment has records, and a mark behind them.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::files::{self, OldFiles, Stage};
use super::records::{self, OLD_VERSION, Replayed};
use super::refuse_lost_tail;
use super::snapshots::{self, Newest};
use crate::error::{MiniStateError, Position, RejectedSnapshot};
use crate::journal::{self, Names};
use crate::json::Json;
use crate::record::{Bodies, Body, Chain, Seq};
use crate::schema::{DecodeError, Schema, Tag};
use crate::snapshot;
use crate::storage::{self, Storage};

/// How the application declares its mutations by now, which decides what their records look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Declared {
    /// With an `impl Mutator`, as in 0.1: records bear no tag.
    ByHand,
    /// With `#[derive(Mutations)]`: records bear the variant's name in snake case, and version 1.
    Derived,
}

/// What a take-over without the application came to.
#[derive(Debug)]
pub enum Carried {
    /// There is no journal of 0.1.
    Ours,
    /// Nothing was changed: the state before the first record is in no file.
    NoState,
    /// Nothing was changed: there are records, and how they are declared was not said.
    NotDeclared {
        /// How many there are.
        records: u64,
    },
    /// Nothing was changed: the file of the initial state does not hold one JSON value.
    BadState,
    /// It is one of ours now.
    Over {
        /// Old snapshots that could not be used.
        rejected: Vec<RejectedSnapshot>,
        /// How many bytes of a mutation that was never acknowledged end the old journal.
        torn: u64,
        /// The old files, under the names that they have now.
        kept: Vec<PathBuf>,
    },
}

/// Takes over what there is. The caller holds the lock.
pub(crate) fn carry_over(
    storage: &dyn Storage,
    names: &Names,
    declared: Option<Declared>,
    initial: Option<&Path>,
) -> Result<Carried, MiniStateError> {
    match files::stage(storage, names)? {
        Stage::Ours => Ok(Carried::Ours),
        Stage::Old(old) => begin(storage, names, &old, declared, initial),
        Stage::Switching(old) => switch(storage, names, &old, Vec::new(), 0),
    }
}

fn begin(
    storage: &dyn Storage,
    names: &Names,
    old: &OldFiles,
    declared: Option<Declared>,
    initial: Option<&Path>,
) -> Result<Carried, MiniStateError> {
    let as_it_is = |state: &Json, _: &Path| Ok(state.to_string());
    let Newest { sound, rejected } = snapshots::newest_sound(storage, old, &as_it_is)?;
    let (behind, state) = match (sound, initial) {
        (Some(sound), _) => sound,
        (None, None) => return Ok(Carried::NoState),
        (None, Some(initial)) => {
            let content = storage::read_all(storage, initial);
            match Json::parse(&content.map_err(MiniStateError::io("reading", initial))?) {
                Some(state) => (0, state.to_string()),
                None => return Ok(Carried::BadState),
            }
        }
    };
    let mut gathered = Gathered::default();
    let mut visit = |record: &[u8], seq: Seq, at: &Position| match declared {
        Some(declared) => gathered.take(record, declared).map_err(|what| {
            let source = DecodeError::from(<serde_json::Error as serde::de::Error>::custom(what));
            MiniStateError::undecodable(at.clone(), seq, None, source)
        }),
        None => Ok(()),
    };
    let Replayed { seq, torn } = records::read(storage, names, old, behind, &mut visit, &|_| {})?;
    refuse_lost_tail(names, old, seq)?;
    if declared.is_none() && seq > behind {
        return Ok(Carried::NotDeclared { records: seq - behind });
    }
    let identity = format!("{:016x}{:016x}", storage.unique(), storage.unique());
    let write = |out: &mut dyn Write| out.write_all(state.as_bytes());
    let at = (behind, Chain::START);
    snapshot::publish(storage, names, &identity, at, &Schema::UNTAGGED, write, |_| Ok(()))?;
    let Gathered { tags, bodies } = gathered;
    // Few names, which live as long as the command.
    let operations = tags.into_values().collect::<Vec<Tag>>().leak();
    let schema = Schema { operations, ..Schema::UNTAGGED };
    journal::publish_next_with(storage, names, &identity, behind, &schema, &bodies)?;
    switch(storage, names, old, rejected, torn.map_or(0, |(_, bytes)| bytes))
}

/// The records behind the snapshot, in the form that they have in ours.
#[derive(Default)]
struct Gathered {
    /// In the order of their names.
    tags: BTreeMap<String, Tag>,
    bodies: Bodies,
}

impl Gathered {
    fn take(&mut self, record: &[u8], declared: Declared) -> Result<(), &'static str> {
        let (tag, payload) = match declared {
            Declared::ByHand => (None, record),
            Declared::Derived => {
                let (name, content) = records::variant(record)
                    .ok_or("it is not a variant of an enum in serde's default form")?;
                (Some(self.tag(records::snake_case(&name))?), content)
            }
        };
        let payload = Json::parse(payload).ok_or("its JSON is nested too deep")?.to_string();
        self.bodies.push(&Body::one(tag, payload.as_bytes()));
        Ok(())
    }

    fn tag(&mut self, name: String) -> Result<Tag, &'static str> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        if !(1..=64).contains(&name.len()) || !name.bytes().all(is_plain) {
            return Err("the name of its variant cannot be a tag");
        }
        let tag = |name: &String| Tag { name: name.clone().leak(), version: OLD_VERSION };
        Ok(*self.tags.entry(name).or_insert_with_key(tag))
    }
}

/// Lets the old journal give its name free, and ours take it.
fn switch(
    storage: &dyn Storage,
    names: &Names,
    old: &OldFiles,
    rejected: Vec<RejectedSnapshot>,
    torn: u64,
) -> Result<Carried, MiniStateError> {
    old.put_away(storage, names)?;
    let next = names.next();
    storage
        .rename(&next, &names.active())
        .and_then(|()| storage.sync_dir(names.dir()))
        .map_err(MiniStateError::io("renaming", &next))?;
    Ok(Carried::Over { rejected, torn, kept: files::kept(storage, names)? })
}
