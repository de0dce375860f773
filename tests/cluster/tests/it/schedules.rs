//! What befalls the replicas, one thing after the other: in `just cluster` for longer.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use ministate_cluster::schedule::{self, Schedule};

#[test]
fn replicas_agree_while_the_leader_of_etcd_is_killed() {
    stands(Schedule::LeaderIsKilled);
}

#[test]
fn replicas_agree_while_the_leader_of_etcd_is_stopped() {
    stands(Schedule::LeaderIsStopped);
}

#[test]
fn replicas_agree_while_all_nodes_of_etcd_are_killed() {
    stands(Schedule::AllNodesAreKilled);
}

#[test]
fn replicas_agree_while_the_network_of_etcd_is_cut() {
    stands(Schedule::NetworkIsCut);
}

#[test]
fn replicas_agree_while_some_are_killed_and_overtaken() {
    stands(Schedule::ReplicasAreKilled);
}

/// Lets the faults strike, and asks whether enough happened for the judgement to mean something.
fn stands(schedule: Schedule) {
    static TURN: Mutex<()> = Mutex::new(());
    let _alone = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let program = Path::new(env!("CARGO_BIN_EXE_replica"));
    let Some(summary) = schedule::run(schedule, program) else { return };
    println!("{summary}");
    assert!(summary.faults > 0, "{summary}");
    assert!(summary.counts.acknowledged >= 100 && summary.counts.reads >= 10, "{summary}");
    assert!(summary.counts.snapshots >= 2 && summary.first > 1, "{summary}");
    let are_replicas_struck = schedule == Schedule::ReplicasAreKilled;
    assert_eq!(summary.overtaken > 0, are_replicas_struck, "{summary}");
}
