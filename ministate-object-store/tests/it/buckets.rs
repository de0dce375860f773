//! What becomes of a snapshot where a bucket does not do, or say, what others do?

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use futures_core::stream::BoxStream;
use ministate::shared::{JournalId, SnapshotStore, StoreError};
use ministate_object_store::ObjectStoreSnapshots;
use ministate_object_store::object_store::memory::InMemory;
use ministate_object_store::object_store::path::Path;
use ministate_object_store::object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use crate::snapshot;

#[tokio::test]
async fn a_snapshot_is_put_again_while_another_request_holds_its_name() {
    let bucket = Bucket::new(Manners::Conflicts { left: 2.into() });
    let snapshots = ObjectStoreSnapshots::new(bucket, "");
    let name = snapshot(&JournalId::random(), 42, 7);
    snapshots.put(&name, b"the state".to_vec()).await.unwrap();
    assert_eq!(snapshots.get(&name).await.unwrap(), b"the state");
}

#[tokio::test]
async fn a_snapshot_that_never_gets_its_name_is_not_said_to_be_there() {
    let bucket = Bucket::new(Manners::Conflicts { left: usize::MAX.into() });
    let snapshots = ObjectStoreSnapshots::new(bucket, "");
    let name = snapshot(&JournalId::random(), 42, 7);
    let put = snapshots.put(&name, b"the state".to_vec()).await;
    assert!(matches!(put, Err(StoreError::Unreachable { .. })), "{put:?}");
}

#[tokio::test]
async fn a_bucket_that_refuses_is_unreachable_and_says_why() {
    let snapshots = ObjectStoreSnapshots::new(Bucket::new(Manners::Refuses), "");
    let name = snapshot(&JournalId::random(), 42, 7);
    for error in [
        snapshots.put(&name, b"the state".to_vec()).await.unwrap_err(),
        snapshots.get(&name).await.unwrap_err(),
        snapshots.list(&name.journal).await.unwrap_err(),
    ] {
        let StoreError::Unreachable { source } = error else { panic!("{error:?}") };
        assert!(source.to_string().contains("the key has expired"), "{source}");
    }
}

#[test]
fn debug_says_where_snapshots_are() {
    let snapshots = ObjectStoreSnapshots::new(Bucket::new(Manners::NoConditions), "production");
    let text = format!("{snapshots:?}");
    assert!(text.contains("Bucket(states)") && text.contains("production"), "{text}");
    assert!(!text.contains("NoConditions"), "{text}");
}

#[derive(Debug)]
pub(crate) struct Bucket {
    objects: InMemory,
    manners: Manners,
}

#[derive(Debug)]
pub(crate) enum Manners {
    /// There are no puts on condition.
    NoConditions,
    /// It answers so many puts on condition as S3 does while another one is under way: with status 409,
    /// which `object_store` says is `AlreadyExists`.
    Conflicts { left: AtomicUsize },
    /// It does nothing.
    Refuses,
}

impl Bucket {
    pub(crate) fn new(manners: Manners) -> Arc<Bucket> {
        Arc::new(Bucket { objects: InMemory::new(), manners })
    }

    fn admits(&self, location: &str) -> Result<()> {
        match self.manners {
            Manners::NoConditions | Manners::Conflicts { .. } => Ok(()),
            Manners::Refuses => Err(Error::PermissionDenied {
                path: location.to_string(),
                source: "the key has expired".into(),
            }),
        }
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bucket(states)")
    }
}

#[async_trait]
impl ObjectStore for Bucket {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        self.admits(location.as_ref())?;
        if options.mode == PutMode::Create {
            match &self.manners {
                Manners::NoConditions => {
                    return Err(Error::NotImplemented {
                        operation: "a put on condition".to_string(),
                        implementer: self.to_string(),
                    });
                }
                Manners::Conflicts { left } if left.load(Ordering::Relaxed) > 0 => {
                    left.fetch_sub(1, Ordering::Relaxed);
                    return Err(Error::AlreadyExists {
                        path: location.to_string(),
                        source: "a conflicting operation is under way".into(),
                    });
                }
                Manners::Conflicts { .. } | Manners::Refuses => {}
            }
        }
        self.objects.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.objects.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.admits(location.as_ref())?;
        self.objects.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.objects.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.objects.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.admits(prefix.map(AsRef::as_ref).unwrap_or_default())?;
        self.objects.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.objects.copy_opts(from, to, options).await
    }
}
