//! Does a sample of the lock still mean what it did?

use crate::json::Json;

use super::difference::{Difference, differences, shape_differences};
use super::file::{After, Becomes, Key, Sample, Status};
use super::program::{Fresh, Role, Unread};
use super::verdict::{Finding, Judge, paragraph, same};

impl Judge<'_> {
    /// Whether a sample of the lock still means what it did; returns it with what it means now.
    pub(super) fn sample(
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
                    sample.becomes = self.more_than(&key, &sample.content);
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
        // What is read beside what was written, such as defaults, keeps its value, too.
        let before = match &sample.becomes {
            Some(Becomes::Value(_, before)) => before,
            Some(Becomes::Refused) | None => &sample.content,
        };
        let unordered = || self.program.is_unordered(&sample.key, &sample.content);
        let mut found = differences(before, content);
        if !found.is_empty() && unordered() {
            found = differences(&before.clone().in_order(), &content.clone().in_order());
        }
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
        told.push(format!("was written as {before}"));
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
        let is_reordered = || match (&recorded, result) {
            (Becomes::Value(one, content), Becomes::Value(other, result)) => {
                one == other
                    && content.clone().in_order() == result.clone().in_order()
                    && self.program.is_unordered(key, &sample.content)
            }
            (Becomes::Value(..) | Becomes::Refused, _) => false,
        };
        if is_same || is_reordered() {
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
            // Where others are pinned, this handler panicked when they were, or does now: what
            // overflows in one build does not in another.
            let any_is_pinned = self.old.samples.iter().any(|sample| sample.after.is_some());
            if after.is_some() && !any_is_pinned {
                self.unaccepted(format!("{key}: what its handler does is to be pinned"));
            }
            return sample.after.clone().or(after);
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
            let before = today(before);
            let mut found = differences(&before, now);
            let state = Key::State(after.version);
            if !found.is_empty() && self.program.is_unordered(&state, now) {
                found = differences(&before.in_order(), &now.clone().in_order());
            }
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

    pub(super) fn is_read(&self, sample: &Sample) -> bool {
        !matches!(self.program.read(&sample.key, &sample.content), Err(Unread::Shape(_)))
    }

    /// What the current version reads where that is more than was written.
    pub(super) fn more_than(&self, key: &Key, content: &Json) -> Option<Becomes> {
        match self.program.read(key, content) {
            Ok(Some((of, read))) if !same(content, &read) => {
                let reordered = read.clone().in_order() == content.clone().in_order();
                (!reordered).then_some(Becomes::Value(of, read))
            }
            Ok(_) | Err(_) => None,
        }
    }

    pub(super) fn becomes(&self, key: &Key, content: &Json) -> Option<Becomes> {
        match self.program.read(key, content) {
            Ok(Some((key, content))) => Some(Becomes::Value(key, content)),
            Err(Unread::Step(_)) => Some(Becomes::Refused),
            Ok(None) | Err(Unread::Shape(_)) => None,
        }
    }

    pub(super) fn after(&self, key: &Key, content: &Json) -> Result<Option<After>, String> {
        if matches!(key, Key::State(_)) {
            return Ok(None);
        }
        // What was pinned stays comparable only if the state before it stays the same.
        let known = self.old.samples.iter().chain(&self.lines.samples);
        let filled = known.filter_map(|sample| match sample.key {
            Key::State(_) if self.program.role(&sample.key).is_none() => None,
            Key::State(version) => Some((version, sample.plain, sample.content.clone())),
            Key::Operation(..) => None,
        });
        match filled.min_by_key(|(version, is_plain, _)| (*version, !is_plain)) {
            Some((version, _, filled)) => self.program.apply(key, content, &(version, filled)),
            None => Ok(None),
        }
    }
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
pub(super) fn bump(key: &Key, role: Role) -> String {
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
