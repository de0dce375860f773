//! Which mutations does the user ask for?

use std::time::SystemTime;

use crate::arguments;
use crate::failure::Failure;
use crate::reading::Mutation;

/// What a mutation has to be.
#[derive(Debug, Default)]
pub(super) struct Selection {
    operations: Vec<String>,
    /// A time as records have it, or the beginning of one.
    since: Option<String>,
}

impl Selection {
    pub(super) fn of(asked: &arguments::Selection) -> Result<Selection, Failure> {
        let since = asked.since.as_deref().map(time_of).transpose()?;
        Ok(Selection { operations: asked.op.clone(), since })
    }

    pub(super) fn holds(&self, mutation: &Mutation<'_>) -> bool {
        let name = mutation.operation.map(|(name, _)| name);
        let is_of_operation = self.operations.is_empty()
            || name.is_some_and(|name| self.operations.iter().any(|asked| asked == name));
        is_of_operation && self.since.as_deref().is_none_or(|since| mutation.time >= since)
    }
}

/// The time that the text says, as records have it: all of them have one form, so that they compare
/// as texts do.
fn time_of(text: &str) -> Result<String, Failure> {
    const FORM: &str = "0000-00-00T00:00:00.000Z";
    if let Ok(ago) = humantime::parse_duration(text) {
        let then = SystemTime::now().checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH);
        return Ok(humantime::format_rfc3339_millis(then).to_string());
    }
    let normal = text.replace(' ', "T");
    let fits = |(byte, form): (u8, u8)| match form {
        b'0' => byte.is_ascii_digit(),
        other => byte == other,
    };
    // `12:00:00Z`: what stands for all its milliseconds is its beginning.
    let beginning = if normal.len() == 20 { normal.trim_end_matches('Z') } else { &normal };
    let is_beginning =
        beginning.len() <= FORM.len() && beginning.bytes().zip(FORM.bytes()).all(fits);
    if is_beginning && beginning.len() >= 4 {
        Ok(beginning.to_string())
    } else {
        Err(Failure::BadTime { text: text.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::time_of;

    #[test]
    fn times_are_said_as_records_have_them_or_as_their_beginning() {
        for text in
            ["2026", "2026-11", "2026-11-22", "2026-11-22T12:00", "2026-11-22T12:00:01.500Z"]
        {
            assert_eq!(time_of(text).unwrap(), text);
        }
        assert_eq!(time_of("2026-11-22 12:00").unwrap(), "2026-11-22T12:00");
        assert_eq!(time_of("2026-11-22T12:00:01Z").unwrap(), "2026-11-22T12:00:01");
    }

    #[test]
    fn how_long_ago_is_a_time_too() {
        assert!(time_of("1h").unwrap() < time_of("1m").unwrap());
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", "yesterday", "22.11.2026", "2026-11-22T12:00:01.500Z+1", "20"] {
            assert!(time_of(text).is_err(), "{text}");
        }
    }
}
