//! Which journal is it, and may it be read as a whole?

use std::path::{Path, PathBuf};

use ministate::MiniStateError;
use ministate::storage::Storage;

use super::target::Target;
use crate::arguments::Journal;
use crate::failure::Failure;
use crate::reading::{Files, Holder, holder};

/// The journal that is to become another one, which nobody writes to, and where that goes.
pub(crate) struct Source {
    pub(crate) files: Files,
    pub(crate) target: Target,
}

/// Finds both, and changes nothing.
pub(crate) fn source(storage: &dyn Storage, asked: &Journal, to: &Path) -> Result<Source, Failure> {
    let files = Files::chosen(storage, &asked.dir, asked.name.as_deref())?;
    let lock = files.layout.lock();
    match holder(&lock) {
        // Who cannot read the lock file is told so by what comes next, or has a copy.
        Holder::Nobody | Holder::Unknown => {}
        Holder::Process(holder) => return Err(locked(lock, holder)),
    }
    let target = Target::free(files.dir(), to)?;
    Ok(Source { files, target })
}

fn locked(path: PathBuf, holder: Option<u32>) -> Failure {
    Failure::Library(MiniStateError::Locked { path, holder })
}
