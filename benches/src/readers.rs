//! How long does a reader wait while a writer commits?

use std::hint::{black_box, spin_loop};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::Outcome;
use crate::peers::{self, ENTRIES, Peer, Put};
use crate::samples::{Figures, Recorder, Sample, Window};
use crate::writers::{Writers, now};

/// At most one read in so long, which keeps the reader from being all that there is to measure.
const PACE: Duration = Duration::from_micros(1);

#[derive(Debug)]
pub struct Measured {
    reads: Sample,
    writes: Sample,
}

#[derive(Debug)]
pub struct Evaluated {
    pub reads: Figures,
    pub writes: Figures,
}

impl Measured {
    pub fn evaluate(self) -> Evaluated {
        Evaluated { reads: self.reads.evaluate(), writes: self.writes.evaluate() }
    }
}

pub fn measure<P: Peer>(measured: Duration, dir: &Path) -> Outcome<Measured> {
    let runtime = peers::runtime()?;
    let peer = Arc::new(runtime.block_on(P::open(dir))?);
    runtime.block_on(peer.apply_batch((0..ENTRIES).map(Put::numbered)))?;
    let window = Window::from_now(measured);
    let writer = Writers::start::<P, _>(&runtime, 1, |_| write(Arc::clone(&peer), window.clone()))?;
    // On this thread, which is none of the runtime's: a reader who never waits would keep a worker
    // from the writer.
    let reads = read(&*peer, runtime.handle(), window);
    let writes = writer.finish(&runtime)?;
    runtime.block_on(peer.close())?;
    let sample = |recorders| Sample { recorders, measured, processor: Duration::ZERO };
    Ok(Measured { reads: sample(vec![reads?]), writes: sample(writes) })
}

fn read<P: Peer>(peer: &P, runtime: &Handle, window: Window) -> Outcome<Recorder> {
    let mut recorder = Recorder::new(window);
    for key in (0..ENTRIES).cycle() {
        let began = Instant::now();
        if black_box(now(runtime, peer.look_up(key))) == 0 {
            return Err(format!("nothing is at {key}").into());
        }
        if !recorder.record(began, Instant::now()) {
            break;
        }
        while began.elapsed() < PACE {
            spin_loop();
        }
    }
    Ok(recorder)
}

async fn write<P: Peer>(peer: Arc<P>, window: Window) -> Outcome<Recorder> {
    let mut recorder = Recorder::new(window);
    // What is there already would be no change.
    for number in ENTRIES.. {
        let began = Instant::now();
        peer.apply(Put::numbered(number)).await?;
        if !recorder.record(began, Instant::now()) {
            break;
        }
    }
    Ok(recorder)
}
