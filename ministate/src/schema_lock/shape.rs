//! The shape of a value, as the lock writes it: a JSON value with a text for each kind of leaf.

use crate::json::Json;

pub(super) fn leaf(name: &str) -> Json {
    Json::of_text(name)
}

pub(super) fn special(kind: &str, content: Json) -> Json {
    Json::Object(vec![(kind.to_string(), content)])
}

/// A name as it stands between quotes.
pub(super) fn escaped(name: &str) -> String {
    let quoted = Json::of_text(name).to_string();
    quoted[1..quoted.len() - 1].to_string()
}

/// One shape of two of the same type, of which each may know variants that the other does not.
pub(super) fn merged(one: Json, other: Json) -> Json {
    match (one, other) {
        (Json::Object(mut one), Json::Object(other)) => {
            for (key, value) in other {
                match one.iter_mut().find(|(known, _)| *known == key) {
                    Some((_, known)) => {
                        *known = merged(std::mem::replace(known, Json::Array(Vec::new())), value);
                    }
                    None => one.push((key, value)),
                }
            }
            one.sort();
            Json::Object(one)
        }
        (Json::Array(one), Json::Array(other)) if one.len() == other.len() => {
            Json::Array(one.into_iter().zip(other).map(|(one, other)| merged(one, other)).collect())
        }
        (one, other) if one == leaf("unknown") => other,
        (one, _) => one,
    }
}
