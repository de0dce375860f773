//! The kit finds in a test what would go wrong at the next start, and says where; and it finds
//! nothing where nothing is wrong.

mod fixtures;
mod in_memory;

use std::any::Any;
use std::cell::Cell;
use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ministate::testing::{CrashFailure, CrashTest, assert_deterministic, crash_test};
use ministate::{MiniStateError, Mutations, Mutator};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A state and what happens to it, by a function: what the kit should say differs from test to test,
/// and the mutation does not.
macro_rules! application {
    ($state:ident { $($(#[$attribute:meta])* $field:ident: $type:ty),* $(,)? }, $apply:expr) => {
        #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
        struct $state {
            $($(#[$attribute])* $field: $type,)*
        }

        impl Mutator<$state> for Step {
            fn apply(&self, state: &mut $state) {
                let apply: fn(&Step, &mut $state) = $apply;
                apply(self, state);
            }
        }
    };
}
use application;

#[derive(Debug, Serialize, Deserialize)]
struct Step {
    number: u64,
}

fn steps(count: u64) -> impl Iterator<Item = Step> {
    (1..=count).map(|number| Step { number })
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap()
}

#[track_caller]
fn says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "`{word}` is not in: {text}");
    }
    assert!(!text.contains('\n'), "more than one line: {text}");
}

#[track_caller]
fn found_twice<S>(words: &[&str])
where
    S: Default + Serialize + DeserializeOwned + Send + Sync + 'static,
    Step: Mutator<S>,
{
    says(&not_deterministic::<S>(), words);
    says(&crash_test::<S, Step>(steps(12)).unwrap_err().to_string(), words);
}

#[track_caller]
fn not_deterministic<S>() -> String
where
    S: Default + Serialize + DeserializeOwned,
    Step: Mutator<S>,
{
    let examined = AssertUnwindSafe(|| assert_deterministic(S::default(), steps(12)));
    message(&*catch_unwind(examined).expect_err("nothing was found"))
}

/// Nothing is wrong with it.
#[track_caller]
fn found_nothing<S>()
where
    S: Default + Serialize + DeserializeOwned + Send + Sync + 'static,
    Step: Mutator<S>,
{
    assert_deterministic(S::default(), steps(12));
    let counts = crash_test::<S, Step>(steps(12)).unwrap();
    assert!(counts.crash_states > 150 && counts.mutations == 12, "{counts}");
}

#[test]
fn nothing_is_found_in_an_application_that_is_right() {
    #[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
    struct Bank {
        cents: BTreeMap<String, u64>,
    }

    #[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
    #[mutations(state = Bank)]
    enum BankOp {
        Deposit { account: String, cents: u64 },
        Close { account: String },
    }

    impl Bank {
        fn deposit(&mut self, account: String, cents: u64) {
            *self.cents.entry(account).or_default() += cents;
        }

        #[expect(clippy::needless_pass_by_value, reason = "an operation hands over its fields")]
        fn close(&mut self, account: String) {
            self.cents.remove(&account);
        }
    }

    let day = || {
        (0..30).map(|hour| match hour % 5 {
            4 => BankOp::Close { account: "a".into() },
            name => BankOp::Deposit { account: ["a", "b"][name % 2].into(), cents: 7 },
        })
    };
    assert_deterministic(Bank::default(), day());
    let counts = crash_test::<Bank, BankOp>(day()).unwrap();
    assert_eq!(counts.mutations, 30);
    assert!(counts.moments > 100 && counts.crash_states > 300, "{counts}");
    assert!(counts.replayed > 1_000 && counts.torn_tails > 5, "{counts}");
    assert!(counts.from_snapshots > 100, "{counts}");
    says(&counts.to_string(), &["crash states", "history of 30 mutations"]);
    assert_eq!(crash_test::<Bank, BankOp>(day()).unwrap(), counts, "it looks at the same again");
}

application!(Clocked { seen: Vec<Duration>, }, |_, state| {
    state.seen.push(UNIX_EPOCH.elapsed().unwrap());
});

#[test]
fn a_handler_that_reads_the_clock_is_found() {
    found_twice::<Clocked>(&["mutation 1, {\"number\":1},", "`seen.0.", "keep clocks"]);
}

application!(Seconds { last: u64 }, |step, state| {
    if step.number == 11 {
        state.last = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    }
});

#[test]
fn a_handler_that_reads_a_clock_in_seconds_is_found_at_its_mutation() {
    found_twice::<Seconds>(&["mutation 11, {\"number\":11},", "`last` was ", "keep clocks"]);
}

application!(Chance { drawn: u64 }, |step, state| {
    if step.number > 5 {
        state.drawn = RandomState::new().build_hasher().finish();
    }
});

#[test]
fn a_handler_that_draws_lots_is_found() {
    found_twice::<Chance>(&["mutation 6,", "`drawn` was ", "chance"]);
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

application!(Ids { given: BTreeMap<u64, u64>, }, |step, state| {
    state.given.insert(step.number, NEXT_ID.fetch_add(1, Ordering::Relaxed));
});

#[test]
fn a_handler_with_a_global_counter_is_found() {
    found_twice::<Ids>(&["mutation 1,", "`given.1` was ", "global variables"]);
}

application!(FirstOut { waiting: HashSet<u64>, served: Vec<u64>, }, |step, state| {
    state.waiting.extend(step.number * 100..step.number * 100 + 50);
    state.served.extend(state.waiting.iter().take(6));
});

application!(Copied { waiting: HashSet<u64>, listed: Vec<u64>, }, |step, state| {
    state.waiting.extend(step.number * 100..step.number * 100 + 50);
    state.listed = state.waiting.iter().copied().collect();
});

#[test]
fn a_handler_that_goes_by_the_order_of_a_hash_set_is_found() {
    found_twice::<FirstOut>(&["mutation 1,", "`served.", "order of hash maps"]);
    found_twice::<Copied>(&["mutation 1,", "`listed.", "order of hash maps"]);
}

application!(Unordered { map: HashMap<u64, HashSet<u64>>, sets: Vec<HashSet<u64>>, }, |step, state| {
    let set: HashSet<u64> = (0..20).map(|member| member * step.number).collect();
    state.sets.push(set.clone());
    state.map.insert(step.number, set);
});

#[test]
fn the_order_of_a_hash_map_is_no_finding_by_itself() {
    found_nothing::<Unordered>();
}

application!(
    Floats {
        sum: f64,
        small: f32,
        all: VecDeque<f64>,
    },
    |step, state| {
        state.sum += 0.1 * f64::from(u32::try_from(step.number).unwrap());
        state.small -= 0.1;
        state.all.push_front(state.sum * 1e300);
    }
);

application!(Mean { sum: f64, mean: f64 }, |step, state| {
    state.mean = state.sum / f64::from(u32::try_from(step.number - 1).unwrap());
});

#[test]
fn floats_come_back_as_they_were_and_those_that_json_cannot_say_are_found() {
    found_nothing::<Floats>();
    found_twice::<Mean>(&["mutation 1, {\"number\":1},", "NaN in `mean`"]);
}

application!(
    Forgetful {
        #[serde(skip_deserializing)]
        total: u64,
        last: u64,
    },
    |step, state| {
        if step.number >= 3 {
            state.total += 1;
        }
        state.last = step.number;
    }
);

#[test]
fn a_state_that_loses_a_field_on_its_way_through_json_is_found() {
    let words = ["mutation 3, {\"number\":3},", "its own JSON", "`total` was 1 and is 0"];
    found_twice::<Forgetful>(&words);
    match crash_test::<Forgetful, Step>(steps(5)) {
        Err(CrashFailure::NotItsJson { seq: 3, mutation: Some(_), .. }) => {}
        other => panic!("{other:?}"),
    }
}

application!(
    Unreadable {
        #[serde(skip_serializing)]
        total: u64,
    },
    |step, state| state.total = step.number
);

#[test]
fn a_state_that_cannot_be_read_from_its_json_is_found() {
    let text = not_deterministic::<Unreadable>();
    says(&text, &["the initial state", "cannot be read", "missing field `total`", "agree"]);
    // The manager itself refuses to begin with it.
    let failure = crash_test::<Unreadable, Step>(steps(3)).unwrap_err();
    says(&failure.to_string(), &["the first opening", "missing field `total`"]);
}

application!(
    Hidden {
        #[serde(skip)]
        batch: u64,
        sum: u64,
    },
    |_, state| {
        state.batch += 1;
        state.sum += state.batch;
    }
);

#[test]
fn a_field_that_handlers_need_and_json_does_not_hold_is_found() {
    let text = not_deterministic::<Hidden>();
    says(&text, &["mutation 2,", "behind a snapshot", "`sum` was 3 and is 2", "JSON of the state"]);
    let failure = crash_test::<Hidden, Step>(steps(12)).unwrap_err();
    says(&failure.to_string(), &["after closing the journal", "`sum` was", "JSON of the state"]);
}

thread_local! {
    static APPLIED: Cell<u64> = const { Cell::new(0) };
}

application!(Tenth { sum: u64 }, |step, state| {
    // The program itself comes this far, and a crash of it needs more.
    let applied = APPLIED.get() + 1;
    APPLIED.set(applied);
    state.sum += step.number + u64::from(applied > 200);
});

#[test]
fn what_only_a_crash_shows_is_told_with_the_crash() {
    let failure = crash_test::<Tenth, Step>(steps(4)).unwrap_err();
    let text = failure.to_string();
    says(&text, &["is another after a power cut after call", "keeping ", "`sum` was"]);
    assert_eq!(text, format!("{failure:?}"), "`unwrap` shows the text too");
}

application!(Picky { sum: u64 }, |step, state| {
    assert!(step.number < 7, "seven is too much");
    state.sum += step.number;
});

#[test]
fn a_handler_that_panics_is_named() {
    let failure = crash_test::<Picky, Step>(steps(9)).unwrap_err();
    says(&failure.to_string(), &["applying mutation 7 failed", "seven is too much"]);
    let CrashFailure::Stopped { source, .. } = failure else { panic!("{failure}") };
    assert!(matches!(*source, MiniStateError::HandlerPanicked { seq: 7, .. }), "{source}");
}

#[test]
fn a_mutation_that_a_manager_refuses_is_named() {
    #[derive(Debug, Serialize, Deserialize)]
    struct Scale(f64);

    impl Mutator<Floats> for Scale {
        fn apply(&self, floats: &mut Floats) {
            floats.sum *= self.0;
        }
    }

    let scales = || [Scale(2.0), Scale(f64::NAN)];
    let failure = crash_test::<Floats, Scale>(scales()).unwrap_err().to_string();
    let examined = catch_unwind(|| assert_deterministic(Floats::default(), scales()));
    for text in [failure, message(&*examined.unwrap_err())] {
        says(&text, &["mutation 2", "refused", "NaN"]);
    }
}

#[test]
fn a_crash_test_looks_at_no_more_than_it_may_and_begins_where_it_is_told() {
    application!(Sum { sum: u64 }, |step, state| state.sum += step.number);
    let counts = CrashTest::new().crash_states(40).run::<Sum, Step>(steps(20)).unwrap();
    assert_eq!(counts.crash_states, 40);
    // They are from the whole history.
    assert!(counts.from_snapshots > 5 && counts.from_snapshots < 35, "{counts}");
    let initial = || Sum { sum: 1_000 };
    let counts = CrashTest::new().run_with(initial, steps(3)).unwrap();
    assert!(counts.crash_states > 100, "{counts}");
    for few in 0..3 {
        let counts = crash_test::<Sum, Step>(steps(few)).unwrap();
        assert!(counts.crash_states > 5, "{counts}");
    }
}
