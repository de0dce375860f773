//! Enums may be generic.

use std::collections::BTreeMap;

use ministate::{Mutations, Mutator, Operation};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::replayed;

#[derive(Debug, PartialEq)]
struct Map<T, const N: usize>(BTreeMap<u32, T>);

impl<T: Clone, const N: usize> Map<T, N> {
    fn fill(&mut self, value: &T) {
        for key in 0..u32::try_from(N).unwrap() {
            self.0.insert(key, value.clone());
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Put<T>(u32, T);

impl<T, const N: usize> Operation<Map<T, N>> for Put<T> {
    type Output = Option<T>;

    fn execute(self, map: &mut Map<T, N>) -> Option<T> {
        map.0.insert(self.0, self.1)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Clear;

impl<T, const N: usize> Operation<Map<T, N>> for Clear {
    type Output = ();

    fn execute(self, map: &mut Map<T, N>) {
        map.0.clear();
    }
}

fn fill<T: Clone, const N: usize>(map: &mut Map<T, N>, value: T) {
    map.fill(&value);
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Mutations)]
#[mutations(state = Map<T, N>)]
enum MapOp<T, P, const N: usize>
where
    T: Clone,
{
    Put(Put<T>),
    Clear(Clear),
    #[mutation(apply = fill::<T, N>)]
    Fill {
        value: T,
    },
    Plugin(P),
}

#[test]
fn the_enum_may_be_generic_over_values_operations_and_numbers() {
    type Op = MapOp<String, Put<String>, 2>;
    let mut map = Map(BTreeMap::new());
    Op::Fill { value: "a".to_owned() }.apply(&mut map);
    Op::from(Put(1, "b".to_owned())).apply(&mut map);
    Op::Plugin(Put(2, "c".to_owned())).apply(&mut map);
    let values: Vec<_> = map.0.values().map(String::as_str).collect();
    assert_eq!(values, ["a", "b", "c"]);
    Op::from(Clear).apply(&mut map);
    assert_eq!(map, Map(BTreeMap::new()));
}

#[test]
fn generic_mutations_come_back() {
    type Op = MapOp<u128, Clear, 0>;
    let put = Op::Put(Put(1, u128::MAX));
    assert_eq!(replayed(&put), put);
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Mutations)]
#[mutations(state = Map<T, 0>, output = Option<T>)]
enum AnsweringOp<T> {
    Put(Put<T>),
    #[mutation(apply = get)]
    Get {
        key: u32,
        otherwise: T,
    },
}

fn get<T>(map: &mut Map<T, 0>, key: u32, otherwise: T) -> Option<T> {
    map.0.insert(key, otherwise)
}

#[test]
fn the_output_may_be_generic() {
    let mut map = Map(BTreeMap::new());
    assert_eq!(AnsweringOp::Put(Put(1, "a")).execute(&mut map), None);
    let get = AnsweringOp::Get { key: 1, otherwise: "b" };
    assert_eq!(get.execute(&mut map), Some("a"));
}

#[test]
fn old_versions_may_be_generic() {
    #[derive(Deserialize)]
    struct PutV1<T>(T);

    impl<T> From<PutV1<T>> for PutOp<T> {
        fn from(old: PutV1<T>) -> Self {
            PutOp::Put { value: old.0 }
        }
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Mutations)]
    #[mutations(state = Vec<T>)]
    enum PutOp<T> {
        #[mutation(version = 2, from(1 = PutV1<T>), apply = Vec<T>::push)]
        Put { value: T },
    }

    let read = PutOp::<u8>::__decode(Some(("put", 1)), "7").unwrap();
    assert_eq!(read, Some(PutOp::Put { value: 7 }));
}

#[test]
fn payload_may_be_a_type_that_a_parameter_names() {
    trait Plugin {
        type First;
        type Second: Clone;
    }

    #[derive(Clone, Serialize, Deserialize)]
    struct Plugged;

    impl Plugin for Plugged {
        type First = Put<u8>;
        type Second = Clear;
    }

    #[derive(Clone, Serialize, Deserialize, Mutations)]
    #[serde(
        bound = "P::First: Serialize + DeserializeOwned, P::Second: Serialize + DeserializeOwned"
    )]
    #[mutations(state = Map<u8, 0>)]
    enum PluginOp<P: Plugin> {
        First(P::First),
        Second(<P as Plugin>::Second),
    }

    let mut map = Map(BTreeMap::new());
    PluginOp::<Plugged>::First(Put(1, 2)).apply(&mut map);
    assert_eq!(map.0, BTreeMap::from([(1, 2)]));
    PluginOp::<Plugged>::Second(Clear).apply(&mut map);
    assert_eq!(map.0, BTreeMap::new());
}
