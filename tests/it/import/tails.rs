//! Are all whole mutations there, wherever a crash ended the old journal?

use std::fs;

use ministate::{Mutator, StateManager};
use ministate_tests::{Counter, Inc};
use serde::{Deserialize, Serialize};

use super::{JOURNAL, assert_kept, copied, counter, files, fixture, opened, reached};

#[test]
fn a_torn_tail_is_reported_with_the_file_that_keeps_it() {
    let dir = copied("torn_tail");
    let counter = counter(dir.path());
    let torn = counter.recovery().torn_tail.as_ref().unwrap();
    assert_eq!((torn.after, torn.bytes), (2, 5));
    assert_eq!(torn.kept_in, dir.path().join("counter.wal.from-0.1.jsonl"));
    assert_eq!(fs::read(&torn.kept_in).unwrap(), fixture("torn_tail")[JOURNAL]);
}

/// At every byte: either the mutation is there as a whole, or it is not there.
#[test]
fn a_journal_that_ends_anywhere_opens_with_its_whole_mutations() {
    let whole = fixture("counter")[JOURNAL].clone();
    for length in 1..=whole.len() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(JOURNAL), &whole[..length]).unwrap();
        let complete = whole[..length].iter().filter(|byte| **byte == b'}').count();
        let counter = counter(dir.path());
        let values = [0, 1, 11, 111];
        assert_eq!(reached(&counter), (values[complete], complete as u64), "{length}");
        assert_eq!(counter.blocking_apply(Inc { by: 1 }).unwrap(), complete as u64 + 1);
    }
}

#[test]
fn zeros_behind_the_last_record_are_torn() {
    let dir = copied("counter");
    let mut content = fixture("counter")[JOURNAL].clone();
    content.extend([0; 700]);
    fs::write(dir.path().join(JOURNAL), content).unwrap();
    let counter = counter(dir.path());
    assert_eq!(reached(&counter), (111, 3));
    assert_eq!(counter.recovery().torn_tail.as_ref().unwrap().bytes, 700);
}

/// `12` may be what is left of `123`.
#[test]
fn a_number_whose_end_may_be_lost_is_torn() {
    #[derive(Serialize, Deserialize)]
    struct Add(u64);

    impl Mutator<Counter> for Add {
        fn apply(&self, counter: &mut Counter) {
            counter.value += self.0;
        }
    }

    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(JOURNAL), "// MINISTORE JOURNAL v0.1.4\n5\n12").unwrap();
    let counter: StateManager<Counter, Add> = opened(dir.path(), JOURNAL).unwrap();
    assert_eq!((counter.read(|counter| counter.value), counter.sequence()), (5, 1));
    assert_eq!(counter.recovery().torn_tail.as_ref().unwrap().bytes, 2);
}

#[test]
fn a_first_line_that_was_written_twice_is_no_record() {
    let dir = copied("counter");
    let text = String::from_utf8(fixture("counter")[JOURNAL].clone()).unwrap();
    let header = "// MINISTORE JOURNAL v0.1.4\n";
    fs::write(dir.path().join(JOURNAL), format!("{header}{text}{header}")).unwrap();
    assert_eq!(reached(&counter(dir.path())), (111, 3));
}

/// 0.1 gives the active segment another name before it begins the next one.
#[test]
fn a_rotation_that_was_interrupted_loses_nothing() {
    let without_last = |content: Option<&str>| {
        let dir = copied("rotated");
        fs::remove_file(dir.path().join(JOURNAL)).unwrap();
        if let Some(content) = content {
            fs::write(dir.path().join(JOURNAL), content).unwrap();
        }
        dir
    };
    for content in [None, Some(""), Some("// MINI"), Some("// MINISTORE JOURNAL v0.1.4\n")] {
        let dir = without_last(content);
        let old = files(dir.path());
        let counter = counter(dir.path());
        assert_eq!(reached(&counter), (11_111_110, 7), "{content:?}");
        assert_eq!(counter.recovery().imported.as_ref().unwrap().kept.len(), old.len());
        assert_eq!(counter.blocking_apply(Inc { by: 1 }).unwrap(), 8);
        drop(counter);
        assert_kept(&old, &files(dir.path()));
        assert_eq!(reached(&opened(dir.path(), JOURNAL).unwrap()), (11_111_111, 8));
    }
}
