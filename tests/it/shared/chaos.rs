//! Whatever goes wrong between replicas and engine: nothing acknowledged is lost, nothing happens twice.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;
use std::sync::Arc;

use ministate::shared::memory::Rates;
use ministate::shared::{SharedError, SharedOptions};

use super::{House, Party, each_survives, guest, names};

const REPLICAS: u64 = 3;
const CALLERS: u64 = 4;
const MUTATIONS: u64 = 15;

/// What one caller was answered: guests by the number of their mutation, and those of whom nothing is
/// known.
type Answers = (BTreeMap<u64, String>, BTreeSet<String>);

async fn call(replica: Arc<Party>, caller: String) -> Answers {
    let (mut let_in, mut unknown) = (BTreeMap::new(), BTreeSet::new());
    for number in 0..MUTATIONS {
        let name = format!("{caller}.{number}");
        match replica.execute(guest(&name)).await {
            Ok(applied) => {
                let count = applied.output.expect("nobody else has let this guest in");
                // Each mutation lets one in, so one that was applied twice shows from here on.
                assert_eq!(count as u64, applied.seq);
                let_in.insert(applied.seq, name);
            }
            Err(SharedError::Unavailable { .. }) => {}
            Err(SharedError::OutcomeUnknown { .. }) => {
                unknown.insert(name);
            }
            Err(other) => panic!("{other:#}"),
        }
        if number % 4 == 0 {
            let seen = replica.read_linearizable(|guests| guests.names.len()).await;
            assert!(seen.is_err() || seen.unwrap() >= let_in.len());
        }
    }
    (let_in, unknown)
}

async fn survive(seed: u64) {
    let house = House::default();
    let options = || {
        let every = NonZeroU64::new(20).unwrap();
        let look_every = std::time::Duration::from_millis(1);
        let options = SharedOptions::new().snapshot_every(every).look_every(look_every);
        // Half of the histories have callers who wait for ever.
        match seed % 2 {
            0 => options,
            _ => options.patience(std::time::Duration::from_millis(300)),
        }
    };
    let (mut callers, mut connections) = (Vec::new(), Vec::new());
    for number in 0..REPLICAS {
        let (replica, faults) = house.shaky(options()).await;
        faults.chaos(seed * 100 + number, Rates::ROUGH);
        connections.push(faults);
        let replica = Arc::new(replica);
        for caller in 0..CALLERS {
            callers.push(tokio::spawn(call(Arc::clone(&replica), format!("{number}.{caller}"))));
        }
    }
    let (mut let_in, mut unknown) = (BTreeMap::new(), BTreeSet::new());
    for caller in callers {
        let (some, unclear) = caller.await.unwrap();
        let before = let_in.len();
        let together = some.len();
        let_in.extend(some);
        assert_eq!(let_in.len(), before + together, "two mutations have the same number");
        unknown.extend(unclear);
    }
    for faults in connections {
        faults.calm();
        faults.reconnect();
    }
    house.journal.land_late();
    let judge = house.replica().await;
    let seen = names(&judge);
    let distinct: BTreeSet<_> = seen.iter().cloned().collect();
    assert_eq!(distinct.len(), seen.len(), "a guest was let in twice");
    assert_eq!(judge.sequence(), seen.len() as u64, "a mutation was applied twice");
    // In the order of their numbers, each of them, and else none but those of whom nothing is known.
    let acknowledged: Vec<_> = let_in.into_values().collect();
    let found: Vec<_> = seen.iter().filter(|name| !unknown.contains(*name)).cloned().collect();
    assert_eq!(found, acknowledged);
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_happens_twice() {
    each_survives(60, survive);
}
