//! What can be asked of the command, in which words?

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

/// Looks at journals of ministate, checks, repairs, copies and compacts them, without the
/// application that wrote them.
///
/// Works on any directory with a journal. What looks or copies works beside the program that is
/// writing, changes nothing there, and keeps no lock. `repair`, `void` and `reseal` write a new
/// directory, and want the journal closed. Only `compact` and `import` change the directory itself.
#[derive(Debug, Parser)]
#[command(name = "ministate", version, after_help = EXIT_CODES, after_long_help = EXIT_CODES)]
#[command(propagate_version = true, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Answer in JSON: one object a line
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  all is well: sound, the same, or all that was asked for is told
  1  damage was found, or a difference, or mutations are lost
  2  the command cannot be understood
  3  there is no answer: no such journal, it cannot be read, or a manager has it open

A pipe that is closed early, as `head` does, ends the command quietly with 0. Colours are used on \
a terminal only, and not where NO_COLOR is set.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Tells the files, the soundness, who holds the lock, and what recovery would do
    #[command(after_long_help = STATUS_JSON)]
    Status(Journal),
    /// Prints mutations as JSON lines
    #[command(after_long_help = CAT_JSON)]
    Cat(Cat),
    /// Prints the last mutations, and with -f those that are written from now on
    #[command(after_long_help = CAT_JSON)]
    Tail(Tail),
    /// Checks every checksum, header and snapshot, and names all damage
    #[command(after_long_help = VERIFY_JSON)]
    Verify(Journal),
    /// Writes the longest sound history into a new directory, and tells what is left behind
    #[command(after_long_help = REPAIR_JSON)]
    Repair(Repair),
    /// Writes a new directory in which one mutation is not to be applied
    #[command(after_long_help = VOID_JSON)]
    Void(Void),
    /// Writes a new directory in which lines that were edited by hand are sound
    #[command(after_long_help = RESEAL_JSON)]
    Reseal(Reseal),
    /// Counts operations by name and version, and tells which old versions can be retired
    #[command(after_long_help = SCHEMA_JSON)]
    Schema(Schema),
    /// Tells what happened between two mutations
    #[command(after_long_help = DIFF_JSON)]
    Diff(Diff),
    /// Counts operations, bytes and mutations over time
    #[command(after_long_help = STATS_JSON)]
    Stats(Journal),
    /// Lists the snapshots, and whether each is sound
    #[command(after_long_help = SNAPSHOTS_JSON)]
    Snapshots(Journal),
    /// Copies the journal into another directory, also beside its writer, and reads the copy back
    #[command(after_long_help = BACKUP_JSON)]
    Backup(CopyTo),
    /// Copies a backup to where an application opens it, and reads the copy back
    #[command(after_long_help = RESTORE_JSON)]
    Restore(CopyTo),
    /// Puts away what recovery does not need, as a sound snapshot covers it; not beside a writer
    #[command(after_long_help = COMPACT_JSON)]
    Compact(Compact),
    /// Takes over a journal of ministate 0.1; the application can do that too, and needs no words
    #[command(after_long_help = IMPORT_JSON)]
    Import(Import),
    /// Writes the man page, or completions for a shell
    #[command(subcommand)]
    Generate(Generate),
}

const STATUS_JSON: &str = "\
JSON: one object with journal, dir, lock ({held, pid}), last_opening ({replayed, microseconds}), \
first, last, last_time, mark, was_closed, sound_to_open, refused, recovery ({snapshot, replayed, \
torn_bytes, rejected}), bytes, and files ([{name, role, bytes}]).";
const CAT_JSON: &str = "\
One object a line, with or without --json: seq, at, op, v, d. op and v are absent for a mutator \
written by hand. One that is not to be applied has `void`, which says why. Mutations that were \
applied together have `together`: the first of them, and how many they are. One that cannot be \
checked, since the line before it is damaged, has `adrift`. Damage is named on standard error, and \
makes the exit code 1.";
const VERIFY_JSON: &str = "\
JSON: one object for each damage (what, file, line, byte, bytes, seq, next), then one with sound, \
opens, refused, damages, lost, adrift, unreached, records, first, last, voided and torn. `opens` tells whether a \
manager would open the journal: it does not read what is before its newest sound snapshot.";
const REPAIR_JSON: &str = "\
The history is a sound snapshot and the records behind it; of several, that which reaches the last \
mutation. NEWDIR opens, and `verify` calls it sound. DIR is not changed, and keeps what is left \
behind. While NEWDIR is not whole it is called NEWDIR.partial.

The exit code is 1 where mutations are lost.

JSON: one object for each stretch of bytes that is left behind (left, file, line, lines, byte, bytes, \
first, last), then one with to, snapshots, first, last, left_bytes and lost ([[first, last]]).";
const VOID_JSON: &str = "\
The record stays, with `\"void\":REASON` in its line; recovery neither decodes nor applies it, and \
reports its number. Snapshots that hold what it did are not copied. DIR is not changed, and has to \
be sound. While NEWDIR is not whole it is called NEWDIR.partial.

JSON: one object with file, line, seq, was and becomes, one for each snapshot or torn end that is \
left behind (left, file, byte, bytes, first, last), then one with to, snapshots, first, last and voided.";
const RESEAL_JSON: &str = "\
Lines that were edited have to be whole JSON records with the next number; lengths and checksums are \
counted again. Each is shown as it was and as it becomes before anything is written, and so asked \
about, or taken for seen with --yes. Snapshots that hold what the first of them did are not copied. \
DIR is not changed. While NEWDIR is not whole it is called NEWDIR.partial.

JSON: one object for each edited line (file, line, seq, was, becomes), one for each snapshot that is \
left behind (left, file, byte, bytes, first, last), then one with to, snapshots, first, last, edited \
and chained, which counts the lines that get another checksum alone.";
const SCHEMA_JSON: &str = "\
JSON: one object for each operation (op, v, mutations, first, last, first_time, last_time, status), \
one for each version of the state (state, snapshots), and in comparisons one for each difference \
(difference, op, v). The status is `written` by the newest program, `needed` by records, `announced` \
by a header without records, or, with --lock, `unneeded`: no file here needs it.";
const DIFF_JSON: &str = "\
JSON: one object for each operation (op, v, mutations, bytes), then one with from, to, mutations, \
voided (which did not happen), first_time and last_time. With --records the mutations come first, as `cat` prints them. With \
--state one object for each difference (path, from, to) comes last.";
const STATS_JSON: &str = "\
JSON: one object with mutations, voided (not applied, and of no operation), records, bytes, first, \
last, first_time, last_time, operations \
([{op, v, mutations, bytes}]), sizes ([{bytes_below, records}]) and times ([{at, mutations}]).";
const SNAPSHOTS_JSON: &str = "\
JSON: one object for each snapshot: seq, file, bytes, v, by, sound, why.";

const BACKUP_JSON: &str = "\
The copy holds all that was acknowledged before the command began, and at most one batch more, which \
was being synced at that moment and may yet be lost by the original. Torn bytes, the archive, and \
files of ministate 0.1 are not in it. A journal with damage is not copied. A directory that is not \
there is called NEWDIR.partial until the copy is whole; one that is there misses its active segment \
until then. All is synced.

JSON: one object with journal, from, to, snapshot, first, last, torn_bytes, bytes and files.";
const RESTORE_JSON: &str = "\
The directory may be there, and must not hold a journal of this name. Nothing in the backup is \
changed: it can be restored again.

JSON: one object with journal, from, to, snapshot, first, last, torn_bytes, bytes and files.";
const COMPACT_JSON: &str = "\
Keeps the newest snapshots and all of the journal behind the oldest of them. All of it is read first: \
only a snapshot with right checksums counts, and a journal with damage is left alone. Whether the \
application reads the version of a state is not known here: `ministate snapshots` shows it. Without \
--archive or --delete the files are moved to the archive beside the journal. What an interruption \
leaves is put away by the next compaction.

JSON: one object with done, oldest_snapshot, to (absent with --delete) and files.";
const IMPORT_JSON: &str = "\
The state that the newest snapshot of 0.1 holds is carried over as it is, as version 1, and so are \
the records behind it, which the application replays when it opens the journal. Where there are \
records, --mutations says how the application declares its mutations by now: `by-hand` with an `impl \
Mutator`, as in 0.1, or `derived` with `#[derive(Mutations)]`, where each variant is named in snake \
case; for other names let the application take the journal over. Without a snapshot, --initial \
names a file with the JSON of the state that the application begins with. The old files are kept. \
If the application refuses what came of it, remove the new files and give the old ones their names.

JSON: one object with journal, imported, snapshot, replayed, last, torn_bytes, rejected and kept.";

/// Which journal.
#[derive(Debug, Args)]
pub(crate) struct Journal {
    /// The directory of the journal, or the file of its active segment
    pub(crate) dir: PathBuf,
    /// The name of the journal, such as `app.wal.jsonl`, where the directory has several
    #[arg(long, value_name = "JOURNAL")]
    pub(crate) name: Option<String>,
}

/// Which mutations.
#[derive(Debug, Args)]
pub(crate) struct Selection {
    /// Only this operation; can be given again
    #[arg(long, value_name = "NAME")]
    pub(crate) op: Vec<String>,
    /// Only what was written since then: `2026-11-22`, `2026-11-22T12:00`, or `2h` for as long ago
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Cat {
    #[command(flatten)]
    pub(crate) journal: Journal,
    /// The first mutation
    #[arg(long, value_name = "SEQ")]
    pub(crate) from: Option<u64>,
    /// The last mutation
    #[arg(long, value_name = "SEQ")]
    pub(crate) to: Option<u64>,
    #[command(flatten)]
    pub(crate) selection: Selection,
}

#[derive(Debug, Args)]
pub(crate) struct Tail {
    #[command(flatten)]
    pub(crate) journal: Journal,
    /// How many mutations of those that are there
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 10)]
    pub(crate) lines: u64,
    /// Go on with what is written, through new segments and compaction, until interrupted
    #[arg(short, long)]
    pub(crate) follow: bool,
    #[command(flatten)]
    pub(crate) selection: Selection,
}

#[derive(Debug, Args)]
pub(crate) struct Repair {
    #[command(flatten)]
    pub(crate) journal: Journal,
    /// The new directory; not there yet, or empty
    #[arg(long, value_name = "NEWDIR")]
    pub(crate) to: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Void {
    #[command(flatten)]
    pub(crate) journal: Journal,
    /// The mutation
    #[arg(long, value_name = "SEQ")]
    pub(crate) seq: u64,
    /// Why it is not to be applied; stands in its line
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) reason: String,
    /// The new directory; not there yet, or empty
    #[arg(long, value_name = "NEWDIR")]
    pub(crate) to: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Reseal {
    #[command(flatten)]
    pub(crate) journal: Journal,
    /// The new directory; not there yet, or empty
    #[arg(long, value_name = "NEWDIR")]
    pub(crate) to: PathBuf,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Schema {
    #[command(flatten)]
    pub(crate) journal: Journal,
    /// Compare with the journal in this directory
    #[arg(conflicts_with = "lock")]
    pub(crate) other: Option<PathBuf>,
    /// Compare with the schema lock of a program
    #[arg(long, value_name = "FILE")]
    pub(crate) lock: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Diff {
    #[command(flatten)]
    pub(crate) journal: Journal,
    /// The mutation behind which the difference begins
    #[arg(long, value_name = "SEQ")]
    pub(crate) from: u64,
    /// The last mutation of the difference; without it, the last of the journal
    #[arg(long, value_name = "SEQ")]
    pub(crate) to: Option<u64>,
    /// Print the mutations too
    #[arg(long)]
    pub(crate) records: bool,
    /// Compare the states too; needs a snapshot at both ends
    #[arg(long)]
    pub(crate) state: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CopyTo {
    #[command(flatten)]
    pub(crate) journal: Journal,
    /// The directory of the copy
    #[arg(long, value_name = "NEWDIR")]
    pub(crate) to: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Compact {
    #[command(flatten)]
    pub(crate) journal: Journal,
    /// Move the files to this directory, which may be on another disk
    #[arg(long, value_name = "ARCHIVE", conflicts_with = "delete")]
    pub(crate) archive: Option<PathBuf>,
    /// Remove the files, for good
    #[arg(long)]
    pub(crate) delete: bool,
    /// How many snapshots stay; as many as the library keeps where it is not said
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) keep: Option<u32>,
    /// Only tell what would be put away
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    #[command(flatten)]
    pub(crate) journal: Journal,
    /// How the application declares its mutations by now
    #[arg(long, value_name = "HOW")]
    pub(crate) mutations: Option<Mutations>,
    /// The state before the first mutation, as JSON; used where there is no snapshot
    #[arg(long, value_name = "FILE")]
    pub(crate) initial: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mutations {
    /// With an `impl Mutator`
    ByHand,
    /// With `#[derive(Mutations)]`
    Derived,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Generate {
    /// The man page, for `man -l`
    Man,
    /// Completions, for the shell's own directory of them
    Completions {
        /// For which shell
        shell: Shell,
    },
}
