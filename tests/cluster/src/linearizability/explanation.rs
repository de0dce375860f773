//! Why can a history not be ordered, for people?

use std::fmt;

use super::operation::{Model, Operation, Outcome};
use super::search::{Furthest, Search, Step};

/// An operation on an object of the model.
pub type Asked<K, M> = Operation<K, <M as Model>::Call, <M as Model>::Answer>;

/// The shortest beginning of a history that cannot be ordered: all that was invoked before `stuck`
/// returned, where what returned later may be left out, but answers as it did. Without the return of
/// `stuck` it can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation<K, M: Model> {
    /// The key whose operations these are.
    pub key: K,
    /// The operation whose answer does not fit.
    pub stuck: Operation<K, M::Call, M::Answer>,
    /// The others that are not ordered by then and may have taken effect, or still may.
    pub open: Vec<Operation<K, M::Call, M::Answer>>,
    /// The end of an order of all that comes before, and the state after each.
    pub order: Vec<(Asked<K, M>, M::State)>,
    /// How many are ordered before those of `order`.
    pub left_out: usize,
    /// The states in which such orders may end, or some of them.
    pub states: Vec<M::State>,
}

/// What is to be told of a search that found nothing.
pub(super) fn explained<K: Clone, M: Model>(
    key: K,
    search: &Search<K, M>,
    furthest: &Furthest<M>,
) -> Violation<K, M> {
    let stuck = search.answered[furthest.stuck].clone();
    let is_open = |step: Step, operation: &Operation<K, _, _>| {
        operation.invoked <= stuck.returned
            && step != Step::Answered(furthest.stuck)
            && !furthest.order.contains(&step)
    };
    let answered = search.answered.iter().enumerate();
    let unknown = search.unknown.iter().enumerate();
    let open = answered
        .filter(|(index, operation)| is_open(Step::Answered(*index), operation))
        .chain(unknown.filter(|(index, operation)| is_open(Step::Unknown(*index), operation)))
        .map(|(_, operation)| operation.clone())
        .collect();
    let mut state = M::first();
    let mut order = Vec::new();
    for &step in &furthest.order {
        state = search.done(&state, step).unwrap_or(state);
        let operation = match step {
            Step::Answered(index) => &search.answered[index],
            Step::Unknown(index) => &search.unknown[index],
        };
        order.push((operation.clone(), state.clone()));
    }
    let left_out = order.len().saturating_sub(SHOWN);
    order.drain(..left_out);
    Violation { key, stuck, open, order, left_out, states: furthest.states.clone() }
}

/// How many of an order are told.
const SHOWN: usize = 10;

impl<K: fmt::Debug, M: Model> fmt::Display for Violation<K, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.order.iter().map(|(operation, _)| operation);
        let all = shown.chain(&self.open).chain([&self.stuck]);
        let start = all.map(|operation| operation.invoked).min().unwrap_or(0);
        writeln!(f, "the operations of key {:?} cannot be ordered", self.key)?;
        writeln!(f, "no order lets this one return what it did:")?;
        write_operation(f, &self.stuck, start)?;
        writeln!(f, "\nin an order of all that returned before it, these come last:")?;
        if self.left_out > 0 {
            writeln!(f, "  ({} more)", self.left_out)?;
        }
        for (operation, state) in &self.order {
            write_operation(f, operation, start)?;
            writeln!(f, " => {state:?}")?;
        }
        writeln!(f, "such orders may end with: {:?}", self.states)?;
        writeln!(f, "others that may come next:")?;
        for operation in &self.open {
            write_operation(f, operation, start)?;
            writeln!(f)?;
        }
        write!(f, "(times in microseconds since the first of these)")
    }
}

fn write_operation<K, C: fmt::Debug, A: fmt::Debug>(
    f: &mut fmt::Formatter<'_>,
    operation: &Operation<K, C, A>,
    start: u64,
) -> fmt::Result {
    let micros = |time: u64| format!("{:.3}", time.saturating_sub(start) as f64 / 1000.0);
    let Operation { process, call, outcome, invoked, returned, .. } = operation;
    write!(f, "  process {process}: {call:?} ")?;
    match outcome {
        Outcome::Returned(answer) => {
            write!(f, "-> {answer:?}, {} to {}", micros(*invoked), micros(*returned))
        }
        Outcome::Unknown => write!(f, "-> not known, {} to ?", micros(*invoked)),
        Outcome::Failed => write!(f, "-> failed, {} to {}", micros(*invoked), micros(*returned)),
    }
}
