//! The whole state at one point of the history, in a file: written, read back, then published.

use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{MiniStateError, Position};
use crate::journal::{self, Names, Start};
use crate::planted::{Bug, planted};
use crate::record::{self, Chain, Seq};
use crate::schema::Schema;
use crate::storage::{self, Access, Storage, StorageFile};

/// What the first line of a snapshot says.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    #[serde(rename = "ministate")]
    format: u64,
    journal: String,
    /// The last mutation that the state holds.
    snapshot: Seq,
    /// The checksum of its record.
    prev: String,
    /// The program that made the snapshot.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    /// The version of the state.
    v: u32,
}

/// A snapshot whose checksums are right.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) journal: String,
    pub(crate) start: Start,
    pub(crate) by: Option<String>,
    /// The version of the state.
    pub(crate) version: u32,
    /// The state's JSON.
    pub(crate) state: Vec<u8>,
}

/// More than any header has.
const HEADER_BYTES_MAX: u64 = 64 * 1024;

/// How much is written between two syncs. A sync of the journal, for which writers wait, would
/// otherwise come behind all of the snapshot in the queue of the disk.
const SYNC_BYTES: usize = 4 << 20;

/// How much of the state is gathered before it is written.
const CHUNK_BYTES: usize = 1 << 20;

/// Writes the state at `seq` into a file, reads it back, and gives the file its name. Returns how
/// large it is, in bytes.
///
/// `write` writes the state's JSON; `check` has to accept what was read back.
pub(crate) fn publish(
    storage: &dyn Storage,
    names: &Names,
    journal: &str,
    (seq, record): (Seq, Chain),
    schema: &Schema,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    check: impl FnOnce(&Snapshot) -> Result<(), MiniStateError>,
) -> Result<u64, MiniStateError> {
    let (temporary, target) = (names.temporary(storage.unique()), names.snapshot(seq));
    let header = Header {
        format: journal::FORMAT,
        journal: journal.to_string(),
        snapshot: seq,
        prev: record.to_string(),
        by: schema.by(),
        v: schema.state,
    };
    let bytes = write_file(storage, &temporary, &header, write)
        .map_err(MiniStateError::io("writing a snapshot to", &temporary))?;
    check(&read(storage, &temporary)?)?;
    storage
        .rename(&temporary, &target)
        .and_then(|()| storage.sync_dir(names.dir()))
        .map_err(MiniStateError::io("publishing the snapshot", &target))?;
    Ok(bytes)
}

fn write_file(
    storage: &dyn Storage,
    path: &Path,
    header: &Header,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<u64> {
    let file = storage.create(path)?;
    let (line, chain) = journal::line_of(header);
    let position = line.len() as u64;
    file.write_at(&line, 0)?;
    let checksum = Chain::START.extend(&chain.hex());
    let (gathered, unsynced) = (Vec::new(), 0);
    let mut out = Out { file: &*file, position, gathered, unsynced, checksum, state_bytes: 0 };
    write(&mut out)?;
    let bytes = out.state_bytes;
    out.flush()?;
    let mut last = format!("\n{{\"bytes\":{bytes}").into_bytes();
    let checksum = out.checksum.extend(&last);
    last.extend_from_slice(format!(",\"crc\":\"{checksum}\"}}\n").as_bytes());
    out.file.write_at(&last, out.position)?;
    if !planted(Bug::SnapshotRenamedBeforeSync) {
        out.file.sync()?;
    }
    Ok(out.position + last.len() as u64)
}

/// Gathers the state's JSON and writes it in large pieces.
struct Out<'a> {
    file: &'a dyn StorageFile,
    position: u64,
    gathered: Vec<u8>,
    /// How many bytes were written since the last sync.
    unsynced: usize,
    checksum: Chain,
    state_bytes: u64,
}

impl Write for Out<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if memchr::memchr(b'\n', bytes).is_some() {
            let what = "the state's JSON holds a raw line break, which ends its line";
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        self.gathered.extend_from_slice(bytes);
        self.state_bytes += bytes.len() as u64;
        if self.gathered.len() >= CHUNK_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_at(&self.gathered, self.position)?;
        self.checksum = self.checksum.extend(&self.gathered);
        self.position += self.gathered.len() as u64;
        self.unsynced += self.gathered.len();
        self.gathered.clear();
        if self.unsynced >= SYNC_BYTES {
            self.file.sync()?;
            self.unsynced = 0;
        }
        Ok(())
    }
}

/// The version of the state in a snapshot, of which only the header is read.
pub(crate) fn version(storage: &dyn Storage, path: &Path) -> Result<u32, MiniStateError> {
    let doing = "reading the snapshot";
    let mut beginning = Vec::new();
    let file = storage.open(path, Access::Read).map_err(MiniStateError::io(doing, path))?;
    file.len()
        .and_then(|bytes| {
            storage::read_range(&*file, 0, bytes.min(HEADER_BYTES_MAX), &mut beginning)
        })
        .map_err(MiniStateError::io(doing, path))?;
    let line = memchr::memchr(b'\n', &beginning).map_or(&[][..], |end| &beginning[..end]);
    let parsed: Option<(Header, Chain)> = journal::object_of(line, path)?;
    parsed.map(|(header, _)| header.v).ok_or_else(|| unsound(path, 1, 0))
}

/// Reads a snapshot, and refuses one that is not what was written.
pub(crate) fn read(storage: &dyn Storage, path: &Path) -> Result<Snapshot, MiniStateError> {
    let unsound = |line, byte| unsound(path, line, byte);
    let mut content = storage::read_all(storage, path)
        .map_err(MiniStateError::io("reading the snapshot", path))?;
    let header_bytes = memchr::memchr(b'\n', &content).ok_or_else(|| unsound(1, 0))?;
    let parsed: Option<(Header, Chain)> = journal::object_of(&content[..header_bytes], path)?;
    let (header, chain) = parsed.ok_or_else(|| unsound(1, 0))?;
    let record = Chain::parse(header.prev.as_bytes()).ok_or_else(|| unsound(1, 0))?;

    let start = header_bytes + 1;
    let state_bytes =
        memchr::memchr(b'\n', &content[start..]).ok_or_else(|| unsound(2, start as u64))?;
    let last = &content[start + state_bytes + 1..];
    let sound = last.strip_suffix(b"\n").and_then(record::split_suffix).is_some_and(
        |(covered, checksum)| {
            let state = &content[start..start + state_bytes];
            let own = Chain::START.extend(&chain.hex()).extend(state).extend(b"\n");
            covered == format!("{{\"bytes\":{state_bytes}").as_bytes()
                && own.extend(covered) == checksum
        },
    );
    if !sound {
        return Err(unsound(2, start as u64));
    }
    content.truncate(start + state_bytes);
    content.drain(..start);
    let start = Start { seq: header.snapshot, record, path: path.to_path_buf() };
    let Header { journal, by, v: version, .. } = header;
    Ok(Snapshot { journal, start, by, version, state: content })
}

fn unsound(path: &Path, line: u64, byte: u64) -> MiniStateError {
    MiniStateError::Corrupt {
        at: Position { file: path.to_path_buf(), line, byte },
        seq: 0,
        what: "the snapshot is not what was written",
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::*;
    use crate::storage::Simulated;

    #[test]
    fn a_snapshot_is_as_large_as_its_file() {
        let disk = Simulated::new();
        let names = Names::new(Path::new("state"), Path::new("app.wal.jsonl")).expect("a name");
        disk.create_dir_all(names.dir()).expect("the disk works");
        let write = |out: &mut dyn Write| out.write_all(b"[1,2]");
        let (at, schema) = ((7, Chain::START), &Schema::UNTAGGED);
        let bytes = publish(&disk, &names, "identity", at, schema, write, |_| Ok(()));
        let content = disk.content(names.snapshot(7)).expect("it was published");
        assert_eq!(bytes.ok(), Some(content.len() as u64));
    }
}
