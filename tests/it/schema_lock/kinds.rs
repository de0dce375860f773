//! Can types of every kind be asked for their shape?

use std::collections::BTreeMap;

use ministate::__private::judge;
use ministate::Mutations;
use serde::{Deserialize, Serialize};

use super::says;

/// Types of every kind; its own test holds it to the lock in `schema/kinds.lock.jsonl`.
#[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
#[mutations(state = Kinds, lock = "schema/kinds.lock.jsonl", pin_handlers)]
enum KindsOp {
    #[mutation(apply = count_six)]
    Numbers(i8, u16, i32, u64, i128, f64),
    #[mutation(apply = count_four)]
    Texts { character: char, text: String, unit: (), flag: bool },
    #[mutation(apply = count_four)]
    Collections {
        list: Vec<Option<u8>>,
        map: BTreeMap<u32, String>,
        array: [u8; 3],
        twice: Option<Option<u8>>,
    },
    #[mutation(apply = count_two)]
    Nested { tree: Tree, list: Link },
    #[mutation(apply = count_one)]
    Validated(std::num::NonZeroU8),
    #[mutation(apply = count_one)]
    Since(std::time::Duration),
    #[mutation(apply = count_one)]
    Address(std::net::IpAddr),
    #[mutation(apply = count_one)]
    Json(serde_json::Value),
    #[mutation(apply = count_one, sample(r#"{"kind":"circle","radius":2}"#, r#"{"kind":"point"}"#))]
    Shaped(Shape),
    #[mutation(apply = count)]
    Clear,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Tree {
    Leaf(u8),
    Fork {
        left: Box<Tree>,
        right: Box<Tree>,
    },
    Named(String, Box<Tree>),
    #[serde(alias = "Nothing")]
    Empty,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Link {
    next: Option<Box<Link>>,
    others: Vec<Link>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(super) enum Shape {
    Circle { radius: u8 },
    Point,
}

#[derive(Debug, Default, Clone, Serialize, Deserialize)]
struct Kinds {
    count: u64,
    ratio: f64,
}

fn count(kinds: &mut Kinds) {
    kinds.count = kinds.count.wrapping_add(1);
    kinds.ratio /= 2.0;
}

fn count_one<A>(kinds: &mut Kinds, _first: A) {
    count(kinds);
}

fn count_two<A, B>(kinds: &mut Kinds, _first: A, _second: B) {
    count(kinds);
}

fn count_four<A, B, C, D>(kinds: &mut Kinds, _first: A, _second: B, _third: C, _fourth: D) {
    count(kinds);
}

fn count_six<A, B, C, D, E, F>(kinds: &mut Kinds, _: A, _: B, _: C, _: D, _: E, _: F) {
    count(kinds);
}

#[test]
fn types_of_every_kind_can_be_asked() {
    let lock = judge::<Kinds, KindsOp>(None, "accept", false).unwrap().unwrap();
    let tree = r#""$variants":{"Empty":"null","Fork":{"left":{"$recursive":"Tree"},"right":{"$recursive":"Tree"}},"Leaf":"u8","Named":{"$tuple":["string",{"$recursive":"Tree"}]}}"#;
    says(
        &lock,
        &[
            r#""d":[127,65534,2147483645,18446744073709551612,170141183460469231731687303715884105723,5.333333333333333]"#,
            r#""d":[-128,1,-2147483646,3,-170141183460469231731687303715884105724,-5.333333333333333]"#,
            r#""refuses":["5: NaN"]"#,
            r#""shape":{"character":"char","flag":"bool","text":"string","unit":"null"}"#,
            r#""array":{"$tuple":["u8","u8","u8"]}"#,
            r#""map":{"$map":["u32","string"]}"#,
            r#""refuses":["twice: 'Some' of a value that is 'null' itself"]"#,
            tree,
            r#""others":[{"$recursive":"Link"}]"#,
            r#"{"op":"since","v":1,"d":{"secs":"#,
            r#"{"op":"address","v":1,"d":"127.0.0.1""#,
            r#"{"op":"shaped","v":1,"d":{"kind":"point"}"#,
            r#"{"op":"json","v":1,"d":"any""#,
            r#"{"op":"clear","v":1,"d":null"#,
        ],
    );
}
