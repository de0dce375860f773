//! What has been fed to a type so far, and what comes next: all that does not hang on the type.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de;

use super::feeder::Feeder;
use crate::json::Json;

/// What is known of a type, and which of its values is wanted.
#[derive(Debug, Clone, Default)]
pub(super) struct Plan {
    pub(super) wanted: Wanted,
    /// Which variant of the enum at a place.
    pub(super) choices: BTreeMap<String, usize>,
    /// Which of the values for the place; others were turned down.
    pub(super) candidates: BTreeMap<String, usize>,
    /// Further names of a field: of the struct at a place, the alias and the name.
    pub(super) aliases: BTreeMap<(String, &'static str), &'static str>,
    /// Fields that are given before the others.
    pub(super) ahead: BTreeSet<(String, &'static str)>,
    /// The field of the struct at a place that is left out.
    pub(super) left_out: Option<(String, &'static str)>,
    /// Fields that may be left out.
    pub(super) optional: BTreeSet<(String, &'static str)>,
    /// Options, sequences and maps that are left empty, since they hold the type around them.
    pub(super) recursive: BTreeMap<String, &'static str>,
}

/// Which values are fed where there is a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Wanted {
    /// The largest numbers, `Some`, one member in each collection.
    #[default]
    Large,
    /// The smallest numbers, `None`, empty collections.
    Small,
    /// As large, but the float with this number is not one.
    NotANumber(usize),
    /// As large, but the option of an option with this number is `Some(None)`.
    SomeNone(usize),
}

/// What a run of the feeder leaves.
#[derive(Debug)]
pub(super) struct Fed {
    pub(super) json: String,
    pub(super) shape: Json,
    /// The enums that were met, with the number of their variants and the one chosen.
    pub(super) enums: Vec<(String, &'static [&'static str], usize)>,
    /// The fields of structs that were met.
    pub(super) fields: Vec<(String, &'static str)>,
    pub(super) floats: usize,
    pub(super) nested_options: usize,
}

/// Why a type did not take what it was fed.
#[derive(Debug, Clone)]
pub enum Unfed {
    /// Of these fields of the same struct, two are one.
    Duplicate(&'static str),
    /// The field is required.
    Missing(&'static str),
    /// The type holds itself: what is around it has been noted.
    Recursive,
    /// The type takes more than one form here, and does not say which.
    Opaque,
    /// The value was turned down.
    Other(String),
}

impl fmt::Display for Unfed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unfed::Duplicate(field) => write!(f, "duplicate field `{field}`"),
            Unfed::Missing(field) => write!(f, "missing field `{field}`"),
            Unfed::Recursive => f.write_str("the type holds itself without an end"),
            Unfed::Opaque => f.write_str("the type does not say what it takes"),
            Unfed::Other(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for Unfed {}

impl de::Error for Unfed {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Unfed::Other(message.to_string())
    }

    fn missing_field(field: &'static str) -> Self {
        Unfed::Missing(field)
    }

    fn duplicate_field(field: &'static str) -> Self {
        Unfed::Duplicate(field)
    }
}

/// One run: what was fed so far, and where the type is.
#[derive(Debug)]
pub(super) struct Session<'a> {
    pub(super) plan: &'a Plan,
    pub(super) place: String,
    around: Vec<Around>,
    pub(super) json: String,
    pub(super) shapes: Vec<Json>,
    enums: Vec<(String, &'static [&'static str], usize)>,
    fields: Vec<(String, &'static str)>,
    pub(super) floats: usize,
    nested_options: usize,
    /// The last value, or count of members, that was chosen: what a refusal is about.
    pub(super) last_choice: Option<String>,
    /// The last field that was given, and of which struct.
    pub(super) last_field: Option<(String, &'static str)>,
    /// Where to leave out what would hold itself.
    pub(super) escape: Option<(String, &'static str)>,
}

/// What encloses the place.
#[derive(Debug)]
enum Around {
    /// A struct, or an enum with its chosen variant; known by its name and its parts.
    Type { name: &'static str, parts: *const &'static str, variant: Option<usize> },
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
            floats: 0,
            nested_options: 0,
            last_choice: None,
            last_field: None,
            escape: None,
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
        self.plan.candidates.get(&self.place).copied().unwrap_or(0).min(count - 1)
    }

    fn pop_shape(&mut self) -> Json {
        self.shapes.pop().unwrap_or_else(|| leaf("null"))
    }

    /// How often a collection repeats its member: mostly once, or not at all.
    fn members(&mut self) -> usize {
        if self.plan.recursive.contains_key(&self.place) {
            return 0;
        }
        let choices: [usize; 4] = match self.plan.wanted {
            Wanted::Small => [0, 1, 2, 3],
            Wanted::Large | Wanted::NotANumber(_) | Wanted::SomeNone(_) => [1, 0, 2, 3],
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

    /// Notes that a type is entered again from within itself. `Ok` with a variant to choose where
    /// that ends it.
    fn enter(
        &mut self,
        name: &'static str,
        parts: &'static [&'static str],
    ) -> Result<Option<usize>, Unfed> {
        let same = |around: &Around| match around {
            Around::Type { name: other, parts: those, .. } => {
                *other == name && *those == parts.as_ptr()
            }
            Around::MayBeEmpty { .. } => false,
        };
        let Some(outer) = self.around.iter().rposition(same) else { return Ok(None) };
        let escape = self.around[outer..].iter().rev().find_map(|around| match around {
            Around::MayBeEmpty { place } => Some(place.clone()),
            Around::Type { .. } => None,
        });
        if let Some(place) = escape {
            self.escape = Some((place, name));
            return Err(Unfed::Recursive);
        }
        let taken: Vec<usize> = self
            .around
            .iter()
            .filter(|around| same(around))
            .filter_map(|around| match around {
                Around::Type { variant, .. } => *variant,
                Around::MayBeEmpty { .. } => None,
            })
            .collect();
        match (0..parts.len()).find(|variant| !taken.contains(variant)) {
            Some(variant) if !taken.is_empty() => Ok(Some(variant)),
            Some(_) | None => Err(Unfed::Recursive),
        }
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
    pub(super) fn open(&mut self, bracket: char) -> usize {
        let len = self.members();
        self.around.push(Around::MayBeEmpty { place: self.place.clone() });
        self.json.push(bracket);
        len
    }

    pub(super) fn close_sequence(&mut self, len: usize) {
        self.json.push(']');
        self.around.pop();
        self.shapes.truncate(self.shapes.len() - len.saturating_sub(1));
        let member = self.member_shape(len > 0);
        self.shapes.push(Json::Array(vec![member]));
    }

    pub(super) fn close_bytes(&mut self, len: usize) {
        self.json.push(']');
        self.around.pop();
        self.shapes.truncate(self.shapes.len() - len);
        self.shapes.push(leaf("bytes"));
    }

    pub(super) fn close_map(&mut self, len: usize) {
        self.json.push('}');
        self.around.pop();
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
    pub(super) fn open_fields(&mut self, fields: &'static [&'static str]) -> Vec<&'static str> {
        let (plan, place) = (self.plan, self.place.clone());
        let at = |field: &'static str| (place.clone(), field);
        let names = || {
            let names = fields.iter().copied();
            names.filter(|field| !plan.aliases.contains_key(&at(field)))
        };
        let is_given = |field: &&'static str| plan.left_out.as_ref() != Some(&at(field));
        let mut given: Vec<&'static str> = names().filter(is_given).collect();
        given.sort_by_key(|field| !plan.ahead.contains(&at(field)));
        self.fields.extend(names().map(at));
        self.json.push('{');
        given
    }

    pub(super) fn close_fields(&mut self, given: &[&'static str]) {
        self.json.push('}');
        let shapes = self.shapes.split_off(self.shapes.len() - given.len());
        let (plan, place) = (self.plan, &self.place);
        let mut members: Vec<(String, Json)> = Vec::new();
        for (field, shape) in given.iter().zip(shapes) {
            let mut name = (*field).to_string();
            let here = plan.aliases.iter().filter(|((of, _), name)| of == place && *name == field);
            for ((_, alias), _) in here {
                name = format!("{name}|{alias}");
            }
            if plan.optional.contains(&(place.clone(), *field)) {
                name.push('?');
            }
            members.push((name, shape));
        }
        members.sort();
        self.shapes.push(Json::Object(members));
    }

    /// Begins an option, and says whether it holds something.
    pub(super) fn open_option(&mut self, role: Role) -> bool {
        let number = self.nested_options;
        if role == Role::Optional {
            self.nested_options += 1;
        }
        let recursive = self.plan.recursive.get(&self.place).copied();
        let is_none = match self.plan.wanted {
            Wanted::Large | Wanted::NotANumber(_) => false,
            Wanted::Small => true,
            Wanted::SomeNone(wanted) => role == Role::Optional && number == wanted,
        };
        if is_none || recursive.is_some() {
            self.json.push_str("null");
            let content = match recursive {
                Some(name) => special("$recursive", Json::of_text(name)),
                None => leaf("unknown"),
            };
            self.shapes.push(special("$option", content));
            return false;
        }
        self.around.push(Around::MayBeEmpty { place: self.place.clone() });
        true
    }

    pub(super) fn close_option(&mut self) {
        self.around.pop();
        let content = self.pop_shape();
        self.shapes.push(special("$option", content));
    }

    /// Begins a struct that has a name. Those without fields, and the contents of variants, cannot
    /// be told apart by them.
    pub(super) fn open_struct(
        &mut self,
        name: &'static str,
        fields: &'static [&'static str],
    ) -> Result<bool, Unfed> {
        if self.enter(name, fields)?.is_some() {
            return Err(Unfed::Recursive);
        }
        let is_known = !name.is_empty() && !fields.is_empty();
        if is_known {
            self.around.push(Around::Type { name, parts: fields.as_ptr(), variant: None });
        }
        Ok(is_known)
    }

    pub(super) fn close_struct(&mut self, is_known: bool) {
        if is_known {
            self.around.pop();
        }
    }

    /// Begins an enum, and says which variant is given, and whether the enum is within itself.
    pub(super) fn open_enum(
        &mut self,
        name: &'static str,
        variants: &'static [&'static str],
    ) -> Result<(&'static str, bool), Unfed> {
        if variants.is_empty() {
            return Err(Unfed::Other("an enum without variants has no value".to_string()));
        }
        let again = self.enter(name, variants)?;
        let chosen = self.plan.choices.get(&self.place).copied().unwrap_or(0);
        let variant = again.unwrap_or(chosen.min(variants.len() - 1));
        if again.is_none() {
            self.enums.push((self.place.clone(), variants, variant));
        }
        let parts = variants.as_ptr();
        self.around.push(Around::Type { name, parts, variant: Some(variant) });
        Ok((variants[variant], again.is_some()))
    }

    pub(super) fn close_enum(&mut self, name: &str, variant: &str, is_within_itself: bool) {
        self.around.pop();
        let content = self.pop_shape();
        self.shapes.push(match is_within_itself {
            true => special("$recursive", Json::of_text(name)),
            false => special("$variants", Json::Object(vec![(variant.to_string(), content)])),
        });
    }
}

pub(super) fn leaf(name: &str) -> Json {
    Json::of_text(name)
}

fn special(kind: &str, content: Json) -> Json {
    Json::Object(vec![(kind.to_string(), content)])
}
