//! A journal that a newer program wrote is refused by an older one, before a byte is changed.

use ministate::storage::Simulated;
use ministate::{MiniStateError, Mutations, Mutator, Options, StateManager};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Total {
    cents: u64,
}

impl Total {
    fn add(&mut self, cents: u64) {
        self.cents += cents;
    }

    fn clear(&mut self) {
        self.cents = 0;
    }
}

mod first_release {
    use super::{Deserialize, Mutations, Serialize, Total};

    #[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
    #[mutations(state = Total)]
    pub(super) enum Op {
        Add { cents: u64 },
    }
}

mod second_release {
    use super::{Deserialize, Mutations, Serialize, Total};

    #[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
    #[mutations(state = Total)]
    pub(super) enum Op {
        #[mutation(version = 2, from(1 = AddV1))]
        Add {
            cents: u64,
        },
        Clear,
    }

    #[derive(Deserialize)]
    pub(super) struct AddV1 {
        cents: u64,
    }

    impl From<AddV1> for Op {
        fn from(old: AddV1) -> Self {
            Op::Add { cents: old.cents }
        }
    }
}

fn open<M>(disk: &Simulated) -> Result<StateManager<Total, M>, MiniStateError>
where
    M: Mutator<Total> + Serialize + DeserializeOwned + Send + 'static,
{
    Options::new().storage(disk.clone()).blocking_open("total", "total.wal.jsonl")
}

fn segments(disk: &Simulated) -> Vec<(String, Vec<u8>)> {
    use ministate::storage::Storage;
    let dir = std::path::Path::new("total");
    let mut names = disk.list(dir).unwrap();
    names.sort();
    names.into_iter().map(|name| (name.clone(), disk.content(dir.join(name)).unwrap())).collect()
}

#[test]
fn an_older_program_is_refused_with_the_list_of_what_it_lacks() {
    for with_records in [false, true] {
        let disk = Simulated::new();
        let old = open::<first_release::Op>(&disk).unwrap();
        if with_records {
            old.blocking_apply(first_release::Op::Add { cents: 5 }).unwrap();
        }
        drop(old);
        // The new program says at once what it is going to write.
        drop(open::<second_release::Op>(&disk).unwrap());

        let before = segments(&disk);
        match open::<first_release::Op>(&disk) {
            Err(MiniStateError::UnknownOperations { by, unknown, .. }) => {
                assert_eq!(unknown, ["add@2", "clear@1"]);
                assert_eq!(by.as_deref(), Some("ministate-tests 0.0.0"));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(segments(&disk), before);
    }
}

#[test]
fn a_newer_program_goes_on_where_the_older_one_was() {
    let disk = Simulated::new();
    let old = open::<first_release::Op>(&disk).unwrap();
    old.blocking_apply(first_release::Op::Add { cents: 5 }).unwrap();
    drop(old);
    for expected in [12, 19] {
        let new = open::<second_release::Op>(&disk).unwrap();
        new.blocking_apply(second_release::Op::Add { cents: 7 }).unwrap();
        assert_eq!(new.read(|total| total.cents), expected);
    }
    let new = open::<second_release::Op>(&disk).unwrap();
    new.blocking_apply(second_release::Op::Clear).unwrap();
    assert_eq!(new.read(|total| total.cents), 0);
}

#[test]
fn the_same_program_begins_no_new_segment() {
    let disk = Simulated::new();
    for _ in 0..3 {
        let old = open::<first_release::Op>(&disk).unwrap();
        old.blocking_apply(first_release::Op::Add { cents: 5 }).unwrap();
    }
    let names: Vec<String> = segments(&disk).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names.iter().filter(|name| name.ends_with(".jsonl")).count(), 1, "{names:?}");
}
