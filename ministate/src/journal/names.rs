//! The names of a journal's files: the only place that builds or parses them.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::error::MiniStateError;
use crate::observation::Observer;
use crate::record::Seq;

/// Digits of a sequence number in a name: all of them, so that `ls` sorts by history.
const SEQ_DIGITS: usize = 20;

/// Behind the stem, the name of the head file.
const HEAD: &str = "head.json";

/// Where the files of one journal are.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    dir: PathBuf,
    active: String,
    /// With which all other names begin.
    stem: String,
    /// To whom the journal has this name as well.
    observer: Observer,
}

/// What a file in the journal's directory is to the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Active,
    Sealed(Seq),
    /// The state at a sequence number.
    Snapshot(Seq),
    /// The segment that becomes active when the active one is sealed.
    Next,
    /// Written, and not yet given its name: left by a crash.
    Temporary,
}

impl Names {
    /// The names of the journal whose active segment is `journal` in `dir`, or below it.
    pub(crate) fn new(dir: &Path, journal: &Path) -> Result<Names, MiniStateError> {
        let bad = || MiniStateError::BadName { name: journal.to_path_buf() };
        let active = journal.file_name().and_then(OsStr::to_str).ok_or_else(bad)?.to_string();
        let path = dir.join(journal);
        let stem = match active.strip_suffix(".jsonl") {
            Some(stem) => stem.to_string(),
            // Not the name alone: `a` and `a.jsonl` are two journals.
            None => format!("{active}.journal"),
        };
        let dir = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
            Some(_) | None => PathBuf::from("."),
        };
        if stem.is_empty() || is_ours(&active) {
            return Err(bad());
        }
        let observer = Observer::of(&dir.join(&active));
        Ok(Names { dir, active, stem, observer })
    }

    /// The same names in another directory.
    pub(crate) fn in_dir(&self, dir: &Path) -> Names {
        let (active, stem) = (self.active.clone(), self.stem.clone());
        let observer = Observer::of(&dir.join(&active));
        Names { dir: dir.to_path_buf(), active, stem, observer }
    }

    /// Whom to tell of the journal.
    pub(crate) fn observer(&self) -> &Observer {
        &self.observer
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn active(&self) -> PathBuf {
        self.dir.join(&self.active)
    }

    pub(crate) fn sealed(&self, first: Seq) -> PathBuf {
        self.with(&format!("{first:0SEQ_DIGITS$}.jsonl"))
    }

    pub(crate) fn next(&self) -> PathBuf {
        self.with("next.jsonl")
    }

    pub(crate) fn snapshot(&self, seq: Seq) -> PathBuf {
        self.with(&format!("snapshot.{seq:0SEQ_DIGITS$}.json"))
    }

    /// Where compaction moves what recovery no longer needs.
    pub(crate) fn archive(&self) -> PathBuf {
        self.with("archive")
    }

    pub(crate) fn head(&self) -> PathBuf {
        self.with(HEAD)
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.with("lock")
    }

    pub(crate) fn temporary(&self, unique: u64) -> PathBuf {
        self.with(&format!("{unique:016x}.tmp"))
    }

    /// Where the bytes are kept that were cut off behind the record before `seq`.
    pub(crate) fn torn(&self, seq: Seq, unique: u64) -> PathBuf {
        self.with(&format!("torn.{seq:0SEQ_DIGITS$}.{unique:016x}"))
    }

    /// The mutation before which the bytes in the file were cut off; `None` where it keeps none.
    #[cfg(feature = "inspect")]
    pub(crate) fn seq_of_torn(&self, name: &str) -> Option<Seq> {
        let (digits, unique) = self.rest_of(name)?.strip_prefix("torn.")?.split_once('.')?;
        seq_of(digits).filter(|_| is_hex(unique))
    }

    /// The number of a segment that ministate 0.1 put away; `None` where the file is none.
    pub(crate) fn number_of_old_segment(&self, name: &str) -> Option<u32> {
        let digits = name.strip_prefix(&self.active)?.strip_prefix('.')?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
    }

    /// A segment that ministate 0.1 put away, as its last releases named it.
    pub(crate) fn old_segment(&self, number: u32) -> PathBuf {
        self.dir.join(format!("{}.{number:06}", self.active))
    }

    /// Where a file of ministate 0.1 is kept after its import.
    pub(crate) fn kept_from_0_1(&self, name: &str) -> PathBuf {
        self.with(&format!("from-0.1.{}", self.rest_of(name).unwrap_or(name)))
    }

    /// Where it is kept if another file is kept there already.
    pub(crate) fn also_kept_from_0_1(&self, name: &str, unique: u64) -> PathBuf {
        let rest = self.rest_of(name).unwrap_or(name);
        self.with(&format!("from-0.1.{unique:016x}.{rest}"))
    }

    pub(crate) fn is_kept_from_0_1(&self, name: &str) -> bool {
        self.rest_of(name).is_some_and(|rest| rest.starts_with("from-0.1."))
    }

    fn rest_of<'a>(&self, name: &'a str) -> Option<&'a str> {
        name.strip_prefix(&self.stem)?.strip_prefix('.')
    }

    fn with(&self, rest: &str) -> PathBuf {
        self.dir.join(format!("{}.{rest}", self.stem))
    }

    /// Whether a file of this name is a part of a journal with these names, in any format.
    pub(crate) fn is_of_journal(&self, name: &str) -> bool {
        self.kind(name).is_some()
            || self.rest_of(name) == Some(HEAD)
            || self.number_of_old_segment(name).is_some()
    }

    /// What the file is; `None` where it is not this journal's, or nothing that recovery reads.
    pub(crate) fn kind(&self, name: &str) -> Option<Kind> {
        if name == self.active {
            return Some(Kind::Active);
        }
        let rest = self.rest_of(name)?;
        if rest == "next.jsonl" {
            return Some(Kind::Next);
        }
        if let Some(seq) = rest.strip_suffix(".jsonl").and_then(seq_of) {
            return Some(Kind::Sealed(seq));
        }
        let snapshot = rest.strip_prefix("snapshot.").and_then(|rest| rest.strip_suffix(".json"));
        if let Some(seq) = snapshot.and_then(seq_of) {
            return Some(Kind::Snapshot(seq));
        }
        rest.strip_suffix(".tmp").filter(|unique| is_hex(unique)).map(|_| Kind::Temporary)
    }
}

fn seq_of(digits: &str) -> Option<Seq> {
    let all_digits = digits.len() == SEQ_DIGITS && digits.bytes().all(|b| b.is_ascii_digit());
    // There is one behind each.
    all_digits.then(|| digits.parse().ok()).flatten().filter(|seq| *seq < Seq::MAX)
}

fn is_hex(unique: &str) -> bool {
    unique.len() == 16 && unique.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether a journal of this name would collide with files that another journal names itself.
fn is_ours(active: &str) -> bool {
    let sealed = |stem: &str| stem.rsplit('.').next().and_then(seq_of).is_some();
    active.ends_with(".next.jsonl")
        || active.ends_with(".head.json")
        || active.ends_with(".lock")
        || active.ends_with(".tmp")
        || active.strip_suffix(".jsonl").is_some_and(sealed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names::new(Path::new("state"), Path::new("app.wal.jsonl")).expect("a plain name")
    }

    #[test]
    fn every_name_is_recognised_again() {
        let names = names();
        let kind = |path: PathBuf| {
            names.kind(path.file_name().and_then(OsStr::to_str).expect("names are UTF-8"))
        };
        assert_eq!(kind(names.active()), Some(Kind::Active));
        assert_eq!(kind(names.sealed(u64::MAX - 1)), Some(Kind::Sealed(u64::MAX - 1)));
        assert_eq!(kind(names.snapshot(0)), Some(Kind::Snapshot(0)));
        assert_eq!(kind(names.next()), Some(Kind::Next));
        assert_eq!(kind(names.temporary(7)), Some(Kind::Temporary));
        let last = names.sealed(u64::MAX);
        for ignored in [names.head(), names.lock(), names.archive(), names.torn(1, 2), last] {
            assert_eq!(kind(ignored), None);
        }
    }

    #[test]
    fn files_of_0_1_are_recognised_until_they_are_kept_aside() {
        let names = names();
        let number = |name: &str| names.number_of_old_segment(name);
        assert_eq!(number("app.wal.jsonl.000012"), Some(12));
        assert_eq!(number("app.wal.jsonl.012"), Some(12));
        for other in ["app.wal.jsonl", "app.wal.jsonl.", "app.wal.jsonl.bak", "b.wal.jsonl.001"] {
            assert_eq!(number(other), None, "{other}");
        }
        for old in ["app.wal.jsonl", "app.wal.jsonl.000001", "snapshot.json", "snapshot.json.tmp"] {
            for kept in [names.kept_from_0_1(old), names.also_kept_from_0_1(old, 7)] {
                let kept = kept.file_name().and_then(OsStr::to_str).expect("names are UTF-8");
                assert!(names.is_kept_from_0_1(kept));
                assert_eq!((names.kind(kept), number(kept)), (None, None), "{kept}");
            }
        }
        let kept = names.kept_from_0_1("app.wal.jsonl.000001");
        assert_eq!(kept, Path::new("state/app.wal.from-0.1.jsonl.000001"));
    }

    #[test]
    fn every_file_of_a_journal_of_any_format_stands_in_the_way_of_another() {
        let names = names();
        let is_of_journal = |path: PathBuf| {
            names.is_of_journal(path.file_name().and_then(OsStr::to_str).expect("names are UTF-8"))
        };
        for path in [names.active(), names.sealed(1), names.head(), names.old_segment(1)] {
            assert!(is_of_journal(path.clone()), "{path:?}");
        }
        for path in [names.lock(), names.kept_from_0_1("snapshot.json"), PathBuf::from("x")] {
            assert!(!is_of_journal(path.clone()), "{path:?}");
        }
    }

    #[test]
    fn journals_do_not_share_files() {
        let names = |name| Names::new(Path::new(""), Path::new(name)).expect("a plain name");
        assert_ne!(names("a").lock(), names("a.jsonl").lock());
        assert_ne!(names("a.wal").head(), names("a.wal.jsonl").head());
    }

    #[test]
    fn files_of_other_journals_are_left_alone() {
        let names = names();
        for other in ["app.jsonl", "app.wal2.jsonl", "app.wal.42.jsonl", "app.wal.x.tmp", "x"] {
            assert_eq!(names.kind(other), None, "{other}");
        }
        for other in ["app.wal.0123456789abcdefa.tmp", "app.wal.0123456789abcdeg.tmp"] {
            assert_eq!(names.kind(other), None, "{other}");
        }
    }

    #[test]
    fn names_that_are_ours_are_refused() {
        for bad in ["", "..", "a.next.jsonl", "a.00000000000000000001.jsonl", ".jsonl", "a.lock"] {
            assert!(Names::new(Path::new("state"), Path::new(bad)).is_err(), "{bad}");
        }
        assert!(Names::new(Path::new(""), Path::new("journal")).is_ok());
    }
}
