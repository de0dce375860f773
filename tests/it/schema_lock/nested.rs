//! Is a change noticed in a type within others, and in one that holds itself?

use std::collections::{BTreeMap, HashMap};

use ministate::Mutations;
use serde::{Deserialize, Serialize};

use super::{Bank, ignore, says, says_of_the_second};

/// What is said of an operation whose one field had the first type, and has the second.
macro_rules! from_to {
    ($from:ty => $to:ty) => {{
        #[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
        #[mutations(state = Bank, lock = "schema/none.jsonl")]
        enum Before {
            #[mutation(apply = ignore)]
            Change { field: $from },
        }
        #[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
        #[mutations(state = Bank, lock = "schema/none.jsonl")]
        enum After {
            #[mutation(apply = ignore)]
            Change { field: $to },
        }
        says_of_the_second::<Bank, Before, After>()
    }};
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Signed {
    None,
    Some { number: Vec<i64> },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Unsigned {
    None,
    Some { number: Vec<u64> },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Page<T> {
    items: Vec<T>,
}

#[test]
fn what_is_narrowed_within_others_needs_a_version() {
    for report in [
        from_to!(Option<i64> => Option<u64>),
        from_to!(Vec<Option<u8>> => Vec<u8>),
        from_to!(BTreeMap<String, i64> => BTreeMap<String, u64>),
        from_to!(Signed => Unsigned),
        from_to!(f64 => f32),
        from_to!(Vec<u8> => std::collections::BTreeSet<u8>),
        from_to!(Page<Page<u8>> => Page<Page<String>>),
    ] {
        says(&report, &["to be mended in the program", "`change@1`"]);
    }
}

#[test]
fn what_is_widened_within_others_passes_in_silence() {
    assert_eq!(from_to!(Vec<Option<u8>> => Vec<Option<u16>>), "");
    assert_eq!(from_to!(BTreeMap<String, u32> => HashMap<String, i64>), "");
    assert_eq!(from_to!(Page<u8> => Page<u8>), "");
}

#[test]
fn types_that_hold_themselves_in_any_way_can_be_asked() {
    #[derive(Debug, Clone, Serialize, Deserialize)]
    struct List(Vec<List>);
    #[derive(Debug, Clone, Serialize, Deserialize)]
    struct Chain(u8, Option<Box<Chain>>);
    #[derive(Debug, Clone, Serialize, Deserialize)]
    #[serde(transparent)]
    struct Thin {
        children: Vec<Thin>,
    }
    #[derive(Debug, Clone, Serialize, Deserialize)]
    struct Expression {
        kind: Kind,
    }
    #[derive(Debug, Clone, Serialize, Deserialize)]
    enum Kind {
        Both(Box<Expression>, Box<Expression>),
        Number(u8),
    }
    #[derive(Debug, Clone, Serialize, Deserialize)]
    struct Wrapped<T> {
        value: T,
    }
    #[derive(Debug, Clone, Serialize, Deserialize)]
    enum Odd {
        Next(Box<Even>),
    }
    #[derive(Debug, Clone, Serialize, Deserialize)]
    enum Even {
        Next(Box<Odd>),
        End,
    }
    assert_eq!(from_to!(List => List), "");
    assert_eq!(from_to!(Chain => Chain), "");
    assert_eq!(from_to!(Thin => Thin), "");
    assert_eq!(from_to!(Expression => Expression), "");
    assert_eq!(from_to!(Wrapped<Wrapped<u8>> => Wrapped<Wrapped<u8>>), "");
    assert_eq!(from_to!(Odd => Odd), "");
}

#[test]
fn a_web_of_types_has_as_many_lines_as_types() {
    macro_rules! web {
        ($($name:ident: $first:ident $second:ident $third:ident;)*) => {
            $(#[derive(Debug, Clone, Serialize, Deserialize)]
            enum $name {
                Leaf(u8),
                First(Box<$first>, Box<$second>),
                Second { of: Vec<$third>, or: Option<Box<$first>> },
                Third(Box<$second>, Box<$third>, Box<$name>),
            })*
        };
    }
    web! {
        A: B C D; B: C D E; C: D E F; D: E F G; E: F G H; F: G H A; G: H A B; H: A B C;
    }
    macro_rules! deep {
        ($($name:ident: $of:ty;)*) => {
            $(#[derive(Debug, Clone, Serialize, Deserialize)]
            struct $name {
                one: $of,
                other: Vec<$of>,
            })*
        };
    }
    deep! { D1: A; D2: D1; D3: D2; D4: D3; }
    assert_eq!(from_to!(A => A), "");
    assert_eq!(from_to!(D4 => D4), "");
}
