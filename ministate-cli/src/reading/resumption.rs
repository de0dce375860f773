//! Where does reading go on behind a damaged line, and what can still be said of the lines there?
//!
//! A line covers the checksum that the line before it states. So a line behind a damaged one can be
//! checked if the damage left those digits alone; if it did not, the line is *adrift*: the next one
//! can be checked again.

use std::io;

use ministate::inspect::{Chain, Form, Reached, Record, stated_checksum};

use super::line::{Adrift, Content, Line};
use super::segment::{End, Stopped, Walk};

/// What the line before is not known to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doubt {
    /// Nothing: the line here is the first that is not right, and this is what the library says.
    First(&'static str),
    /// It is damaged.
    Damaged,
    /// It could not be checked.
    Adrift,
}

/// How it went on.
pub(super) enum Resumed {
    /// With a line whose checksum is right.
    Sound,
    /// Not any more.
    Ended(End),
}

/// As the library has it.
pub(super) const OTHER_LINE: &str = "a whole line is not what was written";
const NO_LINE: &str = "a line is not what was written";
const MISPLACED: &str = "a record stands twice or in another place";

/// How many checksums the next line may follow.
const CANDIDATES: usize = 3;

/// What the line at hand turned out to be.
enum Judged {
    Right(Reached, Option<End>),
    Damaged(&'static str),
    /// Records before it are lost.
    BehindLost(&'static str),
    Adrift,
    /// Nothing is known of it and nothing depends on it.
    Passed,
}

/// Reads on, line by line, up to one that is right.
pub(super) fn resumed(walk: &mut Walk<'_>, mut doubt: Doubt) -> Result<Resumed, Stopped> {
    let mut candidates = vec![walk.reached.chain()];
    let mut expected = walk.reached.seq() + 1;
    loop {
        let Some(bytes) = walk.bytes.whole_line()? else {
            return rest_without_newline(walk, doubt, expected);
        };
        let line = &walk.bytes.ahead()[..bytes];
        if line.iter().all(|byte| *byte == 0) {
            if let Doubt::First(what) = doubt {
                let seq = Some(expected);
                if walk.told(bytes as u64, Content::Damaged { what, seq })?.is_break() {
                    return Ok(Resumed::Ended(End::Stopped));
                }
            } else if walk.bytes.is_gone_to_the_end()? {
                return walk.filled().map(Resumed::Ended);
            }
            walk.bytes.pass_line(bytes + 1);
            doubt = Doubt::Damaged;
            continue;
        }
        let form = Form::of(line);
        let stated = stated_checksum(line);
        let before = candidates.iter().copied().find(|chain| chain.is_continued_by(line));
        let judged = judge(line, form, before, doubt, expected, &walk.reached);
        let (number, byte) = (walk.bytes.line, walk.bytes.position);
        let at = |bytes: usize, content| Line { number, byte, bytes: bytes as u64, content };
        let text = str::from_utf8(line).unwrap_or_default();
        let adrift = |form| match form {
            Form::Record { seq, mutations, .. } => Some(Adrift { seq, mutations, text }),
            Form::Control | Form::None => None,
        };
        let mut told = Vec::with_capacity(2);
        match &judged {
            Judged::Right(reached, end) => told.push(at(bytes, right(text, before, reached, *end))),
            Judged::Damaged(what) => {
                let seq = Some(expected);
                told.push(at(bytes, Content::Damaged { what, seq }));
            }
            Judged::BehindLost(what) => {
                let seq = Some(expected);
                told.push(at(0, Content::Damaged { what, seq }));
                told.extend(adrift(form).map(|adrift| at(bytes, Content::Adrift(adrift))));
            }
            Judged::Adrift => {
                told.extend(adrift(form).map(|adrift| at(bytes, Content::Adrift(adrift))));
            }
            Judged::Passed => {}
        }
        let mut stopped = false;
        for line in &told {
            stopped |= (walk.visit)(line)?.is_break();
        }
        drop(told);
        walk.bytes.pass_line(bytes + 1);
        if stopped {
            return Ok(Resumed::Ended(End::Stopped));
        }
        match judged {
            Judged::Right(reached, end) => {
                walk.reached = reached;
                return match end {
                    Some(_) => walk.nothing_behind().map(Resumed::Ended),
                    None => Ok(Resumed::Sound),
                };
            }
            Judged::Damaged(_) => {
                expected = behind(form, expected);
                candidates.extend(stated);
                let surplus = candidates.len().saturating_sub(CANDIDATES);
                candidates.drain(..surplus);
                doubt = Doubt::Damaged;
            }
            Judged::BehindLost(_) | Judged::Adrift => {
                expected = behind(form, expected);
                candidates = stated.into_iter().collect();
                doubt = Doubt::Adrift;
                if let (Form::Record { batch, .. }, Some(stated)) = (form, stated) {
                    walk.reached = Reached::record(expected - 1, batch, stated);
                }
            }
            Judged::Passed => {}
        }
    }
}

/// What the line is, by its form and by the checksum that it follows, if it follows one.
fn judge(
    line: &[u8],
    form: Form,
    before: Option<Chain>,
    doubt: Doubt,
    expected: u64,
    reached: &Reached,
) -> Judged {
    let first = match doubt {
        Doubt::First(what) => Some(what),
        Doubt::Damaged | Doubt::Adrift => None,
    };
    match form {
        Form::Record { seq, mutations, batch, stated } => match (before, first) {
            // Whatever number an unchecked line before it bears: this one is right.
            (Some(_), None) if seq >= expected || doubt == Doubt::Adrift => {
                let last = seq.saturating_add(mutations - 1);
                Judged::Right(Reached::record(last, batch, stated), None)
            }
            (None, Some(what)) if seq > expected => Judged::BehindLost(what),
            (_, Some(what)) => Judged::Damaged(what),
            (_, None) if seq < expected => Judged::Damaged(MISPLACED),
            (_, None) if doubt == Doubt::Damaged => Judged::Adrift,
            (_, None) => Judged::Damaged(OTHER_LINE),
        },
        Form::Control => match (before, first) {
            (Some(before), None) => {
                let (seq, end) = control(line);
                let is_prior = before == reached.chain();
                let there = if is_prior { *reached } else { Reached::record(seq, None, before) };
                Judged::Right(there, end)
            }
            (_, Some(what)) => Judged::Damaged(what),
            (None, None) if doubt == Doubt::Damaged => Judged::Passed,
            (None, None) => Judged::Damaged(OTHER_LINE),
        },
        Form::None => Judged::Damaged(first.unwrap_or(NO_LINE)),
    }
}

fn right<'a>(
    text: &'a str,
    before: Option<Chain>,
    reached: &Reached,
    end: Option<End>,
) -> Content<'a> {
    match (before.and_then(|before| Record::behind(text, before)), end) {
        (Some(record), _) => Content::Record(record),
        (None, Some(_)) => Content::End(reached.seq()),
        (None, None) => Content::Mark(reached.seq()),
    }
}

/// The mutation behind a line of this form.
fn behind(form: Form, expected: u64) -> u64 {
    match form {
        Form::Record { seq, mutations, .. } if seq >= expected => seq.saturating_add(mutations),
        Form::Record { .. } | Form::Control | Form::None => expected,
    }
}

/// The mutation that a control line names, and whether it ends the segment.
fn control(line: &[u8]) -> (u64, Option<End>) {
    let digits: Vec<u8> = line
        .iter()
        .copied()
        .skip_while(|byte| !byte.is_ascii_digit())
        .take_while(u8::is_ascii_digit)
        .collect();
    let seq = str::from_utf8(&digits).ok().and_then(|digits| digits.parse().ok()).unwrap_or(0);
    (seq, line.starts_with(b"{\"end\":").then_some(End::Sealed))
}

/// What no newline ends is no line.
fn rest_without_newline(
    walk: &mut Walk<'_>,
    doubt: Doubt,
    expected: u64,
) -> Result<Resumed, Stopped> {
    let bytes = walk.bytes.length - walk.bytes.position;
    let is_there = |walk: &mut Walk<'_>| -> io::Result<bool> {
        Ok(bytes > 0 && !walk.bytes.is_gone_to_the_end()?)
    };
    let what = match doubt {
        Doubt::First(what) => what,
        Doubt::Damaged | Doubt::Adrift => NO_LINE,
    };
    if is_there(walk)? || matches!(doubt, Doubt::First(_)) {
        walk.told_last(bytes, Content::Damaged { what, seq: Some(expected) })?;
    }
    Ok(Resumed::Ended(End::Open))
}
