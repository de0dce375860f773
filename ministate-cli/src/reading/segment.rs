//! What is each line of a segment, damaged or not?

use std::ops::ControlFlow;
use std::path::Path;

use ministate::MiniStateError;
use ministate::inspect::{
    Chain, Control, Familiar, Form, Header, Reached, Record, Verdict, judged, stated_checksum,
};
use ministate::storage::Storage;

use super::bytes::Bytes;
use super::line::{Content, Line};
use super::resumption::{Doubt, OTHER_LINE, Resumed, resumed};
use crate::failure::Failure;

/// Receives each line in order.
pub(crate) type Visit<'a> = dyn FnMut(&Line<'_>) -> Result<ControlFlow<()>, Failure> + 'a;

/// How a segment ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// With an end line.
    Sealed,
    /// As one that is written to.
    Open,
    /// With leftovers of a batch.
    Torn,
    /// The visitor asked for no more.
    Stopped,
}

/// What was found in a segment.
#[derive(Debug)]
pub(crate) struct Walked {
    /// `None` where the first line is damaged.
    pub(crate) header: Option<Header>,
    /// The end of what was read; `None` where nothing was.
    pub(crate) reached: Option<Reached>,
    pub(crate) end: End,
    /// Where the last line of the segment ends, and how many lines there are to it.
    pub(crate) data_bytes: u64,
    lines: u64,
}

/// How far a segment was read, to go on there later.
#[derive(Debug)]
pub(crate) struct Bookmark {
    header: Header,
    reached: Reached,
    position: u64,
    line: u64,
}

impl Walked {
    /// Where to go on; `None` where nothing says which segment it is.
    pub(crate) fn bookmark(self) -> Option<Bookmark> {
        let (header, reached) = (self.header?, self.reached?);
        Some(Bookmark { header, reached, position: self.data_bytes, line: self.lines })
    }
}

/// A segment that is being read.
pub(super) struct Walk<'v> {
    pub(super) bytes: Bytes,
    pub(super) reached: Reached,
    pub(super) visit: &'v mut Visit<'v>,
    familiar: Familiar,
    successor: Option<u64>,
}

/// A tail that is longer is judged by its beginning, where that says enough.
const JUDGED_BYTES: usize = 64 << 20;

/// Gives every line of a segment to `visit`. `first` is the mutation that it should begin with;
/// `successor` the one that the segment behind it begins with.
pub(crate) fn walked_segment<'v>(
    storage: &dyn Storage,
    path: &Path,
    first: Option<u64>,
    successor: Option<u64>,
    visit: &'v mut Visit<'v>,
) -> Result<Walked, Failure> {
    walked_segment_from(storage, path, first, successor, None, visit)
}

/// The same from a place on up to which the segment was read before, if it is that one.
pub(crate) fn walked_segment_from<'v>(
    storage: &dyn Storage,
    path: &Path,
    first: Option<u64>,
    successor: Option<u64>,
    bookmark: Option<&Bookmark>,
    visit: &'v mut Visit<'v>,
) -> Result<Walked, Failure> {
    let unread = |source| Failure::unread(path, source);
    let mut bytes = Bytes::open(storage, path).map_err(unread)?;
    let header_bytes = bytes.whole_line().map_err(unread)?;
    let line = &bytes.ahead()[..header_bytes.unwrap_or(bytes.ahead().len())];
    let line_bytes = line.len();
    let header = match Header::parse(line, path) {
        // A line is one with its newline.
        Ok(header) => header_bytes.map(|_| header),
        Err(newer @ MiniStateError::NewerFormat { .. }) => return Err(newer.into()),
        Err(_) => None,
    };
    let stated = stated_checksum(line);
    let content = match header.clone() {
        Some(header) => Content::Header(header),
        None => Content::Damaged { what: UNSOUND_HEADER, seq: first },
    };
    let reached = match &header {
        Some(header) => Reached::header(header),
        None => Reached::record(
            first.unwrap_or(1).saturating_sub(1),
            None,
            stated.unwrap_or(Chain::START),
        ),
    };
    let same = bookmark.filter(|bookmark| {
        header.as_ref() == Some(&bookmark.header) && bytes.length >= bookmark.position
    });
    if let Some(Bookmark { reached, position, line, .. }) = same {
        bytes.move_to(*position, *line);
        let (reached, familiar) = (*reached, Familiar::default());
        let mut walk = Walk { bytes, reached, visit, familiar, successor };
        let end = walk.read_to_the_end().map_err(|error| error.at(path))?;
        return Ok(walk.ended(header, end));
    }
    let went_on = visit(&Line { number: 1, byte: 0, bytes: line_bytes as u64, content })?;
    let mut walk = Walk { bytes, reached, visit, familiar: Familiar::default(), successor };
    match header_bytes {
        None => {
            let end = if went_on.is_break() { End::Stopped } else { End::Open };
            return Ok(Walked { header: None, reached: None, end, data_bytes: 0, lines: 1 });
        }
        Some(bytes) => walk.bytes.pass_line(bytes + 1),
    }
    if went_on.is_break() {
        return Ok(walk.ended(header, End::Stopped));
    }
    if header.is_none() {
        match resumed(&mut walk, Doubt::Damaged).map_err(|error| error.at(path))? {
            Resumed::Sound => {}
            Resumed::Ended(end) => return Ok(walk.ended(header, end)),
        }
    }
    let end = walk.read_to_the_end().map_err(|error| error.at(path))?;
    Ok(walk.ended(header, end))
}

/// As the library has it.
pub(crate) const UNSOUND_HEADER: &str = "the first line is not the header that was written";

/// Why reading a segment stopped.
#[derive(Debug)]
pub(super) enum Stopped {
    Unread(std::io::Error),
    Failed(Failure),
}

impl Stopped {
    fn at(self, path: &Path) -> Failure {
        match self {
            Stopped::Unread(source) => Failure::unread(path, source),
            Stopped::Failed(failure) => failure,
        }
    }
}

impl From<std::io::Error> for Stopped {
    fn from(source: std::io::Error) -> Stopped {
        Stopped::Unread(source)
    }
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Stopped {
        Stopped::Failed(failure)
    }
}

/// What stands behind lines that continue each other.
enum Behind {
    Sealed,
    Stopped,
    /// No line of this segment, or not the right one.
    Other,
}

impl Walk<'_> {
    fn ended(self, header: Option<Header>, end: End) -> Walked {
        let (reached, data_bytes, lines) =
            (Some(self.reached), self.bytes.position, self.bytes.line);
        Walked { header, reached, end, data_bytes, lines }
    }

    fn read_to_the_end(&mut self) -> Result<End, Stopped> {
        // The library looks at all that is behind the first damage; again and again would be slow.
        let mut is_first = true;
        loop {
            match self.lines_that_continue()? {
                Behind::Stopped => return Ok(End::Stopped),
                Behind::Sealed => return self.nothing_behind(),
                Behind::Other => {}
            }
            if self.bytes.is_gone_to_the_end()? {
                return self.filled();
            }
            // A whole line that is not the right one is never torn.
            let verdict = match !is_first && self.is_at_whole_line()? {
                true => Verdict::Damaged(OTHER_LINE),
                false => self.verdict()?,
            };
            let what = match verdict {
                Verdict::Clean => return self.filled(),
                Verdict::Torn => return self.torn(),
                Verdict::Damaged(what) => what,
            };
            is_first = false;
            match resumed(self, Doubt::First(what))? {
                Resumed::Sound => {}
                Resumed::Ended(end) => return Ok(end),
            }
        }
    }

    /// Gives each line that continues what was reached to the visitor.
    fn lines_that_continue(&mut self) -> Result<Behind, Stopped> {
        loop {
            let (mut passed, mut lines, mut behind) = (0, 0, Behind::Other);
            let text = self.bytes.text();
            while matches!(behind, Behind::Other) {
                let rest = &text[passed..];
                let before = self.reached.seq();
                let (content, bytes) =
                    match Record::next(rest, &mut self.reached, &mut self.familiar) {
                        Some(record) => {
                            let bytes = record.line().len();
                            (Content::Record(record), bytes)
                        }
                        None => match Control::next(rest, &self.reached) {
                            Some((Control::Mark, bytes)) => (Content::Mark(before), bytes - 1),
                            Some((Control::End, bytes)) => {
                                behind = Behind::Sealed;
                                (Content::End(before), bytes - 1)
                            }
                            None => break,
                        },
                    };
                let (number, byte) = (self.bytes.line + lines, self.bytes.position + passed as u64);
                let line = Line { number, byte, bytes: bytes as u64, content };
                if (self.visit)(&line)?.is_break() {
                    behind = Behind::Stopped;
                }
                passed += bytes + 1;
                lines += 1;
            }
            self.bytes.pass(passed);
            self.bytes.line += lines;
            if !matches!(behind, Behind::Other) {
                return Ok(behind);
            }
            let known = self.bytes.ahead().len();
            self.bytes.whole_line()?;
            if self.bytes.ahead().len() == known {
                return Ok(Behind::Other);
            }
        }
    }

    fn is_at_whole_line(&mut self) -> Result<bool, Stopped> {
        let bytes = self.bytes.whole_line()?;
        Ok(bytes.is_some_and(|bytes| Form::of(&self.bytes.ahead()[..bytes]) != Form::None))
    }

    /// What the library says of all bytes from here to the end.
    fn verdict(&mut self) -> Result<Verdict, Stopped> {
        let (position, reached, successor) = (self.bytes.position, self.reached, self.successor);
        let beginning = self.bytes.rest(JUDGED_BYTES)?;
        let is_all = beginning.len() < JUDGED_BYTES;
        match judged(beginning, position, &reached, successor) {
            // What proves damage in the beginning proves it.
            Verdict::Damaged(what) => Ok(Verdict::Damaged(what)),
            verdict if is_all => Ok(verdict),
            Verdict::Clean | Verdict::Torn => {
                Ok(judged(self.bytes.rest(usize::MAX)?, position, &reached, successor))
            }
        }
    }

    /// What is left is blank.
    pub(super) fn filled(&mut self) -> Result<End, Stopped> {
        let bytes = self.bytes.length - self.bytes.position;
        if bytes > 0 {
            self.told_last(bytes, Content::Fill)?;
        }
        Ok(End::Open)
    }

    fn torn(&mut self) -> Result<End, Stopped> {
        let rest = self.bytes.rest(usize::MAX)?;
        let last = rest.iter().rposition(|byte| !matches!(byte, 0 | b'\n'));
        let bytes = last.map_or(0, |last| last as u64 + 1);
        self.told_last(bytes, Content::Torn)?;
        Ok(End::Torn)
    }

    /// Behind an end line there are no lines.
    pub(super) fn nothing_behind(&mut self) -> Result<End, Stopped> {
        if !self.bytes.is_gone_to_the_end()? {
            let what = "there is more behind the end of a sealed segment";
            let bytes = self.bytes.length - self.bytes.position;
            let seq = Some(self.reached.seq() + 1);
            self.told_last(bytes, Content::Damaged { what, seq })?;
        }
        Ok(End::Sealed)
    }

    /// Gives the visitor what stands here.
    pub(super) fn told(
        &mut self,
        bytes: u64,
        content: Content<'_>,
    ) -> Result<ControlFlow<()>, Stopped> {
        let (number, byte) = (self.bytes.line, self.bytes.position);
        Ok((self.visit)(&Line { number, byte, bytes, content })?)
    }

    /// Gives the visitor what stands here up to the end of the file.
    pub(super) fn told_last(&mut self, bytes: u64, content: Content<'_>) -> Result<(), Stopped> {
        self.told(bytes, content).map(|_| ())
    }
}
