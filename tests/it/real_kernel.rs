//! Does the promise hold on the real kernel: full disks, calls that fail, power cuts?
//!
//! `just kernel` runs more rounds of each.

mod account;
mod failing_calls;
mod failing_syncs;
mod full_disk;
mod machine;
mod power;
mod writer;

/// How many rounds a test has; `just kernel` asks for more than the usual.
fn rounds(usual: u64) -> u64 {
    std::env::var("MINISTATE_KERNEL_ROUNDS").map_or(usual, |rounds| rounds.parse().unwrap())
}
