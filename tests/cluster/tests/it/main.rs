//! Replicas over etcd stand what befalls them, and the judge who says so is not blind.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod judged;
mod schedules;
mod ways;
