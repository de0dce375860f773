//! Callers go away, replicas are closed or dropped and come back, and a third of all calls to the engine fails:
//! what was answered is true, and subscriptions are given just what happened.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ministate::shared::memory::{Faults, Rates};
use ministate::shared::{SharedError, SharedOptions};
use ministate_tests::Chance;
use tokio::time::{sleep, timeout};

use super::{GuestOp, House, Party, each_survives, names, op};

const CALLERS: u64 = 6;
const CALLS: u64 = 20;
const RETURNS: u64 = 6;
const LISTENERS: u64 = 3;
const SUBSCRIPTIONS: u64 = 6;

/// Replicas that come and go, and what was seen of them.
struct World {
    house: House,
    patience: Option<Duration>,
    replicas: Mutex<Vec<Arc<Party>>>,
    connections: Mutex<Vec<Faults>>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// Guests by the number of the mutation that was acknowledged.
    acknowledged: BTreeMap<u64, String>,
    /// Of whom nothing is known.
    unknown: BTreeSet<String>,
    /// Guests by the number of the mutation that a subscription was given.
    given: BTreeMap<u64, String>,
}

impl World {
    /// A replica on a connection of its own, as soon as the engine lets it open.
    async fn arrived(&self, choices: &mut Chance) -> Arc<Party> {
        loop {
            let journal = self.house.journal.clone();
            let faults = journal.faults();
            faults.chaos(choices.below(u64::MAX), Rates::ROUGH);
            self.connections.lock().unwrap().push(faults);
            let every = NonZeroU64::new(20).unwrap();
            let options = SharedOptions::new().snapshot_every(every);
            let options = options.look_every(Duration::from_millis(1));
            let options = match self.patience {
                Some(patience) => options.patience(patience),
                None => options,
            };
            match options.open(journal, self.house.snapshots.clone()).await {
                Ok(replica) => return Arc::new(replica),
                // Trimmed again and again, while it was read.
                Err(SharedError::Journal { .. } | SharedError::UnsoundSnapshot { .. }) => {}
                Err(other) => panic!("{other:#}"),
            }
        }
    }

    fn any(&self, choices: &mut Chance) -> Arc<Party> {
        let replicas = self.replicas.lock().unwrap();
        Arc::clone(&replicas[choices.below(replicas.len() as u64) as usize])
    }

    fn note(&self, guests: Vec<String>, answer: Option<Result<u64, SharedError>>) {
        let mut seen = self.seen.lock().unwrap();
        match answer {
            Some(Ok(first)) => seen.acknowledged.extend((first..).zip(guests)),
            None | Some(Err(SharedError::OutcomeUnknown { .. })) => seen.unknown.extend(guests),
            Some(Err(SharedError::Unavailable { .. } | SharedError::Closed)) => {}
            Some(Err(other)) => panic!("{other:#}"),
        }
    }
}

async fn call(world: Arc<World>, caller: u64, mut choices: Chance) {
    for number in 0..CALLS {
        let replica = world.any(&mut choices);
        let count = 1 + choices.below(3);
        let guests: Vec<_> = (0..count).map(|at| format!("{caller}.{number}.{at}")).collect();
        let applied = replica.apply_batch(guests.iter().map(op));
        let answer = match choices.below(4) {
            0 => timeout(Duration::from_micros(choices.below(50_000)), applied).await.ok(),
            _ => Some(applied.await),
        };
        world.note(guests, answer.map(|answer| answer.map(|numbers| *numbers.start())));
        if number % 4 == 0 {
            let acknowledged = world.seen.lock().unwrap().acknowledged.len();
            let read = replica.read_linearizable(|guests| guests.names.len());
            if let Ok(Ok(count)) = timeout(Duration::from_secs(1), read).await {
                assert!(count >= acknowledged, "a read is stale");
            }
        }
    }
}

async fn come_and_go(world: Arc<World>, mut choices: Chance) {
    for _ in 0..RETURNS {
        sleep(Duration::from_micros(choices.below(200_000))).await;
        let arrived = world.arrived(&mut choices).await;
        let gone = {
            let mut replicas = world.replicas.lock().unwrap();
            let at = choices.below(replicas.len() as u64) as usize;
            std::mem::replace(&mut replicas[at], arrived)
        };
        if choices.below(2) == 0 {
            // Not for ever: there may be no patience.
            let _ = timeout(Duration::from_secs(1), gone.close()).await;
        }
    }
}

async fn listen(world: Arc<World>, mut choices: Chance) {
    for _ in 0..SUBSCRIPTIONS {
        let replica = world.any(&mut choices);
        let mut next = 1 + choices.below(replica.sequence() + 1);
        let mut changes = replica.subscribe(next);
        for _ in 0..50 {
            let patience = Duration::from_micros(choices.below(20_000));
            match timeout(patience, changes.next()).await {
                Err(_) | Ok(Some(Err(SharedError::Journal { .. }))) => {}
                Ok(None) => break,
                Ok(Some(Err(SharedError::Trimmed { seq, first }))) => {
                    assert!(seq == next && first > seq);
                    break;
                }
                Ok(Some(Err(other))) => panic!("{other:#}"),
                Ok(Some(Ok(change))) => {
                    assert_eq!(change.seq, next, "something was left out, or came twice");
                    next += 1;
                    let GuestOp::LetIn(guest) = change.mutation else {
                        panic!("nobody asked for it")
                    };
                    let mut seen = world.seen.lock().unwrap();
                    let given = seen.given.entry(change.seq).or_insert_with(|| guest.name.clone());
                    assert_eq!(*given, guest.name, "two were given different mutations");
                }
            }
        }
    }
}

async fn survive(seed: u64) {
    let mut choices = Chance(seed);
    let world = Arc::new(World {
        house: House::default(),
        // Half of the histories have callers who wait for ever.
        patience: (seed % 2 == 1).then_some(Duration::from_millis(300)),
        replicas: Mutex::default(),
        connections: Mutex::default(),
        seen: Mutex::default(),
    });
    for _ in 0..3 {
        let replica = world.arrived(&mut choices).await;
        world.replicas.lock().unwrap().push(replica);
    }
    let mut tasks = Vec::new();
    let mut another = || Chance(choices.below(u64::MAX));
    for caller in 0..CALLERS {
        tasks.push(tokio::spawn(call(Arc::clone(&world), caller, another())));
    }
    for _ in 0..LISTENERS {
        tasks.push(tokio::spawn(listen(Arc::clone(&world), another())));
    }
    tasks.push(tokio::spawn(come_and_go(Arc::clone(&world), another())));
    for task in tasks {
        task.await.unwrap_or_else(|failed| panic!("seed {seed}: {failed}"));
    }
    for faults in &*world.connections.lock().unwrap() {
        faults.calm();
        faults.reconnect();
    }
    world.house.journal.land_late();
    let judge = world.house.replica().await;
    let found = names(&judge);
    let Seen { acknowledged, unknown, given } = &*world.seen.lock().unwrap();
    let distinct: BTreeSet<_> = found.iter().collect();
    assert_eq!(distinct.len(), found.len(), "seed {seed}: a guest was let in twice");
    assert_eq!(judge.sequence(), found.len() as u64, "seed {seed}: a mutation was applied twice");
    for (seq, guest) in acknowledged.iter().chain(given) {
        let there = found.get(*seq as usize - 1);
        assert_eq!(there, Some(guest), "seed {seed}: mutation {seq}");
    }
    let known: Vec<_> = found.iter().filter(|guest| !unknown.contains(*guest)).collect();
    let acknowledged: Vec<_> = acknowledged.values().collect();
    assert_eq!(known, acknowledged, "seed {seed}: somebody came in who was refused");
}

#[test]
fn answers_are_true_and_subscriptions_whole_whoever_goes_away() {
    each_survives(40, survive);
}
