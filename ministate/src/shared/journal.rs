//! What must an engine do that keeps one journal for several processes?

use std::collections::hash_map::RandomState;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::hash::BuildHasher;
use std::pin::Pin;
use std::sync::Arc;

/// A journal that several processes append to and read, kept by an engine that agrees on the order of
/// its entries: the seam between a `SharedManager` and etcd, files, or what comes next.
///
/// An *entry* is a piece of text of at least one line, which the journal neither reads nor changes. It
/// is appended as a whole or not at all. An implementation is an *adapter*; it keeps no state of the
/// application, decides nothing, and never guesses: where it does not know whether an entry was
/// appended, it says [`Ambiguous`](AppendError::Ambiguous).
///
/// # What must hold
///
/// 1. Entries have the places 1, 2, 3 and so on. What stands at a place never changes, until it is
///    trimmed; everybody who reads it reads the same.
/// 2. [`append`](Self::append) puts an entry at the place behind `expected` if and only if the journal
///    ends at `expected` in the moment that it does: of several such entries at most one gets there. So
///    whoever looks at what stands there knows what became of its own.
/// 3. `Ok` means that the entry is as durable as the engine makes anything, and that every later barrier
///    and every later reader sees it.
/// 4. [`tail`](Self::tail) yields what was durably appended, in order, without gaps, and nothing else.
/// 5. [`barrier`](Self::barrier) tells where the journal ended at a moment after it was asked for: no place
///    before that of an entry whose `append` was answered earlier, to anybody, and none at which no entry
///    stands. A node that lost touch with the others must not answer it.
/// 6. A journal that was removed and made again has another [`id`](Self::id), and every call finds out.
///
/// The feature `testing` has a suite that finds out whether they do (`ministate::shared::conformance`).
///
/// This is the shared log of Tango and Delos; appending on condition is compare-and-swap on its end.
/// The methods return boxed futures, so that a journal can be a `dyn Journal`: beside a round trip to
/// any engine the allocation cannot be measured.
pub trait Journal: Send + Sync + 'static {
    /// Which journal this is: given to it when it was made, and to no other.
    fn id(&self) -> &JournalId;

    /// How large an entry may be, in bytes.
    fn entry_bytes_max(&self) -> usize;

    /// Appends an entry behind `expected`, if the journal ends there. Returns the place that it has.
    ///
    /// May be asked again with the same entry and place after an ambiguous answer: it is there once at
    /// most, and where it already is, the answer is [`Conflict`](AppendError::Conflict).
    ///
    /// Dropping the future leaves open whether the entry is appended, or will be.
    fn append(&self, expected: Place, entry: Arc<[u8]>) -> Answer<'_, Result<Place, AppendError>>;

    /// The entries behind `after`, those that there are and then those to come.
    fn tail(&self, after: Place) -> Box<dyn Tail>;

    /// Where the journal ends: see the fifth point above.
    fn barrier(&self) -> Answer<'_, Result<Place, JournalError>>;

    /// Lets the engine forget the entries before `before`; how soon it does is left to it. Never moves
    /// the end, and trimming less than was trimmed before does nothing. `before` is at most the place
    /// behind the end.
    fn trim(&self, before: Place) -> Answer<'_, Result<(), JournalError>>;
}

/// A reader of a shared journal; from [`Journal::tail`].
pub trait Tail: Send + 'static {
    /// The next entry, as soon as there is one.
    ///
    /// Dropping the future loses nothing: the next call yields the same entry. After an error, too, the
    /// next call goes on where this one stood.
    fn next(&mut self) -> Answer<'_, Result<Entry, TailError>>;
}

/// What the methods of [`Journal`] return: a future that can be sent to another thread.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What an engine said, for people.
pub type Cause = Arc<dyn Error + Send + Sync>;

/// Where an entry stands in a shared journal: 1 for the first, one more with each.
///
/// ```
/// use ministate::shared::Place;
///
/// assert_eq!(Place::START.next(), Place::new(1));
/// assert_eq!(Place::new(7).number(), 7);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Place(u64);

impl Place {
    /// The place before the first entry: where an empty journal ends.
    pub const START: Place = Place(0);

    /// The place with this number.
    pub fn new(number: u64) -> Place {
        Place(number)
    }

    /// Its number.
    pub fn number(self) -> u64 {
        self.0
    }

    /// The place behind it.
    pub fn next(self) -> Place {
        Place(self.0.saturating_add(1))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The identity of a shared journal: 32 hexadecimal digits, in lower case.
///
/// ```
/// use ministate::shared::JournalId;
///
/// let id = JournalId::random();
/// assert_eq!(JournalId::parse(id.as_str()), Some(id));
/// assert_eq!(JournalId::parse("registry"), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JournalId(String);

impl JournalId {
    /// A new one, for a journal that is being made.
    pub fn random() -> JournalId {
        // The standard library seeds each of them from the system's random numbers.
        let half = || RandomState::new().hash_one("the identity of a journal");
        JournalId(format!("{:016x}{:016x}", half(), half()))
    }

    /// The identity that the text is; `None` where it is none.
    pub fn parse(text: &str) -> Option<JournalId> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        (text.len() == 32 && text.bytes().all(is_digit)).then(|| JournalId(text.to_string()))
    }

    /// Its digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JournalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What stands at a place of a shared journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The place.
    pub place: Place,
    /// What was appended, byte for byte.
    pub bytes: Arc<[u8]>,
}

/// Why an entry was not appended, or may not have been.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum AppendError {
    /// The journal does not end at the place that was expected; what stands behind it says whether an
    /// earlier try succeeded.
    Conflict,
    /// The entry is larger than the engine takes, and was not appended.
    TooLarge {
        /// The most that it takes, in bytes.
        limit: usize,
    },
    /// The entry was not appended and will not be: the request did not get to the engine, or was refused
    /// there.
    NotWritten {
        /// What went wrong.
        source: Cause,
    },
    /// It is not known whether the entry was appended, or still will be.
    Ambiguous {
        /// What went wrong.
        source: Cause,
    },
    /// The journal is not there any more, or another one is in its place.
    WrongJournal {
        /// The one that is there.
        found: Option<JournalId>,
    },
}

/// Why there is no next entry.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum TailError {
    /// It was trimmed.
    Trimmed {
        /// The first place that the journal still holds, or its end where it holds none.
        first: Place,
    },
    /// The journal ends before the entry that was read last: the engine lost what it had confirmed, or
    /// was brought back from an old backup.
    Regressed {
        /// Where it ends.
        last: Place,
    },
    /// The journal is not there any more, or another one is in its place.
    WrongJournal {
        /// The one that is there.
        found: Option<JournalId>,
    },
    /// The engine does not answer, or not with an entry. Asking again may help.
    Unreachable {
        /// What went wrong.
        source: Cause,
    },
}

/// Why there is no barrier, or nothing was trimmed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum JournalError {
    /// The journal is not there any more, or another one is in its place.
    WrongJournal {
        /// The one that is there.
        found: Option<JournalId>,
    },
    /// The engine does not answer, or refuses. Asking again may help.
    Unreachable {
        /// What went wrong.
        source: Cause,
    },
}

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict => f.write_str(
                "the journal ends at another place than was expected: read on, and append behind its end",
            ),
            Self::TooLarge { limit } => {
                write!(f, "the entry is larger than the {limit} bytes that the engine takes: divide it")
            }
            Self::NotWritten { .. } => {
                f.write_str("the entry was not appended: see to the engine, and append it again")
            }
            Self::Ambiguous { .. } => f.write_str(
                "it is not known whether the entry was appended: append it again at the same place, and \
                 look what stands there",
            ),
            Self::WrongJournal { found } => write_wrong_journal(f, found.as_ref()),
        }
    }
}

impl fmt::Display for TailError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trimmed { first } => {
                write!(
                    f,
                    "the journal was trimmed and begins at place {first}: begin with a snapshot"
                )
            }
            Self::Regressed { last } => write!(
                f,
                "the journal ends at place {last}, before what was read from it: stop, and bring back what \
                 the engine lost"
            ),
            Self::WrongJournal { found } => write_wrong_journal(f, found.as_ref()),
            Self::Unreachable { .. } => f.write_str(UNREACHABLE),
        }
    }
}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongJournal { found } => write_wrong_journal(f, found.as_ref()),
            Self::Unreachable { .. } => f.write_str(UNREACHABLE),
        }
    }
}

const UNREACHABLE: &str = "the engine of the journal does not answer: see to it, or wait";

fn write_wrong_journal(f: &mut fmt::Formatter<'_>, found: Option<&JournalId>) -> fmt::Result {
    match found {
        Some(found) => write!(
            f,
            "another journal, {found}, has taken the place of this one: open it, if it is the right one"
        ),
        None => f.write_str("the journal is not there any more: see who removed it"),
    }
}

impl Error for AppendError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NotWritten { source } | Self::Ambiguous { source } => Some(&**source),
            Self::Conflict | Self::TooLarge { .. } | Self::WrongJournal { .. } => None,
        }
    }
}

impl Error for TailError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unreachable { source } => Some(&**source),
            Self::Trimmed { .. } | Self::Regressed { .. } | Self::WrongJournal { .. } => None,
        }
    }
}

impl Error for JournalError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unreachable { source } => Some(&**source),
            Self::WrongJournal { .. } => None,
        }
    }
}
