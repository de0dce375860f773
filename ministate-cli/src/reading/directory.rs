//! Which journals are in a directory, and which files does each have?

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use ministate::MiniStateError;
use ministate::inspect::{Layout, Role, SIGNATURE};
use ministate::storage::{Access, Storage};

use crate::failure::Failure;

/// The files of one journal.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    /// The name of its active segment.
    pub(crate) name: String,
    pub(crate) layout: Layout,
    /// In the order of their roles: snapshots, sealed segments, the active one, the rest.
    pub(crate) files: Vec<File>,
}

/// One of them.
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) role: Role,
    pub(crate) bytes: u64,
}

/// With which the segments of ministate 0.1 begin.
const SIGNATURE_OF_0_1: &[u8] = b"// MINISTORE JOURNAL v";

impl Files {
    /// The files of the journal that the user means: the named one, or the only one. `place` is the
    /// directory, or the file of the active segment. A journal of ministate 0.1 is refused: there
    /// are no lines of this format in it.
    pub(crate) fn chosen(
        storage: &dyn Storage,
        place: &Path,
        name: Option<&str>,
    ) -> Result<Files, Failure> {
        let files = Files::named(storage, place, name)?;
        if files.layout.is_of_0_1(storage)? {
            let path = files.layout.active();
            return Err(Failure::Library(MiniStateError::NotTakenOver { path }));
        }
        Ok(files)
    }

    /// The same, where it may be one of ministate 0.1.
    pub(crate) fn named(
        storage: &dyn Storage,
        place: &Path,
        name: Option<&str>,
    ) -> Result<Files, Failure> {
        let file_name = place.file_name().and_then(|name| name.to_str());
        let (dir, name) = match (place.is_file(), name, file_name) {
            (true, None, Some(file)) => (parent(place), Some(file)),
            _ => (place, name),
        };
        let listed = listed(storage, dir)?;
        let journals = journals(storage, dir, &listed);
        let name = match name {
            Some(name) if journals.iter().any(|journal| journal == name) => name,
            Some(name) => {
                let (dir, name) = (dir.to_path_buf(), name.to_string());
                return Err(Failure::UnknownName { dir, name, journals });
            }
            None => match &journals[..] {
                [only] => only,
                [] => return Err(Failure::NoJournal { dir: dir.to_path_buf() }),
                [..] => return Err(Failure::Several { dir: dir.to_path_buf(), journals }),
            },
        };
        Files::of(storage, dir, name)
    }

    /// The files of the journal of this name, as they are now.
    pub(crate) fn of(storage: &dyn Storage, dir: &Path, name: &str) -> Result<Files, Failure> {
        let layout = Layout::new(dir, Path::new(name))?;
        let mut files = Vec::new();
        for file in listed(storage, dir)? {
            let Some(role) = layout.role(&file) else { continue };
            let path = dir.join(&file);
            let bytes = if role == Role::Archive {
                bytes_below(storage, &path)
            } else {
                bytes_of(storage, &path)
            };
            // What was put away since it was listed is not there.
            let Some(bytes) = bytes.or_else(|error| absent(error, &path))? else { continue };
            files.push(File { name: file, path, role, bytes });
        }
        files.sort_by(|one, other| (one.role, &one.name).cmp(&(other.role, &other.name)));
        Ok(Files { name: name.to_string(), layout, files })
    }

    /// The same journal, as its files are now.
    pub(crate) fn again(&self, storage: &dyn Storage) -> Result<Files, Failure> {
        Files::of(storage, self.layout.dir(), &self.name)
    }

    pub(crate) fn dir(&self) -> &Path {
        self.layout.dir()
    }

    /// The snapshots, the oldest first.
    pub(crate) fn snapshots(&self) -> impl DoubleEndedIterator<Item = (u64, &File)> {
        self.files.iter().filter_map(|file| {
            let Role::Snapshot(seq) = file.role else { return None };
            Some((seq, file))
        })
    }

    pub(crate) fn with_role(&self, role: Role) -> Option<&File> {
        self.files.iter().find(|file| file.role == role)
    }
}

fn parent(file: &Path) -> &Path {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    }
}

fn listed(storage: &dyn Storage, dir: &Path) -> Result<Vec<String>, Failure> {
    match storage.list(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(Failure::NoDirectory { dir: dir.to_path_buf() })
        }
        listed => listed.map_err(|source| Failure::unread(dir, source)),
    }
}

/// The names of the journals of which there are files, in order.
fn journals(storage: &dyn Storage, dir: &Path, listed: &[String]) -> Vec<String> {
    let mut found = BTreeSet::new();
    for file in listed.iter().filter(|file| !file.contains(".from-0.1.")) {
        // Files that only journals have say so by their names.
        let stem = [".head.json", ".next.jsonl", ".lock"]
            .iter()
            .find_map(|ending| file.strip_suffix(ending))
            .or_else(|| stem_of_numbered(file));
        if let Some(stem) = stem {
            found.extend(journal_of(dir, stem, file));
        } else if Layout::new(dir, Path::new(file)).is_ok() {
            let begins = beginning(storage, &dir.join(file));
            if [SIGNATURE, SIGNATURE_OF_0_1].iter().any(|signature| begins.starts_with(signature)) {
                found.insert(file.clone());
            }
        }
    }
    let mut found: Vec<String> = found.into_iter().collect();
    // A lock file alone may be that of any program.
    found.retain(|name| {
        let is_of = |layout: Layout| {
            listed.iter().any(|file| layout.role(file).is_some_and(|role| role != Role::Lock))
        };
        Layout::new(dir, Path::new(name)).is_ok_and(is_of)
    });
    found
}

/// What stands before `.snapshot.00000000000000000042.json`, `.00000000000000000042.jsonl` or
/// `.jsonl.000001`.
fn stem_of_numbered(file: &str) -> Option<&str> {
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    if let Some((stem, digits)) = file.rsplit_once(".jsonl.") {
        return is_number(digits).then_some(stem);
    }
    let (rest, is_snapshot) = match file.strip_suffix(".jsonl") {
        Some(rest) => (rest, false),
        None => (file.strip_suffix(".json")?, true),
    };
    let (stem, digits) = rest.rsplit_once('.')?;
    let stem = if is_snapshot { stem.strip_suffix(".snapshot")? } else { stem };
    (digits.len() == 20 && is_number(digits)).then_some(stem)
}

/// The journal whose files begin with the stem, if this is one of them.
fn journal_of(dir: &Path, stem: &str, file: &str) -> Option<String> {
    let name = match stem.strip_suffix(".journal") {
        Some(name) if Layout::new(dir, Path::new(name)).is_ok() => name.to_string(),
        Some(_) | None => format!("{stem}.jsonl"),
    };
    Layout::new(dir, Path::new(&name)).ok()?.role(file)?;
    Some(name)
}

fn beginning(storage: &dyn Storage, path: &Path) -> Vec<u8> {
    let mut bytes = vec![0; SIGNATURE_OF_0_1.len()];
    let read = storage.open(path, Access::Read).and_then(|file| file.read_at(&mut bytes, 0));
    bytes.truncate(read.unwrap_or(0));
    bytes
}

fn bytes_of(storage: &dyn Storage, path: &Path) -> io::Result<Option<u64>> {
    storage.open(path, Access::Read)?.len().map(Some)
}

fn bytes_below(storage: &dyn Storage, dir: &Path) -> io::Result<Option<u64>> {
    let mut sum = 0;
    for name in storage.list(dir)? {
        sum += bytes_of(storage, &dir.join(name)).ok().flatten().unwrap_or(0);
    }
    Ok(Some(sum))
}

fn absent(error: io::Error, path: &Path) -> Result<Option<u64>, Failure> {
    match error.kind() {
        io::ErrorKind::NotFound => Ok(None),
        // Its length cannot be told; who reads it will say why.
        io::ErrorKind::PermissionDenied => Ok(Some(0)),
        _ => Err(Failure::unread(path, error)),
    }
}
