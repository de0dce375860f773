//! How much does a tail ask for at once, and for how long does it wait?

use std::time::Duration;

/// The pace at which a link brings entries. It is not known beforehand: a page of entries that does not
/// arrive in time is asked for with fewer entries, and a single entry with more time.
#[derive(Debug)]
pub(crate) struct Pace {
    entries: u64,
    patience: Duration,
    usual_patience: Duration,
}

/// A page has so many entries and about so many bytes at most.
const ENTRIES_MAX: u64 = 64;
const BYTES_MAX: u64 = 1 << 20;
/// Of the first page, when the size of entries is not known yet.
const ENTRIES_FIRST: u64 = 4;
/// A single entry is waited for so many times as long as usual at most.
const PATIENCE_FACTOR_MAX: u32 = 8;

impl Pace {
    pub(crate) fn usual(patience: Duration) -> Pace {
        Pace { entries: ENTRIES_FIRST, patience, usual_patience: patience }
    }

    /// How many entries are asked for.
    pub(crate) fn entries(&self) -> u64 {
        self.entries
    }

    /// How long they are waited for.
    pub(crate) fn patience(&self) -> Duration {
        self.patience
    }

    /// Nothing came in time. False where that was the slowest pace already.
    pub(crate) fn slowed_down(&mut self) -> bool {
        let most = self.usual_patience.saturating_mul(PATIENCE_FACTOR_MAX);
        if self.entries > 1 {
            self.entries = (self.entries / 4).max(1);
        } else if self.patience < most {
            self.patience = self.patience.saturating_mul(2).min(most);
        } else {
            return false;
        }
        true
    }

    /// A page came with so many entries and bytes, after so long. What took its time is asked for as
    /// before.
    pub(crate) fn follow(&mut self, entries: u64, bytes: u64, waited: Duration) {
        let in_time = waited <= self.usual_patience / 2;
        if in_time {
            self.patience = self.usual_patience;
        }
        if let Some(entry_bytes) = bytes.checked_div(entries) {
            let fitting = (BYTES_MAX / entry_bytes.max(1)).clamp(1, ENTRIES_MAX);
            let wanted = if in_time { self.entries.saturating_mul(2) } else { self.entries };
            self.entries = wanted.min(fitting);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: Duration = Duration::from_secs(2);
    const AT_ONCE: Duration = Duration::from_millis(1);

    #[test]
    fn small_entries_are_asked_for_by_the_page_and_large_ones_one_by_one() {
        let mut pace = Pace::usual(USUAL);
        for _ in 0..10 {
            pace.follow(pace.entries(), pace.entries() * 100, AT_ONCE);
        }
        assert_eq!(pace.entries(), 64);
        pace.follow(2, 2 << 20, AT_ONCE);
        assert_eq!(pace.entries(), 1);
    }

    #[test]
    fn after_silence_less_is_asked_for_and_then_waited_for_longer_up_to_a_bound() {
        let mut pace = Pace::usual(USUAL);
        for longer in [1, 2, 4, 8] {
            assert!(pace.slowed_down());
            assert_eq!((pace.entries(), pace.patience()), (1, USUAL * longer));
        }
        assert!(!pace.slowed_down());
        assert_eq!((pace.entries(), pace.patience()), (1, USUAL * 8));
    }

    #[test]
    fn it_goes_back_to_the_usual_as_soon_as_a_page_comes_in_time() {
        let mut pace = Pace::usual(USUAL);
        for _ in 0..3 {
            assert!(pace.slowed_down());
        }
        pace.follow(1, 1 << 20, USUAL * 3);
        assert_eq!((pace.entries(), pace.patience()), (1, USUAL * 4));
        pace.follow(0, 0, AT_ONCE);
        assert_eq!((pace.entries(), pace.patience()), (1, USUAL));
        pace.follow(1, 100, AT_ONCE);
        assert_eq!((pace.entries(), pace.patience()), (2, USUAL));
    }
}
