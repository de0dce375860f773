//! Which files does a tool have to copy?

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ministate::Options;
use ministate::storage::{Simulated, Storage};
use ministate_tests::{Call, Hook, Hooked, JOURNAL, Lists, entries};

use super::{all_of, copied_as_a_tool_would, push_all};

/// While the directory is listed for the first time, the active segment has no name of the journal.
#[derive(Debug)]
struct Renaming {
    disk: Simulated,
    calls: Arc<AtomicU64>,
}

impl Hook for Renaming {
    fn before(&self, _call: Call) {
        let (active, elsewhere) = (Path::new("lists").join(JOURNAL), Path::new("lists/elsewhere"));
        match self.calls.fetch_add(1, Ordering::Relaxed) {
            0 => self.disk.rename(&active, elsewhere).unwrap(),
            1 => self.disk.rename(elsewhere, &active).unwrap(),
            _ => {}
        }
    }
}

#[test]
fn the_necessary_files_have_a_segment_that_a_listing_missed() {
    let (disk, calls) = (Simulated::new(), Arc::new(AtomicU64::new(1 << 32)));
    let renaming = Renaming { disk: disk.clone(), calls: Arc::clone(&calls) };
    let options = Options::new().segment_bytes(600).storage(Hooked::new(disk, renaming));
    let lists: Lists = options.blocking_open("lists", JOURNAL).unwrap();
    push_all(&lists, 0..20);
    let files = lists.necessary_files().unwrap();
    calls.store(0, Ordering::Relaxed);
    assert_eq!(lists.necessary_files().unwrap(), files);
}

#[test]
fn the_necessary_files_of_a_journal_at_rest_are_a_copy_of_it() {
    let tmp = tempfile::tempdir().unwrap();
    let (dir, to) = (tmp.path().join("state"), tmp.path().join("copy"));
    let lists: Lists = Options::new().segment_bytes(600).blocking_open(&dir, JOURNAL).unwrap();
    push_all(&lists, 0..20);
    lists.blocking_create_snapshot().unwrap();
    push_all(&lists, 20..25);
    let files = lists.necessary_files().unwrap();
    assert_eq!(files.first(), Some(&dir.join("list.wal.head.json")));
    assert_eq!(files.last(), Some(&dir.join(JOURNAL)));
    copied_as_a_tool_would(&files, &to);
    let copy: Lists = Options::new().blocking_open(&to, JOURNAL).unwrap();
    assert_eq!(entries(&copy), all_of(25));
}
