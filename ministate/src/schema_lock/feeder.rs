//! A deserializer that makes values up: it gives a type whatever the type asks for.
//!
//! It keeps the JSON that would have given the same, and the shape of what was asked. A value that
//! a type turns down is an error; the interrogation learns from it, and asks again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor,
};

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
    plan: &'a Plan,
    place: String,
    around: Vec<Around>,
    json: String,
    shapes: Vec<Json>,
    enums: Vec<(String, &'static [&'static str], usize)>,
    fields: Vec<(String, &'static str)>,
    floats: usize,
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
        Feeder { session: self, role: Role::Value }
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
    fn step_into(&mut self, part: &str) -> usize {
        let around = self.place.len();
        if around > 0 && !part.starts_with(['[', '{']) {
            self.place.push('.');
        }
        self.place.push_str(part);
        around
    }

    /// The place's choice among `count` values.
    fn choose(&mut self, count: usize) -> usize {
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
enum Role {
    Value,
    /// The content of an option.
    Optional,
    /// A key of a map, which JSON writes as a string.
    Key,
}

/// Gives one value.
#[derive(Debug)]
pub struct Feeder<'s, 'a> {
    session: &'s mut Session<'a>,
    role: Role,
}

fn leaf(name: &str) -> Json {
    Json::of_text(name)
}

fn special(kind: &str, content: Json) -> Json {
    Json::Object(vec![(kind.to_string(), content)])
}

/// Texts that types of the kind that is written as a string may take.
const TEXTS: &[&str] = &[
    "t\u{e9}\"xt",
    "2026-11-22T11:27:00Z",
    "2026-11-22",
    "11:27:00",
    "2026-11-22T11:27:00",
    "67e55044-10b1-426f-9247-bb680e5fe0c8",
    "127.0.0.1",
    "::1",
    "127.0.0.1:80",
    "[::1]:80",
    "1.2.3",
    "1",
    "0.1",
    "1s",
    "a",
    "A",
    "EUR",
    "en",
    "https://example.org/",
    "ann@example.org",
    "UTC",
    "true",
    "00",
];

// What does not hang on the visitor has functions of its own: a visitor is a type, and each type of
// an application has some.
impl Feeder<'_, '_> {
    fn is_small(&self) -> bool {
        self.session.plan.wanted == Wanted::Small
    }

    /// Writes the chosen one of the texts, and says which it is.
    fn write(&mut self, shape: &str, texts: &[String]) -> usize {
        let choice = self.session.choose(texts.len());
        let text = &texts[choice];
        if self.role == Role::Key && !text.starts_with('"') {
            self.session.json.push_str(&format!("\"{text}\""));
        } else {
            self.session.json.push_str(text);
        }
        self.session.shapes.push(leaf(shape));
        choice
    }

    fn pick<T: Copy + fmt::Debug>(&mut self, shape: &str, values: &[T]) -> T {
        let texts: Vec<String> = values.iter().map(|value| format!("{value:?}")).collect();
        values[self.write(shape, &texts)]
    }

    fn pick_integer<T>(&mut self, shape: &str, smallest: T, largest: T) -> T
    where
        T: Copy + fmt::Debug + From<u8>,
    {
        let extreme = if self.is_small() { smallest } else { largest };
        self.pick(shape, &[extreme, 1.into(), 0.into(), 2.into(), 12.into(), 100.into()])
    }

    fn pick_float(&mut self, shape: &str) -> f64 {
        let number = self.session.floats;
        self.session.floats += 1;
        if self.session.plan.wanted == Wanted::NotANumber(number) {
            self.session.json.push_str("null");
            self.session.shapes.push(leaf(shape));
            return f64::NAN;
        }
        self.pick(shape, if self.is_small() { &[-0.5, 1.0, 0.0] } else { &[0.1, 1.0, 0.0] })
    }

    fn pick_text(&mut self, shape: &str, texts: &[&'static str]) -> &'static str {
        let mut texts = texts.to_vec();
        if self.is_small() && self.role != Role::Key && shape == "string" {
            texts.insert(0, "");
        }
        let quoted: Vec<String> =
            texts.iter().map(|text| Json::of_text(text).to_string()).collect();
        texts[self.write(shape, &quoted)]
    }

    fn write_null(&mut self) {
        self.session.json.push_str("null");
        self.session.shapes.push(leaf("null"));
    }
}

impl<'a> Session<'a> {
    /// Begins a sequence or a map, and says how many members it has.
    fn open(&mut self, bracket: char) -> usize {
        let len = self.members();
        self.around.push(Around::MayBeEmpty { place: self.place.clone() });
        self.json.push(bracket);
        len
    }

    fn close_sequence(&mut self, len: usize) {
        self.json.push(']');
        self.around.pop();
        self.shapes.truncate(self.shapes.len() - len.saturating_sub(1));
        let member = self.member_shape(len > 0);
        self.shapes.push(Json::Array(vec![member]));
    }

    fn close_bytes(&mut self, len: usize) {
        self.json.push(']');
        self.around.pop();
        self.shapes.truncate(self.shapes.len() - len);
        self.shapes.push(leaf("bytes"));
    }

    fn close_map(&mut self, len: usize) {
        self.json.push('}');
        self.around.pop();
        let value = self.member_shape(len > 0);
        let key = if len > 0 { self.pop_shape() } else { leaf("unknown") };
        self.shapes.push(special("$map", Json::Array(vec![key, value])));
    }

    fn close_tuple(&mut self, len: usize) {
        self.json.push(']');
        let parts = self.shapes.split_off(self.shapes.len().saturating_sub(len));
        self.shapes.push(special("$tuple", Json::Array(parts)));
    }

    /// Begins a struct, and says which of its fields are given, in which order.
    fn open_fields(&mut self, fields: &'static [&'static str]) -> Vec<&'static str> {
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

    fn close_fields(&mut self, given: &[&'static str]) {
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
    fn open_option(&mut self, role: Role) -> bool {
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

    fn close_option(&mut self) {
        self.around.pop();
        let content = self.pop_shape();
        self.shapes.push(special("$option", content));
    }

    /// Begins a struct that has a name. Those without fields, and the contents of variants, cannot
    /// be told apart by them.
    fn open_struct(
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

    /// Begins an enum, and says which variant is given, and whether the enum is within itself.
    fn open_enum(
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

    fn close_enum(&mut self, name: &str, variant: &str, is_within_itself: bool) {
        self.around.pop();
        let content = self.pop_shape();
        self.shapes.push(match is_within_itself {
            true => special("$recursive", Json::of_text(name)),
            false => special("$variants", Json::Object(vec![(variant.to_string(), content)])),
        });
    }
}

macro_rules! integers {
    ($($method:ident $visit:ident $type:ident $wide:ident;)*) => {
        $(fn $method<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Unfed> {
            let (smallest, largest) = ($wide::from($type::MIN), $wide::from($type::MAX));
            visitor.$visit(self.pick_integer(stringify!($type), smallest, largest))
        })*
    };
}

impl<'de> Deserializer<'de> for Feeder<'_, '_> {
    type Error = Unfed;

    integers! {
        deserialize_i8 visit_i64 i8 i64;
        deserialize_i16 visit_i64 i16 i64;
        deserialize_i32 visit_i64 i32 i64;
        deserialize_i64 visit_i64 i64 i64;
        deserialize_i128 visit_i128 i128 i128;
        deserialize_u8 visit_u64 u8 u64;
        deserialize_u16 visit_u64 u16 u64;
        deserialize_u32 visit_u64 u32 u64;
        deserialize_u64 visit_u64 u64 u64;
        deserialize_u128 visit_u128 u128 u128;
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfed> {
        self.session.json.push_str("\"any\"");
        self.session.shapes.push(leaf("any"));
        visitor.visit_str("any").map_err(|_: Unfed| Unfed::Opaque)
    }

    fn deserialize_bool<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Unfed> {
        let values = if self.is_small() { [false, true] } else { [true, false] };
        visitor.visit_bool(self.pick("bool", &values))
    }

    fn deserialize_f32<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Unfed> {
        visitor.visit_f64(self.pick_float("f32"))
    }

    fn deserialize_f64<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Unfed> {
        visitor.visit_f64(self.pick_float("f64"))
    }

    fn deserialize_char<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Unfed> {
        visitor.visit_str(self.pick_text("char", &["\u{e9}", "a"]))
    }

    fn deserialize_str<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Unfed> {
        visitor.visit_str(self.pick_text("string", TEXTS))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfed> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfed> {
        self.deserialize_byte_buf(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfed> {
        let session = self.session;
        let len = session.open('[');
        let value = visitor.visit_seq(Elements { session, next: 0, len, kind: Kind::List })?;
        session.close_bytes(len);
        Ok(value)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfed> {
        let session = self.session;
        if !session.open_option(self.role) {
            return visitor.visit_none();
        }
        let value = visitor.visit_some(Feeder { session, role: Role::Optional })?;
        session.close_option();
        Ok(value)
    }

    fn deserialize_unit<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Unfed> {
        self.write_null();
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unfed> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unfed> {
        // What serde_json calls raw JSON asks for it by this name.
        if name == "$serde_json::private::RawValue" {
            self.session.json.push('7');
            self.session.shapes.push(leaf("any"));
            let raw = std::iter::once((name, "7"));
            return visitor.visit_map(de::value::MapDeserializer::<_, Unfed>::new(raw));
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfed> {
        let session = self.session;
        let len = session.open('[');
        let value = visitor.visit_seq(Elements { session, next: 0, len, kind: Kind::List })?;
        session.close_sequence(len);
        Ok(value)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Unfed> {
        let session = self.session;
        session.json.push('[');
        let value = visitor.visit_seq(Elements { session, next: 0, len, kind: Kind::Tuple })?;
        session.close_tuple(len);
        Ok(value)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Unfed> {
        self.deserialize_tuple(len, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfed> {
        let session = self.session;
        let len = session.open('{').min(1);
        let value = visitor.visit_map(Entries { session, left: len })?;
        session.close_map(len);
        Ok(value)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unfed> {
        let session = self.session;
        let is_known = session.open_struct(name, fields)?;
        let given = session.open_fields(fields);
        let mut fed = Fields { session, names: &given, next: 0 };
        let value = visitor.visit_map(&mut fed)?;
        session.close_fields(&given);
        if is_known {
            session.around.pop();
        }
        Ok(value)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unfed> {
        let session = self.session;
        let (variant, is_within_itself) = session.open_enum(name, variants)?;
        let value = visitor.visit_enum(Chosen { session, name: variant })?;
        session.close_enum(name, variant, is_within_itself);
        Ok(value)
    }

    /// Asked for a key of something that is flattened: which ones there are stays unsaid.
    fn deserialize_identifier<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Unfed> {
        Err(Unfed::Opaque)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfed> {
        self.deserialize_unit(visitor)
    }
}

/// The members of a sequence or a tuple.
struct Elements<'s, 'a> {
    session: &'s mut Session<'a>,
    next: usize,
    len: usize,
    kind: Kind,
}

/// Whether members are told apart by their place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    List,
    Tuple,
}

impl Elements<'_, '_> {
    /// The place of the next member, if there is one.
    fn next_place(&mut self) -> Option<String> {
        if self.next == self.len {
            return None;
        }
        if self.next > 0 {
            self.session.json.push(',');
        }
        self.next += 1;
        Some(match self.kind {
            Kind::List => "[]".to_string(),
            Kind::Tuple => (self.next - 1).to_string(),
        })
    }
}

impl<'de> SeqAccess<'de> for Elements<'_, '_> {
    type Error = Unfed;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Unfed> {
        let Some(place) = self.next_place() else { return Ok(None) };
        let around = self.session.step_into(&place);
        let value = seed.deserialize(self.session.feeder())?;
        self.session.place.truncate(around);
        Ok(Some(value))
    }
}

/// The fields of a struct.
struct Fields<'s, 'a> {
    session: &'s mut Session<'a>,
    names: &'s [&'static str],
    next: usize,
}

impl Fields<'_, '_> {
    fn next_name(&mut self) -> Option<&'static str> {
        let name = self.names.get(self.next).copied()?;
        let comma = if self.next > 0 { "," } else { "" };
        self.session.json.push_str(&format!("{comma}{}:", Json::of_text(name)));
        self.session.last_field = Some((self.session.place.clone(), name));
        Some(name)
    }
}

impl<'de> MapAccess<'de> for &mut Fields<'_, '_> {
    type Error = Unfed;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Unfed> {
        let Some(name) = self.next_name() else { return Ok(None) };
        seed.deserialize(de::value::StrDeserializer::new(name)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Unfed> {
        let name = self.names[self.next];
        self.next += 1;
        let around = self.session.step_into(name);
        let value = seed.deserialize(self.session.feeder())?;
        self.session.place.truncate(around);
        Ok(value)
    }
}

/// The entries of a map.
struct Entries<'s, 'a> {
    session: &'s mut Session<'a>,
    left: usize,
}

impl<'de> MapAccess<'de> for Entries<'_, '_> {
    type Error = Unfed;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Unfed> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let around = self.session.step_into("{key}");
        let key = seed.deserialize(Feeder { session: self.session, role: Role::Key })?;
        self.session.place.truncate(around);
        self.session.json.push(':');
        Ok(Some(key))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Unfed> {
        let around = self.session.step_into("{}");
        let value = seed.deserialize(self.session.feeder())?;
        self.session.place.truncate(around);
        Ok(value)
    }
}

/// The chosen variant of an enum.
struct Chosen<'s, 'a> {
    session: &'s mut Session<'a>,
    name: &'static str,
}

impl Chosen<'_, '_> {
    /// Begins the content, and says how long the place around it is.
    fn open_content(&mut self) -> usize {
        let name = Json::of_text(self.name);
        self.session.json.push_str(&format!("{{{name}:"));
        self.session.step_into(self.name)
    }

    fn close_content(&mut self, around: usize) {
        self.session.json.push('}');
        self.session.place.truncate(around);
    }
}

impl<'de> EnumAccess<'de> for Chosen<'_, '_> {
    type Error = Unfed;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Unfed> {
        let name = de::value::StrDeserializer::<Unfed>::new(self.name);
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> VariantAccess<'de> for Chosen<'_, '_> {
    type Error = Unfed;

    fn unit_variant(self) -> Result<(), Unfed> {
        self.session.json.push_str(&Json::of_text(self.name).to_string());
        self.session.shapes.push(leaf("null"));
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(mut self, seed: T) -> Result<T::Value, Unfed> {
        let around = self.open_content();
        let value = seed.deserialize(self.session.feeder())?;
        self.close_content(around);
        Ok(value)
    }

    fn tuple_variant<V: Visitor<'de>>(mut self, len: usize, visitor: V) -> Result<V::Value, Unfed> {
        let around = self.open_content();
        let value = self.session.feeder().deserialize_tuple(len, visitor)?;
        self.close_content(around);
        Ok(value)
    }

    fn struct_variant<V: Visitor<'de>>(
        mut self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unfed> {
        let around = self.open_content();
        let value = self.session.feeder().deserialize_struct("", fields, visitor)?;
        self.close_content(around);
        Ok(value)
    }
}
