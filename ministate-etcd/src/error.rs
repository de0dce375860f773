//! What can etcd, or the way to it, have against a request?

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// What etcd said, or that it said nothing: from [`EtcdOptions`](crate::EtcdOptions), and the source of the errors of [`EtcdJournal`](crate::EtcdJournal).
#[derive(Debug)]
#[non_exhaustive]
pub enum EtcdError {
    /// The options name no endpoint.
    NoEndpoint,
    /// The prefix of the keys is empty.
    NoPrefix,
    /// There is no journal under the prefix; only from
    /// [`EtcdOptions::open_existing`](crate::EtcdOptions::open_existing).
    NoJournal {
        /// The key that would hold its identity.
        key: String,
    },
    /// There are keys under the prefix which are not those of a journal.
    NotAJournal {
        /// A key of the journal that does not hold what it should.
        key: String,
    },
    /// A node did not answer in time.
    Silent {
        /// The node.
        endpoint: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// A node refused, or the connection to it failed.
    Failed {
        /// The node.
        endpoint: String,
        /// What the client of etcd says.
        source: etcd_client::Error,
    },
}

impl fmt::Display for EtcdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoEndpoint => f.write_str("no endpoint of etcd is given: name its nodes"),
            Self::NoPrefix => {
                f.write_str("the prefix of the keys is empty: choose one for this journal")
            }
            Self::NoJournal { key } => write!(
                f,
                "there is no journal, since there is no key {key}: see whether etcd has lost it, or make \
                 one with `open` if there never was any"
            ),
            Self::NotAJournal { key } => write!(
                f,
                "the key {key} does not hold what that of a journal does: remove what lies there, or \
                 choose another prefix"
            ),
            Self::Silent { endpoint, waited } => write!(
                f,
                "the node {endpoint} of etcd did not answer within {waited:?}: see to it, or wait"
            ),
            Self::Failed { endpoint, .. } => write!(
                f,
                "the node {endpoint} of etcd refused, or was not reached: see what it says"
            ),
        }
    }
}

impl Error for EtcdError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed { source, .. } => Some(source),
            Self::NoEndpoint
            | Self::NoPrefix
            | Self::NoJournal { .. }
            | Self::NotAJournal { .. }
            | Self::Silent { .. } => None,
        }
    }
}
