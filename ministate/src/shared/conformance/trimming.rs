//! Is what is trimmed gone, and nothing else?

use std::sync::Arc;

use super::asking::{Asked, Checked, Outcome, TRIM, is, line};
use crate::shared::journal::{Entry, Place};

pub(super) async fn a_part_is_trimmed(journal: &Asked) -> Checked {
    let mut history = journal.filled(10).await?;
    let (before, end) = (Place::new(6), Place::new(10));
    let mut live = journal.tail(end);
    for again in [before, before, Place::new(3)] {
        journal.trimmed(again).await?;
        end_stays(journal, end).await?;
        begins_at_most_at(journal, &history, before).await?;
        journal.tail(Place::new(5)).reads(&history[5..]).await?;
    }
    history.push(appended_behind(journal, end).await?);
    live.reads(&history[10..]).await?;
    begins_at_most_at(journal, &history, before).await
}

pub(super) async fn everything_is_trimmed(journal: &Asked) -> Checked {
    let mut history = journal.filled(4).await?;
    let end = Place::new(4);
    journal.trimmed(end.next()).await?;
    end_stays(journal, end).await?;
    begins_at_most_at(journal, &history, end).await?;
    history.push(appended_behind(journal, end).await?);
    journal.tail(end).reads(&history[4..]).await
}

async fn end_stays(journal: &Asked, end: Place) -> Checked {
    let barrier = journal.barrier().await?;
    if barrier < end {
        return TRIM.broken(format!("the journal ended at {end}, and then at {barrier}"));
    }
    Ok(())
}

/// Appends at the end, which has to be where it was before.
async fn appended_behind(journal: &Asked, end: Place) -> Checked<Entry> {
    let bytes: Arc<[u8]> = line("behind what was trimmed");
    match journal.outcome(end, &bytes).await? {
        Outcome::Appended => Ok(Entry { place: end.next(), bytes }),
        Outcome::Conflict => TRIM.broken(format!("the journal ends no longer at {end}")),
    }
}

/// A tail from the beginning reads all, or is told where to begin, and begins there.
async fn begins_at_most_at(journal: &Asked, history: &[Entry], most: Place) -> Checked {
    let mut tail = journal.tail(Place::START);
    match tail.next_or_trimmed().await? {
        Ok(entry) => {
            is(&entry, &history[0])?;
            tail.reads(&history[1..]).await
        }
        Err(first) if first == Place::START || first > most => TRIM.broken(format!(
            "what is before {most} was to be trimmed, and a tail was told that the journal begins at \
             {first}"
        )),
        Err(first) => {
            if tail.next_or_trimmed().await?.is_ok() {
                return TRIM.broken("asked again, a tail went on behind what was trimmed");
            }
            let skipped = usize::try_from(first.number() - 1).unwrap_or(usize::MAX);
            let mut tail = journal.tail(Place::new(first.number() - 1));
            match tail.next_or_trimmed().await? {
                Ok(entry) => {
                    is(&entry, &history[skipped])?;
                    tail.reads(&history[skipped + 1..]).await
                }
                // It holds none, and told its end.
                Err(end) if end == first && skipped + 1 == history.len() => Ok(()),
                Err(other) => TRIM.broken(format!(
                    "the journal was said to begin at {first}, and there at {other}"
                )),
            }
        }
    }
}
