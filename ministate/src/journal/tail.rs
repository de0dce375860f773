//! Torn or damaged: what the bytes are that do not continue a segment.
//!
//! A batch is written in one piece at a known place, over newlines or past the end of the file,
//! and the next batch only after its sync returned. So a power cut can leave of the last batch any
//! of its sectors, and newlines, zeros or nothing in place of the others; these bytes are *gone*,
//! and no line holds one inside. Anything else, and whatever proves that a later batch began, is
//! damage to bytes that had been synced.
//!
//! `docs/format.md` states the rules; the numbers below are its numbers.

use super::continuity::Continuity;
use crate::record::{self, Chain, Familiar, Piece, Seq, begins_record, judge_piece};

/// Sectors are the units in which a disk writes; no disk has smaller ones.
const SECTOR_BYTES: u64 = 512;

/// What the bytes behind the last line of a segment are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing but fill.
    Clean,
    /// Leftovers of a batch that was never acknowledged, or of a mark.
    Torn,
    /// Something that no power cut leaves.
    Damaged(&'static str),
}

/// Judges the bytes from `position` to the end of the file, where the line that continues
/// `after` should be. `successor` is the first mutation of the next segment, if there is one.
pub(crate) fn judge(
    tail: &[u8],
    position: u64,
    after: &Continuity,
    successor: Option<Seq>,
) -> Verdict {
    if all_gone(tail) {
        return Verdict::Clean;
    }
    let head_bytes = tail.iter().position(|byte| is_gone(*byte)).unwrap_or(tail.len());
    let (head, rest) = tail.split_at(head_bytes);
    // 2
    if let Some(proof) = rest.split(|byte| is_gone(*byte)).find_map(|piece| proof(piece, after)) {
        return Verdict::Damaged(proof);
    }
    let form = match form_of(head, rest, after) {
        Ok(form) => form,
        Err(what) => return Verdict::Damaged(what),
    };
    // 4
    let gone = position + head_bytes as u64;
    let sector_end = (gone + 1).next_multiple_of(SECTOR_BYTES) - position;
    // Where `H` ends within a sector, its sector was written, so the write ended there.
    let written = !head.is_empty() && !gone.is_multiple_of(SECTOR_BYTES);
    let gone_until = if written { tail.len() } else { tail.len().min(clamp(sector_end)) };
    if !all_gone(&tail[head_bytes..gone_until]) {
        return Verdict::Damaged("a line stops where no power cut stops it");
    }
    // 5
    let behind_control = &tail[tail.len().min(record::mark(after.seq, after.chain).len())..];
    let control_only = all_gone(behind_control);
    if form == Form::Control && !control_only {
        return Verdict::Damaged("there is more behind the last control line");
    }
    // 6
    if let Some(first) = successor {
        let complete = after.seq + 1 == first;
        let control = matches!(form, Form::Control | Form::Either) && control_only;
        if !complete || !control {
            return Verdict::Damaged(
                "a segment that has a successor does not end as it was sealed",
            );
        }
    }
    // 7
    Verdict::Torn
}

/// What the bytes before the first gone one begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Record,
    /// A mark or an end line.
    Control,
    /// Too short to tell, or nothing.
    Either,
}

fn form_of(head: &[u8], rest: &[u8], after: &Continuity) -> Result<Form, &'static str> {
    const WHOLE_BUT_OTHER: &str = "a whole line is not what was written";
    let next = after.seq + 1;
    let newline_is_lost = rest.first() != Some(&b'\n');
    let controls = [record::mark(after.seq, after.chain), record::end(after.seq, after.chain)];
    // 3
    match judge_piece(head) {
        Piece::Record(parsed) => {
            let right = parsed.seq == next
                && [0, after.next_place()].contains(&parsed.place)
                && is_record(head, after.chain);
            return if newline_is_lost && right { Ok(Form::Record) } else { Err(WHOLE_BUT_OTHER) };
        }
        Piece::Control => {
            let right = controls.iter().any(|control| control.strip_suffix(b"\n") == Some(head));
            return if newline_is_lost && right { Ok(Form::Control) } else { Err(WHOLE_BUT_OTHER) };
        }
        Piece::Nothing => {}
    }
    // 4
    let begins_control = controls.iter().any(|control| control.starts_with(head));
    let begins_record = head.iter().all(|byte| *byte >= 0x20)
        && begins_record(head, next, after.next_place(), after.chain);
    match (begins_record, begins_control) {
        (true, true) => Ok(Form::Either),
        (true, false) => Ok(Form::Record),
        (false, true) => Ok(Form::Control),
        (false, false) => Err("a line is not what was written"),
    }
}

/// Whether the line, without its newline, is the record after `previous`.
fn is_record(line: &[u8], previous: Chain) -> bool {
    str::from_utf8(line)
        .ok()
        .and_then(|line| record::parse_record(line, previous, &mut Familiar::default()))
        .is_some_and(|record| record.bytes == line.len())
}

/// Why a piece further behind proves that the bytes before it had been synced.
fn proof(piece: &[u8], after: &Continuity) -> Option<&'static str> {
    let next = after.seq + 1;
    match judge_piece(piece) {
        Piece::Nothing => None,
        Piece::Control => Some("a control line stands behind a line that is not what was written"),
        Piece::Record(head) => {
            let same_batch =
                head.batch().is_some_and(|batch| batch == next || after.batch == Some(batch));
            let plausible = head.seq > next && same_batch;
            (!plausible).then_some(
                "a record that was written later stands behind a line that is not what was written",
            )
        }
    }
}

fn is_gone(byte: u8) -> bool {
    matches!(byte, 0 | b'\n')
}

fn all_gone(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| is_gone(*byte))
}

fn clamp(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
