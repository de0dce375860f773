//! Which node leads, and how often was one elected?

use serde_json::Value;

use super::{Cluster, eventually};

impl Cluster {
    /// The node that leads now; waits for the election of one.
    ///
    /// # Panics
    ///
    /// Where none is elected.
    pub fn leader(&self) -> usize {
        self.leader_among(|_| true)
    }

    /// The node that leads the others, once they have elected one of them. A node that is cut off may
    /// still take itself for the leader.
    ///
    /// # Panics
    ///
    /// Where none is elected.
    pub fn leader_without(&self, left_out: usize) -> usize {
        self.leader_among(|node| node != left_out)
    }

    /// The number of the last election.
    ///
    /// # Panics
    ///
    /// Where not all nodes tell.
    pub fn term(&self) -> u64 {
        let status = self.etcdctl_at_last(&["endpoint", "status", "--write-out", "json"]);
        let status: Vec<Value> = serde_json::from_str(&status).unwrap();
        let terms = status.iter().map(|node| node["Status"]["raftTerm"].as_u64().unwrap());
        terms.max().unwrap()
    }

    fn leader_among(&self, is_one: impl Fn(usize) -> bool) -> usize {
        let leads = |at: &usize| {
            let metrics = self.asked(*at, "/metrics").unwrap_or_default();
            metrics.lines().any(|line| line == "etcd_server_is_leader 1")
        };
        let nodes: Vec<_> = (0..self.nodes.len()).filter(|node| is_one(*node)).collect();
        let leader = eventually(|| nodes.iter().copied().find(leads));
        leader.expect("no node was elected")
    }
}
