//! What does each command tell?

pub(crate) mod status;
pub(crate) mod cat;
pub(crate) mod tail;
pub(crate) mod verify;
pub(crate) mod repair;
pub(crate) mod void;
pub(crate) mod reseal;
pub(crate) mod schema;
pub(crate) mod diff;
pub(crate) mod stats;
pub(crate) mod snapshots;
pub(crate) mod copies;
pub(crate) mod compact;
pub(crate) mod import;
pub(crate) mod generate;
mod census;
mod printed;
mod rewritten;
mod schema_lock;
mod selection;
mod states;
