//! Bugs that the test build can switch on, to prove that the tests would see them.
//!
//! Without the feature `planted-bugs` there are none, and the compiler removes the questions.

#[cfg(feature = "planted-bugs")]
pub use switched::{planted_now, with_bug};

/// A bug that was made, or nearly made, in a program of this kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// A batch is acknowledged without its sync.
    AcknowledgedBeforeSync,
    /// A published file's name is not made durable.
    DirectoryNotSynced,
    /// A file is published without its bytes made durable.
    RenamedBeforeSync,
    /// A snapshot is published without its bytes made durable.
    SnapshotRenamedBeforeSync,
    /// A failed sync is repeated, and the second answer believed.
    SyncRetried,
    /// What a failed write left is not cut off.
    WriteNotUndone,
    /// What a failed write left is cut off, but not durably.
    CutNotSynced,
    /// A torn tail is not cut off before the next batch is written.
    TornTailNotCut,
    /// What was read and not marked is not written again.
    NotWrittenAgain,
    /// It is written again in its place.
    WrittenAgainInPlace,
    /// A mark is believed to be on the disk because it can be read.
    MarkNotWrittenAgain,
    /// A segment is sealed before its successor is there.
    SealedBeforeSuccessor,
    /// Whatever does not continue the newest segment is taken for torn.
    TailNeverClassified,
    /// Nobody looks how far the journal once went.
    HeadIgnored,
    /// Compaction counts snapshots that it has not read.
    CompactedBeforeReadBack,
    /// The last record in a snapshot is replayed on top of it.
    ReplayedTwice,
    /// The sequence number is read before the state that it should belong to.
    SeqAndStateReadApart,
}

impl Bug {
    /// All of them.
    pub const ALL: [Bug; 17] = [
        Bug::AcknowledgedBeforeSync,
        Bug::DirectoryNotSynced,
        Bug::RenamedBeforeSync,
        Bug::SnapshotRenamedBeforeSync,
        Bug::SyncRetried,
        Bug::WriteNotUndone,
        Bug::CutNotSynced,
        Bug::TornTailNotCut,
        Bug::NotWrittenAgain,
        Bug::WrittenAgainInPlace,
        Bug::MarkNotWrittenAgain,
        Bug::SealedBeforeSuccessor,
        Bug::TailNeverClassified,
        Bug::HeadIgnored,
        Bug::CompactedBeforeReadBack,
        Bug::ReplayedTwice,
        Bug::SeqAndStateReadApart,
    ];
}

/// Whether this thread has the bug.
#[cfg(not(feature = "planted-bugs"))]
pub(crate) const fn planted(_bug: Bug) -> bool {
    false
}

/// The job, on a thread that has the bug of this one while it runs.
#[cfg(not(feature = "planted-bugs"))]
pub(crate) fn inherited<T>(job: impl FnOnce() -> T) -> impl FnOnce() -> T {
    job
}

#[cfg(feature = "planted-bugs")]
pub(crate) use switched::{inherited, planted};

#[cfg(feature = "planted-bugs")]
mod switched {
    use std::cell::Cell;

    use super::Bug;

    thread_local! {
        static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    /// Whether this thread has the bug.
    pub(crate) fn planted(bug: Bug) -> bool {
        PLANTED.get() == Some(bug)
    }

    /// The job, on a thread that has the bug of this one while it runs.
    pub(crate) fn inherited<T>(job: impl FnOnce() -> T) -> impl FnOnce() -> T {
        let bug = PLANTED.get();
        move || with_bug(bug, job)
    }

    /// The bug that this thread has.
    pub fn planted_now() -> Option<Bug> {
        PLANTED.get()
    }

    /// Runs the program with the bug, on this thread.
    pub fn with_bug<T>(bug: Option<Bug>, program: impl FnOnce() -> T) -> T {
        let before = PLANTED.replace(bug);
        let result = program();
        PLANTED.set(before);
        result
    }
}
