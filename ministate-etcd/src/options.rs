//! Where is the journal, and how is etcd talked to?

use std::fmt;
use std::time::Duration;

use etcd_client::ConnectOptions;
#[cfg(feature = "tls")]
use etcd_client::TlsOptions;

use crate::connection::Connection;
use crate::error::EtcdError;
use crate::journal::{EtcdJournal, Kept};
use crate::keys::Keys;
use crate::opening::{self, IfNone};

/// Where a journal lies in etcd, and how it is reached.
///
/// ```no_run
/// use std::time::Duration;
///
/// use ministate_etcd::EtcdOptions;
///
/// # async fn example() -> Result<(), ministate_etcd::EtcdError> {
/// let journal = EtcdOptions::new(["http://10.0.0.1:2379", "http://10.0.0.2:2379"])
///     .prefix("/ministate/registry")
///     .user("registry", "a secret")
///     .request_timeout(Duration::from_secs(3))
///     .open_existing()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct EtcdOptions {
    endpoints: Vec<String>,
    prefix: String,
    connect: ConnectOptions,
    request_timeout: Duration,
    look_every: Duration,
    entry_bytes_max: usize,
}

impl EtcdOptions {
    /// The journal in the etcd that has these nodes, such as `http://10.0.0.1:2379`. One of them is asked;
    /// when it fails, the next.
    pub fn new(endpoints: impl IntoIterator<Item = impl Into<String>>) -> EtcdOptions {
        EtcdOptions {
            endpoints: endpoints.into_iter().map(Into::into).collect(),
            prefix: "/ministate".to_string(),
            connect: ConnectOptions::new().with_connect_timeout(Duration::from_secs(1)),
            request_timeout: Duration::from_secs(2),
            look_every: Duration::from_secs(1),
            entry_bytes_max: 1 << 20,
        }
    }

    /// What the keys of the journal begin with, without the slash that follows: `/ministate` where nothing
    /// is said. Each journal needs one of its own, which is not the beginning of another's.
    pub fn prefix(mut self, prefix: impl Into<String>) -> EtcdOptions {
        self.prefix = prefix.into();
        self
    }

    /// Logs in as this user of etcd, with each connection, and anew when etcd says that a login has ended:
    /// after its time, or since users or roles were changed. What meets a login that has ended, or is
    /// refused, is certainly not carried out. While authentication is switched off in etcd, nobody can log
    /// in.
    pub fn user(mut self, name: impl Into<String>, password: impl Into<String>) -> EtcdOptions {
        self.connect = self.connect.with_user(name, password);
        self
    }

    /// Connects over TLS, and trusts the certificates that are given and no others. The endpoints have to
    /// begin with `https://`.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: TlsOptions) -> EtcdOptions {
        self.connect = self.connect.with_tls(tls);
        self
    }

    /// Connects over TLS, and trusts the certificates that the system trusts. To trust others as well, call
    /// [`tls`](Self::tls) with `TlsOptions::new().with_native_roots()`, to which they are added.
    #[cfg(feature = "tls-roots")]
    pub fn tls_roots(self) -> EtcdOptions {
        self.tls(TlsOptions::new().with_native_roots())
    }

    /// How long a node is waited for until the next one is asked: 2 seconds where nothing is said. The
    /// nodes need 1 to 2 seconds to elect another leader, unless they are configured otherwise.
    ///
    /// Large entries get more time, so that they come over a slow link. An append has as much again for each
    /// 256 KiB of its entry: with 2 seconds, a link with 1 Mbit/s suffices, and an entry of 1 MiB finds
    /// after 10 seconds that a node has stopped. A tail which heard nothing in time asks for fewer entries,
    /// down to one, and then waits for twice as long each time, up to 8 times as long, until entries come
    /// in time again. Only then does it say that etcd does not answer: with 2 seconds, after about half a
    /// minute, where all nodes take connections and none says anything.
    pub fn request_timeout(mut self, timeout: Duration) -> EtcdOptions {
        self.request_timeout = timeout;
        self
    }

    /// How long connecting to a node may take: 1 second where nothing is said. Should be less than the
    /// time for a request, since what was not sent is then known not to be.
    pub fn connect_timeout(mut self, timeout: Duration) -> EtcdOptions {
        self.connect = self.connect.with_connect_timeout(timeout);
        self
    }

    /// Sends a ping over an idle connection after `interval`, and gives the connection up when there is no
    /// answer within `timeout`. Nothing is sent where nothing is said. etcd closes connections with pings
    /// in less than 5 seconds (`--grpc-keepalive-min-time`).
    pub fn keep_alive(mut self, interval: Duration, timeout: Duration) -> EtcdOptions {
        self.connect = self.connect.with_keep_alive(interval, timeout);
        self
    }

    /// After how long a silence a tail looks whether it missed something: 1 second where nothing is said.
    /// Costs a read per tail, on a journal where nothing happens.
    pub fn look_every(mut self, interval: Duration) -> EtcdOptions {
        self.look_every = interval;
        self
    }

    /// How large an entry may be, in bytes: 1 MiB (1048576) where nothing is said. Together with the keys
    /// it must fit into a request, for which etcd has `--max-request-bytes`.
    pub fn entry_bytes_max(mut self, bytes: usize) -> EtcdOptions {
        self.entry_bytes_max = bytes;
        self
    }

    /// Takes the options of the client of etcd, for what has no method here. Replaces what was said of the
    /// user, TLS, the time for connecting, and pings before. A leader is always required, and the login of
    /// the user always renewed as [`user`](Self::user) says.
    pub fn connect_options(mut self, options: ConnectOptions) -> EtcdOptions {
        self.connect = options;
        self
    }

    /// Opens the journal, and makes it where there is none: for the first start of the first process. An
    /// etcd that has lost its data looks like a new one, which later starts should not take it for: they
    /// call [`open_existing`](Self::open_existing). Asks each node once at most for each step.
    ///
    /// # Errors
    ///
    /// * [`EtcdError::NoEndpoint`] and [`EtcdError::NoPrefix`]: something is missing in the options.
    /// * [`EtcdError::NotAJournal`]: there is something else under the prefix.
    /// * [`EtcdError::Silent`] and [`EtcdError::Failed`]: what the last node said that was asked. The
    ///   journal may have been made nevertheless; opening it again is right in any case.
    pub async fn open(self) -> Result<EtcdJournal, EtcdError> {
        self.opened(IfNone::Make).await
    }

    /// Opens the journal, and never makes one: for each start but the very first. Writes nothing.
    ///
    /// # Errors
    ///
    /// * [`EtcdError::NoJournal`]: there is none under the prefix. Where there was one, etcd has lost it, or
    ///   it is another etcd.
    /// * Those of [`open`](Self::open).
    pub async fn open_existing(self) -> Result<EtcdJournal, EtcdError> {
        self.opened(IfNone::Refuse).await
    }

    async fn opened(self, if_none: IfNone) -> Result<EtcdJournal, EtcdError> {
        if self.endpoints.is_empty() {
            return Err(EtcdError::NoEndpoint);
        }
        let keys = Keys::under(&self.prefix).ok_or(EtcdError::NoPrefix)?;
        // What the client refreshes by itself it does not tell from the request: a refused login would be
        // taken for an answer to it.
        let connect = self.connect.with_require_leader(true).with_auto_token_refresh(false);
        let connection = Connection::to(self.endpoints, connect, self.request_timeout);
        let id = opening::id_under(&keys, &connection, if_none).await?;
        let (entry_bytes_max, look_every) = (self.entry_bytes_max, self.look_every);
        Ok(EtcdJournal::of(Kept { id, keys, connection, entry_bytes_max, look_every }))
    }
}

impl fmt::Debug for EtcdOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not what is said of the connection: there is a password in it.
        f.debug_struct("EtcdOptions")
            .field("endpoints", &self.endpoints)
            .field("prefix", &self.prefix)
            .field("request_timeout", &self.request_timeout)
            .field("look_every", &self.look_every)
            .field("entry_bytes_max", &self.entry_bytes_max)
            .finish_non_exhaustive()
    }
}
