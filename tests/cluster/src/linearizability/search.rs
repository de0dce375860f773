//! How is an order found among very many?

use std::collections::HashMap;

use super::frontier::Frontier;
use super::operation::{Model, Operation, Outcome};

/// The operations of one key.
///
/// A configuration is what was ordered so far, and the state behind it. Three things keep their number
/// small, besides never looking at one twice:
///
/// * An operation that leaves the state as it is, and may come next, does: later it would do no more.
/// * Those with unknown outcome are left out until nothing else may come next, and of two configurations
///   that differ in them alone, the one that needed fewer of them is enough.
/// * Of equal calls with unknown outcome the first comes first.
#[derive(Debug)]
pub(super) struct Search<K, M: Model> {
    /// Those that were answered, by the time when they were invoked.
    pub(super) answered: Vec<Operation<K, M::Call, M::Answer>>,
    /// Those of which it is not known, by the time when they were invoked.
    pub(super) unknown: Vec<Operation<K, M::Call, M::Answer>>,
}

/// What a search came to.
#[derive(Debug)]
pub(super) enum Found<M: Model> {
    Order,
    Nothing(Furthest<M>),
    TooMuch,
}

/// Where an order that gets as far as any ends.
#[derive(Debug)]
pub(super) struct Furthest<M: Model> {
    /// The operation that has to come next, and in no order can.
    pub(super) stuck: usize,
    /// What came before it in one order.
    pub(super) order: Vec<Step>,
    /// The states in which the orders that get there may end, or some of them.
    pub(super) states: Vec<M::State>,
}

/// The next operation of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Answered(usize),
    Unknown(usize),
}

impl<K, M: Model> Search<K, M> {
    pub(super) fn of(mut history: Vec<Operation<K, M::Call, M::Answer>>) -> Search<K, M> {
        history.sort_by_key(|operation| operation.invoked);
        let mut search = Search { answered: Vec::new(), unknown: Vec::new() };
        for operation in history {
            match operation.outcome {
                Outcome::Returned(_) => {
                    assert!(
                        operation.invoked <= operation.returned,
                        "it returned before it was invoked: correct the clock that told the times",
                    );
                    search.answered.push(operation);
                }
                Outcome::Unknown if M::leaves_the_state(&operation.call, None) => {}
                Outcome::Unknown => search.unknown.push(operation),
                Outcome::Failed => {}
            }
        }
        search
    }

    pub(super) fn run(&self, configurations: usize) -> Found<M> {
        let mut seen = Seen::<M> { taken: HashMap::new(), trail: Vec::new() };
        let mut furthest = Summit::<M> { returned: 0, stuck: 0, at: 0, states: Vec::new() };
        let first =
            Configuration { frontier: Frontier::default(), taken: vec![], state: M::first() };
        let mut to_do = Vec::from_iter(seen.admitted(self.settled(first, vec![]), None));
        while let Some(next) = to_do.pop() {
            if seen.trail.len() > configurations {
                return Found::TooMuch;
            }
            match next {
                Task::Continue(here, at) => {
                    if here.frontier.low() == self.answered.len() {
                        return Found::Order;
                    }
                    let next = self.next(&here.frontier);
                    furthest.note(&next, &here.state, at);
                    let mut found = Vec::new();
                    self.successors(&here, &[], &next, &mut found);
                    to_do.push(Task::Guess(here, at));
                    let found = found.into_iter().rev();
                    to_do.extend(
                        found.filter_map(|(new, steps)| seen.admitted((new, steps), Some(at))),
                    );
                }
                Task::Guess(here, at) => {
                    let next = self.next(&here.frontier);
                    let Some(guesses) = self.guesses(&here, &next, configurations) else {
                        return Found::TooMuch;
                    };
                    let mut found = Vec::new();
                    for (guessed, steps) in guesses {
                        self.successors(&guessed, &steps, &next, &mut found);
                    }
                    let found: Vec<_> = found
                        .into_iter()
                        .filter_map(|(new, steps)| seen.admitted((new, steps), Some(at)))
                        .collect();
                    to_do.extend(found.into_iter().rev());
                }
            }
        }
        let order = seen.order(furthest.at);
        Found::Nothing(Furthest { stuck: furthest.stuck, order, states: furthest.states })
    }

    /// What an operation leaves of the state, if it may be done there.
    pub(super) fn done(&self, state: &M::State, step: Step) -> Option<M::State> {
        match step {
            Step::Answered(index) => {
                let operation = &self.answered[index];
                M::step(state, &operation.call, answer(operation))
            }
            Step::Unknown(index) => M::step(state, &self.unknown[index].call, None),
        }
    }

    /// Those that may come next, because no other returned before they were invoked; the first to return
    /// comes first.
    fn next(&self, frontier: &Frontier) -> Next {
        let mut next = Next { answered: Vec::new(), deadline: u64::MAX };
        for index in frontier.low()..self.answered.len() {
            let operation = &self.answered[index];
            if operation.invoked > next.deadline {
                break;
            }
            if !frontier.contains(index) {
                next.answered.push(index);
                next.deadline = next.deadline.min(operation.returned);
            }
        }
        next.answered.sort_by_key(|&index| self.answered[index].returned);
        next
    }

    fn successors(
        &self,
        here: &Configuration<M>,
        steps: &[Step],
        next: &Next,
        found: &mut Vec<(Configuration<M>, Vec<Step>)>,
    ) {
        for &index in &next.answered {
            let step = Step::Answered(index);
            if let Some(state) = self.done(&here.state, step) {
                let frontier = here.frontier.with(index);
                let new = Configuration { frontier, taken: here.taken.clone(), state };
                found.push(self.settled(new, [steps, &[step]].concat()));
            }
        }
    }

    /// The configuration, with all that may come next there and leaves the state as it is.
    fn settled(
        &self,
        mut here: Configuration<M>,
        mut steps: Vec<Step>,
    ) -> (Configuration<M>, Vec<Step>) {
        loop {
            let before = steps.len();
            for index in self.next(&here.frontier).answered {
                let (operation, step) = (&self.answered[index], Step::Answered(index));
                if M::leaves_the_state(&operation.call, answer(operation))
                    && self.done(&here.state, step).is_some()
                {
                    here.frontier = here.frontier.with(index);
                    steps.push(step);
                }
            }
            if steps.len() == before {
                return (here, steps);
            }
        }
    }

    /// What the state may be after some operations whose outcome is unknown, with as few of them as it
    /// takes; `None` if there are more than that of them.
    fn guesses(
        &self,
        here: &Configuration<M>,
        next: &Next,
        at_most: usize,
    ) -> Option<Vec<(Configuration<M>, Vec<Step>)>> {
        let begun = self.unknown.partition_point(|operation| operation.invoked <= next.deadline);
        let mut needed = HashMap::from([(here.state.clone(), vec![here.taken.clone()])]);
        let mut guesses = vec![(here.clone(), Vec::new())];
        let mut at = 0;
        while let Some((from, steps)) = guesses.get(at).cloned() {
            for index in 0..begun {
                let call = &self.unknown[index].call;
                let is_free = |index: &usize| from.taken.binary_search(index).is_err();
                let has_equal_before_it =
                    (0..index).any(|other| is_free(&other) && self.unknown[other].call == *call);
                let step = Step::Unknown(index);
                if let (true, false) = (is_free(&index), has_equal_before_it)
                    && let Some(state) = self.done(&from.state, step)
                {
                    let taken = with(&from.taken, index);
                    if is_enough(needed.entry(state.clone()).or_default(), &taken) {
                        let guess = Configuration { frontier: from.frontier.clone(), taken, state };
                        guesses.push((guess, [&steps[..], &[step]].concat()));
                    }
                }
            }
            at += 1;
            if guesses.len() > at_most {
                return None;
            }
        }
        guesses.remove(0);
        Some(guesses)
    }
}

pub(super) fn answer<K, C, A>(operation: &Operation<K, C, A>) -> Option<&A> {
    match &operation.outcome {
        Outcome::Returned(answer) => Some(answer),
        Outcome::Unknown | Outcome::Failed => None,
    }
}

#[derive(Debug, Clone)]
struct Configuration<M: Model> {
    frontier: Frontier,
    /// Those with unknown outcome that came before, in order of their indices.
    taken: Vec<usize>,
    state: M::State,
}

struct Next {
    answered: Vec<usize>,
    /// When the first of them returned.
    deadline: u64,
}

/// What is still to be done with a configuration, and where it is in the trail.
enum Task<M: Model> {
    /// Let one follow that was answered.
    Continue(Configuration<M>, usize),
    /// Let others come before it, whose outcome is unknown.
    Guess(Configuration<M>, usize),
}

struct Seen<M: Model> {
    taken: HashMap<(Frontier, M::State), Vec<Vec<usize>>>,
    /// For each configuration the one that it came from, and how.
    trail: Vec<(Option<usize>, Vec<Step>)>,
}

impl<M: Model> Seen<M> {
    fn admitted(
        &mut self,
        (new, steps): (Configuration<M>, Vec<Step>),
        from: Option<usize>,
    ) -> Option<Task<M>> {
        let sets = self.taken.entry((new.frontier.clone(), new.state.clone())).or_default();
        is_enough(sets, &new.taken).then(|| {
            self.trail.push((from, steps));
            Task::Continue(new, self.trail.len() - 1)
        })
    }

    fn order(&self, at: usize) -> Vec<Step> {
        let mut backwards = Vec::new();
        let mut next = Some(at);
        while let Some((from, steps)) = next.and_then(|at| self.trail.get(at)) {
            backwards.extend(steps.iter().rev());
            next = *from;
        }
        backwards.reverse();
        backwards
    }
}

/// The configurations whose next deadline is the latest.
struct Summit<M: Model> {
    returned: u64,
    stuck: usize,
    at: usize,
    states: Vec<M::State>,
}

impl<M: Model> Summit<M> {
    fn note(&mut self, next: &Next, state: &M::State, at: usize) {
        if self.states.is_empty() || next.deadline > self.returned {
            *self = Summit {
                returned: next.deadline,
                stuck: next.answered[0],
                at,
                states: vec![state.clone()],
            };
        } else if next.deadline == self.returned
            && self.states.len() < STATES
            && !self.states.contains(state)
        {
            self.states.push(state.clone());
        }
    }
}

const STATES: usize = 8;

/// Adds the set, unless there is one already that it contains.
fn is_enough(sets: &mut Vec<Vec<usize>>, new: &[usize]) -> bool {
    let contains = |larger: &[usize], smaller: &[usize]| {
        smaller.iter().all(|index| larger.binary_search(index).is_ok())
    };
    if sets.iter().any(|set| contains(new, set)) {
        return false;
    }
    sets.retain(|set| !contains(set, new));
    sets.push(new.to_vec());
    true
}

fn with(set: &[usize], index: usize) -> Vec<usize> {
    let at = set.partition_point(|other| *other < index);
    [&set[..at], &[index], &set[at..]].concat()
}
