//! When does a handler that reads the clock read something else?

use std::thread;
use std::time::{Duration, SystemTime};

/// Waits until the clock shows another second than now: what a program kept of it before differs
/// from what it will read from now on, down to whole seconds.
pub(super) fn wait_for_another_second() {
    let seconds = |time: Duration| time.as_secs();
    let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let begun = now();
    thread::sleep(Duration::from_secs(seconds(begun) + 1).saturating_sub(begun));
    // A sleep can end early by the clock, which somebody may have set meanwhile.
    while seconds(now()) == seconds(begun) {
        thread::sleep(Duration::from_millis(1));
    }
}
