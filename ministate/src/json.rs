//! A JSON text taken apart: to compare two of them, and to keep every number as it was written.

use std::fmt;

/// A JSON value whose strings, keys and numbers are the text that stood there.
///
/// Numbers above 64 bits and floats stay what they are, which a `serde_json::Value` would round.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Json {
    /// `null`, a boolean, a number, or a string with its quotes.
    Scalar(String),
    Array(Vec<Json>),
    /// Keys without their quotes, their escapes as written, in the order of the text.
    Object(Vec<(String, Json)>),
}

/// Deeper than serde_json reads; raw JSON inside a payload can be deeper still.
const DEPTH: u32 = 256;

impl Json {
    /// Takes apart a text that is JSON. `None` where it is not, or is nested too deep.
    pub(crate) fn parse(text: &[u8]) -> Option<Json> {
        let mut rest = Text(text);
        let value = rest.value(DEPTH)?;
        rest.skip_blanks();
        rest.0.is_empty().then_some(value)
    }

    /// The value with the members of every object and array sorted, so that two hash maps or sets
    /// of the same content, which have no order, are the same.
    pub(crate) fn in_order(self) -> Json {
        match self {
            Json::Scalar(text) => Json::Scalar(text),
            Json::Array(members) => {
                let mut members: Vec<Json> = members.into_iter().map(Json::in_order).collect();
                members.sort();
                Json::Array(members)
            }
            Json::Object(members) => {
                let in_order = |(key, value): (String, Json)| (key, value.in_order());
                let mut members: Vec<_> = members.into_iter().map(in_order).collect();
                members.sort();
                Json::Object(members)
            }
        }
    }

    /// The member of an object.
    pub(crate) fn member(&self, key: &str) -> Option<&Json> {
        match self {
            Json::Object(members) => {
                members.iter().find(|(name, _)| name == key).map(|(_, value)| value)
            }
            Json::Scalar(_) | Json::Array(_) => None,
        }
    }

    /// The text of a string.
    pub(crate) fn string(&self) -> Option<String> {
        match self {
            Json::Scalar(text) if text.starts_with('"') => serde_json::from_str(text).ok(),
            Json::Scalar(_) | Json::Array(_) | Json::Object(_) => None,
        }
    }

    /// The value with the members of every object sorted, and those of arrays where they are.
    pub(crate) fn by_keys(self) -> Json {
        match self {
            Json::Scalar(text) => Json::Scalar(text),
            Json::Array(members) => Json::Array(members.into_iter().map(Json::by_keys).collect()),
            Json::Object(members) => {
                let by_keys = |(key, value): (String, Json)| (key, value.by_keys());
                let mut members: Vec<_> = members.into_iter().map(by_keys).collect();
                members.sort();
                Json::Object(members)
            }
        }
    }

    /// A number that fits.
    pub(crate) fn number<T: std::str::FromStr>(&self) -> Option<T> {
        match self {
            Json::Scalar(text) => text.parse().ok(),
            Json::Array(_) | Json::Object(_) => None,
        }
    }

    /// A string.
    pub(crate) fn of_text(text: &str) -> Json {
        Json::Scalar(serde_json::to_string(text).expect("a string has a JSON form"))
    }
}

/// Without blanks, as serde_json writes it.
impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Json::Scalar(text) => f.write_str(text),
            Json::Array(members) => {
                f.write_str("[")?;
                for (place, member) in members.iter().enumerate() {
                    write!(f, "{}{member}", if place > 0 { "," } else { "" })?;
                }
                f.write_str("]")
            }
            Json::Object(members) => {
                f.write_str("{")?;
                for (place, (key, value)) in members.iter().enumerate() {
                    write!(f, "{}\"{key}\":{value}", if place > 0 { "," } else { "" })?;
                }
                f.write_str("}")
            }
        }
    }
}

struct Text<'a>(&'a [u8]);

impl Text<'_> {
    fn value(&mut self, depth: u32) -> Option<Json> {
        self.skip_blanks();
        match self.0.first()? {
            b'{' => {
                let members = self.members(b'}', |text| {
                    text.skip_blanks();
                    let quoted = text.string()?;
                    let key = quoted.strip_prefix('"')?.strip_suffix('"')?.to_string();
                    text.skip_blanks();
                    text.literal(b':')?;
                    Some((key, text.value(depth.checked_sub(1)?)?))
                })?;
                Some(Json::Object(members))
            }
            b'[' => {
                let members = self.members(b']', |text| text.value(depth.checked_sub(1)?))?;
                Some(Json::Array(members))
            }
            b'"' => self.string().map(Json::Scalar),
            _ => {
                let ends = |byte: &u8| {
                    matches!(byte, b',' | b'}' | b']' | b':') || byte.is_ascii_whitespace()
                };
                let length = self.0.iter().position(ends).unwrap_or(self.0.len());
                (length > 0).then(|| self.take(length)).flatten().map(Json::Scalar)
            }
        }
    }

    /// What stands between the bracket here and the closing one.
    fn members<T>(
        &mut self,
        closing: u8,
        mut member: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        self.0 = &self.0[1..];
        let mut members = Vec::new();
        self.skip_blanks();
        if self.literal(closing).is_some() {
            return Some(members);
        }
        loop {
            members.push(member(self)?);
            self.skip_blanks();
            if self.literal(closing).is_some() {
                return Some(members);
            }
            self.literal(b',')?;
        }
    }

    fn string(&mut self) -> Option<String> {
        let mut escaped = true;
        let closing = self.0.iter().position(|&byte| {
            let closes = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            closes
        });
        self.0.first().filter(|byte| **byte == b'"')?;
        self.take(closing? + 1)
    }

    fn take(&mut self, length: usize) -> Option<String> {
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        str::from_utf8(text).ok().map(String::from)
    }

    fn literal(&mut self, byte: u8) -> Option<()> {
        self.0 = self.0.strip_prefix(&[byte])?;
        Some(())
    }

    fn skip_blanks(&mut self) {
        self.0 = self.0.trim_ascii_start();
    }
}

#[cfg(test)]
mod tests {
    use super::Json;

    fn same(one: &str, other: &str) -> bool {
        let order = |text: &str| Json::parse(text.as_bytes()).expect("it is JSON").in_order();
        order(one) == order(other)
    }

    #[test]
    fn text_that_is_too_deep_is_not_looked_into() {
        assert_eq!(Json::parse("[".repeat(100_000).as_bytes()), None);
    }

    #[test]
    fn text_comes_back_to_the_letter() {
        let text = r#"{"a":[1.50,340282366920938463463374607431768211455,"\"]\\"],"b":{},"c":[],"d":null}"#;
        assert_eq!(Json::parse(text.as_bytes()).expect("it is JSON").to_string(), text);
    }

    #[test]
    fn what_is_not_json_is_not_taken_apart() {
        for text in ["", "{", "[1", "[1,]", r#"{"a"}"#, r#"{"a":}"#, r#"{a:1}"#, "1 2", r#"""#, "]"]
        {
            assert_eq!(Json::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn maps_and_sets_have_no_order() {
        assert!(same(r#"{"a":1,"b":[2,3]}"#, r#"{"b":[3,2],"a":1}"#));
        assert!(same(r#"[{"x":"]"},[]]"#, r#"[[],{"x":"]"}]"#));
        assert!(same(r#"["\"","a"]"#, r#"["a","\""]"#));
    }

    #[test]
    fn values_stay_where_they_belong() {
        assert!(!same(r#"{"a":1,"b":2}"#, r#"{"a":2,"b":1}"#));
        assert!(!same("[[1],2]", "[[2],1]"));
        assert!(!same("{}", "[]"));
        assert!(!same("[1,2]", "[12]"));
        assert!(!same(r#"["\\",","]"#, r#"["\\,",""]"#));
    }
}
