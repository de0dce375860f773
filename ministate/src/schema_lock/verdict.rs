//! Does the program still read what the lock holds, and what is new? Pure: no file, no environment.

use std::collections::BTreeSet;

use crate::json::Json;

use super::difference::{Difference, differences, has_new_variants, shape_differences};
use super::file::{After, Becomes, Gone, Key, Lines, Sample, Status};

/// What a program makes of records.
pub(super) trait Program {
    /// What the program reads, with at least one version of each operation that it drops.
    fn keys(&self) -> Vec<Key>;
    /// How it reads the key; `None` where it does not.
    fn role(&self, key: &Key) -> Option<Role>;
    /// Tags that may not return.
    fn reserved(&self) -> &'static [&'static str];
    /// What the content means today; `None` where it has no effect.
    fn read(&self, key: &Key, content: &Json) -> Result<Option<(Key, Json)>, Unread>;
    /// The key's shape and samples.
    fn interrogate(&self, key: &Key) -> Result<Fresh, String>;
    /// What the handler makes of the default state, and of `filled`; `None` where handlers are not
    /// pinned. An error where it is not the same every time.
    fn apply(
        &self,
        key: &Key,
        content: &Json,
        filled: &(u32, Json),
    ) -> Result<Option<After>, String>;
}

/// How a program reads a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// It is what the program writes.
    Current,
    /// It is read as something else.
    Old,
    /// It changes nothing.
    Dropped,
}

/// Why a content is not read.
#[derive(Debug)]
pub(super) enum Unread {
    /// It is of another shape.
    Shape(String),
    /// A fallible step turned it down.
    Step(String),
}

/// What the types of the program say today.
#[derive(Debug)]
pub(super) struct Fresh {
    pub(super) shape: Json,
    pub(super) samples: Vec<Json>,
    /// Further names of fields, with the name that is written.
    pub(super) aliases: Vec<(&'static str, &'static str)>,
    pub(super) refuses: Vec<String>,
}

impl Fresh {
    /// Of a type that does not answer.
    fn silent() -> Fresh {
        let shape = Json::of_text("unknown");
        Fresh { shape, samples: Vec::new(), aliases: Vec::new(), refuses: Vec::new() }
    }
}

/// What the author of the program asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wish {
    /// To know whether all is as the lock says.
    Check,
    /// To have additions written down.
    Accept,
    /// To have changed handlers written down.
    Repin,
    /// To have all drafts released with this version of the crate.
    Release(String),
}

/// What is not as the lock says.
#[derive(Debug)]
pub(super) enum Finding {
    /// It must be mended in the program.
    Broken(String),
    /// A handler gives another state: mended in the program, or written down.
    Repinned(String),
    /// It may be so, once somebody accepts it.
    Unaccepted(String),
}

/// The findings, and the lines as they would be if all of them were accepted.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) findings: Vec<Finding>,
    pub(super) lines: Lines,
}

pub(super) fn judge(old: &Lines, program: &dyn Program) -> Verdict {
    let mut judge = Judge {
        old,
        program,
        findings: Vec::new(),
        lines: Lines::default(),
        broken_samples: BTreeSet::new(),
    };
    let mut keys: BTreeSet<Key> = old.samples.iter().map(|sample| sample.key.clone()).collect();
    keys.extend(old.gone.iter().map(|(key, _)| key.clone()));
    keys.extend(program.keys());
    judge.reserved();
    for key in keys {
        judge.key(&key);
    }
    let Judge { findings, lines, .. } = judge;
    Verdict { findings, lines }
}

struct Judge<'a> {
    old: &'a Lines,
    program: &'a dyn Program,
    findings: Vec<Finding>,
    lines: Lines,
    /// Keys of which a sample is broken: one says it for all.
    broken_samples: BTreeSet<Key>,
}

impl Judge<'_> {
    fn broken(&mut self, text: String) {
        self.findings.push(Finding::Broken(text));
    }

    fn broken_sample(&mut self, key: &Key, text: String) {
        if self.broken_samples.insert(key.clone()) {
            self.broken(text);
        }
    }

    fn unaccepted(&mut self, text: String) {
        self.findings.push(Finding::Unaccepted(text));
    }

    fn reserved(&mut self) {
        self.lines.reserved.clone_from(&self.old.reserved);
        for tag in self.program.reserved() {
            if !self.old.reserved.iter().any(|known| known == tag) {
                self.lines.reserved.push((*tag).to_string());
                self.unaccepted(format!("the tag `{tag}` is reserved from now on"));
            }
        }
    }

    fn key(&mut self, key: &Key) {
        let samples = self.old.samples.iter().filter(|sample| sample.key == *key).cloned();
        let (released, drafts): (Vec<Sample>, Vec<Sample>) =
            samples.partition(|sample| matches!(sample.status, Status::Since(_)));
        let gone = self.old.gone.iter().find(|(of, _)| of == key).map(|(_, gone)| *gone);
        if let Key::Operation(name, _) = key
            && self.old.reserved.contains(name)
            && self.program.role(key).is_some()
        {
            let remedy = "give the operation another tag";
            self.broken(format!("the tag `{name}` was reserved and may not return; {remedy}"));
        }
        match self.program.role(key) {
            None => self.unread(key, released, drafts, gone),
            Some(Role::Dropped) => {
                self.lines.samples.extend(released);
                self.lines.samples.extend(drafts);
                self.gone(key, gone, Gone::Dropped, "records of it change nothing from now on");
            }
            Some(role @ (Role::Current | Role::Old)) => {
                if let Some(gone) = gone {
                    let was = match gone {
                        Gone::Dropped => "its records changed nothing",
                        Gone::Refused => "journals with its records were refused",
                    };
                    self.lines.gone.push((key.clone(), gone));
                    self.broken(format!(
                        "{key} is read again, but {was} for a while; give it another tag or \
                         version, or remove its `gone` line from the lock by hand",
                    ));
                }
                self.read(key, role, released, drafts);
            }
        }
    }

    fn gone(&mut self, key: &Key, known: Option<Gone>, gone: Gone, what: &str) {
        self.lines.gone.push((key.clone(), gone));
        if known != Some(gone) {
            self.unaccepted(format!("{key}: {what}"));
        }
    }

    /// A key that the program does not read.
    fn unread(
        &mut self,
        key: &Key,
        released: Vec<Sample>,
        drafts: Vec<Sample>,
        gone: Option<Gone>,
    ) {
        let (reserved, fenced) = match key {
            Key::Operation(name, version) => {
                let newer = |other: &Key| matches!(other, Key::Operation(of, newer) if of == name && newer > version);
                let reserved = self.program.reserved().contains(&name.as_str());
                (reserved, self.program.keys().iter().any(newer))
            }
            Key::State(version) => {
                let newer = |other: &Key| matches!(other, Key::State(newer) if newer > version);
                (false, self.program.keys().iter().any(newer))
            }
        };
        if released.is_empty() && gone.is_none() {
            let reserved = if reserved { ", and its tag is reserved" } else { "" };
            self.unaccepted(format!("{key} was a draft, and is gone{reserved}"));
            return;
        }
        let shape = released.iter().rev().find_map(|sample| sample.shape.clone());
        self.lines.samples.extend(released);
        self.lines.samples.extend(drafts);
        if reserved {
            self.lines.gone.extend(gone.map(|gone| (key.clone(), gone)));
        } else if fenced {
            self.gone(key, gone, Gone::Refused, "whatever holds it is refused from now on");
        } else {
            self.lines.gone.extend(gone.map(|gone| (key.clone(), gone)));
            let text = self.missing(key, shape.as_ref());
            self.broken(text);
        }
    }

    /// What to say of an operation that was released and that the program does not know.
    fn missing(&self, key: &Key, shape: Option<&Json>) -> String {
        let Key::Operation(name, version) = key else {
            return format!(
                "{key} is released, and this program is at an older one; raise `state_version`",
            );
        };
        let unknown = |other: &&Key| {
            matches!(other, Key::Operation(..))
                && self.program.role(other) == Some(Role::Current)
                && !self.old.samples.iter().any(|sample| sample.key == **other)
        };
        let keys = self.program.keys();
        let same_shape = |other: &&Key| {
            let fresh = self.program.interrogate(other).ok();
            fresh.is_some_and(|fresh| shape.is_some_and(|shape| fresh.shape == *shape))
        };
        let renamed = keys.iter().filter(unknown).find(same_shape);
        if let Some(Key::Operation(new, _)) = renamed {
            return format!(
                "{key} is released, and this program has `{new}` in its place; if a variant was \
                 renamed, add `#[mutation(tag = \"{name}\")]` to it",
            );
        }
        let types: Vec<String> = (1..=*version).map(|v| format!("{v} = V{v}")).collect();
        format!(
            "{key} is released, and this program does not know it; put it back, or add to the \
             enum's `#[mutations(..)]` one of `retired(tag = \"{name}\", from({}), into = path)`, \
             `retired(tag = \"{name}\", versions = 1..={version}, drop)` if its records are to change \
             nothing, `reserved(\"{name}\")` if journals with its records are to be refused",
            types.join(", "),
        )
    }

    /// A key that the program reads.
    fn read(&mut self, key: &Key, role: Role, released: Vec<Sample>, drafts: Vec<Sample>) {
        let is_known = !released.is_empty() || !drafts.is_empty();
        let fresh = match self.program.interrogate(key) {
            Ok(fresh) => fresh,
            // The lock has samples already, and nothing new is to be said of an old version.
            Err(_) if role == Role::Old && is_known => Fresh::silent(),
            Err(why) => {
                self.lines.samples.extend(released);
                self.lines.samples.extend(drafts);
                self.broken(format!("{key}: {why}"));
                return;
            }
        };
        let shape = released.iter().rev().find_map(|sample| sample.shape.clone());
        let mut additions = Vec::new();
        let is_released = !released.is_empty();
        for sample in &released {
            let sample = self.sample(sample.clone(), role, &fresh, &mut additions);
            self.lines.samples.push(sample);
        }
        let shape_is_new = shape.as_ref() != Some(&fresh.shape);
        let wanted = match role {
            Role::Current => !is_released || shape_is_new,
            // What an old version is was said by the program that wrote it.
            Role::Old | Role::Dropped => {
                !is_released && !drafts.iter().all(|draft| self.is_read(draft))
            }
        } || !is_known;
        let expected = if wanted { self.drafts(key, role, &fresh) } else { Vec::new() };
        if role == Role::Old && !wanted {
            for sample in drafts {
                let sample = self.sample(sample, role, &fresh, &mut additions);
                self.lines.samples.push(sample);
            }
            return;
        }
        let same = |one: &[Sample], other: &[Sample]| {
            one.len() == other.len()
                && one.iter().zip(other).all(|(one, other)| {
                    same(&one.content, &other.content)
                        && (&one.shape, &one.refuses) == (&other.shape, &other.refuses)
                })
        };
        if same(&drafts, &expected) {
            for sample in drafts {
                let sample = self.sample(sample, role, &fresh, &mut additions);
                self.lines.samples.push(sample);
            }
            return;
        }
        let has_variants =
            shape.as_ref().is_some_and(|shape| has_new_variants(shape, &fresh.shape));
        let widened = is_released && drafts.is_empty() && additions.is_empty() && !has_variants;
        // What is broken has to be mended first, and is something else then.
        if !widened && !self.broken_samples.contains(key) {
            let what = match (is_released, drafts.is_empty()) {
                (false, true) => "is new".to_string(),
                (false, false) => "is a draft, and has changed".to_string(),
                (true, _) => "is released, and has been added to".to_string(),
            };
            let known = drafts.iter().find_map(|sample| sample.shape.clone()).or(shape);
            let mut told: Vec<String> = known
                .iter()
                .flat_map(|known| shape_differences(known, &fresh.shape))
                .map(|difference| difference.told())
                .collect();
            if is_released {
                told.push(
                    "older programs do not know it: raise the version to have them refuse it"
                        .to_string(),
                );
            }
            told.extend(expected.iter().map(|sample| format!("+ {sample}")));
            self.unaccepted(paragraph(&format!("{key} {what}"), &told));
        }
        let mut ignored = Vec::new();
        for sample in expected {
            let sample = self.sample(sample, role, &fresh, &mut ignored);
            self.lines.samples.push(sample);
        }
    }

    fn is_read(&self, sample: &Sample) -> bool {
        !matches!(self.program.read(&sample.key, &sample.content), Err(Unread::Shape(_)))
    }

    /// The lines that would say what the program's types say today.
    fn drafts(&self, key: &Key, role: Role, fresh: &Fresh) -> Vec<Sample> {
        let known = |content: &Json| {
            let mut of_key = self.old.samples.iter().filter(|sample| sample.key == *key);
            of_key.any(|sample| sample.status != Status::Draft && same(&sample.content, content))
        };
        let new = fresh.samples.iter().filter(|content| !known(content));
        let mut shape = Some(fresh.shape.clone());
        let mut refuses = fresh.refuses.clone();
        new.map(|content| Sample {
            key: key.clone(),
            content: content.clone(),
            becomes: match role {
                Role::Old => self.becomes(key, content),
                Role::Current | Role::Dropped => None,
            },
            after: self.after(key, content).ok().flatten(),
            shape: shape.take(),
            refuses: std::mem::take(&mut refuses),
            status: Status::Draft,
        })
        .collect()
    }

    fn becomes(&self, key: &Key, content: &Json) -> Option<Becomes> {
        match self.program.read(key, content) {
            Ok(Some((key, content))) => Some(Becomes::Value(key, content)),
            Err(Unread::Step(_)) => Some(Becomes::Refused),
            Ok(None) | Err(Unread::Shape(_)) => None,
        }
    }

    fn after(&self, key: &Key, content: &Json) -> Result<Option<After>, String> {
        if matches!(key, Key::State(_)) {
            return Ok(None);
        }
        // What was pinned stays comparable only if the state before it stays the same.
        let known = self.old.samples.iter().chain(&self.lines.samples);
        let filled = known.filter_map(|sample| match sample.key {
            Key::State(_) if self.program.role(&sample.key).is_none() => None,
            Key::State(version) => Some((version, sample.content.clone())),
            Key::Operation(..) => None,
        });
        match filled.min_by_key(|(version, _)| *version) {
            Some(filled) => self.program.apply(key, content, &filled),
            None => Ok(None),
        }
    }

    /// Whether a sample of the lock still means what it did; returns it with what it means now.
    fn sample(
        &mut self,
        mut sample: Sample,
        role: Role,
        fresh: &Fresh,
        additions: &mut Vec<Difference>,
    ) -> Sample {
        let key = sample.key.clone();
        let result = match self.program.read(&key, &sample.content) {
            Ok(Some((key, content))) => Becomes::Value(key, content),
            Ok(None) => return sample,
            Err(Unread::Step(_)) => Becomes::Refused,
            Err(Unread::Shape(why)) => {
                let text = self.unreadable(&sample, role, fresh, &why);
                self.broken_sample(&key, text);
                return sample;
            }
        };
        match role {
            Role::Current => {
                if let Becomes::Value(_, content) = &result {
                    self.rewritten(&sample, content, fresh, additions);
                }
            }
            Role::Old => {
                let kept = self.meaning(&sample, &result);
                sample.becomes = Some(kept);
            }
            Role::Dropped => {}
        }
        if result != Becomes::Refused {
            sample.after = self.handled(&sample);
        }
        sample
    }

    fn unreadable(&self, sample: &Sample, role: Role, fresh: &Fresh, why: &str) -> String {
        let key = &sample.key;
        let known = self.old.samples.iter().filter(|other| other.key == *key);
        let shape = known.filter_map(|sample| sample.shape.as_ref()).next_back();
        let mut told: Vec<String> = shape
            .iter()
            .flat_map(|shape| shape_differences(shape, &fresh.shape))
            .map(|difference| difference.told())
            .collect();
        told.push(format!("no longer read: {}", sample.content));
        told.push(bump(key, role));
        paragraph(&format!("{key} is {}, and {why}", released(sample)), &told)
    }

    /// What the current version writes for a sample that was written before.
    fn rewritten(
        &mut self,
        sample: &Sample,
        content: &Json,
        fresh: &Fresh,
        additions: &mut Vec<Difference>,
    ) {
        let found = differences(&sample.content, content);
        let bare = |place: &str| place.rsplit('.').next().unwrap_or(place).to_string();
        let appeared: Vec<String> = found
            .iter()
            .filter_map(|difference| match difference {
                Difference::Appeared { place, .. } => Some(bare(place)),
                Difference::Vanished { .. } | Difference::Changed { .. } => None,
            })
            .collect();
        let renamed = |place: &str| {
            let is_alias = |(alias, name): &(&str, &str)| {
                *alias == bare(place) && appeared.iter().any(|other| other == name)
            };
            fresh.aliases.iter().any(is_alias)
        };
        let (lost, added): (Vec<Difference>, Vec<Difference>) =
            found.into_iter().partition(|difference| match difference {
                Difference::Appeared { .. } => false,
                Difference::Vanished { place, .. } => !renamed(place),
                Difference::Changed { .. } => true,
            });
        additions.extend(added);
        if lost.is_empty() {
            return;
        }
        let mut told: Vec<String> = lost.iter().map(Difference::told).collect();
        told.push(format!("was written as {}", sample.content));
        told.push(format!("is read as     {content}"));
        told.push(bump(&sample.key, Role::Current));
        let what = format!(
            "{} is {}, and what it wrote is read as something else",
            sample.key,
            released(sample)
        );
        self.broken_sample(&sample.key, paragraph(&what, &told));
    }

    /// What the sample of an old version means, and whether that is what it meant.
    fn meaning(&mut self, sample: &Sample, result: &Becomes) -> Becomes {
        let key = &sample.key;
        let itself = || Becomes::Value(key.clone(), sample.content.clone());
        let recorded = sample.becomes.clone().unwrap_or_else(itself);
        let is_same = match (&recorded, result) {
            (Becomes::Value(one, content), Becomes::Value(other, result)) => {
                one == other && same(content, result)
            }
            (one, other) => one == other,
        };
        if is_same {
            return recorded;
        }
        // What the record became then is read today, too: both ways lead to the same.
        let then = match &recorded {
            Becomes::Value(key, content) => self.becomes(key, content),
            Becomes::Refused => Some(Becomes::Refused),
        };
        let leads_there = match (&then, result) {
            (Some(Becomes::Value(one, content)), Becomes::Value(other, result)) => {
                one == other && same(content, result)
            }
            (Some(Becomes::Refused), Becomes::Refused) => true,
            (Some(_) | None, _) => false,
        };
        let is_draft = |of: &Becomes| match of {
            Becomes::Value(of, _) => {
                let mut known = self.old.samples.iter().filter(|sample| sample.key == *of);
                known.all(|sample| sample.status == Status::Draft)
            }
            Becomes::Refused => false,
        };
        let told = [
            format!("record       {}", sample.content),
            format!("was read as  {}", meant(&recorded)),
            format!("is read as   {}", meant(result)),
        ];
        let never_read = sample.becomes.is_none();
        let loosened = recorded == Becomes::Refused;
        if leads_there || is_draft(&recorded) || loosened || never_read {
            self.unaccepted(paragraph(&format!("{key} is read as something new"), &told));
            return result.clone();
        }
        let mut told = told.to_vec();
        told.push("mend the conversion: old journals would replay to another state".to_string());
        self.broken_sample(key, paragraph(&format!("{key}: history is rewritten"), &told));
        recorded
    }

    /// What handlers make of the sample, and whether that is what they made of it.
    fn handled(&mut self, sample: &Sample) -> Option<After> {
        let key = &sample.key;
        let after = match self.after(key, &sample.content) {
            Ok(after) => after,
            Err(why) => {
                self.broken(format!("{key}: {why}"));
                return sample.after.clone();
            }
        };
        let (Some(after), Some(recorded)) = (after.clone(), &sample.after) else {
            if after.is_some() {
                self.unaccepted(format!("{key}: what its handler does is to be pinned"));
            }
            return after.or_else(|| sample.after.clone());
        };
        let today = |state: &Json| {
            let read = self.program.read(&Key::State(recorded.version), state);
            read.ok().flatten().map_or_else(|| state.clone(), |(_, state)| state)
        };
        let pairs = [
            ("the default state", &recorded.empty, &after.empty),
            ("the sample", &recorded.filled, &after.filled),
        ];
        let mut told = Vec::new();
        for (of, before, now) in pairs {
            let found = differences(&today(before), now);
            told.extend(found.iter().map(|found| format!("{of}: {}", found.told())));
        }
        if told.is_empty() {
            let unchanged = recorded.version == after.version
                && same(&recorded.empty, &after.empty)
                && same(&recorded.filled, &after.filled);
            if unchanged {
                return Some(recorded.clone());
            }
            self.unaccepted(format!("{key}: the state that its handler leaves has a new shape"));
            return Some(after);
        }
        told.insert(0, format!("record {}", sample.content));
        let text = paragraph(&format!("{key}: replaying it now gives a different state"), &told);
        self.findings.push(match sample.status {
            Status::Draft => Finding::Unaccepted(text),
            Status::Since(_) => Finding::Repinned(text),
        });
        Some(after)
    }
}

/// Two values are the same up to the order of maps and sets.
fn same(one: &Json, other: &Json) -> bool {
    one == other || one.clone().in_order() == other.clone().in_order()
}

fn meant(becomes: &Becomes) -> String {
    match becomes {
        Becomes::Value(key, content) => format!("{key} {content}"),
        Becomes::Refused => "nothing: a step refuses it".to_string(),
    }
}

fn released(sample: &Sample) -> String {
    match &sample.status {
        Status::Since(release) => format!("released (since {release})"),
        Status::Draft => "a draft".to_string(),
    }
}

/// What to do about a shape that changed.
fn bump(key: &Key, role: Role) -> String {
    match (key, role) {
        (Key::Operation(_, version), Role::Current) => {
            let next = version + 1;
            format!(
                "give the new shape a version: `#[mutation(version = {next}, from({version} = \
                 V{version}))]`, where `V{version}` is the old one",
            )
        }
        (Key::State(version), Role::Current) => {
            let next = version + 1;
            format!(
                "give the new shape a version: `#[mutations(state_version = {next}, \
                 state_from({version} = V{version}))]`, where `V{version}` is the old one",
            )
        }
        (Key::Operation(_, version) | Key::State(version), Role::Old | Role::Dropped) => {
            format!("put back the type that version {version} had")
        }
    }
}

fn paragraph(headline: &str, told: &[String]) -> String {
    let mut text = headline.to_string();
    for line in told {
        text.push_str("\n    ");
        text.push_str(line);
    }
    text
}
