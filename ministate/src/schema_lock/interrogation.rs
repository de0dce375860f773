//! What does a type look like in JSON? Its shape and samples of it, by asking its `Deserialize`.
//!
//! serde's derives say what they take by the calls that they make, and what they lack by the errors
//! that they return. So a type is fed made-up values again and again, each time with what the
//! errors before have taught, until all its variants and fields are known.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::json::Json;

use super::feeder::Feeder;
use super::plan::{Anything, Fed, Plan, Type, Unfed, Wanted};
use super::session::Session;
use super::shape::{leaf, merged};

/// Reads a value from the feeder, and throws it away.
pub(super) type Ask<'a> = dyn Fn(Feeder<'_, '_>) -> Result<(), Unfed> + 'a;

/// What is known of a type.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) shape: Json,
    /// JSON texts that the type takes: each variant of each enum, the largest and the smallest
    /// values.
    pub(super) samples: Vec<Json>,
    /// Further names of fields, with the name that is written.
    pub(super) aliases: Vec<(&'static str, &'static str)>,
    /// The sample with ordinary values.
    pub(super) plain: Option<Json>,
    /// What has been learnt, for values that JSON cannot say.
    plan: Plan,
    floats: usize,
    nested_options: usize,
}

/// A type that did not answer.
#[derive(Debug)]
pub(super) struct Silent {
    /// Where in it, such as `limits.upper`.
    pub(super) place: String,
    pub(super) why: Unfed,
}

/// More questions than this, and the type is not one that can be asked.
const RUNS: usize = 10_000;

/// How many values are tried at one place.
const CANDIDATES: usize = 32;

/// Asks a type. `canonical` makes of a sample what would be written for its value.
pub(super) fn interrogate(
    ask: &Ask<'_>,
    canonical: &dyn Fn(Json) -> Json,
) -> Result<Answer, Silent> {
    let mut plan = Plan::default();
    let Explored { choices, fields } = explore(&mut plan, ask)?;
    for (field, choices) in fields {
        let left_out = Some(field);
        let mut without = Plan { choices, left_out, ..plan.clone() };
        if settle(&mut without, ask).is_ok() {
            plan.optional.insert(field);
        }
    }
    let mut answer = Answer {
        shape: leaf("unknown"),
        samples: Vec::new(),
        aliases: plan.aliases.iter().map(|((_, alias), name)| (*alias, *name)).collect(),
        plain: None,
        plan: plan.clone(),
        floats: 0,
        nested_options: 0,
    };
    let mut known = BTreeSet::new();
    for choices in &choices {
        plan.choices.clone_from(choices);
        let fed = settle(&mut plan, ask)?;
        if fed.takes_anything {
            refuse_what_takes_some_kinds(&plan, ask)?;
        }
        let sample = canonical(parsed(&fed.json)?);
        // What is known already is another name of a variant.
        if !known.insert(sample.clone()) {
            continue;
        }
        answer.samples.push(sample);
        answer.shape = merged(answer.shape, fed.shape);
        answer.floats = answer.floats.max(fed.floats);
        answer.nested_options = answer.nested_options.max(fed.nested_options);
    }
    plan.choices = BTreeMap::new();
    answer.plan = plan.clone();
    let others = choices.iter().map(|choices| (Wanted::Small, choices.clone()));
    let once = [Wanted::Empty, Wanted::Plain].map(|wanted| (wanted, BTreeMap::new()));
    let sparse = (!plan.optional.is_empty()).then(|| (Wanted::Sparse, BTreeMap::new()));
    for (wanted, choices) in others.chain(once).chain(sparse) {
        let candidates = BTreeMap::new();
        let mut plan = Plan { wanted, choices, candidates, ..plan.clone() };
        // A type that is read with these values turned down has shown itself above.
        let Ok(fed) = settle(&mut plan, ask) else { continue };
        let sample = parsed(&fed.json)?;
        let sample = if wanted == Wanted::Sparse { sample } else { canonical(sample) };
        if wanted == Wanted::Plain {
            answer.plain = Some(sample.clone());
        }
        if known.insert(sample.clone()) {
            answer.samples.push(sample);
        }
    }
    Ok(answer)
}

impl Answer {
    /// The type's values that JSON may have no words for, one after the other: `ask` gets each.
    pub(super) fn feed_unsayable(&self, mut ask: impl FnMut(Feeder<'_, '_>)) {
        let floats = (0..self.floats).map(Wanted::NotANumber);
        for wanted in floats.chain((0..self.nested_options).map(Wanted::SomeNone)) {
            let plan = Plan { wanted, ..self.plan.clone() };
            ask(Session::new(&plan).feeder());
        }
    }
}

/// What there is to ask for.
struct Explored {
    /// Choices of variants that together meet every variant of every enum.
    choices: Vec<BTreeMap<String, usize>>,
    /// The fields of every struct, each with choices that lead there.
    fields: BTreeMap<(Type, &'static str), BTreeMap<String, usize>>,
}

/// Meets every variant of every enum once, at the first place where there is one.
fn explore(plan: &mut Plan, ask: &Ask<'_>) -> Result<Explored, Silent> {
    let mut explored = Explored { choices: Vec::new(), fields: BTreeMap::new() };
    let mut met = BTreeSet::new();
    let mut open = VecDeque::from([BTreeMap::new()]);
    while let Some(choices) = open.pop_front() {
        plan.choices.clone_from(&choices);
        let fed = match settle(plan, ask) {
            Err(silent @ Silent { why: Unfed::Opaque, .. }) => return Err(silent),
            // A variant that has no value, in an enum that has others.
            Err(_) if !explored.choices.is_empty() => continue,
            fed => fed?,
        };
        for enum_met in &fed.enums {
            let (of, chosen) = (enum_met.of, enum_met.chosen);
            if enum_met.is_simple {
                plan.simple.entry(of).or_insert(chosen);
            }
            met.insert((of, chosen));
            for variant in 0..of.parts.len() {
                if met.insert((of, variant)) {
                    let mut choices = choices.clone();
                    // What is around it must stay what it is in this run.
                    let around = fed.enums.iter().filter(|other| {
                        enum_met.place.starts_with(&other.place) && other.place != enum_met.place
                    });
                    choices.extend(around.map(|other| (other.place.clone(), other.chosen)));
                    choices.insert(enum_met.place.clone(), variant);
                    open.push_back(choices);
                }
            }
        }
        for field in fed.fields {
            explored.fields.entry(field).or_insert_with(|| choices.clone());
        }
        // All that was chosen, so that the same is met when it is fed again.
        let mut choices = choices;
        choices.extend(fed.enums.iter().map(|met| (met.place.clone(), met.chosen)));
        explored.choices.push(choices);
    }
    plan.choices = BTreeMap::new();
    explored.fields.retain(|field, _| !plan.aliases.contains_key(field));
    Ok(explored)
}

/// Gives values of every kind to what took one of them as if it took anything: an untagged enum asks
/// for anything, and turns down what none of its variants is.
fn refuse_what_takes_some_kinds(plan: &Plan, ask: &Ask<'_>) -> Result<(), Silent> {
    for anything in Anything::ALL {
        let plan = Plan { anything: Some(anything), ..plan.clone() };
        let mut session = Session::new(&plan);
        if ask(session.feeder()).is_err() {
            let place = session.last_anything.take().unwrap_or_default();
            return Err(Silent { place, why: Unfed::Opaque });
        }
    }
    Ok(())
}

/// Feeds the type until it takes what it gets, and adds to the plan what its refusals teach.
fn settle(plan: &mut Plan, ask: &Ask<'_>) -> Result<Fed, Silent> {
    for _ in 0..RUNS {
        let mut session = Session::new(plan);
        let result = ask(session.feeder());
        let (last_choice, last_field) = (session.last_choice.take(), session.last_field.take());
        let (escape, anything) = (session.escape.take(), session.last_anything.take());
        let at = std::mem::take(&mut session.place);
        let why = match result {
            Ok(()) => return Ok(session.into_fed()),
            Err(why) => why,
        };
        // No other value elsewhere changes what is taken here.
        if let (Unfed::Other(_), Some(place)) = (&why, anything.filter(|place| *place == at)) {
            return Err(Silent { place, why: Unfed::Opaque });
        }
        let place = last_choice.clone().unwrap_or_default();
        let learnt = match (&why, last_field, last_choice, escape) {
            (Unfed::Duplicate(name), Some((of, given)), _, _) if *name == given => {
                plan.ahead.insert((of, given))
            }
            (Unfed::Duplicate(name), Some((of, given)), _, _) => {
                plan.aliases.insert((of, given), name).is_none()
            }
            (Unfed::Recursive, _, _, Some((place, name))) => {
                plan.recursive.insert(place, name).is_none()
            }
            (Unfed::Other(_), _, Some(place), _) => {
                let candidate = plan.candidates.entry(place).or_default();
                *candidate += 1;
                *candidate < CANDIDATES
            }
            (
                Unfed::Duplicate(_)
                | Unfed::Missing(_)
                | Unfed::Recursive
                | Unfed::Opaque
                | Unfed::Other(_),
                ..,
            ) => false,
        };
        if !learnt {
            return Err(Silent { place, why });
        }
    }
    let why = Unfed::Other("it turns down all that it is given".to_string());
    Err(Silent { place: String::new(), why })
}

/// A map whose keys JSON cannot write has no JSON.
fn parsed(json: &str) -> Result<Json, Silent> {
    let why = || Unfed::Other("JSON has no such keys".to_string());
    Json::parse(json.as_bytes()).ok_or_else(|| Silent { place: String::new(), why: why() })
}
