//! What a program was told of its mutations, and so what a disk must and may have of them.

use ministate::MiniStateError;

/// The mutations of a history, in order: each pushes the next number onto a list.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger {
    /// What was there at first.
    base: u64,
    attempts: Vec<Attempt>,
}

#[derive(Debug, Clone)]
struct Attempt {
    mutations: u64,
    /// The first call of the disk that may be for it.
    begun: u64,
    ended: Option<End>,
}

#[derive(Debug, Clone, Copy)]
struct End {
    /// The first call of the disk behind the answer.
    call: u64,
    outcome: Outcome,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Acknowledged,
    NotWritten,
    Unknown,
}

/// Names an attempt of a [`Ledger`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct AttemptId(usize);

impl Ledger {
    /// After so many mutations, none of which is in doubt.
    pub(crate) fn behind(base: u64) -> Ledger {
        Ledger { base, attempts: Vec::new() }
    }

    /// How many mutations there are, if all attempts succeed.
    pub(crate) fn next(&self) -> u64 {
        self.base + self.attempts.iter().map(|attempt| attempt.mutations).sum::<u64>()
    }

    /// All or nothing of so many mutations is about to be written.
    pub(crate) fn begin(&mut self, mutations: u64, call: u64) -> AttemptId {
        self.attempts.push(Attempt { mutations, begun: call, ended: None });
        AttemptId(self.attempts.len() - 1)
    }

    /// The program was told how an attempt ended.
    pub(crate) fn end<T>(
        &mut self,
        attempt: AttemptId,
        result: &Result<T, MiniStateError>,
        call: u64,
    ) -> Outcome {
        let outcome = match result {
            Ok(_) => Outcome::Acknowledged,
            Err(MiniStateError::OutcomeUnknown { .. }) => Outcome::Unknown,
            Err(MiniStateError::NotWritten { .. } | MiniStateError::Poisoned { .. }) => {
                Outcome::NotWritten
            }
            Err(other) => panic!("an apply ended with {other}"),
        };
        self.attempts[attempt.0].ended = Some(End { call, outcome });
        outcome
    }

    /// How many mutations a disk may have that is as the calls before `call` left it.
    pub(crate) fn allowed(&self, call: u64) -> Vec<u64> {
        let mut length = self.base;
        let mut allowed = vec![length];
        for attempt in self.attempts.iter().take_while(|attempt| attempt.begun <= call) {
            let known = attempt.ended.filter(|end| end.call <= call).map(|end| end.outcome);
            match known {
                Some(Outcome::NotWritten) => continue,
                Some(Outcome::Acknowledged) => allowed.clear(),
                Some(Outcome::Unknown) | None => {}
            }
            length += attempt.mutations;
            allowed.push(length);
        }
        allowed
    }
}
