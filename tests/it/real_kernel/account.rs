//! Is what a journal holds what its writer said of it?

use std::path::Path;

use ministate_tests::{entries, open, push};

use super::writer::Event;

/// What has to be in a journal, by what its writer said.
#[derive(Debug, Default)]
pub(super) struct Account {
    /// What has to be there, in order.
    pub(super) sure: Vec<u64>,
    /// What may be there behind it, until the journal is opened again.
    unknown: Option<u64>,
    /// A mutation failed, and the journal has not been opened since.
    silent: bool,
    /// The entry that the writer tries next.
    next: u64,
}

impl Account {
    /// Takes in what the writer said; an error where it broke the promise.
    pub(super) fn hear(&mut self, event: &Event) -> Result<(), String> {
        match *event {
            Event::Opened(count) => match (count.checked_sub(self.sure.len() as u64), self.unknown)
            {
                (Some(0), _) => (self.unknown, self.silent) = (None, false),
                (Some(1), Some(entry)) => {
                    self.sure.push(entry);
                    (self.unknown, self.silent) = (None, false);
                }
                _ => return Err(format!("opened with {count} entries: {self:?}")),
            },
            Event::Acknowledged(entry) => {
                if self.silent {
                    return Err(format!("{entry} was acknowledged behind a failure"));
                }
                self.sure.push(entry);
                self.next = entry + 1;
            }
            Event::Absent(entry, _) => {
                self.silent = true;
                self.next = entry + 1;
            }
            Event::Unknown(entry, _) => {
                self.silent = true;
                self.next = entry + 1;
                if let Some(other) = self.unknown.replace(entry) {
                    return Err(format!("{entry} was tried after {other}, which is unknown"));
                }
            }
            Event::Trouble(_) => {}
        }
        Ok(())
    }

    /// Takes in all of these.
    pub(super) fn hear_all<'a>(
        &mut self,
        events: impl IntoIterator<Item = &'a Event>,
    ) -> Result<(), String> {
        events.into_iter().try_for_each(|event| self.hear(event))
    }

    /// Compares with what is there. Up to `unheard` mutations may be there that the writer did not
    /// live to speak of, or that were not listened to.
    fn settle(&mut self, there: &[u64], unheard: u64) -> Result<(), String> {
        let Some(mut rest) = there.strip_prefix(self.sure.as_slice()) else {
            let same = there.iter().zip(&self.sure).take_while(|(a, b)| a == b).count();
            let (of, found) = (self.sure.len(), there.len());
            return Err(format!("{same} of {of} acknowledged mutations are there, {found} in all"));
        };
        if let ([first, others @ ..], Some(entry)) = (rest, self.unknown)
            && *first == entry
        {
            rest = others;
        }
        let count = rest.len() as u64;
        if count > unheard || !rest.iter().copied().eq(self.next..self.next + count) {
            return Err(format!("{rest:?} is there, behind {} mutations", self.sure.len()));
        }
        let next = there.last().map_or(0, |last| last + 1);
        *self = Account { sure: there.to_vec(), next, ..Account::default() };
        Ok(())
    }

    /// Opens the journal, compares, and works with it.
    pub(super) fn check(&mut self, dir: &Path, unheard: u64) -> Result<(), String> {
        let lists = open(dir).map_err(|error| format!("it does not open: {error:?}"))?;
        self.settle(&entries(&lists), unheard)?;
        lists
            .blocking_apply(push(self.next))
            .map_err(|error| format!("it does not work: {error:?}"))?;
        self.sure.push(self.next);
        self.next += 1;
        drop(lists);
        let lists = open(dir).map_err(|error| format!("it does not open again: {error:?}"))?;
        self.settle(&entries(&lists), 0)
    }
}
