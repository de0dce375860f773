//! What does a model checker put in place of Tokio? Runtimes each of whose steps it decides on.
//!
//! Only as much of them as decides who can lead: a task needs one of the workers to be polled, and
//! keeps it while it blocks, unless it says so; a runtime that shuts down drops its tasks. A task
//! that panics is not modelled, but fails the check.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use shuttle::future::AbortHandle;
use shuttle::rand::{Rng, thread_rng};
use shuttle::sync::{Condvar, Mutex};

/// A runtime. Its tasks go on until they end or it is shut down.
#[derive(Debug, Clone)]
pub struct Handle(Arc<Runtime>);

#[derive(Debug)]
struct Runtime {
    flavor: RuntimeFlavor,
    workers: Mutex<Workers>,
    freed: Condvar,
    /// `None` once it is shut down.
    tasks: Mutex<Option<Vec<AbortHandle>>>,
}

#[derive(Debug)]
struct Workers {
    idle: Vec<usize>,
    /// The next thread that takes over from one that blocks.
    next: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RuntimeFlavor {
    CurrentThread,
    MultiThread,
}

/// Where the code that runs now was called from.
#[derive(Debug, Clone)]
struct Place {
    runtime: Handle,
    worker: Option<usize>,
    holds_worker: bool,
}

shuttle::thread_local! {
    static PLACE: RefCell<Option<Place>> = RefCell::new(None);
}

fn place() -> Option<Place> {
    PLACE.with(|place| place.borrow().clone())
}

fn go_to(place: Option<Place>) {
    PLACE.with(|here| *here.borrow_mut() = place);
}

impl Handle {
    /// A runtime with so many workers.
    pub fn multi_thread(workers: usize) -> Handle {
        Handle::new(RuntimeFlavor::MultiThread, workers)
    }

    /// A runtime that polls one task at a time, and blocks elsewhere.
    pub fn current_thread() -> Handle {
        Handle::new(RuntimeFlavor::CurrentThread, 1)
    }

    fn new(flavor: RuntimeFlavor, workers: usize) -> Handle {
        let workers = Workers { idle: (0..workers).collect(), next: workers };
        Handle(Arc::new(Runtime {
            flavor,
            workers: Mutex::new(workers),
            freed: Condvar::new(),
            tasks: Mutex::new(Some(Vec::new())),
        }))
    }

    /// Drops all tasks where they wait, and all jobs that were not begun.
    ///
    /// # Panics
    ///
    /// Panics if the list of tasks is poisoned: one that held it has panicked.
    pub fn shut_down(&self) {
        let tasks = self.0.tasks.lock().expect(UNPOISONED).take();
        for task in tasks.into_iter().flatten() {
            task.abort();
        }
    }

    /// Starts a task.
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        self.start(Task { runtime: self.clone(), future: Box::pin(future) })
    }

    pub(crate) fn spawn_blocking<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        let runtime = self.clone();
        self.start(async move {
            go_to(Some(Place { runtime, worker: None, holds_worker: false }));
            job()
        })
    }

    fn start<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        let mut tasks = self.0.tasks.lock().expect(UNPOISONED);
        let Some(tasks) = &mut *tasks else { return JoinHandle(None) };
        let started = shuttle::future::spawn(task);
        tasks.push(started.abort_handle());
        JoinHandle(Some(started))
    }

    pub(crate) fn try_current() -> Result<Handle, OutsideRuntime> {
        place().map(|place| place.runtime).ok_or(OutsideRuntime)
    }

    pub(crate) fn runtime_flavor(&self) -> RuntimeFlavor {
        self.0.flavor
    }

    /// Waits for a worker.
    fn occupy(&self) -> usize {
        let workers = self.0.workers.lock().expect(UNPOISONED);
        let all_busy = |workers: &mut Workers| workers.idle.is_empty();
        let mut workers = self.0.freed.wait_while(workers, all_busy).expect(UNPOISONED);
        let at = thread_rng().gen_range(0..workers.idle.len());
        workers.idle.swap_remove(at)
    }

    fn free(&self, worker: usize) {
        self.0.workers.lock().expect(UNPOISONED).idle.push(worker);
        self.0.freed.notify_one();
    }

    /// Lets another thread do what a worker did.
    fn replace_worker(&self) {
        let next = {
            let mut workers = self.0.workers.lock().expect(UNPOISONED);
            workers.next += 1;
            workers.next - 1
        };
        self.free(next);
    }
}

const UNPOISONED: &str = "nothing panics while it is held";

#[derive(Debug)]
pub(crate) struct OutsideRuntime;

/// A future that a runtime polls.
struct Task<F> {
    runtime: Handle,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for Task<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let runtime = self.runtime.clone();
        let worker = runtime.occupy();
        go_to(Some(Place { runtime, worker: Some(worker), holds_worker: true }));
        let polled = self.future.as_mut().poll(context);
        if let Some(Place { runtime, holds_worker: true, .. }) = place() {
            runtime.free(worker);
        }
        go_to(None);
        polled
    }
}

/// The result of a task.
#[derive(Debug)]
pub struct JoinHandle<T>(Option<shuttle::future::JoinHandle<T>>);

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            None => Poll::Ready(Err(JoinError(()))),
            Some(task) => Pin::new(task).poll(context).map_err(|_aborted| JoinError(())),
        }
    }
}

/// Its runtime dropped the task.
#[derive(Debug)]
pub struct JoinError(());

impl JoinError {
    pub(crate) fn try_into_panic(self) -> Result<Box<dyn std::any::Any + Send>, JoinError> {
        Err(self)
    }
}

/// Blocks while another thread does the worker's work.
///
/// # Panics
///
/// Panics on a runtime of one thread, as Tokio's does.
pub(crate) fn block_in_place<T>(job: impl FnOnce() -> T) -> T {
    if let Some(mut place) = place() {
        assert_eq!(place.runtime.0.flavor, RuntimeFlavor::MultiThread, "only some can block");
        if std::mem::take(&mut place.holds_worker) {
            place.runtime.replace_worker();
        }
        go_to(Some(place));
    }
    job()
}

pub(crate) mod task {
    /// Which task runs, where one does.
    pub(crate) fn try_id() -> Option<Id> {
        let place = super::place()?;
        place.worker.map(|_| shuttle::thread::current().id())
    }

    pub(crate) type Id = shuttle::thread::ThreadId;
}

pub(crate) mod thread {
    use std::io;
    use std::num::NonZero;
    use std::time::Duration;

    pub(crate) use shuttle::thread::{JoinHandle, park, scope, yield_now};
    use shuttle::thread::{Scope, ScopedJoinHandle};

    /// The patience may end at any moment.
    pub(crate) fn park_timeout(_patience: Duration) {
        yield_now();
    }

    /// Starts a thread.
    pub(crate) fn spawn_named<T: Send + 'static>(
        _name: &str,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<JoinHandle<T>> {
        Ok(shuttle::thread::spawn(job))
    }

    /// Starts a thread.
    pub(crate) fn spawn_in<'scope, T: Send + 'scope>(
        scope: &'scope Scope<'scope, '_>,
        _name: &str,
        job: impl FnOnce() -> T + Send + 'scope,
    ) -> Option<ScopedJoinHandle<'scope, T>> {
        Some(scope.spawn(job))
    }

    pub(crate) fn available_parallelism() -> io::Result<NonZero<usize>> {
        Ok(NonZero::<usize>::MIN.saturating_add(1))
    }

    /// The thread that the code runs on; of a task, its worker's.
    pub(crate) struct Thread(shuttle::thread::Thread);

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) enum ThreadId {
        Worker(usize),
        Other(shuttle::thread::ThreadId),
    }

    pub(crate) fn current() -> Thread {
        Thread(shuttle::thread::current())
    }

    impl Thread {
        pub(crate) fn id(&self) -> ThreadId {
            match super::place().and_then(|place| place.worker) {
                Some(worker) => ThreadId::Worker(worker),
                None => ThreadId::Other(self.0.id()),
            }
        }

        pub(crate) fn unpark(&self) {
            self.0.unpark();
        }
    }
}
