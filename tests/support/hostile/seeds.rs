//! Which inputs does fuzzing begin with? Real files, as the library writes them.

use ministate::storage::Simulated;

use super::operations::{Named, Pushes};
use super::{STEM, files, history, open};
use crate::reference::Files;
use crate::{Chance, JOURNAL, Push};

/// The inputs of a fuzz target, each with a name.
pub fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    match target {
        "segment" => segments(),
        "snapshot" => snapshots(),
        "directory" => directories(),
        other => panic!("there is no target `{other}`"),
    }
}

fn segments() -> Vec<(String, Vec<u8>)> {
    let mut seeds = Vec::new();
    let mut add = |name: &str, files: &Files| {
        for (file, content) in files.iter().filter(|(file, _)| file.ends_with(".jsonl")) {
            let role = if file == JOURNAL { "active" } else { "sealed" };
            seeds.push((format!("{name}-{role}-{}", seeds.len()), without_fill(content)));
        }
    };
    add("closed-named", &written::<Named>(700, End::Closed));
    add("killed-named", &written::<Named>(u64::MAX, End::Killed));
    add("killed-by-hand", &written::<Push>(u64::MAX, End::Killed));
    add("closed-by-hand", &written::<Push>(700, End::Closed));
    let old = b"// MINISTORE JOURNAL v0.1.4\n{\"entry\":1}\n{\"entry\":2}\n".to_vec();
    seeds.push(("old".to_string(), old));
    let torn = seeds[3].1.clone();
    for cut in [5, 18, 40, 90] {
        seeds.push((format!("torn-{cut}"), torn[..torn.len().saturating_sub(cut)].to_vec()));
    }
    seeds
}

fn snapshots() -> Vec<(String, Vec<u8>)> {
    let (files, _) = history::with_snapshots();
    let snapshots = files.into_iter().filter(|(name, _)| name.contains(".snapshot."));
    snapshots.map(|(name, content)| (name.replace(STEM, "").replace('.', ""), content)).collect()
}

fn directories() -> Vec<(String, Vec<u8>)> {
    let mut chance = Chance(7);
    let mut bytes = |length| (0..length).map(|_| chance.below(256) as u8).collect();
    (0..40).map(|seed| (format!("history-{seed}"), bytes(20 + seed * 2))).collect()
}

/// How the manager ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Closed,
    Killed,
}

fn written<M: Pushes>(segment_bytes: u64, end: End) -> Files {
    let disk = Simulated::new();
    drop(open::<M>(&disk));
    let lists = ministate::Options::new()
        .segment_bytes(segment_bytes)
        .storage(disk.clone())
        .blocking_open::<crate::List, M>(super::DIR, JOURNAL)
        .expect("the disk is sound");
    for entry in 0..6 {
        let padding = "x".repeat(if entry == 4 { 600 } else { 0 });
        lists.blocking_apply(M::padded(entry, padding)).expect("the disk is sound");
    }
    let batch = (6..9).map(M::pushes);
    lists.blocking_apply_batch(batch).expect("the disk is sound");
    if end == End::Closed {
        lists.blocking_close().expect("the disk is sound");
    }
    drop(lists);
    files(&disk)
}

/// With a little of it, which is all that a reader has to see.
fn without_fill(content: &[u8]) -> Vec<u8> {
    let data = content.iter().rposition(|byte| *byte != b'\n').map_or(0, |last| last + 1);
    content[..content.len().min(data + 20)].to_vec()
}
