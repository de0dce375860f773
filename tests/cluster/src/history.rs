//! What did a replica and its clients do, and when? Written line by line, so that a kill leaves it
//! readable.
#![expect(clippy::disallowed_methods, reason = "the histories are files")]

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::state::{Answer, Change, Seen};

/// What happened, and when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// As [`now`] said.
    pub at: u64,
    /// What happened.
    pub event: Event,
}

/// What happened in a replica.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// It was opened.
    Opened {
        /// So many mutations its state held.
        seq: u64,
        /// So many those of the snapshot that it began with.
        snapshot: u64,
    },
    /// A client is about to ask for a change.
    Asked(Change),
    /// A client is about to ask for a linearizable read.
    AskedToRead {
        /// No other operation has it.
        id: u64,
        /// Of the whole state, and of this number for [`linearizability`](crate::linearizability).
        key: u8,
    },
    /// A change was acknowledged.
    Changed {
        /// Which.
        id: u64,
        /// Its sequence number.
        seq: u64,
        /// What it came to.
        answer: Answer,
    },
    /// A linearizable read was answered.
    Read {
        /// Which.
        id: u64,
        /// The whole state, as it was.
        seen: Seen,
    },
    /// An operation certainly did not and will not take effect.
    Refused {
        /// Which.
        id: u64,
        /// Why.
        error: String,
    },
    /// It is not known whether an operation took effect, or will.
    Unknown {
        /// Which.
        id: u64,
        /// Why.
        error: String,
    },
    /// The client of an operation went without waiting for the answer.
    Left {
        /// Which.
        id: u64,
    },
    /// A subscription begins with this mutation, in the place of the last one.
    Subscribed(u64),
    /// A subscription gave a change.
    Given {
        /// Its sequence number.
        seq: u64,
        /// Which.
        id: u64,
    },
    /// A subscription said that it is behind, and that this is the next mutation.
    Lagged(u64),
    /// A subscription said that the journal does not hold any more what is next.
    Trimmed {
        /// The next mutation.
        seq: u64,
        /// The first that the journal holds.
        first: u64,
    },
    /// What the state was after so many mutations.
    Sampled {
        /// So many.
        seq: u64,
        /// The state's.
        digest: u64,
    },
    /// The replica has made or begun with the snapshot of this mutation.
    Snapshot(u64),
    /// All clients have ended, and nothing that they asked for is still on its way.
    Quiet,
    /// The operations that were applied to the state which a last linearizable read returned.
    Final {
        /// Them.
        applied: Vec<u64>,
        /// The state's.
        digest: u64,
    },
    /// What must not happen here.
    Broken(String),
}

/// A file that grows with what happens.
#[derive(Debug)]
pub struct History(Mutex<File>);

impl History {
    /// A new one.
    pub fn create(path: &Path) -> History {
        History(Mutex::new(File::create_new(path).unwrap()))
    }

    /// Writes what happens now. Once this returns, a kill does not take it back.
    pub fn tell(&self, event: Event) {
        let mut line = serde_json::to_vec(&Line { at: now(), event }).unwrap();
        line.push(b'\n');
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write_all(&line).unwrap();
    }
}

/// Reads what is written, while it is written.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    /// So many bytes of it.
    read: u64,
    lines: Vec<Line>,
}

impl Reader {
    /// Of the file at this path, which may come later.
    pub fn of(path: PathBuf) -> Reader {
        Reader { path, read: 0, lines: Vec::new() }
    }

    /// All that was written until now. A kill may have cut the last line short, which then did not happen.
    pub fn lines(&mut self) -> &[Line] {
        let mut text = String::new();
        if let Ok(mut file) = File::open(&self.path) {
            file.seek(SeekFrom::Start(self.read)).unwrap();
            file.read_to_string(&mut text).unwrap();
        }
        for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            self.read += line.len() as u64;
            self.lines.push(serde_json::from_str(line).unwrap());
        }
        &self.lines
    }

    /// All that was written.
    pub fn into_lines(mut self) -> Vec<Line> {
        self.lines();
        self.lines
    }
}

/// Nanoseconds of a clock that all processes of the machine share.
pub fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    u64::try_from(time.tv_sec * 1_000_000_000 + time.tv_nsec).unwrap()
}
