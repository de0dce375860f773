//! What does one entry of a map of numbers answer?

use super::operation::Model;

/// A number, or none, that can be replaced, added to and read: the model for one key of a map.
///
/// Adding to none adds to 0. Numbers wrap around.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Register;

/// What a [`Register`] can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegisterCall {
    /// Keep this number. Answers [`Was`](RegisterAnswer::Was).
    Put(i64),
    /// Keep the second number if the first is what is there. Answers [`Swapped`](RegisterAnswer::Swapped).
    CompareAndSet(Option<i64>, i64),
    /// Add this number. Answers [`Is`](RegisterAnswer::Is).
    Add(i64),
    /// Answers [`Is`](RegisterAnswer::Is).
    Read,
}

/// What a [`Register`] answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegisterAnswer {
    /// What was there before.
    Was(Option<i64>),
    /// What is there now.
    Is(Option<i64>),
    /// Whether the number was replaced.
    Swapped(bool),
    /// It was done, and the client was told no more: fits any `Put` and `Add`.
    Done,
}

impl Model for Register {
    type State = Option<i64>;
    type Call = RegisterCall;
    type Answer = RegisterAnswer;

    fn first() -> Option<i64> {
        None
    }

    fn step(
        state: &Option<i64>,
        call: &RegisterCall,
        answer: Option<&RegisterAnswer>,
    ) -> Option<Option<i64>> {
        let (after, own_answer) = done(*state, *call);
        let is_told_no_more = match call {
            RegisterCall::Put(_) | RegisterCall::Add(_) => answer == Some(&RegisterAnswer::Done),
            RegisterCall::CompareAndSet(..) | RegisterCall::Read => false,
        };
        let fits = is_told_no_more || answer.is_none_or(|answer| *answer == own_answer);
        fits.then_some(after)
    }

    fn leaves_the_state(call: &RegisterCall, answer: Option<&RegisterAnswer>) -> bool {
        match call {
            RegisterCall::Read => true,
            RegisterCall::CompareAndSet(..) => answer == Some(&RegisterAnswer::Swapped(false)),
            RegisterCall::Put(_) | RegisterCall::Add(_) => false,
        }
    }
}

fn done(state: Option<i64>, call: RegisterCall) -> (Option<i64>, RegisterAnswer) {
    match call {
        RegisterCall::Put(number) => (Some(number), RegisterAnswer::Was(state)),
        RegisterCall::CompareAndSet(old, new) if old == state => {
            (Some(new), RegisterAnswer::Swapped(true))
        }
        RegisterCall::CompareAndSet(..) => (state, RegisterAnswer::Swapped(false)),
        RegisterCall::Add(number) => {
            let sum = Some(state.unwrap_or(0).wrapping_add(number));
            (sum, RegisterAnswer::Is(sum))
        }
        RegisterCall::Read => (state, RegisterAnswer::Is(state)),
    }
}
