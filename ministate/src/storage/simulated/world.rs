//! What a simulated disk holds: what is durable, what a program sees, and what may still be lost.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// Sectors are the units in which a disk writes.
const SECTOR_BYTES: usize = 512;

/// Pages are the units in which file systems keep files in memory.
const PAGE_BYTES: usize = 4096;

/// All files and names of a disk.
#[derive(Debug, Clone, Default)]
pub(super) struct World {
    files: Vec<FileContent>,
    dirs: BTreeMap<PathBuf, Dir>,
    pub(super) locks: BTreeSet<PathBuf>,
    pub(super) unique: u64,
    pub(super) seconds: u64,
    /// How many changes there were; orders those of different files and directories.
    changes: u64,
}

/// Which file, whatever its names are.
pub(super) type FileId = usize;

#[derive(Debug, Clone, Default)]
struct FileContent {
    durable: Arc<Content>,
    visible: Arc<Content>,
    /// What happened since the last sync, in order.
    unsynced: Vec<(u64, Change)>,
    /// From here on a failed sync has lost the blocks: nothing that is written there becomes
    /// durable, whatever a sync says, until the file is cut before it.
    lost_from: Option<usize>,
}

/// The bytes of a file. Files that were not changed share them, and their digest.
#[derive(Debug, Default)]
struct Content {
    bytes: Vec<u8>,
    digest: OnceLock<u64>,
}

#[derive(Debug, Clone)]
enum Change {
    Write { position: usize, bytes: Arc<[u8]> },
    SetLen(usize),
}

type Names = BTreeMap<String, FileId>;

/// Names that change together: what each stands for, or nothing any more.
type NameChanges = Vec<(String, Option<FileId>)>;

#[derive(Debug, Clone, Default)]
struct Dir {
    durable: Names,
    visible: Names,
    /// What happened since the last sync, in order.
    unsynced: Vec<(u64, NameChanges)>,
}

/// Something that a power cut keeps or loses as a whole.
#[derive(Debug, Clone)]
pub(super) struct Unit {
    /// The number of the change that it is a part of.
    change: u64,
    effect: Effect,
}

#[derive(Debug, Clone)]
enum Effect {
    /// A range of the file, with the bytes from there in the write.
    Sectors { file: FileId, range: Range<usize>, bytes: Arc<[u8]>, from: usize },
    /// The file is at least so long, with zeros where its bytes were lost.
    Extended { file: FileId, length: usize },
    /// The file is so long.
    SetLen { file: FileId, length: usize },
    /// These names stand for these files now.
    Names { dir: PathBuf, names: NameChanges },
}

impl Unit {
    /// The page that it is a part of: file systems write back whole pages.
    pub(super) fn page(&self) -> Option<(FileId, usize)> {
        match &self.effect {
            Effect::Sectors { file, range, .. } => Some((*file, range.start / PAGE_BYTES)),
            Effect::Extended { .. } | Effect::SetLen { .. } | Effect::Names { .. } => None,
        }
    }
}

impl World {
    /// Forgets the process that used the disk.
    pub(super) fn after_kill(&self) -> World {
        World { locks: BTreeSet::new(), ..self.clone() }
    }

    /// What may be lost, in the order in which it was done.
    pub(super) fn units(&self) -> Vec<Unit> {
        let mut units = Vec::new();
        for (file, content) in self.files.iter().enumerate() {
            for (change, done) in &content.unsynced {
                let mut push = |effect| units.push(Unit { change: *change, effect });
                match done {
                    Change::SetLen(length) => push(Effect::SetLen { file, length: *length }),
                    Change::Write { position, bytes } => {
                        let end = position + bytes.len();
                        let kept = content.lost_from.unwrap_or(usize::MAX);
                        for range in pieces(*position, bytes) {
                            let range = range.start..range.end.min(kept);
                            if range.is_empty() {
                                continue;
                            }
                            let from = range.start - position;
                            push(Effect::Sectors { file, range, bytes: Arc::clone(bytes), from });
                        }
                        if end > content.durable.bytes.len() {
                            push(Effect::Extended { file, length: end });
                        }
                    }
                }
            }
        }
        for (dir, content) in &self.dirs {
            for (change, names) in &content.unsynced {
                let effect = Effect::Names { dir: dir.clone(), names: names.clone() };
                units.push(Unit { change: *change, effect });
            }
        }
        units.sort_by_key(|unit| unit.change);
        units
    }

    /// The disk after a power cut that kept some units. `kept` are those, in their order.
    pub(super) fn after_power_cut<'a>(&self, kept: impl IntoIterator<Item = &'a Unit>) -> World {
        let mut world = self.after_kill();
        for file in &mut world.files {
            file.unsynced.clear();
        }
        for unit in kept {
            world.keep(&unit.effect);
        }
        for file in &mut world.files {
            file.visible = Arc::clone(&file.durable);
            file.lost_from = None;
        }
        for dir in world.dirs.values_mut() {
            dir.unsynced.clear();
            dir.visible.clone_from(&dir.durable);
        }
        world
    }

    fn keep(&mut self, effect: &Effect) {
        match effect {
            Effect::Sectors { file, range, bytes, from } => {
                let content = changed(&mut self.files[*file].durable);
                write(content, &bytes[*from..from + range.len()], range.start);
            }
            Effect::Extended { file, length } => {
                let content = changed(&mut self.files[*file].durable);
                if content.len() < *length {
                    content.resize(*length, 0);
                }
            }
            Effect::SetLen { file, length } => {
                changed(&mut self.files[*file].durable).resize(*length, 0);
            }
            Effect::Names { dir, names } => {
                if let Some(dir) = self.dirs.get_mut(dir) {
                    change_names(&mut dir.durable, names);
                }
            }
        }
    }

    /// Equal for disks that look the same.
    pub(super) fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for (path, dir) in &self.dirs {
            path.hash(&mut hasher);
            for (name, file) in &dir.visible {
                (name, self.files[*file].visible.digest()).hash(&mut hasher);
            }
        }
        hasher.finish()
    }

    pub(super) fn find(&self, path: &Path) -> io::Result<FileId> {
        let (dir, name) = split(path);
        let file = self.dirs.get(&dir).and_then(|dir| dir.visible.get(&name));
        file.copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn create_dir(&mut self, dir: &Path) {
        self.dirs.entry(dir.to_path_buf()).or_default();
    }

    pub(super) fn names(&self, dir: &Path) -> io::Result<Vec<String>> {
        let dir = self.dirs.get(dir).ok_or(io::ErrorKind::NotFound)?;
        Ok(dir.visible.keys().cloned().collect())
    }

    pub(super) fn create(&mut self, path: &Path) -> io::Result<FileId> {
        if self.find(path).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = self.files.len();
        let (dir, name) = split(path);
        self.change_names(&dir, vec![(name, Some(file))])?;
        self.files.push(FileContent::default());
        Ok(file)
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let file = self.find(from)?;
        let ((old_dir, from), (new_dir, to)) = (split(from), split(to));
        if old_dir == new_dir {
            self.change_names(&old_dir, vec![(from, None), (to, Some(file))])
        } else {
            self.change_names(&new_dir, vec![(to, Some(file))])?;
            self.change_names(&old_dir, vec![(from, None)])
        }
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.find(path)?;
        let (dir, name) = split(path);
        self.change_names(&dir, vec![(name, None)])
    }

    pub(super) fn sync_dir(&mut self, dir: &Path) -> io::Result<()> {
        let dir = self.dirs.get_mut(dir).ok_or(io::ErrorKind::NotFound)?;
        dir.unsynced.clear();
        dir.durable.clone_from(&dir.visible);
        Ok(())
    }

    pub(super) fn bytes(&self, file: FileId) -> &[u8] {
        &self.files[file].visible.bytes
    }

    pub(super) fn write(&mut self, file: FileId, bytes: &[u8], position: usize) {
        let content = &mut self.files[file];
        write(changed(&mut content.visible), bytes, position);
        self.changes += 1;
        content.unsynced.push((self.changes, Change::Write { position, bytes: bytes.into() }));
    }

    pub(super) fn set_len(&mut self, file: FileId, length: usize) {
        let content = &mut self.files[file];
        changed(&mut content.visible).resize(length, 0);
        if content.lost_from.is_some_and(|lost| length <= lost) {
            content.lost_from = None;
        }
        self.changes += 1;
        content.unsynced.push((self.changes, Change::SetLen(length)));
    }

    /// Makes durable what was done since the last sync, and no more: what a failed sync has dropped
    /// stays lost.
    pub(super) fn sync(&mut self, file: FileId) {
        let content = &mut self.files[file];
        for (_, change) in std::mem::take(&mut content.unsynced) {
            match change {
                Change::SetLen(length) => changed(&mut content.durable).resize(length, 0),
                Change::Write { position, bytes } => {
                    let end = position + bytes.len();
                    let kept = content.lost_from.unwrap_or(end).clamp(position, end) - position;
                    let durable = changed(&mut content.durable);
                    write(durable, &bytes[..kept], position);
                    durable.resize(durable.len().max(end), 0);
                }
            }
        }
        if content.durable.bytes == content.visible.bytes {
            content.durable = Arc::clone(&content.visible);
        }
    }

    /// Drops what was done since the last sync, while a program still sees it.
    pub(super) fn drop_unsynced(&mut self, file: FileId) {
        let content = &mut self.files[file];
        content.unsynced.clear();
        let durable = content.durable.bytes.len();
        if content.visible.bytes.len() > durable {
            content.lost_from = Some(content.lost_from.unwrap_or(durable).min(durable));
        }
    }

    /// Gives a file this content, durably, and creates it where it is not there.
    pub(super) fn put(&mut self, path: &Path, bytes: Vec<u8>) {
        let content = Arc::new(Content { bytes, digest: OnceLock::new() });
        let durable = FileContent {
            durable: Arc::clone(&content),
            visible: content,
            ..FileContent::default()
        };
        let file = match self.find(path) {
            Ok(file) => {
                self.files[file] = durable;
                file
            }
            Err(_) => {
                self.files.push(durable);
                self.files.len() - 1
            }
        };
        let (dir, name) = split(path);
        let dir = self.dirs.entry(dir).or_default();
        dir.durable.insert(name.clone(), file);
        dir.visible.insert(name, file);
    }

    fn change_names(&mut self, dir: &Path, names: NameChanges) -> io::Result<()> {
        let dir = self.dirs.get_mut(dir).ok_or(io::ErrorKind::NotFound)?;
        change_names(&mut dir.visible, &names);
        self.changes += 1;
        dir.unsynced.push((self.changes, names));
        Ok(())
    }
}

impl Content {
    fn digest(&self) -> u64 {
        *self.digest.get_or_init(|| {
            let mut hasher = DefaultHasher::new();
            hasher.write(&self.bytes);
            hasher.finish()
        })
    }
}

/// The parts of a write that a power cut keeps or loses on their own: its sectors, where the first
/// and the last may be parts of one. Of newlines alone, which is what journals are filled with, only
/// the first sector stands alone: the others would only repeat what it shows.
fn pieces(position: usize, bytes: &[u8]) -> Vec<Range<usize>> {
    let end = position + bytes.len();
    let mut pieces: Vec<Range<usize>> = Vec::new();
    let mut fill_sectors = 0;
    for sector in (position / SECTOR_BYTES * SECTOR_BYTES..end).step_by(SECTOR_BYTES) {
        let (from, to) = (sector.max(position), end.min(sector + SECTOR_BYTES));
        let is_fill = bytes[from - position..to - position].iter().all(|byte| *byte == b'\n');
        fill_sectors = if is_fill { fill_sectors + 1 } else { 0 };
        match pieces.last_mut() {
            Some(last) if fill_sectors > 2 => last.end = to,
            _ => pieces.push(from..to),
        }
    }
    pieces
}

/// The bytes, which nobody else may see change.
fn changed(content: &mut Arc<Content>) -> &mut Vec<u8> {
    if Arc::get_mut(content).is_none() {
        let bytes = content.bytes.clone();
        *content = Arc::new(Content { bytes, digest: OnceLock::new() });
    }
    let content = Arc::get_mut(content).expect("it is not shared");
    content.digest = OnceLock::new();
    &mut content.bytes
}

fn change_names(names: &mut Names, changes: &[(String, Option<FileId>)]) {
    for (name, file) in changes {
        match file {
            Some(file) => names.insert(name.clone(), *file),
            None => names.remove(name),
        };
    }
}

fn write(content: &mut Vec<u8>, bytes: &[u8], position: usize) {
    let end = position + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[position..end].copy_from_slice(bytes);
}

fn split(path: &Path) -> (PathBuf, String) {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_string();
    (path.parent().unwrap_or(Path::new("")).to_path_buf(), name)
}
