//! Does everybody see what was appended, and is nothing lost between two looks?

use super::asking::{Asked, BARRIER, Checked, is, line};
use crate::shared::journal::{Entry, Place};

pub(super) async fn tails_wait_for_what_comes(journal: &Asked) -> Checked {
    let mut tails: Vec<_> = (0..3).map(|_| journal.tail(Place::START)).collect();
    let mut end = Place::START;
    for number in 0..5 {
        for tail in &mut tails {
            tail.ends()?;
        }
        let bytes = line(&format!("number {number}"));
        // One that waits while the entry is appended.
        let waiting = tails[0].next();
        let (entry, place) = tokio::join!(waiting, journal.appended(end, &bytes));
        end = place?;
        let wanted = Entry { place: end, bytes };
        is(&entry?, &wanted)?;
        for tail in &mut tails[1..] {
            tail.reads(std::slice::from_ref(&wanted)).await?;
        }
    }
    Ok(())
}

pub(super) async fn a_dropped_wait_loses_nothing(journal: &Asked) -> Checked {
    const ENTRIES: u64 = 20;
    let mut tail = journal.tail(Place::START);
    let mut read = Vec::new();
    let mut history = Vec::new();
    for number in 0..ENTRIES {
        read.extend(tail.glance()?);
        let bytes = line(&format!("number {number}"));
        let place = journal.appended(Place::new(number), &bytes).await?;
        history.push(Entry { place, bytes });
        for _ in 0..3 {
            read.extend(tail.glance()?);
            tokio::task::yield_now().await;
        }
    }
    while read.len() < history.len() {
        read.push(tail.next().await?);
    }
    for (entry, wanted) in read.iter().zip(&history) {
        is(entry, wanted)?;
    }
    Ok(())
}

pub(super) async fn barriers_tell_the_end(handles: [&Asked; 2]) -> Checked {
    let mut end = Place::START;
    for number in 0..10 {
        let writer = handles[number % 2];
        end = writer.appended(end, &line(&format!("number {number}"))).await?;
        for handle in handles {
            let barrier = handle.barrier().await?;
            if barrier != end {
                return BARRIER.broken(format!(
                    "an entry at {end} was acknowledged, the last one, and a barrier told {barrier}"
                ));
            }
        }
    }
    Ok(())
}
