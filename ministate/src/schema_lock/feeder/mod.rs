//! A deserializer that makes values up: it gives a type whatever the type asks for.
//!
//! It keeps the JSON that would have given the same, and the shape of what was asked. A value that
//! a type turns down is an error; the interrogation learns from it, and asks again.

mod parts;

use std::any::type_name;
use std::fmt;
use std::ops::{Add, Sub};

use serde::de::{self, Deserializer, Visitor};

use parts::{Chosen, Elements, Entries, Fields, Kind};

use super::plan::{Anything, Type, Unfed, Wanted};
use super::session::{Role, Session};
use super::shape::leaf;
use crate::json::Json;

/// Gives one value.
#[derive(Debug)]
pub struct Feeder<'s, 'a> {
    session: &'s mut Session<'a>,
    role: Role,
}

/// Texts that types of the kind that is written as a string may take.
const TEXTS: &[&str] = &[
    "2026-11-22T11:27:00.123456789+02:00",
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
    "Mon",
    "January",
    "true",
    "00",
];

impl<'s, 'a> Feeder<'s, 'a> {
    pub(super) fn new(session: &'s mut Session<'a>) -> Self {
        Feeder { session, role: Role::Value }
    }
}

// What does not hang on the visitor has functions of its own: a visitor is a type, and each type of
// an application has some.
impl Feeder<'_, '_> {
    fn is_small(&self) -> bool {
        matches!(self.session.plan.wanted, Wanted::Small | Wanted::Empty)
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
        T: Copy + fmt::Debug + From<u8> + Add<Output = T> + Sub<Output = T>,
    {
        // Fits into each integer type, counted from either end of it.
        let number = T::from((self.session.number() % 100) as u8);
        let first = match self.session.plan.wanted {
            Wanted::Large | Wanted::NotANumber(_) | Wanted::SomeNone(_) => largest - number,
            Wanted::Small | Wanted::Empty => smallest + number,
            Wanted::Plain | Wanted::Sparse => T::from(1) + number,
        };
        let others = [1, 0, 2, 12, 50, 100].map(T::from);
        self.pick(shape, &[first, others[0], others[1], others[2], others[3], others[4], others[5]])
    }

    fn pick_bool(&mut self) -> bool {
        let is_even = self.session.number().is_multiple_of(2);
        let first = is_even != self.is_small();
        self.pick("bool", &[first, !first])
    }

    fn pick_float(&mut self, shape: &str) -> f64 {
        let float = self.session.floats;
        self.session.floats += 1;
        if self.session.plan.wanted == Wanted::NotANumber(float) {
            self.session.json.push_str("null");
            self.session.shapes.push(leaf(shape));
            return f64::NAN;
        }
        // A third has as many digits as there is room for, so that one of fewer bits shows.
        let part = if shape == "f64" { 1.0 / 3.0 } else { 0.25 };
        let first = part + (self.session.number() % 100) as f64;
        self.pick(shape, &[if self.is_small() { -first } else { first }, 1.0, 0.0])
    }

    fn pick_char(&mut self) -> String {
        let letter = match self.session.number() % 20 {
            0 => '\u{e9}',
            number => char::from(b'a' + number as u8),
        };
        self.pick_text("char", vec![letter.to_string(), "a".to_string()])
    }

    fn pick_string(&mut self) -> String {
        let number = self.session.number();
        let first = match self.session.plan.wanted {
            Wanted::Large | Wanted::NotANumber(_) | Wanted::SomeNone(_) if number == 0 => {
                "t\u{e9}\"xt".to_string()
            }
            Wanted::Large | Wanted::NotANumber(_) | Wanted::SomeNone(_) => {
                format!("t\u{e9}\"xt {number}")
            }
            Wanted::Small | Wanted::Empty if number == 0 && self.role != Role::Key => String::new(),
            Wanted::Small | Wanted::Empty => number.to_string(),
            Wanted::Plain | Wanted::Sparse => format!("text {number}"),
        };
        let others = TEXTS.iter().map(|text| (*text).to_string());
        self.pick_text("string", std::iter::once(first).chain(others).collect())
    }

    fn pick_text(&mut self, shape: &str, mut texts: Vec<String>) -> String {
        let quoted: Vec<String> =
            texts.iter().map(|text| Json::of_text(text).to_string()).collect();
        texts.swap_remove(self.write(shape, &quoted))
    }

    fn write_null(&mut self) {
        self.session.json.push_str("null");
        self.session.shapes.push(leaf("null"));
    }
}

/// The type that the visitor reads.
fn type_of<V>(parts: &'static [&'static str]) -> Type {
    Type { visitor: type_name::<V>(), parts }
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

    /// What takes anything takes each of these; what does not has a shape that it does not tell.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfed> {
        let session = self.session;
        session.shapes.push(leaf("any"));
        session.last_anything = Some(session.place.clone());
        session.takes_anything = true;
        let wanted = match session.plan.wanted {
            Wanted::Large | Wanted::NotANumber(_) | Wanted::SomeNone(_) => Anything::Text,
            Wanted::Small => Anything::Integer,
            Wanted::Empty => Anything::Null,
            Wanted::Plain => Anything::Float,
            Wanted::Sparse => Anything::Bool,
        };
        let (text, taken) = match session.plan.anything.unwrap_or(wanted) {
            Anything::Text => ("\"any\"", visitor.visit_str("any")),
            Anything::Integer => ("-1", visitor.visit_i64(-1)),
            Anything::Null => ("null", visitor.visit_unit()),
            Anything::Float => ("0.5", visitor.visit_f64(0.5)),
            Anything::Bool => ("true", visitor.visit_bool(true)),
            Anything::List => {
                let list = de::value::SeqDeserializer::<_, Unfed>::new(std::iter::once("any"));
                ("[\"any\"]", visitor.visit_seq(list))
            }
            Anything::Map => {
                let entry = std::iter::once(("any", "any"));
                let map = de::value::MapDeserializer::<_, Unfed>::new(entry);
                ("{\"any\":\"any\"}", visitor.visit_map(map))
            }
        };
        session.json.push_str(text);
        taken.map_err(|_: Unfed| Unfed::Opaque)
    }

    fn deserialize_bool<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Unfed> {
        visitor.visit_bool(self.pick_bool())
    }

    fn deserialize_f32<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Unfed> {
        visitor.visit_f64(self.pick_float("f32"))
    }

    fn deserialize_f64<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Unfed> {
        visitor.visit_f64(self.pick_float("f64"))
    }

    fn deserialize_char<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Unfed> {
        visitor.visit_str(&self.pick_char())
    }

    fn deserialize_str<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Unfed> {
        visitor.visit_str(&self.pick_string())
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfed> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfed> {
        self.deserialize_byte_buf(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfed> {
        let session = self.session;
        let len = session.open('[')?;
        let value = visitor.visit_seq(Elements { session, next: 0, len, kind: Kind::List })?;
        session.close_bytes(len);
        Ok(value)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfed> {
        let session = self.session;
        if !session.open_option(self.role)? {
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
            const RAW: &str = r#"{"raw":[7]}"#;
            self.session.json.push_str(RAW);
            self.session.shapes.push(leaf("any"));
            let raw = std::iter::once((name, RAW));
            return visitor.visit_map(de::value::MapDeserializer::<_, Unfed>::new(raw));
        }
        let session = self.session;
        session.open_type(name, type_of::<V>(&[]))?;
        let value = visitor.visit_newtype_struct(Feeder { session, role: self.role })?;
        session.close_type();
        Ok(value)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfed> {
        let session = self.session;
        let len = session.open('[')?;
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
        name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Unfed> {
        let session = self.session;
        session.open_type(name, type_of::<V>(&[]))?;
        let value = Feeder { session, role: self.role }.deserialize_tuple(len, visitor)?;
        session.close_type();
        Ok(value)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfed> {
        let session = self.session;
        let len = session.open('{')?;
        let value = visitor.visit_map(Entries { session, next: 0, len })?;
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
        let of = type_of::<V>(fields);
        session.open_type(name, of)?;
        let given = session.open_fields(of);
        let mut fed = Fields { session, of, names: &given, next: 0 };
        let value = visitor.visit_map(&mut fed)?;
        session.close_fields(of, &given);
        session.close_type();
        Ok(value)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unfed> {
        let session = self.session;
        let (variant, is_within_itself) = session.open_enum(name, type_of::<V>(variants))?;
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
