//! What the `ministate` command promises, through the binary, on directories that the library wrote.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on stops, and tests look at real files"
)]

mod command;
mod journals;
mod damage;
mod directories;
mod following;
mod looking;
mod copies;
mod compacting;
mod importing;
mod terminal;
mod guide;
mod repairing;
mod resealing;
mod voiding;
mod large;
