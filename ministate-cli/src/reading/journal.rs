//! Which segments does a journal have, and what are their lines, in the order of history?

use std::ops::ControlFlow;
use std::path::PathBuf;

use ministate::inspect::{Header, Role};
use ministate::storage::Storage;

use super::bytes::Bytes;
use super::directory::Files;
use super::line::{Content, Line};
use super::segment::walked_segment;
use crate::failure::Failure;

/// A file with lines.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    pub(crate) role: Role,
    /// The mutation that it begins with: by its name if it is sealed, or else by its header.
    pub(crate) first: Option<u64>,
    pub(crate) bytes: u64,
}

/// The segments in the order of history.
pub(crate) fn segments(storage: &dyn Storage, files: &Files) -> Result<Vec<Segment>, Failure> {
    let mut segments = Vec::new();
    for file in &files.files {
        let first = match file.role {
            Role::Sealed(first) => Some(first),
            Role::Active | Role::Next => match first_by_header(storage, &file.path) {
                // It was given its next name since it was listed.
                Err(failure) if failure.is_of_missing_file() => continue,
                first => first?,
            },
            Role::Snapshot(_)
            | Role::Head
            | Role::Lock
            | Role::Archive
            | Role::Torn(_)
            | Role::Temporary
            | Role::Old(_)
            | Role::Kept => continue,
        };
        let (path, role, bytes) = (file.path.clone(), file.role, file.bytes);
        segments.push(Segment { path, role, first, bytes });
    }
    Ok(segments)
}

fn first_by_header(storage: &dyn Storage, path: &std::path::Path) -> Result<Option<u64>, Failure> {
    let unread = |source| Failure::unread(path, source);
    let mut bytes = Bytes::open(storage, path).map_err(unread)?;
    let Some(length) = bytes.whole_line().map_err(unread)? else { return Ok(None) };
    Ok(Header::parse(&bytes.ahead()[..length], path).ok().map(|header| header.first))
}

/// Receives each line of a journal, with its segment.
pub(crate) type VisitAll<'a> =
    dyn FnMut(&Segment, &Line<'_>) -> Result<ControlFlow<()>, Failure> + 'a;

/// So often is the list of segments made again for one that was renamed or put away meanwhile.
const ATTEMPTS: u32 = 100;

/// Gives each line of the segments that can hold mutations from `from` on to `visit`.
///
/// A writer may seal the active segment meanwhile, and compaction put others away: what is read is
/// looked for again under the name that it has then.
pub(crate) fn walked(
    storage: &dyn Storage,
    files: &Files,
    from: u64,
    visit: &mut VisitAll<'_>,
) -> Result<(), Failure> {
    let mut segments = segments(storage, files)?;
    let (mut next, mut attempts, mut index) = (from, 0, 0);
    while let Some(segment) = segments.get(index) {
        let successor = segments.get(index + 1).and_then(|next| next.first);
        index += 1;
        if successor.is_some_and(|successor| successor <= next) {
            continue;
        }
        match passed(storage, segment, successor, visit) {
            Ok(Passed::ToItsEnd(reached)) => next = next.max(reached).max(successor.unwrap_or(0)),
            Ok(Passed::Stopped) => break,
            Ok(Passed::Moved) if attempts < ATTEMPTS => {
                segments = self::segments(storage, &files.again(storage)?)?;
                (attempts, index) = (attempts + 1, 0);
            }
            Err(failure) if failure.is_of_missing_file() && attempts < ATTEMPTS => {
                segments = self::segments(storage, &files.again(storage)?)?;
                (attempts, index) = (attempts + 1, 0);
            }
            Ok(Passed::Moved) => break,
            Err(failure) => return Err(failure),
        }
    }
    Ok(())
}

/// How a segment was passed.
enum Passed {
    /// The mutation behind its last.
    ToItsEnd(u64),
    Stopped,
    /// Another segment has its name now.
    Moved,
}

fn passed(
    storage: &dyn Storage,
    segment: &Segment,
    successor: Option<u64>,
    visit: &mut VisitAll<'_>,
) -> Result<Passed, Failure> {
    let mut passed = Passed::ToItsEnd(0);
    let mut visit_line = |line: &Line<'_>| {
        if let Content::Header(header) = &line.content
            && matches!(segment.role, Role::Active | Role::Next)
            && segment.first.is_some_and(|first| first != header.first)
        {
            passed = Passed::Moved;
            return Ok(ControlFlow::Break(()));
        }
        let went_on = visit(segment, line)?;
        if went_on.is_break() {
            passed = Passed::Stopped;
        }
        Ok(went_on)
    };
    let walked = walked_segment(storage, &segment.path, segment.first, successor, &mut visit_line)?;
    Ok(match (passed, walked.reached) {
        (Passed::ToItsEnd(_), Some(reached)) => Passed::ToItsEnd(reached.seq() + 1),
        (passed, _) => passed,
    })
}
