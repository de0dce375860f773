//! Hostile bytes are refused, or open as what was written: the corpus of fuzzing and its kin.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use ministate_tests::hostile::{Outcome, TARGETS, Target, seeds};
use ministate_tests::{Chance, say_loudly};

/// Where cargo-fuzz has its files.
fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let dir = fuzz().join("corpus").join(target);
    let mut paths: Vec<PathBuf> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Runs an input; a finding is kept, and said how to run again.
fn run(name: &str, target: Target, input: &[u8]) -> Outcome {
    catch_unwind(AssertUnwindSafe(|| target(input))).unwrap_or_else(|_| {
        let dir = fuzz().join("artifacts").join(name);
        let checksum = crate::format::crc32c(input);
        let path = dir.join(format!("crash-{checksum}"));
        fs::create_dir_all(&dir).unwrap();
        fs::write(&path, input).unwrap();
        panic!("a finding in {}; run it again: just replay {}", path.display(), path.display())
    })
}

/// A bounded tier; `just fuzz` goes on for as long as it may.
fn inputs() -> u64 {
    std::env::var("MINISTATE_HOSTILE_INPUTS").map_or(3_000, |inputs| inputs.parse().unwrap())
}

/// Some bytes of an input become others, or those of another input.
fn mutated(corpus: &[Vec<u8>], chance: &mut Chance) -> Vec<u8> {
    let any = |chance: &mut Chance, bound: usize| chance.below(bound as u64) as usize;
    let mut input = corpus[any(chance, corpus.len())].clone();
    for _ in 0..=chance.below(3) {
        let (at, bytes) = (any(chance, input.len() + 1), any(chance, 24));
        let end = input.len().min(at + bytes);
        match chance.below(6) {
            0 if at < end => input[at] ^= 1 << chance.below(8),
            1 if at < end => input[at] = chance.below(256) as u8,
            2 => drop(input.drain(at..end)),
            3 => input.truncate(at),
            4 => {
                let other = &corpus[any(chance, corpus.len())];
                let from = any(chance, other.len() + 1);
                let part = &other[from..other.len().min(from + bytes)];
                input.splice(at..end, part.iter().copied());
            }
            _ => {
                let repeated = input[at..end].to_vec();
                input.splice(at..at, repeated);
            }
        }
    }
    input
}

fn smoke(name: &str, inputs: u64) {
    let (_, target) = TARGETS.into_iter().find(|(other, _)| *other == name).unwrap();
    let corpus = corpus(name);
    assert!(corpus.len() >= 10, "{} inputs in the corpus of {name}", corpus.len());
    let mut chance = Chance(1);
    let mut outcomes = BTreeMap::new();
    for input in &corpus {
        *outcomes.entry(run(name, target, input)).or_insert(0) += 1;
    }
    for _ in 0..inputs {
        let input = mutated(&corpus, &mut chance);
        *outcomes.entry(run(name, target, &input)).or_insert(0) += 1;
    }
    say_loudly(&format!("hostile input: {name}: {outcomes:?}"));
    // Where all is refused, or nothing, the inputs say nothing.
    let number = |outcome| outcomes.get(&outcome).copied().unwrap_or(0);
    let (total, refused) = (outcomes.values().sum::<u64>(), number(Outcome::Refused));
    let opened = total - refused;
    assert!(opened * 20 > total, "{opened} of {total} opened");
    // An older snapshot stands for one that is damaged, so nothing of that is refused.
    match name {
        "snapshot" => assert!(number(Outcome::Shortened) * 2 > total, "{outcomes:?}"),
        _ => assert!(refused * 10 > total, "{refused} of {total} were refused"),
    }
}

#[test]
fn segments() {
    smoke("segment", inputs() / 10);
}

#[test]
fn snapshots() {
    smoke("snapshot", inputs() / 10);
}

#[test]
fn directories() {
    smoke("directory", inputs() * 8 / 10);
}

/// `just replay` names the input.
#[test]
fn one_input_again() {
    let Some(path) = std::env::var_os("MINISTATE_HOSTILE_INPUT").map(PathBuf::from) else {
        return;
    };
    let name = path.parent().and_then(Path::file_name).unwrap().to_str().unwrap();
    let (_, target) = TARGETS.into_iter().find(|(other, _)| *other == name).unwrap();
    let outcome = target(&fs::read(&path).unwrap());
    say_loudly(&format!("{}: {outcome:?}", path.display()));
}

/// `just fuzz-seeds` names the directory.
#[test]
fn seeds_are_written_again() {
    let Some(dir) = std::env::var_os("MINISTATE_HOSTILE_SEEDS").map(PathBuf::from) else {
        return;
    };
    for (target, _) in TARGETS {
        fs::create_dir_all(dir.join(target)).unwrap();
        for (name, seed) in seeds(target) {
            fs::write(dir.join(target).join(name), seed).unwrap();
        }
    }
}
