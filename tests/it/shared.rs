//! Several replicas of one state: what was acknowledged to anybody is in all of them, once, in one order.

mod applying;
mod chaos;
mod ending;
mod fixture;
mod hooked;
mod odd;
mod reading;
mod refusing;
mod restless;
mod rolling;
mod subscribing;
mod trouble;
mod upkeep;

use ministate::shared::memory::{MemoryJournal, MemorySnapshots};
use ministate::shared::{SharedManager, SharedOptions};
use ministate::{Mutations, Operation};
use serde::{Deserialize, Serialize};

/// Who was let in, in order; nobody twice unless something is wrong.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Guests {
    names: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct LetIn {
    name: String,
}

impl Operation<Guests> for LetIn {
    /// How many there are then; as an error where the guest was there already.
    type Output = Result<usize, usize>;

    fn execute(self, guests: &mut Guests) -> Result<usize, usize> {
        assert_ne!(self.name, "a bomb", "bombs explode");
        let count = guests.names.len();
        if guests.names.contains(&self.name) {
            return Err(count);
        }
        guests.names.push(self.name);
        Ok(count + 1)
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
#[mutations(state = Guests)]
enum GuestOp {
    LetIn(LetIn),
    SendAllHome,
}

impl Guests {
    fn send_all_home(&mut self) {
        self.names.clear();
    }
}

type Party = SharedManager<Guests, GuestOp>;

fn guest(name: impl Into<String>) -> LetIn {
    LetIn { name: name.into() }
}

fn op(name: impl Into<String>) -> GuestOp {
    GuestOp::LetIn(guest(name))
}

/// A journal and a store for as many replicas as one wants.
#[derive(Debug, Clone, Default)]
struct House {
    journal: MemoryJournal,
    snapshots: MemorySnapshots,
}

impl House {
    async fn replica(&self) -> Party {
        self.replica_with(SharedOptions::new()).await
    }

    async fn replica_with(&self, options: SharedOptions) -> Party {
        options.open(self.journal.clone(), self.snapshots.clone()).await.unwrap()
    }

    /// A replica, and what goes wrong on its connection.
    async fn shaky(&self, options: SharedOptions) -> (Party, ministate::shared::memory::Faults) {
        let journal = self.journal.clone();
        let faults = journal.faults();
        (options.open(journal, self.snapshots.clone()).await.unwrap(), faults)
    }
}

fn names(party: &Party) -> Vec<String> {
    party.read(|guests| guests.names.clone())
}

/// A runtime with so many threads.
fn runtime_of(threads: usize) -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(threads).enable_time().build().unwrap()
}

/// Lets random histories happen, by their seeds: so many, or as many as `MINISTATE_SHARED_HISTORIES` says, each on
/// a clock that does not wait.
fn each_survives<F: Future<Output = ()>>(histories: u64, survive: impl Fn(u64) -> F) {
    let told = std::env::var("MINISTATE_SHARED_HISTORIES");
    for seed in 0..told.map_or(histories, |told| told.parse().unwrap()) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(survive(seed));
    }
}
