//! A payload may hold types of other crates, and of the standard library, as they serialize.

use std::fmt::Debug;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use indexmap::IndexMap;
use ministate::storage::Simulated;
use ministate::{Mutations, Options, StateManager};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{replayed, written};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Parcel {
    sent: DateTime<Utc>,
    due: NaiveDate,
    id: Uuid,
    addressee: Arc<str>,
    contents: IndexMap<String, u32>,
    grace: Duration,
    printer: IpAddr,
}

fn parcel() -> Parcel {
    Parcel {
        sent: moment(),
        due: day(),
        id: id(),
        addressee: Arc::from("ann \"the first\" of Z\u{fc}rich"),
        contents: contents(),
        grace: Duration::new(86_400, 1),
        printer: IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]),
    }
}

fn moment() -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000, 123_456_789).unwrap()
}

fn day() -> NaiveDate {
    NaiveDate::from_ymd_opt(2024, 2, 29).unwrap()
}

fn id() -> Uuid {
    Uuid::from_u128(0x67e5_5044_10b1_426f_9247_bb68_0e5f_e0c8)
}

/// In an order that is neither that of the keys nor that of the values.
fn contents() -> IndexMap<String, u32> {
    [("pear", 2), ("apple", 3), ("zest", 1)].map(|(what, many)| (what.to_owned(), many)).into()
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Shelf(Vec<Parcel>);

impl Shelf {
    fn store(&mut self, parcel: Parcel) {
        self.0.push(parcel);
    }

    #[expect(clippy::too_many_arguments, reason = "each field is an argument")]
    fn send(
        &mut self,
        sent: DateTime<Utc>,
        due: NaiveDate,
        id: Uuid,
        addressee: Arc<str>,
        contents: IndexMap<String, u32>,
        grace: Duration,
        printer: IpAddr,
    ) {
        self.0.push(Parcel { sent, due, id, addressee, contents, grace, printer });
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Mutations)]
#[mutations(state = Shelf)]
enum ShelfOp {
    Send {
        sent: DateTime<Utc>,
        due: NaiveDate,
        id: Uuid,
        addressee: Arc<str>,
        contents: IndexMap<String, u32>,
        grace: Duration,
        printer: IpAddr,
    },
    #[mutation(apply = Shelf::store)]
    Store(Parcel),
}

fn send(parcel: Parcel) -> ShelfOp {
    let Parcel { sent, due, id, addressee, contents, grace, printer } = parcel;
    ShelfOp::Send { sent, due, id, addressee, contents, grace, printer }
}

#[derive(Default)]
struct Nothing;

fn keep<T>(_nothing: &mut Nothing, _value: T) {}

fn keep_both<T, U>(_nothing: &mut Nothing, _first: T, _second: U) {}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Mutations)]
#[mutations(state = Nothing)]
enum AnyOp<T> {
    #[mutation(apply = keep)]
    Alone(T),
    #[mutation(apply = keep_both)]
    Named { value: T, others: Vec<Option<T>> },
}

/// The value is written as this text, and comes back, alone and as a field.
#[track_caller]
fn comes_back<T>(value: &T, text: &str)
where
    T: Debug + Clone + PartialEq + Serialize + DeserializeOwned,
{
    let alone = AnyOp::Alone(value.clone());
    assert_eq!(written(&alone), text);
    assert_eq!(replayed(&alone), alone);
    let named = AnyOp::Named { value: value.clone(), others: vec![None, Some(value.clone())] };
    assert_eq!(written(&named), format!(r#"{{"value":{text},"others":[null,{text}]}}"#));
    assert_eq!(replayed(&named), named);
}

#[test]
fn moments_come_back_to_the_nanosecond() {
    comes_back(&moment(), r#""2023-11-14T22:13:20.123456789Z""#);
}

#[test]
fn dates_come_back() {
    comes_back(&day(), r#""2024-02-29""#);
}

#[test]
fn uuids_come_back() {
    comes_back(&id(), r#""67e55044-10b1-426f-9247-bb680e5fe0c8""#);
}

#[test]
fn shared_text_comes_back() {
    comes_back::<Arc<str>>(&Arc::from("a\"b"), r#""a\"b""#);
}

#[test]
fn maps_with_an_order_come_back_in_it() {
    comes_back(&contents(), r#"{"pear":2,"apple":3,"zest":1}"#);
    // Equal maps may differ in their order.
    let AnyOp::Alone(back) = replayed(&AnyOp::Alone(contents())) else {
        panic!("another variant came back");
    };
    assert_eq!(back.as_slice(), contents().as_slice());
}

#[test]
fn durations_come_back_to_the_nanosecond() {
    comes_back(&Duration::new(86_400, 1), r#"{"secs":86400,"nanos":1}"#);
}

#[test]
fn addresses_of_both_families_come_back() {
    comes_back(&IpAddr::from([127, 0, 0, 1]), r#""127.0.0.1""#);
    comes_back(&IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]), r#""2001:db8::1""#);
}

#[test]
fn all_of_them_in_one_mutation_survive_a_restart() {
    let disk = Simulated::new();
    let open = || -> StateManager<Shelf, ShelfOp> {
        Options::new().storage(disk.clone()).blocking_open("shelf", "shelf.wal.jsonl").unwrap()
    };
    let shelf = open();
    shelf.blocking_apply(send(parcel())).unwrap();
    shelf.blocking_apply(ShelfOp::Store(parcel())).unwrap();
    shelf.blocking_apply_batch([send(parcel()), ShelfOp::Store(parcel())]).unwrap();
    let is_as_sent = |shelf: &Shelf| {
        assert_eq!(shelf.0, [(); 4].map(|()| parcel()));
        for parcel in &shelf.0 {
            assert_eq!(parcel.contents.as_slice(), contents().as_slice());
        }
    };
    shelf.read(is_as_sent);
    drop(shelf);
    let shelf = open();
    assert_eq!(shelf.recovery().replayed, 4);
    shelf.read(is_as_sent);
}
