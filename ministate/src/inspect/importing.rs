//! A directory of ministate 0.1 becomes ours, without the types of its records.

use std::path::Path;
use std::sync::Arc;

use super::{Layout, Opening, Reach, opened_strictly};
use crate::error::MiniStateError;
use crate::import::carried;
use crate::journal;
use crate::storage::Storage;

pub use crate::import::carried::{Carried, Declared};

/// Takes over the journal of 0.1, of which the caller holds the lock, and reads it as ours: what
/// opening finds comes with [`Carried::Over`].
///
/// The state before the first record is that of the newest old snapshot, or the JSON in the file
/// `initial`. It is carried over as it is, as version 1 of the state.
///
/// # Errors
///
/// Those that taking over with the application has, but for those of its types.
pub fn carried_over(
    storage: &Arc<dyn Storage>,
    layout: &Layout,
    declared: Option<Declared>,
    initial: Option<&Path>,
) -> Result<(Carried, Option<Opening>), MiniStateError> {
    let carried = carried::carry_over(&**storage, &layout.0, declared, initial)?;
    let opening = match &carried {
        Carried::Over { .. } => {
            let opening = opened_strictly(storage, layout, Reach::Recovery, &|_, _| {})?;
            journal::publish_head(&**storage, &layout.0, &opening.journal, opening.last)?;
            Some(opening)
        }
        Carried::Ours | Carried::NoState | Carried::NotDeclared { .. } | Carried::BadState => None,
    };
    Ok((carried, opening))
}
