//! What is logged is what is applied; what cannot be logged faithfully is refused before a byte is
//! written.

use std::collections::{HashMap, HashSet};
use std::fmt::Debug;

use ministate::storage::Simulated;
use ministate::{Fidelity, MiniStateError, Mutator, Options, Refusal, StateManager};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Remembers the debug text of every value that was applied.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Seen(Vec<String>);

#[derive(Debug, Serialize, Deserialize)]
#[serde(bound = "T: Serialize + DeserializeOwned")]
struct See<T> {
    value: T,
}

impl<T: Debug> Mutator<Seen> for See<T> {
    fn apply(&self, seen: &mut Seen) {
        seen.0.push(format!("{:?}", self.value));
    }
}

fn manager<T>(disk: &Simulated, fidelity: Fidelity) -> StateManager<Seen, See<T>>
where
    T: Debug + Serialize + DeserializeOwned + Send + 'static,
{
    let options = Options::new().fidelity(fidelity).storage(disk.clone());
    options.blocking_open("seen", "seen.wal.jsonl").unwrap()
}

#[track_caller]
fn refused<T>(value: T) -> Refusal
where
    T: Debug + Serialize + DeserializeOwned + Send + 'static,
{
    let disk = Simulated::new();
    let manager = manager::<T>(&disk, Fidelity::Checked);
    let before = disk.content(manager.journal_path());
    let calls = disk.calls();
    let refusal = match manager.blocking_apply(See { value }) {
        Err(MiniStateError::Refused { reason }) => reason,
        other => panic!("not refused: {other:?}"),
    };
    assert_eq!(disk.calls(), calls, "the disk was asked for something");
    assert_eq!(disk.content(manager.journal_path()), before);
    assert_eq!((manager.sequence(), manager.read(|seen| seen.0.len())), (0, 0));
    refusal
}

#[track_caller]
fn accepted<T>(value: T)
where
    T: Debug + Serialize + DeserializeOwned + Send + 'static,
{
    let disk = Simulated::new();
    let manager_before = manager::<T>(&disk, Fidelity::Checked);
    manager_before.blocking_apply(See { value }).unwrap();
    drop(manager_before);
    assert_eq!(manager::<T>(&disk, Fidelity::Checked).sequence(), 1);
}

#[test]
fn a_float_that_is_not_finite_is_refused() {
    for float in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        match refused(float) {
            Refusal::Unsayable { field, value } => {
                assert_eq!(field, "value");
                assert_eq!(value, if float.is_nan() { "NaN" } else { "infinity" });
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(
        matches!(refused(vec![1.0, f64::NAN]), Refusal::Unsayable { field, .. } if field == "value.1")
    );
    assert!(matches!(refused(Some(f32::NAN)), Refusal::Unsayable { .. }));
    accepted(0.1 + 0.2);
    accepted(f64::MIN_POSITIVE);
}

#[test]
fn some_of_nothing_is_refused() {
    assert!(
        matches!(refused(Some(None::<u8>)), Refusal::Unsayable { field, .. } if field == "value")
    );
    assert!(matches!(refused(Some(())), Refusal::Unsayable { .. }));
    assert!(matches!(refused(Some(serde_json::Value::Null)), Refusal::Unsayable { .. }));
    accepted(None::<Option<u8>>);
    accepted(Some(Some(1)));
    accepted("null".to_string());
    accepted(());
}

#[test]
fn a_field_that_is_written_nowhere_is_refused() {
    #[derive(Debug, Serialize, Deserialize)]
    struct Forgetful {
        #[serde(skip_serializing)]
        #[expect(dead_code, reason = "only its absence matters")]
        forgotten: u8,
    }
    assert!(matches!(refused(Forgetful { forgotten: 1 }), Refusal::NotDecodable(_)));
}

#[test]
fn a_value_that_reads_back_as_another_is_refused() {
    #[derive(Debug, Serialize, Deserialize)]
    struct Halved(#[serde(serialize_with = "half")] u32);

    fn half<S: serde::Serializer>(value: &u32, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(value / 2)
    }
    assert!(matches!(refused(Halved(7)), Refusal::NotFaithful));
}

#[test]
fn deeper_nesting_than_can_be_read_is_refused() {
    #[derive(Debug, Serialize, Deserialize)]
    struct Nest(Vec<Nest>);
    let mut nest = Nest(Vec::new());
    for _ in 0..200 {
        nest = Nest(vec![nest]);
    }
    assert!(matches!(refused(nest), Refusal::NotDecodable(_)));
}

#[test]
fn raw_json_with_a_line_break_is_refused() {
    for raw in ["{\n}", "{\t}", "{\r}"] {
        let raw = serde_json::value::RawValue::from_string(raw.to_string()).unwrap();
        assert!(matches!(refused(raw), Refusal::NotEncodable(_)));
    }
    accepted(serde_json::value::RawValue::from_string("{ }".to_string()).unwrap());
}

#[test]
fn maps_and_sets_without_an_order_are_accepted() {
    for _ in 0..20 {
        accepted((0..9).map(|key| (key.to_string(), key)).collect::<HashMap<_, _>>());
        accepted((0..9).collect::<HashSet<_>>());
    }
}

/// Once, looking for the order in it overflowed the stack.
#[test]
fn raw_json_of_any_depth_beside_a_map_does_not_overflow() {
    #[derive(Debug, Serialize, Deserialize)]
    struct Deep {
        map: HashMap<u32, u32>,
        raw: Box<serde_json::value::RawValue>,
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let disk = Simulated::new();
    let manager = manager::<Deep>(&disk, Fidelity::Checked);
    for _ in 0..5 {
        let map = (0..9).map(|key| (key, key)).collect();
        let raw = serde_json::value::RawValue::from_string(deep.clone()).unwrap();
        match manager.blocking_apply(See { value: Deep { map, raw } }) {
            Ok(_) | Err(MiniStateError::Refused { reason: Refusal::NotFaithful }) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn wide_integers_and_integer_keys_are_accepted() {
    accepted(u128::MAX);
    accepted(i128::MIN);
    accepted((0..3u32).map(|key| (key, ())).collect::<std::collections::BTreeMap<_, _>>());
}

/// A skipped field is what replay will see: nothing.
#[test]
fn what_is_applied_is_what_replay_will_apply() {
    #[derive(Debug, Serialize, Deserialize)]
    struct Skipping {
        #[serde(skip)]
        #[expect(dead_code, reason = "shown by `Debug`")]
        skipped: u8,
    }
    let disk = Simulated::new();
    let live = manager(&disk, Fidelity::Checked);
    live.blocking_apply(See { value: Skipping { skipped: 7 } }).unwrap();
    let seen = live.read(|seen| seen.0.clone());
    drop(live);
    let replayed = manager::<Skipping>(&disk, Fidelity::Checked);
    assert_eq!(replayed.read(|replayed| replayed.0.clone()), seen);
}

/// The risk that `Fidelity::Trusted` names is real.
#[test]
fn trusted_mutations_are_written_unseen() {
    let disk = Simulated::new();
    let trusting = manager(&disk, Fidelity::Trusted);
    trusting.blocking_apply(See { value: f64::NAN }).unwrap();
    drop(trusting);
    let options = Options::new().storage(disk);
    match options.blocking_open::<Seen, See<f64>>("seen", "seen.wal.jsonl") {
        Err(MiniStateError::Undecodable { at, seq: 1, .. }) => assert_eq!(at.line, 2),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_record_larger_than_the_limit_is_refused() {
    let disk = Simulated::new();
    let manager: StateManager<Seen, See<String>> = Options::new()
        .record_bytes_max(100)
        .storage(disk)
        .blocking_open("seen", "seen.wal.jsonl")
        .unwrap();
    manager.blocking_apply(See { value: "x".repeat(20) }).unwrap();
    let large = || See { value: "x".repeat(50) };
    for result in [
        manager.blocking_apply(See { value: "x".repeat(100) }),
        manager.blocking_apply_batch([large(), large()]).map(|seqs| *seqs.end()),
    ] {
        match result {
            Err(MiniStateError::Refused { reason: Refusal::TooLarge { bytes, limit: 100 } }) => {
                assert!(bytes > 100);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(manager.sequence(), 1);
}
