//! What does a replica do? Its clients change and read numbers all the time, and write down what they
//! are told.

mod listening;

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
use tokio::time::{sleep, timeout};

use crate::history::{Event, History};
use crate::state::{Answer, Call, Change, Registers, RegistersOp};
use listening::Beginning;

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

/// One of so many operations has a client who does not wait for the answer, but goes within this time.
const ONE_LEAVES_OF: u8 = 8;
const LEAVES_WITHIN: Duration = Duration::from_millis(30);

/// The subscription is waited for so long in the end.
const LISTENS_ON: Duration = Duration::from_secs(20);

/// Does what it is told to.
pub async fn run(settings: Settings, mut orders: watch::Receiver<Order>) {
    let history = History::create(&settings.history);
    let (first_id, clients, seed) = (settings.process * IDS, settings.clients, settings.seed);
    let beginning = if settings.process.is_multiple_of(2) {
        Beginning::First
    } else {
        Beginning::BehindTheState
    };
    let Some(manager) = opened(settings, &history).await else { return };
    let snapshot = manager.status().snapshot;
    history.tell(Event::Opened { seq: manager.sequence(), snapshot });
    let replica = Replica { manager, history, ids: AtomicU64::new(first_id) };
    let replica = Arc::new(replica);
    let sampling = tokio::spawn(Arc::clone(&replica).sample());
    let (passed, mut heard) = watch::channel(0);
    let listening = tokio::spawn(listening::listen(Arc::clone(&replica), beginning, passed));
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
    while !replica.change(0, last, Client::Stays).await {
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
    let all = applied.len() as u64;
    // What was not given by then is told by the judge.
    let _ = timeout(LISTENS_ON, heard.wait_for(|passed| *passed >= all)).await;
    if listening.is_finished() {
        replica.broken("nobody listens to the subscription");
    }
    listening.abort();
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

/// Who asked for an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Client {
    /// Waits for the answer.
    Stays,
    /// Goes after this time.
    Leaves(Duration),
}

impl Client {
    fn chosen(random: &mut Rng) -> Client {
        if random.u8(..ONE_LEAVES_OF) > 0 {
            return Client::Stays;
        }
        Client::Leaves(LEAVES_WITHIN.mul_f64(random.f64()))
    }

    /// What it is answered, unless it went before.
    async fn answered<T>(self, answer: impl Future<Output = T>) -> Option<T> {
        match self {
            Client::Stays => Some(answer.await),
            Client::Leaves(after) => timeout(after, answer).await.ok(),
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
            let client = Client::chosen(&mut random);
            let was_done = match random.u8(..8) {
                0..2 => self.change(key, Call::Put(number), client).await,
                2..4 => self.change(key, Call::Add(number), client).await,
                4..6 => {
                    // Often still what is there.
                    let here = self.manager.read(|registers| registers.number(key));
                    self.change(key, Call::CompareAndSet(here, number), client).await
                }
                _ => self.read(key, client).await,
            };
            if !was_done {
                sleep(PAUSE).await;
            }
        }
    }

    async fn change(&self, key: u8, call: Call, client: Client) -> bool {
        let id = self.ids.fetch_add(1, Ordering::Relaxed);
        let change = Change { id, key, call };
        self.history.tell(Event::Asked(change.clone()));
        let Some(outcome) = client.answered(self.manager.execute(change)).await else {
            self.history.tell(Event::Left { id });
            return true;
        };
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

    async fn read(&self, key: u8, client: Client) -> bool {
        let id = self.ids.fetch_add(1, Ordering::Relaxed);
        self.history.tell(Event::AskedToRead { id, key });
        let read = self.manager.read_linearizable(Registers::seen);
        let Some(outcome) = client.answered(read).await else {
            self.history.tell(Event::Left { id });
            return true;
        };
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
