//! Which schedules are tried, and how is one that fails run again?

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use ministate_tests::say_loudly;
use shuttle::scheduler::{PctScheduler, RandomScheduler, ReplayScheduler, Scheduler};
use shuttle::{Config, MaxSteps, Runner};

/// Schedules of each scenario in `cargo test`; `MINISTATE_SCHEDULES` asks for another number.
const SCHEDULES: usize = 200;

const SEED: u64 = 0x5eed;

/// Runs a scenario under many schedules: half of them random, half with few changes at random
/// places (PCT). The same ones every time; and alone the one that `MINISTATE_SCHEDULE` gives.
pub(super) fn explore(name: &str, scenario: fn()) {
    if let Ok(schedule) = std::env::var("MINISTATE_SCHEDULE") {
        run(ReplayScheduler::new_from_encoded(schedule.trim()), scenario);
        return say_loudly(&format!("commit protocol: {name}: the given schedule passes"));
    }
    let asked = std::env::var("MINISTATE_SCHEDULES").ok();
    let schedules = asked.map_or(SCHEDULES, |asked| asked.parse().unwrap());
    let (begun, counted) = (Instant::now(), Counted::default());
    let explored = catch_unwind(AssertUnwindSafe(|| {
        run(RandomScheduler::new_from_seed(SEED, schedules / 2), counted.scenario(scenario));
        run(PctScheduler::new_from_seed(SEED, 2, schedules / 4), counted.scenario(scenario));
        run(PctScheduler::new_from_seed(SEED, 4, schedules / 4), counted.scenario(scenario));
    }));
    let (schedules, seconds) = (counted.schedules(), begun.elapsed().as_secs_f64());
    say_loudly(&format!("commit protocol: {name}: {schedules} schedules in {seconds:.1} s"));
    if let Err(failure) = explored {
        eprintln!(
            "replay the failing schedule above with\nMINISTATE_SCHEDULE=<it> \
             cargo test -p ministate-tests -- commit_protocol::{name} --nocapture"
        );
        resume_unwind(failure);
    }
}

/// Runs a scenario with a planted bug until a schedule shows it, and says how many that took.
/// Returns what the check said.
pub(super) fn caught(name: &str, scenario: fn()) -> String {
    let counted = Counted::default();
    let caught = catch_unwind(AssertUnwindSafe(|| {
        run(RandomScheduler::new_from_seed(SEED, 500), counted.scenario(scenario));
        run(PctScheduler::new_from_seed(SEED, 3, 2_000), counted.scenario(scenario));
    }));
    let Err(message) = caught else {
        panic!("the planted bug was not seen in {} schedules", counted.schedules());
    };
    say_loudly(&format!(
        "commit protocol: {name}: seen in schedule {}, as it must be",
        counted.schedules()
    ));
    match message.downcast::<String>() {
        Ok(message) => *message,
        Err(message) => (*message.downcast::<&str>().unwrap()).to_string(),
    }
}

#[derive(Default)]
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn scenario(&self, scenario: fn()) -> impl Fn() + Send + Sync + 'static {
        let schedules = Arc::clone(&self.0);
        move || {
            schedules.fetch_add(1, Ordering::Relaxed);
            scenario();
        }
    }

    fn schedules(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

fn run(scheduler: impl Scheduler + 'static, scenario: impl Fn() + Send + Sync + 'static) {
    let mut config = Config::new();
    // The types of a journal are deeper than those that checkers are usually given.
    config.stack_size = 1 << 20;
    config.max_steps = MaxSteps::FailAfter(50_000);
    config.silence_warnings = true;
    Runner::new(scheduler, config).run(scenario);
}
