//! How do all mutants come into one copy of the sources, and out of it those that do not compile?

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::{Mutant, instrument};

/// The committed and new files, each written only where it differs, for builds to be quick.
pub(crate) fn copy(root: &Path, tree: &Path) {
    let files = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .expect("git runs");
    let files = String::from_utf8(files.stdout).expect("names are text");
    for file in files.split_terminator('\0').filter(|file| !file.starts_with("ministate/src/")) {
        if let Ok(bytes) = fs::read(root.join(file)) {
            write(&tree.join(file), &bytes);
        }
    }
}

fn write(path: &Path, bytes: &[u8]) {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return;
    }
    let dir = path.parent().expect("a file is in a directory");
    fs::create_dir_all(dir).and_then(|()| fs::write(path, bytes)).expect("the copy can be written");
}

/// Writes the sources with the mutants, and returns the numbers of those that are in them.
pub(crate) fn write_mutants(
    root: &Path,
    tree: &Path,
    mutants: &[Mutant],
    unviable: &BTreeSet<usize>,
) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let mut dirs = vec![PathBuf::from("ministate/src")];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(root.join(&dir)).expect("the sources are there") {
            let path = dir.join(entry.expect("the sources can be listed").file_name());
            if root.join(&path).is_dir() {
                dirs.push(path);
                continue;
            }
            let text = fs::read_to_string(root.join(&path)).expect("sources are text");
            let inside: Vec<(usize, &Mutant)> = (1..)
                .zip(mutants)
                .filter(|(number, mutant)| {
                    Path::new(&mutant.file) == path && !unviable.contains(number)
                })
                .collect();
            let (mut text, here) = match inside.is_empty() {
                true => (text, BTreeSet::new()),
                false => instrument::instrument(&text, &inside),
            };
            if path.ends_with("src/lib.rs") {
                text.push_str("\nmod mutant;\n");
            }
            found.extend(here);
            write(&tree.join(&path), text.as_bytes());
        }
    }
    write(&tree.join("ministate/src/mutant.rs"), include_bytes!("mutant.rs.txt"));
    found
}

fn cargo(tree: &Path, work: &Path, arguments: &[&str]) -> Vec<Value> {
    let output = Command::new("cargo")
        .args(arguments)
        .arg("--message-format=json")
        .env("CARGO_TARGET_DIR", work.join("build"))
        .current_dir(tree)
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo runs");
    let lines = String::from_utf8(output.stdout).expect("cargo's JSON");
    lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The numbers of the mutants that do not compile.
pub(crate) fn refused_by_the_compiler(tree: &Path, work: &Path) -> BTreeSet<usize> {
    let check = ["check", "-p", "ministate", "--features=testing,planted-bugs"];
    let (mut refused, mut others) = (BTreeSet::new(), Vec::new());
    for message in cargo(tree, work, &check) {
        let message = &message["message"];
        if message["level"] != "error" {
            continue;
        }
        let spans = message["spans"].as_array().into_iter().flatten();
        let numbers: Vec<usize> = spans
            .flat_map(|span| span["text"].as_array().into_iter().flatten())
            .filter_map(|line| line["text"].as_str()?.split_once("/*mutant "))
            .filter_map(|(_, number)| number.split_once("*/")?.0.parse().ok())
            .collect();
        if numbers.is_empty() && message["spans"][0].is_object() {
            others.push(message["rendered"].as_str().unwrap_or_default().to_string());
        }
        refused.extend(numbers);
    }
    assert!(!refused.is_empty() || others.is_empty(), "{}", others.concat());
    refused
}

/// The programs that test, by the names of their targets.
pub(crate) fn build(tree: &Path, work: &Path) -> BTreeMap<String, PathBuf> {
    let mut binaries = BTreeMap::new();
    for what in [
        &["test", "--no-run", "-p", "ministate", "--lib", "--features=testing"][..],
        &["test", "--no-run", "-p", "ministate-tests", "--test=it"],
    ] {
        for message in cargo(tree, work, what) {
            if let (Some(program), Some(name)) =
                (message["executable"].as_str(), message["target"]["name"].as_str())
            {
                binaries.insert(name.to_string(), PathBuf::from(program));
            }
        }
    }
    binaries
}
