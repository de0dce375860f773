//! What does a power cut, or a call that fails, leave of a copy, a compaction, an import?

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    Away, Carried, Declared, Layout, Reach, carried_over, compacted, compaction_planned, copied,
    opened_strictly,
};
use crate::storage::{Fault, Simulated, Storage};
use crate::{MiniStateError, Mutator, Options, StateManager};

#[derive(Debug, Default, Serialize, Deserialize)]
struct Counter(u64);

#[derive(Debug, Serialize, Deserialize)]
struct Inc(u64);

impl Mutator<Counter> for Inc {
    fn apply(&self, counter: &mut Counter) {
        counter.0 += self.0;
    }
}

const NAME: &str = "counter.wal.jsonl";

fn layout(dir: &str) -> Layout {
    Layout::new(Path::new(dir), Path::new(NAME)).expect("a plain name")
}

fn opened(disk: &Simulated, dir: &str) -> Result<StateManager<Counter, Inc>, MiniStateError> {
    Options::new().segment_bytes(300).storage(disk.clone()).blocking_open(dir, NAME)
}

fn reached(disk: &Simulated, dir: &str) -> (u64, u64) {
    let counter = opened(disk, dir).expect("it opens");
    (counter.read(|counter| counter.0), counter.sequence())
}

/// A journal of 20 mutations with snapshots, some of them not necessary any more, and two empty
/// directories.
fn written() -> Simulated {
    let disk = Simulated::new();
    let counter = opened(&disk, "state").expect("it opens");
    for by in 1..=20 {
        counter.blocking_apply(Inc(by)).expect("it is written");
        if by == 6 || by == 12 {
            counter.blocking_create_snapshot().expect("it is written");
        }
    }
    counter.blocking_close().expect("it is written");
    for dir in ["copy", "elsewhere"] {
        disk.create_dir_all(Path::new(dir)).expect("the disk works");
    }
    disk.restarted(0)
}

type Deed<'a> = dyn Fn(&Arc<dyn Storage>) -> Result<(), MiniStateError> + 'a;

/// Runs the deed on disks whose power is cut at each of its calls, or of which a call fails, and
/// gives what is found then, and whether the deed was done.
fn interrupted(begin: &dyn Fn() -> Simulated, deed: &Deed<'_>, found: &dyn Fn(&Simulated, bool)) {
    let run = |disk: &Simulated| {
        let storage: Arc<dyn Storage> = Arc::new(disk.clone());
        deed(&storage).is_ok()
    };
    let whole = begin();
    let before = whole.calls();
    assert!(run(&whole), "it works where nothing fails");
    for call in before..=whole.calls() {
        let cut = begin();
        cut.cut_power_at(call);
        let done = run(&cut);
        found(&cut.restarted(call), done);
        let full = begin();
        full.fail_at(call, Fault::Full);
        let done = run(&full);
        found(&full.after_kill(), done);
    }
}

#[test]
fn what_is_left_of_a_copy_is_the_whole_or_does_not_open() {
    let deed =
        |storage: &Arc<dyn Storage>| copied(storage, &layout("state"), Path::new("copy")).map(drop);
    interrupted(&written, &deed, &|disk, done| {
        let storage: Arc<dyn Storage> = Arc::new(disk.clone());
        match opened_strictly(&storage, &layout("copy"), Reach::Everything, &|_, _| {}) {
            Ok(opening) => assert_eq!((opening.last, opening.was_closed), (20, true)),
            Err(error) => assert!(!done, "{error}"),
        }
        assert_eq!(reached(disk, "state"), (210, 20));
    });
}

#[test]
fn a_copy_that_does_not_read_back_is_removed() {
    let disk = written();
    let genesis = layout("state").snapshot(0);
    let mut content = disk.content(&genesis).expect("it is there");
    content[100] ^= 1;
    disk.set_content(&genesis, content);
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    let copied = copied(&storage, &layout("state"), Path::new("copy"));
    assert!(matches!(copied, Err(MiniStateError::Corrupt { .. })), "{copied:?}");
    assert!(disk.list(Path::new("copy")).expect("it is there").is_empty());
}

fn planned_files() -> Vec<PathBuf> {
    let storage: Arc<dyn Storage> = Arc::new(written());
    compaction_planned(&storage, &layout("state"), 1).expect("it is sound").files
}

#[test]
fn no_file_that_is_moved_elsewhere_is_lost() {
    let files = planned_files();
    assert!(files.len() >= 4, "{files:?}");
    let contents: Vec<_> = files.iter().map(|file| written().content(file)).collect();
    let to = Path::new("elsewhere");
    let deed = |storage: &Arc<dyn Storage>| {
        let plan = compaction_planned(storage, &layout("state"), 1)?;
        compacted(&**storage, &layout("state"), &plan, Away::Elsewhere(to))
    };
    interrupted(&written, &deed, &|disk, done| {
        for (file, content) in files.iter().zip(&contents) {
            let there = disk.content(to.join(file.file_name().unwrap_or_default()));
            let here = disk.content(file);
            assert!(here == *content || there == *content, "{file:?} is nowhere");
            assert!(!done || here.is_none(), "{file:?} is there still");
        }
        let storage: Arc<dyn Storage> = Arc::new(disk.clone());
        deed(&storage).expect("the next one completes it");
        assert!(files.iter().all(|file| disk.content(file).is_none()));
        assert_eq!(reached(disk, "state"), (210, 20));
    });
}

#[test]
fn files_go_in_an_order_that_recovery_can_bear() {
    let files = planned_files();
    for away in [Away::Archive, Away::Deleted] {
        let deed = |storage: &Arc<dyn Storage>| {
            let plan = compaction_planned(storage, &layout("state"), 1)?;
            compacted(&**storage, &layout("state"), &plan, away)
        };
        interrupted(&written, &deed, &|disk, done| {
            assert_eq!(reached(disk, "state"), (210, 20));
            assert!(!done || files.iter().all(|file| disk.content(file).is_none()));
        });
    }
}

/// Three mutations, of which a snapshot of 0.1 holds two.
fn old() -> Simulated {
    let disk = Simulated::new();
    let journal = b"// MINISTORE JOURNAL v0.1.4\n1\n10\n100\n".to_vec();
    disk.set_content(Path::new("old").join(NAME), journal);
    let snapshot = b"{\"seq\":2,\"state\":11}".to_vec();
    disk.set_content("old/snapshot_00000000000000000002.json", snapshot);
    disk
}

#[test]
fn an_import_is_ended_by_the_application_or_by_a_second_one() {
    let deed = |storage: &Arc<dyn Storage>| {
        carried_over(storage, &layout("old"), Some(Declared::ByHand), None).map(drop)
    };
    interrupted(&old, &deed, &|disk, done| {
        let again = disk.after_kill();
        assert_eq!(reached(disk, "old"), (111, 3));
        let storage: Arc<dyn Storage> = Arc::new(again.clone());
        let (carried, opening) =
            carried_over(&storage, &layout("old"), Some(Declared::ByHand), None)
                .expect("the next one completes it");
        assert!(!done || matches!(carried, Carried::Ours), "{carried:?}");
        assert!(opening.is_none_or(|opening| opening.last == 3));
        assert_eq!(reached(&again, "old"), (111, 3));
    });
}
