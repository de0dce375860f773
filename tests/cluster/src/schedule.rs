//! Which faults strike the replicas and their etcd, and do they stand it?

mod stage;

use std::env;
use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::judge::Counts;
use stage::Stage;

/// Faults that strike again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schedule {
    /// The leader of etcd is killed, and comes back.
    LeaderIsKilled,
    /// The leader of etcd stops where it stands, and goes on.
    LeaderIsStopped,
    /// All nodes of etcd are killed, and come back.
    AllNodesAreKilled,
    /// The leader of etcd is cut off from the others: alone, or together with the clients.
    NetworkIsCut,
    /// Replicas are killed and others take their places; or stop until the journal does not hold any
    /// more what they want next.
    ReplicasAreKilled,
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
    /// How many faults struck.
    pub faults: usize,
    /// How many replicas were started in the place of one that was killed.
    pub restarts: usize,
    /// How many replicas were stopped until the journal did not hold any more what they wanted next.
    pub overtaken: usize,
    /// The first place that the journal holds in the end.
    pub first: u64,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary { schedule, seed, counts, faults, restarts, overtaken, first } = self;
        write!(
            f,
            "{schedule:?}, seed {seed}: {faults} faults, {counts}, {restarts} replicas restarted, \
             {overtaken} overtaken, journal from place {first}"
        )
    }
}

/// Lets the faults strike four replicas, which are of this program, and their etcd of three nodes for
/// `MINISTATE_CLUSTER_SECONDS`, or 8; then lets all recover, and judges. `None`, having said so, where there
/// is nothing to do it with.
///
/// # Panics
///
/// Where something is wrong; then what the processes wrote down is kept.
pub fn run(schedule: Schedule, program: &Path) -> Option<Summary> {
    let told = |name: &str| env::var(name).ok().map(|told| told.parse::<u64>().unwrap());
    let seed = told("MINISTATE_CLUSTER_SEED").unwrap_or_else(|| fastrand::u64(..1_000_000));
    let lasts = Duration::from_secs(told("MINISTATE_CLUSTER_SECONDS").unwrap_or(8));
    let mut stage = Stage::set(schedule, program, seed)?;
    let end = Instant::now() + lasts;
    while Instant::now() < end {
        stage.pass(500..1_500);
        strike(schedule, &mut stage);
    }
    Some(stage.judged(schedule, seed))
}

fn strike(schedule: Schedule, stage: &mut Stage) {
    match schedule {
        Schedule::LeaderIsKilled => {
            let leader = stage.cluster.leader();
            stage.cluster.kill(leader);
            stage.pass(1_000..2_000);
            stage.cluster.restart(leader);
        }
        Schedule::LeaderIsStopped => {
            let leader = stage.cluster.leader();
            stage.cluster.pause(leader);
            stage.pass(3_000..4_000);
            stage.cluster.resume(leader);
        }
        Schedule::AllNodesAreKilled => {
            for node in 0..3 {
                stage.cluster.kill(node);
            }
            stage.pass(0..1_500);
            stage.cluster.restart_all();
        }
        Schedule::NetworkIsCut => {
            let leader = stage.cluster.leader();
            stage.cut(leader);
            stage.pass(2_000..4_000);
            stage.heal();
        }
        Schedule::ReplicasAreKilled if stage.faults.is_multiple_of(2) => stage.overtake_a_replica(),
        Schedule::ReplicasAreKilled => stage.replace_replicas(),
    }
    stage.faults += 1;
}
