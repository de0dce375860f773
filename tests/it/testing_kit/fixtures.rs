//! Does a directory that an older release left replay to what it should?

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use ministate::testing::assert_replays;
use ministate::{Mutations, Options, StateManager};
use serde::{Deserialize, Serialize};

use super::{message, says};

/// The second release of an application, and below the first.
mod second {
    use super::{BTreeMap, Deserialize, Mutations, Serialize};

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    pub(super) struct List {
        pub(super) entries: BTreeMap<u64, String>,
    }

    #[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
    #[mutations(state = List)]
    pub(super) enum ListOp {
        #[mutation(version = 2, from(1 = AddV1))]
        Add { entry: u64, text: String },
    }

    #[derive(Deserialize)]
    pub(super) struct AddV1 {
        entry: u64,
    }

    impl From<AddV1> for ListOp {
        fn from(old: AddV1) -> Self {
            ListOp::Add { entry: old.entry, text: "old".into() }
        }
    }

    impl List {
        fn add(&mut self, entry: u64, text: String) {
            self.entries.insert(entry, text);
        }
    }
}

mod first {
    use super::{BTreeMap, Deserialize, Mutations, Serialize};

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    pub(super) struct List {
        entries: BTreeMap<u64, String>,
    }

    #[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
    #[mutations(state = List)]
    pub(super) enum ListOp {
        Add { entry: u64 },
    }

    impl List {
        fn add(&mut self, entry: u64) {
            self.entries.insert(entry, "first".into());
        }
    }
}

fn left_by_the_first_release(dir: &Path) {
    let list: StateManager<first::List, first::ListOp> =
        Options::new().blocking_open(dir, "list.wal.jsonl").unwrap();
    list.blocking_apply(first::ListOp::Add { entry: 1 }).unwrap();
    list.blocking_apply(first::ListOp::Add { entry: 2 }).unwrap();
    list.blocking_close().unwrap();
}

fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(dir).unwrap().map(Result::unwrap);
    let name = |entry: &fs::DirEntry| entry.file_name().into_string().unwrap();
    entries.map(|entry| (name(&entry), fs::read(entry.path()).unwrap())).collect()
}

fn replayed(dir: &Path, expected: &second::List) -> Result<(), String> {
    let replay = || assert_replays::<second::List, second::ListOp>(dir, "list.wal.jsonl", expected);
    catch_unwind(AssertUnwindSafe(replay)).map_err(|panic| message(&*panic))
}

#[test]
fn a_directory_of_an_older_release_is_replayed_and_stays_as_it_is() {
    let fixture = tempfile::tempdir().unwrap();
    let dir = fixture.path();
    left_by_the_first_release(dir);
    let before = contents(dir);
    let expected =
        |text: &str| second::List { entries: [1, 2].map(|entry| (entry, text.into())).into() };
    replayed(dir, &expected("old")).unwrap();
    let text = replayed(dir, &expected("first")).unwrap_err();
    says(&text, &["the fixture ", "2 mutations", "`entries.1` was \"first\" and is \"old\""]);
    assert_eq!(contents(dir), before);
}

#[test]
fn a_directory_that_no_longer_opens_is_reported_with_its_operation() {
    let fixture = tempfile::tempdir().unwrap();
    left_by_the_first_release(fixture.path());
    let expected = first::List::default();
    let replay = || {
        #[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
        #[mutations(state = first::List)]
        enum Renamed {
            #[mutation(apply = insert)]
            Insert { entry: u64 },
        }

        fn insert(_list: &mut first::List, _entry: u64) {}

        assert_replays::<first::List, Renamed>(fixture.path(), "list.wal.jsonl", &expected);
    };
    let text = message(&*catch_unwind(AssertUnwindSafe(replay)).unwrap_err());
    says(&text, &["add@1", "does not know"]);
    let text = replayed(&fixture.path().join("elsewhere"), &second::List::default()).unwrap_err();
    says(&text, &["there is no journal"]);
}
