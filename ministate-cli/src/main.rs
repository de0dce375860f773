//! The `ministate` command: looks at journals, checks, repairs, copies and compacts them, without
//! the application that wrote them.

mod arguments;
mod commands;
mod failure;
mod output;
mod progress;
mod reading;
mod rewriting;

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use ministate::storage::{Disk, Storage};

use arguments::{Arguments, Command};
use commands::copies::Purpose;
use failure::Failure;
use output::{Form, Output};

/// What an answer means to who asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// All is well, or both are the same.
    Well,
    /// There is damage, or a difference.
    Differs,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let form = if arguments.json { Form::Json } else { Form::Text };
    let mut output = Output::new(form);
    let storage: Arc<dyn Storage> = Arc::new(Disk);
    let answered = answered(&storage, arguments.command, &mut output);
    match answered.and_then(|ending| output.flush().map(|()| ending)) {
        Ok(Ending::Well) => ExitCode::SUCCESS,
        Ok(Ending::Differs) => ExitCode::from(1),
        Err(failure @ Failure::ClosedPipe) => ExitCode::from(failure.exit_code()),
        Err(failure) => {
            // What was found before it still counts.
            let _ = output.flush();
            eprintln!("ministate: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

fn answered(
    storage: &Arc<dyn Storage>,
    command: Command,
    output: &mut Output,
) -> Result<Ending, Failure> {
    match command {
        Command::Status(journal) => commands::status::told(storage, &journal, output),
        Command::Cat(asked) => commands::cat::told(&**storage, &asked, output),
        Command::Tail(asked) => commands::tail::told(&**storage, &asked, output),
        Command::Verify(journal) => commands::verify::told(storage, &journal, output),
        Command::Repair(asked) => commands::repair::told(storage, &asked, output),
        Command::Void(asked) => commands::void::told(storage, &asked, output),
        Command::Reseal(asked) => commands::reseal::told(storage, &asked, output),
        Command::Schema(asked) => commands::schema::told(&**storage, &asked, output),
        Command::Diff(asked) => commands::diff::told(&**storage, &asked, output),
        Command::Stats(journal) => commands::stats::told(&**storage, &journal, output),
        Command::Snapshots(journal) => commands::snapshots::told(storage, &journal, output),
        Command::Backup(asked) => commands::copies::told(storage, Purpose::Backup, &asked, output),
        Command::Restore(asked) => {
            commands::copies::told(storage, Purpose::Restore, &asked, output)
        }
        Command::Compact(asked) => commands::compact::told(storage, &asked, output),
        Command::Import(asked) => commands::import::told(storage, &asked, output),
        Command::Generate(what) => commands::generate::told(&what, output),
    }
}
