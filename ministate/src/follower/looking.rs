//! What does a follower do when it looks? It reads on, makes that durable, and applies it.

use std::collections::VecDeque;
use std::io;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Held, Reload, Seen, Shared};
use crate::commit::news::News;
use crate::error::{MiniStateError, Position};
use crate::journal::{self, History, Names, Onward, Opened};
use crate::mutation::{Mutator, Reply};
use crate::read_only::believed;
use crate::record::{Member, Record, Seq};
use crate::recovery::{self, Progress, Recovered};
use crate::storage::Storage;
use crate::sync::mpsc::{Receiver, RecvTimeoutError};
use crate::sync::{Mutex, RwLock};

/// How many bytes of records are read before they are applied.
const PIECE_BYTES: usize = 64 * 1024;

/// How many times that at most before it is asked whether anybody still wants it.
const PIECES_A_LOOK: u32 = 64;

/// So many records are applied before readers get their turn.
const APPLY_RECORDS: usize = 64;

/// Who looks.
pub(super) struct Looker<S, M> {
    shared: Arc<Shared<S>>,
    storage: Arc<dyn Storage>,
    names: Names,
    onward: Onward,
    /// What was read and not applied, since it is not known to be durable.
    pending: VecDeque<Pending<M>>,
    pub(super) passage: Passage,
    /// Why looking again would not help. What was read behind it is lost.
    ended: Option<MiniStateError>,
}

/// A record.
struct Pending<M> {
    last: Seq,
    /// Those that have an effect.
    mutations: Vec<(Seq, M)>,
    voided: Vec<Seq>,
    bytes: u64,
}

/// What led to the state.
#[derive(Debug, Clone)]
pub(super) struct Passage {
    /// The last mutation in the snapshot that it began with.
    pub(super) snapshot: Seq,
    pub(super) replayed: u64,
    pub(super) voided: Vec<Seq>,
    pub(super) bytes_read: u64,
}

/// How far a look came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Looked {
    /// To the end of what is there.
    Through,
    /// There is more.
    Partly,
}

/// A state as it was read from the files, and where reading goes on.
struct Beginning<S> {
    state: S,
    seq: Seq,
    onward: Onward,
    passage: Passage,
}

impl<S, M> Looker<S, M>
where
    S: DeserializeOwned,
    M: Mutator<S> + Serialize + DeserializeOwned,
{
    pub(super) fn begun(
        storage: &Arc<dyn Storage>,
        names: &Names,
        on_progress: &dyn Fn(Progress),
    ) -> Result<Looker<S, M>, MiniStateError> {
        let (beginning, pending) = begun::<S, M>(storage, names, on_progress)?;
        let Beginning { state, seq, onward, passage } = beginning;
        let shared = Shared {
            state: RwLock::new(Held { state: Ok(state), seq }),
            news: Arc::new(News::new(seq)),
            seen: Mutex::new(Seen {
                seq: onward.seq(),
                looked: Instant::now(),
                failure: None,
                has_ended: false,
                reloads: 0,
                last_reload: None,
            }),
        };
        let (storage, names) = (Arc::clone(storage), names.clone());
        let (shared, ended) = (Arc::new(shared), None);
        Ok(Looker { shared, storage, names, onward, pending, passage, ended })
    }

    pub(super) fn shared(&self) -> &Arc<Shared<S>> {
        &self.shared
    }

    /// The history behind which the state is; `None` where more was read than is in the state.
    pub(super) fn history(&self) -> Option<(Seq, &History)> {
        if !self.pending.is_empty() {
            return None;
        }
        Some((self.onward.seq(), self.onward.history()?))
    }

    /// Looks again and again, until nobody wants it to.
    pub(super) fn look_until_dropped(mut self, every: Duration, goes_on: &Receiver<()>) -> Self {
        let mut pause = every;
        loop {
            match goes_on.recv_timeout(pause) {
                Ok(()) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self,
            }
            pause = match self.look_and_tell() {
                ControlFlow::Continue(Looked::Through) => every,
                ControlFlow::Continue(Looked::Partly) => Duration::ZERO,
                ControlFlow::Break(()) => return self,
            };
        }
    }

    /// Looks, and tells what came of it. Breaks where looking again would not help.
    fn look_and_tell(&mut self) -> ControlFlow<(), Looked> {
        // Readers and those who wait are to be told of a storage that panics.
        let looked = catch_unwind(AssertUnwindSafe(|| match self.look() {
            Err(cause @ (MiniStateError::Trimmed { .. } | MiniStateError::Withdrawn { .. })) => {
                self.reload(cause)
            }
            looked => looked.map_err(Failed::of),
        }));
        let panicked = |_| {
            let source = io::Error::other("the storage or a type of the application panicked");
            let failed = MiniStateError::io("looking at", self.names.active())(source);
            Err(Failed::ForGood(failed))
        };
        let looked = looked.unwrap_or_else(panicked);
        if let Err(Failed::ForGood(failure)) = &looked {
            self.ended = Some(failure.clone());
        }
        let mut seen = self.shared.seen();
        match looked {
            Ok(looked) => {
                (seen.looked, seen.failure) = (Instant::now(), None);
                ControlFlow::Continue(looked)
            }
            Err(Failed::ForNow(failure)) => {
                seen.failure = Some(failure);
                ControlFlow::Continue(Looked::Through)
            }
            Err(Failed::ForGood(failure)) => {
                (seen.failure, seen.has_ended) = (Some(failure.clone()), true);
                drop(seen);
                self.shared.news.end(self.shared.news.seq(), &failure);
                ControlFlow::Break(())
            }
        }
    }

    /// Reads what is there, and applies what of it is durable.
    pub(super) fn look(&mut self) -> Result<Looked, MiniStateError> {
        if let Some(failure) = &self.ended {
            return Err(failure.clone());
        }
        let looked = self.read_and_apply();
        if let Err(failure) = &looked
            && is_final(failure)
        {
            self.ended = Some(failure.clone());
        }
        looked
    }

    fn read_and_apply(&mut self) -> Result<Looked, MiniStateError> {
        let head = journal::head_file(&*self.storage, &self.names).ok().flatten();
        let head = head.map_or(0, |(_, head)| head);
        for _ in 0..PIECES_A_LOOK {
            let read = self.read_piece();
            self.shared.seen().seq = self.onward.seq().max(head);
            let synced = match &read {
                // What comes next proves that all but its last batch is synced.
                Ok(Looked::Partly) => Ok(()),
                Ok(Looked::Through) | Err(_) => self.onward.make_durable(),
            };
            self.apply_durable()?;
            let looked = read?;
            synced?;
            if looked == Looked::Through {
                return Ok(looked);
            }
        }
        Ok(Looked::Partly)
    }

    fn read_piece(&mut self) -> Result<Looked, MiniStateError> {
        let Looker { onward, pending, .. } = self;
        believed(|| {
            let (before, mut bytes) = (onward.seq(), 0);
            let read = onward.read_on(Seq::MAX, &mut |record, at| {
                pending.push_back(decoded::<S, M>(record, at)?);
                bytes += record.bytes;
                let is_enough = bytes >= PIECE_BYTES;
                Ok(if is_enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            });
            match read {
                Ok(()) if bytes < PIECE_BYTES => Ok(Looked::Through),
                // Behind what was read it fails again.
                Err(error) if onward.seq() == before => Err(error),
                Ok(()) | Err(_) => Ok(Looked::Partly),
            }
        })
    }

    fn apply_durable(&mut self) -> Result<(), MiniStateError> {
        let durable = self.onward.durable();
        let mut left = self.pending.iter().take_while(|record| record.last <= durable).count();
        while left > 0 {
            let records = left.min(APPLY_RECORDS);
            left -= records;
            let mut held = self.shared.state.write().unwrap_or_else(PoisonError::into_inner);
            for record in self.pending.drain(..records) {
                let before = held.seq;
                if let Err(panicked) = applied(record, &mut held, &mut self.passage) {
                    // The handler may have left its work half done, and building anew can panic.
                    held.state = Err(panicked.clone());
                    if let Ok(state) = state_at::<S, M>(&self.storage, &self.names, before) {
                        held.state = Ok(state);
                    }
                    return Err(panicked);
                }
            }
            let seq = held.seq;
            drop(held);
            self.shared.news.tell(seq);
        }
        Ok(())
    }

    /// Recovers the state from the newest snapshot, and lets it take the place of the other one.
    fn reload(&mut self, cause: MiniStateError) -> Result<Looked, Failed> {
        let (beginning, pending) =
            begun::<S, M>(&self.storage, &self.names, &|_| {}).map_err(Failed::of_reload)?;
        let Beginning { state, seq: to, onward, passage } = beginning;
        (self.onward, self.pending, self.passage) = (onward, pending, passage);
        let replaced = {
            let mut held = self.shared.state.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *held, Held { state: Ok(state), seq: to })
        };
        let mut seen = self.shared.seen();
        seen.seq = self.onward.seq();
        seen.reloads += 1;
        seen.last_reload = Some(Reload { cause, from: replaced.seq, to });
        drop(seen);
        self.shared.news.tell(to);
        Ok(Looked::Partly)
    }
}

/// What a look failed with.
enum Failed {
    /// The next one may succeed.
    ForNow(MiniStateError),
    ForGood(MiniStateError),
}

impl Failed {
    fn of(failure: MiniStateError) -> Failed {
        if is_final(&failure) { Failed::ForGood(failure) } else { Failed::ForNow(failure) }
    }

    /// A sync that failed is not tried again.
    fn of_reload(failure: MiniStateError) -> Failed {
        match failure {
            MiniStateError::Io { doing: journal::SYNCING, .. } => Failed::ForGood(failure),
            other => Failed::of(other),
        }
    }
}

/// Whether this program cannot go on behind what was read, however often it looks.
fn is_final(failure: &MiniStateError) -> bool {
    matches!(
        failure,
        MiniStateError::HandlerPanicked { .. }
            | MiniStateError::Undecodable { .. }
            | MiniStateError::UnknownOperations { .. }
            | MiniStateError::UnreadableState { .. }
            | MiniStateError::NewerFormat { .. }
    )
}

/// Recovers the state as it is now, and makes sure that all of it is durable.
fn begun<S, M>(
    storage: &Arc<dyn Storage>,
    names: &Names,
    on_progress: &dyn Fn(Progress),
) -> Result<(Beginning<S>, VecDeque<Pending<M>>), MiniStateError>
where
    S: DeserializeOwned,
    M: Mutator<S> + Serialize + DeserializeOwned,
{
    believed(|| {
        let recovered = recovery::recover_beside_writer::<S, M>(storage, names, on_progress)?;
        let Recovered { state, found, snapshot, replayed, voided, bytes_read, .. } = recovered;
        let (seq, identity) = (found.seq(), found.identity().to_string());
        let history = Some(History { identity, record: found.record() });
        let check = recovery::refuse_unknown_in::<S, M>;
        let mut onward = Onward::behind(storage, names, seq, history, check);
        let passage = Passage { snapshot, replayed, voided, bytes_read };
        let mut pending = VecDeque::new();
        // Finds the place where reading goes on: its file is what has to be synced.
        onward.read_on(seq + 1, &mut |record, at| {
            pending.push_back(decoded::<S, M>(record, at)?);
            Ok(ControlFlow::Break(()))
        })?;
        onward.make_durable()?;
        Ok((Beginning { state, seq, onward, passage }, pending))
    })
}

fn decoded<S, M>(record: &Record<'_>, at: &Position) -> Result<Pending<M>, MiniStateError>
where
    M: Mutator<S> + DeserializeOwned,
{
    let (mut mutations, mut voided) = (Vec::new(), Vec::new());
    for (seq, member) in (record.head.seq..).zip(record.members()) {
        match member.ok_or_else(|| MiniStateError::malformed(at.clone(), seq))? {
            Member::Applied((tag, payload)) => {
                let mutation = recovery::decode_one::<S, M>(tag, payload)
                    .map_err(|error| MiniStateError::undecodable(at.clone(), seq, tag, error))?;
                mutations.extend(mutation.map(|mutation| (seq, mutation)));
            }
            Member::Void(..) => voided.push(seq),
        }
    }
    let last = record.head.seq + (record.head.contents.mutations() - 1);
    Ok(Pending { last, mutations, voided, bytes: record.bytes as u64 })
}

fn state_at<S, M>(storage: &Arc<dyn Storage>, names: &Names, seq: Seq) -> Result<S, MiniStateError>
where
    S: DeserializeOwned,
    M: Mutator<S> + Serialize + DeserializeOwned,
{
    let read = believed(|| {
        let opened = Opened::live(storage, names)?;
        recovery::state_at::<S, M>(&**storage, names, opened, seq)
    });
    read.map(|(state, _)| state)
}

fn applied<S, M: Mutator<S>>(
    Pending { last, mutations, voided, bytes }: Pending<M>,
    held: &mut Held<S>,
    passage: &mut Passage,
) -> Result<(), MiniStateError> {
    let state = held.state.as_mut().map_err(|cause| cause.clone())?;
    passage.replayed += mutations.len() as u64;
    passage.voided.extend(voided);
    passage.bytes_read += bytes;
    for (seq, mutation) in mutations {
        let tag = mutation.__tag();
        recovery::apply(mutation, state, &mut Reply::discarded()).map_err(|message| {
            recovery::handler_panicked(seq, tag.map(|tag| (tag.name, tag.version)), message)
        })?;
    }
    held.seq = last;
    Ok(())
}
