//! The lines of a schema lock: what each says, and how it is written.

use std::fmt;

use crate::json::Json;

/// What has a shape: an operation in one version, or the state in one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    State(u32),
    Operation(String, u32),
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Key::State(version) => write!(f, "version {version} of the state"),
            Key::Operation(name, version) => write!(f, "`{name}@{version}`"),
        }
    }
}

/// Whether a line may still change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Status {
    /// No released program has written it.
    Draft,
    /// Released with this version of the crate: journals with such records are out there.
    Since(String),
}

/// One way in which records look, and what they mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) key: Key,
    pub(super) content: Json,
    /// What it is read as, where that is not the sample itself.
    pub(super) becomes: Option<Becomes>,
    /// What its handler makes of two states.
    pub(super) after: Option<After>,
    /// The shape of the type, on the first sample that it gave.
    pub(super) shape: Option<Json>,
    /// The values of the type that JSON cannot say, so that they are refused when they are made.
    pub(super) refuses: Vec<String>,
    /// It has ordinary values: of the state's samples, the one that handlers are tried on.
    pub(super) plain: bool,
    pub(super) status: Status,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Becomes {
    Value(Key, Json),
    /// A fallible step turns it down, and a journal with it is refused.
    Refused,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct After {
    /// The version of both states.
    pub(super) version: u32,
    /// What becomes of the default state.
    pub(super) empty: Json,
    /// What becomes of the first sample of the state.
    pub(super) filled: Json,
}

/// Why records are not read as an operation any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gone {
    /// They change nothing.
    Dropped,
    /// They lie below the oldest version that is read.
    Refused,
}

/// All lines of a lock.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Lines {
    pub(super) samples: Vec<Sample>,
    pub(super) gone: Vec<(Key, Gone)>,
    pub(super) reserved: Vec<String>,
}

/// What the first line says, so that a reader knows what the file is.
const ABOUT: &str = r#""about":"what released records look like; checked by `cargo test`, changed by `MINISTATE_LOCK=accept cargo test`""#;

impl Lines {
    /// The lines of a file; the number of the first that is not one, where there is such a line.
    pub(super) fn parse(text: &str) -> Result<Lines, usize> {
        let mut lines = Lines::default();
        let text = text.trim_start_matches('\u{feff}').trim_end();
        for (number, line) in (1_usize..).zip(text.lines()) {
            let json = Json::parse(line.as_bytes()).ok_or(number)?;
            if number == 1 {
                json.member("schema_lock")
                    .filter(|format| format.number() == Some(1))
                    .ok_or(number)?;
                continue;
            }
            lines.add(&json).ok_or(number)?;
        }
        Ok(lines)
    }

    fn add(&mut self, line: &Json) -> Option<()> {
        if line.member("gone").and_then(Json::string).as_deref() == Some("reserved") {
            self.reserved.push(line.member("op")?.string()?);
            return Some(());
        }
        let key = key(line)?;
        let gone = line.member("gone").map(|gone| gone.string().unwrap_or_default());
        match gone.as_deref() {
            Some("dropped") => self.gone.push((key, Gone::Dropped)),
            Some("refused") => self.gone.push((key, Gone::Refused)),
            Some(_) => return None,
            None => {
                let sample = sample(key, line)?;
                // A merge can leave the same line twice.
                if !self.samples.contains(&sample) {
                    self.samples.push(sample);
                }
            }
        }
        Some(())
    }

    /// The file, sorted; samples of one key stay in their order.
    pub(super) fn text(&self, name: &str) -> String {
        let mut lines = vec![format!(r#"{{"schema_lock":1,"enum":"{name}",{ABOUT}}}"#)];
        let mut reserved = self.reserved.clone();
        reserved.sort();
        reserved.dedup();
        let mut rest: Vec<(&Key, String)> =
            self.samples.iter().map(|sample| (&sample.key, sample.to_string())).collect();
        rest.extend(self.gone.iter().map(|(key, gone)| {
            let word = match gone {
                Gone::Dropped => "dropped",
                Gone::Refused => "refused",
            };
            (key, format!("{{{},\"gone\":\"{word}\"}}", fields(key)))
        }));
        rest.sort_by_key(|(key, _)| *key);
        lines.extend(rest.into_iter().map(|(_, line)| line));
        lines.extend(reserved.iter().map(|tag| format!(r#"{{"op":"{tag}","gone":"reserved"}}"#)));
        lines.join("\n") + "\n"
    }
}

/// The sample's line.
impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{},\"d\":{}", fields(&self.key), self.content)?;
        match &self.becomes {
            None => {}
            Some(Becomes::Value(key, content)) => {
                write!(f, ",\"becomes\":{{{},\"d\":{content}}}", fields(key))?;
            }
            Some(Becomes::Refused) => f.write_str(",\"becomes\":\"refused\"")?,
        }
        if let Some(After { version, empty, filled }) = &self.after {
            write!(f, ",\"after\":{{\"state\":{version},\"empty\":{empty},\"filled\":{filled}}}")?;
        }
        if let Some(shape) = &self.shape {
            write!(f, ",\"shape\":{shape}")?;
        }
        if !self.refuses.is_empty() {
            let refuses = self.refuses.iter().map(|text| Json::of_text(text)).collect();
            write!(f, ",\"refuses\":{}", Json::Array(refuses))?;
        }
        if self.plain {
            f.write_str(",\"plain\":true")?;
        }
        match &self.status {
            Status::Draft => f.write_str(",\"draft\":true}"),
            Status::Since(release) => write!(f, ",\"since\":{}}}", Json::of_text(release)),
        }
    }
}

fn fields(key: &Key) -> String {
    match key {
        Key::State(version) => format!("\"state\":{version}"),
        Key::Operation(name, version) => format!("\"op\":\"{name}\",\"v\":{version}"),
    }
}

fn key(line: &Json) -> Option<Key> {
    match line.member("op") {
        Some(name) => Some(Key::Operation(name.string()?, line.member("v")?.number()?)),
        None => Some(Key::State(line.member("state")?.number()?)),
    }
}

fn sample(key: Key, line: &Json) -> Option<Sample> {
    let becomes = match line.member("becomes") {
        None => None,
        Some(becomes) if becomes.string().as_deref() == Some("refused") => Some(Becomes::Refused),
        Some(becomes) => Some(Becomes::Value(self::key(becomes)?, becomes.member("d")?.clone())),
    };
    let after = match line.member("after") {
        None => None,
        Some(after) => Some(After {
            version: after.member("state")?.number()?,
            empty: after.member("empty")?.clone(),
            filled: after.member("filled")?.clone(),
        }),
    };
    let refuses = match line.member("refuses") {
        None => Vec::new(),
        Some(Json::Array(texts)) => texts.iter().map(Json::string).collect::<Option<_>>()?,
        Some(Json::Scalar(_) | Json::Object(_)) => return None,
    };
    let status = match line.member("since") {
        Some(release) => Status::Since(release.string()?),
        None => line.member("draft").map(|_| Status::Draft)?,
    };
    let (content, shape) = (line.member("d")?.clone(), line.member("shape").cloned());
    let plain = line.member("plain").is_some();
    Some(Sample { key, content, becomes, after, shape, refuses, plain, status })
}
