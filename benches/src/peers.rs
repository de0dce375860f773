//! What is asked of a peer, what do ours and the seed answer, and on which state and mutation?
#![expect(clippy::disallowed_methods, reason = "lengthens the seed's journal")]

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::future::Future;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use ministate::Mutations;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::runtime::{Builder, Runtime};

use crate::{Outcome, machine};

/// How many entries the state grows to, and stays at.
pub const ENTRIES: u64 = 1_000;

/// With the rest of a [`Put`] it makes about 100 bytes of JSON.
const VALUE: &str =
    "a value of some length, as names, addresses, sums and remarks have it together";

#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub struct Map {
    values: HashMap<u64, String>,
}

impl Map {
    pub fn insert(&mut self, put: Put) {
        self.values.insert(put.key, put.value);
    }

    /// The length of a value, which is all that a reader wants of it here.
    pub fn look_up(&self, key: u64) -> usize {
        self.values.get(&key).map_or(0, String::len)
    }

    pub fn entries(&self) -> u64 {
        self.values.len() as u64
    }

    pub fn visit(&self, mut see: impl FnMut(u64, &str)) {
        for (key, value) in &self.values {
            see(*key, value);
        }
    }

    /// How much memory it takes, as hashbrown and the allocator of glibc lay it out.
    pub fn bytes(&self) -> u64 {
        let entry = size_of::<(u64, String)>() + 1;
        let places = (self.values.capacity() * 8 / 7).next_power_of_two();
        let text = |value: &String| (value.capacity() + 8).next_multiple_of(16);
        (places * entry + self.values.values().map(text).sum::<usize>()) as u64
    }
}

/// A mutation of about 100 bytes.
#[derive(Debug, Serialize, Deserialize)]
pub struct Put {
    pub key: u64,
    pub value: String,
}

impl Put {
    pub fn numbered(number: u64) -> Put {
        Put::among(number, ENTRIES)
    }

    /// One of so many entries. Its value begins with the number: a peer may well write nothing
    /// where nothing changes.
    pub fn among(number: u64, entries: u64) -> Put {
        const DIGITS: usize = 8;
        let mut digits = [b'0'; DIGITS];
        let mut rest = number;
        for digit in digits.iter_mut().rev() {
            *digit += (rest % 10) as u8;
            rest /= 10;
        }
        let mut value = String::with_capacity(VALUE.len());
        value.push_str(str::from_utf8(&digits).unwrap_or_default());
        value.push_str(&VALUE[DIGITS..]);
        Put { key: number % entries, value }
    }

    /// One whose value tells it from all others, for those who look at what is there.
    pub fn stamped(key: u64, number: u64) -> Put {
        let mut value = format!("{number} ");
        value.push_str(&VALUE[value.len().min(VALUE.len())..]);
        Put { key, value }
    }

    fn put_into(&self, map: &mut Map) {
        map.values.insert(self.key, self.value.clone());
    }
}

impl ministate::Mutator<Map> for Put {
    fn apply(&self, map: &mut Map) {
        self.put_into(map);
    }
}

impl seed::Mutator<Map> for Put {
    fn apply(&self, map: &mut Map) {
        self.put_into(map);
    }
}

pub const JOURNAL: &str = "map.wal.jsonl";

/// How those who call a peer wait for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Callers {
    /// As tasks of one runtime: its calls are asynchronous.
    Tasks,
    /// As threads, one for each writer: its calls block. This spares it the way to a pool of
    /// threads and back that a call from a task would take.
    Threads,
}

/// Where the current state of a peer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// In a map of the program, complete once the peer is open.
    InMemory,
    /// In the peer's own structures, on the disk, too; who wants a map has to make it.
    Native,
}

/// Calls of a peer whose callers are threads never wait otherwise than by blocking.
pub trait Peer: Send + Sync + Sized + 'static {
    const CALLERS: Callers;
    const STATE: State;

    fn open(dir: &Path) -> impl Future<Output = Outcome<Self>> + Send;

    /// Durably.
    fn apply(&self, put: Put) -> impl Future<Output = Outcome<()>> + Send;

    /// All of them durably, with one sync where the peer has a way to.
    fn apply_batch(
        &self,
        puts: impl Iterator<Item = Put> + Send,
    ) -> impl Future<Output = Outcome<()>> + Send;

    /// The length of one value, by the cheapest way there is to the current state.
    fn look_up(&self, key: u64) -> impl Future<Output = usize> + Send;

    /// Every entry there is, once.
    fn visit(&self, see: impl FnMut(u64, &str) + Send) -> impl Future<Output = Outcome<()>> + Send;

    /// How many mutations it has had, where it knows.
    fn sequence(&self) -> Option<u64>;

    /// What there is to do before it is dropped.
    fn close(&self) -> impl Future<Output = Outcome<()>> + Send {
        async { Ok(()) }
    }
}

/// The mutation as new programs have it: the handler gets its fields, and need not clone them.
#[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
#[mutations(state = Map)]
pub enum MapOp {
    Put { key: u64, value: String },
}

impl Map {
    fn put(&mut self, key: u64, value: String) {
        self.values.insert(key, value);
    }
}

impl From<Put> for MapOp {
    fn from(Put { key, value }: Put) -> MapOp {
        MapOp::Put { key, value }
    }
}

#[derive(Debug)]
pub struct Ours<M = Put>(pub ministate::StateManager<Map, M>);

impl<M> Peer for Ours<M>
where
    M: ministate::Mutator<Map> + From<Put> + Serialize + DeserializeOwned + Send + 'static,
{
    const CALLERS: Callers = Callers::Tasks;
    const STATE: State = State::InMemory;

    async fn open(dir: &Path) -> Outcome<Ours<M>> {
        Ok(Ours(ministate::Options::new().open(dir, JOURNAL).await?))
    }

    async fn apply(&self, put: Put) -> Outcome<()> {
        self.0.apply(put.into()).await?;
        Ok(())
    }

    async fn apply_batch(&self, puts: impl Iterator<Item = Put> + Send) -> Outcome<()> {
        self.0.apply_batch(puts.map(M::from)).await?;
        Ok(())
    }

    async fn look_up(&self, key: u64) -> usize {
        self.0.read(|map| map.look_up(key))
    }

    async fn visit(&self, see: impl FnMut(u64, &str) + Send) -> Outcome<()> {
        self.0.read(|map| map.visit(see));
        Ok(())
    }

    fn sequence(&self) -> Option<u64> {
        Some(self.0.sequence())
    }

    async fn close(&self) -> Outcome<()> {
        Ok(self.0.close().await?)
    }
}

/// ministate 0.1.3.
#[derive(Debug)]
pub struct Seed(seed::StateManager<Map, Put>);

impl Peer for Seed {
    const CALLERS: Callers = Callers::Tasks;
    const STATE: State = State::InMemory;

    async fn open(dir: &Path) -> Outcome<Seed> {
        Ok(Seed(seed::StateManager::open(dir, JOURNAL).await?))
    }

    async fn apply(&self, put: Put) -> Outcome<()> {
        self.0.apply(put).await?;
        Ok(())
    }

    /// It has no batches.
    async fn apply_batch(&self, puts: impl Iterator<Item = Put> + Send) -> Outcome<()> {
        for put in puts {
            self.0.apply(put).await?;
        }
        Ok(())
    }

    async fn look_up(&self, key: u64) -> usize {
        self.0.snapshot().await.look_up(key)
    }

    async fn visit(&self, see: impl FnMut(u64, &str) + Send) -> Outcome<()> {
        self.0.snapshot().await.visit(see);
        Ok(())
    }

    fn sequence(&self) -> Option<u64> {
        Some(self.0.sequence())
    }
}

/// The journal of the seed in this directory with records up to so many, over so many entries.
///
/// It syncs every record by itself, which takes minutes. It writes the first ones; the others are
/// written as it writes them, which is seen from those first ones.
pub fn write_seed(dir: &Path, records: u64, entries: u64) -> Outcome<()> {
    let own = records.min(100);
    runtime()?.block_on(async {
        let seed = Seed::open(dir).await?;
        seed.apply_batch((0..own).map(|number| Put::among(number, entries))).await
    })?;
    let line = |number| serde_json::to_string(&Put::among(number, entries));
    let path = dir.join(JOURNAL);
    let text = fs::read_to_string(&path)?;
    // The first line is about the file.
    for (number, written) in (0..own).zip(text.lines().skip(1)) {
        if written != line(number)? {
            return Err(format!("the seed writes {written:?}").into());
        }
    }
    let mut file = BufWriter::new(OpenOptions::new().append(true).open(path)?);
    for number in own..records {
        writeln!(file, "{}", line(number)?)?;
    }
    Ok(file.into_inner()?.sync_all()?)
}

/// A new one for every measurement, so that no thread of one peer lives on beside the next. It can
/// do what those peers ask for that are there: in the harness of ours, that is nothing.
pub fn runtime() -> Outcome<Runtime> {
    Ok(Builder::new_multi_thread().worker_threads(machine::cores()).enable_all().build()?)
}

/// Applies so many mutations over so many entries, many of them at a time.
pub async fn fill<P: Peer>(peer: &Arc<P>, records: u64, entries: u64) -> Outcome<()> {
    const TASKS: u64 = 1_000;
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let peer = Arc::clone(peer);
            tokio::spawn(async move {
                for number in (task..records).step_by(TASKS as usize) {
                    peer.apply(Put::among(number, entries)).await?;
                }
                Outcome::Ok(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok(())
}
