//! What do the harness of ours and the harness of the peers (`benches/peers`) have in common?
#![expect(missing_docs, reason = "for these two harnesses alone, and its names are words")]

pub mod machine; // what all of it ran on
pub mod peers; // what is asked of a peer; ours and the seed; the state and mutation of all
pub mod rounds; // taking turns
pub mod samples; // what a measurement leaves, and what is read off it
pub mod table; // how it is printed

pub mod floor; // what the disk allows
pub mod journal; // how many records of ours shared a sync
pub mod readers; // one of them, beside a writer
pub mod writers; // so many at a time, as tasks or threads

pub type Failure = Box<dyn std::error::Error + Send + Sync>;
pub type Outcome<T> = Result<T, Failure>;
