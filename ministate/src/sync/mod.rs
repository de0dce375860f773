//! What do threads and tasks share, and wait with? The one door to it: a model checker, which has
//! to decide who goes on at each of these, puts its own in their place.

#[cfg(shuttled)]
pub mod model;

#[cfg(shuttled)]
pub(crate) use {
    model::{Handle, RuntimeFlavor, block_in_place, task, thread},
    shuttle::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, atomic},
};
#[cfg(not(shuttled))]
pub(crate) use {
    std::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, atomic},
    std::thread,
    tokio::runtime::{Handle, RuntimeFlavor},
    tokio::task::{self, block_in_place},
};
