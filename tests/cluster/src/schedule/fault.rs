//! What befalls the replicas and their etcd, and did it really?

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
    /// Appends are carried out and nobody is answered, until the connections are cut: before those who
    /// wait have lost their patience.
    AnswersLost,
    /// The same, until they have.
    AnswersLostForLong,
    /// Appends are carried out and nobody is answered; then no node can be reached, until those who wait
    /// have lost their patience: what was appended is in doubt, though nothing that was tried later is.
    AnswersLostAndNodesGone,
    /// Nothing that is asked gets to any node, and then the connections are cut.
    RequestsLost,
    /// A replica stops until the journal does not hold any more what it wants next.
    ReplicaOvertaken,
    /// The same, of the replica that has just appended an entry and was not answered.
    ReplicaOvertakenInDoubt,
    /// A replica is killed, and another one takes its place.
    ReplicaReplaced,
    /// Two are.
    TwoReplicasReplaced,
}

impl Fault {
    /// Lets it strike, and be over.
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
            Fault::AnswersLost => lose_answers(stage, |stage| stage.pass(100..800)),
            Fault::AnswersLostForLong => lose_answers(stage, |stage| stage.pass(2_500..3_500)),
            Fault::AnswersLostAndNodesGone => lose_answers(stage, |stage| {
                stage.close_ways();
                stage.pass(2_500..3_500);
                stage.open_ways();
            }),
            Fault::RequestsLost => lose_requests(stage),
            Fault::ReplicaOvertaken => {
                let replica = stage.chosen();
                stage.pause(replica);
                stage.resume_overtaken(replica);
            }
            Fault::ReplicaOvertakenInDoubt => overtake_in_doubt(stage),
            Fault::ReplicaReplaced => stage.replace_replicas(1),
            Fault::TwoReplicasReplaced => stage.replace_replicas(2),
        }
    }
}

/// Strikes the leader, so that another one is elected, or the same one anew.
fn elect(stage: &mut Stage, strike: impl FnOnce(&mut Stage, usize)) {
    let (leader, term) = (stage.cluster.leader(), stage.cluster.term());
    strike(stage, leader);
    let is_elected = stage.cluster.term() > term;
    stage.expect(is_elected, "a leader is elected");
}

/// Lets an entry be appended whose replica does not hear of it, nor does another one.
fn lose_answer(stage: &mut Stage) {
    stage.lose(Loss::Answers);
    stage.wait_until("more is appended than acknowledged", is_more_appended);
}

fn is_more_appended(stage: &mut Stage) -> bool {
    stage.appended() > stage.acknowledged()
}

fn lose_answers(stage: &mut Stage, then: impl FnOnce(&mut Stage)) {
    lose_answer(stage);
    then(stage);
    let is_lost = is_more_appended(stage);
    stage.expect(is_lost, "nobody hears of what was appended");
    stage.lose(Loss::Nothing);
}

fn overtake_in_doubt(stage: &mut Stage) {
    lose_answer(stage);
    let replica = stage.last_writer();
    stage.pause(replica);
    stage.lose(Loss::Nothing);
    stage.resume_overtaken(replica);
}

fn lose_requests(stage: &mut Stage) {
    let lost = stage.lost();
    stage.lose(Loss::Requests);
    // What was asked before is carried out.
    stage.pass(500..600);
    let appended = stage.appended();
    stage.pass(500..2_500);
    let (is_nothing_appended, is_asked) = (stage.appended() == appended, stage.lost() > lost);
    stage.expect(is_nothing_appended, "nothing is appended of which no node hears");
    stage.expect(is_asked, "somebody asks for something");
    stage.lose(Loss::Nothing);
}
