//! Finds what JSON cannot say: floats that are not finite, and `Some` of something that is `null`.

use std::fmt;

use serde::ser::{self, Serialize, Serializer};

use crate::error::Refusal;

/// Goes through the value as serde shows it, and refuses the first part that `null` would swallow.
pub(crate) fn find<T: Serialize>(value: &T) -> Result<(), Refusal> {
    match value.serialize(Probe) {
        Ok(_) => Ok(()),
        Err(Found::Unsayable { field, value }) => Err(Refusal::Unsayable { field, value }),
        // The type refuses to be serialized; encoding it has reported that already.
        Err(Found::Other) => Ok(()),
    }
}

/// What JSON writes for a value.
enum Text {
    Null,
    Other,
}

#[derive(Debug)]
enum Found {
    Unsayable { field: String, value: &'static str },
    Other,
}

impl Found {
    fn within(self, part: &str) -> Self {
        match self {
            Found::Unsayable { field, value } => {
                let dot = if field.is_empty() { "" } else { "." };
                Found::Unsayable { field: format!("{part}{dot}{field}"), value }
            }
            Found::Other => Found::Other,
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl std::error::Error for Found {}

impl ser::Error for Found {
    fn custom<T: fmt::Display>(_message: T) -> Self {
        Found::Other
    }
}

struct Probe;

macro_rules! sayable {
    ($($method:ident($type:ty);)*) => {
        $(fn $method(self, _value: $type) -> Result<Text, Found> {
            Ok(Text::Other)
        })*
    };
}

impl Serializer for Probe {
    type Ok = Text;
    type Error = Found;
    type SerializeSeq = Parts;
    type SerializeTuple = Parts;
    type SerializeTupleStruct = Parts;
    type SerializeTupleVariant = Parts;
    type SerializeMap = Parts;
    type SerializeStruct = Parts;
    type SerializeStructVariant = Parts;

    sayable! {
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_i128(i128);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_u128(u128);
        serialize_char(char);
        serialize_str(&str);
        serialize_bytes(&[u8]);
    }

    fn serialize_f32(self, value: f32) -> Result<Text, Found> {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Result<Text, Found> {
        if value.is_finite() {
            return Ok(Text::Other);
        }
        let value = if value.is_nan() { "NaN" } else { "infinity" };
        Err(Found::Unsayable { field: String::new(), value })
    }

    fn serialize_none(self) -> Result<Text, Found> {
        Ok(Text::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Text, Found> {
        match value.serialize(Probe)? {
            Text::Null => {
                let value = "`Some` of a value that is `null` itself";
                Err(Found::Unsayable { field: String::new(), value })
            }
            Text::Other => Ok(Text::Other),
        }
    }

    fn serialize_unit(self) -> Result<Text, Found> {
        Ok(Text::Null)
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<Text, Found> {
        Ok(Text::Null)
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
    ) -> Result<Text, Found> {
        Ok(Text::Other)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<Text, Found> {
        value.serialize(Probe)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        value: &T,
    ) -> Result<Text, Found> {
        value.serialize(Probe).map(|_| Text::Other)
    }

    fn serialize_seq(self, _len: Option<usize>) -> Result<Parts, Found> {
        Ok(Parts::default())
    }

    fn serialize_tuple(self, _len: usize) -> Result<Parts, Found> {
        Ok(Parts::default())
    }

    fn serialize_tuple_struct(self, _name: &'static str, _len: usize) -> Result<Parts, Found> {
        Ok(Parts::default())
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _len: usize,
    ) -> Result<Parts, Found> {
        Ok(Parts::default())
    }

    fn serialize_map(self, _len: Option<usize>) -> Result<Parts, Found> {
        Ok(Parts::default())
    }

    fn serialize_struct(self, _name: &'static str, _len: usize) -> Result<Parts, Found> {
        Ok(Parts::default())
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _len: usize,
    ) -> Result<Parts, Found> {
        Ok(Parts::default())
    }
}

/// The parts of a value, and how many of them were looked at.
#[derive(Default)]
struct Parts(usize);

impl Parts {
    fn next<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Found> {
        let index = self.0;
        self.0 += 1;
        value.serialize(Probe).map(drop).map_err(|found| found.within(&index.to_string()))
    }

    fn named<T: Serialize + ?Sized>(name: &'static str, value: &T) -> Result<(), Found> {
        value.serialize(Probe).map(drop).map_err(|found| found.within(name))
    }
}

macro_rules! indexed_parts {
    ($($kind:ident $method:ident;)*) => {
        $(impl ser::$kind for Parts {
            type Ok = Text;
            type Error = Found;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Found> {
                self.next(value)
            }

            fn end(self) -> Result<Text, Found> {
                Ok(Text::Other)
            }
        })*
    };
}

indexed_parts! {
    SerializeSeq serialize_element;
    SerializeTuple serialize_element;
    SerializeTupleStruct serialize_field;
    SerializeTupleVariant serialize_field;
}

macro_rules! named_parts {
    ($($kind:ident)*) => {
        $(impl ser::$kind for Parts {
            type Ok = Text;
            type Error = Found;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), Found> {
                Parts::named(name, value)
            }

            fn end(self) -> Result<Text, Found> {
                Ok(Text::Other)
            }
        })*
    };
}

named_parts!(SerializeStruct SerializeStructVariant);

impl ser::SerializeMap for Parts {
    type Ok = Text;
    type Error = Found;

    /// Keys are strings in JSON: a number that is not finite becomes `"NaN"`, not `null`.
    fn serialize_key<T: Serialize + ?Sized>(&mut self, _key: &T) -> Result<(), Found> {
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Found> {
        self.next(value)
    }

    fn end(self) -> Result<Text, Found> {
        Ok(Text::Other)
    }
}
