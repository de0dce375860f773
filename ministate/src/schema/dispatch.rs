//! Reads and writes the payload of one enum variant through the enum's own serde derive.
//!
//! The journal names the variant outside the payload, so neither of serde's enum forms fits. Two
//! adapters stand between the derive and `serde_json`: one answers "which variant?" from what the
//! record's tag says, the other keeps the variant's content and leaves its name away. The payload
//! is read and written in one pass, without a buffer, and every attribute on fields works.

use std::io;

use serde::de::{
    self, Deserialize, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, VariantAccess,
    Visitor,
};
use serde::ser::{
    Error as _, Impossible, Serialize, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleVariant, Serializer,
};
use serde_json::Error;

use super::DecodeError;

/// Writes the content of the value's variant.
pub(super) fn encode_variant<M: Serialize>(
    mutation: &M,
    payload: &mut Vec<u8>,
) -> Result<(), Error> {
    mutation.serialize(VariantContent(&mut serde_json::Serializer::new(payload)))
}

/// Reads the content of the variant at `index`, counted in the order of declaration. As `__decode`
/// returns it: an operation may be large, and every wrapping moves it.
#[inline]
pub(super) fn decode_variant<M: DeserializeOwned>(
    index: u32,
    payload: &str,
) -> Result<Option<M>, DecodeError> {
    // Of a text the reader need not ask for each string in it whether it is one.
    let mut content = serde_json::Deserializer::from_str(payload);
    let mutation = variant_of(index, &mut content)?;
    content.end()?;
    Ok(Some(mutation))
}

/// The variant at `index`, with the content that `content` gives.
pub(crate) fn variant_of<'de, M, D>(index: u32, content: D) -> Result<M, D::Error>
where
    M: Deserialize<'de>,
    D: Deserializer<'de>,
{
    M::deserialize(Variant { index, content })
}

/// Reads the payload of an old version, or of an operation that the enum no longer has.
///
/// # Errors
///
/// The payload is not what its version says.
pub fn decode_content<T: DeserializeOwned>(payload: &str) -> Result<T, DecodeError> {
    Ok(serde_json::from_str(payload)?)
}

/// The bytes as the text that JSON is.
pub(crate) fn text(json: &[u8]) -> Result<&str, DecodeError> {
    Ok(str::from_utf8(json).map_err(<Error as de::Error>::custom)?)
}

const NOT_EXTERNALLY_TAGGED: &str =
    "the enum is not in serde's default form; remove its `tag`, `content`, `untagged` or `into`";

struct Variant<D> {
    index: u32,
    content: D,
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Variant<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, D::Error> {
        Err(de::Error::custom(NOT_EXTERNALLY_TAGGED))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        visitor.visit_enum(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

impl<'de, D: Deserializer<'de>> EnumAccess<'de> for Variant<D> {
    type Error = D::Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), D::Error> {
        // By index, not by name: serde's derive knows the name that its attributes give the
        // variant, and the index saves asking for it.
        let index = de::value::U32Deserializer::new(self.index);
        Ok((seed.deserialize(index)?, self))
    }
}

impl<'de, D: Deserializer<'de>> VariantAccess<'de> for Variant<D> {
    type Error = D::Error;

    fn unit_variant(self) -> Result<(), D::Error> {
        Deserialize::deserialize(self.content)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, D::Error> {
        seed.deserialize(self.content)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, D::Error> {
        self.content.deserialize_tuple(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.content.deserialize_struct("", fields, visitor)
    }
}

struct VariantContent<'a, W>(&'a mut serde_json::Serializer<W>);

/// One form of a variant's content, written as the serde form that has no variant name.
struct Content<T>(T);

type Json<'a, W> = &'a mut serde_json::Serializer<W>;

macro_rules! refuse {
    ($($method:ident($($argument:ty),*);)*) => {
        $(fn $method(self, $(_: $argument),*) -> Result<(), Error> {
            Err(Error::custom(NOT_EXTERNALLY_TAGGED))
        })*
    };
}

impl<'a, W: io::Write> Serializer for VariantContent<'a, W> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Impossible<(), Error>;
    type SerializeTuple = Impossible<(), Error>;
    type SerializeTupleStruct = Impossible<(), Error>;
    type SerializeTupleVariant = Content<<Json<'a, W> as Serializer>::SerializeTuple>;
    type SerializeMap = Impossible<(), Error>;
    type SerializeStruct = Impossible<(), Error>;
    type SerializeStructVariant = Content<<Json<'a, W> as Serializer>::SerializeStruct>;

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
    ) -> Result<(), Error> {
        self.0.serialize_unit()
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self.0)
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleVariant, Error> {
        self.0.serialize_tuple(len).map(Content)
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        _index: u32,
        _variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStructVariant, Error> {
        self.0.serialize_struct(name, len).map(Content)
    }

    refuse! {
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
        serialize_f32(f32);
        serialize_f64(f64);
        serialize_char(char);
        serialize_str(&str);
        serialize_bytes(&[u8]);
        serialize_none();
        serialize_unit();
        serialize_unit_struct(&'static str);
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _value: &T) -> Result<(), Error> {
        Err(Error::custom(NOT_EXTERNALLY_TAGGED))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _value: &T,
    ) -> Result<(), Error> {
        Err(Error::custom(NOT_EXTERNALLY_TAGGED))
    }

    fn serialize_seq(self, _len: Option<usize>) -> Result<Self::SerializeSeq, Error> {
        Err(Error::custom(NOT_EXTERNALLY_TAGGED))
    }

    fn serialize_tuple(self, _len: usize) -> Result<Self::SerializeTuple, Error> {
        Err(Error::custom(NOT_EXTERNALLY_TAGGED))
    }

    fn serialize_tuple_struct(
        self,
        _name: &'static str,
        _len: usize,
    ) -> Result<Self::SerializeTupleStruct, Error> {
        Err(Error::custom(NOT_EXTERNALLY_TAGGED))
    }

    fn serialize_map(self, _len: Option<usize>) -> Result<Self::SerializeMap, Error> {
        Err(Error::custom(NOT_EXTERNALLY_TAGGED))
    }

    fn serialize_struct(
        self,
        _name: &'static str,
        _len: usize,
    ) -> Result<Self::SerializeStruct, Error> {
        Err(Error::custom(NOT_EXTERNALLY_TAGGED))
    }
}

impl<T: SerializeTuple> SerializeTupleVariant for Content<T> {
    type Ok = T::Ok;
    type Error = T::Error;

    fn serialize_field<V: Serialize + ?Sized>(&mut self, value: &V) -> Result<(), T::Error> {
        self.0.serialize_element(value)
    }

    fn end(self) -> Result<T::Ok, T::Error> {
        self.0.end()
    }
}

impl<T: SerializeStruct> SerializeStructVariant for Content<T> {
    type Ok = T::Ok;
    type Error = T::Error;

    fn serialize_field<V: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &V,
    ) -> Result<(), T::Error> {
        self.0.serialize_field(key, value)
    }

    fn skip_field(&mut self, key: &'static str) -> Result<(), T::Error> {
        self.0.skip_field(key)
    }

    fn end(self) -> Result<T::Ok, T::Error> {
        self.0.end()
    }
}
