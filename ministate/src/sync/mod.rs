//! What do threads and tasks share, and wait with? The one door to it: a model checker, which has
//! to decide who goes on at each of these, puts its own in their place.

#[cfg(shuttled)]
pub mod model;

#[cfg(shuttled)]
pub(crate) use {
    model::{Handle, RuntimeFlavor, block_in_place, task, thread},
    shuttle::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, atomic, mpsc},
};
#[cfg(not(shuttled))]
pub(crate) use {
    std::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, atomic, mpsc},
    tokio::runtime::{Handle, RuntimeFlavor},
    tokio::task::{self, block_in_place},
};

#[cfg(not(shuttled))]
pub(crate) mod thread {
    pub(crate) use std::thread::*;

    /// Starts a thread.
    pub(crate) fn spawn_named<T: Send + 'static>(
        name: &str,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> std::io::Result<JoinHandle<T>> {
        Builder::new().name(name.to_string()).spawn(job)
    }

    /// Starts a thread; `None` where the system has none.
    pub(crate) fn spawn_in<'scope, T: Send + 'scope>(
        scope: &'scope Scope<'scope, '_>,
        name: &str,
        job: impl FnOnce() -> T + Send + 'scope,
    ) -> Option<ScopedJoinHandle<'scope, T>> {
        Builder::new().name(name.to_string()).spawn_scoped(scope, job).ok()
    }
}
