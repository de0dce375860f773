//! How does a planned directory come to be on the disk?

use std::io;
use std::path::Path;
use std::sync::Arc;

use ministate::inspect::{
    Control, Familiar, Form, Header, Layout, Opening, Reach, Reached, Record, covered,
    opened_strictly,
};
use ministate::storage::{Access, Storage, StorageFile};

use super::plan::{Lines, NewSegment, Place, Plan, Step};
use super::refusal::Refusal;
use super::target::Target;
use crate::failure::Failure;
use crate::reading::Bytes;

/// How much is gathered before it is written.
const PIECE_BYTES: usize = 1 << 20;

/// Writes the directory, opens it as a manager does, and gives it its name; where one of them fails,
/// nothing is left of it. `layout` is that of the old one.
pub(crate) fn written(
    storage: &Arc<dyn Storage>,
    plan: Plan,
    layout: &Layout,
    target: &Target,
) -> Result<Opening, Failure> {
    let opening = tried(storage, plan, layout, target);
    if opening.is_err() {
        target.abandoned();
    }
    opening
}

fn tried(
    storage: &Arc<dyn Storage>,
    plan: Plan,
    layout: &Layout,
    target: &Target,
) -> Result<Opening, Failure> {
    let failed = |source| Failure::Unmade { path: target.partial.clone(), source };
    storage.create_dir_all(&target.partial).map_err(failed)?;
    let layout = layout.in_dir(&target.partial);
    // As if a segment before the first had ended there.
    let (journal, record) = (plan.journal().to_string(), plan.previous());
    let mut run = Run { storage: &**storage, layout: &layout, journal, record, last: 0 };
    for step in plan.steps() {
        match step {
            Step::Snapshot { seq, from } => copied(&**storage, &from, &layout.snapshot(seq))?,
            Step::Segment { place, segment } => run.segment(place, &segment)?,
            Step::Head => layout.publish_head(&**storage, &run.journal, run.last)?,
        }
    }
    storage.sync_dir(&target.partial).map_err(failed)?;
    let opening = opened_strictly(storage, &layout, Reach::Everything, &|_, _| {})?;
    if let Some(unsound) = opening.snapshots.iter().find_map(|one| one.unsound.clone()) {
        return Err(unsound.into());
    }
    target.named(&**storage).map_err(failed)?;
    Ok(opening)
}

struct Run<'a> {
    storage: &'a dyn Storage,
    layout: &'a Layout,
    journal: String,
    /// The checksum of the last record.
    record: ministate::inspect::Chain,
    /// The last mutation.
    last: u64,
}

impl Run<'_> {
    fn segment(&mut self, place: Place, segment: &NewSegment) -> Result<(), Failure> {
        let path = match place {
            Place::Sealed => self.layout.sealed(segment.first),
            Place::Active => self.layout.active(),
        };
        let NewSegment { first, by, operations, lines } = segment.clone();
        let (journal, previous) = (self.journal.clone(), self.record);
        let mut header = Header { journal, first, previous, by, operations, chain: previous };
        let (line, chain) = header.line();
        header.chain = chain;
        let reached = Reached::header(&header);
        let mut out = Out::create(self.storage, &path)?;
        out.push(&line)?;
        let mut chained = Chained { out, reached, is_marked: true };
        if let Some(lines) = &lines {
            chained.lines(self.storage, lines)?;
        }
        let Chained { mut out, reached, is_marked } = chained;
        match place {
            Place::Sealed => out.push(&Control::End.line(reached.seq(), reached.chain()))?,
            Place::Active if is_marked => {}
            Place::Active => out.push(&Control::Mark.line(reached.seq(), reached.chain()))?,
        }
        out.end()?;
        (self.record, self.last) = (reached.last_record(), reached.seq());
        Ok(())
    }
}

/// A segment that is being written.
struct Chained {
    out: Out,
    reached: Reached,
    /// Nothing stands behind its last mark.
    is_marked: bool,
}

impl Chained {
    fn lines(&mut self, storage: &dyn Storage, lines: &Lines) -> Result<(), Failure> {
        let unread = |source| Failure::unread(&lines.from, source);
        let mut bytes = Bytes::open(storage, &lines.from).map_err(unread)?;
        let mut familiar = Familiar::default();
        for stretch in &lines.bytes {
            bytes.move_to(stretch.start, 0);
            while bytes.position < stretch.end {
                let (length, at) = (bytes.whole_line().map_err(unread)?, bytes.position);
                let changed = || Refusal::Changed { file: lines.from.clone(), byte: at };
                let line = &bytes.ahead()[..length.ok_or_else(changed)?];
                let instead = lines.instead.get(&at).map(Vec::as_slice);
                self.line(line, instead, &mut familiar)?.ok_or_else(changed)?;
                let length = line.len();
                bytes.pass_line(length + 1);
            }
        }
        Ok(())
    }

    /// Writes a line anew; `None` where it cannot stand here.
    fn line(
        &mut self,
        line: &[u8],
        instead: Option<&[u8]>,
        familiar: &mut Familiar,
    ) -> Result<Option<()>, Failure> {
        if instead.is_none() && Form::of(line) == Form::Control {
            // The end line is for who knows whether the segment is to be sealed.
            if !line.starts_with(br#"{"end":"#) {
                self.out.push(&Control::Mark.line(self.reached.seq(), self.reached.chain()))?;
                self.is_marked = true;
            }
            return Ok(Some(()));
        }
        let mut chained = Vec::with_capacity(line.len() + 1);
        let Some(covered) = instead.or_else(|| covered(line)) else { return Ok(None) };
        self.reached.chain().continued(covered, &mut chained);
        let text = str::from_utf8(&chained).ok();
        let is_next = |text| Record::next(text, &mut self.reached, familiar).is_some();
        if !text.is_some_and(is_next) {
            return Ok(None);
        }
        self.out.push(&chained)?;
        self.is_marked = false;
        Ok(Some(()))
    }
}

/// A new file.
struct Out {
    path: std::path::PathBuf,
    file: Box<dyn StorageFile>,
    position: u64,
    gathered: Vec<u8>,
}

impl Out {
    fn create(storage: &dyn Storage, path: &Path) -> Result<Out, Failure> {
        let file = storage.create(path).map_err(|source| unmade(path, source))?;
        Ok(Out { path: path.to_path_buf(), file, position: 0, gathered: Vec::new() })
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.gathered.extend_from_slice(bytes);
        if self.gathered.len() >= PIECE_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Failure> {
        let written = self.file.write_at(&self.gathered, self.position);
        written.map_err(|source| unmade(&self.path, source))?;
        self.position += self.gathered.len() as u64;
        self.gathered.clear();
        Ok(())
    }

    fn end(mut self) -> Result<(), Failure> {
        self.flush()?;
        self.file.sync().map_err(|source| unmade(&self.path, source))
    }
}

fn unmade(path: &Path, source: io::Error) -> Failure {
    Failure::Unmade { path: path.to_path_buf(), source }
}

/// Copies a file. Not by a link: what damages the old bytes is not to damage the new ones.
fn copied(storage: &dyn Storage, from: &Path, to: &Path) -> Result<(), Failure> {
    let unread = |source| Failure::unread(from, source);
    let source = storage.open(from, Access::Read).map_err(unread)?;
    let mut out = Out::create(storage, to)?;
    let (mut piece, mut position) = (vec![0; PIECE_BYTES], 0);
    loop {
        let read = source.read_at(&mut piece, position).map_err(unread)?;
        if read == 0 {
            return out.end();
        }
        out.push(&piece[..read])?;
        position += read as u64;
    }
}
