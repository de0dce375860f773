//! How is the command run?

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// What the command said.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Answer {
    /// The objects that it printed.
    pub(crate) fn objects(&self) -> Vec<Value> {
        let parse =
            |line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}: {self:?}"));
        self.out.lines().map(parse).collect()
    }

    /// The last of them.
    pub(crate) fn summary(&self) -> Value {
        self.objects().pop().unwrap_or_else(|| panic!("no answer: {self:?}"))
    }

    /// The numbers of the mutations that it printed.
    pub(crate) fn seqs(&self) -> Vec<u64> {
        self.objects().iter().filter_map(|object| object["seq"].as_u64()).collect()
    }
}

pub(crate) fn ministate() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ministate"));
    command.stdin(Stdio::null());
    command
}

/// Runs the command with a directory behind its first word.
pub(crate) fn ask(words: &str, dir: &Path) -> Answer {
    let mut words = words.split_whitespace();
    let first = words.next().unwrap();
    let words = words.map(OsStr::new);
    answer(ministate().arg(first).arg(dir).args(words).output().unwrap())
}

pub(crate) fn answer(output: Output) -> Answer {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert!(!err.contains("panicked"), "{err}");
    Answer { code: output.status.code().unwrap(), out, err }
}
