//! What is an operation, and what would one object alone do with it?

use std::fmt::Debug;
use std::hash::Hash;

/// What a client asked of the object of a key, and what became of it.
///
/// Times are nanoseconds of one monotonic clock that all clients share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation<K, C, A> {
    /// The client, for people.
    pub process: usize,
    /// The object.
    pub key: K,
    /// What was asked.
    pub call: C,
    /// What became of it.
    pub outcome: Outcome<A>,
    /// A moment before it was asked.
    pub invoked: u64,
    /// A moment after the answer; without meaning where there is none.
    pub returned: u64,
}

/// What the client knows of its operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<A> {
    /// It took effect, and this was the answer.
    Returned(A),
    /// It takes effect at any time after it was invoked, or never.
    Unknown,
    /// It did not take effect and will not.
    Failed,
}

/// An object that does one operation after another.
pub trait Model: Debug + Clone + PartialEq + Eq {
    /// What it remembers.
    type State: Clone + Eq + Hash + Debug;
    /// What it can be asked. Of equal calls whose outcome is unknown the first is taken to be the one that
    /// took effect.
    type Call: Clone + Eq + Debug;
    /// What it answers.
    type Answer: Clone + Eq + Debug;

    /// What it remembers in the beginning.
    fn first() -> Self::State;

    /// What it remembers after the call; `None` if it would not have given this answer. Without an answer
    /// nobody knows it, and every call can be made.
    fn step(
        state: &Self::State,
        call: &Self::Call,
        answer: Option<&Self::Answer>,
    ) -> Option<Self::State>;

    /// Whether a call with this answer leaves every state as it is. Saying so makes the search faster;
    /// it must be true.
    fn leaves_the_state(call: &Self::Call, answer: Option<&Self::Answer>) -> bool;
}
