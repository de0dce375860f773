//! In what order are the peers measured?

use std::path::Path;

use crate::Outcome;
use crate::machine::Place;

/// Makes one measurement in a fresh directory.
pub type Measure<'a, T> = Box<dyn Fn(&Path) -> Outcome<T> + 'a>;

/// Measures each peer once a round, and returns the rounds of each. Every round has an order of its
/// own, since who comes first or follows whom matters.
pub fn interleave<T>(
    rounds: usize,
    place: &Place,
    peers: &[Measure<'_, T>],
) -> Outcome<Vec<Vec<T>>> {
    let mut results: Vec<Vec<T>> = peers.iter().map(|_| Vec::with_capacity(rounds)).collect();
    for round in 0..rounds {
        let mut order: Vec<usize> = (0..peers.len()).collect();
        order.sort_by_key(|peer| scattered((round * peers.len() + peer) as u64));
        for peer in order {
            results[peer].push(peers[peer](&place.fresh()?)?);
        }
    }
    Ok(results)
}

/// A number that looks like chance, the same in every run.
fn scattered(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 27)
}
