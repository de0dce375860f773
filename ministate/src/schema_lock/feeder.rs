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

    /// Runs `feed` for a part of the value here.
    fn within<R>(&mut self, part: &str, feed: impl FnOnce(&mut Self) -> R) -> R {
        let length = self.place.len();
        if length > 0 && !part.starts_with(['[', '{']) {
            self.place.push('.');
        }
        self.place.push_str(part);
        let result = feed(self);
        self.place.truncate(length);
        result
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

impl Feeder<'_, '_> {
    /// Gives the chosen one of the values, and writes it.
    fn give<T, R>(
        self,
        name: &str,
        values: &[T],
        text: impl Fn(&T) -> String,
        visit: impl FnOnce(&T) -> Result<R, Unfed>,
    ) -> Result<R, Unfed> {
        let session = self.session;
        let value = &values[session.choose(values.len())];
        let text = text(value);
        let quoted = self.role == Role::Key && !text.starts_with('"');
        session.json.push_str(&if quoted { format!("\"{text}\"") } else { text });
        session.shapes.push(leaf(name));
        visit(value)
    }

    fn small(&self) -> bool {
        self.session.plan.wanted == Wanted::Small
    }

    fn give_text<R>(
        self,
        name: &str,
        visit: impl FnOnce(&str) -> Result<R, Unfed>,
    ) -> Result<R, Unfed> {
        let mut texts = TEXTS.to_vec();
        if self.small() && self.role != Role::Key {
            texts.insert(0, "");
        }
        self.give(name, &texts, |text| Json::of_text(text).to_string(), |text| visit(text))
    }

    fn give_float<'de, V: Visitor<'de>>(self, name: &str, visitor: V) -> Result<V::Value, Unfed> {
        let number = self.session.floats;
        self.session.floats += 1;
        if self.session.plan.wanted == Wanted::NotANumber(number) {
            self.session.json.push_str("null");
            self.session.shapes.push(leaf(name));
            return visitor.visit_f64(f64::NAN);
        }
        let values = if self.small() { [-0.5, 1.0, 0.0] } else { [0.1, 1.0, 0.0] };
        self.give(name, &values, |value| format!("{value:?}"), |value| visitor.visit_f64(*value))
    }

    fn give_tuple<'de, V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Unfed> {
        let session = self.session;
        session.json.push('[');
        let value = visitor.visit_seq(Elements { session, next: 0, len, tuple: true })?;
        session.json.push(']');
        let parts = session.shapes.split_off(session.shapes.len().saturating_sub(len));
        session.shapes.push(special("$tuple", Json::Array(parts)));
        Ok(value)
    }

    fn give_fields<'de, V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unfed> {
        let session = self.session;
        let plan = session.plan;
        let place = session.place.clone();
        let at = |field: &'static str| (place.clone(), field);
        let names = || {
            let names = fields.iter().copied();
            names.filter(|field| !plan.aliases.contains_key(&at(field)))
        };
        let mut given: Vec<&'static str> =
            names().filter(|field| plan.left_out.as_ref() != Some(&at(field))).collect();
        given.sort_by_key(|field| !plan.ahead.contains(&at(field)));
        session.fields.extend(names().map(at));
        session.json.push('{');
        let before = session.shapes.len();
        let mut fed = Fields { session, names: given.clone(), next: 0, struct_at: place.clone() };
        let value = visitor.visit_map(&mut fed)?;
        session.json.push('}');
        let shapes = session.shapes.split_off(before);
        let mut members: Vec<(String, Json)> = given
            .iter()
            .zip(shapes)
            .map(|(field, shape)| {
                let mut name = (*field).to_string();
                for ((_, alias), _) in
                    plan.aliases.iter().filter(|((of, _), name)| *of == place && *name == field)
                {
                    name = format!("{name}|{alias}");
                }
                if plan.optional.contains(&at(field)) {
                    name.push('?');
                }
                (name, shape)
            })
            .collect();
        members.sort();
        session.shapes.push(Json::Object(members));
        Ok(value)
    }
}

macro_rules! integers {
    ($($method:ident $visit:ident $type:ident $wide:ident;)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfed> {
            let extreme = if self.small() { $type::MIN } else { $type::MAX };
            let values = [extreme, 1, 0, 2, 12, 100];
            self.give(stringify!($type), &values, ToString::to_string, |value| {
                visitor.$visit($wide::from(*value))
            })
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

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfed> {
        let values = if self.small() { [false, true] } else { [true, false] };
        self.give("bool", &values, ToString::to_string, |value| visitor.visit_bool(*value))
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfed> {
        self.give_float("f32", visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfed> {
        self.give_float("f64", visitor)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfed> {
        let text = |text: &&str| Json::of_text(text).to_string();
        self.give("char", &["\u{e9}", "a"], text, |text| visitor.visit_str(text))
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfed> {
        self.give_text("string", |text| visitor.visit_str(text))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfed> {
        self.give_text("string", |text| visitor.visit_str(text))
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfed> {
        self.deserialize_byte_buf(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfed> {
        let session = self.session;
        session.json.push('[');
        let len = session.members();
        let value = visitor.visit_seq(Elements { session, next: 0, len, tuple: false })?;
        session.json.push(']');
        session.shapes.truncate(session.shapes.len() - len);
        session.shapes.push(leaf("bytes"));
        Ok(value)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfed> {
        let (session, role) = (self.session, self.role);
        let nested = session.nested_options;
        if role == Role::Optional {
            session.nested_options += 1;
        }
        let recursive = session.plan.recursive.get(&session.place).copied();
        let none = match session.plan.wanted {
            Wanted::Large | Wanted::NotANumber(_) => false,
            Wanted::Small => true,
            Wanted::SomeNone(number) => role == Role::Optional && number == nested,
        };
        if none || recursive.is_some() {
            session.json.push_str("null");
            let content = match recursive {
                Some(name) => special("$recursive", Json::of_text(name)),
                None => leaf("unknown"),
            };
            session.shapes.push(special("$option", content));
            return visitor.visit_none();
        }
        session.around.push(Around::MayBeEmpty { place: session.place.clone() });
        let value = visitor.visit_some(Feeder { session, role: Role::Optional })?;
        session.around.pop();
        let content = session.pop_shape();
        session.shapes.push(special("$option", content));
        Ok(value)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfed> {
        self.session.json.push_str("null");
        self.session.shapes.push(leaf("null"));
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
        let len = session.members();
        session.around.push(Around::MayBeEmpty { place: session.place.clone() });
        session.json.push('[');
        let value = visitor.visit_seq(Elements { session, next: 0, len, tuple: false })?;
        session.json.push(']');
        session.around.pop();
        session.shapes.truncate(session.shapes.len() - len.saturating_sub(1));
        let member = session.member_shape(len > 0);
        session.shapes.push(Json::Array(vec![member]));
        Ok(value)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Unfed> {
        self.give_tuple(len, visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Unfed> {
        self.give_tuple(len, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfed> {
        let session = self.session;
        let len = session.members().min(1);
        session.around.push(Around::MayBeEmpty { place: session.place.clone() });
        session.json.push('{');
        let value = visitor.visit_map(Entries { session, left: len })?;
        session.json.push('}');
        session.around.pop();
        let value_shape = session.member_shape(len > 0);
        let key_shape = if len > 0 { session.pop_shape() } else { leaf("unknown") };
        session.shapes.push(special("$map", Json::Array(vec![key_shape, value_shape])));
        Ok(value)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unfed> {
        if self.session.enter(name, fields)?.is_some() {
            return Err(Unfed::Recursive);
        }
        let session = self.session;
        // Structs without fields, and the contents of variants, cannot be told apart by them.
        let known = !name.is_empty() && !fields.is_empty();
        if known {
            let parts = fields.as_ptr();
            session.around.push(Around::Type { name, parts, variant: None });
        }
        let value = Feeder { session, role: self.role }.give_fields(fields, visitor)?;
        if known {
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
        if variants.is_empty() {
            return Err(Unfed::Other("an enum without variants has no value".to_string()));
        }
        let again = session.enter(name, variants)?;
        let chosen = session.plan.choices.get(&session.place).copied().unwrap_or(0);
        let variant = again.unwrap_or(chosen.min(variants.len() - 1));
        if again.is_none() {
            session.enums.push((session.place.clone(), variants, variant));
        }
        let parts = variants.as_ptr();
        session.around.push(Around::Type { name, parts, variant: Some(variant) });
        let value = visitor.visit_enum(Chosen { session, name: variants[variant] })?;
        session.around.pop();
        let content = session.pop_shape();
        session.shapes.push(match again {
            Some(_) => special("$recursive", Json::of_text(name)),
            None => {
                let content = (variants[variant].to_string(), content);
                special("$variants", Json::Object(vec![content]))
            }
        });
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
    tuple: bool,
}

impl<'de> SeqAccess<'de> for Elements<'_, '_> {
    type Error = Unfed;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Unfed> {
        if self.next == self.len {
            return Ok(None);
        }
        if self.next > 0 {
            self.session.json.push(',');
        }
        let place = if self.tuple { self.next.to_string() } else { "[]".to_string() };
        self.next += 1;
        self.session.within(&place, |session| seed.deserialize(session.feeder())).map(Some)
    }
}

/// The fields of a struct.
struct Fields<'s, 'a> {
    session: &'s mut Session<'a>,
    names: Vec<&'static str>,
    next: usize,
    struct_at: String,
}

impl<'de> MapAccess<'de> for &mut Fields<'_, '_> {
    type Error = Unfed;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Unfed> {
        let Some(name) = self.names.get(self.next).copied() else { return Ok(None) };
        let comma = if self.next > 0 { "," } else { "" };
        self.session.json.push_str(&format!("{comma}{}:", Json::of_text(name)));
        self.session.last_field = Some((self.struct_at.clone(), name));
        seed.deserialize(de::value::StrDeserializer::new(name)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Unfed> {
        let name = self.names[self.next];
        self.next += 1;
        self.session.within(name, |session| seed.deserialize(session.feeder()))
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
        let key = self
            .session
            .within("{key}", |session| seed.deserialize(Feeder { session, role: Role::Key }))?;
        self.session.json.push(':');
        Ok(Some(key))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Unfed> {
        self.session.within("{}", |session| seed.deserialize(session.feeder()))
    }
}

/// The chosen variant of an enum.
struct Chosen<'s, 'a> {
    session: &'s mut Session<'a>,
    name: &'static str,
}

impl<'s, 'a> Chosen<'s, 'a> {
    /// Feeds the content between `{"Name":` and `}`.
    fn content<R>(self, feed: impl FnOnce(Feeder<'_, 'a>) -> Result<R, Unfed>) -> Result<R, Unfed> {
        let name = Json::of_text(self.name);
        self.session.json.push_str(&format!("{{{name}:"));
        let value = self.session.within(self.name, |session| feed(session.feeder()))?;
        self.session.json.push('}');
        Ok(value)
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

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Unfed> {
        self.content(|feeder| seed.deserialize(feeder))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Unfed> {
        self.content(|feeder| feeder.give_tuple(len, visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unfed> {
        self.content(|feeder| feeder.give_fields(fields, visitor))
    }
}
