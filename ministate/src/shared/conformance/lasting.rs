//! Is all there after a restart, and is another journal found out?

use super::asking::{Asked, AskedTail, Checked, DURABLE, IDENTITY, line, within};
use crate::shared::journal::{AppendError, Entry, JournalError, JournalId, Place, TailError};

/// What a process appended, which is over now.
pub(super) struct History {
    id: JournalId,
    entries: Vec<Entry>,
}

pub(super) async fn appended_before_the_end(journal: Asked) -> Checked<History> {
    let entries = journal.filled(5).await?;
    Ok(History { id: journal.journal.id().clone(), entries })
}

pub(super) async fn found_after_the_start(journal: &Asked, history: History) -> Checked {
    let History { id, mut entries } = history;
    let now = journal.journal.id();
    if *now != id {
        return IDENTITY.broken(format!("the journal was {id}, and opened again it is {now}"));
    }
    let barrier = journal.barrier().await?;
    if barrier < Place::new(5) {
        return DURABLE.broken(format!("it ended at 5, and opened again at {barrier}"));
    }
    journal.tail(Place::START).reads(&entries).await?;
    journal.refused(Place::START, &super::asking::refused_line("as if it were empty")).await?;
    let bytes = line("behind the restart");
    let place = journal.appended(Place::new(5), &bytes).await?;
    entries.push(Entry { place, bytes });
    journal.tail(Place::new(2)).reads(&entries[2..]).await
}

/// A process that does not know that its journal is another one.
pub(super) struct Old {
    journal: Asked,
    /// Behind all entries.
    tail: AskedTail,
}

impl Old {
    pub(super) async fn read_through(journal: Asked) -> Checked<Old> {
        let history = journal.filled(2).await?;
        let mut tail = journal.tail(Place::START);
        tail.reads(&history).await?;
        Ok(Old { journal, tail })
    }

    pub(super) async fn finds_out(mut self, new: &Asked) -> Checked {
        let (old, patience) = (&self.journal.journal, self.journal.patience);
        let id = new.journal.id();
        if id == old.id() {
            return IDENTITY.broken(format!("the journal was made again, and still is {id}"));
        }
        let entries = new.filled(1).await?;
        new.tail(Place::START).reads(&entries).await?;

        let found = |found: Option<JournalId>| match found {
            Some(found) if found != *id => {
                IDENTITY.broken(format!("the journal is {id}, and it was said to be {found}"))
            }
            Some(_) | None => Ok(()),
        };
        for expected in [0, 1, 2] {
            let entry = line("for a journal that is gone");
            match old.append(Place::new(expected), entry).await {
                Err(AppendError::WrongJournal { found: other }) => found(other)?,
                answer => return not_found_out("an append", &answer),
            }
        }
        match old.barrier().await {
            Err(JournalError::WrongJournal { found: other }) => found(other)?,
            answer => return not_found_out("a barrier", &answer),
        }
        match old.trim(Place::new(1)).await {
            Err(JournalError::WrongJournal { found: other }) => found(other)?,
            answer => return not_found_out("a trim", &answer),
        }
        let mut from_the_beginning = old.tail(Place::START);
        for tail in [&mut self.tail.tail, &mut from_the_beginning] {
            let answer = within(
                patience,
                IDENTITY,
                "an answer to a tail of a journal that is gone",
                async { Ok(tail.next().await) },
            );
            match answer.await? {
                Err(TailError::WrongJournal { found: other }) => found(other)?,
                answer => return not_found_out("a tail", &answer),
            }
        }
        new.tail(Place::START).reads(&entries).await
    }
}

fn not_found_out(call: &str, answer: &dyn std::fmt::Debug) -> Checked {
    IDENTITY.broken(format!("the journal was made again, and {call} had the answer {answer:?}"))
}
