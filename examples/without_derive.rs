//! What does a mutator look like that is written by hand, what does it do without, and how does it
//! get the derive later?
//!
//! ```sh
//! cargo run --example without_derive
//! ```
//!
//! For a state that is small and will not change for years. A record then has no tag and no version:
//!
//! - its shape may change only in ways that serde reads, such as a new variant, `default`, `alias`;
//! - a program that is too old is refused at the first record that it does not know, and not by the
//!   header of the journal; which record that is, only its error tells;
//! - there is no `execute`: whoever wants an answer looks at the state.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

use ministate::{MiniStateError, Mutator, Options, StateManager};
use serde::{Deserialize, Serialize};

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
struct Tasks {
    open: BTreeMap<u64, String>,
    last: u64,
}

/// In the journal it is what serde makes of it: `"d":{"add":{"title":"tea"}}`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum TaskOp {
    Add {
        title: String,
        // Came later. Records from before read as `false`, which is what they meant.
        #[serde(default)]
        urgent: bool,
    },
    Finish {
        task: u64,
    },
}

impl Mutator<Tasks> for TaskOp {
    // Runs again at every start, on the same records: no clock, no chance, no files.
    fn apply(&self, tasks: &mut Tasks) {
        match self {
            TaskOp::Add { title, urgent } => {
                tasks.last += 1;
                let title = if *urgent { format!("{title}!") } else { title.clone() };
                tasks.open.insert(tasks.last, title);
            }
            TaskOp::Finish { task } => {
                tasks.open.remove(task);
            }
        }
    }
}

/// The same operations with the derive: each has a name and a version in the journal, and from then
/// on may change as `evolve_schema` shows.
mod derived {
    use ministate::Mutations;
    use serde::{Deserialize, Serialize};

    use super::Tasks;

    #[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
    #[mutations(state = Tasks)]
    pub(crate) enum TaskOp {
        #[mutation(apply = add)]
        Add { title: String, urgent: bool },
        #[mutation(apply = finish)]
        Finish { task: u64 },
    }

    fn add(tasks: &mut Tasks, title: String, urgent: bool) {
        tasks.last += 1;
        tasks.open.insert(tasks.last, if urgent { title + "!" } else { title });
    }

    fn finish(tasks: &mut Tasks, task: u64) {
        tasks.open.remove(&task);
    }
}

const BY_HAND: &str = "tasks.wal.jsonl";
const DERIVED: &str = "tasks-2.wal.jsonl";

/// Records without names are not read by a derived enum, so a new journal begins, with the state
/// that the old one leads to. At later starts the old journal is not looked at any more.
fn go_over(dir: &Path) -> Result<StateManager<Tasks, derived::TaskOp>, MiniStateError> {
    if dir.join(DERIVED).exists() {
        return Options::new().blocking_open(dir, DERIVED);
    }
    let by_hand = Options::new().blocking_open::<Tasks, TaskOp>(dir, BY_HAND)?;
    let tasks = by_hand.read(Tasks::clone);
    // Nobody else writes the old journal meanwhile: `by_hand` has its lock until the end.
    Options::new().blocking_open_with(dir, DERIVED, tasks)
}

fn main() -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let by_hand: StateManager<Tasks, TaskOp> = Options::new().blocking_open(dir.path(), BY_HAND)?;
    by_hand.blocking_apply(TaskOp::Add { title: "tea".into(), urgent: false })?;
    by_hand.blocking_apply(TaskOp::Add { title: "call ann".into(), urgent: true })?;
    by_hand.blocking_apply(TaskOp::Finish { task: 1 })?;
    println!("by hand: {:?} behind mutation {}", by_hand.read(Tasks::clone), by_hand.sequence());
    by_hand.blocking_close()?;

    let derived = go_over(dir.path())?;
    derived.blocking_apply(derived::TaskOp::Add { title: "cake".into(), urgent: false })?;
    println!("derived: {:?} behind mutation {}", derived.read(Tasks::clone), derived.sequence());
    Ok(derived.blocking_close()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same type before it had a second field.
    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum FirstTaskOp {
        Add { title: String },
    }

    impl Mutator<Tasks> for FirstTaskOp {
        fn apply(&self, tasks: &mut Tasks) {
            let FirstTaskOp::Add { title } = self;
            TaskOp::Add { title: title.clone(), urgent: false }.apply(tasks);
        }
    }

    fn by_hand<M>(dir: &Path) -> Result<StateManager<Tasks, M>, MiniStateError>
    where
        M: Mutator<Tasks> + Serialize + for<'de> Deserialize<'de> + Send + 'static,
    {
        Options::new().blocking_open(dir, BY_HAND)
    }

    fn tea() -> Tasks {
        Tasks { open: [(1, "tea".into())].into(), last: 1 }
    }

    #[test]
    fn a_field_with_a_default_reads_what_was_written_before() {
        let dir = tempfile::tempdir().unwrap();
        let first = by_hand::<FirstTaskOp>(dir.path()).unwrap();
        first.blocking_apply(FirstTaskOp::Add { title: "tea".into() }).unwrap();
        first.blocking_close().unwrap();
        assert_eq!(by_hand::<TaskOp>(dir.path()).unwrap().read(Tasks::clone), tea());
    }

    #[test]
    fn a_program_that_is_too_old_is_refused_at_the_record() {
        let dir = tempfile::tempdir().unwrap();
        let second = by_hand::<TaskOp>(dir.path()).unwrap();
        second.blocking_apply(TaskOp::Add { title: "tea".into(), urgent: false }).unwrap();
        second.blocking_apply(TaskOp::Finish { task: 1 }).unwrap();
        second.blocking_close().unwrap();
        let refused = by_hand::<FirstTaskOp>(dir.path()).unwrap_err();
        assert!(matches!(refused, MiniStateError::Undecodable { seq: 2, .. }), "{refused}");
    }

    #[test]
    fn a_derived_enum_goes_on_in_a_journal_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let before = by_hand(dir.path()).unwrap();
        before.blocking_apply(TaskOp::Add { title: "tea".into(), urgent: false }).unwrap();
        before.blocking_close().unwrap();
        let refused = by_hand::<derived::TaskOp>(dir.path()).unwrap_err();
        assert!(matches!(refused, MiniStateError::Undecodable { seq: 1, .. }), "{refused}");

        let derived = go_over(dir.path()).unwrap();
        assert_eq!(derived.read(Tasks::clone), tea());
        derived.blocking_apply(derived::TaskOp::Finish { task: 1 }).unwrap();
        derived.blocking_close().unwrap();
        assert_eq!(go_over(dir.path()).unwrap().read(Tasks::clone).open.len(), 0);
    }

    #[test]
    fn the_example_runs() {
        main().unwrap();
    }
}
