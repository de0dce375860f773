//! Does the program still read what the lock holds, and what is new? Pure: no file, no environment.

use std::collections::BTreeSet;

use crate::json::Json;

use super::difference::{Difference, has_new_variants, is_wider, shape_differences};
use super::file::{Gone, Key, Lines, Sample, Status};
use super::meaning::bump;
use super::program::{Fresh, Program, Role};

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

pub(super) struct Judge<'a> {
    pub(super) old: &'a Lines,
    pub(super) program: &'a dyn Program,
    pub(super) findings: Vec<Finding>,
    pub(super) lines: Lines,
    /// Keys of which a sample is broken: one says it for all.
    broken_samples: BTreeSet<Key>,
}

impl Judge<'_> {
    pub(super) fn broken(&mut self, text: String) {
        self.findings.push(Finding::Broken(text));
    }

    pub(super) fn broken_sample(&mut self, key: &Key, text: String) {
        if self.broken_samples.insert(key.clone()) {
            self.broken(text);
        }
    }

    pub(super) fn unaccepted(&mut self, text: String) {
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
            // The lock has samples already, or nobody can give any, of an old version.
            Err(_) if role == Role::Old => Fresh::silent("any"),
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
        let mut gains = false;
        for sample in &released {
            let judged = self.sample(sample.clone(), role, &fresh, &mut additions);
            gains |= role == Role::Current && judged.becomes != sample.becomes;
            self.lines.samples.push(judged);
        }
        if let Some(shape) = shape.as_ref().filter(|_| role == Role::Current) {
            self.narrowed(key, shape, &fresh);
        }
        let shape_is_new = shape.as_ref() != Some(&fresh.shape);
        let wanted = match role {
            Role::Current => {
                let known = |given: &Json| released.iter().any(|line| same(&line.content, given));
                !is_released || shape_is_new || !fresh.given.iter().all(known)
            }
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
                && one.iter().all(|one| other.iter().any(|it| same(&one.content, &it.content)))
                && shape_of(one) == shape_of(other)
        };
        if same(&drafts, &expected) {
            for sample in drafts {
                let sample = self.sample(sample, role, &fresh, &mut additions);
                self.lines.samples.push(sample);
            }
            if gains && !self.broken_samples.contains(key) {
                self.unaccepted(format!(
                    "{key}: its old records are read with more than they hold"
                ));
            }
            return;
        }
        let has_variants =
            shape.as_ref().is_some_and(|shape| has_new_variants(shape, &fresh.shape));
        let widened = is_released
            && drafts.is_empty()
            && additions.is_empty()
            && !gains
            && !has_variants
            && fresh.given.is_empty();
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

    /// Notes that a type was made narrower, where no sample shows it.
    fn narrowed(&mut self, key: &Key, shape: &Json, fresh: &Fresh) {
        let narrower = |difference: &Difference| match difference {
            Difference::Changed { from, to, .. } => !is_wider(from, to),
            Difference::Appeared { .. } | Difference::Vanished { .. } => false,
        };
        let found = shape_differences(shape, &fresh.shape);
        let mut told: Vec<String> =
            found.iter().filter(|found| narrower(found)).map(Difference::told).collect();
        if !told.is_empty() {
            told.push(bump(key, Role::Current));
            let what = format!("{key} is released, and not all that it wrote is read");
            self.broken_sample(key, paragraph(&what, &told));
        }
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
                Role::Current => self.more_than(key, content),
                Role::Dropped => None,
            },
            after: self.after(key, content).ok().flatten(),
            shape: shape.take(),
            refuses: std::mem::take(&mut refuses),
            plain: matches!(key, Key::State(_)) && fresh.plain.as_ref() == Some(content),
            status: Status::Draft,
        })
        .collect()
    }
}

/// Two values are the same up to the order of fields and maps.
pub(super) fn same(one: &Json, other: &Json) -> bool {
    one == other || one.clone().by_keys() == other.clone().by_keys()
}

fn shape_of(samples: &[Sample]) -> Option<(&Json, &[String])> {
    samples.iter().find_map(|sample| Some((sample.shape.as_ref()?, sample.refuses.as_slice())))
}

pub(super) fn paragraph(headline: &str, told: &[String]) -> String {
    let mut text = headline.to_string();
    for line in told {
        text.push_str("\n    ");
        text.push_str(line);
    }
    text
}
