//! What ministate promises, one module a promise.

mod bad_input;
mod cancellation;
mod damage;
mod fidelity;
mod format;
mod group_commit;
mod house;
mod one_writer;
mod poison;
mod power_cuts;
mod published_api;
mod torn_tail;
