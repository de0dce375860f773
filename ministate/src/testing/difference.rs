//! Where do two states differ first?

use std::cmp::Ordering;
use std::fmt;

use super::picture::Picture;
use super::written::shortened;

/// The first place in which a state is not what it was.
///
/// ```
/// # use ministate::Mutator;
/// # use serde::{Deserialize, Serialize};
/// # use std::sync::atomic::{AtomicU32, Ordering};
/// #
/// # use ministate::testing::{CrashFailure, CrashTest};
/// #
/// # static NEXT: AtomicU32 = AtomicU32::new(1);
/// #
/// # #[derive(Default, Serialize, Deserialize)]
/// # struct Office {
/// #     ticket: u32,
/// # }
/// #
/// # #[derive(Serialize, Deserialize)]
/// # struct Draw;
/// #
/// # impl Mutator<Office> for Draw {
/// #     fn apply(&self, office: &mut Office) {
/// #         // At a replay it gives another number.
/// #         office.ticket = NEXT.fetch_add(1, Ordering::Relaxed);
/// #     }
/// # }
/// # fn main() {
/// let Err(CrashFailure::OtherState { difference, .. }) =
///     CrashTest::new().run::<Office, Draw>([Draw, Draw])
/// else {
///     panic!("it draws a number from a global variable");
/// };
/// assert_eq!(difference.place, "ticket");
/// assert_ne!(difference.was, difference.is);
/// println!("{difference}");
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// The keys and positions that lead there, such as `accounts.alice.cents`; empty for the state as
    /// a whole. A member of a set is a `*`.
    pub place: String,
    /// The JSON that was there, shortened where it is long; `None` where there was nothing.
    pub was: Option<String>,
    /// The JSON that is there now; `None` where there is nothing.
    pub is: Option<String>,
}

impl Difference {
    /// `None` where there is no difference.
    pub(super) fn between(was: &Picture, is: &Picture) -> Option<Difference> {
        let mut place = Vec::new();
        let (was, is) = first(was, is, &mut place)?;
        let text = |picture: Option<&Picture>| picture.map(|it| shortened(&it.to_string()));
        Some(Difference { place: place.join("."), was: text(was), is: text(is) })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Difference { place, was, is } = self;
        match place.as_str() {
            "" => out.write_str("the state")?,
            place => write!(out, "`{place}`")?,
        }
        match (was, is) {
            (Some(was), Some(is)) => write!(out, " was {was} and is {is}"),
            (Some(was), None) => write!(out, " was {was} and is not there"),
            (None, Some(is)) => write!(out, " was not there and is {is}"),
            (None, None) => out.write_str(" is another"),
        }
    }
}

type Sides<'a> = (Option<&'a Picture>, Option<&'a Picture>);

/// What the two have at the first place where they differ, and the way to it.
fn first<'a>(was: &'a Picture, is: &'a Picture, place: &mut Vec<String>) -> Option<Sides<'a>> {
    if was == is {
        return None;
    }
    match (was, is) {
        (Picture::Map(was), Picture::Map(is)) => {
            // Both are sorted: at the first pair that differs, the smaller key is in one only.
            let same = was.iter().zip(is).take_while(|(was, is)| was == is).count();
            let (was, is) = (was.get(same), is.get(same));
            let (key, sides) = match (was, is) {
                (Some((key, was)), Some((other, is))) => match key.cmp(other) {
                    Ordering::Equal => (key, (Some(was), Some(is))),
                    Ordering::Less => (key, (Some(was), None)),
                    Ordering::Greater => (other, (None, Some(is))),
                },
                (Some((key, was)), None) => (key, (Some(was), None)),
                (None, Some((key, is))) => (key, (None, Some(is))),
                (None, None) => return None,
            };
            place.push(key.clone());
            within(sides.0, sides.1, place)
        }
        (Picture::List(was), Picture::List(is)) => {
            let same = was.iter().zip(is).take_while(|(was, is)| was == is).count();
            place.push(same.to_string());
            within(was.get(same), is.get(same), place)
        }
        (Picture::Bag(was), Picture::Bag(is)) => {
            let (gone, new) = (left_over(was, is), left_over(is, was));
            place.push("*".into());
            match (gone.as_slice(), new.as_slice()) {
                ([gone], [new]) => within(Some(gone), Some(new), place),
                ([], new) => Some((None, new.first().copied())),
                (gone, _) => Some((gone.first().copied(), None)),
            }
        }
        _ => Some((Some(was), Some(is))),
    }
}

fn within<'a>(
    was: Option<&'a Picture>,
    is: Option<&'a Picture>,
    place: &mut Vec<String>,
) -> Option<Sides<'a>> {
    match (was, is) {
        (Some(was), Some(is)) => first(was, is, place),
        sides => Some(sides),
    }
}

/// The members of one sorted bag that are not in the other.
fn left_over<'a>(of: &'a [Picture], other: &[Picture]) -> Vec<&'a Picture> {
    let mut rest = other.iter().peekable();
    let mut is_left = |member: &Picture| loop {
        match rest.peek().map(|other| (*other).cmp(member)) {
            Some(Ordering::Less) => drop(rest.next()),
            Some(Ordering::Equal) => {
                rest.next();
                return false;
            }
            Some(Ordering::Greater) | None => return true,
        }
    };
    of.iter().filter(|member| is_left(member)).collect()
}
