//! What is said of a handler that does something else than before, and of a state that changed?

use std::collections::HashMap;

use ministate::__private::{Locked, judge};
use ministate::Mutations;
use serde::{Deserialize, Serialize};

use super::says;

mod states {
    use super::*;

    #[derive(Debug, Default, Clone, Serialize, Deserialize)]
    pub(super) struct First {
        cents: u64,
    }

    #[derive(Debug, Default, Clone, Serialize, Deserialize)]
    pub(super) struct Second {
        cents: u64,
        account: String,
    }

    impl From<First> for Second {
        fn from(old: First) -> Self {
            Second { cents: old.cents, account: String::new() }
        }
    }

    pub(super) fn add(state: &mut First, cents: u64) {
        state.cents = state.cents.wrapping_add(cents);
    }

    pub(super) fn add_more(state: &mut First, cents: u64) {
        state.cents = state.cents.wrapping_add(cents).wrapping_add(1);
    }

    pub(super) fn add_second(state: &mut Second, cents: u64) {
        state.cents = state.cents.wrapping_add(cents);
    }

    macro_rules! pinned {
        ($name:ident, $apply:path, $state:ty, $($keys:tt)*) => {
            #[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
            #[mutations(state = $state, lock = "schema/none.jsonl", pin_handlers, $($keys)*)]
            pub(super) enum $name {
                #[mutation(tag = "add", apply = $apply)]
                Add { cents: u64 },
            }
        };
    }

    // Inside of a function, so that their own tests are not collected.
    pub(super) fn with_releases(
        judge: impl FnOnce([fn(&str, &str) -> Result<Option<String>, String>; 5]),
    ) {
        pinned!(Before, add, First,);
        pinned!(Changed, add_more, First,);
        pinned!(Careless, add_second, Second,);
        pinned!(After, add_second, Second, state_version = 2, state_from(1 = First));
        fn of<S, M>(lock: &str, wish: &str) -> Result<Option<String>, String>
        where
            S: Default + Serialize + serde::de::DeserializeOwned,
            M: Locked<S>,
        {
            super::judge::<S, M>(Some(lock), wish, false)
        }
        #[derive(Debug, Default, Serialize, Deserialize)]
        struct Unordered(HashMap<u64, u64>, Vec<u64>);
        fn shuffle(state: &mut Unordered, cents: u64) {
            state.0 = (0..20).map(|number| (number, cents)).collect();
            state.1 = state.0.keys().take(10).copied().collect();
        }
        pinned!(Chance, shuffle, Unordered,);
        judge([
            of::<First, Before>,
            of::<First, Changed>,
            of::<Second, Careless>,
            of::<Second, After>,
            of::<Unordered, Chance>,
        ]);
    }
}

#[test]
fn a_handler_that_changed_is_reported_and_can_be_pinned_anew() {
    states::with_releases(|[before, changed, ..]| {
        let lock = before("", "accept").unwrap().unwrap();
        says(
            &lock,
            &[r#""after":{"state":1,"empty":{"cents":18446744073709551615},"filled":{"cents":0}}"#],
        );
        let lock = before(&lock, "release").unwrap().unwrap();
        assert_eq!(before(&lock, ""), Ok(None));
        let report = changed(&lock, "").unwrap_err();
        says(
            &report,
            &[
                "`MINISTATE_LOCK=repin cargo test`",
                "`add@1`: replaying it now gives a different state",
                "the default state: `cents`: was 18446744073709551615, is 0",
            ],
        );
        assert!(changed(&lock, "accept").is_err());
        let lock = changed(&lock, "repin").unwrap().unwrap();
        assert_eq!(changed(&lock, ""), Ok(None));
    });
}

#[test]
fn a_state_that_changed_needs_a_version() {
    states::with_releases(|[before, _, careless, after, _]| {
        let lock = before("", "accept").unwrap().unwrap();
        let lock = before(&lock, "release").unwrap().unwrap();
        says(
            &careless(&lock, "").unwrap_err(),
            &[
                "version 1 of the state is released",
                "missing field `account`",
                "`#[mutations(state_version = 2, state_from(1 = V1))]`",
            ],
        );
        // With a version, neither the state nor what handlers do has changed.
        let report = after(&lock, "").unwrap_err();
        assert!(
            !report.contains("to be mended") && !report.contains("different state"),
            "{report}"
        );
        let lock = after(&lock, "accept").unwrap().unwrap();
        says(
            &lock,
            &[r#"{"state":1,"d":{"cents":0},"becomes":{"state":2,"d":{"cents":0,"account":""}}"#],
        );
        assert_eq!(after(&lock, ""), Ok(None));
    });
}

#[test]
fn a_handler_that_hangs_on_the_order_of_a_hash_map_is_found_out() {
    states::with_releases(|[.., chance]| {
        says(&chance("", "accept").unwrap_err(), &["`add@1`: its handler is not deterministic"]);
    });
}
