//! The files are what `docs/format.md` says, and plain text at any time.

use std::path::Path;
use std::process::{Command, Stdio};

use ministate::storage::Simulated;
use ministate::{Mutations, Options, StateManager};
use ministate_tests::{entries, open, push};
use serde::{Deserialize, Serialize};

#[derive(Debug, Default, Serialize, Deserialize)]
struct Bank {
    frozen: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
#[mutations(state = Bank)]
enum BankOp {
    Open { account: String },
    Deposit { account: String, cents: u64 },
    Freeze,
}

impl Bank {
    fn open(&mut self, _account: String) {}

    fn deposit(&mut self, _account: String, _cents: u64) {}

    fn freeze(&mut self) {
        self.frozen = true;
    }
}

fn document() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ministate/docs/format.md");
    std::fs::read_to_string(path).unwrap()
}

/// The code block that follows the line `intro`.
fn block(document: &str, intro: &str) -> String {
    let (_, behind) = document.split_once(&format!("\n{intro}\n")).unwrap();
    let (_, behind) = behind.split_once("```jsonl\n").unwrap();
    behind.split_once("```").unwrap().0.to_string()
}

fn written() -> [String; 3] {
    let disk = Simulated::new();
    let bank: StateManager<Bank, BankOp> =
        Options::new().storage(disk.clone()).blocking_open("bank", "bank.wal.jsonl").unwrap();
    let account = || "alice".to_string();
    bank.blocking_apply(BankOp::Open { account: account() }).unwrap();
    let batch = [BankOp::Deposit { account: account(), cents: 500 }, BankOp::Freeze];
    bank.blocking_apply_batch(batch).unwrap();
    bank.blocking_close().unwrap();
    let text = |name: &str| String::from_utf8(disk.content(Path::new("bank").join(name)).unwrap());
    let genesis = "bank.wal.snapshot.00000000000000000000.json";
    ["bank.wal.jsonl", "bank.wal.head.json", genesis].map(|name| text(name).unwrap())
}

#[test]
fn the_documented_example_is_what_is_written() {
    let [segment, head, genesis] = written();
    let document = document();
    assert_eq!(block(&document, "`bank.wal.jsonl`:"), segment);
    assert_eq!(block(&document, "`bank.wal.head.json`:"), head);
    assert_eq!(block(&document, "`bank.wal.snapshot.00000000000000000000.json`:"), genesis);
}

#[test]
fn the_documented_checksums_are_right() {
    let [segment, _, genesis] = written();
    let mut previous = "00000000";
    let mut documented = 0;
    for line in segment.lines() {
        let (covered, crc) = line.split_once(r#","crc":""#).unwrap();
        let crc = crc.trim_end_matches(r#""}"#);
        assert_eq!(crc32c(format!("{previous}{covered}").as_bytes()), crc);
        let command = format!("printf '%s%s' {previous} '{covered}' | crc32c     # prints {crc}");
        documented += document().matches(&command).count();
        previous = crc;
    }
    assert_eq!(documented, 1);

    let [header, state, end] = genesis.lines().collect::<Vec<_>>()[..] else { panic!("{genesis}") };
    let (_, link) = header.split_once(r#","crc":""#).unwrap();
    let (covered, crc) = end.split_once(r#","crc":""#).unwrap();
    let link = link.trim_end_matches(r#""}"#);
    assert_eq!(
        crc32c(format!("{link}{state}\n{covered}").as_bytes()),
        crc.trim_end_matches(r#""}"#)
    );
}

#[test]
fn the_documented_void_line_is_one_of_the_example() {
    let [segment, ..] = written();
    let document = document();
    let lines: Vec<&str> = segment.lines().collect();
    let (_, behind) = document.split_once("### Void mutations\n\n```jsonl\n").unwrap();
    let void = behind.lines().next().unwrap();
    let (covered, crc) = void.split_once(r#","crc":""#).unwrap();
    let (_, header) = lines[0].split_once(r#","crc":""#).unwrap();
    let header = header.trim_end_matches(r#""}"#);
    assert_eq!(crc32c(format!("{header}{covered}").as_bytes()), crc.trim_end_matches(r#""}"#));
    let (applied, _) = lines[1].split_once(r#","crc":""#).unwrap();
    assert_eq!(covered.replace(r#""void":"opened twice","#, ""), applied);
}

/// Bit by bit, from the definition: reflected polynomial 0x82f63b78.
pub(crate) fn crc32c(bytes: &[u8]) -> String {
    let crc = bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 }
        })
    });
    format!("{:08x}", !crc)
}

#[test]
fn a_sealed_segment_ends_with_its_end_line() {
    let disk = Simulated::new();
    let lists = ministate_tests::open_simulated(&disk, 500).unwrap();
    for entry in 0..20 {
        lists.blocking_apply(push(entry)).unwrap();
    }
    let sealed = Path::new("lists/list.wal.00000000000000000001.jsonl");
    let text = String::from_utf8(disk.content(sealed).unwrap()).unwrap();
    assert!(text.lines().last().unwrap().starts_with(r#"{"end":"#), "{text}");
    assert!(text.ends_with("}\n") && !text.contains("\n\n"), "the fill was not trimmed");
}

#[test]
fn the_fill_has_room_for_64_batches_within_64_kib_and_1_mib() {
    const KIB: usize = 1024;
    let fills =
        [(100, 64), (900, 64), (1_000, 128), (7_000, 512), (30_000, 1_024), (300_000, 1_024)];
    for (record_bytes, fill) in fills {
        let disk = Simulated::new();
        let lists = ministate_tests::open_simulated(&disk, u64::MAX).unwrap();
        for entry in 0..6 {
            let padding = "x".repeat(record_bytes);
            lists.blocking_apply(ministate_tests::Push { entry, padding }).unwrap();
            let content = disk.content("lists/list.wal.jsonl").unwrap();
            let data_bytes = content.iter().rposition(|byte| *byte != b'\n').unwrap() + 2;
            assert_eq!(content.len(), data_bytes.next_multiple_of(fill * KIB), "{record_bytes}");
        }
    }
}

#[test]
fn every_line_but_the_fill_is_one_json_object() {
    let dir = tempfile::tempdir().unwrap();
    let lists = open(dir.path()).unwrap();
    for entry in 0..50 {
        lists.blocking_apply(push(entry)).unwrap();
        let text = std::fs::read_to_string(lists.journal_path()).unwrap();
        let lines = text.lines().filter(|line| !line.is_empty());
        let objects: Vec<serde_json::Map<String, serde_json::Value>> =
            lines.map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(objects.len() as u64, entry + 2);
    }
}

/// Runs a program on a live journal; `None` where the machine does not have it.
fn run(program: &str, arguments: &[&str], journal: &Path) -> Option<String> {
    let run = Command::new(program).args(arguments).arg(journal).stderr(Stdio::inherit()).output();
    match run {
        Ok(output) => {
            assert!(output.status.success(), "{program} failed on a live journal");
            Some(String::from_utf8(output.stdout).unwrap())
        }
        Err(error) => {
            ministate_tests::say_loudly(&format!(
                "SKIPPED: no `{program}` here to look at a live journal with ({error})"
            ));
            None
        }
    }
}

#[test]
fn jq_and_cat_work_on_the_active_segment_of_a_running_manager() {
    let dir = tempfile::tempdir().unwrap();
    let lists = open(dir.path()).unwrap();
    for entry in 0..20 {
        lists.blocking_apply(push(entry)).unwrap();
    }
    let journal = lists.journal_path();
    if let Some(objects) = run("jq", &["-c", "."], journal) {
        assert_eq!(objects.lines().count(), 21);
    }
    if let Some(numbers) = run("jq", &["select(.seq) | .d.entry"], journal) {
        let expected: String = (0..20).map(|entry| format!("{entry}\n")).collect();
        assert_eq!(numbers, expected);
    }
    if let Some(text) = run("cat", &[], journal) {
        assert_eq!(text.matches(r#""seq":"#).count(), 20);
    }
    lists.blocking_apply(push(20)).unwrap();
    assert_eq!(entries(&lists).len(), 21);
}
