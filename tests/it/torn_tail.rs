//! What a crash leaves of a batch that was never acknowledged is cut, kept aside and reported.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ministate::storage::Simulated;
use ministate::{Mutator, Options};
use ministate_tests::{Call, Hook, Hooked, JOURNAL, Lists, Push, entries, open_simulated, push};
use serde::{Deserialize, Serialize};

fn path(name: &str) -> PathBuf {
    PathBuf::from("lists").join(name)
}

/// A full disk left the beginning of an end line, the power was cut, and the opening wrote the end
/// line over it. Another power cut kept the second sector of that alone: it was taken for damage.
#[test]
fn a_seal_that_is_interrupted_twice_is_completed() {
    let mut crossings = 0;
    for padding in 0..40 {
        let disk = Simulated::new();
        let lists = open_simulated(&disk, 400).unwrap();
        for entry in 0..2 {
            lists.blocking_apply(Push { entry, padding: "x".repeat(60 + padding) }).unwrap();
        }
        disk.watch();
        lists.blocking_apply(push(2)).unwrap();
        let moments = disk.moments();
        let sealing = moments.iter().find(|moment| moment.what().starts_with("write 27 bytes at"));
        let interrupted = sealing.expect("the end line is written").after_kill();
        drop(lists);

        let mut content = interrupted.content(path(JOURNAL)).unwrap();
        let end_line = content.iter().rposition(|byte| *byte != b'\n').unwrap() + 2 - 27;
        assert!(content[end_line..].starts_with(br#"{"end":2,"#));
        crossings += usize::from(end_line / 512 < (end_line + 26) / 512);
        content.truncate(end_line + 13);
        interrupted.set_content(path(JOURNAL), content);

        let disk = interrupted.restarted(0);
        disk.watch();
        drop(open_simulated(&disk, 400).unwrap());
        for moment in disk.moments() {
            for state in moment.crash_states(1_000) {
                let opened = open_simulated(&state.disk.after_kill(), 400);
                let opened = opened.unwrap_or_else(|error| panic!("{state}: {error}"));
                assert_eq!(entries(&opened), [0, 1], "{state}");
            }
        }
    }
    assert!(crossings > 5, "{crossings}");
}

#[test]
fn a_journal_cut_at_any_byte_of_its_last_records_opens_with_every_complete_record() {
    let disk = Simulated::new();
    let lists = open_simulated(&disk, u64::MAX).unwrap();
    let mut ends = Vec::new();
    for entry in 0..8 {
        lists.blocking_apply(push(entry)).unwrap();
        let content = disk.content(path(JOURNAL)).unwrap();
        ends.push(content.iter().rposition(|byte| *byte != b'\n').unwrap() + 2);
    }
    drop(lists);
    let whole = disk.content(path(JOURNAL)).unwrap();
    let cuts = ends[4]..=ends[7];
    assert!(cuts.clone().count() > 200);
    for cut in cuts {
        disk.set_content(path(JOURNAL), whole[..cut].to_vec());
        let disk = disk.restarted(0);
        let complete = ends.iter().filter(|end| **end <= cut).count() as u64;
        let expected: Vec<u64> = (0..complete).collect();

        let lists = open_simulated(&disk, u64::MAX).unwrap_or_else(|e| panic!("cut at {cut}: {e}"));
        assert_eq!(entries(&lists), expected, "cut at {cut}");
        let recovery = lists.recovery();
        assert_eq!(recovery.replayed, complete);
        let torn = whole[..cut].len() - ends[complete as usize - 1];
        match &recovery.torn_tail {
            None => assert_eq!(torn, 0),
            Some(tail) => {
                assert_eq!((tail.bytes, tail.after), (torn as u64, complete));
                let name = tail.kept_in.file_name().unwrap().to_str().unwrap();
                assert!(
                    name.starts_with(&format!("list.wal.torn.{:020}.", complete + 1)),
                    "{name}"
                );
                let kept = disk.content(&tail.kept_in).unwrap();
                assert_eq!(kept, &whole[ends[complete as usize - 1]..cut]);
            }
        }
        assert_eq!(lists.blocking_apply(push(99)).unwrap(), complete + 1);
        drop(lists);

        let lists = open_simulated(&disk, u64::MAX).unwrap();
        assert_eq!(entries(&lists), [expected, vec![99]].concat(), "cut at {cut}, reopened");
        assert!(lists.recovery().torn_tail.is_none());
    }
}

/// Once, a number that was cut behind its sign, point or exponent was called damage.
#[test]
fn a_record_cut_within_any_kind_of_value_is_torn() {
    #[derive(Debug, Default, Serialize, Deserialize)]
    struct Count(u64);
    #[derive(Debug, Serialize, Deserialize)]
    struct Any(serde_json::Value);
    impl Mutator<Count> for Any {
        fn apply(&self, count: &mut Count) {
            count.0 += 1;
        }
    }
    let open = |disk: &Simulated| {
        Options::new().storage(disk.clone()).blocking_open::<Count, Any>("any", "any.wal.jsonl")
    };
    let values = [
        serde_json::json!({"x": -1.5e-9, "y": [-0.25, 1e300, 0.5e-7], "z": [true, null, false]}),
        serde_json::json!(-1.5),
        serde_json::json!(-7),
        serde_json::json!("\u{1f600} \\ \" \n \u{1}"),
        serde_json::json!(true),
        serde_json::json!([[], {}, [{}]]),
    ];
    for value in values {
        let disk = Simulated::new();
        let any = open(&disk).unwrap();
        any.blocking_apply(Any(1.into())).unwrap();
        let before = disk.content(any.journal_path()).unwrap();
        any.blocking_apply(Any(value.clone())).unwrap();
        let path = any.journal_path().to_path_buf();
        drop(any);
        let whole = disk.content(&path).unwrap();
        let start = before.iter().rposition(|byte| *byte != b'\n').unwrap() + 2;
        let end = whole.iter().rposition(|byte| *byte != b'\n').unwrap() + 2;
        for cut in start..end {
            disk.set_content(&path, whole[..cut].to_vec());
            let any = open(&disk.after_kill()).unwrap_or_else(|e| panic!("{value}, {cut}: {e}"));
            assert_eq!(any.sequence(), 1);
        }
    }
}

/// Once, a record that had lost its newline was taken as whole, the next one was written behind it
/// on the same line, and the journal did not open any more.
#[test]
fn a_record_that_lost_its_newline_is_not_glued_to_the_next() {
    let disk = Simulated::new();
    let lists = open_simulated(&disk, u64::MAX).unwrap();
    lists.blocking_apply(push(1)).unwrap();
    lists.blocking_apply(push(2)).unwrap();
    drop(lists);
    let mut content = disk.content(path(JOURNAL)).unwrap();
    content.truncate(content.iter().rposition(|byte| *byte != b'\n').unwrap() + 1);
    disk.set_content(path(JOURNAL), content);

    let lists = open_simulated(&disk, u64::MAX).unwrap();
    assert_eq!(entries(&lists), [1]);
    lists.blocking_apply(push(3)).unwrap();
    drop(lists);
    let lists = open_simulated(&disk, u64::MAX).unwrap();
    assert_eq!(entries(&lists), [1, 3]);
    let content = String::from_utf8(disk.content(path(JOURNAL)).unwrap()).unwrap();
    assert!(content.lines().all(|line| line.matches(r#""seq":"#).count() <= 1));
}

#[test]
fn zeros_behind_the_data_are_no_records() {
    let disk = Simulated::new();
    let lists = open_simulated(&disk, u64::MAX).unwrap();
    lists.blocking_apply(push(1)).unwrap();
    drop(lists);
    let mut content = disk.content(path(JOURNAL)).unwrap();
    let end = content.iter().rposition(|byte| *byte != b'\n').unwrap() + 2;
    content.truncate(end);
    content.resize(end + 5_000, 0);
    disk.set_content(path(JOURNAL), content);
    let lists = open_simulated(&disk, u64::MAX).unwrap();
    assert_eq!(entries(&lists), [1]);
    lists.blocking_apply(push(2)).unwrap();
    drop(lists);
    assert_eq!(entries(&open_simulated(&disk, u64::MAX).unwrap()), [1, 2]);
}

#[test]
fn the_recovery_says_how_the_last_run_ended() {
    let disk = Simulated::new();
    let data_bytes = || {
        let content = disk.content(path(JOURNAL)).unwrap();
        content.iter().rposition(|byte| *byte != b'\n').unwrap() as u64 + 2
    };
    let found = |lists: &Lists| (lists.recovery().was_closed, lists.recovery().rewritten_bytes);
    let lists = open_simulated(&disk, u64::MAX).unwrap();
    lists.blocking_apply(push(0)).unwrap();
    drop(lists);
    let before_mark = data_bytes();

    let lists = open_simulated(&disk, u64::MAX).unwrap();
    assert_eq!(found(&lists), (false, before_mark));
    lists.blocking_close().unwrap();

    let lists = open_simulated(&disk, u64::MAX).unwrap();
    assert_eq!(found(&lists), (true, 0));
    lists.blocking_apply(push(1)).unwrap();
    drop(lists);

    // The mark is behind what it vouches for.
    let lists = open_simulated(&disk, u64::MAX).unwrap();
    assert_eq!(found(&lists), (false, data_bytes() - before_mark));
}

#[derive(Debug, Default)]
struct Syncs(Arc<AtomicU64>);

impl Hook for Syncs {
    fn before(&self, call: Call) {
        self.0.fetch_add(u64::from(call == Call::Sync), Ordering::Relaxed);
    }
}

/// Else each start would take as long as its newest segment is large.
#[test]
fn a_closed_journal_is_not_written_again() {
    let disk = Simulated::new();
    let syncs_of_an_opening = || {
        let syncs = Arc::new(AtomicU64::new(0));
        let storage = Hooked::new(disk.clone(), Syncs(Arc::clone(&syncs)));
        let opened = Options::new().storage(storage).blocking_open("lists", JOURNAL);
        let lists: Lists = opened.unwrap();
        (lists, syncs.load(Ordering::Relaxed))
    };
    let (lists, _) = syncs_of_an_opening();
    lists.blocking_apply(push(0)).unwrap();
    drop(lists);
    let (lists, syncs) = syncs_of_an_opening();
    assert!(syncs > 0, "nothing says that the record was synced");
    lists.blocking_close().unwrap();
    assert_eq!(syncs_of_an_opening().1, 0);
}
