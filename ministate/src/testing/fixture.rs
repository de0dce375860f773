//! Does a directory that an older release left still mean what it meant?

use std::fmt::{self, Debug};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::difference::Difference;
use super::picture::Picture;
use super::written::shortened;
use crate::error::MiniStateError;
use crate::mutation::Mutator;
use crate::options::Options;
use crate::read_only::ReadOnly;

/// Replays the journal in a directory that an older release of the application wrote, and panics
/// unless it leads to the expected state. Nothing in the directory changes.
///
/// Make the directory with the release itself, while it is the current one: every operation at least
/// once, then [`backup`](crate::StateManager::backup) or a copy of the closed journal, and commit
/// it. Let git keep the bytes (`*.jsonl -text` in `.gitattributes`), for a line end that it changes is
/// damage. What a snapshot holds is not replayed, so the best fixture has none but the genesis.
///
/// ```
/// # use ministate::{Mutator, Options, StateManager};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
/// # struct Counter { value: u32 }
/// # #[derive(Serialize, Deserialize)]
/// # struct Inc { by: u32 }
/// # impl Mutator<Counter> for Inc {
/// #     fn apply(&self, state: &mut Counter) { state.value += self.by }
/// # }
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let release_1_0 = tempfile::tempdir()?;
/// # let manager = Options::new().blocking_open(release_1_0.path(), "counter.wal.jsonl");
/// # let manager: StateManager<Counter, Inc> = manager?;
/// # manager.blocking_apply(Inc { by: 15 })?;
/// # manager.blocking_close()?;
/// use ministate::testing::assert_replays;
///
/// // In a test: `"tests/fixtures/release-1.0"`.
/// assert_replays::<Counter, Inc>(release_1_0.path(), "counter.wal.jsonl", &Counter { value: 15 });
/// # Ok(())
/// # }
/// ```
///
/// # What it sees
///
/// An operation that is no longer known, a payload or a snapshot that is no longer read, a
/// conversion (`from`, `into`, `state_from`) or a handler that gives another state than it did. The
/// states are compared by `PartialEq`. What is not in the directory is not tested.
///
/// # Panics
///
/// Panics where the journal does not open, with the record at which it fails; where the state is
/// another, with the first difference.
#[track_caller]
pub fn assert_replays<S, M>(
    dir_fixture: impl AsRef<Path>,
    journal_file: impl AsRef<Path>,
    expected: &S,
) where
    S: Serialize + DeserializeOwned + PartialEq + Debug,
    M: Mutator<S> + Serialize + DeserializeOwned,
{
    let (dir, file) = (dir_fixture.as_ref(), journal_file.as_ref());
    if let Err(finding) = replay::<S, M>(dir, file, expected) {
        panic!("the fixture {}: {finding}", dir.join(file).display());
    }
}

enum Finding {
    NotOpened(MiniStateError),
    Differs { snapshot: u64, replayed: u64, how: String },
}

fn replay<S, M>(dir: &Path, file: &Path, expected: &S) -> Result<(), Finding>
where
    S: Serialize + DeserializeOwned + PartialEq + Debug,
    M: Mutator<S> + Serialize + DeserializeOwned,
{
    let opened: ReadOnly<S, M> =
        Options::new().blocking_read_only(dir, file).map_err(Finding::NotOpened)?;
    let recovery = opened.recovery();
    let (snapshot, replayed) = (recovery.snapshot, recovery.replayed);
    opened.read(|found| match found == expected {
        true => Ok(()),
        false => Err(Finding::Differs { snapshot, replayed, how: how(expected, found) }),
    })
}

/// How the state differs, by its JSON; where that is the same, by what `Debug` says.
fn how<S: Serialize + Debug>(expected: &S, found: &S) -> String {
    let pictures = Picture::of(expected).ok().zip(Picture::of(found).ok());
    let difference = pictures.and_then(|(was, is)| Difference::between(&was, &is));
    let debug = |state: &S| shortened(&format!("{state:?}"));
    match difference {
        Some(difference) => difference.to_string(),
        None => format!("the state was {} and is {}", debug(expected), debug(found)),
    }
}

/// One line, which ends with the remedy.
impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::NotOpened(error) => write!(out, "{error:#}"),
            Finding::Differs { snapshot, replayed, how } => write!(
                out,
                "{replayed} mutations behind the snapshot at {snapshot} no longer lead to the \
                 expected state: {how}; let the handlers and conversions do what they did then, and \
                 give what is new a version"
            ),
        }
    }
}
