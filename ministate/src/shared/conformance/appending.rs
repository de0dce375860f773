//! Is what is appended what was asked for, where it was asked for, and there once?

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::asking::{
    Asked, BARRIER, CONDITION, Checked, DURABLE, Outcome, TAIL, TOO_LARGE, is, line, refused_line,
};
use crate::shared::journal::{AppendError, Entry, Place};

/// The largest entry that the suite makes.
const LARGE_BYTES: usize = 16 << 20;

/// How many tasks race on each of two handles, and how many entries each of them appends.
const RACERS: usize = 4;
const ENTRIES_EACH: usize = 8;

pub(super) async fn entries_come_back_as_they_were(journal: &Asked) -> Checked {
    let texts: [&str; 7] = [
        "{\"one\":1}\n",
        "{\"one\":1}\n{\"two\":2}\n{\"three\":3}\n",
        "{ \"spaces\" : [ 1 , 2.50, 1e3 ] }\n",
        "{\"text\":\"gr\u{fc}n, \u{7dd1}, \u{1f7e2}, \\u00e9 \\n \\\\\"}\n",
        "{\"b\":1,\"a\":2,\"b\":3}\n{\"end\":\"without a newline\"}",
        "no JSON at all\n\n\ttabs and \"quotes\"\r\n",
        "{\"last\":null}\n",
    ];
    let mut history = Vec::new();
    let mut end = Place::START;
    for text in texts {
        let bytes: Arc<[u8]> = text.as_bytes().into();
        end = journal.appended(end, &bytes).await?;
        history.push(Entry { place: end, bytes });
    }
    for skipped in [0, 3, history.len() - 1] {
        let mut tail = journal.tail(Place::new(skipped as u64));
        tail.reads(&history[skipped..]).await?;
    }
    journal.tail(end).ends()
}

pub(super) async fn another_place_than_the_end_is_refused(journal: &Asked) -> Checked {
    journal.refused(Place::new(1), &refused_line("too high, in an empty journal")).await?;
    let mut history = journal.filled(3).await?;
    let end = Place::new(3);
    for (expected, what) in
        [(0, "where it began"), (2, "too low"), (4, "too high"), (1000, "far too high")]
    {
        journal.refused(Place::new(expected), &refused_line(what)).await?;
    }
    let bytes = line("behind them");
    let place = journal.appended(end, &bytes).await?;
    history.push(Entry { place, bytes });
    let mut tail = journal.tail(Place::START);
    tail.reads(&history).await?;
    tail.ends()
}

pub(super) async fn an_entry_that_is_there_is_not_appended_again(journal: &Asked) -> Checked {
    let mut history = journal.filled(2).await?;
    let again = Arc::clone(&history[1].bytes);
    journal.refused(Place::new(1), &again).await?;
    let bytes = line("behind it");
    let place = journal.appended(Place::new(2), &bytes).await?;
    history.push(Entry { place, bytes });
    journal.refused(Place::new(1), &again).await?;
    let mut tail = journal.tail(Place::START);
    tail.reads(&history).await?;
    tail.ends()
}

pub(super) async fn what_is_too_large_is_refused(journal: &Asked) -> Checked {
    let limit = journal.journal.entry_bytes_max();
    let largest = text_of(limit.min(LARGE_BYTES));
    let mut history = Vec::new();
    let place = journal.appended(Place::START, &largest).await?;
    history.push(Entry { place, bytes: largest });
    if limit < LARGE_BYTES {
        let answer = journal.journal.append(place, text_of(limit + 1)).await;
        match answer {
            Err(AppendError::TooLarge { limit: said }) if said == limit => {}
            Err(AppendError::TooLarge { limit: said }) => {
                return TOO_LARGE.broken(format!("it says {limit} bytes, and the refusal {said}"));
            }
            answer => {
                let bytes = limit + 1;
                return TOO_LARGE.broken(format!(
                    "it says {limit} bytes, and the answer to {bytes} was {answer:?}"
                ));
            }
        }
    }
    let bytes = line("behind it");
    let place = journal.appended(place, &bytes).await?;
    history.push(Entry { place, bytes });
    journal.tail(Place::START).reads(&history).await
}

/// One line of so many bytes.
fn text_of(bytes: usize) -> Arc<[u8]> {
    let (before, after) = ("{\"large\":\"", "\"}\n");
    let letters = bytes.saturating_sub(before.len() + after.len());
    let text: String = [before, &"x".repeat(letters), after].concat();
    text.into_bytes().into()
}

pub(super) async fn of_racing_appends_one_gets_each_place(handles: [&Asked; 2]) -> Checked {
    let mut racers = JoinSet::new();
    for (at, handle) in handles.into_iter().enumerate() {
        for racer in 0..RACERS {
            let (handle, racer) = (handle.clone(), format!("{racer} of handle {at}"));
            racers.spawn(async move { raced(&handle, &racer).await });
        }
    }
    let mut acknowledged = BTreeMap::new();
    while let Some(raced) = racers.join_next().await {
        let raced = raced.unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic()));
        for entry in raced? {
            let place = entry.place;
            if acknowledged.insert(place, entry).is_some() {
                return CONDITION.broken(format!("two entries were acknowledged at place {place}"));
            }
        }
    }
    let all = 2 * RACERS * ENTRIES_EACH;
    for handle in handles {
        let mut tail = handle.tail(Place::START);
        let mut found = 0;
        for number in 1..=all as u64 {
            let entry = tail.next().await?;
            let Some(wanted) = acknowledged.get(&Place::new(number)) else {
                return TAIL.broken(format!("nobody was told of the entry at place {number}"));
            };
            is(&entry, wanted)?;
            found += 1;
        }
        if found != acknowledged.len() {
            let acknowledged = acknowledged.len();
            return DURABLE.broken(format!("of {acknowledged} entries {found} are there"));
        }
    }
    Ok(())
}

/// Appends its entries among those of others.
async fn raced(journal: &Asked, racer: &str) -> Checked<Vec<Entry>> {
    let mut acknowledged = Vec::new();
    let mut expected = Place::START;
    for number in 0..ENTRIES_EACH {
        let bytes = line(&format!("{number} of racer {racer}"));
        while journal.outcome(expected, &bytes).await? == Outcome::Conflict {
            let end = journal.barrier().await?;
            if end <= expected {
                return BARRIER.broken(format!(
                    "the journal did not end at {expected}, where it had, and a barrier told {end}"
                ));
            }
            expected = end;
        }
        expected = expected.next();
        acknowledged.push(Entry { place: expected, bytes });
    }
    Ok(acknowledged)
}
