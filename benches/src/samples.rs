//! What does a measurement leave, and which numbers are read off it?

use std::ops::Range;
use std::time::{Duration, Instant};

/// When operations count: after the warm-up, before the end.
#[derive(Debug, Clone)]
pub struct Window(Range<Instant>);

impl Window {
    pub fn from_now(measured: Duration) -> Window {
        let start = Instant::now() + warm_up(measured);
        Window(start..start + measured)
    }

    /// Everything counts, however long it takes.
    pub fn unlimited() -> Window {
        const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
        let now = Instant::now();
        Window(now..now + YEAR)
    }

    pub fn start(&self) -> Instant {
        self.0.start
    }

    pub fn end(&self) -> Instant {
        self.0.end
    }
}

/// Long enough for threads to be there and files to have grown their first pieces.
pub fn warm_up(measured: Duration) -> Duration {
    measured / 4
}

/// Writes down how long operations took.
#[derive(Debug)]
pub struct Recorder {
    window: Window,
    nanoseconds: Vec<u64>,
    /// Of the operation that the end of the window came upon.
    overdue: Option<u64>,
}

impl Recorder {
    pub fn new(window: Window) -> Recorder {
        Recorder { window, nanoseconds: Vec::new(), overdue: None }
    }

    /// Counts the operation if it was completed within the window. Says whether there is time for
    /// another one.
    pub fn record(&mut self, began: Instant, completed: Instant) -> bool {
        let took = completed.duration_since(began).as_nanos() as u64;
        if self.window.0.contains(&completed) {
            self.nanoseconds.push(took);
        }
        let has_time = completed < self.window.0.end;
        if !has_time && began < self.window.0.end {
            self.overdue = Some(took);
        }
        has_time
    }
}

/// One measurement as it was written down. It is evaluated after the last one.
#[derive(Debug)]
pub struct Sample {
    pub recorders: Vec<Recorder>,
    pub measured: Duration,
    /// Processor time of the whole process within the window.
    pub processor: Duration,
}

/// What is read off a measurement; times are in nanoseconds.
#[derive(Debug, Clone, Copy)]
pub struct Figures {
    pub per_second: f64,
    pub p50: f64,
    pub p99: f64,
    pub p999: f64,
    /// Processor time for one operation.
    pub processor: f64,
}

impl Sample {
    pub fn evaluate(self) -> Figures {
        let Sample { recorders, measured, processor } = self;
        let completed: usize = recorders.iter().map(|recorder| recorder.nanoseconds.len()).sum();
        // Those that the end came upon were not completed in time. But where one writer goes on and
        // the others starve, it is only in them that the waiting can be seen.
        let mut latencies: Vec<u64> = recorders
            .into_iter()
            .flat_map(|recorder| recorder.nanoseconds.into_iter().chain(recorder.overdue))
            .collect();
        latencies.sort_unstable();
        // The latency that this share of the operations did not exceed.
        let percentile = |share: f64| {
            let at = (latencies.len() as f64 * share).ceil() as usize;
            latencies.get(at.saturating_sub(1)).map_or(f64::NAN, |latency| *latency as f64)
        };
        Figures {
            per_second: completed as f64 / measured.as_secs_f64(),
            p50: percentile(0.5),
            p99: percentile(0.99),
            p999: percentile(0.999),
            processor: processor.as_nanos() as f64 / completed as f64,
        }
    }
}

/// The median over the rounds of what is read off each.
pub fn median<T>(rounds: &[T], read_off: impl FnMut(&T) -> f64) -> f64 {
    middle(rounds.iter().map(read_off).collect())
}

/// The median of the ratios that two peers had in the same rounds.
pub fn median_ratio<T>(rounds: &[T], others: &[T], read_off: impl Fn(&T) -> f64) -> f64 {
    let pairs = rounds.iter().zip(others);
    middle(pairs.map(|(round, other)| read_off(round) / read_off(other)).collect())
}

fn middle(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_unstable_by(f64::total_cmp);
    let half = numbers.len() / 2;
    match numbers.len() % 2 {
        _ if numbers.is_empty() => f64::NAN,
        0 => f64::midpoint(numbers[half - 1], numbers[half]),
        _ => numbers[half],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(middle(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(middle(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
    }

    #[test]
    fn so_many_do_not_exceed_a_percentile() {
        let from = Instant::now();
        let window = Window(from..from + Duration::from_secs(2));
        let nanoseconds = (1..=1_000).rev().collect();
        let recorders = vec![Recorder { window, nanoseconds, overdue: None }];
        let measured = Duration::from_secs(2);
        let processor = Duration::from_micros(3);
        let figures = Sample { recorders, measured, processor }.evaluate();
        assert_eq!([figures.p50, figures.p99, figures.p999], [500.0, 990.0, 999.0]);
        assert_eq!([figures.per_second, figures.processor], [500.0, 3.0]);
    }

    #[test]
    fn who_starves_is_seen() {
        let from = Instant::now();
        let second = Duration::from_secs(1);
        let mut recorder = Recorder::new(Window(from..from + second));
        assert!(!recorder.record(from, from + 2 * second));
        let sample = Sample { recorders: vec![recorder], measured: second, processor: second };
        let figures = sample.evaluate();
        assert_eq!((figures.per_second, figures.p99), (0.0, 2e9));
    }
}
