//! How do the records behind a snapshot become a state? Read, decoded and applied a piece at a
//! time; where there are many of them, on two threads.
//!
//! The one thread reads ahead, and verifies: this cannot be divided, since every line's checksum
//! covers the one before it. The other applies, in order, on the thread of the caller. Decoding
//! stands between the two, and is done by whichever has the time: the reader hands over what it
//! has read as it is while little waits to be applied, and decodes it first otherwise. More of
//! it than that is better left to the thread that applies: memory that the one allocates and the
//! other frees costs both of them time.
//!
//! What goes wrong is told in the order of the journal, whichever thread came upon it first.

use std::mem;
use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::path::PathBuf;

use serde::de::DeserializeOwned;

use super::Progress;
use super::piece::Piece;
use crate::error::{MiniStateError, Position};
use crate::journal::{Found, Opened, Start, Through};
use crate::mutation::Mutator;
use crate::planted;
use crate::record::{self, Chain, Familiar, Member, Record, Seq};
use crate::sync::mpsc::{Receiver, Sender, channel};
use crate::sync::thread;

/// How many bytes are read between two reports of progress.
const PROGRESS_BYTES: u64 = 1 << 20;

/// A journal of fewer bytes is replayed before a second thread is awake.
const AHEAD_BYTES: u64 = 256 << 10;

/// So much has been read ahead at most, but for a single piece, which a large record can make
/// larger.
const AHEAD_MAX_BYTES: usize = 512 << 10;

/// So little that the thread that applies it is soon without.
const AHEAD_FEW_BYTES: usize = 192 << 10;

/// Applies the records behind the start to the state, through a mutation that may stand within a
/// batch.
pub(super) type Replay<S> =
    fn(Opened, &Start, Through, &mut S, &dyn Fn(Progress)) -> Result<Ended, MiniStateError>;

/// Where a replay ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) found: Found,
    /// How many mutations were applied.
    pub(super) replayed: u64,
    /// Those that are void, and were not.
    pub(super) voided: Vec<Seq>,
}

/// What was read for it.
struct Read {
    found: Found,
    voided: Vec<Seq>,
}

/// Replays on the thread of the caller.
pub(super) fn replay_here<S, M>(
    opened: Opened,
    start: &Start,
    through: Through,
    state: &mut S,
    on_progress: &dyn Fn(Progress),
) -> Result<Ended, MiniStateError>
where
    M: Mutator<S> + DeserializeOwned,
{
    let mut replayed = Replayed::none(&opened, start, state, on_progress);
    let mut failure = None;
    let read = read(opened, start, through, &mut |piece: &mut Piece<M>| {
        failure = replayed.apply(piece).err();
        if failure.is_none() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    match failure {
        Some(failure) => Err(failure),
        None => replayed.end(read?),
    }
}

/// Replays with a second thread where that is worth one. It has ended when this returns.
pub(super) fn replay_ahead<S, M>(
    opened: Opened,
    start: &Start,
    through: Through,
    state: &mut S,
    on_progress: &dyn Fn(Progress),
) -> Result<Ended, MiniStateError>
where
    M: Mutator<S> + DeserializeOwned + Send,
{
    let cores = || thread::available_parallelism().map_or(1, usize::from);
    if opened.bytes_behind(start) < AHEAD_BYTES || cores() == 1 {
        return replay_here::<S, M>(opened, start, through, state, on_progress);
    }
    let mut replayed = Replayed::none(&opened, start, state, on_progress);
    let (sender, receiver) = channel::<Piece<M>>();
    let (spent_sender, spent) = channel();
    // The system may have no thread for it.
    let mut job = Some((opened, Ahead { sender, spent, pool: Vec::new(), bytes: 0 }));
    let read_ahead = planted::inherited(|| {
        let (opened, mut ahead) = job.take()?;
        Some(read(opened, start, through, &mut |piece| ahead.hand_over::<S>(piece)))
    });
    let found = thread::scope(|scope| {
        let Some(reader) = thread::spawn_in(scope, "ministate recovery", read_ahead) else {
            return Ok(None);
        };
        // Where something cannot be applied, the reader is not to wait for it.
        let spent = spent_sender;
        for mut piece in receiver {
            replayed.apply(&mut piece)?;
            // The reader may have come to the end.
            let _ = spent.send(piece);
        }
        reader.join().unwrap_or_else(|panic| resume_unwind(panic)).transpose()
    })?;
    match (found, job) {
        (Some(found), _) => replayed.end(found),
        (None, job) => {
            let (opened, ..) = job.expect("no thread has taken it");
            replay_here::<S, M>(opened, start, through, state, on_progress)
        }
    }
}

/// What the reader has to do with the thread that applies.
struct Ahead<M> {
    sender: Sender<Piece<M>>,
    /// The pieces that were applied come back.
    spent: Receiver<Piece<M>>,
    /// Those that did. To free their memory and to ask for it again would take longer.
    pool: Vec<Piece<M>>,
    /// How large those are that did not.
    bytes: usize,
}

impl<M> Ahead<M> {
    fn hand_over<S>(&mut self, piece: &mut Piece<M>) -> ControlFlow<()>
    where
        M: Mutator<S> + DeserializeOwned,
    {
        while let Ok(spent) = self.spent.try_recv() {
            self.take_back(spent);
        }
        let mut full = mem::replace(piece, self.pool.pop().unwrap_or_default());
        if self.bytes >= AHEAD_FEW_BYTES {
            full.decode::<S>();
        }
        self.bytes += full.bytes();
        if self.sender.send(full).is_err() {
            // Nobody receives any more: something could not be applied.
            return ControlFlow::Break(());
        }
        while self.bytes >= AHEAD_MAX_BYTES {
            let Ok(spent) = self.spent.recv() else { return ControlFlow::Break(()) };
            self.take_back(spent);
        }
        ControlFlow::Continue(())
    }

    fn take_back(&mut self, spent: Piece<M>) {
        self.bytes -= spent.bytes();
        self.pool.push(spent);
    }
}

/// How far the replay is.
struct Replayed<'a, S> {
    state: &'a mut S,
    progress: Progress,
    on_progress: &'a dyn Fn(Progress),
}

impl<'a, S> Replayed<'a, S> {
    fn none(
        opened: &Opened,
        start: &Start,
        state: &'a mut S,
        on_progress: &'a dyn Fn(Progress),
    ) -> Self {
        let bytes_total = opened.bytes_behind(start);
        let progress = Progress { bytes_read: 0, bytes_total, replayed: 0 };
        Replayed { state, progress, on_progress }
    }

    fn apply<M>(&mut self, piece: &mut Piece<M>) -> Result<(), MiniStateError>
    where
        M: Mutator<S> + DeserializeOwned,
    {
        self.progress.replayed += piece.apply(self.state)?;
        if let Some(bytes_read) = piece.bytes_read {
            self.progress.bytes_read = bytes_read;
            (self.on_progress)(self.progress);
        }
        Ok(())
    }

    fn end(self, Read { found, voided }: Read) -> Result<Ended, MiniStateError> {
        let Progress { bytes_total, replayed, .. } = self.progress;
        (self.on_progress)(Progress { bytes_read: bytes_total, ..self.progress });
        Ok(Ended { found, replayed, voided })
    }
}

/// Receives pieces, and leaves another one, with anything in it, in the place of each.
type HandOver<'a, M> = dyn FnMut(&mut Piece<M>) -> ControlFlow<()> + 'a;

/// Reads the records, and hands them over a piece at a time: before an error all that are before
/// it.
fn read<M>(
    opened: Opened,
    start: &Start,
    through: Through,
    hand_over: &mut HandOver<'_, M>,
) -> Result<Read, MiniStateError> {
    let (file, piece, read) = (PathBuf::new(), Piece::default(), Bytes::default());
    let mut cutter = Cutter { through, file, piece, voided: Vec::new(), read, hand_over };
    let found = opened.read(start, through, &mut |record, at| cutter.add(record, at));
    // All has been read, whatever the answer.
    let _ = cutter.hand_over();
    Ok(Read { found: found?, voided: cutter.voided })
}

/// Cuts the records into pieces.
struct Cutter<'a, 'b, M> {
    through: Through,
    /// The segment that is read.
    file: PathBuf,
    piece: Piece<M>,
    /// What is not to be applied.
    voided: Vec<Seq>,
    read: Bytes,
    hand_over: &'a mut HandOver<'b, M>,
}

/// How many bytes have been read.
#[derive(Default)]
struct Bytes {
    in_segments_before: u64,
    in_segment: u64,
    /// How many had been when that was told last.
    told: u64,
}

impl<M> Cutter<'_, '_, M> {
    fn add(
        &mut self,
        record: &Record<'_>,
        at: &Position,
    ) -> Result<ControlFlow<()>, MiniStateError> {
        // Not as paths, which are compared name by name.
        if self.file.as_os_str() != at.file.as_os_str() {
            if self.hand_over().is_break() {
                return Ok(ControlFlow::Break(()));
            }
            self.file.clone_from(&at.file);
            self.piece.begin(&self.file);
            self.read.in_segments_before += self.read.in_segment;
        }
        for (seq, member) in (record.head.seq..).zip(record.members()) {
            if self.through.is_reached(seq - 1) {
                break;
            }
            let member = member.ok_or_else(|| MiniStateError::malformed(at.clone(), seq))?;
            match member {
                Member::Applied(mutation) => self.piece.push(seq, at, mutation),
                Member::Void(..) => self.voided.push(seq),
            }
        }
        self.read.in_segment = at.byte;
        let read = self.read.in_segments_before + at.byte;
        if read >= self.read.told + PROGRESS_BYTES {
            self.read.told = read;
            self.piece.bytes_read = Some(read);
        } else if !self.piece.is_full() {
            return Ok(ControlFlow::Continue(()));
        }
        Ok(self.hand_over())
    }

    /// Hands the piece over where there is something in it, and begins the next one.
    fn hand_over(&mut self) -> ControlFlow<()> {
        if self.piece.is_empty() {
            return ControlFlow::Continue(());
        }
        let answer = (self.hand_over)(&mut self.piece);
        self.piece.begin(&self.file);
        answer
    }
}

/// What recovery does with records before it applies them, for measuring it by itself: decodes the
/// lines, which follow one with the checksum `previous`. `None` where one of them cannot be.
pub fn decode_records<S, M>(lines: &[u8], previous: &[u8], mut each: impl FnMut(M)) -> Option<()>
where
    M: Mutator<S> + DeserializeOwned,
{
    let mut chain = Chain::parse(previous)?;
    let mut text = str::from_utf8(lines).ok()?;
    let mut familiar = Familiar::default();
    let mut next = None;
    while !text.is_empty() {
        let record = record::parse_record(text, chain, &mut familiar)?;
        for member in record.members() {
            let (tag, payload) = match member? {
                Member::Applied(mutation) => mutation,
                Member::Void(..) => continue,
            };
            match M::__decode(tag, payload) {
                Ok(Some(mutation)) => each(mutation),
                Ok(None) => {}
                Err(_) => return None,
            }
        }
        // As replay does, which knows the first one.
        if next.is_some_and(|next| record.head.seq != next) {
            return None;
        }
        next = Some(record.head.seq + record.head.contents.mutations());
        chain = record.chain;
        text = text[record.bytes..].strip_prefix('\n')?;
    }
    Some(())
}
