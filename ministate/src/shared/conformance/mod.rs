//! Does an adapter keep the rules of the seam? A suite that its tests call, and that says which rule was
//! broken and what was seen.
//!
//! ```
//! use std::sync::Arc;
//!
//! use ministate::shared::conformance::{self, Handle, JournalFixture};
//! use ministate::shared::memory::MemoryJournal;
//! use ministate::shared::Answer;
//!
//! struct InMemory(MemoryJournal);
//!
//! impl JournalFixture for InMemory {
//!     fn made(&mut self) -> Answer<'_, Handle> {
//!         self.0 = MemoryJournal::new();
//!         Box::pin(async { Arc::new(self.0.clone()) as Handle })
//!     }
//!
//!     fn reopened(&mut self) -> Answer<'_, Handle> {
//!         Box::pin(async { Arc::new(self.0.reopened()) as Handle })
//!     }
//!
//!     fn another(&mut self) -> Answer<'_, Option<Handle>> {
//!         Box::pin(async { Some(Arc::new(self.0.reopened()) as Handle) })
//!     }
//!
//!     fn recreated(&mut self) -> Answer<'_, Option<Handle>> {
//!         self.0.recreate();
//!         Box::pin(async { Some(Arc::new(self.0.reopened()) as Handle) })
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! // In a test of the adapter:
//! conformance::journal(&mut InMemory(MemoryJournal::new())).await;
//! # }
//! ```

mod appending;
mod asking;
mod lasting;
mod reading;
mod snapshots;
mod trimming;

use std::sync::Arc;
use std::time::Duration;

use crate::shared::journal::{Answer, Journal};
use asking::{Asked, Checked};
pub use snapshots::{SnapshotFixture, snapshots};

/// What the suite has of a journal, as a program has it that opened it.
pub type Handle = Arc<dyn Journal>;

/// How the suite comes by journals of one kind.
pub trait JournalFixture: Send {
    /// A journal that was just made and is empty, as the process has it that made it. The suite asks
    /// for several, one after the other; the other methods are about the one made last.
    fn made(&mut self) -> Answer<'_, Handle>;

    /// What the process has of it after it was started again. The suite has let go of all handles and
    /// tails of the journal.
    fn reopened(&mut self) -> Answer<'_, Handle>;

    /// What another process has of it, while the first one goes on; `None` where one alone can.
    fn another(&mut self) -> Answer<'_, Option<Handle>> {
        Box::pin(async { None })
    }

    /// Removes it and makes another one under its name, and returns what the process has that made
    /// this one; `None` where nobody can while the journal is in use.
    fn recreated(&mut self) -> Answer<'_, Option<Handle>> {
        Box::pin(async { None })
    }

    /// How long the suite waits for an answer that has to come. Default: 30 seconds.
    fn patience(&self) -> Duration {
        Duration::from_secs(30)
    }
}

/// Checks that journals of this kind keep the rules of [`Journal`]. The engine has to be well meanwhile:
/// what it does when it is not, this cannot know.
///
/// Needs a tokio runtime with its timer. Appends some hundred entries, and the largest that there may be
/// where that has at most 16 MiB.
///
/// # Panics
///
/// A rule does not hold, or an answer did not come. The text begins with the rule, by its number there or
/// by the method that states it, and says what was seen.
pub async fn journal(fixture: &mut dyn JournalFixture) {
    if let Err(broken) = checked(fixture).await {
        panic!("{broken}");
    }
}

async fn checked(fixture: &mut dyn JournalFixture) -> Checked {
    appending::entries_come_back_as_they_were(&made(fixture).await).await?;
    appending::another_place_than_the_end_is_refused(&made(fixture).await).await?;
    appending::an_entry_that_is_there_is_not_appended_again(&made(fixture).await).await?;
    appending::what_is_too_large_is_refused(&made(fixture).await).await?;
    let here = made(fixture).await;
    let there = another(fixture).await.unwrap_or_else(|| here.clone());
    appending::of_racing_appends_one_gets_each_place([&here, &there]).await?;
    drop((here, there));

    reading::tails_wait_for_what_comes(&made(fixture).await).await?;
    reading::a_dropped_wait_loses_nothing(&made(fixture).await).await?;
    let here = made(fixture).await;
    let there = another(fixture).await.unwrap_or_else(|| here.clone());
    reading::barriers_tell_the_end([&here, &there]).await?;
    drop((here, there));

    trimming::a_part_is_trimmed(&made(fixture).await).await?;
    trimming::everything_is_trimmed(&made(fixture).await).await?;

    let before = made(fixture).await;
    let history = lasting::appended_before_the_end(before).await?;
    let after = Asked { journal: fixture.reopened().await, patience: fixture.patience() };
    lasting::found_after_the_start(&after, history).await?;
    drop(after);

    let old = made(fixture).await;
    let old = lasting::Old::read_through(old).await?;
    if let Some(journal) = fixture.recreated().await {
        old.finds_out(&Asked { journal, patience: fixture.patience() }).await?;
    }
    Ok(())
}

async fn made(fixture: &mut dyn JournalFixture) -> Asked {
    Asked { journal: fixture.made().await, patience: fixture.patience() }
}

async fn another(fixture: &mut dyn JournalFixture) -> Option<Asked> {
    let journal = fixture.another().await?;
    Some(Asked { journal, patience: fixture.patience() })
}
