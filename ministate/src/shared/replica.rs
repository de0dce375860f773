//! The state of one replica: which entries it holds, and how the next one changes it.

use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde::de::DeserializeOwned;
use tokio::sync::watch;

use super::chunk::{self, Admitted, Chunk, Standing, Unsound};
use super::error::SharedError;
use super::journal::{JournalId, Place};
use super::landmarks::Landmarks;
use crate::commit::{Done, Effect};
use crate::error::{MiniStateError, operation_name};
use crate::journal::FORMAT;
use crate::mutation::{Mutator, Reply};
use crate::record::{Chain, Member, Seq};
use crate::recovery;
use crate::schema::DecodeError;

/// A state, and where in the journal it stands.
#[derive(Debug)]
pub(super) struct Replica<S> {
    journal: JournalId,
    held: RwLock<Held<S>>,
    progress: watch::Sender<Progress>,
    landmarks: Mutex<Landmarks>,
}

/// All that changes with an entry.
#[derive(Debug)]
pub(super) struct Held<S> {
    /// An error where a handler panicked and the state before it was not built again yet.
    pub(super) state: Result<S, SharedError>,
    pub(super) place: Place,
    pub(super) standing: Standing,
}

/// How far the replica is, for those who wait for it.
#[derive(Debug, Clone)]
pub(super) struct Progress {
    pub(super) seq: Seq,
    pub(super) place: Place,
    /// What may be written there.
    pub(super) admitted: Arc<Admitted>,
    /// Why it goes no further.
    pub(super) ended: Option<SharedError>,
}

/// A mutation of somebody else's entry, ready to be applied.
struct Decoded<M> {
    seq: Seq,
    /// The last mutation before its record: readers see all of a record, or nothing.
    before: Seq,
    operation: Option<String>,
    /// `None` where it is to have no effect, since its operation was retired.
    mutation: Option<M>,
}

impl<S> Replica<S> {
    pub(super) fn new(journal: JournalId, state: S, place: Place, standing: Standing) -> Self {
        let (progress, _) = watch::channel(Progress {
            seq: standing.seq,
            place,
            admitted: Arc::clone(&standing.admitted),
            ended: None,
        });
        let landmarks = Mutex::new(Landmarks::new(standing.seq, place, standing.chain));
        let held = RwLock::new(Held { state: Ok(state), place, standing });
        Replica { journal, held, progress, landmarks }
    }

    pub(super) fn journal(&self) -> &JournalId {
        &self.journal
    }

    /// Lends all that it holds; between two entries, unless a handler panicked.
    pub(super) fn held(&self) -> RwLockReadGuard<'_, Held<S>> {
        self.held.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// All that it holds, once nobody else looks at it.
    pub(super) fn into_held(self) -> Result<(S, Place, Standing), SharedError> {
        let Held { state, place, standing } =
            self.held.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok((state?, place, standing))
    }

    fn held_mut(&self) -> RwLockWriteGuard<'_, Held<S>> {
        self.held.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    pub(super) fn place(&self) -> Place {
        self.progress.borrow().place
    }

    /// A place that mutation `seq` is behind, and the checksum of the last line there.
    pub(super) fn place_before(&self, seq: Seq) -> (Place, Chain) {
        self.landmarks.lock().unwrap_or_else(PoisonError::into_inner).before(seq)
    }

    /// Why it goes no further, if it does not.
    pub(super) fn ended(&self) -> Option<SharedError> {
        self.progress.borrow().ended.clone()
    }

    /// Why it has ended, once it has.
    pub(super) async fn end_told(&self) -> SharedError {
        let mut progress = self.progress();
        let known = progress.wait_for(|known| known.ended.is_some()).await;
        // The sender is `self`'s.
        known.ok().and_then(|known| known.ended.clone()).unwrap_or(SharedError::Closed)
    }

    /// Lets nobody wait any longer. The first reason is the one that counts.
    pub(super) fn end(&self, why: SharedError) {
        self.progress.send_modify(|progress| {
            progress.ended.get_or_insert(why);
        });
    }

    /// Takes another state in place of the one that it holds.
    pub(super) fn replace(&self, state: S, place: Place, standing: Standing) {
        let mut held = self.held_mut();
        *held = Held { state: Ok(state), place, standing };
        self.tell(held);
    }

    /// Applies an entry of this replica's own, which was appended at the next place. Returns what each
    /// handler did, or why there is no more to apply.
    pub(super) fn apply_own<M: Mutator<S>>(
        &self,
        behind: Standing,
        effects: impl Iterator<Item = Effect<M>>,
    ) -> Vec<Result<Done, SharedError>> {
        let mut held = self.held_mut();
        let (mut seq, place) = (held.standing.seq, held.place.next());
        let mut answers = Vec::new();
        for effect in effects {
            let Ok(state) = &mut held.state else { break };
            let last = seq + effect.count();
            match effect.apply(state, seq) {
                Ok(output) => {
                    answers.push(Ok(Done { seq: last, output }));
                    seq = last;
                }
                Err(error) => {
                    let panicked = panicked(error);
                    held.state = Err(panicked.clone());
                    held.standing.seq = seq;
                    answers.push(Err(panicked));
                }
            }
        }
        if held.state.is_ok() {
            debug_assert_eq!(seq, behind.seq);
            self.pass(&held);
            (held.place, held.standing) = (place, behind);
        }
        self.tell(held);
        answers
    }

    /// Applies an entry that was read from the journal, where it stands at the next place, through
    /// mutation `through`.
    pub(super) fn apply_read<M>(
        &self,
        place: Place,
        chunk: &Chunk<'_>,
        through: Seq,
    ) -> Result<(), SharedError>
    where
        M: Mutator<S> + DeserializeOwned,
    {
        let standing = self.held().standing.clone();
        let unsound = |why| unsound(place, standing.seq + 1, why);
        let behind = chunk.follows(&self.journal, &standing).map_err(unsound)?;
        if chunk.envelope.admits.is_some() {
            refuse_unknown(place, &behind, &M::__schema())?;
        }
        let decoded = decode::<S, M>(place, chunk, through)?;
        let mut held = self.held_mut();
        for Decoded { seq, before, operation, mutation } in decoded {
            let (Ok(state), Some(mutation)) = (&mut held.state, mutation) else {
                held.standing.seq = seq;
                continue;
            };
            if let Err(message) = recovery::apply(mutation, state, &mut Reply::discarded()) {
                let panicked = SharedError::HandlerPanicked { seq, operation, message };
                held.state = Err(panicked.clone());
                held.standing.seq = before;
                self.tell(held);
                return Err(panicked);
            }
            held.standing.seq = seq;
        }
        if through >= behind.seq {
            self.pass(&held);
            (held.place, held.standing) = (place, behind);
        }
        self.tell(held);
        Ok(())
    }

    fn pass(&self, held: &Held<S>) {
        let mut landmarks = self.landmarks.lock().unwrap_or_else(PoisonError::into_inner);
        landmarks.pass(held.standing.seq, held.place, held.standing.chain);
    }

    /// Tells those who wait how far it is, once they can look at it.
    fn tell(&self, held: RwLockWriteGuard<'_, Held<S>>) {
        let Held { place, standing: Standing { seq, admitted, .. }, .. } = &*held;
        let (seq, place, admitted) = (*seq, *place, Arc::clone(admitted));
        drop(held);
        self.progress.send_modify(|progress| {
            (progress.seq, progress.place, progress.admitted) = (seq, place, admitted);
        });
    }
}

/// The envelope of the entry at a place.
pub(super) fn envelope(place: Place, seq: Seq, bytes: &[u8]) -> Result<Chunk<'_>, SharedError> {
    chunk::parse(bytes).map_err(|why| unsound(place, seq, why))
}

/// Why what stands there cannot be used.
pub(super) fn unsound(place: Place, seq: Seq, why: Unsound) -> SharedError {
    match why {
        Unsound::Newer { found } => SharedError::NewerFormat { place, found, supported: FORMAT },
        Unsound::Damaged(what) => SharedError::Damaged { place, seq, what },
    }
}

/// Refuses a choice of operations that a program of this schema does not read.
pub(super) fn refuse_unknown(
    place: Place,
    standing: &Standing,
    schema: &crate::schema::Schema,
) -> Result<(), SharedError> {
    let unknown = standing.admitted.unknown_to(schema);
    if unknown.is_empty() {
        return Ok(());
    }
    Err(SharedError::UnknownOperations { place, by: standing.admitted.by.clone(), unknown })
}

/// A mutation of a record, read as this program's.
pub(super) fn decode_member<S, M>(
    place: Place,
    seq: Seq,
    member: Option<Member<'_>>,
) -> Result<Option<M>, SharedError>
where
    M: Mutator<S> + DeserializeOwned,
{
    let (tag, payload) = match member {
        Some(Member::Applied(mutation)) => mutation,
        Some(Member::Void(..)) => return Ok(None),
        None => {
            let what = "the members of a record are not written as they should be";
            return Err(SharedError::Damaged { place, seq, what });
        }
    };
    recovery::decode_one::<S, M>(tag, payload).map_err(|error: DecodeError| {
        let operation = tag.map(operation_name);
        SharedError::Undecodable { place, seq, operation, source: Arc::new(error) }
    })
}

fn decode<S, M>(
    place: Place,
    chunk: &Chunk<'_>,
    through: Seq,
) -> Result<Vec<Decoded<M>>, SharedError>
where
    M: Mutator<S> + DeserializeOwned,
{
    let mut decoded = Vec::new();
    chunk
        .walk(|record| {
            for (seq, member) in (record.head.seq..=through).zip(record.members()) {
                let tag = match member {
                    Some(Member::Applied((tag, _)) | Member::Void((tag, _), _)) => tag,
                    None => None,
                };
                let mutation = decode_member::<S, M>(place, seq, member).map_err(Stop::Told)?;
                let (before, operation) = (record.head.seq - 1, tag.map(operation_name));
                decoded.push(Decoded { seq, before, operation, mutation });
            }
            Ok(())
        })
        .map_err(|stop| match stop {
            Stop::Told(error) => error,
            Stop::Unsound(why) => unsound(place, chunk.envelope.first, why),
        })?;
    Ok(decoded)
}

/// Why the records of an entry were not read to their end.
pub(super) enum Stop {
    Told(SharedError),
    Unsound(Unsound),
}

impl From<Unsound> for Stop {
    fn from(why: Unsound) -> Stop {
        Stop::Unsound(why)
    }
}

/// The only error that applying an effect has.
fn panicked(error: MiniStateError) -> SharedError {
    let MiniStateError::HandlerPanicked { seq, operation, message } = error else {
        unreachable!("applying a mutation fails by a panic alone");
    };
    SharedError::HandlerPanicked { seq, operation, message }
}
