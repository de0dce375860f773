//! How long does `ministate verify` take, beside reading the bytes and checksumming them?
//!
//! `just bench-verify` runs it. `MINISTATE_VERIFY_RECORDS` and `MINISTATE_VERIFY_ROUNDS` change how
//! much.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a measurement that cannot go on stops, and reads real files"
)]

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ministate::storage::{Access, Disk, Lock, Storage, StorageFile};
use ministate::{Mutations, Options, StateManager};
use serde::{Deserialize, Serialize};

#[derive(Debug, Default, Serialize, Deserialize)]
struct Counter {
    value: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
#[mutations(state = Counter)]
enum CounterOp {
    Deposit { account: String, cents: u64 },
}

impl Counter {
    #[expect(clippy::needless_pass_by_value, reason = "an operation hands over its fields")]
    fn deposit(&mut self, account: String, cents: u64) {
        self.value += cents + account.len() as u64;
    }
}

/// A disk that promises nothing, so that a million records are written in seconds.
#[derive(Debug)]
struct Unsynced(Disk);

#[derive(Debug)]
struct UnsyncedFile(Box<dyn StorageFile>);

impl Storage for Unsynced {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.0.create_dir_all(dir)
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.0.list(dir)
    }
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn StorageFile>> {
        Ok(Box::new(UnsyncedFile(self.0.open(path, access)?)))
    }
    fn create(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        Ok(Box::new(UnsyncedFile(self.0.create(path)?)))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.remove(path)
    }
    fn sync_dir(&self, _dir: &Path) -> io::Result<()> {
        Ok(())
    }
    fn try_lock(&self, path: &Path) -> io::Result<Lock> {
        self.0.try_lock(path)
    }
    fn unique(&self) -> u64 {
        self.0.unique()
    }
}

impl StorageFile for UnsyncedFile {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.0.read_at(buffer, position)
    }
    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.0.write_at(bytes, position)
    }
    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn main() {
    let records = number("MINISTATE_VERIFY_RECORDS", 1_000_000);
    let rounds = number("MINISTATE_VERIFY_ROUNDS", 3);
    let dir = tempfile::tempdir().unwrap();
    let manager: StateManager<Counter, CounterOp> =
        Options::new().storage(Unsynced(Disk)).blocking_open(dir.path(), "bank.wal.jsonl").unwrap();
    for cents in 0..records {
        let account = format!("account {}", cents % 1_000);
        manager.blocking_apply(CounterOp::Deposit { account, cents }).unwrap();
    }
    manager.blocking_close().unwrap();
    drop(manager);

    let mut best = [Duration::MAX; 3];
    for round in 1..=rounds {
        let (whole, bytes) = timed(|| checksum_of_the_bytes(dir.path()));
        let (lines, checked) = timed(|| checksums_of_the_lines(dir.path()));
        assert!(checked > records, "each line has its checksum");
        let (verify, ()) = timed(|| verified(dir.path()));
        println!(
            "round {round}: {records} records, {bytes} bytes: one checksum of all bytes \
             {whole:.1?}, those of the lines {lines:.1?}, verify {verify:.1?}"
        );
        for (best, this) in best.iter_mut().zip([whole, lines, verify]) {
            *best = this.min(*best);
        }
    }
    let [whole, lines, verify] = best.map(|best| best.as_secs_f64());
    println!(
        "verify takes {:.2}x of reading and checksumming each line, and {:.2}x of reading and one \
         checksum of all bytes",
        verify / lines,
        verify / whole
    );
}

fn timed<T>(run: impl FnOnce() -> T) -> (Duration, T) {
    let started = Instant::now();
    let result = run();
    (started.elapsed(), result)
}

/// Gives every piece of the segments to `each`.
fn read(dir: &Path, mut each: impl FnMut(&[u8])) {
    for path in segments(dir) {
        let mut file = fs::File::open(path).unwrap();
        let mut piece = vec![0; 256 * 1024];
        loop {
            let read = file.read(&mut piece).unwrap();
            if read == 0 {
                break;
            }
            each(&piece[..read]);
        }
    }
}

/// Reads the bytes of the segments, and makes one checksum of them; how many they are.
fn checksum_of_the_bytes(dir: &Path) -> u64 {
    let (mut bytes, mut checksum) = (0, 0);
    read(dir, |piece| {
        checksum = crc32c::crc32c_append(checksum, piece);
        bytes += piece.len() as u64;
    });
    std::hint::black_box(checksum);
    bytes
}

/// Reads the bytes of the segments, and makes the checksum of each line as the format has it: over
/// the digits of the one before, and the line up to its own. How many there are.
fn checksums_of_the_lines(dir: &Path) -> u64 {
    let (mut lines, mut sum, mut begun) = (0, 0, Vec::new());
    let mut previous = *b"00000000";
    let mut check = |line: &[u8]| {
        let Some((covered, suffix)) = line.split_last_chunk::<18>() else { return };
        sum ^= crc32c::crc32c_append(crc32c::crc32c(&previous), covered);
        previous.copy_from_slice(&suffix[8..16]);
        lines += 1;
    };
    read(dir, |piece| {
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', piece) {
            if begun.is_empty() {
                check(&piece[start..end]);
            } else {
                begun.extend_from_slice(&piece[start..end]);
                check(&begun);
                begun.clear();
            }
            start = end + 1;
        }
        begun.extend_from_slice(&piece[start..]);
    });
    std::hint::black_box(sum);
    lines
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "jsonl")).collect()
}

fn verified(dir: &Path) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ministate"));
    let status = command.arg("verify").arg(dir).stdout(Stdio::null()).status().unwrap();
    assert!(status.success());
}
