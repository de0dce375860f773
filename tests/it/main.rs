//! What ministate promises, one module a promise.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on stops, and tests look at real files"
)]

mod backup;
mod bad_input;
mod beside_writers;
mod cancellation;
mod change_feed;
mod commit_protocol;
mod compatibility;
mod damage;
mod derive;
mod every_crash;
mod fault_points;
mod fidelity;
mod follower;
mod format;
mod group_commit;
mod guide;
mod hostile_input;
mod house;
mod import;
mod misuse;
mod newer_programs;
mod observation;
mod one_writer;
mod planted_bugs;
mod poison;
mod power_cuts;
mod published_api;
mod read_only;
#[cfg(target_os = "linux")]
mod real_kernel;
mod replay;
mod schema_histories;
mod schema_lock;
mod shared;
mod shared_seam;
mod snapshots;
mod state_versions;
mod testing_kit;
mod torn_tail;
mod upcasting;
mod upkeep;
mod usage;
mod void;
