//! What did a crash test look at, and what did it find?

use std::error::Error;
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::difference::Difference;
use crate::error::MiniStateError;

/// What a [crash test](super::crash_test) looked at without finding anything wrong.
///
/// ```
/// # use ministate::{Mutator, testing};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Default, Serialize, Deserialize)]
/// # struct Counter { value: u32 }
/// # #[derive(Serialize, Deserialize)]
/// # struct Inc { by: u32 }
/// # impl Mutator<Counter> for Inc {
/// #     fn apply(&self, state: &mut Counter) { state.value += self.by }
/// # }
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let counts = testing::crash_test::<Counter, Inc>([Inc { by: 1 }, Inc { by: 2 }])?;
/// assert_eq!(counts.mutations, 2);
/// assert!(counts.crash_states > counts.mutations);
/// println!("{counts}");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CrashCounts {
    /// The mutations that the program applied.
    pub mutations: u64,
    /// The calls that changed something on the disk: behind each the power can be cut.
    pub moments: u64,
    /// The different disks after a power cut that were opened.
    pub crash_states: u64,
    /// The mutations that these openings applied again.
    pub replayed: u64,
    /// The openings that found a part of a mutation, and cut it off.
    pub torn_tails: u64,
    /// The openings that began with another snapshot than the genesis.
    pub from_snapshots: u64,
}

impl fmt::Display for CrashCounts {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CrashCounts { mutations, moments, crash_states, replayed, torn_tails, from_snapshots } =
            self;
        write!(
            out,
            "{crash_states} crash states of {moments} moments in a history of {mutations} mutations \
             opened with the right state ({replayed} mutations replayed, {torn_tails} torn tails cut, \
             {from_snapshots} openings from a snapshot)"
        )
    }
}

/// What a [crash test](super::crash_test) found. The text, of `Debug` too, is one line that ends
/// with the remedy.
///
/// ```
/// # use ministate::Mutator;
/// # use serde::{Deserialize, Serialize};
/// use std::sync::atomic::{AtomicU32, Ordering};
///
/// use ministate::testing::{CrashFailure, CrashTest};
///
/// static NEXT: AtomicU32 = AtomicU32::new(1);
///
/// #[derive(Default, Serialize, Deserialize)]
/// struct Office {
///     ticket: u32,
/// }
///
/// #[derive(Serialize, Deserialize)]
/// struct Draw;
///
/// impl Mutator<Office> for Draw {
///     fn apply(&self, office: &mut Office) {
///         // At a replay it gives another number.
///         office.ticket = NEXT.fetch_add(1, Ordering::Relaxed);
///     }
/// }
///
/// match CrashTest::new().run::<Office, Draw>([Draw, Draw]) {
///     Err(CrashFailure::OtherState { difference, .. }) => assert_eq!(difference.place, "ticket"),
///     other => panic!("{other:?}"),
/// }
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub enum CrashFailure {
    /// The program could not do its work, without any crash.
    Stopped {
        /// What it was about to do.
        doing: String,
        /// What it was told.
        source: Arc<MiniStateError>,
    },
    /// A disk does not open.
    NotOpened {
        /// What happened before.
        after: String,
        /// Why it does not open.
        source: Arc<MiniStateError>,
    },
    /// A disk has fewer mutations than were acknowledged, or more than were made.
    WrongSequence {
        /// What happened before.
        after: String,
        /// The last mutation that is there.
        found: u64,
        /// The last mutation that may be there, from the last that was acknowledged on.
        allowed: RangeInclusive<u64>,
    },
    /// A state is not what its own JSON says, without any crash: an opening that begins with its
    /// snapshot gets another.
    NotItsJson {
        /// The mutation behind which it is so; 0 for the initial state.
        seq: u64,
        /// The operation and its JSON.
        mutation: Option<String>,
        /// What is wrong with it.
        what: String,
    },
    /// The state is not the one that the program had behind the same mutation.
    OtherState {
        /// What happened before.
        after: String,
        /// The first mutation behind which the state is another; 0 for the initial state.
        seq: u64,
        /// The operation and its JSON.
        mutation: Option<String>,
        /// The first place that is not what it was.
        difference: Box<Difference>,
    },
    /// The program opened, and could not apply what comes next.
    NotContinued {
        /// What happened before.
        after: String,
        /// The mutation.
        seq: u64,
        /// The operation and its JSON.
        mutation: String,
        /// What it was told.
        source: Arc<MiniStateError>,
    },
}

impl fmt::Display for CrashFailure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped { doing, source } => {
                write!(out, "{doing} failed without any crash: {source:#}")
            }
            Self::NotOpened { after, source } => {
                write!(out, "the journal does not open after {after}: {source:#}")
            }
            Self::WrongSequence { after, found, allowed } => write!(
                out,
                "after {after} the last mutation is {found}, and may be one of {} to {}; report it \
                 to ministate",
                allowed.start(),
                allowed.end()
            ),
            Self::NotItsJson { seq, mutation, what } => {
                write!(out, "{} {what}", state_behind(*seq, mutation.as_ref()))
            }
            Self::OtherState { after, seq, mutation, difference } => write!(
                out,
                "{} is another after {after}: {difference}; keep clocks, chance, global variables \
                 and the order of hash maps out of handlers, and let the JSON of the state hold all \
                 that they decide by",
                state_behind(*seq, mutation.as_ref())
            ),
            Self::NotContinued { after, seq, mutation, source } => write!(
                out,
                "after {after} mutation {seq}, {mutation}, cannot be applied: {source:#}"
            ),
        }
    }
}

fn state_behind(seq: u64, mutation: Option<&String>) -> String {
    match mutation {
        Some(mutation) => format!("the state behind mutation {seq}, {mutation},"),
        None => "the initial state".to_string(),
    }
}

/// As `Display`: this is what `unwrap` and a test that returns the error show.
impl fmt::Debug for CrashFailure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// The text tells the causes too, so there is no `source`.
impl Error for CrashFailure {}
