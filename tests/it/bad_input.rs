//! What is not a journal for this program is refused with a remedy, and stays as it is.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use ministate::MiniStateError;
use ministate_tests::{JOURNAL, open, push};

fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

#[track_caller]
fn refused(dir: &Path) -> MiniStateError {
    let before = files(dir);
    let error = open(dir).expect_err("bad input was accepted");
    assert_eq!(files(dir), before);
    check_text(&error);
    error
}

/// One lower-case line, which does not repeat its source.
#[track_caller]
fn check_text(error: &MiniStateError) {
    let text = error.to_string();
    assert!(!text.contains('\n') && text.contains("; "), "{text}");
    assert!(!text.ends_with('.'), "{text}");
    if let Some(source) = error.source() {
        assert!(!text.contains(&source.to_string()), "{text}");
    }
}

#[test]
fn a_directory_that_is_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("state");
    fs::write(&file, "mine").unwrap();
    for path in [file.clone(), file.join("below")] {
        match open(&path) {
            Err(error @ MiniStateError::Io { .. }) => check_text(&error),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(fs::read(file).unwrap(), b"mine");
}

#[test]
fn a_journal_that_is_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join(JOURNAL)).unwrap();
    match open(dir.path()) {
        Err(error @ MiniStateError::Io { .. }) => check_text(&error),
        other => panic!("{other:?}"),
    }
}

/// The kernel's own files cannot be added to, not even by root.
#[test]
#[cfg(target_os = "linux")]
fn a_directory_that_cannot_be_written() {
    match open("/sys/kernel") {
        Err(error @ MiniStateError::Io { .. }) => {
            check_text(&error);
            assert!(error.to_string().contains("/sys/kernel"), "{error}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_foreign_file_under_the_name_of_the_journal() {
    for content in ["", "\n", "hello", "{}\n", "{\"seq\":1}\n", "\0\0\0\0", "// MINISTORE\n"] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(JOURNAL), content).unwrap();
        match refused(dir.path()) {
            MiniStateError::Foreign { path } => assert_eq!(path, dir.path().join(JOURNAL)),
            other => panic!("{content:?}: {other}"),
        }
    }
}

#[test]
fn a_journal_in_a_newer_format() {
    let dir = tempfile::tempdir().unwrap();
    let line = "{\"ministate\":2,\"unheard\":[\"of\"]}\nand so on";
    fs::write(dir.path().join(JOURNAL), line).unwrap();
    match refused(dir.path()) {
        MiniStateError::NewerFormat { found: 2, supported: 1, path } => {
            assert_eq!(path, dir.path().join(JOURNAL));
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_header_that_was_changed() {
    let dir = tempfile::tempdir().unwrap();
    let lists = open(dir.path()).unwrap();
    lists.blocking_apply(push(1)).unwrap();
    lists.blocking_close().unwrap();
    let path = dir.path().join(JOURNAL);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace(r#""first":1"#, r#""first":2"#)).unwrap();
    match refused(dir.path()) {
        MiniStateError::Corrupt { at, .. } => assert_eq!((at.line, at.byte), (1, 0)),
        other => panic!("{other}"),
    }
}

#[test]
fn a_name_that_no_file_can_have() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["", "..", "list.next.jsonl", "list.00000000000000000001.jsonl"] {
        let opened = ministate::Options::new()
            .blocking_open::<ministate_tests::List, ministate_tests::Push>(dir.path(), name);
        match opened {
            Err(error @ MiniStateError::BadName { .. }) => check_text(&error),
            other => panic!("{name:?}: {other:?}"),
        }
    }
    assert!(files(dir.path()).is_empty());
}

#[test]
fn records_of_another_program() {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Other {
        unrelated: bool,
    }
    impl ministate::Mutator<ministate_tests::List> for Other {
        fn apply(&self, _list: &mut ministate_tests::List) {}
    }
    let dir = tempfile::tempdir().unwrap();
    open(dir.path()).unwrap().blocking_apply(push(1)).unwrap();
    let before = files(dir.path());
    let opened = ministate::Options::new()
        .blocking_open::<ministate_tests::List, Other>(dir.path(), JOURNAL);
    match opened {
        Err(error @ MiniStateError::Undecodable { seq: 1, .. }) => {
            check_text(&error);
            let source = error.source().unwrap();
            assert!(source.source().unwrap().to_string().contains("unrelated"), "{source:?}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(files(dir.path()), before);
}
