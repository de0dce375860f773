//! How does a replica begin? With the newest snapshot, and the entries behind it.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use serde::de::DeserializeOwned;
use serde::{Serialize, ser};

use super::chunk::{Admitted, Standing, Unsound};
use super::contact::Contact;
use super::error::SharedError;
use super::journal::{Cause, Entry, Journal, JournalError, JournalId, Place, Tail, TailError};
use super::replica::{Replica, envelope, refuse_unknown};
use super::snapshots::{SnapshotName, SnapshotStore, StoreError};
use super::stored;
use crate::commit::ground;
use crate::error::{MiniStateError, Refusal};
use crate::journal::FORMAT;
use crate::mutation::Mutator;
use crate::record::{Chain, Seq};
use crate::recovery;
use crate::unsayable;

/// A snapshot that this program can begin with.
pub(super) struct Found<S> {
    pub(super) name: SnapshotName,
    pub(super) state: S,
    pub(super) place: Place,
    pub(super) standing: Standing,
    /// How large it is.
    bytes: usize,
}

/// A state that was read anew.
pub(super) struct Built<S> {
    pub(super) state: S,
    pub(super) place: Place,
    pub(super) standing: Standing,
    /// How large the snapshot is that it began with.
    pub(super) bytes: usize,
}

/// A replica that was as far as the journal when it was asked, and goes on with the tail.
pub(super) struct Begun<S> {
    pub(super) replica: Replica<S>,
    pub(super) tail: Box<dyn Tail>,
    pub(super) contact: Contact,
    pub(super) snapshot: Seq,
}

/// The journal can be trimmed behind a snapshot that is just being read.
pub(super) const ATTEMPTS: usize = 5;

/// Begins with what there is, or with `initial` where there is nothing.
pub(super) async fn begin<S, M>(
    journal: &dyn Journal,
    store: &dyn SnapshotStore,
    initial: S,
) -> Result<Begun<S>, SharedError>
where
    S: Serialize + DeserializeOwned + Send + 'static,
    M: Mutator<S> + DeserializeOwned + 'static,
{
    let mut initial = Some(initial);
    let mut last = None;
    for _ in 0..ATTEMPTS {
        let found = match newest::<S, M>(journal.id(), store).await {
            Err(SharedError::NoSnapshot { rejected, .. }) if rejected.is_empty() => {
                if let Some(initial) = initial.take() {
                    put_genesis::<S, M>(journal, store, &initial).await?;
                }
                newest::<S, M>(journal.id(), store).await?
            }
            found => found?,
        };
        let asked = Instant::now();
        let end = journal.barrier().await.map_err(SharedError::journal(ASKING, journal.id()))?;
        if end < found.place {
            return Err(SharedError::Regressed { last: end, read: found.place });
        }
        let Found { name, state, place, standing, .. } = found;
        let replica = Replica::new(journal.id().clone(), state, place, standing);
        let mut tail = journal.tail(place);
        if read_through::<S, M>(&replica, &mut *tail, Until::Place(end)).await?.is_whole() {
            let contact = Contact::new(asked, end);
            return Ok(Begun { replica, tail, contact, snapshot: name.seq });
        }
        last = Some(name);
    }
    let name = last.expect("there are attempts");
    let what = "the journal was trimmed behind the newest snapshot";
    Err(SharedError::UnsoundSnapshot { name, what })
}

/// The state as far as `until`, which may be within an entry: the newest snapshot before it, and the
/// entries behind that. `None` where these were trimmed.
pub(super) async fn built<S, M>(
    journal: &dyn Journal,
    store: &dyn SnapshotStore,
    until: Until,
) -> Result<Option<Built<S>>, SharedError>
where
    S: DeserializeOwned + Send + 'static,
    M: Mutator<S> + DeserializeOwned + 'static,
{
    let found = newest_before::<S, M>(journal.id(), store, until).await?;
    let Found { state, place, standing, bytes, .. } = found;
    let replica = Replica::new(journal.id().clone(), state, place, standing);
    let mut tail = journal.tail(place);
    if !read_through::<S, M>(&replica, &mut *tail, until).await?.is_whole() {
        return Ok(None);
    }
    let (state, place, standing) = replica.into_held()?;
    Ok(Some(Built { state, place, standing, bytes }))
}

const ASKING: &str = "asking for the end of the journal";

/// How far entries are read.
#[derive(Clone, Copy)]
pub(super) enum Until {
    Place(Place),
    Seq(Seq),
}

impl Until {
    /// Whether the snapshot is not behind it.
    fn reaches(self, name: &SnapshotName) -> bool {
        match self {
            Until::Place(place) => name.place <= place,
            Until::Seq(seq) => name.seq <= seq,
        }
    }
}

/// Whether they were there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Read {
    Whole,
    /// They were trimmed meanwhile.
    Trimmed,
}

impl Read {
    fn is_whole(self) -> bool {
        self == Read::Whole
    }
}

async fn read_through<S, M>(
    replica: &Replica<S>,
    tail: &mut dyn Tail,
    until: Until,
) -> Result<Read, SharedError>
where
    M: Mutator<S> + DeserializeOwned,
{
    loop {
        let (place, seq) = {
            let held = replica.held();
            (held.place, held.standing.seq)
        };
        let through = match until {
            Until::Place(end) if place >= end => return Ok(Read::Whole),
            Until::Seq(last) if seq >= last => return Ok(Read::Whole),
            Until::Place(_) => Seq::MAX,
            Until::Seq(last) => last,
        };
        match tail.next().await {
            Ok(Entry { place: at, bytes }) if at == place.next() => {
                replica.apply_read::<M>(at, &envelope(at, seq + 1, &bytes)?, through)?;
            }
            Ok(Entry { place: at, .. }) => {
                let what = "the entry before it was not given";
                return Err(SharedError::Damaged { place: at, seq: seq + 1, what });
            }
            Err(TailError::Trimmed { .. }) => return Ok(Read::Trimmed),
            Err(TailError::Regressed { last }) => {
                return Err(SharedError::Regressed { last, read: place });
            }
            Err(TailError::WrongJournal { found }) => {
                let expected = replica.journal().clone();
                return Err(SharedError::WrongJournal { expected, found });
            }
            Err(TailError::Unreachable { source }) => {
                let source = JournalError::Unreachable { source };
                return Err(SharedError::Journal { doing: "reading the journal", source });
            }
        }
    }
}

/// The newest snapshot that is sound and that this program reads.
pub(super) async fn newest<S, M>(
    journal: &JournalId,
    store: &dyn SnapshotStore,
) -> Result<Found<S>, SharedError>
where
    S: DeserializeOwned + Send + 'static,
    M: Mutator<S> + 'static,
{
    newest_before::<S, M>(journal, store, Until::Seq(Seq::MAX)).await
}

async fn newest_before<S, M>(
    journal: &JournalId,
    store: &dyn SnapshotStore,
    until: Until,
) -> Result<Found<S>, SharedError>
where
    S: DeserializeOwned + Send + 'static,
    M: Mutator<S> + 'static,
{
    for _ in 1..ATTEMPTS {
        match newest_listed::<S, M>(journal, store, until).await {
            // Another replica has made a newer one, and removed this one since it was listed.
            Err(SharedError::Store { source: StoreError::Missing { .. }, .. }) => {}
            found => return found,
        }
    }
    newest_listed::<S, M>(journal, store, until).await
}

async fn newest_listed<S, M>(
    journal: &JournalId,
    store: &dyn SnapshotStore,
    until: Until,
) -> Result<Found<S>, SharedError>
where
    S: DeserializeOwned + Send + 'static,
    M: Mutator<S> + 'static,
{
    let names = store.list(journal).await.map_err(SharedError::store("listing snapshots"))?;
    let mut rejected = Vec::new();
    for name in names.into_iter().rev().filter(|name| until.reaches(name)) {
        match read::<S, M>(store, &name).await {
            Ok(found) => return Ok(found),
            Err(
                why @ (SharedError::UnknownOperations { .. }
                | SharedError::NewerFormat { .. }
                | SharedError::Store { .. }),
            ) => return Err(why),
            Err(why) => rejected.push((name, Arc::new(why))),
        }
    }
    Err(SharedError::NoSnapshot { journal: journal.clone(), rejected })
}

/// Reads a snapshot, and refuses one that is not what was written, or that this program cannot read.
pub(super) async fn read<S, M>(
    store: &dyn SnapshotStore,
    name: &SnapshotName,
) -> Result<Found<S>, SharedError>
where
    S: DeserializeOwned + Send + 'static,
    M: Mutator<S> + 'static,
{
    let (name, bytes) = (name.clone(), taken(store, name).await?);
    apart(bytes.len(), move || decoded::<S, M>(&name, bytes)).await
}

fn decoded<S, M>(name: &SnapshotName, bytes: Vec<u8>) -> Result<Found<S>, SharedError>
where
    S: DeserializeOwned,
    M: Mutator<S>,
{
    let length = bytes.len();
    let stored = parsed(name, bytes)?;
    refuse_unknown(name.place, &stored.standing, &M::__schema())?;
    let version = stored.standing.admitted.state;
    let decode = || recovery::decode_version::<S, M>(version, &stored.state, Path::new(""));
    let state = catch_unwind(decode)
        .map_err(|_| Arc::new(io::Error::other("its `Deserialize` panicked")) as Cause)
        .and_then(|decoded| decoded.map_err(why_unreadable))
        .map_err(|source| SharedError::UnreadableState { name: name.clone(), version, source })?;
    let (name, place, standing) = (name.clone(), name.place, stored.standing);
    Ok(Found { name, state, place, standing, bytes: length })
}

fn why_unreadable(error: MiniStateError) -> Cause {
    if let MiniStateError::UnreadableState { source, .. } = error {
        return source;
    }
    Arc::new(error)
}

/// Whether a snapshot is sound, whose state need not be one of this program.
pub(super) async fn sound(
    store: &dyn SnapshotStore,
    name: &SnapshotName,
) -> Result<(), SharedError> {
    let (name, bytes) = (name.clone(), taken(store, name).await?);
    apart(bytes.len(), move || parsed(&name, bytes).map(drop)).await
}

async fn taken(store: &dyn SnapshotStore, name: &SnapshotName) -> Result<Vec<u8>, SharedError> {
    store.get(name).await.map_err(SharedError::store("reading a snapshot"))
}

/// The result of work on about so many bytes. Where they are many, the threads of the runtime do not wait
/// for it.
async fn apart<T: Send + 'static>(bytes: usize, work: impl FnOnce() -> T + Send + 'static) -> T {
    const FEW: usize = 64 << 10;
    if bytes < FEW { work() } else { ground::run(work).await }
}

fn parsed(name: &SnapshotName, bytes: Vec<u8>) -> Result<stored::Stored, SharedError> {
    stored::parse(name, bytes).map_err(|why| match why {
        Unsound::Newer { found } => {
            SharedError::NewerFormat { place: name.place, found, supported: FORMAT }
        }
        Unsound::Damaged(what) => SharedError::UnsoundSnapshot { name: name.clone(), what },
    })
}

/// Keeps the state that a journal without entries begins with; where somebody was faster, theirs stays.
async fn put_genesis<S, M>(
    journal: &dyn Journal,
    store: &dyn SnapshotStore,
    initial: &S,
) -> Result<(), SharedError>
where
    S: Serialize,
    M: Mutator<S>,
{
    let end = journal.barrier().await.map_err(SharedError::journal(ASKING, journal.id()))?;
    if end > Place::START {
        // Or its first snapshot was put since it was looked for.
        return Ok(());
    }
    let admitted = Admitted::none(&M::__schema());
    let standing = Standing { seq: 0, chain: Chain::START, admitted: Arc::new(admitted) };
    let name = SnapshotName { journal: journal.id().clone(), seq: 0, place: Place::START };
    put(store, &name, &standing, encode(initial)?).await
}

/// The state's JSON, of a state that nobody else looks at.
pub(super) async fn encoded<S>(built: Built<S>) -> Result<Vec<u8>, SharedError>
where
    S: Serialize + Send + 'static,
{
    apart(built.bytes, move || encode(&built.state)).await
}

/// The state's JSON.
pub(super) fn encode<S: Serialize>(state: &S) -> Result<Vec<u8>, SharedError> {
    let refused = |error| SharedError::Refused { reason: Refusal::NotEncodable(Arc::new(error)) };
    let encode = || {
        unsayable::find(state).map_err(|reason| SharedError::Refused { reason })?;
        serde_json::to_vec(state).map_err(refused)
    };
    // Nobody may be there to see it panic.
    catch_unwind(AssertUnwindSafe(encode))
        .unwrap_or_else(|_| Err(refused(ser::Error::custom("its `Serialize` panicked"))))
}

/// Puts a snapshot into the store.
pub(super) async fn put(
    store: &dyn SnapshotStore,
    name: &SnapshotName,
    standing: &Standing,
    state: Vec<u8>,
) -> Result<(), SharedError> {
    let bytes = stored::compose(name, standing, &state);
    drop(state);
    store.put(name, bytes).await.map_err(SharedError::store("putting a snapshot into the store"))
}
