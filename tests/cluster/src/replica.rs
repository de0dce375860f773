//! What does a replica do? Its clients change and read numbers all the time, and write down what they
//! are told.

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fastrand::Rng;
use ministate::shared::{SharedError, SharedManager, SharedOptions};
use ministate_etcd::EtcdOptions;
use ministate_object_store::ObjectStoreSnapshots;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::history::{Event, History};
use crate::state::{Answer, Call, Change, Registers, RegistersOp};

/// What a replica is told when it starts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Settings {
    /// Where etcd answers.
    pub endpoints: Vec<String>,
    /// Where the journal lies in it.
    pub prefix: String,
    /// Where the snapshots lie.
    pub snapshots: PathBuf,
    /// What it is to write down is written to.
    pub history: PathBuf,
    /// Which of all processes it is; those that were killed count.
    pub process: u64,
    /// How many operations go on at a time.
    pub clients: u64,
    /// How long they wait; for ever where nothing is said.
    pub patience: Option<Duration>,
    /// After how many mutations a snapshot is made.
    pub snapshot_every: NonZeroU64,
    /// What the clients' choices come from.
    pub seed: u64,
}

/// What a replica is told later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Order {
    /// Let the clients work.
    Work,
    /// Let them end.
    Stop,
    /// Tell the state, and end.
    Tell,
}

/// Operations of a process have ids behind its number times this.
pub const IDS: u64 = 10_000_000;

/// How many numbers there are.
const KEYS: u8 = 5;

/// Between two samples of the state.
const SAMPLE_EVERY: Duration = Duration::from_millis(3);

/// After what failed.
const PAUSE: Duration = Duration::from_millis(20);

/// Does what it is told to.
pub async fn run(settings: Settings, mut orders: watch::Receiver<Order>) {
    let history = History::create(&settings.history);
    let (first_id, clients, seed) = (settings.process * IDS, settings.clients, settings.seed);
    let Some(manager) = opened(settings, &history).await else { return };
    history.tell(Event::Opened(manager.sequence()));
    let replica = Replica { manager, history, ids: AtomicU64::new(first_id) };
    let replica = Arc::new(replica);
    let sampling = tokio::spawn(Arc::clone(&replica).sample());
    let clients = (0..clients).map(|number| {
        let random = Rng::with_seed(seed.wrapping_add(number));
        tokio::spawn(Arc::clone(&replica).work(random, orders.clone()))
    });
    let clients: Vec<_> = clients.collect();
    for client in clients {
        if let Err(error) = client.await {
            replica.broken(&format!("a client: {error}"));
        }
    }
    // Entries land in their order: those before it, too, are there or will never be.
    let last = Call::Put(-1);
    while !replica.change(0, last).await {
        sleep(PAUSE).await;
    }
    replica.history.tell(Event::Quiet);
    // Whoever gave the orders does not go before the last one.
    let _ = orders.wait_for(|order| *order == Order::Tell).await;
    sampling.abort();
    let registers = loop {
        match replica.manager.read_linearizable(Registers::clone).await {
            Ok(registers) => break registers,
            Err(_) => sleep(PAUSE).await,
        }
    };
    let Registers { applied, digest, .. } = registers;
    replica.history.tell(Event::Final { applied, digest });
}

type Manager = SharedManager<Registers, RegistersOp>;

/// Opens the state, as soon as etcd answers.
async fn opened(settings: Settings, history: &History) -> Option<Manager> {
    let mut options = SharedOptions::new().snapshot_every(settings.snapshot_every);
    if let Some(patience) = settings.patience {
        options = options.patience(patience);
    }
    loop {
        let journal = EtcdOptions::new(&settings.endpoints).prefix(&settings.prefix).open();
        let snapshots = ObjectStoreSnapshots::in_directory(&settings.snapshots).await.unwrap();
        let Ok(journal) = journal.await else {
            sleep(PAUSE).await;
            continue;
        };
        match options.clone().open(journal, snapshots).await {
            Ok(manager) => return Some(manager),
            Err(SharedError::Journal { .. } | SharedError::Store { .. }) => sleep(PAUSE).await,
            Err(error) => {
                history.tell(Event::Broken(format!("opening: {error:#}")));
                return None;
            }
        }
    }
}

struct Replica {
    manager: Manager,
    history: History,
    ids: AtomicU64,
}

impl Replica {
    /// What a client does.
    async fn work(self: Arc<Self>, mut random: Rng, orders: watch::Receiver<Order>) {
        while *orders.borrow() == Order::Work {
            let key = random.u8(..KEYS);
            let number = random.i64(0..i64::MAX);
            let was_done = match random.u8(..8) {
                0..2 => self.change(key, Call::Put(number)).await,
                2..4 => self.change(key, Call::Add(number)).await,
                4..6 => {
                    // Often still what is there.
                    let here = self.manager.read(|registers| registers.number(key));
                    self.change(key, Call::CompareAndSet(here, number)).await
                }
                _ => self.read(key).await,
            };
            if !was_done {
                sleep(PAUSE).await;
            }
        }
    }

    async fn change(&self, key: u8, call: Call) -> bool {
        let id = self.ids.fetch_add(1, Ordering::Relaxed);
        let change = Change { id, key, call };
        self.history.tell(Event::Asked(change.clone()));
        let outcome = self.manager.execute(change).await;
        let was_done = outcome.is_ok();
        self.history.tell(match outcome {
            Ok(applied) => {
                let (seq, answer): (u64, Answer) = (applied.seq, applied.output);
                Event::Changed { id, seq, answer }
            }
            Err(
                error @ (SharedError::Unavailable { .. }
                | SharedError::NotAdmitted { .. }
                | SharedError::Refused { .. }
                | SharedError::TooLarge { .. }),
            ) => Event::Refused { id, error: format!("{error:#}") },
            Err(error @ SharedError::OutcomeUnknown { .. }) => {
                Event::Unknown { id, error: format!("{error:#}") }
            }
            Err(error) => self.broken(&format!("a change: {error:#}")),
        });
        was_done
    }

    async fn read(&self, key: u8) -> bool {
        let id = self.ids.fetch_add(1, Ordering::Relaxed);
        self.history.tell(Event::AskedToRead { id, key });
        let outcome = self.manager.read_linearizable(Registers::seen).await;
        let was_done = outcome.is_ok();
        self.history.tell(match outcome {
            Ok(seen) => Event::Read { id, seen },
            Err(error @ (SharedError::Unavailable { .. } | SharedError::Journal { .. })) => {
                Event::Refused { id, error: format!("{error:#}") }
            }
            Err(error) => self.broken(&format!("a read: {error:#}")),
        });
        was_done
    }

    /// There is nothing to go on with.
    fn broken(&self, what: &str) -> ! {
        self.history.tell(Event::Broken(what.to_string()));
        process::exit(1)
    }

    async fn sample(self: Arc<Self>) {
        let (mut last, mut snapshot) = (None, None);
        loop {
            let read = |registers: &Registers, seq| (seq, registers.digest);
            let now = Some(self.manager.read_with_sequence(read));
            if let (true, Some((seq, digest))) = (now != last, now) {
                self.history.tell(Event::Sampled { seq, digest });
            }
            let newest = Some(self.manager.status().snapshot);
            if let (true, Some(newest)) = (newest != snapshot, newest) {
                self.history.tell(Event::Snapshot(newest));
            }
            (last, snapshot) = (now, newest);
            sleep(SAMPLE_EVERY).await;
        }
    }
}
