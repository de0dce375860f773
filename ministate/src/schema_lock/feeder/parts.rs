//! What a type asks for within a value: members, fields, entries, the content of a variant.

use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::Feeder;
use crate::json::Json;
use crate::schema_lock::plan::{Type, Unfed};
use crate::schema_lock::session::{Role, Session};
use crate::schema_lock::shape::leaf;

/// The members of a sequence or a tuple.
pub(super) struct Elements<'s, 'a> {
    pub(super) session: &'s mut Session<'a>,
    pub(super) next: usize,
    pub(super) len: usize,
    pub(super) kind: Kind,
}

/// Whether members are told apart by their place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
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
            Kind::List => format!("[{}]", self.next - 1),
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
pub(super) struct Fields<'s, 'a> {
    pub(super) session: &'s mut Session<'a>,
    pub(super) of: Type,
    pub(super) names: &'s [&'static str],
    pub(super) next: usize,
}

impl Fields<'_, '_> {
    fn next_name(&mut self) -> Option<&'static str> {
        let name = self.names.get(self.next).copied()?;
        let comma = if self.next > 0 { "," } else { "" };
        self.session.json.push_str(&format!("{comma}{}:", Json::of_text(name)));
        self.session.last_field = Some((self.of, name));
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
pub(super) struct Entries<'s, 'a> {
    pub(super) session: &'s mut Session<'a>,
    pub(super) next: usize,
    pub(super) len: usize,
}

impl<'de> MapAccess<'de> for Entries<'_, '_> {
    type Error = Unfed;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Unfed> {
        if self.next == self.len {
            return Ok(None);
        }
        if self.next > 0 {
            self.session.json.push(',');
        }
        let around = self.session.step_into(&format!("{{key{}}}", self.next));
        let key = seed.deserialize(Feeder { session: self.session, role: Role::Key })?;
        self.session.place.truncate(around);
        self.session.json.push(':');
        Ok(Some(key))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Unfed> {
        let around = self.session.step_into(&format!("{{{}}}", self.next));
        self.next += 1;
        let value = seed.deserialize(self.session.feeder())?;
        self.session.place.truncate(around);
        Ok(value)
    }
}

/// The chosen variant of an enum.
pub(super) struct Chosen<'s, 'a> {
    pub(super) session: &'s mut Session<'a>,
    pub(super) name: &'static str,
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
        let place = &self.session.place;
        if let Some(met) = self.session.enums.iter_mut().rev().find(|met| met.place == *place) {
            met.is_simple = true;
        }
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
