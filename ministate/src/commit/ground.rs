//! Where blocking work runs: on the caller's runtime, and nowhere else.

use std::future::poll_fn;
use std::panic::resume_unwind;
use std::sync::{Arc, PoisonError};
use std::task::Poll;

use crate::observation;
use crate::sync::thread::{self, ThreadId};
use crate::sync::{Handle, Mutex, RuntimeFlavor, block_in_place, task};

/// Starts the job without waiting for it.
///
/// On a multi-threaded runtime the job becomes a task, whose thread hands its other tasks over
/// while it blocks: the disk is asked without a change of threads. On a current-thread runtime it
/// goes to the pool for blocking work. Without a runtime it runs here.
///
/// The job runs in any case: a runtime that shuts down drops its tasks, and the drop runs it.
pub(crate) fn start(runtime: Option<&Handle>, job: impl FnOnce() + Send + 'static) {
    let job = Certain(Some(job));
    match runtime {
        None => drop(job),
        Some(runtime) => match runtime.runtime_flavor() {
            RuntimeFlavor::MultiThread => {
                runtime.spawn(async move {
                    // Tasks that are ready now join the batch that the job will make.
                    let_others_run().await;
                    block_in_place(|| drop(job));
                });
            }
            _ => {
                runtime.spawn_blocking(|| drop(job));
            }
        },
    }
}

/// A job that runs when this is dropped.
struct Certain<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for Certain<F> {
    fn drop(&mut self) {
        if let Some(job) = self.0.take() {
            job();
        }
    }
}

/// Goes to the end of the queue of tasks that are ready.
async fn let_others_run() {
    let mut yielded = false;
    poll_fn(|context| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// What is known of the task that called last.
///
/// A caller that blocks its own thread, having handed over the thread's other tasks, saves two
/// changes of threads. That is for tasks of a multi-threaded runtime only: in a `LocalSet` it
/// panics, and there is no way to ask. But the tasks of a `LocalSet` never change threads, and
/// the others do soon, since [`start`] takes their thread from them.
#[derive(Debug, Default)]
pub(crate) struct Callers(Mutex<Option<Seen>>);

#[derive(Debug)]
struct Seen {
    task: task::Id,
    thread: ThreadId,
    on_two_threads: bool,
}

impl Callers {
    /// Whether the task that runs now can block in place.
    pub(crate) fn can_block(&self) -> bool {
        let (Some(task), Some(RuntimeFlavor::MultiThread)) = (task::try_id(), flavor()) else {
            return false;
        };
        let thread = thread::current().id();
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *last {
            Some(seen) if seen.task == task => {
                seen.on_two_threads |= seen.thread != thread;
                seen.on_two_threads
            }
            other => {
                *other = Some(Seen { task, thread, on_two_threads: false });
                false
            }
        }
    }
}

fn flavor() -> Option<RuntimeFlavor> {
    Handle::try_current().ok().map(|runtime| runtime.runtime_flavor())
}

/// Runs a job that blocks and waits for its result. Dropping the future does not stop the job.
pub(crate) async fn run<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> T {
    match Handle::try_current() {
        Err(_) => job(),
        Ok(runtime) => {
            let job = Arc::new(Mutex::new(Some(observation::in_span_of_caller(job))));
            let take =
                |job: &Mutex<Option<_>>| job.lock().unwrap_or_else(PoisonError::into_inner).take();
            let pooled = Arc::clone(&job);
            let run = move || take(&pooled).map(|job| job());
            match runtime.spawn_blocking(run).await {
                Ok(result) => result.expect("the job is taken once"),
                Err(failed) => match failed.try_into_panic() {
                    Ok(panic) => resume_unwind(panic),
                    // The runtime is shutting down and has dropped the job without running it.
                    Err(_cancelled) => take(&job).expect("the job was not taken")(),
                },
            }
        }
    }
}
