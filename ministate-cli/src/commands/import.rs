//! `ministate import`: is a journal of ministate 0.1 one of ours now?

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ministate::RejectedSnapshot;
use ministate::inspect::{Carried, Declared, Opening, carried_over};
use ministate::storage::Storage;
use serde::Serialize;

use crate::Ending;
use crate::arguments::{self, Mutations};
use crate::failure::Failure;
use crate::output::{Count, Form, Output, Tone};
use crate::reading::Files;

#[derive(Serialize)]
struct Answer<'a> {
    journal: &'a str,
    imported: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    snapshot: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replayed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<u64>,
    torn_bytes: u64,
    rejected: Vec<String>,
    kept: Vec<PathBuf>,
}

/// What was taken over, and what opening it finds.
struct Over {
    rejected: Vec<RejectedSnapshot>,
    torn: u64,
    kept: Vec<PathBuf>,
    opening: Opening,
}

pub(crate) fn told(
    storage: &Arc<dyn Storage>,
    asked: &arguments::Import,
    output: &mut Output,
) -> Result<Ending, Failure> {
    let files = Files::named(&**storage, &asked.journal.dir, asked.journal.name.as_deref())?;
    let declared = asked.mutations.map(|mutations| match mutations {
        Mutations::ByHand => Declared::ByHand,
        Mutations::Derived => Declared::Derived,
    });
    let _lock = files.layout.locked(&**storage)?;
    let journal = files.layout.active();
    let over = match carried_over(storage, &files.layout, declared, asked.initial.as_deref())? {
        (Carried::Over { rejected, torn, kept }, Some(opening)) => {
            Some(Over { rejected, torn, kept, opening })
        }
        (Carried::Over { .. } | Carried::Ours, _) => None,
        (Carried::NoState, _) => return Err(Failure::NoInitialState { journal }),
        (Carried::NotDeclared { records }, _) => {
            return Err(Failure::NotDeclared { journal, records });
        }
        (Carried::BadState, _) => {
            let path = asked.initial.clone().unwrap_or_default();
            return Err(Failure::BadState { path });
        }
    };
    match (output.form, over) {
        (Form::Json, over) => output.json(&answer(&files, over))?,
        (Form::Text, None) => output.line(format_args!(
            "nothing to take over: {} is no journal of ministate 0.1",
            journal.display()
        ))?,
        (Form::Text, Some(over)) => for_people(&journal, &over, output)?,
    }
    Ok(Ending::Well)
}

fn answer(files: &Files, over: Option<Over>) -> Answer<'_> {
    let journal = &files.name;
    match over {
        None => Answer {
            journal,
            imported: false,
            snapshot: None,
            replayed: None,
            last: None,
            torn_bytes: 0,
            rejected: Vec::new(),
            kept: Vec::new(),
        },
        Some(Over { rejected, torn, kept, opening }) => Answer {
            journal,
            imported: true,
            snapshot: Some(opening.snapshot),
            replayed: Some(opening.replayed),
            last: Some(opening.last),
            torn_bytes: torn,
            rejected: rejected.iter().map(why).collect(),
            kept,
        },
    }
}

fn why(rejected: &RejectedSnapshot) -> String {
    match &rejected.why {
        Some(why) => why.to_string(),
        None => format!("{} is too old", rejected.path.display()),
    }
}

fn for_people(journal: &Path, over: &Over, output: &mut Output) -> Result<(), Failure> {
    let Over { rejected, torn, kept, opening } = over;
    let word = output.toned(Tone::Good, "taken over");
    output.line(format_args!("{word}: {} through mutation {}", journal.display(), opening.last))?;
    output.line(format_args!(
        "  recovery   begins with snapshot {}, replays {}",
        opening.snapshot,
        Count(opening.replayed, "mutation")
    ))?;
    for rejected in rejected {
        let passed = output.toned(Tone::Bad, "could not use");
        output.line(format_args!("             {passed} a newer snapshot: {}", why(rejected)))?;
    }
    if *torn > 0 {
        let torn = Count(*torn, "torn byte");
        output
            .line(format_args!("  left out   {torn} of a mutation that was never acknowledged"))?;
    }
    for kept in kept {
        output.line(format_args!("  kept       {}", kept.display()))?;
    }
    output.line(format_args!("  next       open it with the application, which replays the rest"))
}
