//! What differs between two JSON values, or between two shapes, field by field?

use crate::json::Json;

/// One way in which the second of two values is not the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Difference {
    /// Only the second has it.
    Appeared { place: String, text: String },
    /// Only the first has it.
    Vanished { place: String, text: String },
    /// Both have it.
    Changed { place: String, from: String, to: String },
}

impl Difference {
    /// A line for people.
    pub(super) fn told(&self) -> String {
        match self {
            Difference::Appeared { place, text } => format!("`{place}`: added, {text}"),
            Difference::Vanished { place, text } => format!("`{place}`: gone, was {text}"),
            Difference::Changed { place, from, to } => format!("`{place}`: was {from}, is {to}"),
        }
    }
}

/// How the key of a member names it.
type NameOf = fn(&str) -> &str;

/// The differences of two values, up to the order of fields and maps.
pub(super) fn differences(one: &Json, other: &Json) -> Vec<Difference> {
    let mut found = Vec::new();
    let (one, other) = (one.clone().by_keys(), other.clone().by_keys());
    compare(String::new(), &one, &other, |key| key, &mut found);
    found
}

/// The differences of two shapes.
pub(super) fn shape_differences(one: &Json, other: &Json) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(String::new(), one, other, bare, &mut found);
    found
}

fn compare(place: String, one: &Json, other: &Json, name_of: NameOf, found: &mut Vec<Difference>) {
    let within = |part: &str| {
        let dot = if place.is_empty() || part.starts_with('[') { "" } else { "." };
        format!("{place}{dot}{part}")
    };
    match (one, other) {
        (Json::Object(one), Json::Object(other)) => {
            let of = |members: &[(String, Json)], name: &str| {
                members.iter().find(|(key, _)| name_of(key) == name).cloned()
            };
            for (key, value) in one {
                let name = name_of(key);
                match of(other, name) {
                    Some((_, counterpart)) => {
                        compare(within(name), value, &counterpart, name_of, found);
                    }
                    None => found.push(Difference::Vanished {
                        place: within(name),
                        text: value.to_string(),
                    }),
                }
            }
            for (key, value) in other.iter().filter(|(key, _)| of(one, name_of(key)).is_none()) {
                let name = name_of(key);
                let may = if name != key && key.ends_with('?') { ", may be left out" } else { "" };
                found.push(Difference::Appeared {
                    place: within(name),
                    text: format!("{value}{may}"),
                });
            }
        }
        (Json::Array(one), Json::Array(other)) if one.len() == other.len() => {
            for (number, (one, other)) in one.iter().zip(other).enumerate() {
                compare(within(&format!("[{number}]")), one, other, name_of, found);
            }
        }
        (one, other) if one == other => {}
        (one, other) => {
            let place = if place.is_empty() { "d".to_string() } else { place };
            found.push(Difference::Changed { place, from: one.to_string(), to: other.to_string() });
        }
    }
}

/// The name of a field in a shape, without its aliases and the sign that it may be left out.
fn bare(name: &str) -> &str {
    name.split(['|', '?']).next().unwrap_or(name)
}

/// Whether the second shape has variants that the first one lacks.
pub(super) fn has_new_variants(one: &Json, other: &Json) -> bool {
    match (one, other) {
        (Json::Object(one), Json::Object(other)) => other.iter().any(|(key, value)| {
            let own = one.iter().find(|(name, _)| bare(name) == bare(key)).map(|(_, value)| value);
            let Some(own) = own else { return false };
            let added = match (key.as_str(), own, value) {
                ("$variants", Json::Object(own), Json::Object(value)) => {
                    value.iter().any(|(variant, _)| own.iter().all(|(known, _)| known != variant))
                }
                _ => false,
            };
            added || has_new_variants(own, value)
        }),
        (Json::Array(one), Json::Array(other)) => {
            one.iter().zip(other).any(|(one, other)| has_new_variants(one, other))
        }
        (Json::Scalar(_) | Json::Array(_) | Json::Object(_), _) => false,
    }
}

/// Whether all that was written as one leaf of a shape is read as the other.
pub(super) fn is_wider(from: &str, to: &str) -> bool {
    let integer = |text: &str| {
        let text = text.trim_matches('"');
        let (sign, bits) = text.split_at_checked(1)?;
        let bits: u32 = bits.parse().ok()?;
        matches!(sign, "u" | "i").then_some((sign == "i", bits))
    };
    let unsaid = |text: &str| ["\"unknown\"", "\"any\""].contains(&text);
    match (integer(from), integer(to)) {
        (Some((false, from)), Some((true, to))) => to > from,
        (Some((true, _)), Some((false, _))) => false,
        (Some((_, from)), Some((_, to))) => to >= from,
        // What is no number, or only one of both, is shown by samples, but for these.
        (Some(_) | None, Some(_) | None) => {
            unsaid(from) || unsaid(to) || (from, to) != ("\"f64\"", "\"f32\"")
        }
    }
}
