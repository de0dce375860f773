//! A payload is what serde says, field by field.

use std::collections::BTreeMap;

use ministate::{Mutations, Mutator};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{read, replayed, written};

#[derive(Default)]
struct Nothing;

fn keep<T>(_nothing: &mut Nothing, _field: T) {}

fn keep_two<T, U>(_nothing: &mut Nothing, _first: T, _second: U) {}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Mutations)]
#[mutations(state = Nothing)]
#[serde(rename_all = "SCREAMING-KEBAB-CASE", rename_all_fields = "camelCase")]
enum Named {
    #[mutation(apply = keep_two)]
    #[serde(rename = "something else", alias = "else")]
    TwoFields {
        long_name: u8,
        #[serde(rename = "type", alias = "kind")]
        second: u8,
    },
    #[mutation(apply = keep)]
    #[serde(rename_all = "UPPERCASE")]
    Loud { voice: u8 },
    #[mutation(apply = keep)]
    ReadByAlias {
        #[serde(rename(serialize = "new", deserialize = "old"), alias = "new")]
        field: u8,
    },
    #[mutation(apply = keep)]
    LeftOut {
        #[serde(skip_serializing_if = "Option::is_none")]
        field: Option<u8>,
    },
    #[mutation(apply = keep)]
    Defaulted {
        #[serde(default)]
        field: u8,
    },
}

#[test]
fn fields_bear_the_names_that_serde_gives_them() {
    let named = Named::TwoFields { long_name: 1, second: 2 };
    assert_eq!(written(&named), r#"{"longName":1,"type":2}"#);
    assert_eq!(replayed(&named), named);
    assert_eq!(written(&Named::Loud { voice: 1 }), r#"{"VOICE":1}"#);
}

#[test]
fn names_that_serde_gives_variants_do_not_reach_the_journal() {
    let tag = Named::TwoFields { long_name: 1, second: 2 }.__tag().unwrap();
    assert_eq!(tag.name, "two_fields");
}

#[test]
fn field_alias_is_read() {
    let read: Named = read("two_fields", 1, r#"{"kind":2,"longName":1}"#);
    assert_eq!(read, Named::TwoFields { long_name: 1, second: 2 });
}

#[test]
fn two_names_for_a_field_are_fine_if_an_alias_reads_what_is_written() {
    let named = Named::ReadByAlias { field: 1 };
    assert_eq!(written(&named), r#"{"new":1}"#);
    assert_eq!(replayed(&named), named);
}

#[test]
fn option_may_be_left_out_without_a_default() {
    let named = Named::LeftOut { field: None };
    assert_eq!(written(&named), "{}");
    assert_eq!(replayed(&named), named);
}

#[test]
fn missing_field_takes_its_default() {
    assert_eq!(read::<Named, _>("defaulted", 1, "{}"), Named::Defaulted { field: 0 });
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Nested {
    Unit,
    New(Box<Nested>),
    Fields { deep: Vec<Option<Nested>> },
}

#[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
#[mutations(state = Nothing)]
enum Hard {
    #[mutation(apply = keep)]
    Wide { cents: u128 },
    #[mutation(apply = keep)]
    Negative(i128),
    #[mutation(apply = keep)]
    ByNumber { scores: BTreeMap<u32, bool> },
    #[mutation(apply = keep)]
    Raw { json: Box<RawValue> },
    #[mutation(apply = keep_two)]
    Optional(Option<u8>, Option<Vec<u8>>),
    #[mutation(apply = keep)]
    Nested(Nested),
}

#[test]
fn integers_of_128_bits_come_back() {
    let wide = replayed(&Hard::Wide { cents: u128::MAX });
    assert!(matches!(wide, Hard::Wide { cents: u128::MAX }));
    let negative = replayed(&Hard::Negative(i128::MIN));
    assert!(matches!(negative, Hard::Negative(i128::MIN)));
}

#[test]
fn maps_with_integer_keys_come_back() {
    let scores = BTreeMap::from([(7, true), (u32::MAX, false)]);
    let hard = Hard::ByNumber { scores: scores.clone() };
    assert_eq!(written(&hard), r#"{"scores":{"7":true,"4294967295":false}}"#);
    assert!(matches!(replayed(&hard), Hard::ByNumber { scores: back } if back == scores));
}

#[test]
fn raw_json_comes_back_to_the_letter() {
    let json = RawValue::from_string("[1,  2.50, {\"a\":null}]".to_owned()).unwrap();
    let Hard::Raw { json: back } = replayed(&Hard::Raw { json: json.clone() }) else {
        panic!("another variant came back");
    };
    assert_eq!(back.get(), json.get());
}

#[test]
fn options_and_nested_enums_come_back() {
    let optional = replayed(&Hard::Optional(None, Some(vec![1])));
    assert!(matches!(optional, Hard::Optional(None, Some(bytes)) if bytes == [1]));
    let deep = vec![None, Some(Nested::New(Box::new(Nested::Unit)))];
    let nested = Nested::Fields { deep };
    let Hard::Nested(back) = replayed(&Hard::Nested(nested.clone())) else {
        panic!("another variant came back");
    };
    assert_eq!(back, nested);
}
