//! `ministate tail`: what was written last, and what is written now?

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::thread;
use std::time::Duration;

use ministate::inspect::Role;
use ministate::storage::Storage;

use super::cat::printed_between;
use super::printed::{print, warn};
use super::selection::Selection;
use crate::Ending;
use crate::arguments;
use crate::failure::Failure;
use crate::output::Output;
use crate::reading::{
    Bookmark, Content, Damage, File, Files, Line, Segment, mutations, segments, walked_segment,
    walked_segment_from,
};

/// How long nothing is looked at.
const PAUSE: Duration = Duration::from_millis(100);

/// What looks damaged so often, and has not changed, is.
const LOOKS: u32 = 10;

pub(crate) fn told(
    storage: &dyn Storage,
    asked: &arguments::Tail,
    output: &mut Output,
) -> Result<Ending, Failure> {
    let selection = Selection::of(&asked.selection)?;
    let files = Files::chosen(storage, &asked.journal.dir, asked.journal.name.as_deref())?;
    let Last { begin, end } = last(storage, &files, asked.lines, &selection)?;
    let ending = printed_between(storage, &files, (begin, end), &selection, output)?;
    if !asked.follow {
        return Ok(ending);
    }
    output.flush()?;
    let next = end + 1;
    Follower { files, selection, next, bookmark: None, doubtful: None }.followed(storage, output)
}

/// The last mutations of a journal.
struct Last {
    begin: u64,
    end: u64,
}

/// Finds the last mutations that are selected, from the newest segment back.
fn last(
    storage: &dyn Storage,
    files: &Files,
    count: u64,
    selection: &Selection,
) -> Result<Last, Failure> {
    let segments = segments(storage, files)?;
    let mut end = None;
    let mut missing = count;
    let mut begin = u64::MAX;
    for segment in segments.iter().rev() {
        let mut held = VecDeque::new();
        let mut reached = segment.first.map(|first| first.saturating_sub(1));
        let mut visit = |line: &Line<'_>| {
            for mutation in mutations(&line.content) {
                reached = Some(mutation.seq);
                if selection.holds(&mutation) {
                    held.push_back(mutation.seq);
                    if held.len() as u64 > missing {
                        held.pop_front();
                    }
                }
            }
            Ok(ControlFlow::Continue(()))
        };
        match walked_segment(storage, &segment.path, segment.first, None, &mut visit) {
            // It was given its next name since it was listed.
            Err(failure) if failure.is_of_missing_file() => {}
            walked => drop(walked?),
        }
        end = end.or(reached);
        begin = held.front().copied().unwrap_or(begin).min(begin);
        missing -= held.len() as u64;
        if missing == 0 {
            break;
        }
    }
    let end = end.unwrap_or(0);
    Ok(Last { begin: begin.min(end + 1), end })
}

/// Who prints what is written.
struct Follower {
    files: Files,
    selection: Selection,
    /// The mutation that is waited for.
    next: u64,
    /// How far the newest segment was read.
    bookmark: Option<Bookmark>,
    /// What looked damaged when it was looked at last, and how often.
    doubtful: Option<(Damage, u32)>,
}

/// What a look at the journal found.
enum Look {
    Sound,
    Doubtful(Damage),
}

impl Follower {
    fn followed(mut self, storage: &dyn Storage, output: &mut Output) -> Result<Ending, Failure> {
        loop {
            thread::sleep(PAUSE);
            self.files = self.files.again(storage)?;
            let look = match self.look(storage, output) {
                // Somebody renamed or put away a file between two calls.
                Err(failure) if failure.is_of_missing_file() => Look::Sound,
                look => look?,
            };
            output.flush()?;
            let damage = match look {
                Look::Sound => {
                    self.doubtful = None;
                    continue;
                }
                Look::Doubtful(damage) => damage,
            };
            // What is being written can look like damage for a moment.
            let looks = match &self.doubtful {
                Some((before, looks)) if *before == damage => looks + 1,
                Some(_) | None => 1,
            };
            if looks >= LOOKS {
                warn(&damage);
                return Ok(Ending::Differs);
            }
            self.doubtful = Some((damage, looks));
        }
    }

    /// Prints what is there of what is waited for.
    fn look(&mut self, storage: &dyn Storage, output: &mut Output) -> Result<Look, Failure> {
        let mut segments = segments(storage, &self.files)?;
        let first = segments.iter().find_map(|segment| segment.first);
        if first.is_some_and(|first| first > self.next) {
            let archived = self.archived(storage)?;
            let held = archived.iter().filter_map(|segment| segment.first).any(|f| f <= self.next);
            if held {
                segments = [archived, segments].concat();
            } else if let Some(first) = first {
                let (next, last) = (self.next, first - 1);
                eprintln!(
                    "ministate: mutations {next} to {last} were put away before they could be \
                     read; look for them in a backup"
                );
                self.next = first;
            }
        }
        for (index, segment) in segments.iter().enumerate() {
            let successor = segments.get(index + 1).and_then(|next| next.first);
            if successor.is_some_and(|successor| successor <= self.next) {
                continue;
            }
            if let Look::Doubtful(damage) = self.segment(storage, segment, successor, output)? {
                return Ok(Look::Doubtful(damage));
            }
        }
        Ok(Look::Sound)
    }

    /// Prints what is waited for in one segment, from where it was read to.
    fn segment(
        &mut self,
        storage: &dyn Storage,
        segment: &Segment,
        successor: Option<u64>,
        output: &mut Output,
    ) -> Result<Look, Failure> {
        let (mut look, mut is_ahead) = (Look::Sound, false);
        let (next, selection) = (&mut self.next, &self.selection);
        let mut visit = |line: &Line<'_>| {
            if let Content::Damaged { what, seq } = line.content {
                // A damaged line before what is waited for was told.
                if seq.is_none_or(|seq| seq >= *next) {
                    let damage = Damage::at(&segment.path, line.number, line.byte, seq, what);
                    look = Look::Doubtful(damage);
                    return Ok(ControlFlow::Break(()));
                }
            }
            for mutation in mutations(&line.content) {
                if mutation.seq > *next {
                    // The segment in between was sealed since the files were listed.
                    is_ahead = true;
                    return Ok(ControlFlow::Break(()));
                }
                if mutation.seq == *next {
                    *next = mutation.seq + 1;
                    if selection.holds(&mutation) {
                        print(output, &mutation)?;
                    }
                }
            }
            Ok(ControlFlow::Continue(()))
        };
        let (first, from) = (segment.first, self.bookmark.as_ref());
        let walked =
            walked_segment_from(storage, &segment.path, first, successor, from, &mut visit)?;
        self.bookmark = match look {
            Look::Sound if !is_ahead => walked.bookmark(),
            Look::Sound | Look::Doubtful(_) => None,
        };
        Ok(look)
    }

    /// The segments that compaction has put away and not removed.
    fn archived(&self, storage: &dyn Storage) -> Result<Vec<Segment>, Failure> {
        if self.files.with_role(Role::Archive).is_none() {
            return Ok(Vec::new());
        }
        let archive = Files::of(storage, &self.files.layout.archive(), &self.files.name)?;
        let sealed = |file: &&File| matches!(file.role, Role::Sealed(_));
        let files: Vec<File> = archive.files.iter().filter(sealed).cloned().collect();
        segments(storage, &Files { files, ..archive })
    }
}
