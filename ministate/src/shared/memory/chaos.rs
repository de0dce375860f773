//! What goes wrong when no test says what? It depends on a seed.

use super::faults::{AppendFault, CallFault};

/// How often things go wrong in [`Faults::chaos`](super::Faults::chaos): in how many of a thousand calls.
///
/// All together at most 1000; those that go beyond it never happen.
///
/// ```
/// use ministate::shared::memory::Rates;
///
/// let rates = Rates { cut_off: 0, ..Rates::ROUGH };
/// assert!(rates.ambiguous_late > 0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rates {
    /// Appends that are [`AppendFault::ConflictLanded`](super::AppendFault::ConflictLanded).
    pub conflict_landed: u16,
    /// Appends that are [`AppendFault::NotWritten`](super::AppendFault::NotWritten).
    pub not_written: u16,
    /// Appends that are [`AppendFault::AmbiguousLanded`](super::AppendFault::AmbiguousLanded).
    pub ambiguous_landed: u16,
    /// Appends that are [`AppendFault::AmbiguousLost`](super::AppendFault::AmbiguousLost).
    pub ambiguous_lost: u16,
    /// Appends that are [`AppendFault::AmbiguousLate`](super::AppendFault::AmbiguousLate); each lands
    /// with one of the next calls, if it still can.
    pub ambiguous_late: u16,
    /// Calls whose request or answer takes a while: other tasks run meanwhile, and no time is needed.
    pub delayed: u16,
    /// Calls that begin a time without connection, which is over after up to eight calls.
    pub cut_off: u16,
}

impl Rates {
    /// Something goes wrong in every third call.
    pub const ROUGH: Rates = Rates {
        conflict_landed: 30,
        not_written: 30,
        ambiguous_landed: 60,
        ambiguous_lost: 60,
        ambiguous_late: 60,
        delayed: 80,
        cut_off: 20,
    };
}

/// What happens to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate<F> {
    Fault(F),
    /// So many turns of other tasks before the engine hears of it.
    SlowRequest(u32),
    /// So many before the answer.
    SlowAnswer(u32),
    CutOff,
    Nothing,
}

#[derive(Debug)]
pub(super) struct Chaos {
    state: u64,
    rates: Rates,
    /// How many calls the connection stays cut.
    cut_for: u64,
}

impl Chaos {
    pub(super) fn new(seed: u64, rates: Rates) -> Chaos {
        Chaos { state: seed, rates, cut_for: 0 }
    }

    /// Whether late appends arrive with this call.
    pub(super) fn lands_late(&mut self) -> bool {
        self.below(4) == 0
    }

    pub(super) fn append(&mut self) -> Fate<AppendFault> {
        let rates = self.rates;
        self.fate(&[
            (rates.conflict_landed, AppendFault::ConflictLanded),
            (rates.not_written, AppendFault::NotWritten),
            (rates.ambiguous_landed, AppendFault::AmbiguousLanded),
            (rates.ambiguous_lost, AppendFault::AmbiguousLost),
            (rates.ambiguous_late, AppendFault::AmbiguousLate),
        ])
    }

    pub(super) fn call(&mut self) -> Fate<CallFault> {
        self.fate(&[])
    }

    fn fate<F: Clone>(&mut self, faults: &[(u16, F)]) -> Fate<F> {
        if self.cut_for > 0 {
            self.cut_for -= 1;
            return Fate::CutOff;
        }
        let mut left = self.below(1000);
        let mut is = |rate: u16| match left.checked_sub(u64::from(rate)) {
            Some(rest) => {
                left = rest;
                false
            }
            None => true,
        };
        if let Some((_, fault)) = faults.iter().find(|(rate, _)| is(*rate)) {
            return Fate::Fault(fault.clone());
        }
        if is(self.rates.delayed) {
            let turns = 1 + u32::try_from(self.below(16)).unwrap_or(0);
            return match self.below(2) {
                0 => Fate::SlowRequest(turns),
                _ => Fate::SlowAnswer(turns),
            };
        }
        if is(self.rates.cut_off) {
            self.cut_for = self.below(8);
            return Fate::CutOff;
        }
        Fate::Nothing
    }

    /// A number below `bound`, by splitmix64.
    fn below(&mut self, bound: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}
