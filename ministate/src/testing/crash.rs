//! Is the application's state right after a crash at any moment?

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::findings::{CrashCounts, CrashFailure};
use super::history::History;
use crate::mutation::Mutator;

/// Applies the mutations, and opens every disk that a crash can leave meanwhile: [`CrashTest`] with
/// its defaults.
///
/// ```
/// # use ministate::Mutator;
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Default, Serialize, Deserialize)]
/// # struct Counter { value: u32 }
/// # #[derive(Serialize, Deserialize)]
/// # struct Inc { by: u32 }
/// # impl Mutator<Counter> for Inc {
/// #     fn apply(&self, state: &mut Counter) { state.value += self.by }
/// # }
/// # fn main() -> Result<(), ministate::testing::CrashFailure> {
/// let mutations = (1..=10).map(|by| Inc { by });
/// let counts = ministate::testing::crash_test::<Counter, Inc>(mutations)?;
/// assert_eq!(counts.mutations, 10);
/// assert!(counts.crash_states > 100, "{counts}");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// As [`CrashTest::run`].
pub fn crash_test<S, M>(mutations: impl IntoIterator<Item = M>) -> Result<CrashCounts, CrashFailure>
where
    S: Default + Serialize + DeserializeOwned + Send + Sync + 'static,
    M: Mutator<S> + Serialize + DeserializeOwned + Send + 'static,
{
    CrashTest::new().run(mutations)
}

/// A crash test of an application's state and operations.
///
/// The mutations are applied one after the other, on a [`Simulated`](crate::storage::Simulated) disk, in a journal of small
/// segments; twice there is a snapshot and a compaction, and once the journal is closed and opened
/// again. Each state must be what its own JSON says. Then the power is cut behind every call that
/// changed something on the disk, and of what was not synced each part may be there. Of every disk
/// that comes about so, it is demanded that
///
/// - the journal opens,
/// - every mutation that was acknowledged is there, and of the one that was being written all or
///   nothing,
/// - the state is the one that the program had behind that mutation,
/// - and the next mutation can be applied, to the same effect as then.
///
/// ```
/// # use ministate::Mutator;
/// # use serde::{Deserialize, Serialize};
/// use ministate::testing::CrashTest;
///
/// #[derive(Default, Serialize, Deserialize)]
/// struct Votes {
///     // Is written, and not read again.
///     #[serde(skip_deserializing)]
///     counted: u32,
/// }
///
/// #[derive(Serialize, Deserialize)]
/// struct Vote;
///
/// impl Mutator<Votes> for Vote {
///     fn apply(&self, votes: &mut Votes) {
///         votes.counted += 1;
///     }
/// }
///
/// let failure = CrashTest::new().run::<Votes, Vote>([Vote, Vote, Vote]).unwrap_err();
/// assert!(failure.to_string().contains("`counted` was 1 and is 0"), "{failure}");
/// ```
///
/// # What it sees
///
/// Handlers that give another state when they run again: by the clock (down to whole seconds, for
/// which it waits up to a second), by chance, by global variables, by the order of a hash map. States
/// that are not what their JSON says: what a snapshot does not bring back. Handlers that panic on a
/// state which was read back. The code that ran is yours and that of ministate; only the disk is
/// simulated.
///
/// # What it does not see
///
/// Handlers that no mutation of the list reaches. Of the effects outside of the state, which handlers
/// should not have, nothing. Several writers at once, which share batches, and
/// [`apply_batch`](crate::StateManager::apply_batch): which of them are durable together is tested in
/// ministate. That a mutation does on a state of a snapshot what it did on the live one is tried at
/// some places of the list only; [`assert_deterministic`](super::assert_deterministic) tries all.
#[derive(Debug, Clone)]
pub struct CrashTest {
    crash_states: usize,
}

/// Some seconds of a test build, for a state of a few kilobytes.
const CRASH_STATES: usize = 5_000;

impl Default for CrashTest {
    fn default() -> Self {
        CrashTest { crash_states: CRASH_STATES }
    }
}

impl CrashTest {
    /// A test with the defaults.
    pub fn new() -> Self {
        CrashTest::default()
    }

    /// At most so many disks are opened. Where there are more, those looked at are spread over the
    /// whole history, and are always the same. Default: 5000.
    ///
    /// ```
    /// # use ministate::Mutator;
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Default, Serialize, Deserialize)]
    /// # struct Counter { value: u32 }
    /// # #[derive(Serialize, Deserialize)]
    /// # struct Inc { by: u32 }
    /// # impl Mutator<Counter> for Inc {
    /// #     fn apply(&self, state: &mut Counter) { state.value += self.by }
    /// # }
    /// # fn main() -> Result<(), ministate::testing::CrashFailure> {
    /// use ministate::testing::CrashTest;
    ///
    /// let mutations = || (1..=10).map(|by| Inc { by });
    /// let counts = CrashTest::new().crash_states(50).run::<Counter, Inc>(mutations())?;
    /// assert_eq!(counts.crash_states, 50);
    /// # Ok(())
    /// # }
    /// ```
    pub fn crash_states(mut self, at_most: usize) -> Self {
        self.crash_states = at_most;
        self
    }

    /// Runs the test from the default state on.
    ///
    /// # Errors
    ///
    /// The first disk, or the first step without any crash, of which something does not hold:
    ///
    /// - [`Stopped`](CrashFailure::Stopped), [`NotItsJson`](CrashFailure::NotItsJson): without any
    ///   crash.
    /// - [`NotOpened`](CrashFailure::NotOpened), [`WrongSequence`](CrashFailure::WrongSequence),
    ///   [`OtherState`](CrashFailure::OtherState), [`NotContinued`](CrashFailure::NotContinued):
    ///   after one.
    pub fn run<S, M>(
        &self,
        mutations: impl IntoIterator<Item = M>,
    ) -> Result<CrashCounts, CrashFailure>
    where
        S: Default + Serialize + DeserializeOwned + Send + Sync + 'static,
        M: Mutator<S> + Serialize + DeserializeOwned + Send + 'static,
    {
        self.run_with(S::default, mutations)
    }

    /// Runs the test from a given state on, which is asked for at every opening, as by
    /// [`Options::open_with`](crate::Options::open_with).
    ///
    /// ```
    /// # use ministate::Mutator;
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Serialize, Deserialize)]
    /// # struct Counter { value: u32 }
    /// # #[derive(Serialize, Deserialize)]
    /// # struct Inc { by: u32 }
    /// # impl Mutator<Counter> for Inc {
    /// #     fn apply(&self, state: &mut Counter) { state.value += self.by }
    /// # }
    /// # fn main() -> Result<(), ministate::testing::CrashFailure> {
    /// use ministate::testing::CrashTest;
    ///
    /// let initial = || Counter { value: 100 };
    /// let counts = CrashTest::new().run_with(initial, [Inc { by: 1 }, Inc { by: 2 }])?;
    /// println!("{counts}");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub fn run_with<S, M>(
        &self,
        initial: impl Fn() -> S,
        mutations: impl IntoIterator<Item = M>,
    ) -> Result<CrashCounts, CrashFailure>
    where
        S: Serialize + DeserializeOwned + Send + Sync + 'static,
        M: Mutator<S> + Serialize + DeserializeOwned + Send + 'static,
    {
        let history = History::<S, M>::live(&initial, mutations)?;
        history.survive(self.crash_states)
    }
}
