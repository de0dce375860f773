//! A directory of ministate 0.1 opens with its state, goes on in ours, and keeps its old files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use ministate::storage::{Fault, Simulated, Storage};
use ministate::{MiniStateError, Mutations, Mutator, Operation, Options, Recovery, StateManager};
use ministate_tests::{Counter, Inc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

type Counters = StateManager<Counter, Inc>;

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
struct Bank {
    cents: BTreeMap<String, u64>,
    frozen: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
#[mutations(state = Bank)]
enum BankOp {
    Open { account: String },
    Deposit(String, u64),
    Withdraw(Withdrawal),
    Freeze,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Withdrawal {
    account: String,
    cents: u64,
}

impl Operation<Bank> for Withdrawal {
    type Output = Option<u64>;

    fn execute(self, bank: &mut Bank) -> Option<u64> {
        let cents = bank.cents.get_mut(&self.account)?;
        *cents = cents.saturating_sub(self.cents);
        Some(*cents)
    }
}

impl Bank {
    fn open(&mut self, account: String) {
        self.cents.insert(account, 0);
    }

    fn deposit(&mut self, account: String, cents: u64) {
        *self.cents.entry(account).or_default() += cents;
    }

    fn freeze(&mut self) {
        self.frozen = true;
    }
}

fn banked() -> Bank {
    let cents = [("alice".to_string(), 380), ("bob \"}{\" \u{fc}".to_string(), 7)];
    Bank { cents: cents.into(), frozen: true }
}

const JOURNAL: &str = "counter.wal.jsonl";

/// The directories that open, with their journal, its state and its last mutation.
const SOUND: [(&str, &str, u64, u64); 12] = [
    ("oldest", JOURNAL, 111, 3),
    ("counter", JOURNAL, 111, 3),
    ("three_digits", JOURNAL, 111_111_110, 8),
    ("rotated", JOURNAL, 111_111_110, 8),
    ("interrupted_rotation", JOURNAL, 111_111_110, 8),
    ("snapshot", JOURNAL, 11_111, 5),
    ("half_replaced_snapshot", JOURNAL, 11_111, 5),
    ("numbered_snapshots", JOURNAL, 11_111, 5),
    ("two_journals_and_one_snapshot", JOURNAL, 11_111, 5),
    ("two_journals_and_one_snapshot", "other.wal.jsonl", 2_222, 4),
    ("lost_newline", JOURNAL, 1_111, 4),
    ("torn_tail", JOURNAL, 11, 2),
];

type Files = BTreeMap<String, Vec<u8>>;

fn files(dir: &Path) -> Files {
    let paths = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    paths
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_string();
            (name, fs::read(path).unwrap())
        })
        .collect()
}

fn fixture(case: &str) -> Files {
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/0.1").join(case))
}

fn copied(case: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in fixture(case) {
        fs::write(dir.path().join(name), content).unwrap();
    }
    dir
}

fn opened<S, M>(dir: &Path, journal: &str) -> Result<StateManager<S, M>, MiniStateError>
where
    S: Default + Serialize + DeserializeOwned + Send + Sync + 'static,
    M: Mutator<S> + Serialize + DeserializeOwned + Send + 'static,
{
    Options::new().blocking_open(dir, journal)
}

fn counter(dir: &Path) -> Counters {
    opened(dir, JOURNAL).unwrap()
}

/// The state's value, and the last mutation.
fn reached(counter: &Counters) -> (u64, u64) {
    (counter.read(|counter| counter.value), counter.sequence())
}

#[track_caller]
fn refused(dir: &Path) -> MiniStateError {
    let but_for_the_lock = || {
        let mut files = files(dir);
        files.remove("counter.wal.lock");
        files
    };
    let before = but_for_the_lock();
    let error = opened::<Counter, Inc>(dir, JOURNAL).expect_err("bad input was accepted");
    assert!(but_for_the_lock() == before, "{error}");
    error
}

/// Every file that 0.1 wrote is there, once, with the bytes that it had.
#[track_caller]
fn assert_kept(old: &Files, now: &Files) {
    for content in old.values() {
        let copies = |files: &Files| files.values().filter(|other| *other == content).count();
        assert_eq!(copies(now), copies(old), "{:?}", now.keys());
    }
}

#[test]
fn each_release_of_0_1_left_directories_that_open_with_their_state() {
    for (case, journal, value, seq) in SOUND {
        let dir = copied(case);
        let counter = opened(dir.path(), journal).unwrap_or_else(|error| panic!("{case}: {error}"));
        assert_eq!(reached(&counter), (value, seq), "{case}");
        let imported = counter.recovery().imported.as_ref().unwrap();
        assert_eq!(imported.mutations, seq, "{case}");
    }
}

#[test]
fn history_goes_on_with_the_next_number() {
    for (case, journal, value, seq) in SOUND {
        let dir = copied(case);
        let counter: Counters = opened(dir.path(), journal).unwrap();
        assert_eq!(counter.blocking_apply(Inc { by: 5 }).unwrap(), seq + 1, "{case}");
        counter.blocking_create_snapshot().unwrap();
        assert_eq!(counter.blocking_apply(Inc { by: 6 }).unwrap(), seq + 2, "{case}");
        counter.blocking_compact().unwrap();
        drop(counter);
        assert_eq!(reached(&opened(dir.path(), journal).unwrap()), (value + 11, seq + 2), "{case}");
    }
}

#[test]
fn a_directory_is_taken_over_once() {
    for (case, journal, value, seq) in SOUND {
        let dir = copied(case);
        drop(opened::<Counter, Inc>(dir.path(), journal).unwrap());
        let but_the_lock = || {
            let mut files = files(dir.path());
            // Each opening says in it how long it took.
            files.retain(|name, _| !name.ends_with(".lock"));
            files
        };
        let before = but_the_lock();
        for _ in 0..2 {
            let counter = opened(dir.path(), journal).unwrap();
            assert_eq!(reached(&counter), (value, seq), "{case}");
            assert!(counter.recovery().imported.is_none());
            assert_eq!(counter.recovery().replayed, 0);
            assert!(counter.recovery().torn_tail.is_none());
        }
        assert_eq!(but_the_lock(), before, "{case}");
    }
}

#[test]
fn old_files_are_kept_as_they_were_under_other_names() {
    for (case, journal, ..) in SOUND {
        let dir = copied(case);
        let counter: Counters = opened(dir.path(), journal).unwrap();
        let now = files(dir.path());
        assert_kept(&fixture(case), &now);
        let stem = journal.strip_suffix(".jsonl").unwrap();
        for path in &counter.recovery().imported.as_ref().unwrap().kept {
            let name = path.file_name().unwrap().to_str().unwrap();
            assert!(name.starts_with(&format!("{stem}.from-0.1.")), "{case}: {name}");
            assert!(fixture(case).values().any(|content| now[name] == *content), "{case}: {name}");
        }
        let active = now.get(&format!("{stem}.from-0.1.jsonl"));
        assert_eq!(active, fixture(case).get(journal), "{case}");
    }
}

#[test]
fn all_old_files_of_the_journal_are_put_away() {
    for (case, kept) in [
        ("rotated", &["jsonl", "jsonl.000001", "jsonl.000002", "jsonl.000003"][..]),
        ("interrupted_rotation", &["jsonl.000001", "jsonl.000002", "jsonl.000003", "jsonl.000004"]),
        ("three_digits", &["jsonl", "jsonl.001", "jsonl.002", "jsonl.003"]),
        ("snapshot", &["jsonl", "snapshot.json", "snapshot.seq"]),
        ("half_replaced_snapshot", &["jsonl", "snapshot.json", "snapshot.seq", "snapshot.seq.tmp"]),
        (
            "numbered_snapshots",
            &["jsonl", "snapshot_00000000000000000002.json", "snapshot_00000000000000000004.json"],
        ),
    ] {
        let dir = copied(case);
        let names: Vec<_> = kept
            .iter()
            .map(|name| dir.path().join(format!("counter.wal.from-0.1.{name}")))
            .collect();
        let counter = counter(dir.path());
        assert_eq!(counter.recovery().imported.as_ref().unwrap().kept, names, "{case}");
        let of_ours = ["jsonl", "snapshot", "head", "lock", "from-0.1"];
        for name in files(dir.path()).keys() {
            let rest =
                name.strip_prefix("counter.wal.").unwrap_or_else(|| panic!("{case}: {name}"));
            assert!(of_ours.iter().any(|ours| rest.starts_with(ours)), "{case}: {name}");
        }
    }
}

#[test]
fn an_enum_that_uses_the_derive_by_now_reads_its_old_records() {
    let dir = copied("bank");
    let bank: StateManager<Bank, BankOp> = opened(dir.path(), "bank.wal.jsonl").unwrap();
    assert_eq!(bank.read(Bank::clone), banked());
    let withdrawal = Withdrawal { account: "alice".to_string(), cents: 80 };
    let applied = bank.blocking_execute(withdrawal).unwrap();
    assert_eq!((applied.seq, applied.output), (6, Some(300)));
    drop(bank);
    let bank: StateManager<Bank, BankOp> = opened(dir.path(), "bank.wal.jsonl").unwrap();
    assert_eq!((bank.sequence(), bank.read(|bank| bank.cents["alice"])), (6, 300));
}

/// The enum has moved on since: old records count as version 1 of their operations.
#[test]
fn old_records_are_read_as_the_first_version_of_their_operation() {
    #[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
    #[mutations(state = Bank, retired(tag = "freeze", versions = 1..=1, drop))]
    enum LaterOp {
        #[mutation(version = 3, from(1 = OpenV1, 2 = OpenV2), apply = open)]
        Open {
            name: String,
            kind: u8,
        },
        // The same shape, in another unit.
        #[mutation(tag = "deposit", version = 2, from(1 = DepositV1), apply = deposit)]
        Deposit(String, u64),
        Withdraw(Withdrawal),
    }

    #[derive(Deserialize)]
    struct OpenV1 {
        account: String,
    }

    #[derive(Deserialize)]
    struct OpenV2 {
        name: String,
    }

    impl From<OpenV1> for OpenV2 {
        fn from(old: OpenV1) -> Self {
            OpenV2 { name: old.account }
        }
    }

    impl From<OpenV2> for LaterOp {
        fn from(old: OpenV2) -> Self {
            LaterOp::Open { name: old.name, kind: 1 }
        }
    }

    #[derive(Deserialize)]
    struct DepositV1(String, u64);

    impl From<DepositV1> for LaterOp {
        fn from(old: DepositV1) -> Self {
            LaterOp::Deposit(old.0, old.1 * 1_000)
        }
    }

    fn open(bank: &mut Bank, name: String, _kind: u8) {
        bank.open(name);
    }

    fn deposit(bank: &mut Bank, account: String, millicents: u64) {
        bank.deposit(account, millicents / 1_000);
    }

    let dir = copied("bank");
    let bank: StateManager<Bank, LaterOp> = opened(dir.path(), "bank.wal.jsonl").unwrap();
    assert_eq!(bank.read(Bank::clone), Bank { frozen: false, ..banked() });
    assert_eq!(bank.sequence(), 5);
}

#[test]
fn the_import_begins_with_the_newest_old_snapshot() {
    for (case, seq) in [("snapshot", 3), ("numbered_snapshots", 4)] {
        let dir = copied(case);
        fs::create_dir(dir.path().join("below")).unwrap();
        fs::write(dir.path().join("notes.txt"), "mine").unwrap();
        let counter = counter(dir.path());
        let imported = counter.recovery().imported.as_ref().unwrap();
        assert_eq!(imported.snapshot, Some(seq), "{case}");
        assert!(imported.rejected_snapshots.is_empty());
    }
}

/// A default that was changed since shows what the state was built from.
#[test]
fn records_that_an_old_snapshot_holds_are_not_applied_again() {
    #[derive(Serialize, Deserialize)]
    struct Odd {
        value: u64,
    }

    impl Default for Odd {
        fn default() -> Self {
            Odd { value: 7_000_000 }
        }
    }

    impl Mutator<Odd> for Inc {
        fn apply(&self, odd: &mut Odd) {
            odd.value += self.by;
        }
    }

    for (case, value) in [("snapshot", 11_111), ("counter", 7_000_111)] {
        let dir = copied(case);
        let odd: StateManager<Odd, Inc> = opened(dir.path(), JOURNAL).unwrap();
        assert_eq!(odd.read(|odd| odd.value), value, "{case}");
    }
}

#[test]
fn an_old_snapshot_that_cannot_be_read_is_reported_and_the_one_before_is_used() {
    let dir = copied("numbered_snapshots");
    let path = |seq| dir.path().join(format!("snapshot_{seq:020}.json"));
    fs::write(path(4), "{\"seq\": 4, \"state\": {").unwrap();
    let counter = counter(dir.path());
    assert_eq!(reached(&counter), (11_111, 5));
    let imported = counter.recovery().imported.as_ref().unwrap();
    assert_eq!(imported.snapshot, Some(2));
    let [rejected] = imported.rejected_snapshots.as_slice() else { panic!("{imported:?}") };
    assert_eq!(rejected.path, path(4));
    assert!(matches!(rejected.why.as_deref(), Some(MiniStateError::Corrupt { .. })));
}

#[test]
fn without_a_readable_snapshot_the_whole_journal_is_replayed() {
    for (file, content) in [
        ("snapshot.json", "{\n  \"value\": 111\n}}"),
        ("snapshot.json", ""),
        ("snapshot.seq", "three"),
        ("snapshot.seq", ""),
        ("snapshot.seq", "-3"),
    ] {
        let dir = copied("snapshot");
        fs::write(dir.path().join(file), content).unwrap();
        let counter = counter(dir.path());
        assert_eq!(reached(&counter), (11_111, 5), "{file} {content:?}");
        let imported = counter.recovery().imported.as_ref().unwrap();
        assert_eq!((imported.snapshot, imported.rejected_snapshots.len()), (None, 1));
    }
}

#[test]
fn a_snapshot_whose_two_files_may_not_belong_together_is_not_used() {
    let dir = copied("half_replaced_snapshot");
    let counter = counter(dir.path());
    assert_eq!(reached(&counter), (11_111, 5));
    let imported = counter.recovery().imported.as_ref().unwrap();
    assert_eq!((imported.snapshot, imported.rejected_snapshots.len()), (None, 1));
}

#[test]
fn a_snapshot_that_two_journals_share_is_neither_used_nor_moved() {
    let dir = copied("two_journals_and_one_snapshot");
    for (journal, reaches) in [(JOURNAL, (11_111, 5)), ("other.wal.jsonl", (2_222, 4))] {
        let counter: Counters = opened(dir.path(), journal).unwrap();
        assert_eq!(reached(&counter), reaches);
        let imported = counter.recovery().imported.as_ref().unwrap();
        assert_eq!((imported.snapshot, imported.rejected_snapshots.len()), (None, 1));
        assert!(dir.path().join("snapshot.json").exists());
        assert!(dir.path().join("snapshot.seq").exists());
    }
}

#[test]
fn a_number_without_a_state_is_no_snapshot() {
    let dir = copied("snapshot");
    fs::remove_file(dir.path().join("snapshot.json")).unwrap();
    let counter = counter(dir.path());
    assert_eq!(reached(&counter), (11_111, 5));
    assert_eq!(counter.recovery().imported.as_ref().unwrap().snapshot, None);
}

/// minisnap writes snapshots in another form than JSON where it is asked to.
#[test]
fn a_snapshot_that_is_not_json_is_reported_and_put_away() {
    let dir = copied("numbered_snapshots");
    fs::write(dir.path().join("snapshot_00000000000000000005"), [0x92, 5]).unwrap();
    let counter = counter(dir.path());
    assert_eq!(reached(&counter), (11_111, 5));
    let imported = counter.recovery().imported.as_ref().unwrap();
    assert_eq!((imported.snapshot, imported.rejected_snapshots.len()), (Some(4), 1));
    assert_eq!(imported.kept.len(), 4);
}

#[test]
fn files_of_the_application_stay_where_they_are() {
    let dir = copied("counter");
    for name in ["snapshot.json", "snapshot_42.json", "snapshot.json.tmp", "counter.wal.jsonl.bak"]
    {
        fs::write(dir.path().join(name), "mine").unwrap();
    }
    let before = files(dir.path());
    assert_eq!(reached(&counter(dir.path())), (111, 3));
    let after = files(dir.path());
    for (name, content) in before.iter().filter(|(name, _)| *name != JOURNAL) {
        assert_eq!(after.get(name), Some(content), "{name}");
    }
}

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

#[test]
fn a_segment_that_0_1_has_removed_is_missed() {
    let dir = copied("rotated_and_removed");
    match refused(dir.path()) {
        MiniStateError::Missing { path, seq: 1 } => {
            assert_eq!(path, dir.path().join("counter.wal.jsonl.000001"));
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_segment_that_is_missing_in_between_is_missed() {
    let dir = copied("rotated");
    fs::remove_file(dir.path().join("counter.wal.jsonl.000002")).unwrap();
    match refused(dir.path()) {
        MiniStateError::Missing { path, seq: 4 } => {
            assert_eq!(path, dir.path().join("counter.wal.jsonl.000002"));
        }
        other => panic!("{other}"),
    }
}

#[test]
fn two_segments_with_one_number_are_refused() {
    let dir = copied("rotated");
    fs::copy(dir.path().join(JOURNAL), dir.path().join("counter.wal.jsonl.002")).unwrap();
    assert!(matches!(refused(dir.path()), MiniStateError::Corrupt { seq: 6, .. }));
}

#[test]
fn a_journal_that_ends_before_an_old_snapshot_has_lost_its_tail() {
    for (case, file, synced) in [
        ("snapshot", "snapshot.seq", 3),
        ("numbered_snapshots", "snapshot_00000000000000000004.json", 4),
    ] {
        let dir = copied(case);
        fs::write(dir.path().join(JOURNAL), "// MINISTORE JOURNAL v0.1.4\n{\"by\":1}\n").unwrap();
        match refused(dir.path()) {
            MiniStateError::LostTail { path, found: 1, synced: said } => {
                assert_eq!((path, said), (dir.path().join(file), synced));
            }
            other => panic!("{other}"),
        }
    }
}

#[test]
fn a_line_that_is_not_a_record_is_refused_by_its_place() {
    for (line, bad) in [
        (3, "{\"by\":1"),
        (3, ""),
        (3, "by"),
        (4, "{\"by\":1{\"by\":2}"),
        (4, "{\"by\":1}}"),
        (3, "\0\0\0"),
        (3, "// MINISTORE"),
    ] {
        let dir = copied("counter");
        let text = String::from_utf8(fixture("counter")[JOURNAL].clone()).unwrap();
        let mut lines: Vec<&str> = text.lines().collect();
        lines[line - 1] = bad;
        fs::write(dir.path().join(JOURNAL), lines.join("\n") + "\n").unwrap();
        match refused(dir.path()) {
            MiniStateError::Corrupt { at, seq, .. } => {
                assert_eq!(at.file, dir.path().join(JOURNAL), "{bad:?}");
                assert_eq!((at.line, seq), (line as u64, line as u64 - 1), "{bad:?}");
                let before: usize = lines[..line - 1].iter().map(|line| line.len() + 1).sum();
                assert_eq!(at.byte, before as u64, "{bad:?}");
            }
            other => panic!("{bad:?}: {other}"),
        }
    }
}

#[test]
fn an_inner_segment_that_was_cut_is_refused() {
    let dir = copied("rotated");
    let path = dir.path().join("counter.wal.jsonl.000001");
    let content = fs::read(&path).unwrap();
    fs::write(&path, &content[..content.len() - 3]).unwrap();
    match refused(dir.path()) {
        MiniStateError::Corrupt { at, seq: 3, .. } => assert_eq!((at.file, at.line), (path, 4)),
        other => panic!("{other}"),
    }
}

#[test]
fn an_old_record_that_this_program_does_not_know_is_refused_by_its_place() {
    for bad in ["{\"unheard\":\"of\"}\n", "{\"unheard\":\"of\"}"] {
        let dir = copied("counter");
        let mut content = fixture("counter")[JOURNAL].clone();
        content.extend(bad.as_bytes());
        fs::write(dir.path().join(JOURNAL), content).unwrap();
        match refused(dir.path()) {
            MiniStateError::Undecodable { at, seq: 4, .. } => assert_eq!(at.line, 5),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn a_handler_that_panics_at_an_old_record_changes_nothing() {
    #[derive(Serialize, Deserialize)]
    struct Picky {
        by: u64,
    }

    impl Mutator<Counter> for Picky {
        fn apply(&self, _counter: &mut Counter) {
            assert!(self.by < 100, "too much");
        }
    }

    let dir = copied("counter");
    match opened::<Counter, Picky>(dir.path(), JOURNAL) {
        Err(MiniStateError::HandlerPanicked { seq: 3, .. }) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(files(dir.path())[JOURNAL], fixture("counter")[JOURNAL]);
    assert_eq!(reached(&counter(dir.path())), (111, 3));
}

#[test]
fn an_old_journal_in_the_place_of_ours_is_damage() {
    let dir = copied("counter");
    drop(counter(dir.path()));
    fs::write(dir.path().join(JOURNAL), &fixture("counter")[JOURNAL]).unwrap();
    assert!(matches!(refused(dir.path()), MiniStateError::Corrupt { .. }));
}

#[test]
fn an_earlier_import_is_not_overwritten() {
    let dir = copied("counter");
    drop(counter(dir.path()));
    let kept = dir.path().join("counter.wal.from-0.1.jsonl");
    for name in files(dir.path()).keys().filter(|name| !name.contains("from-0.1")) {
        fs::remove_file(dir.path().join(name)).unwrap();
    }
    let restored = "// MINISTORE JOURNAL v0.1.4\n{\"by\":4}\n";
    fs::write(dir.path().join(JOURNAL), restored).unwrap();
    let counter = counter(dir.path());
    assert_eq!(reached(&counter), (4, 1));
    assert_eq!(fs::read(&kept).unwrap(), fixture("counter")[JOURNAL]);
    let imported = counter.recovery().imported.as_ref().unwrap();
    let other = imported.kept.iter().find(|path| **path != kept).unwrap();
    assert_eq!(fs::read(other).unwrap(), restored.as_bytes());
}

#[test]
fn progress_is_told_of_an_old_journal() {
    use std::sync::{Arc, Mutex};
    let dir = tempfile::tempdir().unwrap();
    let records = format!("{{\"by\":1{}}}\n", " ".repeat(90)).repeat(40_000);
    fs::write(dir.path().join(JOURNAL), format!("// MINISTORE JOURNAL v0.1.4\n{records}")).unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let listener = {
        let told = Arc::clone(&told);
        move |progress: ministate::Progress| told.lock().unwrap().push(progress.replayed)
    };
    let counter: Counters =
        Options::new().on_progress(listener).blocking_open(dir.path(), JOURNAL).unwrap();
    assert_eq!(reached(&counter), (40_000, 40_000));
    let told = told.lock().unwrap();
    assert!(told.len() > 3 && told.contains(&40_000), "{told:?}");
}

const DIR: &str = "state";

fn loaded(case: &str) -> Simulated {
    let disk = Simulated::new();
    for (name, content) in fixture(case) {
        disk.set_content(Path::new(DIR).join(name), content);
    }
    disk
}

fn opened_on(disk: &Simulated, journal: &str) -> Result<Counters, MiniStateError> {
    Options::new().storage(disk.clone()).blocking_open(DIR, journal)
}

fn files_on(disk: &Simulated) -> Files {
    let names = disk.list(Path::new(DIR)).unwrap();
    names
        .into_iter()
        .map(|name| {
            let content = disk.content(Path::new(DIR).join(&name)).unwrap();
            (name, content)
        })
        .collect()
}

/// The disks that a machine can find after what happened on this one.
fn found_later(disk: &Simulated) -> impl Iterator<Item = Simulated> {
    (0..8).map(|seed| disk.restarted(seed)).chain([disk.after_kill()])
}

/// Opens twice, with a mutation in between.
#[track_caller]
fn assert_goes_on(
    disk: &Simulated,
    (case, journal, value, seq): (&str, &str, u64, u64),
    tell: &str,
) {
    assert_kept(&fixture(case), &files_on(disk));
    let first = opened_on(disk, journal).unwrap_or_else(|error| panic!("{case} {tell}: {error}"));
    assert_eq!(reached(&first), (value, seq), "{case} {tell}");
    assert_eq!(first.blocking_apply(Inc { by: 5 }).unwrap(), seq + 1);
    drop(first);
    let disk = disk.restarted(seq);
    let second = opened_on(&disk, journal).unwrap_or_else(|error| panic!("{case} {tell}: {error}"));
    assert_eq!(reached(&second), (value + 5, seq + 1), "{case} {tell}");
    assert!(second.recovery().imported.is_none());
    assert_kept(&fixture(case), &files_on(&disk));
    let unrelated = case == "two_journals_and_one_snapshot";
    let left = |name: &&String| fixture(case).contains_key(*name) && *name != journal && !unrelated;
    let names: BTreeSet<String> = files_on(&disk).into_keys().collect();
    assert!(!names.iter().any(|name| left(&name)), "{case} {tell}: {names:?}");
}

fn calls_of_an_import(case: &str, journal: &str) -> u64 {
    let disk = loaded(case);
    let before = disk.calls();
    opened_on(&disk, journal).unwrap();
    disk.calls() - before
}

#[test]
fn an_import_survives_a_power_cut_at_any_call() {
    let mut states = 0;
    for sound in SOUND {
        let (case, journal, ..) = sound;
        for call in 0..=calls_of_an_import(case, journal) {
            let disk = loaded(case);
            disk.cut_power_at(call);
            drop(opened_on(&disk, journal));
            for (nth, found) in found_later(&disk).enumerate() {
                states += 1;
                assert_goes_on(&found, sound, &format!("power cut at {call}, disk {nth}"));
            }
        }
    }
    assert!(states > 1_000, "{states}");
}

#[test]
fn an_import_survives_two_power_cuts() {
    let several_files =
        |sound: &&(&str, &str, u64, u64)| ["interrupted_rotation", "snapshot"].contains(&sound.0);
    for sound in SOUND.iter().filter(several_files) {
        let (case, journal, ..) = *sound;
        let calls = calls_of_an_import(case, journal);
        for first in 0..=calls {
            for second in (0..=calls).step_by(3) {
                let disk = loaded(case);
                disk.cut_power_at(first);
                drop(opened_on(&disk, journal));
                let disk = disk.restarted(first + second);
                disk.cut_power_at(second);
                drop(opened_on(&disk, journal));
                let tell = format!("power cuts at {first} and {second}");
                assert_goes_on(&disk.restarted(second), *sound, &tell);
            }
        }
    }
}

#[test]
fn an_import_survives_any_failing_call() {
    for sound in SOUND {
        let (case, journal, ..) = sound;
        for call in 0..=calls_of_an_import(case, journal) {
            for fault in [Fault::Fails, Fault::Full] {
                let disk = loaded(case);
                disk.fail_at(call, fault);
                drop(opened_on(&disk, journal));
                for (nth, found) in found_later(&disk).skip(6).enumerate() {
                    assert_goes_on(&found, sound, &format!("{fault:?} at {call}, disk {nth}"));
                }
            }
        }
    }
}

/// Until the old journal has given its name free, the old program can go on with it.
#[test]
fn what_the_old_program_wrote_after_an_interrupted_import_is_there() {
    let path = Path::new(DIR).join(JOURNAL);
    let mut went_on = 0;
    for call in 0..=calls_of_an_import("counter", JOURNAL) {
        let disk = loaded("counter");
        disk.cut_power_at(call);
        drop(opened_on(&disk, JOURNAL));
        let disk = disk.restarted(call);
        let Some(mut content) = disk.content(&path) else { continue };
        if content == fixture("counter")[JOURNAL] {
            went_on += 1;
            content.extend(b"{\"by\":1000}\n");
            disk.set_content(&path, content);
            let counter = opened_on(&disk, JOURNAL).unwrap();
            assert_eq!(reached(&counter), (1_111, 4), "{call}");
            assert_eq!(counter.blocking_apply(Inc { by: 1 }).unwrap(), 5);
            drop(counter);
            assert_eq!(reached(&opened_on(&disk.restarted(0), JOURNAL).unwrap()), (1_112, 5));
        }
    }
    assert!(went_on > 5);
}

#[test]
fn an_old_journal_that_shrank_since_an_interrupted_import_has_lost_its_tail() {
    let path = Path::new(DIR).join(JOURNAL);
    // As far as the snapshot of ours.
    let snapshot = Path::new(DIR).join("counter.wal.snapshot.00000000000000000003.json");
    let mut call = 0;
    let disk = loop {
        let disk = loaded("counter");
        disk.cut_power_at(call);
        drop(opened_on(&disk, JOURNAL));
        let disk = disk.restarted(0);
        if disk.content(&snapshot).is_some() {
            break disk;
        }
        call += 1;
    };
    disk.set_content(&path, b"// MINISTORE JOURNAL v0.1.4\n{\"by\":1}\n".to_vec());
    match opened_on(&disk, JOURNAL) {
        Err(MiniStateError::LostTail { path, found: 1, synced: 3 }) => assert_eq!(path, snapshot),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_interrupted_import_that_is_ended_is_reported() {
    let mut ended = 0;
    for call in 0..=calls_of_an_import("rotated", JOURNAL) {
        let disk = loaded("rotated");
        disk.cut_power_at(call);
        drop(opened_on(&disk, JOURNAL));
        let disk = disk.after_kill();
        let switching = disk.content(Path::new(DIR).join(JOURNAL)).is_none();
        let counter = opened_on(&disk, JOURNAL).unwrap();
        let Recovery { imported, .. } = counter.recovery();
        if switching {
            ended += 1;
            let imported = imported.as_ref().unwrap();
            assert_eq!((imported.mutations, imported.snapshot, imported.kept.len()), (8, None, 4));
        }
    }
    assert!(ended > 3);
}

#[test]
fn paths_of_kept_files_are_in_the_directory_of_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("below")).unwrap();
    fs::write(dir.path().join("below/journal"), &fixture("counter")[JOURNAL]).unwrap();
    let counter: Counters = opened(dir.path(), "below/journal").unwrap();
    assert_eq!(reached(&counter), (111, 3));
    let kept: Vec<PathBuf> = counter.recovery().imported.as_ref().unwrap().kept.clone();
    assert_eq!(kept, [dir.path().join("below/journal.journal.from-0.1.journal")]);
}
