//! What does a shared journal do to a program on its worst day? One in memory, which does what the test
//! says.
//!
//! A [`MemoryJournal`] keeps all rules of [`Journal`](super::Journal); what may go wrong within them
//! goes wrong when the test wants it to. Each handle stands for a process with a connection of its own,
//! and its [`Faults`] are what happens on that connection.
//!
//! ```
//! use ministate::shared::memory::{AppendFault, MemoryJournal};
//! use ministate::shared::{AppendError, Journal, Place};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let here = MemoryJournal::new();
//! let there = here.clone();
//!
//! // The entry gets there, its answer does not.
//! here.faults().on_append(AppendFault::AmbiguousLanded);
//! let answer = here.append(Place::START, (*b"first\n").into()).await;
//! assert!(matches!(answer, Err(AppendError::Ambiguous { .. })));
//!
//! let entry = there.tail(Place::START).next().await.unwrap();
//! assert_eq!(&*entry.bytes, b"first\n");
//!
//! // A cable is pulled: the other process goes on.
//! here.faults().cut_off();
//! assert!(here.barrier().await.is_err());
//! assert_eq!(there.barrier().await.unwrap(), Place::new(1));
//! # }
//! ```

mod chaos;
mod engine;
mod faults;
mod journal;
mod snapshots;

pub use chaos::Rates;
pub use faults::{AppendFault, Call, CallFault, Faults};
pub use journal::MemoryJournal;
pub use snapshots::{MemorySnapshots, PutFault};
