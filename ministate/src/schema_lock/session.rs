//! What has been fed to a type so far, and what comes next: all that does not hang on the type.

use super::feeder::Feeder;
use super::plan::{Fed, Met, Plan, Type, Unfed, Wanted};
use super::shape::{escaped, leaf, merged, special};
use crate::json::Json;

/// One run: what was fed so far, and where the type is.
#[derive(Debug)]
pub(super) struct Session<'a> {
    pub(super) plan: &'a Plan,
    pub(super) place: String,
    around: Vec<Around>,
    pub(super) json: String,
    pub(super) shapes: Vec<Json>,
    pub(super) enums: Vec<Met>,
    fields: Vec<(Type, &'static str)>,
    /// How many values were given.
    given: usize,
    pub(super) floats: usize,
    nested_options: usize,
    /// The last value, or count of members, that was chosen: what a refusal is about.
    pub(super) last_choice: Option<String>,
    /// The last field that was given, and of which struct.
    pub(super) last_field: Option<(Type, &'static str)>,
    /// Where to leave out what would hold itself.
    pub(super) escape: Option<(String, &'static str)>,
    /// Where anything was to be taken, and nothing was chosen since.
    pub(super) last_anything: Option<String>,
    pub(super) takes_anything: bool,
}

/// What encloses the place.
#[derive(Debug)]
enum Around {
    /// A struct, or an enum with its chosen variant.
    Type { of: Type, variant: Option<usize> },
    /// An option, sequence or map, which may be empty.
    MayBeEmpty { place: String },
}

impl<'a> Session<'a> {
    pub(super) fn new(plan: &'a Plan) -> Session<'a> {
        Session {
            plan,
            place: String::new(),
            around: Vec::new(),
            json: String::new(),
            shapes: Vec::new(),
            enums: Vec::new(),
            fields: Vec::new(),
            given: 0,
            floats: 0,
            nested_options: 0,
            last_choice: None,
            last_field: None,
            escape: None,
            last_anything: None,
            takes_anything: false,
        }
    }

    pub(super) fn feeder<'s>(&'s mut self) -> Feeder<'s, 'a> {
        Feeder::new(self)
    }

    pub(super) fn into_fed(mut self) -> Fed {
        Fed {
            json: self.json,
            shape: self.shapes.pop().unwrap_or_else(|| leaf("null")),
            enums: self.enums,
            fields: self.fields,
            floats: self.floats,
            nested_options: self.nested_options,
            takes_anything: self.takes_anything,
        }
    }

    /// Makes a part of the value here the place; truncated to the returned length, it is again
    /// what is around the part.
    pub(super) fn step_into(&mut self, part: &str) -> usize {
        let around = self.place.len();
        if around > 0 && !part.starts_with(['[', '{']) {
            self.place.push('.');
        }
        self.place.push_str(part);
        around
    }

    /// The place's choice among `count` values.
    pub(super) fn choose(&mut self, count: usize) -> usize {
        self.last_choice = Some(self.place.clone());
        self.last_anything = None;
        self.plan.candidates.get(&self.place).copied().unwrap_or(0).min(count - 1)
    }

    fn pop_shape(&mut self) -> Json {
        self.shapes.pop().unwrap_or_else(|| leaf("null"))
    }

    /// The number of the next value, from 0 on.
    pub(super) fn number(&mut self) -> usize {
        self.given += 1;
        self.given - 1
    }

    /// How many members a collection has: mostly two, or none.
    fn members(&mut self) -> usize {
        if self.plan.recursive.contains_key(&self.place) {
            return 0;
        }
        let choices: [usize; 4] = match self.plan.wanted {
            Wanted::Empty => [0, 1, 2, 3],
            Wanted::Large
            | Wanted::Small
            | Wanted::Plain
            | Wanted::Sparse
            | Wanted::NotANumber(_)
            | Wanted::SomeNone(_) => [2, 1, 0, 3],
        };
        choices[self.choose(choices.len())]
    }

    /// What the members of a collection are, of which none may have been fed.
    fn member_shape(&mut self, fed: bool) -> Json {
        match self.plan.recursive.get(&self.place) {
            Some(name) => special("$recursive", Json::of_text(name)),
            None if fed => self.pop_shape(),
            None => leaf("unknown"),
        }
    }

    /// Notes that a type is entered, if from within itself. `Ok` with a variant to choose where that
    /// ends it.
    fn enter(&mut self, name: &'static str, of: Type) -> Result<Option<usize>, Unfed> {
        // Deeper, something holds itself that does not say so.
        const DEPTH: usize = 48;
        /// A cycle may have to be gone round once more, to where it can end.
        const ROUNDS: usize = 3;
        let same = |around: &Around| match around {
            Around::Type { of: other, .. } => *other == of,
            Around::MayBeEmpty { .. } => false,
        };
        let too_deep = self.around.len() > DEPTH;
        let outer = match self.around.iter().rposition(same) {
            Some(outer) => outer,
            None if too_deep => 0,
            None => return Ok(None),
        };
        let escape = self.around[outer..].iter().rev().find_map(|around| match around {
            Around::MayBeEmpty { place } => Some(place.clone()),
            Around::Type { .. } => None,
        });
        if let Some(place) = escape {
            self.escape = Some((place, name));
            return Err(Unfed::Recursive);
        }
        let rounds = self.around.iter().filter(|around| same(around)).count();
        let taken: Vec<usize> = self
            .around
            .iter()
            .filter(|around| same(around))
            .filter_map(|around| match around {
                Around::Type { variant, .. } => *variant,
                Around::MayBeEmpty { .. } => None,
            })
            .collect();
        let another = (0..of.parts.len()).find(|variant| !taken.contains(variant));
        match (taken.is_empty(), another) {
            (false, Some(variant)) => Ok(Some(variant)),
            (false, None) if rounds < ROUNDS && !too_deep => Ok(Some(0)),
            (true, _) if rounds < ROUNDS && !too_deep => Ok(None),
            (true | false, _) => Err(Unfed::Recursive),
        }
    }

    /// Leaves out what is around, where types within types go too deep without a name.
    fn refuse_depth(&mut self) -> Result<(), Unfed> {
        const DEPTH: usize = 32;
        /// Two members at each level make many of deep ones.
        const LEVELS: usize = 3;
        if self.around.len() <= DEPTH {
            return Ok(());
        }
        let mut escapes = self.around.iter().filter_map(|around| match around {
            Around::MayBeEmpty { place } => Some(place),
            Around::Type { .. } => None,
        });
        let place = escapes.nth(LEVELS).unwrap_or(&self.place).clone();
        self.escape = Some((place, "itself"));
        Err(Unfed::Recursive)
    }
}

/// What is fed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Value,
    /// The content of an option.
    Optional,
    /// A key of a map, which JSON writes as a string.
    Key,
}

impl<'a> Session<'a> {
    /// Begins a sequence or a map, and says how many members it has.
    pub(super) fn open(&mut self, bracket: char) -> Result<usize, Unfed> {
        let len = self.members();
        if len > 0 {
            self.refuse_depth()?;
        }
        self.around.push(Around::MayBeEmpty { place: self.place.clone() });
        self.json.push(bracket);
        Ok(len)
    }

    pub(super) fn close_sequence(&mut self, len: usize) {
        self.json.push(']');
        self.around.pop();
        self.merge_last(len, 1);
        let member = self.member_shape(len > 0);
        self.shapes.push(Json::Array(vec![member]));
    }

    pub(super) fn close_bytes(&mut self, len: usize) {
        self.json.push(']');
        self.around.pop();
        self.shapes.truncate(self.shapes.len() - len);
        self.shapes.push(leaf("bytes"));
    }

    /// Makes one shape of those of all members, each of which left so many.
    fn merge_last(&mut self, len: usize, each: usize) {
        for _ in 1..len {
            let other = self.shapes.split_off(self.shapes.len() - each);
            let first = self.shapes.len() - each;
            for (one, other) in self.shapes[first..].iter_mut().zip(other) {
                *one = merged(one.clone(), other);
            }
        }
    }

    pub(super) fn close_map(&mut self, len: usize) {
        self.json.push('}');
        self.around.pop();
        self.merge_last(len, 2);
        let value = self.member_shape(len > 0);
        let key = if len > 0 { self.pop_shape() } else { leaf("unknown") };
        self.shapes.push(special("$map", Json::Array(vec![key, value])));
    }

    pub(super) fn close_tuple(&mut self, len: usize) {
        self.json.push(']');
        let parts = self.shapes.split_off(self.shapes.len().saturating_sub(len));
        self.shapes.push(special("$tuple", Json::Array(parts)));
    }

    /// Begins a struct, and says which of its fields are given, in which order.
    pub(super) fn open_fields(&mut self, of: Type) -> Vec<&'static str> {
        let plan = self.plan;
        let names = || {
            let names = of.parts.iter().copied();
            names.filter(|field| !plan.aliases.contains_key(&(of, *field)))
        };
        let is_given = |field: &&'static str| {
            let sparse = plan.wanted == Wanted::Sparse && plan.optional.contains(&(of, *field));
            plan.left_out != Some((of, *field)) && !sparse
        };
        let mut given: Vec<&'static str> = names().filter(is_given).collect();
        given.sort_by_key(|field| !plan.ahead.contains(&(of, *field)));
        self.fields.extend(names().map(|field| (of, field)));
        self.json.push('{');
        given
    }

    pub(super) fn close_fields(&mut self, of: Type, given: &[&'static str]) {
        self.json.push('}');
        let shapes = self.shapes.split_off(self.shapes.len() - given.len());
        let plan = self.plan;
        let mut members: Vec<(String, Json)> = Vec::new();
        for (field, shape) in given.iter().zip(shapes) {
            let mut name = escaped(field);
            let here = plan.aliases.iter().filter(|((on, _), name)| *on == of && *name == field);
            for ((_, alias), _) in here {
                name = format!("{name}|{}", escaped(alias));
            }
            if plan.optional.contains(&(of, *field)) {
                name.push('?');
            }
            members.push((name, shape));
        }
        members.sort();
        self.shapes.push(Json::Object(members));
    }

    /// Begins an option, and says whether it holds something.
    pub(super) fn open_option(&mut self, role: Role) -> Result<bool, Unfed> {
        // The second member of a collection is `None` where the first is not.
        let is_second = self.place.ends_with("[1]") || self.place.ends_with("{1}");
        let number = self.nested_options;
        if role == Role::Optional {
            self.nested_options += 1;
        }
        let recursive = self.plan.recursive.get(&self.place).copied();
        let is_none = match self.plan.wanted {
            Wanted::Large | Wanted::Plain | Wanted::Sparse | Wanted::NotANumber(_) => false,
            Wanted::Small => is_second,
            Wanted::Empty => true,
            Wanted::SomeNone(wanted) => role == Role::Optional && number == wanted,
        };
        if is_none || recursive.is_some() {
            self.json.push_str("null");
            let content = match recursive {
                Some(name) => special("$recursive", Json::of_text(name)),
                None => leaf("unknown"),
            };
            self.shapes.push(special("$option", content));
            return Ok(false);
        }
        self.refuse_depth()?;
        self.around.push(Around::MayBeEmpty { place: self.place.clone() });
        Ok(true)
    }

    pub(super) fn close_option(&mut self) {
        self.around.pop();
        let content = self.pop_shape();
        self.shapes.push(special("$option", content));
    }

    /// Enters a struct, or another type that has a name.
    pub(super) fn open_type(&mut self, name: &'static str, of: Type) -> Result<(), Unfed> {
        self.enter(name, of)?;
        self.around.push(Around::Type { of, variant: None });
        Ok(())
    }

    pub(super) fn close_type(&mut self) {
        self.around.pop();
    }

    /// Begins an enum, and says which variant is given, and whether the enum is within itself.
    pub(super) fn open_enum(
        &mut self,
        name: &'static str,
        of: Type,
    ) -> Result<(&'static str, bool), Unfed> {
        if of.parts.is_empty() {
            return Err(Unfed::Other("an enum without variants has no value".to_string()));
        }
        let again = self.enter(name, of)?;
        let simple = self.plan.simple.get(&of).copied().unwrap_or(0);
        let chosen = self.plan.choices.get(&self.place).copied().unwrap_or(simple);
        let variant = again.unwrap_or(chosen.min(of.parts.len() - 1));
        if again.is_none() {
            let place = self.place.clone();
            self.enums.push(Met { place, of, chosen: variant, is_simple: false });
        }
        self.around.push(Around::Type { of, variant: Some(variant) });
        Ok((of.parts[variant], again.is_some()))
    }

    pub(super) fn close_enum(&mut self, name: &str, variant: &str, is_within_itself: bool) {
        self.around.pop();
        let content = self.pop_shape();
        self.shapes.push(match is_within_itself {
            true => special("$recursive", Json::of_text(name)),
            false => special("$variants", Json::Object(vec![(escaped(variant), content)])),
        });
    }
}
