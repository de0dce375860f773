//! Which faults strike the replicas and their etcd, and do they stand it?

mod fault;
mod stage;

use std::collections::BTreeMap;
use std::env;
use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::history::{self, Event, Line};
use crate::judge::{self, Counts};
pub use fault::Fault;
use stage::Stage;

/// Faults that strike again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schedule {
    /// The leader of etcd is killed.
    LeaderIsKilled,
    /// The leader of etcd is stopped.
    LeaderIsStopped,
    /// All nodes of etcd are killed.
    AllNodesAreKilled,
    /// The leader of etcd is cut off from the others: together with the replicas, or alone.
    NetworkIsCut,
    /// What all nodes of etcd answer is lost, or what they are asked.
    AnswersAreLost,
    /// Replicas are overtaken by the others, or killed.
    ReplicasAreKilled,
}

/// What is between the replicas and the nodes of etcd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ground {
    /// The machine's own network.
    Plain,
    /// A network that can be cut.
    Network,
    /// Ways on which something can be lost.
    Ways,
}

impl Schedule {
    /// What strikes, one after the other, and then again from the first on.
    pub fn faults(self) -> &'static [Fault] {
        match self {
            Schedule::LeaderIsKilled => &[Fault::LeaderKilled],
            Schedule::LeaderIsStopped => &[Fault::LeaderStopped],
            Schedule::AllNodesAreKilled => &[Fault::AllNodesKilled],
            Schedule::NetworkIsCut => &[Fault::LeaderCutOffFromNodes, Fault::LeaderCutOff],
            Schedule::AnswersAreLost => &[
                Fault::AnswersLost,
                Fault::AnswersLostAndNodesGone,
                Fault::RequestsLost,
                Fault::AnswersLostForLong,
            ],
            Schedule::ReplicasAreKilled => &[
                Fault::ReplicaOvertaken,
                Fault::ReplicaReplaced,
                Fault::ReplicaOvertakenInDoubt,
                Fault::TwoReplicasReplaced,
            ],
        }
    }

    fn ground(self) -> Ground {
        match self {
            Schedule::LeaderIsKilled | Schedule::LeaderIsStopped | Schedule::AllNodesAreKilled => {
                Ground::Plain
            }
            Schedule::NetworkIsCut => Ground::Network,
            Schedule::AnswersAreLost | Schedule::ReplicasAreKilled => Ground::Ways,
        }
    }
}

/// A fault that struck.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Struck {
    /// Which.
    pub fault: Fault,
    /// How many changes were acknowledged while it lasted.
    pub acknowledged_during: usize,
    /// How many then, until the next one.
    pub acknowledged_after: usize,
}

/// What a schedule came to.
#[derive(Debug, Clone)]
pub struct Summary {
    /// Which.
    pub schedule: Schedule,
    /// What its choices came from: `MINISTATE_CLUSTER_SEED` makes them again.
    pub seed: u64,
    /// What the replicas and their clients did.
    pub counts: Counts,
    /// What struck, in its order.
    pub struck: Vec<Struck>,
    /// The first place that the journal holds in the end.
    pub first: u64,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary { schedule, seed, counts, struck, first } = self;
        let mut times = BTreeMap::<_, usize>::new();
        for struck in struck {
            *times.entry(struck.fault).or_default() += 1;
        }
        let during: usize = struck.iter().map(|struck| struck.acknowledged_during).sum();
        write!(
            f,
            "{schedule:?}, seed {seed}: struck {times:?}, {counts}, {during} of the acknowledged \
             while a fault lasted, journal from place {first}"
        )
    }
}

/// Lets the faults strike four replicas, which are of this program, and their etcd of three nodes for
/// `MINISTATE_CLUSTER_SECONDS`, or 8, but each of them once at least; then lets all recover, and judges. `None`,
/// having said so, where there is nothing to do it with.
///
/// # Panics
///
/// Where something is wrong; then what the processes wrote down is kept.
pub fn run(schedule: Schedule, program: &Path) -> Option<Summary> {
    let told = |name: &str| env::var(name).ok().map(|told| told.parse::<u64>().unwrap());
    let seed = told("MINISTATE_CLUSTER_SEED").unwrap_or_else(|| fastrand::u64(..1_000_000));
    let lasts = Duration::from_secs(told("MINISTATE_CLUSTER_SECONDS").unwrap_or(8));
    let mut stage = Stage::set(schedule.ground(), program, seed)?;
    let end = Instant::now() + lasts;
    let mut times = Vec::new();
    for (count, &fault) in schedule.faults().iter().cycle().enumerate() {
        if count >= schedule.faults().len() && Instant::now() >= end {
            break;
        }
        stage.pass(300..1_000);
        let begun = history::now();
        fault.strike(&mut stage);
        times.push((fault, begun, history::now()));
        stage.wait_until_all_work();
        if stage.is_any_broken() {
            break;
        }
    }
    let (histories, first) = stage.ended();
    let counts = judge::judged(&histories).unwrap_or_else(|wrongs| {
        let count = wrongs.len();
        let folder = stage.kept();
        let shown: Vec<_> = wrongs.into_iter().take(10).collect();
        panic!("{schedule:?}, seed {seed}: {count} wrong, see {folder:?}: {shown:#?}");
    });
    let missed = stage.missed();
    assert!(missed.is_empty(), "{schedule:?}, seed {seed}: it was to be that {missed:?}");
    Some(Summary { schedule, seed, counts, struck: struck(&times, &histories), first })
}

fn struck(times: &[(Fault, u64, u64)], histories: &[Vec<Line>]) -> Vec<Struck> {
    let lines = histories.iter().flatten();
    let acknowledged = lines.filter(|line| matches!(line.event, Event::Changed { .. }));
    let acknowledged: Vec<_> = acknowledged.map(|line| line.at).collect();
    let between =
        |from: u64, to: u64| acknowledged.iter().filter(|at| (from..to).contains(*at)).count();
    let ends = times.iter().skip(1).map(|(_, begun, _)| *begun).chain([u64::MAX]);
    let struck = times.iter().zip(ends).map(|(&(fault, begun, over), next)| Struck {
        fault,
        acknowledged_during: between(begun, over),
        acknowledged_after: between(over, next),
    });
    struck.collect()
}
