//! The schema lock: a committed file of what records look like, which a test holds the program to.
//!
//! A version of an operation that was released keeps its meaning. The compiler cannot see that a
//! payload's shape changed without a new version, or that a conversion was edited; this can. The
//! derive writes a test for an enum with `lock = ".."`, and the test calls [`check`].
//!
//! The way of a question: `feeder` and `session` make values up, `interrogation` learns a type's shape and
//! samples from what it does with them, `derived` answers for an enum what `program` asks, `verdict`
//! and `meaning` compare with what `file` reads, in the words of `difference`.

mod derived;
mod difference;
mod feeder;
mod file;
mod interrogation;
mod meaning;
mod plan;
mod program;
mod session;
mod shape;
mod verdict;

use std::fmt::Write;
use std::path::Path;

use serde::Serialize;
use serde::de::{Deserialize, DeserializeOwned};

use crate::mutation::Mutator;
use crate::storage::{self, Disk, Storage};
use derived::Enum;
use file::{Lines, Status};
use plan::Unfed;
use program::Program;
use verdict::{Finding, Verdict, Wish};

pub use feeder::Feeder;

/// An enum with a schema lock; the derive implements it in tests.
///
/// The state is a parameter, since an associated type may not be more private than the enum.
pub trait Locked<S>: Mutator<S> + Serialize + DeserializeOwned {
    /// The lock of the enum.
    const LOCK: SchemaLock;
    /// What the program reads, of each operation the current version first.
    fn payloads() -> Vec<Payload>;
    /// The older versions of the state.
    fn old_states() -> Vec<OldState>;
}

/// Reads a value from the feeder, and throws it away.
pub type Taste = fn(Feeder<'_, '_>) -> Result<(), Unfed>;

/// A [`Taste`] of a type.
///
/// # Errors
///
/// The type did not take what it was fed.
pub fn taste<'de, T: Deserialize<'de>>(feeder: Feeder<'_, '_>) -> Result<(), Unfed> {
    T::deserialize(feeder).map(drop)
}

/// Which lock an enum has.
#[derive(Debug, Clone, Copy)]
pub struct SchemaLock {
    /// The name of the enum.
    pub name: &'static str,
    /// The directory of the crate.
    pub crate_dir: &'static str,
    /// The lock in it.
    pub path: &'static str,
    /// The version of the crate.
    pub release: &'static str,
    /// What the lock holds of handlers.
    pub handlers: Handlers,
    /// Tags that may not return.
    pub reserved: &'static [&'static str],
}

/// What a lock holds of handlers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handlers {
    /// Nothing.
    Free,
    /// The state that each sample leads to.
    Pinned,
}

/// An older version of the state.
#[derive(Debug, Clone, Copy)]
pub struct OldState {
    /// The version.
    pub version: u32,
    /// Its type.
    pub content: Taste,
}

/// What a program reads under a tag and version.
#[derive(Debug, Clone, Copy)]
pub struct Payload {
    /// The tag.
    pub name: &'static str,
    /// The version; of what is dropped, the last one.
    pub version: u32,
    /// What the payload is.
    pub content: Content,
    /// Payloads that the author of the program has given.
    pub samples: &'static [&'static str],
}

/// What a payload is.
#[derive(Debug, Clone, Copy)]
pub enum Content {
    /// That of the variant with this index.
    Current(u32),
    /// Of an older type.
    Old(Taste),
    /// Anything: it is not read.
    Dropped {
        /// The first version that is not.
        first: u32,
    },
}

/// Holds the program to its schema lock.
///
/// The environment variable `MINISTATE_LOCK` says what is wished: `accept` to write additions
/// down, `repin` to write changed handlers down, too, `release` to say that what is a draft is out.
/// Without it nothing is ever written.
///
/// # Panics
///
/// Panics with all that is not as the lock says.
#[track_caller]
pub fn check<S, M>()
where
    S: Default + Serialize + DeserializeOwned,
    M: Locked<S>,
{
    check_program(M::LOCK, &Enum::<S, M>::new());
}

#[track_caller]
fn check_program(lock: SchemaLock, program: &dyn Program) {
    let file = Path::new(lock.crate_dir).join(lock.path);
    let text = match storage::read_all(&Disk, &file) {
        Ok(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => panic!("{} cannot be read: {error}", file.display()),
    };
    let wished = std::env::var("MINISTATE_LOCK").unwrap_or_default();
    let in_ci = std::env::var("CI").is_ok_and(|ci| !matches!(ci.as_str(), "" | "0" | "false"));
    match judge_program(lock, program, text.as_deref(), &wished, in_ci) {
        Ok(None) => {}
        Ok(Some(text)) => match publish(&file, &text) {
            Ok(()) => println!("{} is written; commit it", file.display()),
            Err(error) => panic!("{} cannot be written: {error}", file.display()),
        },
        Err(report) => panic!("{report}"),
    }
}

fn publish(file: &Path, text: &str) -> std::io::Result<()> {
    if let Some(dir) = file.parent() {
        Disk.create_dir_all(dir)?;
    }
    let temporary = file.with_extension(format!("{:016x}.tmp", Disk.unique()));
    storage::publish(&Disk, &temporary, file, text.as_bytes())
}

/// What is to be written, if anything; or what is not as the lock says.
///
/// `text` is that of the lock, `wished` that of `MINISTATE_LOCK`.
///
/// # Errors
///
/// The report, for people.
pub fn judge<S, M>(text: Option<&str>, wished: &str, in_ci: bool) -> Result<Option<String>, String>
where
    S: Default + Serialize + DeserializeOwned,
    M: Locked<S>,
{
    judge_program(M::LOCK, &Enum::<S, M>::new(), text, wished, in_ci)
}

fn judge_program(
    lock: SchemaLock,
    program: &dyn Program,
    text: Option<&str>,
    wished: &str,
    in_ci: bool,
) -> Result<Option<String>, String> {
    let head = format!("`{}` and its schema lock `{}` disagree\n", lock.name, lock.path);
    let wish = match wished {
        "" => Wish::Check,
        "accept" => Wish::Accept,
        "repin" => Wish::Repin,
        "release" => Wish::Release(lock.release.to_string()),
        other => {
            return Err(format!(
                "MINISTATE_LOCK is `{other}`; set it to `accept`, `repin` or `release`, or unset it"
            ));
        }
    };
    if in_ci && wish != Wish::Check {
        return Err(format!(
            "{head}\nMINISTATE_LOCK=`{wished}` is refused where CI is set: run it at home, look at \
             the difference, and commit the lock"
        ));
    }
    let old = Lines::parse(text.unwrap_or_default()).map_err(|line| {
        format!(
            "{head}\nline {line} is not one of a schema lock; restore the file from version \
             control, or mend the merge"
        )
    })?;
    let Verdict { findings, mut lines } = verdict::judge(&old, program);
    let (mut broken, mut repinned, mut unaccepted) = (Vec::new(), Vec::new(), Vec::new());
    for finding in findings {
        match finding {
            Finding::Broken(text) => broken.push(text),
            Finding::Repinned(text) => repinned.push(text),
            Finding::Unaccepted(text) => unaccepted.push(text),
        }
    }
    let stays = match wish {
        Wish::Check | Wish::Release(_) => broken.len() + repinned.len() + unaccepted.len(),
        Wish::Accept => broken.len() + repinned.len(),
        Wish::Repin => broken.len(),
    };
    if stays > 0 {
        return Err(report(head, &broken, &repinned, &unaccepted));
    }
    match wish {
        Wish::Check => return Ok(None),
        Wish::Accept | Wish::Repin => {}
        Wish::Release(release) => {
            for sample in lines.samples.iter_mut().filter(|line| line.status == Status::Draft) {
                sample.status = Status::Since(release.clone());
            }
        }
    }
    let new = lines.text(lock.name);
    Ok(Some(new).filter(|new| Some(new.as_str()) != text))
}

fn report(head: String, broken: &[String], repinned: &[String], unaccepted: &[String]) -> String {
    let mut report = head;
    let parts = [
        ("to be mended in the program, as old journals would not replay as they did:", broken),
        (
            "handlers that changed; mend them, or write down that old journals replay to another \
             state, with `MINISTATE_LOCK=repin cargo test`:",
            repinned,
        ),
        ("new; to write it into the lock, run `MINISTATE_LOCK=accept cargo test`:", unaccepted),
    ];
    for (what, texts) in parts {
        if !texts.is_empty() {
            // Writing to a string does not fail.
            let _ = writeln!(report, "\n{what}");
        }
        for text in texts {
            let _ = writeln!(report, "  {}", text.replace('\n', "\n  "));
        }
    }
    report
}
