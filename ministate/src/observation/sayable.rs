//! What may be said of an error? Its kind, and no word of the application's: neither what a panic
//! nor what `serde` says, nor the place of a value in a mutation or a state.

#[cfg(feature = "tracing")]
use std::io;

use crate::error::{MiniStateError, Refusal};

/// The error in a word, for a label.
pub(super) fn reason(error: &MiniStateError) -> &'static str {
    match error {
        MiniStateError::Refused { reason } => match reason {
            Refusal::NotEncodable(_) => "not_encodable",
            Refusal::NotDecodable(_) => "not_decodable",
            Refusal::Unsayable { .. } => "unsayable",
            Refusal::NotFaithful => "not_faithful",
            Refusal::TooLarge { .. } => "too_large",
        },
        MiniStateError::NotWritten { .. } => "not_written",
        MiniStateError::OutcomeUnknown { .. } => "outcome_unknown",
        MiniStateError::HandlerPanicked { .. } => "handler_panicked",
        MiniStateError::Poisoned { .. } => "poisoned",
        MiniStateError::Closed => "closed",
        MiniStateError::Io { .. } => "io",
        MiniStateError::BadName { .. }
        | MiniStateError::Locked { .. }
        | MiniStateError::Foreign { .. }
        | MiniStateError::NewerFormat { .. }
        | MiniStateError::Corrupt { .. }
        | MiniStateError::Missing { .. }
        | MiniStateError::NoJournal { .. }
        | MiniStateError::NotTakenOver { .. }
        | MiniStateError::Occupied { .. }
        | MiniStateError::OutOfReach { .. }
        | MiniStateError::LostTail { .. }
        | MiniStateError::NoSnapshot { .. }
        | MiniStateError::UnreadableState { .. }
        | MiniStateError::UnknownOperations { .. }
        | MiniStateError::Undecodable { .. }
        | MiniStateError::Trimmed { .. }
        | MiniStateError::Lagging { .. }
        | MiniStateError::Withdrawn { .. }
        | MiniStateError::Diverged { .. } => "unreadable",
    }
}

/// The error in a line.
#[cfg(feature = "tracing")]
pub(super) fn sayable(error: &MiniStateError) -> String {
    match error {
        MiniStateError::HandlerPanicked { seq, operation, .. } => {
            let operation = operation.as_deref().unwrap_or("without a name");
            format!("the handler of operation `{operation}` panicked at mutation {seq}")
        }
        MiniStateError::Refused { .. } => format!("refused: {}", reason(error)),
        MiniStateError::NotWritten { source } | MiniStateError::Io { source, .. } => {
            format!("{error}: {}", of_the_system(source))
        }
        MiniStateError::OutcomeUnknown { source, .. } => match source.downcast_ref::<io::Error>() {
            Some(source) => format!("{error}: {}", of_the_system(source)),
            None => error.to_string(),
        },
        MiniStateError::Poisoned { cause, .. } => format!("{error}: {}", sayable(cause)),
        MiniStateError::BadName { .. }
        | MiniStateError::Locked { .. }
        | MiniStateError::Foreign { .. }
        | MiniStateError::NewerFormat { .. }
        | MiniStateError::Corrupt { .. }
        | MiniStateError::Missing { .. }
        | MiniStateError::NoJournal { .. }
        | MiniStateError::NotTakenOver { .. }
        | MiniStateError::Occupied { .. }
        | MiniStateError::OutOfReach { .. }
        | MiniStateError::LostTail { .. }
        | MiniStateError::NoSnapshot { .. }
        | MiniStateError::UnreadableState { .. }
        | MiniStateError::UnknownOperations { .. }
        | MiniStateError::Undecodable { .. }
        | MiniStateError::Trimmed { .. }
        | MiniStateError::Lagging { .. }
        | MiniStateError::Withdrawn { .. }
        | MiniStateError::Diverged { .. }
        | MiniStateError::Closed => error.to_string(),
    }
}

/// What the system said. An error that is not the system's can hold what the application said.
#[cfg(feature = "tracing")]
fn of_the_system(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(_) => error.to_string(),
        None => error.kind().to_string(),
    }
}
