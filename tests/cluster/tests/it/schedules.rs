//! What befalls the replicas, one thing after the other: in `just cluster` for longer.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use ministate_cluster::schedule::{self, Schedule, Summary};

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
fn replicas_agree_while_the_answers_of_etcd_are_lost() {
    stands(Schedule::AnswersAreLost);
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
    let Summary { struck, counts, first, .. } = &summary;
    for fault in schedule.faults() {
        assert!(struck.iter().any(|struck| struck.fault == *fault), "no {fault:?}: {summary}");
    }
    for struck in struck {
        assert!(struck.acknowledged_after > 0, "nothing after {struck:?}: {summary}");
    }
    assert!(counts.acknowledged >= 100 && counts.reads >= 10, "{summary}");
    assert!(counts.left > 0 && counts.given >= counts.acknowledged, "{summary}");
    assert!(counts.snapshots >= 2 && *first > 1, "{summary}");
}
