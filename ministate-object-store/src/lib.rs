//! Snapshots of a shared state, in any store of objects.
//!
//! [`ObjectStoreSnapshots`] is a [`SnapshotStore`] over an [`ObjectStore`] of the crate [`object_store`]:
//! a directory, Amazon S3 and what speaks its protocol, Google Cloud Storage, Azure, memory.
//!
//! ```
//! use ministate::shared::{JournalId, Place, SnapshotName, SnapshotStore};
//! use ministate_object_store::ObjectStoreSnapshots;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let directory = directory.path();
//! # #[cfg(feature = "fs")] {
//! let snapshots = ObjectStoreSnapshots::in_directory(directory).await?;
//!
//! let name = SnapshotName { journal: JournalId::random(), seq: 42, place: Place::new(7) };
//! snapshots.put(&name, b"the state".to_vec()).await?;
//! assert_eq!(snapshots.latest(&name.journal).await?, Some(name.clone()));
//! assert_eq!(snapshots.get(&name).await?, b"the state");
//! # }
//! # Ok(())
//! # }
//! ```
//!
//! A bucket, with the feature `aws`; `object_store` is this crate's own, of the version that fits:
//!
//! ```no_run
//! # #[cfg(feature = "aws")] {
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use ministate_object_store::ObjectStoreSnapshots;
//! use ministate_object_store::object_store::ClientOptions;
//! use ministate_object_store::object_store::aws::AmazonS3Builder;
//!
//! # fn snapshots() -> Result<(), Box<dyn std::error::Error>> {
//! let patient = ClientOptions::new().with_timeout(Duration::from_secs(600));
//! let bucket = AmazonS3Builder::from_env()
//!     .with_bucket_name("states")
//!     .with_client_options(patient)
//!     .build()?;
//! let snapshots = ObjectStoreSnapshots::new(Arc::new(bucket), "production/bank");
//! # Ok(())
//! # }
//! # }
//! ```
//!
//! # What lies where
//!
//! `<prefix>/<journal id>/snapshot.<seq>.<place>.json`: one folder for each journal, so that several
//! states can have one bucket and one prefix. What has other names there is passed over.
//!
//! # Limits
//!
//! * A snapshot is put in one request, because only that can be put on the condition that there is none
//!   of its name. So it can be as large as a single request may be: 5 GiB on S3, 5000 MiB on Azure, 5 TiB
//!   on Google Cloud Storage. It is in memory as a whole, when it is put and when it is got.
//! * The clients of `object_store` give up a request after 30 seconds, unless they are told otherwise as
//!   in the example: a snapshot has to be through in that time.
//! * A store without conditional puts (WebDAV; S3 with `S3ConditionalPut::Disabled`) is asked first
//!   whether the name is there, and then written to. Between the two another replica may put the same
//!   name, and the later one stays. Both hold the same mutations.
//! * Old snapshots are not removed by the store itself: whoever made them does it, or a rule of the
//!   bucket.

#[cfg(feature = "fs")]
mod folders;
mod snapshots;

pub use object_store;
pub use snapshots::ObjectStoreSnapshots;

#[cfg(doc)]
use {ministate::shared::SnapshotStore, object_store::ObjectStore};
