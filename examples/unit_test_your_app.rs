//! How to test an application that keeps its state with ministate:
//!
//! ```sh
//! cargo test --example unit_test_your_app   # the tests, to copy from
//! cargo run --example unit_test_your_app    # what the checks look at, and what they find
//! cargo run --example unit_test_your_app -- write DIR   # writes the fixture of a release
//! ```
//!
//! A desk lends tools. Its handlers are right, but for one in `mistaken`, which reads the clock; the
//! checks find it before the next start of the program does.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::{env, panic};

use ministate::{MiniStateError, Mutations, Operation, Options, StateManager, testing};
use serde::{Deserialize, Serialize};

// The application: a state, what can happen to it, and the code around the manager.

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Desk {
    tools: BTreeSet<String>,
    loans: BTreeMap<String, Loan>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Loan {
    to: String,
    /// In seconds since 1970.
    until: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
#[mutations(state = Desk)]
enum DeskOp {
    Buy { tool: String },
    Lend(Lend),
    TakeBack { tool: String },
}

/// The time is a field: whoever makes the operation reads the clock, once, and every replay finds
/// in the journal what it read.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Lend {
    tool: String,
    to: String,
    now: u64,
}

#[derive(Debug, PartialEq)]
enum Refused {
    NoSuchTool,
    Lent,
}

const WEEK: u64 = 7 * 24 * 60 * 60;

impl Operation<Desk> for Lend {
    type Output = Result<u64, Refused>;

    fn execute(self, desk: &mut Desk) -> Self::Output {
        let Lend { tool, to, now } = self;
        if !desk.tools.contains(&tool) {
            return Err(Refused::NoSuchTool);
        }
        if desk.loans.contains_key(&tool) {
            return Err(Refused::Lent);
        }
        let until = now + WEEK;
        desk.loans.insert(tool, Loan { to, until });
        Ok(until)
    }
}

impl Desk {
    fn buy(&mut self, tool: String) {
        self.tools.insert(tool);
    }

    #[expect(clippy::needless_pass_by_value, reason = "an operation hands over its fields")]
    fn take_back(&mut self, tool: String) {
        self.loans.remove(&tool);
    }
}

type Desks = StateManager<Desk, DeskOp>;

/// Lends the first of the tools that is free.
fn lend_any(desk: &Desks, to: &str, now: u64) -> Result<Option<String>, MiniStateError> {
    let free =
        desk.read(|desk| desk.tools.iter().find(|tool| !desk.loans.contains_key(*tool)).cloned());
    let Some(tool) = free else { return Ok(None) };
    let lend = Lend { tool: tool.clone(), to: to.into(), now };
    // Somebody else may have been faster.
    Ok(desk.blocking_execute(lend)?.output.is_ok().then_some(tool))
}

// What to test it with: one list that has every operation in it, in every way it can end.

fn a_week() -> Vec<DeskOp> {
    let buy = |tool: &str| DeskOp::Buy { tool: tool.into() };
    let lend =
        |tool: &str, to: &str, now| DeskOp::Lend(Lend { tool: tool.into(), to: to.into(), now });
    let take_back = |tool: &str| DeskOp::TakeBack { tool: tool.into() };
    vec![
        buy("drill"),
        buy("saw"),
        lend("drill", "ann", 1_000),
        lend("drill", "bob", 2_000),
        lend("ladder", "bob", 2_000),
        lend("saw", "bob", 2_000),
        take_back("drill"),
        take_back("drill"),
        lend("drill", "bob", 3_000),
        buy("ladder"),
    ]
}

/// The same desk with a mistake that works well, until the program starts again.
mod mistaken {
    use std::collections::BTreeMap;
    use std::time::SystemTime;

    use ministate::Mutations;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Default, Serialize, Deserialize)]
    pub(super) struct Desk {
        until: BTreeMap<String, u64>,
    }

    #[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
    #[mutations(state = Desk)]
    pub(super) enum DeskOp {
        Lend { tool: String },
        TakeBack { tool: String },
    }

    impl Desk {
        fn lend(&mut self, tool: String) {
            // At a replay, next month, this is another time: all loans are new again.
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            self.until.insert(tool, now.as_secs() + super::WEEK);
        }

        #[expect(clippy::needless_pass_by_value, reason = "an operation hands over its fields")]
        fn take_back(&mut self, tool: String) {
            self.until.remove(&tool);
        }
    }

    pub(super) fn a_week() -> Vec<DeskOp> {
        vec![
            DeskOp::TakeBack { tool: "drill".into() },
            DeskOp::Lend { tool: "drill".into() },
            DeskOp::Lend { tool: "saw".into() },
        ]
    }
}

/// The journal of the first release, as it wrote it; made when it was the current one.
const RELEASE_1_0: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/unit_test_your_app");
const JOURNAL: &str = "desk.wal.jsonl";

fn write_release(dir: &str) -> Result<(), MiniStateError> {
    let desk: Desks = Options::new().blocking_open(dir, JOURNAL)?;
    desk.blocking_apply_batch(a_week())?;
    desk.blocking_close()
}

/// What that journal means for ever.
fn after_a_week() -> Desk {
    let loan = |to: &str, until| Loan { to: to.into(), until };
    Desk {
        tools: ["drill", "ladder", "saw"].map(String::from).into(),
        loans: [("drill", loan("bob", 607_800)), ("saw", loan("bob", 606_800))]
            .map(|(tool, loan)| (tool.into(), loan))
            .into(),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [write, dir] = arguments.as_slice()
        && write == "write"
    {
        return Ok(write_release(dir)?);
    }

    testing::assert_deterministic(Desk::default(), a_week());
    println!("deterministic: {} mutations lead to the same states again", a_week().len());

    let counts = testing::crash_test::<Desk, DeskOp>(a_week())?;
    println!("crash test: {counts}");

    testing::assert_replays::<Desk, DeskOp>(RELEASE_1_0, JOURNAL, &after_a_week());
    println!("replay: the journal of release 1.0 means what it meant");

    let desk = testing::in_memory_with(after_a_week());
    let tool = lend_any(&desk, "cid", 4_000)?;
    println!("in memory: cid gets the {}", tool.as_deref().unwrap_or("last of nothing"));

    println!("\nof the desk that reads the clock:");
    if let Err(failure) = testing::crash_test::<mistaken::Desk, _>(mistaken::a_week()) {
        println!("crash test: {failure}");
    }
    // A test just panics; this goes on to print the text.
    panic::set_hook(Box::new(|_| {}));
    let examined = panic::catch_unwind(|| {
        testing::assert_deterministic(mistaken::Desk::default(), mistaken::a_week());
    });
    let finding = examined.err().and_then(|panic| panic.downcast::<String>().ok());
    println!("deterministic: {}", finding.ok_or("nothing was found")?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handlers_do_the_same_again() {
        testing::assert_deterministic(Desk::default(), a_week());
    }

    #[test]
    fn a_crash_at_any_moment_loses_nothing() -> Result<(), testing::CrashFailure> {
        let counts = testing::crash_test::<Desk, DeskOp>(a_week())?;
        // So that a list which has become empty does not go unnoticed.
        assert!(counts.crash_states > 100, "{counts}");
        Ok(())
    }

    #[test]
    fn release_1_0_is_still_read() {
        testing::assert_replays::<Desk, DeskOp>(RELEASE_1_0, JOURNAL, &after_a_week());
    }

    #[test]
    fn any_free_tool_is_lent_until_there_is_none() -> Result<(), MiniStateError> {
        let desk = testing::in_memory_with(after_a_week());
        assert_eq!(lend_any(&desk, "cid", 4_000)?.as_deref(), Some("ladder"));
        assert_eq!(lend_any(&desk, "dan", 4_000)?, None);
        // The real manager: it journals, numbers, and tells of the past.
        assert_eq!(desk.sequence(), 1);
        assert_eq!(desk.blocking_state_at(0)?, after_a_week());
        Ok(())
    }

    #[test]
    #[should_panic(expected = "mutation 2, `lend@1` {\"tool\":\"drill\"}, leads to another state")]
    fn the_mistake_is_found_by_doing_it_again() {
        testing::assert_deterministic(mistaken::Desk::default(), mistaken::a_week());
    }

    #[test]
    fn the_mistake_is_found_after_a_crash() {
        let failure =
            testing::crash_test::<mistaken::Desk, _>(mistaken::a_week()).unwrap_err().to_string();
        assert!(failure.contains("`until.drill` was "), "{failure}");
        assert!(failure.contains("keep clocks"), "{failure}");
    }

    #[test]
    fn a_tool_is_lent_once() {
        let mut desk = after_a_week();
        let lend = |tool: &str| Lend { tool: tool.into(), to: "cid".into(), now: 0 };
        assert_eq!(lend("drill").execute(&mut desk), Err(Refused::Lent));
        assert_eq!(lend("hammer").execute(&mut desk), Err(Refused::NoSuchTool));
        assert_eq!(lend("ladder").execute(&mut desk), Ok(WEEK));
    }

    /// The fixture's list and this release's are the same today; the fixture stays when the list
    /// goes on.
    #[test]
    fn a_release_leaves_what_the_fixture_holds() -> Result<(), Box<dyn Error>> {
        let dir = tempfile::tempdir()?;
        let release = dir.path().to_str().unwrap_or_default();
        write_release(release)?;
        testing::assert_replays::<Desk, DeskOp>(release, JOURNAL, &after_a_week());
        Ok(())
    }
}
