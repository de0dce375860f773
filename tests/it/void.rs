//! A record that somebody has marked as void keeps its number, and has no effect: it is neither
//! decoded nor applied.

use std::path::Path;

use ministate::storage::{Access, Simulated, Storage};
use ministate::{Follower, MiniStateError, Mutations, Mutator, Options, StateManager};
use ministate_tests::reference::{self, Files, reseal_line};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

const SEGMENT: &str = "sums/sum.wal.jsonl";

#[derive(Debug, Default, Clone, Serialize, Deserialize)]
struct Sum {
    terms: Vec<u64>,
}

impl Sum {
    fn add(&mut self, term: u64) {
        assert_ne!(term, 99_999, "the handler does not like this");
        self.terms.push(term);
    }

    fn frob(&mut self) {
        self.terms.clear();
    }
}

mod old {
    use super::{Deserialize, Mutations, Serialize, Sum};

    #[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
    #[mutations(state = Sum)]
    pub(super) enum Op {
        Add { term: u64 },
    }
}

mod new {
    use super::{Deserialize, Mutations, Serialize, Sum};

    #[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
    #[mutations(state = Sum)]
    pub(super) enum Op {
        #[mutation(version = 2, from(1 = AddV1))]
        Add {
            term: u64,
        },
        Frob,
    }

    #[derive(Deserialize)]
    pub(super) struct AddV1 {
        term: u64,
    }

    impl From<AddV1> for Op {
        fn from(old: AddV1) -> Self {
            Op::Add { term: old.term * 100 }
        }
    }
}

fn try_open<M>(disk: &Simulated) -> Result<StateManager<Sum, M>, MiniStateError>
where
    M: Mutator<Sum> + Serialize + DeserializeOwned + Send + 'static,
{
    Options::new().storage(disk.clone()).blocking_open("sums", "sum.wal.jsonl")
}

fn open(disk: &Simulated) -> StateManager<Sum, old::Op> {
    try_open(disk).unwrap()
}

fn add(term: u64) -> old::Op {
    old::Op::Add { term }
}

/// The terms from 1 on, closed.
fn journal(terms: u64) -> Simulated {
    let disk = Simulated::new();
    let sum = open(&disk);
    for term in 1..=terms {
        sum.blocking_apply(add(term)).unwrap();
    }
    sum.blocking_close().unwrap();
    disk
}

/// Changes the lines of the active segment, and gives all of them the checksums that follow.
fn rewrite(disk: &Simulated, change: impl Fn(&str) -> String) {
    let text = String::from_utf8(disk.content(SEGMENT).unwrap()).unwrap();
    let (mut before, mut lines) = ("00000000".to_string(), String::new());
    for line in text.lines() {
        let changed = change(line);
        let (line, crc) = reseal_line(changed.as_bytes(), &before).unwrap();
        lines += str::from_utf8(&line).unwrap();
        lines += "\n";
        // Marks are no links of the chain.
        before = if changed.starts_with("{\"mark\"") { before } else { crc };
    }
    let file = disk.open(Path::new(SEGMENT), Access::Write).unwrap();
    file.set_len(0).unwrap();
    file.write_at(lines.as_bytes(), 0).unwrap();
    file.sync().unwrap();
}

/// Marks the record with this number.
fn void(disk: &Simulated, seq: u64) {
    rewrite(disk, |line| match line.starts_with(&format!("{{\"seq\":{seq},")) {
        true => line.replacen(r#""op""#, r#""void":"a \"bad\" one","op""#, 1),
        false => line.to_string(),
    });
}

fn terms<M: Mutator<Sum>>(sum: &StateManager<Sum, M>) -> Vec<u64> {
    sum.read(|sum| sum.terms.clone())
}

#[test]
fn a_void_record_is_skipped_and_its_number_is_taken() {
    let disk = journal(5);
    void(&disk, 3);
    let sum = open(&disk);
    assert_eq!(terms(&sum), [1, 2, 4, 5]);
    assert_eq!((sum.recovery().replayed, &*sum.recovery().voided), (4, &[3][..]));
    assert!(sum.recovery().was_closed);
    assert_eq!(sum.blocking_apply(add(6)).unwrap(), 6);
    sum.blocking_verify_replay().unwrap();
    assert_eq!(sum.blocking_state_at(3).unwrap().terms, [1, 2]);
    let view = Options::new().storage(disk.clone());
    let view = view.blocking_read_only::<Sum, old::Op>("sums", "sum.wal.jsonl").unwrap();
    assert_eq!((view.sequence(), &*view.recovery().voided), (6, &[3][..]));
    // What nobody decodes, nobody needs.
    assert_eq!(sum.blocking_usage().unwrap().operations[0].mutations, 5);
}

#[test]
fn a_void_record_is_yielded_to_no_subscriber_and_applied_by_no_follower() {
    let disk = journal(5);
    void(&disk, 3);
    let sum = open(&disk);
    let mut changes = sum.subscribe(2);
    let options = Options::new().storage(disk.clone());
    let follower: Follower<Sum, old::Op> =
        options.blocking_follow("sums", "sum.wal.jsonl").unwrap();
    sum.blocking_apply(add(6)).unwrap();
    sum.blocking_close().unwrap();
    let seqs: Vec<u64> =
        std::iter::from_fn(|| changes.blocking_next()).map(|change| change.unwrap().seq).collect();
    assert_eq!(seqs, [2, 4, 5, 6]);
    follower.blocking_wait_for(6).unwrap();
    assert_eq!(follower.read(|sum| sum.terms.clone()), [1, 2, 4, 5, 6]);
    drop(sum);
    let sum = follower.blocking_promote().unwrap();
    assert_eq!(sum.recovery().voided, [3]);
}

#[test]
fn records_that_are_not_void_are_all_replayed() {
    let sum = open(&journal(5));
    assert_eq!((sum.recovery().replayed, sum.recovery().voided.len()), (5, 0));
}

#[test]
fn a_record_whose_handler_panics_can_be_void() {
    let disk = journal(3);
    rewrite(&disk, |line| {
        line.replace(r#""len":10,"d":{"term":2}"#, r#""len":14,"d":{"term":99999}"#)
    });
    match try_open::<old::Op>(&disk) {
        Err(MiniStateError::HandlerPanicked { seq: 2, .. }) => {}
        other => panic!("{other:?}"),
    }
    void(&disk, 2);
    assert_eq!(terms(&open(&disk)), [1, 3]);
}

#[test]
fn a_record_whose_payload_cannot_be_read_can_be_void() {
    let disk = journal(3);
    rewrite(&disk, |line| line.replace(r#"{"term":2}"#, r#"{"turm":2}"#));
    assert!(matches!(try_open::<old::Op>(&disk), Err(MiniStateError::Undecodable { seq: 2, .. })));
    void(&disk, 2);
    assert_eq!(terms(&open(&disk)), [1, 3]);
}

#[test]
fn a_record_of_an_unknown_operation_can_be_void() {
    let disk = journal(3);
    // As if a newer program had written it, in a segment that announces it.
    rewrite(&disk, |line| match line.starts_with("{\"seq\":2,") {
        true => line.replace(r#""op":"add""#, r#""op":"frob""#),
        false => line.replace(r#""ops":{"add":1}"#, r#""ops":{"add":1,"frob":1}"#),
    });
    assert!(matches!(try_open::<old::Op>(&disk), Err(MiniStateError::UnknownOperations { .. })));
    void(&disk, 2);
    // The header is what tells of operations before any record is read.
    rewrite(&disk, |line| line.replace(r#""ops":{"add":1,"frob":1}"#, r#""ops":{"add":1}"#));
    assert_eq!(terms(&open(&disk)), [1, 3]);
}

#[test]
fn one_of_several_mutations_of_a_record_is_void_by_itself() {
    let disk = journal(1);
    let sum = open(&disk);
    sum.blocking_apply_batch([add(2), add(3), add(4)]).unwrap();
    sum.blocking_close().unwrap();
    drop(sum);
    let member = r#"{"op":"add","v":1,"len":10,"d":{"term":3}}"#;
    let added = r#""void":"no","#;
    rewrite(&disk, |line| {
        if !line.contains(member) {
            return line.to_string();
        }
        let (_, behind) = line.split_once(r#""n":3,"len":"#).unwrap();
        let bytes: usize = behind.split_once(',').unwrap().0.parse().unwrap();
        let line = line.replace(member, &format!("{{{added}{}", &member[1..]));
        line.replace(&format!(r#""len":{bytes},"#), &format!(r#""len":{},"#, bytes + added.len()))
    });
    let sum = open(&disk);
    assert_eq!(terms(&sum), [1, 2, 4]);
    assert_eq!((sum.recovery().replayed, &*sum.recovery().voided), (3, &[3][..]));
    assert_eq!(sum.sequence(), 4);
}

#[test]
fn snapshots_behind_a_void_record_are_made_without_it() {
    let disk = journal(5);
    void(&disk, 3);
    let sum = open(&disk);
    sum.blocking_create_snapshot().unwrap();
    sum.blocking_apply(add(6)).unwrap();
    sum.blocking_compact().unwrap();
    sum.blocking_close().unwrap();
    drop(sum);
    let sum = open(&disk);
    assert_eq!(terms(&sum), [1, 2, 4, 5, 6]);
    assert_eq!((sum.recovery().snapshot, sum.recovery().voided.len()), (5, 0));
    sum.blocking_verify_replay().unwrap();
}

#[test]
fn a_later_program_upcasts_what_is_not_void() {
    let disk = journal(4);
    void(&disk, 2);
    let sum = try_open::<new::Op>(&disk).unwrap();
    assert_eq!(terms(&sum), [100, 300, 400]);
    assert_eq!(sum.recovery().voided, [2]);
    sum.blocking_apply(new::Op::Frob).unwrap();
    sum.blocking_close().unwrap();
    drop(sum);
    assert_eq!(terms(&try_open::<new::Op>(&disk).unwrap()), [0; 0]);
}

#[test]
fn a_long_journal_that_is_read_ahead_skips_them_too() {
    let disk = journal(3_000);
    assert!(disk.content(SEGMENT).unwrap().len() > 300_000, "it is not read ahead");
    rewrite(&disk, |line| match line.contains(r#"7}"#) && line.contains(r#""op""#) {
        true => line.replacen(r#""op""#, r#""void":"","op""#, 1),
        false => line.to_string(),
    });
    let sum = open(&disk);
    let voided: Vec<u64> = (1..=3_000).filter(|term| term % 10 == 7).collect();
    assert_eq!(sum.recovery().voided, voided);
    let others: Vec<u64> = (1..=3_000).filter(|term| term % 10 != 7).collect();
    assert_eq!(terms(&sum), others);
}

#[test]
fn the_mark_of_a_void_record_is_under_its_checksum() {
    let disk = journal(3);
    void(&disk, 2);
    let sound = disk.content(SEGMENT).unwrap();
    let place = sound.windows(6).position(|bytes| bytes == b"\"void\"").unwrap();
    for at in place..place + r#""void":"a \"bad\" one","#.len() {
        let mut content = sound.clone();
        content[at] ^= 1;
        let file = disk.open(Path::new(SEGMENT), Access::Write).unwrap();
        file.write_at(&content, 0).unwrap();
        assert!(matches!(try_open::<old::Op>(&disk), Err(MiniStateError::Corrupt { seq: 2, .. })));
    }
}

#[test]
fn the_beginning_of_a_void_record_is_never_torn() {
    let disk = journal(3);
    void(&disk, 3);
    let sound = disk.content(SEGMENT).unwrap();
    let place = sound.windows(6).position(|bytes| bytes == b"\"void\"").unwrap();
    let file = disk.open(Path::new(SEGMENT), Access::Write).unwrap();
    disk.remove(Path::new("sums/sum.wal.head.json")).unwrap();
    for (end, is_torn) in [(place, true), (place + 3, false), (place + 12, false)] {
        file.set_len(0).unwrap();
        file.write_at(&sound[..end], 0).unwrap();
        let view = Options::new().storage(disk.clone());
        let view = view.blocking_read_only::<Sum, old::Op>("sums", "sum.wal.jsonl");
        assert_eq!(view.is_ok(), is_torn, "{end}: {:?}", view.err());
    }
}

fn fixture() -> Files {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/void");
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, std::fs::read(entry.path()).unwrap())
        })
        .collect()
}

#[test]
fn the_directory_that_the_command_once_wrote_opens_and_means_the_same() {
    let disk = Simulated::new();
    disk.create_dir_all(Path::new("sums")).unwrap();
    for (name, content) in &fixture() {
        let file = disk.create(&Path::new("sums").join(name)).unwrap();
        file.write_at(content, 0).unwrap();
        file.sync().unwrap();
    }
    let sum = open(&disk);
    assert_eq!(terms(&sum), [1, 2, 4, 6, 7]);
    assert_eq!(sum.recovery().voided, [3, 5]);
    assert_eq!(sum.sequence(), 7);
}

#[test]
fn the_reference_reader_skips_them_too() {
    let is_state = |state: &str| serde_json::from_str::<Sum>(state).is_ok();
    let reading = reference::read(&fixture(), "sum.wal", &is_state).unwrap();
    let seqs: Vec<u64> = reading.mutations.iter().map(|mutation| mutation.seq).collect();
    assert_eq!((seqs, reading.last), (vec![1, 2, 4, 6, 7], 7));
}
