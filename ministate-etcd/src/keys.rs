//! Under which keys does a journal lie in etcd?

use ministate::shared::Place;

/// The keys of one journal.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    prefix: String,
}

impl Keys {
    /// The keys under a prefix, which may end in slashes; `None` where nothing is left of it.
    pub(crate) fn under(prefix: &str) -> Option<Keys> {
        let prefix = prefix.trim_end_matches('/');
        (!prefix.is_empty()).then(|| Keys { prefix: prefix.to_string() })
    }

    /// Holds the identity of the journal.
    pub(crate) fn journal(&self) -> String {
        format!("{}/journal", self.prefix)
    }

    /// Holds the number of the last place.
    pub(crate) fn head(&self) -> String {
        format!("{}/head", self.prefix)
    }

    /// Holds the entry at a place.
    pub(crate) fn entry(&self, place: Place) -> String {
        format!("{}/log/{:020}", self.prefix, place.number())
    }

    /// The key behind those of all entries.
    pub(crate) fn entries_end(&self) -> String {
        format!("{}/log{}", self.prefix, BEHIND_SLASH)
    }

    /// Where all keys of the journal begin.
    pub(crate) fn all(&self) -> String {
        format!("{}/", self.prefix)
    }

    /// The key behind all keys of the journal.
    pub(crate) fn all_end(&self) -> String {
        format!("{}{}", self.prefix, BEHIND_SLASH)
    }

    /// The place whose entry the key holds; `None` where it is another key.
    pub(crate) fn place_of(&self, key: &[u8]) -> Option<Place> {
        let key = str::from_utf8(key).ok()?;
        let place = Place::new(key.rsplit_once('/')?.1.parse().ok()?);
        (self.entry(place) == key).then_some(place)
    }
}

/// The character after `/` in the order of keys.
const BEHIND_SLASH: char = '0';

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_entries_are_in_the_order_of_their_places() {
        let keys = Keys::under("/a/registry//").unwrap();
        assert_eq!(keys.entry(Place::new(42)), "/a/registry/log/00000000000000000042");
        let places = [0, 1, 9, 10, u64::MAX].map(Place::new);
        assert!(places.windows(2).all(|pair| keys.entry(pair[0]) < keys.entry(pair[1])));
        assert!(keys.entry(Place::new(u64::MAX)) < keys.entries_end());
        for place in places {
            assert_eq!(keys.place_of(keys.entry(place).as_bytes()), Some(place));
        }
        assert_eq!(keys.place_of(keys.head().as_bytes()), None);
        assert_eq!(keys.place_of(b"/a/registry/log/42"), None);
    }

    #[test]
    fn a_prefix_of_slashes_alone_is_none() {
        assert!(Keys::under("").is_none());
        assert!(Keys::under("//").is_none());
    }
}
