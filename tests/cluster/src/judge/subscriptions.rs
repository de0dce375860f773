//! Was every change given to those who subscribed, once and in order?

use super::Wrong;
use crate::history::{Event, Line};

/// What subscriptions gave, or did not, that they should not, or should.
pub(super) fn wrong_gifts(processes: &[Vec<Line>], applied: &[u64]) -> Vec<Wrong> {
    let of_each = processes.iter().enumerate();
    of_each
        .flat_map(|(process, lines)| Listener { process, applied, next: None }.heard(lines))
        .collect()
}

struct Listener<'a> {
    process: usize,
    applied: &'a [u64],
    /// What is to be given next; anything, before the first subscription and where the journal was
    /// trimmed.
    next: Option<u64>,
}

impl Listener<'_> {
    fn heard(mut self, lines: &[Line]) -> Vec<Wrong> {
        let process = self.process;
        let mut wrongs = Vec::new();
        for Line { event, .. } in lines {
            match event {
                Event::Subscribed(seq) | Event::Lagged(seq) => {
                    wrongs.extend(self.out_of_order(*seq));
                    self.next = Some(*seq);
                }
                Event::Given { seq, id } => {
                    wrongs.extend(self.out_of_order(*seq));
                    let place = (*seq as usize).checked_sub(1);
                    if place.and_then(|place| self.applied.get(place)) != Some(id) {
                        wrongs.push(Wrong::GivenAnother { process, seq: *seq });
                    }
                    self.next = Some(seq + 1);
                }
                Event::Trimmed { seq, first } => {
                    wrongs.extend(self.out_of_order(*seq));
                    if first <= seq {
                        wrongs.push(Wrong::TrimmedInVain { process, seq: *seq });
                    }
                    self.next = None;
                }
                Event::Final { .. } => {
                    wrongs.extend(self.out_of_order(self.applied.len() as u64 + 1));
                }
                Event::Opened { .. }
                | Event::Asked(_)
                | Event::AskedToRead { .. }
                | Event::Changed { .. }
                | Event::Read { .. }
                | Event::Refused { .. }
                | Event::Unknown { .. }
                | Event::Left { .. }
                | Event::Sampled { .. }
                | Event::Snapshot(_)
                | Event::Quiet
                | Event::Broken(_) => {}
            }
        }
        wrongs
    }

    /// Why this cannot come next.
    fn out_of_order(&self, seq: u64) -> Option<Wrong> {
        let (process, next) = (self.process, self.next?);
        if seq > next {
            return Some(Wrong::Withheld { process, seq: next });
        }
        (seq < next).then_some(Wrong::GivenAgain { process, seq })
    }
}
