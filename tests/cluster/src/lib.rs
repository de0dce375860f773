//! What the tests of replicas over etcd are made of.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

pub mod etcd;
pub mod history;
pub mod judge;
pub mod linearizability;
pub mod netns;
pub mod replica;
pub mod schedule;
pub mod state;
pub mod way;
