//! Which node of etcd is asked, over which connection, and how long is it waited for?

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use etcd_client::{Client, ConnectOptions, Error, Txn, TxnResponse, WatchOptions, WatchStream};
use tokio::time::timeout;

use crate::error::EtcdError;
use crate::verdict::{Failure, Verdict};

/// A connection to one of the nodes, which is asked until it fails. A client that balances among them would
/// give requests to a node that has stopped, again and again.
pub(crate) struct Connection {
    nodes: Arc<Nodes>,
    client: Mutex<Option<(NodeIndex, Client)>>,
}

/// What the connections of one journal know of its etcd. A node that one of them found to fail, the others
/// leave as well.
struct Nodes {
    endpoints: Vec<String>,
    current: AtomicUsize,
    options: ConnectOptions,
    request_timeout: Duration,
}

/// Which of the nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NodeIndex(usize);

/// A watch, and the node that it is on.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) stream: WatchStream,
    pub(crate) node: NodeIndex,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the options: there is a password in them.
        let endpoints = &self.nodes.endpoints;
        f.debug_struct("Connection").field("endpoints", endpoints).finish_non_exhaustive()
    }
}

impl Connection {
    /// To these nodes, of which there is at least one; none is asked yet.
    pub(crate) fn to(
        endpoints: Vec<String>,
        options: ConnectOptions,
        request_timeout: Duration,
    ) -> Connection {
        let nodes = Nodes { endpoints, current: AtomicUsize::new(0), options, request_timeout };
        Connection { nodes: Arc::new(nodes), client: Mutex::new(None) }
    }

    /// Another one to the same nodes. What nobody takes from the one does not hold up the other: the
    /// requests of one share what HTTP/2 lets be on its way.
    pub(crate) fn another(&self) -> Connection {
        Connection { nodes: Arc::clone(&self.nodes), client: Mutex::new(None) }
    }

    pub(crate) fn node_count(&self) -> usize {
        self.nodes.endpoints.len()
    }

    /// How long a request with some bytes is waited for.
    pub(crate) fn request_timeout(&self) -> Duration {
        self.nodes.request_timeout
    }

    /// The node that is asked now.
    pub(crate) fn current(&self) -> NodeIndex {
        NodeIndex(self.nodes.current.load(Ordering::Relaxed))
    }

    /// Has a transaction carried out, by one node: by the next ones only as long as it was certainly not
    /// sent, and after another login where the last one has ended.
    pub(crate) async fn transact(&self, txn: Txn) -> Result<TxnResponse, Failure> {
        self.transact_within(self.request_timeout(), txn).await
    }

    /// The same, with more time or less for each node.
    pub(crate) async fn transact_within(
        &self,
        patience: Duration,
        txn: Txn,
    ) -> Result<TxnResponse, Failure> {
        let ask = |client: Client| {
            let mut client = client.kv_client().max_decoding_message_size(usize::MAX);
            let txn = txn.clone();
            async move { client.txn(txn).await }
        };
        Ok(self.ask(patience, ask).await?.1)
    }

    /// Opens a watch on one node.
    pub(crate) async fn watch(&self, key: String, options: WatchOptions) -> Result<Watch, Failure> {
        let ask = |client: Client| {
            let mut client = client.watch_client().max_decoding_message_size(usize::MAX);
            let (key, options) = (key.clone(), options.clone());
            async move { client.watch(key, Some(options)).await }
        };
        let (node, stream) = self.ask(self.request_timeout(), ask).await?;
        Ok(Watch { stream, node })
    }

    async fn ask<T, Asked>(
        &self,
        patience: Duration,
        ask: impl Fn(Client) -> Asked,
    ) -> Result<(NodeIndex, T), Failure>
    where
        Asked: Future<Output = Result<T, Error>>,
    {
        let (mut nodes_left, mut logins_left) = (self.node_count(), 1);
        loop {
            let node = self.current();
            let failure = match self.ask_node(node, patience, &ask).await {
                Ok(answer) => return Ok((node, answer)),
                Err(failure) => failure,
            };
            match failure.verdict {
                Verdict::LoginEnded if logins_left > 0 => logins_left -= 1,
                Verdict::NotSent if nodes_left > 1 => {
                    self.leave(node);
                    nodes_left -= 1;
                }
                Verdict::NotSent | Verdict::Open => {
                    self.leave(node);
                    return Err(failure);
                }
                Verdict::LoginEnded | Verdict::Refused | Verdict::TooLarge | Verdict::Decided => {
                    return Err(failure);
                }
            }
        }
    }

    async fn ask_node<T, Asked>(
        &self,
        node: NodeIndex,
        patience: Duration,
        ask: impl Fn(Client) -> Asked,
    ) -> Result<T, Failure>
    where
        Asked: Future<Output = Result<T, Error>>,
    {
        let client = self.client_of(node).await?;
        let failure = match timeout(patience, ask(client)).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => Failure::of(self.endpoint(node), error),
            Err(_) => self.silent(node, patience, Verdict::Open),
        };
        // The next request makes another connection, and logs in anew: this one may be to a machine that is
        // not there any more.
        let is_silence = matches!(failure.error, EtcdError::Silent { .. });
        if is_silence || failure.verdict == Verdict::LoginEnded {
            *self.kept_client() = None;
        }
        Err(failure)
    }

    /// The client of a node, which connects when it is first used; with a user, it logs in now. The
    /// request has not been sent then, whatever becomes of it.
    async fn client_of(&self, node: NodeIndex) -> Result<Client, Failure> {
        if let Some((connected, client)) = &*self.kept_client()
            && *connected == node
        {
            return Ok(client.clone());
        }
        let endpoint = self.endpoint(node);
        let connecting = Client::connect([endpoint], Some(self.nodes.options.clone()));
        match timeout(self.request_timeout(), connecting).await {
            Ok(Ok(client)) => {
                *self.kept_client() = Some((node, client.clone()));
                Ok(client)
            }
            Ok(Err(error)) => {
                Err(Failure { verdict: Verdict::NotSent, ..Failure::of(endpoint, error) })
            }
            Err(_) => Err(self.silent(node, self.request_timeout(), Verdict::NotSent)),
        }
    }

    fn kept_client(&self) -> MutexGuard<'_, Option<(NodeIndex, Client)>> {
        self.client.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn endpoint(&self, node: NodeIndex) -> &str {
        &self.nodes.endpoints[node.0]
    }

    fn silent(&self, node: NodeIndex, waited: Duration, verdict: Verdict) -> Failure {
        let endpoint = self.endpoint(node).to_string();
        let error = EtcdError::Silent { endpoint, waited };
        Failure { verdict, error }
    }

    /// Has the next node asked from now on, unless another request has found out already.
    fn leave(&self, node: NodeIndex) {
        let next = (node.0 + 1) % self.node_count();
        let current = &self.nodes.current;
        let _ = current.compare_exchange(node.0, next, Ordering::Relaxed, Ordering::Relaxed);
    }
}
