//! What became of a request that failed: can it have been carried out?

use std::error::Error as _;
use std::sync::Arc;

use etcd_client::Error;
use ministate::shared::Cause;
use tonic::{Code, ConnectError, Status};

use crate::error::EtcdError;

/// A request that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) verdict: Verdict,
    pub(crate) error: EtcdError,
}

/// What is known of a request that failed. Whatever is not certain is [`Open`](Self::Open): to take a
/// request for lost that was carried out would be to append its entry twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It did not leave this process.
    NotSent,
    /// etcd does not accept the login any more that it was sent with, and has not carried it out.
    LoginEnded,
    /// etcd refused it, and has not carried it out.
    Refused,
    /// It is larger than etcd takes, which has not carried it out.
    TooLarge,
    /// etcd is done with it, and either carried it out or did not: who looks now, knows.
    Decided,
    /// It may have been carried out, or may still be.
    Open,
}

impl Failure {
    /// The failure of a request to the node at `endpoint`.
    pub(crate) fn of(endpoint: &str, error: Error) -> Failure {
        let verdict = match &error {
            Error::GRpcStatus(status) => verdict_on(status),
            Error::InvalidArgs(_) | Error::InvalidUri(_) | Error::InvalidMetadataValue(_) => {
                Verdict::NotSent
            }
            _ => Verdict::Open,
        };
        let error = EtcdError::Failed { endpoint: endpoint.to_string(), source: error };
        Failure { verdict, error }
    }

    pub(crate) fn cause(self) -> Cause {
        Arc::new(self.error)
    }
}

/// The refusals of etcd before a transaction has any effect, word for word: other software on the way
/// may use the same codes and mean something else.
const REFUSALS: [(Code, &str); 3] = [
    (Code::PermissionDenied, "etcdserver: permission denied"),
    (Code::InvalidArgument, "etcdserver: user name is empty"),
    (Code::ResourceExhausted, "etcdserver: too many requests"),
];

/// What etcd says, before a transaction has any effect, of a login that was accepted once: it took too
/// long, or users and roles have changed since.
const ENDS_OF_LOGIN: [(Code, &str); 2] = [
    (Code::Unauthenticated, "etcdserver: invalid auth token"),
    (Code::InvalidArgument, "etcdserver: revision of auth store is old"),
];

fn verdict_on(status: &Status) -> Verdict {
    let (code, message) = (status.code(), status.message());
    if REFUSALS.contains(&(code, message)) {
        Verdict::Refused
    } else if ENDS_OF_LOGIN.contains(&(code, message)) {
        Verdict::LoginEnded
    } else if (code, message) == (Code::InvalidArgument, "etcdserver: request is too large")
        || code == Code::ResourceExhausted
            && message.starts_with("grpc: received message larger than max")
    {
        Verdict::TooLarge
    } else if (code, message)
        == (Code::ResourceExhausted, "etcdserver: mvcc: database space exceeded")
    {
        // The request with which the space runs out is carried out, and answered so nevertheless:
        // `quotaApplierV3` in etcd, of all versions.
        Verdict::Decided
    } else if never_connected(status) {
        Verdict::NotSent
    } else {
        Verdict::Open
    }
}

/// Whether there was no connection to send the request over. Each request is given to one connection,
/// once: none of the layers below tries again.
fn never_connected(status: &Status) -> bool {
    let mut source = status.source();
    while let Some(error) = source {
        if error.is::<ConnectError>() {
            return true;
        }
        source = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict_of(code: Code, message: &str) -> Verdict {
        Failure::of("", Error::GRpcStatus(Status::new(code, message))).verdict
    }

    #[test]
    fn only_what_etcd_certainly_refused_counts_as_refused() {
        assert_eq!(
            verdict_of(Code::PermissionDenied, "etcdserver: permission denied"),
            Verdict::Refused
        );
        assert_eq!(verdict_of(Code::PermissionDenied, "said a proxy"), Verdict::Open);
        assert_eq!(
            verdict_of(Code::Unauthenticated, "etcdserver: invalid auth token"),
            Verdict::LoginEnded
        );
        assert_eq!(verdict_of(Code::Unauthenticated, "said a proxy"), Verdict::Open);
        assert_eq!(verdict_of(Code::Unavailable, "etcdserver: no leader"), Verdict::Open);
        assert_eq!(verdict_of(Code::Unavailable, "etcdserver: request timed out"), Verdict::Open);
        assert_eq!(verdict_of(Code::Unavailable, "tcp connect error"), Verdict::Open);
        assert_eq!(verdict_of(Code::Unknown, "transport error"), Verdict::Open);
    }

    #[test]
    fn a_full_etcd_may_have_carried_out_what_it_refuses() {
        let full = "etcdserver: mvcc: database space exceeded";
        assert_eq!(verdict_of(Code::ResourceExhausted, full), Verdict::Decided);
    }

    #[test]
    fn what_found_no_connection_was_not_sent() {
        let refused = ConnectError(Box::new(std::io::Error::other("refused")));
        let status = Status::from_error(Box::new(refused));
        assert_eq!(Failure::of("", Error::GRpcStatus(status)).verdict, Verdict::NotSent);
    }
}
