//! In what order are the peers measured?

use std::path::Path;

use crate::Outcome;
use crate::machine::Place;

/// Makes one measurement in a fresh directory.
pub type Measure<'a, T> = Box<dyn Fn(&Path) -> Outcome<T> + 'a>;

/// Measures each peer once a round, and returns the rounds of each. The order rotates, since who
/// comes first or follows whom may matter.
pub fn interleave<T>(
    rounds: usize,
    place: &Place,
    peers: &[Measure<'_, T>],
) -> Outcome<Vec<Vec<T>>> {
    let mut results: Vec<Vec<T>> = peers.iter().map(|_| Vec::with_capacity(rounds)).collect();
    for round in 0..rounds {
        for turn in 0..peers.len() {
            let peer = (round + turn) % peers.len();
            results[peer].push(peers[peer](&place.fresh()?)?);
        }
    }
    Ok(results)
}
