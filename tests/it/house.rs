//! The house keeps its own rules: the direction of imports, one door to the disk, promises that
//! have tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn sources(dir: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().is_some_and(|name| name == "target") {
            continue;
        }
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push((path.clone(), fs::read_to_string(path).unwrap()));
        }
    }
    found
}

/// The runtime's modules, each after those that it may use.
const ORDER: [&str; 32] = [
    "planted",
    "sync",
    "storage",
    "rhythm",
    "json",
    "schema",
    "record",
    "error",
    "observation",
    "mutation",
    "unsayable",
    "fidelity",
    "schema_lock",
    "journal",
    "snapshot",
    "recovery",
    "compaction",
    "usage",
    "backup",
    "upkeep",
    "import",
    "options",
    "commit",
    "read_only",
    "feed",
    "inspect",
    "manager",
    "former",
    "follower",
    "shared",
    "testing",
    "lib",
];

#[test]
fn modules_use_only_what_stands_before_them() {
    let src = root().join("ministate/src");
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, text) in sources(&src) {
        let module = path.strip_prefix(&src).unwrap().iter().next().unwrap().to_str().unwrap();
        let module = module.trim_end_matches(".rs").to_string();
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let code: String = code.collect::<Vec<_>>().join("\n");
        for used in code.split("crate::").skip(1) {
            let name: String =
                used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if ORDER.contains(&name.as_str()) && name != module {
                uses.entry(module.clone()).or_default().insert(name);
            }
        }
        assert!(ORDER.contains(&module.as_str()), "`{module}` has no place in the order");
    }
    assert!(uses["manager"].contains("commit"), "the test reads no imports any more");
    for (module, used) in uses {
        let place = |name: &str| ORDER.iter().position(|other| *other == name);
        for used in used {
            assert!(place(&used) < place(&module), "`{module}` uses `{used}`");
        }
    }
}

#[test]
fn only_the_storage_touches_the_disk() {
    for (path, text) in sources(&root().join("ministate/src")) {
        if path.ends_with("storage/disk.rs") {
            continue;
        }
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        for line in code {
            for door in ["std::fs", "tokio::fs", "fs::", "File::open", "OpenOptions"] {
                assert!(!line.contains(door), "{}: {line}", path.display());
            }
        }
    }
}

#[test]
fn every_file_says_first_what_it_is_for() {
    for member in [
        "ministate/src",
        "ministate-derive/src",
        "ministate-cli",
        "ministate-etcd",
        "ministate-object-store",
        "examples",
        "tests/it",
        "tests/cluster",
        "tests/mutants",
        "tests/proof",
        "tests/shuttled",
        "tests/support",
        "benches",
        "tests/fuzz/fuzz_targets",
    ] {
        for (path, text) in sources(&root().join(member)) {
            assert!(text.starts_with("//! "), "{}", path.display());
            assert!(text.is_ascii(), "{} is not plain ASCII", path.display());
        }
    }
}

#[test]
fn no_file_is_above_400_lines_without_a_reason() {
    let manifest = text_of("Cargo.toml");
    let members = manifest.lines().find_map(|line| line.strip_prefix("members = [")).unwrap();
    let members: Vec<_> = members.split('"').skip(1).step_by(2).collect();
    assert!(members.contains(&"ministate") && members.contains(&"examples"), "{members:?}");
    let mut too_long = BTreeSet::new();
    for (path, text) in members.into_iter().flat_map(|member| sources(&root().join(member))) {
        let mut head = text.lines().take_while(|line| line.starts_with("//!"));
        let has_reason = head.any(|line| {
            line.strip_prefix("//! Longer than 400 lines: ").is_some_and(|why| !why.is_empty())
        });
        let is_fixture = path.starts_with(root().join("tests/fixtures"));
        if text.lines().count() > 400 && !has_reason && !is_fixture {
            too_long.insert(path);
        }
    }
    assert!(too_long.is_empty(), "split these, or say why not: {too_long:#?}");
}

fn text_of(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

#[test]
fn all_examples_run_as_tests_and_stand_in_the_readme() {
    let (manifest, readme) = (text_of("examples/Cargo.toml"), text_of("README.md"));
    let examples = manifest.split("[[example]]\n").skip(1).map(|rest| {
        let value = |key: &str| {
            let line = rest.lines().take_while(|line| !line.is_empty());
            line.filter_map(|line| line.strip_prefix(key)?.strip_prefix(" = ")).next().unwrap()
        };
        (value("name").trim_matches('"'), value("path").trim_matches('"'), value("test"))
    });
    let examples: Vec<_> = examples.collect();
    assert!(examples.len() >= 10, "{examples:?}");
    for (name, path, test) in examples {
        assert_eq!(test, "true", "{name}");
        let row = format!("\n| [`{name}`](examples/{path}) | ");
        assert!(readme.contains(&row), "{name}");
    }
}

#[test]
fn the_chapters_of_the_guide_stand_at_its_beginning_and_in_the_readme() {
    let (guide, readme) = (text_of("ministate/docs/guide.md"), text_of("README.md"));
    let chapters = guide.lines().filter_map(|line| line.strip_prefix("## "));
    let chapters: Vec<_> = chapters
        .map(|title| {
            let anchor = title.to_lowercase().replace(' ', "-").replace(',', "");
            (title, anchor)
        })
        .collect();
    let listed: String =
        chapters.iter().map(|(title, anchor)| format!("- [{title}](#{anchor})\n")).collect();
    assert!(guide.contains(&format!("\n\n{listed}\n")), "{listed}");
    for (_, anchor) in chapters {
        assert!(readme.contains(&format!("(ministate/docs/guide.md#{anchor})")), "{anchor}");
    }
}

#[test]
fn the_readme_names_all_that_is_compiled_with_default_features() {
    let tree = std::process::Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--prefix", "none", "--edges", "normal,build"])
        .args(["--package", "ministate@0.2.0"])
        .current_dir(root())
        .output()
        .unwrap();
    let tree = String::from_utf8(tree.stdout).unwrap();
    let crates: BTreeSet<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(crates.contains("serde_json"), "{tree}");
    let readme = text_of("README.md");
    let named = readme.split("## Dependencies").nth(1).unwrap().split("\n## ").next().unwrap();
    for name in &crates {
        assert!(named.contains(&format!("`{name}`")), "{name}");
    }
    let others = crates.len() - ["ministate", "ministate-derive"].len();
    assert!(named.contains(&format!("compiles {others} crates besides itself and its derive")));
}
