//! Do the handlers give the same state when they run again?

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::clock::wait_for_another_second;
use super::difference::Difference;
use super::past::{Past, Unfaithful};
use super::written::Written;
use crate::error::Refusal;
use crate::mutation::{Mutator, Reply};

/// Applies the mutations to the state, then all of them again as a replay does, and each once more
/// as after a snapshot; panics at the first that does not give the same state each time.
///
/// ```should_panic
/// # use ministate::Mutator;
/// # use serde::{Deserialize, Serialize};
/// use std::time::SystemTime;
///
/// #[derive(Default, Serialize, Deserialize)]
/// struct Leases {
///     until: Vec<SystemTime>,
/// }
///
/// #[derive(Serialize, Deserialize)]
/// struct Grant;
///
/// impl Mutator<Leases> for Grant {
///     fn apply(&self, leases: &mut Leases) {
///         // The time belongs into a field of `Grant`: at a replay it is another.
///         leases.until.push(SystemTime::now());
///     }
/// }
///
/// ministate::testing::assert_deterministic(Leases::default(), [Grant, Grant]);
/// ```
///
/// # What it sees
///
/// - **Another result of the same mutation**: a handler that reads the clock, chance, a global
///   variable, the address of something, or that lets the order of a hash map decide. The second
///   time is behind the whole list, and once the clock shows another second, so that times in whole
///   seconds are found too: the call takes up to a second.
/// - **A state that is not its JSON**: a field that is written and not read, or read as another
///   value; a value that JSON cannot say; a field that is left out (`#[serde(skip)]`) though a handler
///   decides by it.
/// - **A mutation that a manager refuses**, since it does not read back as itself.
///
/// # What it does not see
///
/// - Handlers that no mutation of the list reaches, and states that the list does not lead to: give
///   it every operation, several times, rejections too.
/// - What changes more rarely than from one second to the next: the date, the environment, a
///   configuration file, the machine, the build of the program.
/// - What two runs have in common by chance: of two entries of a hash map half of all runs have the
///   same first one. Put a dozen into the map.
/// - A change of a handler from one release to the next: that is what [`assert_replays`] is for, and
///   the schema lock's [`pin_handlers`](crate::_documentation::guide).
///
/// [`assert_replays`]: super::assert_replays
///
/// # Panics
///
/// Panics where the states differ, with the operation, its place in the list, its JSON, and the
/// first difference; where a mutation is refused; where a state has no JSON, or none that reads back.
/// A panic of a handler goes through.
#[track_caller]
pub fn assert_deterministic<S, M>(initial: S, mutations: impl IntoIterator<Item = M>)
where
    S: Serialize + DeserializeOwned,
    M: Mutator<S> + Serialize + DeserializeOwned,
{
    if let Err(finding) = examine(initial, mutations) {
        panic!("{finding}");
    }
}

/// What is wrong, and behind which mutation of the list: the first has number 1, as in the journal.
struct Finding {
    place: usize,
    /// The operation and its JSON; `None` for the initial state.
    mutation: Option<String>,
    what: What,
}

enum What {
    Refused(Refusal),
    Unfaithful(Unfaithful),
    DiffersInReplay(Difference),
    DiffersBehindSnapshot(Difference),
}

impl From<Unfaithful> for What {
    fn from(unfaithful: Unfaithful) -> Self {
        What::Unfaithful(unfaithful)
    }
}

fn examine<S, M>(mut state: S, mutations: impl IntoIterator<Item = M>) -> Result<(), Finding>
where
    S: Serialize + DeserializeOwned,
    M: Mutator<S> + Serialize + DeserializeOwned,
{
    let behind = |place: usize, written: Option<&Written>| {
        let mutation = written.map(ToString::to_string);
        move |unfaithful: Unfaithful| Finding { place, mutation, what: unfaithful.into() }
    };
    let mut pasts = vec![Past::of(&state).map_err(behind(0, None))?];
    let mut list: Vec<Written> = Vec::new();
    for mutation in mutations {
        let place = pasts.len();
        let refused = |reason| Finding { place, mutation: None, what: What::Refused(reason) };
        let (written, mutation) = Written::of::<S, M>(mutation).map_err(refused)?;
        mutation.__execute(&mut state, &mut Reply::discarded());
        pasts.push(Past::of(&state).map_err(behind(place, Some(&written)))?);
        list.push(written);
    }
    wait_for_another_second();
    let mut replayed: S = pasts[0].read_back().map_err(behind(0, None))?;
    for (place, written) in (1..).zip(&list) {
        let again = |state: &mut S, differs: fn(Difference) -> What| {
            written.read::<S, M>().__execute(state, &mut Reply::discarded());
            let difference = pasts[place].difference(state)?;
            difference.map_or(Ok(()), |difference| Err(differs(difference)))
        };
        let behind_snapshot = || -> Result<(), What> {
            again(&mut pasts[place - 1].read_back()?, What::DiffersBehindSnapshot)
        };
        again(&mut replayed, What::DiffersInReplay)
            .and_then(|()| behind_snapshot())
            .map_err(|what| Finding { place, mutation: Some(written.to_string()), what })?;
    }
    Ok(())
}

/// One line, which ends with the remedy.
impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding { place, mutation, what } = self;
        if let What::Refused(reason) = what {
            return write!(out, "mutation {place} is refused: {reason}");
        }
        match mutation {
            Some(mutation) => write!(out, "mutation {place}, {mutation}, ")?,
            None => out.write_str("the initial state ")?,
        }
        match what {
            What::Refused(_) => Ok(()),
            What::Unfaithful(unfaithful) => {
                let leads = if mutation.is_some() { "leads to a state that " } else { "" };
                write!(out, "{leads}{unfaithful}")
            }
            What::DiffersInReplay(difference) => write!(
                out,
                "leads to another state when it is applied again: {difference}; keep clocks, \
                 chance, global variables and the order of hash maps out of handlers, and put what \
                 they need into the mutation"
            ),
            What::DiffersBehindSnapshot(difference) => write!(
                out,
                "leads to another state behind a snapshot: {difference}; let the JSON of the state \
                 hold all that handlers decide by"
            ),
        }
    }
}
