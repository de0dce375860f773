//! Why was a mutation refused, or a snapshot not used?

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::MiniStateError;

/// Why a mutation was not accepted.
///
/// ```
/// # use ministate::{MiniStateError, Mutator, Options, Refusal};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Default, Serialize, Deserialize)]
/// # struct Limits { upper: f64 }
/// #[derive(Serialize, Deserialize)]
/// struct SetUpper {
///     upper: f64,
/// }
/// # impl Mutator<Limits> for SetUpper {
/// #     fn apply(&self, limits: &mut Limits) { limits.upper = self.upper }
/// # }
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let dir = dir.path();
/// let limits = Options::new().blocking_open::<Limits, SetUpper>(dir, "app.wal.jsonl")?;
/// match limits.blocking_apply(SetUpper { upper: f64::NAN }) {
///     Err(MiniStateError::Refused { reason: Refusal::Unsayable { field, .. } }) => {
///         assert_eq!(field, "upper");
///     }
///     other => panic!("{other:?}"),
/// }
/// assert_eq!(limits.blocking_apply(SetUpper { upper: 1.5 })?, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Refusal {
    /// The mutation has no JSON form.
    NotEncodable(Arc<serde_json::Error>),
    /// What would have been written cannot be read back.
    NotDecodable(Arc<dyn Error + Send + Sync>),
    /// JSON has no way to say this value, and writes `null`: a float that is not finite, or a
    /// `Some` of something that is `null` itself.
    Unsayable {
        /// Where in the mutation the value is, such as `limits.upper`.
        field: String,
        /// What the value is.
        value: &'static str,
    },
    /// What would have been written reads back as another mutation.
    NotFaithful,
    /// The record would be larger than the limit of [`Options::record_bytes_max`](crate::Options::record_bytes_max).
    TooLarge {
        /// Its size in bytes.
        bytes: u64,
        /// The limit in bytes.
        limit: u64,
    },
}

/// A snapshot that recovery did not use. Its text is one line for an operator, which ends with the
/// remedy; with `{:#}` the causes follow.
///
/// ```
/// # use ministate::{Mutator, Options};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Default, Serialize, Deserialize)]
/// # struct Counter { value: u32 }
/// # #[derive(Serialize, Deserialize)]
/// # struct Inc { by: u32 }
/// # impl Mutator<Counter> for Inc {
/// #     fn apply(&self, state: &mut Counter) { state.value += self.by }
/// # }
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let dir = dir.path();
/// let manager = Options::new().blocking_open::<Counter, Inc>(dir, "app.wal.jsonl")?;
/// manager.blocking_apply(Inc { by: 10 })?;
/// manager.blocking_create_snapshot()?;
/// drop(manager);
/// let snapshot = dir.join("app.wal.snapshot.00000000000000000001.json");
/// let damaged = std::fs::read_to_string(&snapshot)?.replace(r#"{"value":10}"#, r#"{"value":11}"#);
/// std::fs::write(&snapshot, damaged)?;
///
/// let manager = Options::new().blocking_open::<Counter, Inc>(dir, "app.wal.jsonl")?;
/// assert_eq!(manager.read(|counter| counter.value), 10);
/// let rejected = &manager.recovery().rejected_snapshots[0];
/// assert_eq!(rejected.path, snapshot);
/// assert!(rejected.why.is_some());
/// assert!(rejected.to_string().ends_with("so look at the disk, and remove the file"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RejectedSnapshot {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it; `None` where the journal begins only behind it.
    pub why: Option<Box<MiniStateError>>,
}

impl fmt::Display for RejectedSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} was not used", self.path.display())?;
        match &self.why {
            None => f.write_str(", because the journal begins behind it; it may be removed"),
            Some(why) => match &**why {
                // An older snapshot and the records behind it have all that it held.
                MiniStateError::Corrupt { at, what, .. } => write!(
                    f,
                    ", {what}: line {} (byte {}); nothing was lost, so look at the disk, and \
                     remove the file",
                    at.line, at.byte
                ),
                why if f.alternate() => write!(f, ": {why:#}"),
                why => write!(f, ": {why}"),
            },
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotEncodable(_) => f.write_str("the mutation has no JSON form; change its type"),
            Self::NotDecodable(_) => f.write_str(
                "what would be written could not be read back; make its serde attributes agree",
            ),
            Self::Unsayable { field, value } => write!(
                f,
                "JSON cannot say {value}{}; check the value, or use another type",
                if field.is_empty() { String::new() } else { format!(" in `{field}`") }
            ),
            Self::NotFaithful => f.write_str(
                "what would be written reads back as another mutation; make its serde attributes \
                 agree",
            ),
            Self::TooLarge { bytes, limit } => write!(
                f,
                "its record has {bytes} bytes and the limit is {limit}; split it, or raise \
                 `record_bytes_max`"
            ),
        }
    }
}
