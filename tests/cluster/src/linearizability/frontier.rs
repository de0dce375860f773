//! Which of the operations, sorted by when they were invoked, are ordered already?

/// A set of indices that is nearly all of those below one, and few of those above.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Frontier {
    /// The first index that is not in the set.
    low: usize,
    /// 64 indices in each, beginning with that of `low`; the last is not 0.
    words: Vec<u64>,
}

impl Frontier {
    pub(super) fn low(&self) -> usize {
        self.low
    }

    pub(super) fn contains(&self, index: usize) -> bool {
        let word = || self.words.get(index / 64 - self.low / 64);
        index < self.low || word().is_some_and(|word| word & (1 << (index % 64)) != 0)
    }

    pub(super) fn with(&self, index: usize) -> Frontier {
        let mut grown = self.clone();
        let word = index / 64 - self.low / 64;
        if grown.words.len() <= word {
            grown.words.resize(word + 1, 0);
        }
        grown.words[word] |= 1 << (index % 64);
        let first_word = grown.low / 64;
        while grown.words.get(grown.low / 64 - first_word).is_some_and(|word| {
            let is_in = word & (1 << (grown.low % 64));
            is_in != 0
        }) {
            grown.low += 1;
        }
        grown.words.drain(..grown.low / 64 - first_word);
        grown
    }
}
