//! Which types want samples, and is a change noticed by them?

use std::collections::BTreeMap;

use ministate::Mutations;
use serde::{Deserialize, Serialize};

use super::kinds::Shape;
use super::{Bank, accepted, checked, ignore, ignore_two, release, released, says};

#[test]
fn a_type_that_cannot_be_asked_wants_samples() {
    #[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
    #[mutations(state = Bank, lock = "schema/none.jsonl")]
    enum Op {
        #[mutation(apply = ignore)]
        Shaped { shape: Shape },
    }
    says(
        &checked::<Op>(""),
        &["`shaped@1`: its shape cannot be found out", r##"`#[mutation(sample(r#"{..}"#))]`"##],
    );
}

#[test]
fn a_sample_that_is_given_after_a_release_is_to_be_accepted() {
    release!(one {} { #[mutation(apply = ignore, sample(r#"{"shape":{"kind":"point"}}"#))]
        Draw { shape: Shape } });
    release!(two {} { #[mutation(
        apply = ignore,
        sample(r#"{"shape":{"kind":"point"}}"#, r#"{"shape":{"kind":"circle","radius":2}}"#),
    )]
        Draw { shape: Shape } });
    let lock = released::<one::Op>("");
    says(&checked::<two::Op>(&lock), &[r#"+ {"op":"draw","v":1,"d":{"shape":{"kind":"circle""#]);
    assert_eq!(checked::<two::Op>(&accepted::<two::Op>(&lock)), "");
}

macro_rules! untagged {
    ($($name:ident { $($variant:ident($of:ty)),* })*) => {
        $(#[derive(Debug, Clone, Serialize, Deserialize)]
        #[serde(untagged)]
        enum $name {
            $($variant($of),)*
        })*
    };
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Name {
    name: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Number {
    number: u64,
}

untagged! {
    NumberOrText { Number(u64), Text(String) }
    OnlyText { Text(String) }
    TextOrStruct { Text(String), Name(Name) }
    StructOrStruct { Name(Name), Number(Number) }
    AllButLists { Null(()), Bool(bool), Number(f64), Text(String), Map(BTreeMap<String, String>) }
    All {
        Null(()), Bool(bool), Number(f64), Text(String), List(Vec<String>),
        Map(BTreeMap<String, String>)
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Sometimes {
    Never,
    Given(StructOrStruct),
}

/// What is said of a payload with this type, of which there is no sample.
macro_rules! said_of {
    ($of:ty) => {{
        #[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
        #[mutations(state = Bank, lock = "schema/none.jsonl")]
        enum Op {
            #[mutation(apply = ignore_two)]
            Set { count: u8, value: $of },
        }
        checked::<Op>("")
    }};
}

/// Once, an untagged enum with a text among its variants was taken for what takes anything, and a
/// variant that was removed from it went unnoticed; where one of another enum's variants held an
/// untagged enum, that variant went unasked.
#[test]
fn an_untagged_enum_wants_samples() {
    for said in [
        said_of!(NumberOrText),
        said_of!(OnlyText),
        said_of!(TextOrStruct),
        said_of!(StructOrStruct),
        said_of!(AllButLists),
        said_of!(Vec<NumberOrText>),
        said_of!(Option<NumberOrText>),
        said_of!(Box<TextOrStruct>),
        said_of!(Option<Vec<Box<StructOrStruct>>>),
        said_of!(BTreeMap<String, NumberOrText>),
        said_of!(Sometimes),
    ] {
        says(
            &said,
            &[
                "`set@1`: its shape cannot be found out at `value",
                "it takes more than one form there",
                r##"`#[mutation(sample(r#"{..}"#))]`"##,
            ],
        );
    }
}

#[test]
fn what_takes_anything_is_locked_as_such() {
    for said in [
        said_of!(serde_json::Value),
        said_of!(Vec<Option<serde_json::Value>>),
        said_of!(Box<serde_json::value::RawValue>),
        said_of!(BTreeMap<String, serde_json::Value>),
        said_of!(All),
    ] {
        says(&said, &[r#""value":"#, r#""any""#]);
        assert!(!said.contains("cannot be found out"), "{said}");
    }
}

#[test]
fn a_variant_that_an_untagged_enum_loses_is_noticed_where_it_has_a_sample() {
    release!(one {} { #[mutation(
        apply = ignore,
        sample(r#"{"value":7}"#, r#"{"value":"seven"}"#),
    )]
        Set { value: NumberOrText } });
    release!(two {} { #[mutation(
        apply = ignore,
        sample(r#"{"value":"seven"}"#),
    )]
        Set { value: OnlyText } });
    let lock = released::<one::Op>("");
    assert_eq!(checked::<one::Op>(&lock), "");
    says(&checked::<two::Op>(&lock), &["`set@1` is released", r#"no longer read: {"value":7}"#]);
}
