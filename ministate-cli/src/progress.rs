//! How far is long work, for somebody who looks?

use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressStyle};

/// What takes less is over before a bar is read.
const BYTES_MIN: u64 = 32 << 20;

/// A bar on standard error; none where that is no terminal, or the work is short.
pub(crate) struct Progress(Option<ProgressBar>);

impl Progress {
    pub(crate) fn of_bytes(bytes: u64) -> Progress {
        if bytes < BYTES_MIN || !io::stderr().is_terminal() {
            return Progress(None);
        }
        let bar = ProgressBar::new(bytes);
        let template = "{bar:40} {bytes} of {total_bytes}, {eta} left";
        bar.set_style(
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        Progress(Some(bar))
    }

    /// So many bytes are done, of so many.
    pub(crate) fn reached(&self, done: u64, total: u64) {
        if let Some(bar) = &self.0 {
            bar.set_length(total);
            bar.set_position(done);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
