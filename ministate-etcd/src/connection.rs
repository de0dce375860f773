//! Which node of etcd is asked, and how long is it waited for?

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use etcd_client::{Client, ConnectOptions, Error, Txn, TxnResponse, WatchOptions, WatchStream};
use tokio::time::timeout;

use crate::error::EtcdError;
use crate::verdict::{Failure, Verdict};

/// The nodes of etcd, of which one is asked until it fails. A client that balances among them would give
/// requests to a node that has stopped, again and again.
pub(crate) struct Connection {
    nodes: Vec<Node>,
    current: AtomicUsize,
    options: ConnectOptions,
    request_timeout: Duration,
}

struct Node {
    endpoint: String,
    client: Mutex<Option<Client>>,
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
        let endpoints: Vec<_> = self.nodes.iter().map(|node| &node.endpoint).collect();
        f.debug_struct("Connection").field("endpoints", &endpoints).finish_non_exhaustive()
    }
}

impl Connection {
    /// To these nodes, of which there is at least one; none is asked yet.
    pub(crate) fn to(
        endpoints: Vec<String>,
        options: ConnectOptions,
        request_timeout: Duration,
    ) -> Connection {
        let nodes = endpoints.into_iter();
        let nodes = nodes.map(|endpoint| Node { endpoint, client: Mutex::new(None) }).collect();
        Connection { nodes, current: AtomicUsize::new(0), options, request_timeout }
    }

    pub(crate) fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// The node that is asked now.
    pub(crate) fn current(&self) -> NodeIndex {
        NodeIndex(self.current.load(Ordering::Relaxed))
    }

    /// Has a transaction carried out, by one node: by the next ones only as long as it was certainly not
    /// sent, and after another login where the last one has ended.
    pub(crate) async fn transact(&self, txn: Txn) -> Result<TxnResponse, Failure> {
        let ask = |client: Client| {
            let mut client = client.kv_client().max_decoding_message_size(usize::MAX);
            let txn = txn.clone();
            async move { client.txn(txn).await }
        };
        Ok(self.ask(ask).await?.1)
    }

    /// Opens a watch on one node.
    pub(crate) async fn watch(&self, key: String, options: WatchOptions) -> Result<Watch, Failure> {
        let ask = |client: Client| {
            let mut client = client.watch_client().max_decoding_message_size(usize::MAX);
            let (key, options) = (key.clone(), options.clone());
            async move { client.watch(key, Some(options)).await }
        };
        let (node, stream) = self.ask(ask).await?;
        Ok(Watch { stream, node })
    }

    async fn ask<T, Asked>(&self, ask: impl Fn(Client) -> Asked) -> Result<(NodeIndex, T), Failure>
    where
        Asked: Future<Output = Result<T, Error>>,
    {
        let (mut nodes_left, mut logins_left) = (self.node_count(), 1);
        loop {
            let node = self.current();
            let failure = match self.ask_node(node, &ask).await {
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
        ask: impl Fn(Client) -> Asked,
    ) -> Result<T, Failure>
    where
        Asked: Future<Output = Result<T, Error>>,
    {
        let client = self.client_of(node).await?;
        let failure = match timeout(self.request_timeout, ask(client)).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => Failure::of(&self.nodes[node.0].endpoint, error),
            Err(_) => self.silent(node, Verdict::Open),
        };
        // The next request makes another connection, and logs in anew: this one may be to a machine that is
        // not there any more.
        let is_silence = matches!(failure.error, EtcdError::Silent { .. });
        if is_silence || failure.verdict == Verdict::LoginEnded {
            *self.kept_client(node) = None;
        }
        Err(failure)
    }

    /// The client of a node, which connects when it is first used; with a user, it logs in now. The
    /// request has not been sent then, whatever becomes of it.
    async fn client_of(&self, node: NodeIndex) -> Result<Client, Failure> {
        if let Some(client) = &*self.kept_client(node) {
            return Ok(client.clone());
        }
        let endpoint = &self.nodes[node.0].endpoint;
        let connecting = Client::connect([endpoint], Some(self.options.clone()));
        match timeout(self.request_timeout, connecting).await {
            Ok(Ok(client)) => {
                *self.kept_client(node) = Some(client.clone());
                Ok(client)
            }
            Ok(Err(error)) => {
                Err(Failure { verdict: Verdict::NotSent, ..Failure::of(endpoint, error) })
            }
            Err(_) => Err(self.silent(node, Verdict::NotSent)),
        }
    }

    fn kept_client(&self, node: NodeIndex) -> MutexGuard<'_, Option<Client>> {
        self.nodes[node.0].client.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn silent(&self, node: NodeIndex, verdict: Verdict) -> Failure {
        let endpoint = self.nodes[node.0].endpoint.clone();
        let error = EtcdError::Silent { endpoint, waited: self.request_timeout };
        Failure { verdict, error }
    }

    /// Has the next node asked from now on, unless another request has found out already.
    fn leave(&self, node: NodeIndex) {
        let next = (node.0 + 1) % self.node_count();
        let _ = self.current.compare_exchange(node.0, next, Ordering::Relaxed, Ordering::Relaxed);
    }
}
