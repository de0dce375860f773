//! `ministate schema`: which operations does a journal hold in which versions, and which old ones
//! does nobody need?

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use ministate::inspect::Snapshot;
use ministate::storage::Storage;
use serde::Serialize;

use super::census::{Census, Key, Reach, Tally, counted, name_of};
use super::schema_lock::SchemaLock;
use crate::Ending;
use crate::arguments;
use crate::failure::Failure;
use crate::output::{Form, Output, Tone};
use crate::reading::Files;

/// What the files of a journal need a program to read. As the library counts it: what compaction has
/// put away, and backups, are not among them.
struct Holdings {
    census: Census,
    /// What the newest program says that it writes.
    written: BTreeMap<String, u32>,
    /// How many snapshots have which version of the state.
    states: BTreeMap<u32, usize>,
    /// Behind this all segments are kept.
    oldest_snapshot: Option<u64>,
}

/// Whether an operation in one version is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    /// The newest program writes it.
    Written,
    /// Records have it, and newer programs write another version, or none.
    Needed,
    /// An older program said that it would write it; so its segment is only opened by who reads it.
    Announced,
    /// A schema lock has it, and no file here.
    Unneeded,
}

#[derive(Serialize)]
struct Operation<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    op: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    v: Option<u32>,
    mutations: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_time: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_time: Option<&'a str>,
    status: Status,
}

#[derive(Serialize)]
struct State {
    state: u32,
    snapshots: usize,
}

#[derive(Serialize)]
struct Difference<'a> {
    difference: &'static str,
    op: &'a str,
    v: u32,
}

pub(crate) fn told(
    storage: &dyn Storage,
    asked: &arguments::Schema,
    output: &mut Output,
) -> Result<Ending, Failure> {
    let name = asked.journal.name.as_deref();
    let holdings = holdings(storage, &asked.journal.dir, name)?;
    let lock = asked.lock.as_ref().map(|path| SchemaLock::read(storage, path)).transpose()?;
    let other = asked.other.as_ref().map(|dir| self::holdings(storage, dir, name)).transpose()?;
    let mut ending = match holdings.census.damages.is_empty() {
        true => Ending::Well,
        false => Ending::Differs,
    };
    listed(&holdings, lock.as_ref(), output)?;
    let own = holdings.needed();
    if let Some(lock) = &lock {
        let known: BTreeSet<_> = &lock.operations - &lock.refused;
        let unknown: Vec<_> = own.difference(&known).collect();
        differ(&unknown, "not in the lock, so its program refuses this journal", output)?;
        if !unknown.is_empty() {
            ending = Ending::Differs;
        }
    }
    if let Some(other) = &other {
        let theirs = other.needed();
        differ(&own.difference(&theirs).collect::<Vec<_>>(), "only in the first", output)?;
        differ(&theirs.difference(&own).collect::<Vec<_>>(), "only in the second", output)?;
        if own != theirs {
            ending = Ending::Differs;
        }
    }
    Ok(ending)
}

fn holdings(storage: &dyn Storage, dir: &Path, name: Option<&str>) -> Result<Holdings, Failure> {
    let files = Files::chosen(storage, dir, name)?;
    let mut census = counted(storage, &files, (0, u64::MAX), &mut |_| Ok(()))?;
    let written = census.announced.last().cloned().unwrap_or_default();
    for (name, version) in census.announced.iter().flatten() {
        let key = Some((name.clone(), *version));
        census.operations.entry(key).or_insert_with(Tally::default);
    }
    let (mut states, mut oldest_snapshot) = (BTreeMap::new(), None);
    for (seq, file) in files.snapshots() {
        // One that cannot be read is of no use to recovery either.
        if let Ok(snapshot) = Snapshot::read(storage, &file.path) {
            *states.entry(snapshot.version).or_default() += 1;
            oldest_snapshot.get_or_insert(seq);
        }
    }
    Ok(Holdings { census, written, states, oldest_snapshot })
}

impl Holdings {
    /// The operations that who opens the journal has to read.
    fn needed(&self) -> BTreeSet<(String, u32)> {
        self.census.operations.keys().flatten().cloned().collect()
    }

    fn status(&self, key: &Key, tally: &Tally) -> Status {
        let is_written = match key {
            Some((name, version)) => self.written.get(name) == Some(version),
            None => self.written.is_empty(),
        };
        match (is_written, tally.mutations) {
            (true, _) => Status::Written,
            (false, 0) => Status::Announced,
            (false, _) => Status::Needed,
        }
    }

    /// What the lock has and no file here needs. What is read hop by hop needs every newer type, so
    /// only the oldest versions can go.
    fn unneeded(&self, lock: &SchemaLock) -> Vec<(String, u32)> {
        let needed = self.needed();
        let mut by_name: BTreeMap<&String, Vec<u32>> = BTreeMap::new();
        for (name, version) in &lock.operations - &lock.refused {
            if let Some((name, _)) = lock.operations.get(&(name, version)) {
                by_name.entry(name).or_default().push(version);
            }
        }
        let mut unneeded = Vec::new();
        for (name, versions) in by_name {
            let newest = versions.last().copied();
            let is_unused = |version: &&u32| {
                // The newest version of a name that is still written is what programs write.
                let is_current = Some(**version) == newest && self.written.contains_key(name);
                !is_current && !needed.contains(&(name.clone(), **version))
            };
            let oldest = versions.iter().take_while(is_unused);
            unneeded.extend(oldest.map(|version| (name.clone(), *version)));
        }
        unneeded
    }
}

fn listed(
    holdings: &Holdings,
    lock: Option<&SchemaLock>,
    output: &mut Output,
) -> Result<(), Failure> {
    for (key, tally) in &holdings.census.operations {
        let status = holdings.status(key, tally);
        let reach = tally.reach.as_ref();
        let operation = Operation {
            op: key.as_ref().map(|(name, _)| name.as_str()),
            v: key.as_ref().map(|(_, version)| *version),
            mutations: tally.mutations,
            first: reach.map(|reach| reach.first),
            last: reach.map(|reach| reach.last),
            first_time: reach.map(|reach| reach.first_time.as_str()),
            last_time: reach.map(|reach| reach.last_time.as_str()),
            status,
        };
        match output.form {
            Form::Json => output.json(&operation)?,
            Form::Text => for_people(holdings, key, tally, status, output)?,
        }
    }
    let unneeded = lock.map(|lock| holdings.unneeded(lock)).unwrap_or_default();
    for (name, version) in unneeded {
        match output.form {
            Form::Json => {
                let (op, v) = (Some(name.as_str()), Some(version));
                let (first, last, first_time, last_time) = (None, None, None, None);
                let status = Status::Unneeded;
                let mutations = 0;
                output.json(&Operation {
                    op,
                    v,
                    mutations,
                    first,
                    last,
                    first_time,
                    last_time,
                    status,
                })?;
            }
            Form::Text => output.line(format_args!(
                "{:<28} {:>10}  no file here needs it: it may be retired",
                format!("{name}@{version}"),
                0
            ))?,
        }
    }
    for (version, snapshots) in &holdings.states {
        match output.form {
            Form::Json => output.json(&State { state: *version, snapshots: *snapshots })?,
            Form::Text => output.line(format_args!(
                "{:<28} {snapshots:>10}  snapshots",
                format!("version {version} of the state")
            ))?,
        }
    }
    Ok(())
}

fn for_people(
    holdings: &Holdings,
    key: &Key,
    tally: &Tally,
    status: Status,
    output: &mut Output,
) -> Result<(), Failure> {
    let reach = match &tally.reach {
        Some(Reach { first, last, first_time, last_time }) => {
            format!("{first} ({first_time}) to {last} ({last_time})")
        }
        None => "no records".to_string(),
    };
    let about = match status {
        Status::Written => output.toned(Tone::Good, "written"),
        Status::Needed => match (holdings.oldest_snapshot, &tally.reach) {
            // Every record of it is in the oldest snapshot that compaction keeps.
            (Some(oldest), Some(reach)) if reach.last <= oldest => {
                format!("needed until compaction, which needs none behind snapshot {oldest}")
            }
            (_, _) => "needed".to_string(),
        },
        Status::Announced => "needed until compaction: only announced by a header".to_string(),
        Status::Unneeded => "not needed".to_string(),
    };
    let name = name_of(key);
    output.line(format_args!("{name:<28} {:>10}  {reach}  {about}", tally.mutations))
}

fn differ(
    operations: &[&(String, u32)],
    difference: &'static str,
    output: &mut Output,
) -> Result<(), Failure> {
    for (op, v) in operations {
        match output.form {
            Form::Json => output.json(&Difference { difference, op, v: *v })?,
            Form::Text => {
                let name = output.toned(Tone::Bad, format_args!("{op}@{v}"));
                output.line(format_args!("{name}: {difference}"))?;
            }
        }
    }
    Ok(())
}
