//! How many mutations a second, with one replica or more over three nodes of etcd? Beside appending them
//! one by one.
//!
//! `just bench-cluster`. All nodes run on this machine and its one disk, so only the ratios mean something.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ministate::Mutator;
use ministate::shared::memory::MemorySnapshots;
use ministate::shared::{Journal, Place, SharedError, SharedManager};
use ministate_cluster::etcd;
use ministate_etcd::EtcdOptions;
use serde::{Deserialize, Serialize};

#[derive(Debug, Default, Serialize, Deserialize)]
struct Total {
    cents: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Deposit {
    account: String,
    cents: u64,
}

impl Mutator<Total> for Deposit {
    fn apply(&self, total: &mut Total) {
        total.cents += self.cents;
    }
}

const CALLERS: [usize; 4] = [1, 16, 64, 256];
const REPLICAS: usize = 3;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let Some(cluster) = etcd::nodes(3).start() else {
        return Err("there is no etcd".into());
    };
    let open = |prefix: &str| EtcdOptions::new(cluster.endpoints()).prefix(prefix).open();
    let bare = open("/bare").await?;
    let (snapshots, mut replicas) = (MemorySnapshots::new(), Vec::new());
    for _ in 0..REPLICAS {
        let replica = SharedManager::open(open("/shared").await?, snapshots.clone()).await?;
        replicas.push(Arc::new(replica));
    }
    let one = &replicas[..1];

    let mut end = Place::START;
    let mut rates: Vec<(String, Vec<f64>)> = vec![
        ("conditional appends, one by one".to_string(), Vec::new()),
        (format!("mutations by 64 callers of {REPLICAS} replicas"), Vec::new()),
        ("linearizable reads by 64 readers of one".to_string(), Vec::new()),
    ];
    let of_one = |callers| (format!("mutations by {callers} callers of one"), Vec::new());
    rates.extend(CALLERS.map(of_one));
    for _ in 0..ROUNDS {
        rates[0].1.push(appended(&bare, &mut end).await?);
        rates[1].1.push(applied(&replicas, 64).await);
        rates[2].1.push(read(one).await);
        for ((_, rates), callers) in rates[3..].iter_mut().zip(CALLERS) {
            rates.push(applied(one, callers).await);
        }
    }
    println!("medians of {ROUNDS} rounds of {} s, interleaved; a second:", ROUND.as_secs());
    let rates: Vec<_> = rates.into_iter().map(|(name, rates)| (name, median(rates))).collect();
    for (name, rate) in &rates {
        println!("{name:<40} {rate:>7.0} {:>6.1}x", rate / rates[0].1);
    }
    Ok(())
}

fn deposit() -> Deposit {
    Deposit { account: "an account with a name of some length".to_string(), cents: 5 }
}

/// Entries of one record each, the next once the last one is there.
async fn appended(journal: &impl Journal, end: &mut Place) -> Result<f64, Box<dyn Error>> {
    // As large as an entry of a replica with one mutation.
    let entry: Arc<[u8]> = format!("{:400}\n", "an entry").into_bytes().into();
    let (begun, before) = (Instant::now(), end.number());
    while begun.elapsed() < ROUND {
        *end = journal.append(*end, Arc::clone(&entry)).await?;
    }
    Ok((end.number() - before) as f64 / begun.elapsed().as_secs_f64())
}

type Replica = Arc<SharedManager<Total, Deposit>>;

async fn applied(replicas: &[Replica], callers: usize) -> f64 {
    let apply = |replica: Replica| async move { replica.apply(deposit()).await.map(drop) };
    rate(replicas, callers, apply).await
}

async fn read(replicas: &[Replica]) -> f64 {
    let read = |replica: Replica| async move {
        replica.read_linearizable(|total| total.cents).await.map(drop)
    };
    rate(replicas, 64, read).await
}

/// How often the call succeeds in a second, made by so many tasks at the same time, which are divided
/// among the replicas.
async fn rate<F>(
    replicas: &[Replica],
    tasks: usize,
    call: impl Fn(Replica) -> F + Copy + Send + 'static,
) -> f64
where
    F: Future<Output = Result<(), SharedError>> + Send,
{
    let (done, is_over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let begun = Instant::now();
    let tasks: Vec<_> = (0..tasks)
        .map(|task| {
            let (done, is_over) = (Arc::clone(&done), Arc::clone(&is_over));
            let replica = Arc::clone(&replicas[task % replicas.len()]);
            tokio::spawn(async move {
                while !is_over.load(Ordering::Relaxed) {
                    call(Arc::clone(&replica)).await.unwrap_or_else(|error| panic!("{error:#}"));
                    done.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    tokio::time::sleep(ROUND).await;
    is_over.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.expect("no task panics");
    }
    done.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64()
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_unstable_by(f64::total_cmp);
    rates[rates.len() / 2]
}
