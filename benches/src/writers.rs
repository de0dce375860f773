//! How many mutations do so many writers make durable, each with one after the other?

use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::{Handle, Runtime};
use tokio::task::JoinHandle;

use crate::peers::{self, Callers, ENTRIES, Peer, Put};
use crate::samples::{Recorder, Sample, Window};
use crate::{Failure, Outcome, machine};

/// Of writers with many stacks at once, which they hardly use.
const STACK_BYTES: usize = 256 << 10;

pub fn measure<P: Peer>(writers: usize, measured: Duration, dir: &Path) -> Outcome<Sample> {
    let runtime = peers::runtime()?;
    let peer = Arc::new(runtime.block_on(P::open(dir))?);
    let (sample, written) = apply(&runtime, &peer, writers, measured, Put::numbered)?;
    runtime.block_on(check(&*peer, &written))?;
    runtime.block_on(peer.close())?;
    Ok(sample)
}

/// Lets them write so long, and says how many mutations each wrote, the warm-up's, too. They number
/// them as if they took turns, so that no two are the same.
pub fn apply<P: Peer>(
    runtime: &Runtime,
    peer: &Arc<P>,
    writers: usize,
    measured: Duration,
    put: impl Fn(u64) -> Put + Clone + Send + Sync + 'static,
) -> Outcome<(Sample, Vec<u64>)> {
    let window = Window::from_now(measured);
    let stride = writers as u64;
    let writers = Writers::start::<P, _>(runtime, writers, |writer| {
        let put = put.clone();
        write(Arc::clone(peer), window.clone(), move |turn| put(writer + turn * stride))
    })?;
    thread::sleep(window.start().saturating_duration_since(Instant::now()));
    let before = machine::processor_time();
    thread::sleep(window.end().saturating_duration_since(Instant::now()));
    let processor = machine::processor_time() - before;
    let (recorders, written) = writers.finish(runtime)?.into_iter().unzip();
    Ok((Sample { recorders, measured, processor }, written))
}

/// One mutation after the other, until the window closes.
async fn write<P: Peer>(
    peer: Arc<P>,
    window: Window,
    put: impl Fn(u64) -> Put + Send,
) -> Outcome<(Recorder, u64)> {
    let mut recorder = Recorder::new(window);
    let mut written = 0;
    let mut began = Instant::now();
    loop {
        peer.apply(put(written)).await?;
        written += 1;
        let completed = Instant::now();
        if !recorder.record(began, completed) {
            return Ok((recorder, written));
        }
        began = completed;
    }
}

/// Whether what the writers wrote is there: all mutations, or all entries where nobody counts.
async fn check<P: Peer>(peer: &P, written: &[u64]) -> Outcome<()> {
    let (there, expected): (u64, u64) = if let Some(sequence) = peer.sequence() {
        (sequence, written.iter().sum())
    } else {
        let mut expected = [false; ENTRIES as usize];
        let stride = written.len() as u64;
        for (writer, written) in (0_u64..).zip(written) {
            for turn in 0..(*written).min(ENTRIES) {
                expected[((writer + turn * stride) % ENTRIES) as usize] = true;
            }
        }
        let mut there = 0;
        peer.visit(|_, _| there += 1).await?;
        (there, expected.iter().map(|expected| u64::from(*expected)).sum())
    };
    match there == expected {
        true => Ok(()),
        false => Err(format!("{expected} written, {there} there").into()),
    }
}

/// Those who run at the same time, as tasks or as threads, whichever suits the peer.
#[derive(Debug)]
pub enum Writers<T> {
    Tasks(Vec<JoinHandle<Outcome<T>>>),
    Threads(Vec<thread::JoinHandle<Outcome<T>>>),
}

impl<T: Send + 'static> Writers<T> {
    pub fn start<P: Peer, F: Future<Output = Outcome<T>> + Send + 'static>(
        runtime: &Runtime,
        writers: usize,
        work: impl Fn(u64) -> F,
    ) -> Outcome<Writers<T>> {
        let works = (0..writers as u64).map(work);
        Ok(match P::CALLERS {
            Callers::Tasks => Writers::Tasks(works.map(|work| runtime.spawn(work)).collect()),
            Callers::Threads => {
                let mut threads = Vec::with_capacity(writers);
                for work in works {
                    let (builder, runtime) = (thread::Builder::new(), runtime.handle().clone());
                    let builder = builder.stack_size(STACK_BYTES);
                    threads.push(builder.spawn(move || now(&runtime, work))?);
                }
                Writers::Threads(threads)
            }
        })
    }

    pub fn finish(self, runtime: &Runtime) -> Outcome<Vec<T>> {
        match self {
            Writers::Tasks(tasks) => runtime.block_on(async {
                let mut results = Vec::with_capacity(tasks.len());
                for task in tasks {
                    results.push(task.await??);
                }
                Ok(results)
            }),
            Writers::Threads(threads) => threads
                .into_iter()
                .map(|thread| thread.join().map_err(|_| Failure::from("a writer panicked"))?)
                .collect(),
        }
    }
}

/// What a future comes to. Where it has come to it at once, as calls that block and reads that
/// wait for nobody have, this costs nothing beside.
pub fn now<T>(runtime: &Handle, future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => runtime.block_on(future),
    }
}
