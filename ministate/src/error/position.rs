//! Where in a file something is.

use std::fmt;
use std::path::PathBuf;

/// A place in a file: `sed -n {line}p {file}` prints it.
///
/// ```
/// # use ministate::{MiniStateError, Mutator, Options};
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
/// manager.blocking_close()?;
/// let path = dir.join("app.wal.jsonl");
/// let damaged = std::fs::read_to_string(&path)?.replace(r#"{"by":10}"#, r#"{"by":11}"#);
/// std::fs::write(&path, damaged)?;
///
/// match Options::new().blocking_open::<Counter, Inc>(dir, "app.wal.jsonl") {
///     Err(MiniStateError::Corrupt { at, seq: 1, .. }) => assert_eq!((at.file, at.line), (path, 2)),
///     other => panic!("{other:?}"),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The file.
    pub file: PathBuf,
    /// The line, counted from 1.
    pub line: u64,
    /// The line's first byte, counted from 0.
    pub byte: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} line {} (byte {})", self.file.display(), self.line, self.byte)
    }
}
