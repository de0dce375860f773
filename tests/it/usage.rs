//! Which operations a journal holds, and which old versions of them a program may forget.

use ministate::storage::Simulated;
use ministate::{Disposal, Mutations, Mutator, Options, StateManager};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

#[derive(Debug, Default, Serialize, Deserialize)]
struct Total {
    cents: u64,
}

fn add(total: &mut Total, cents: u64) {
    total.cents += cents;
}

mod first {
    use super::{Deserialize, Mutations, Serialize, Total, add};

    #[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
    #[mutations(state = Total)]
    pub(super) enum Op {
        #[mutation(apply = add)]
        Add { cents: u64 },
    }
}

mod second {
    use super::{Deserialize, Mutations, Serialize, Total, add};

    #[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
    #[mutations(state = Total, state_version = 2, state_from(1 = Total))]
    pub(super) enum Op {
        #[mutation(version = 3, from(1 = V1, 2 = V1), apply = add, alias("plus"))]
        Add { cents: u64 },
    }

    #[derive(Deserialize)]
    pub(super) struct V1 {
        cents: u64,
    }

    impl From<V1> for Op {
        fn from(old: V1) -> Self {
            Op::Add { cents: old.cents }
        }
    }
}

fn open<M>(disk: &Simulated) -> StateManager<Total, M>
where
    M: Mutator<Total> + Serialize + DeserializeOwned + Send + 'static,
{
    let options = Options::new().snapshots_kept(1).disposal(Disposal::Delete);
    options.storage(disk.clone()).blocking_open("total", "total.wal.jsonl").unwrap()
}

/// Written by the first program and then by the second.
fn journal() -> Simulated {
    let disk = Simulated::new();
    let total = open::<first::Op>(&disk);
    total.blocking_apply(first::Op::Add { cents: 1 }).unwrap();
    total.blocking_apply_batch([first::Op::Add { cents: 2 }, first::Op::Add { cents: 3 }]).unwrap();
    drop(total);
    let total = open::<second::Op>(&disk);
    total.blocking_apply(second::Op::Add { cents: 4 }).unwrap();
    drop(total);
    disk
}

#[test]
fn each_tag_and_version_is_counted_with_its_first_and_last_mutation() {
    let total = open::<second::Op>(&journal());
    let usage = total.blocking_usage().unwrap();
    let found: Vec<_> = usage
        .operations
        .iter()
        .map(|usage| (&*usage.name, usage.version, usage.mutations, usage.first, usage.last))
        .collect();
    assert_eq!(found, [("add", 1, 3, Some(1), Some(3)), ("add", 3, 1, Some(4), Some(4))]);
    assert_eq!(usage.states, [1]);
}

#[test]
fn what_no_file_holds_is_no_longer_needed() {
    let disk = journal();
    let total = open::<second::Op>(&disk);
    let usage = total.blocking_usage().unwrap();
    // `add@2` goes unused, but `add@1` is read by way of it.
    assert_eq!(usage.unneeded, ["plus@1", "plus@2", "plus@3"]);
    total.blocking_create_snapshot().unwrap();
    total.blocking_compact().unwrap();
    let usage = total.blocking_usage().unwrap();
    assert_eq!(
        usage.unneeded,
        ["add@1", "add@2", "plus@1", "plus@2", "plus@3", "version 1 of the state"]
    );
    // The program that forgot all of that opens the journal.
    drop(total);
    assert_eq!(open::<third::Op>(&disk).read(|total| total.cents), 10);
}

mod third {
    use super::{Deserialize, Mutations, Serialize, Total, add};

    #[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
    #[mutations(state = Total, state_version = 2, state_oldest = 2)]
    pub(super) enum Op {
        #[mutation(version = 3, oldest = 3, apply = add)]
        Add { cents: u64 },
    }
}

#[test]
fn a_version_that_a_program_might_have_written_is_still_needed() {
    let disk = Simulated::new();
    // It says what it writes, and writes nothing.
    drop(open::<first::Op>(&disk));
    let total = open::<first::Op>(&disk);
    let usage = total.blocking_usage().unwrap();
    assert_eq!(usage.operations.len(), 1);
    assert_eq!((usage.operations[0].mutations, usage.operations[0].first), (0, None));
    assert!(usage.unneeded.is_empty());
}

#[test]
fn counting_goes_on_beside_writers() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options::new().segment_bytes(2_000);
    let total = options.blocking_open::<Total, first::Op>(dir.path(), "total.wal.jsonl").unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for _ in 0..300 {
                total.blocking_apply(first::Op::Add { cents: 1 }).unwrap();
            }
        });
        while !writer.is_finished() {
            let before = total.sequence();
            let usage = total.blocking_usage().unwrap();
            let mutations: u64 = usage.operations.iter().map(|usage| usage.mutations).sum();
            assert!(before <= mutations && mutations <= total.sequence());
        }
    });
}
