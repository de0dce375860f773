//! What befalls the replicas and their etcd, and did it really?

use std::ops::Range;

use super::stage::Stage;
use crate::way::Loss;

/// Something that strikes, and is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The leader of etcd is killed, and comes back.
    LeaderKilled,
    /// The leader of etcd stops where it stands, and goes on.
    LeaderStopped,
    /// All nodes of etcd are killed, and come back.
    AllNodesKilled,
    /// The leader of etcd is cut off from everybody.
    LeaderCutOff,
    /// The leader of etcd is cut off from the other nodes, and replicas reach it.
    LeaderCutOffFromNodes,
    /// Appends are carried out, and nobody is answered, until the connections are cut: before those who
    /// wait have lost their patience.
    AnswersLost,
    /// The same, until they have.
    AnswersLostForLong,
    /// Nothing that is asked gets to any node, and then the connections are cut.
    RequestsLost,
    /// A replica stops until the journal does not hold any more what it wants next.
    ReplicaOvertaken,
    /// A replica is killed, and another one takes its place.
    ReplicaReplaced,
    /// Two are.
    TwoReplicasReplaced,
}

impl Fault {
    /// Lets it strike, and be over.
    ///
    /// # Panics
    ///
    /// Where it did not do what it is there for.
    pub(super) fn strike(self, stage: &mut Stage) {
        match self {
            Fault::LeaderKilled => elect(stage, |stage, leader| {
                stage.cluster.kill(leader);
                stage.cluster.leader_without(leader);
                stage.pass(0..1_000);
                stage.cluster.restart(leader);
            }),
            Fault::LeaderStopped => elect(stage, |stage, leader| {
                stage.cluster.pause(leader);
                stage.cluster.leader_without(leader);
                stage.pass(1_000..2_000);
                stage.cluster.resume(leader);
            }),
            Fault::AllNodesKilled => elect(stage, |stage, _| {
                for node in 0..3 {
                    stage.cluster.kill(node);
                }
                stage.pass(0..1_500);
                stage.cluster.restart_all();
            }),
            Fault::LeaderCutOff => elect(stage, |stage, leader| {
                stage.network().cut_off(leader);
                stage.cluster.leader_without(leader);
                stage.pass(500..2_000);
                stage.network().heal();
            }),
            Fault::LeaderCutOffFromNodes => elect(stage, |stage, leader| {
                stage.network().cut_off_from_nodes(leader);
                stage.cluster.leader_without(leader);
                stage.pass(500..2_000);
                stage.network().heal();
            }),
            Fault::AnswersLost => lose_answers(stage, 100..800),
            Fault::AnswersLostForLong => lose_answers(stage, 2_500..3_500),
            Fault::RequestsLost => lose_requests(stage),
            Fault::ReplicaOvertaken => stage.overtake_a_replica(),
            Fault::ReplicaReplaced => stage.replace_replicas(1),
            Fault::TwoReplicasReplaced => stage.replace_replicas(2),
        }
    }
}

/// Strikes the leader, so that another one is elected, or the same one anew.
fn elect(stage: &mut Stage, strike: impl FnOnce(&mut Stage, usize)) {
    let (leader, term) = (stage.cluster.leader(), stage.cluster.term());
    strike(stage, leader);
    assert!(stage.cluster.term() > term, "no leader was elected");
}

fn lose_answers(stage: &mut Stage, milliseconds: Range<u64>) {
    stage.lose(Loss::Answers);
    stage.wait_until_more_is_appended_than_acknowledged();
    stage.pass(milliseconds);
    assert!(stage.appended() > stage.acknowledged(), "an answer was not lost");
    stage.lose(Loss::Nothing);
}

fn lose_requests(stage: &mut Stage) {
    let lost = stage.lost();
    stage.lose(Loss::Requests);
    // What was asked before is carried out.
    stage.pass(500..600);
    let appended = stage.appended();
    stage.pass(500..2_500);
    assert_eq!(stage.appended(), appended, "a request was not lost");
    assert!(stage.lost() > lost, "nothing was asked");
    stage.lose(Loss::Nothing);
}
