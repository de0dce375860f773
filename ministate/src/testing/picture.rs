//! What is in a state, as serde tells it, so that two of them can be compared?

use std::any::type_name;
use std::fmt;

use serde::ser::{self, Error as _, Serialize, Serializer};
use serde_json::Error;

/// A value, with the members of what has no order sorted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Picture {
    /// The JSON of a value without parts.
    Scalar(String),
    /// A sequence that has an order.
    List(Vec<Picture>),
    /// A sequence of which that is not known, sorted.
    Bag(Vec<Picture>),
    /// Keys without quotes, sorted.
    Map(Vec<(String, Picture)>),
}

impl Picture {
    pub(super) fn of<T: Serialize>(value: &T) -> Result<Picture, Error> {
        paint(value)
    }
}

/// As JSON.
impl fmt::Display for Picture {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Picture::Scalar(text) => out.write_str(text),
            Picture::List(members) | Picture::Bag(members) => {
                out.write_str("[")?;
                for (place, member) in members.iter().enumerate() {
                    write!(out, "{}{member}", if place > 0 { "," } else { "" })?;
                }
                out.write_str("]")
            }
            Picture::Map(members) => {
                out.write_str("{")?;
                for (place, (key, value)) in members.iter().enumerate() {
                    let key = serde_json::to_string(key).map_err(|_| fmt::Error)?;
                    write!(out, "{}{key}:{value}", if place > 0 { "," } else { "" })?;
                }
                out.write_str("}")
            }
        }
    }
}

/// Whether the members of a sequence come in an order that means something.
#[derive(Debug, Clone, Copy)]
enum Order {
    Meant,
    Unknown,
}

/// Sequences by the names of their types, for serde does not say which they are. A name that is not
/// here, or is no longer the compiler's, costs strictness and no more.
const LISTS: [&str; 4] = [
    "alloc::vec::Vec<",
    "alloc::collections::vec_deque::VecDeque<",
    "[",
    "alloc::collections::linked_list::LinkedList<",
];

const POINTERS: [&str; 4] = ["&", "alloc::boxed::Box<", "alloc::sync::Arc<", "alloc::rc::Rc<"];

impl Order {
    fn of_type<T: ?Sized>() -> Order {
        let mut name = type_name::<T>();
        while let Some(target) = POINTERS.iter().find_map(|pointer| name.strip_prefix(pointer)) {
            name = target;
        }
        let is_list = LISTS.iter().any(|list| name.starts_with(list));
        if is_list { Order::Meant } else { Order::Unknown }
    }
}

/// Paints a value, which knows its type where the value that holds it told.
struct Painter(Order);

impl Painter {
    fn of_type<T: ?Sized>() -> Painter {
        Painter(Order::of_type::<T>())
    }
}

fn paint<T: Serialize + ?Sized>(value: &T) -> Result<Picture, Error> {
    value.serialize(Painter::of_type::<T>())
}

fn scalar<T: Serialize + ?Sized>(value: &T) -> Result<Picture, Error> {
    Ok(Picture::Scalar(serde_json::to_string(value)?))
}

/// The variant of an enum around what it holds.
fn variant(name: &str, content: Picture) -> Picture {
    Picture::Map(vec![(name.to_string(), content)])
}

macro_rules! scalars {
    ($($method:ident($type:ty);)*) => {
        $(fn $method(self, value: $type) -> Result<Picture, Error> {
            scalar(&value)
        })*
    };
}

impl Serializer for Painter {
    type Ok = Picture;
    type Error = Error;
    type SerializeSeq = Members;
    type SerializeTuple = Members;
    type SerializeTupleStruct = Members;
    type SerializeTupleVariant = Members;
    type SerializeMap = Fields;
    type SerializeStruct = Fields;
    type SerializeStructVariant = Fields;

    scalars! {
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
    }

    fn serialize_none(self) -> Result<Picture, Error> {
        scalar(&())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Picture, Error> {
        paint(value)
    }

    fn serialize_unit(self) -> Result<Picture, Error> {
        scalar(&())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<Picture, Error> {
        scalar(&())
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<Picture, Error> {
        scalar(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<Picture, Error> {
        paint(value)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        name: &'static str,
        value: &T,
    ) -> Result<Picture, Error> {
        Ok(variant(name, paint(value)?))
    }

    fn serialize_seq(self, _length: Option<usize>) -> Result<Members, Error> {
        Ok(Members { order: self.0, variant: None, members: Vec::new() })
    }

    fn serialize_tuple(self, _length: usize) -> Result<Members, Error> {
        Ok(Members { order: Order::Meant, variant: None, members: Vec::new() })
    }

    fn serialize_tuple_struct(self, _name: &'static str, length: usize) -> Result<Members, Error> {
        self.serialize_tuple(length)
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _length: usize,
    ) -> Result<Members, Error> {
        Ok(Members { order: Order::Meant, variant: Some(variant), members: Vec::new() })
    }

    fn serialize_map(self, _length: Option<usize>) -> Result<Fields, Error> {
        Ok(Fields { variant: None, key: None, fields: Vec::new() })
    }

    fn serialize_struct(self, _name: &'static str, length: usize) -> Result<Fields, Error> {
        self.serialize_map(Some(length))
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _length: usize,
    ) -> Result<Fields, Error> {
        Ok(Fields { variant: Some(variant), key: None, fields: Vec::new() })
    }
}

/// A sequence, a tuple, or a variant that is one.
struct Members {
    order: Order,
    variant: Option<&'static str>,
    members: Vec<Picture>,
}

impl Members {
    fn add<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.members.push(paint(value)?);
        Ok(())
    }

    fn finished(mut self) -> Picture {
        let picture = match self.order {
            Order::Meant => Picture::List(self.members),
            Order::Unknown => {
                self.members.sort();
                Picture::Bag(self.members)
            }
        };
        match self.variant {
            Some(name) => variant(name, picture),
            None => picture,
        }
    }
}

/// A map, a struct, or a variant that is one.
struct Fields {
    variant: Option<&'static str>,
    /// Of the value that comes next.
    key: Option<String>,
    fields: Vec<(String, Picture)>,
}

impl Fields {
    fn add<T: Serialize + ?Sized>(&mut self, key: String, value: &T) -> Result<(), Error> {
        self.fields.push((key, paint(value)?));
        Ok(())
    }

    fn finished(mut self) -> Picture {
        self.fields.sort();
        let picture = Picture::Map(self.fields);
        match self.variant {
            Some(name) => variant(name, picture),
            None => picture,
        }
    }
}

macro_rules! members {
    ($($trait:ident::$method:ident)*) => {
        $(impl ser::$trait for Members {
            type Ok = Picture;
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
                self.add(value)
            }

            fn end(self) -> Result<Picture, Error> {
                Ok(self.finished())
            }
        })*
    };
}

members! {
    SerializeSeq::serialize_element
    SerializeTuple::serialize_element
    SerializeTupleStruct::serialize_field
    SerializeTupleVariant::serialize_field
}

macro_rules! fields {
    ($($trait:ident)*) => {
        $(impl ser::$trait for Fields {
            type Ok = Picture;
            type Error = Error;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                key: &'static str,
                value: &T,
            ) -> Result<(), Error> {
                self.add(key.to_string(), value)
            }

            fn end(self) -> Result<Picture, Error> {
                Ok(self.finished())
            }
        })*
    };
}

fields! { SerializeStruct SerializeStructVariant }

impl ser::SerializeMap for Fields {
    type Ok = Picture;
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        let text = paint(key)?.to_string();
        // A key that is text stands without its quotes, and a number or a boolean has none.
        self.key = Some(serde_json::from_str(&text).unwrap_or(text));
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let key = self.key.take().ok_or_else(|| Error::custom("a value comes before its key"))?;
        self.add(key, value)
    }

    fn end(self) -> Result<Picture, Error> {
        Ok(self.finished())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

    use serde::Serialize;

    use super::Picture;

    fn same<T: Serialize>(one: &T, other: &T) -> bool {
        Picture::of(one).expect("it has JSON") == Picture::of(other).expect("it has JSON")
    }

    #[test]
    fn the_order_of_lists_counts_and_that_of_sets_does_not() {
        let lists = |one: [u8; 2], other: [u8; 2]| {
            assert!(!same(&one.to_vec(), &other.to_vec()));
            assert!(!same(&VecDeque::from(one), &VecDeque::from(other)));
            assert!(!same(&one, &other));
            assert!(!same(&Some(one.to_vec()), &Some(other.to_vec())));
            assert!(!same(&Box::new(one.to_vec()), &Box::new(other.to_vec())));
            assert!(!same(
                &HashMap::from([(1, one.to_vec())]),
                &HashMap::from([(1, other.to_vec())])
            ));
            let whole = |list: [u8; 2]| (list.to_vec(), HashSet::from(list));
            assert!(same(&whole(one), &whole(one)) && !same(&whole(one), &whole(other)));
        };
        lists([1, 2], [2, 1]);
        for _ in 0..20 {
            let set = || (0..9).map(Box::new).collect::<HashSet<_>>();
            assert!(same(&set(), &set()));
            assert!(same(&vec![set()], &vec![set()]));
            let map = || (0..9).map(|key| (key, set().len())).collect::<HashMap<_, _>>();
            assert!(same(&map(), &map()));
        }
    }

    #[test]
    fn a_picture_is_the_json() {
        #[derive(Serialize)]
        enum Kind {
            Unit,
            New(u8),
            Tuple(u8, f64),
            Struct { text: &'static str },
        }
        let kinds = [Kind::Unit, Kind::New(1), Kind::Tuple(1, 0.1), Kind::Struct { text: "\"" }];
        let value =
            (kinds, BTreeMap::from([(1u8, None::<u8>)]), BTreeMap::from([("a", u128::MAX)]));
        let json = serde_json::to_string(&value).expect("it has JSON");
        assert_eq!(Picture::of(&value).expect("it has JSON").to_string(), json);
    }
}
