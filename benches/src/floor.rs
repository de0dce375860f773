//! How fast does the disk make 128 bytes durable, when nobody does anything else?
#![expect(clippy::disallowed_methods, reason = "measures the bare file, beside ministate's own")]

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::samples::{Recorder, Sample, Window};
use crate::{Outcome, machine};

const RECORD: [u8; 128] = [b'r'; 128];

/// The file that is filled ahead has this size, and is written over again from its beginning.
const FILLED_BYTES: u64 = 4 << 20;

/// Larger writes leave larger folios in the page cache, which make small syncs slower.
static FILL: [u8; 64 << 10] = [b'\n'; 64 << 10];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum File {
    /// Neither its length nor its blocks change any more: a sync has only the data to write.
    Filled,
    /// Grows with every record.
    Appended,
}

pub fn measure(file: File, measured: Duration, dir: &Path) -> Outcome<Sample> {
    let path = dir.join("floor");
    let opened = OpenOptions::new().create_new(true).write(true).open(path)?;
    if file == File::Filled {
        fill(&opened)?;
    }
    let window = Window::from_now(measured);
    let mut recorder = Recorder::new(window.clone());
    let mut position = 0;
    let mut processor = None;
    let mut began = Instant::now();
    loop {
        opened.write_all_at(&RECORD, position)?;
        opened.sync_data()?;
        let completed = Instant::now();
        if processor.is_none() && completed >= window.start() {
            processor = Some(machine::processor_time());
        }
        if !recorder.record(began, completed) {
            break;
        }
        position += RECORD.len() as u64;
        if file == File::Filled {
            position %= FILLED_BYTES;
        }
        began = completed;
    }
    let processor = machine::processor_time() - processor.unwrap_or_default();
    Ok(Sample { recorders: vec![recorder], measured, processor })
}

fn fill(file: &std::fs::File) -> io::Result<()> {
    for position in (0..FILLED_BYTES).step_by(FILL.len()) {
        file.write_all_at(&FILL, position)?;
    }
    file.sync_all()
}
