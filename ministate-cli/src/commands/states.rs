//! How do two snapshots differ?

use std::collections::BTreeMap;

use ministate::inspect::Snapshot;
use ministate::storage::Storage;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::failure::Failure;
use crate::output::{Form, Output};
use crate::reading::Files;

/// A state taken apart, its numbers as they were written.
#[derive(Debug, PartialEq)]
enum Json<'a> {
    Scalar(&'a str),
    Array(Vec<Json<'a>>),
    Object(BTreeMap<String, Json<'a>>),
}

#[derive(Serialize)]
struct Change<'a> {
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
}

/// Prints where the states differ behind two mutations, both of which have a snapshot.
pub(super) fn compared(
    storage: &dyn Storage,
    files: &Files,
    (from, to): (u64, u64),
    output: &mut Output,
) -> Result<(), Failure> {
    let read = |seq| Snapshot::read(storage, &files.layout.snapshot(seq));
    let (before, after) = (read(from)?, read(to)?);
    let before = String::from_utf8_lossy(&before.state).into_owned();
    let after = String::from_utf8_lossy(&after.state).into_owned();
    let mut changes = Vec::new();
    differences("", &Json::of(&before), &Json::of(&after), &mut changes);
    for (path, from, to) in changes {
        match output.form {
            Form::Json => output.json(&Change { path: &path, from, to })?,
            Form::Text => {
                let side = |side: Option<String>| side.unwrap_or_else(|| "nothing".to_string());
                output.line(format_args!("{path}: {} -> {}", side(from), side(to)))?;
            }
        }
    }
    Ok(())
}

type Changes = Vec<(String, Option<String>, Option<String>)>;

fn differences(path: &str, before: &Json<'_>, after: &Json<'_>, changes: &mut Changes) {
    match (before, after) {
        (Json::Object(before), Json::Object(after)) => {
            let keys: std::collections::BTreeSet<&String> =
                before.keys().chain(after.keys()).collect();
            for key in keys {
                let path = format!("{path}.{key}");
                one_or_both(&path, before.get(key), after.get(key), changes);
            }
        }
        (Json::Array(before), Json::Array(after)) => {
            for index in 0..before.len().max(after.len()) {
                let path = format!("{path}[{index}]");
                one_or_both(&path, before.get(index), after.get(index), changes);
            }
        }
        (_, _) if before == after => {}
        (_, _) => changes.push((path.to_string(), Some(before.text()), Some(after.text()))),
    }
}

fn one_or_both(
    path: &str,
    before: Option<&Json<'_>>,
    after: Option<&Json<'_>>,
    changes: &mut Changes,
) {
    match (before, after) {
        (Some(before), Some(after)) => differences(path, before, after, changes),
        (before, after) => {
            changes.push((path.to_string(), before.map(Json::text), after.map(Json::text)));
        }
    }
}

impl<'a> Json<'a> {
    fn of(text: &'a str) -> Json<'a> {
        #[derive(Deserialize)]
        struct Members<'a>(#[serde(borrow)] BTreeMap<String, &'a RawValue>);
        let text = text.trim();
        match text.as_bytes().first() {
            Some(b'{') => match serde_json::from_str::<Members<'a>>(text) {
                Ok(Members(members)) => {
                    let member =
                        |(key, value): (String, &'a RawValue)| (key, Json::of(value.get()));
                    Json::Object(members.into_iter().map(member).collect())
                }
                Err(_) => Json::Scalar(text),
            },
            Some(b'[') => match serde_json::from_str::<Vec<&'a RawValue>>(text) {
                Ok(members) => {
                    Json::Array(members.into_iter().map(|value| Json::of(value.get())).collect())
                }
                Err(_) => Json::Scalar(text),
            },
            Some(_) | None => Json::Scalar(text),
        }
    }

    fn text(&self) -> String {
        match self {
            Json::Scalar(text) => (*text).to_string(),
            Json::Array(members) => {
                let members: Vec<String> = members.iter().map(Json::text).collect();
                format!("[{}]", members.join(","))
            }
            Json::Object(members) => {
                let member = |(key, value): (&String, &Json<'a>)| {
                    format!("{}:{}", serde_json::Value::from(key.as_str()), value.text())
                };
                let members: Vec<String> = members.iter().map(member).collect();
                format!("{{{}}}", members.join(","))
            }
        }
    }
}
