//! A cluster of etcd on this machine: started, killed, stopped, and started again.
#![expect(clippy::disallowed_methods, reason = "reads the logs of etcd, and what /proc says")]

mod leading;
mod programs;

use std::collections::hash_map::RandomState;
use std::fmt;
use std::fs;
use std::hash::BuildHasher;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::netns::Host;
pub use programs::Programs;

/// What proves who is who over TLS: files in PEM.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// Whom the clients trust.
    pub authority: PathBuf,
    /// What the nodes show, for `127.0.0.1`.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// A cluster that is to be started.
#[derive(Debug, Clone)]
pub struct Setup {
    hosts: Vec<Host>,
    arguments: Vec<String>,
    certificate: Option<Certificate>,
}

/// A cluster that is to have so many nodes.
pub fn nodes(nodes: usize) -> Setup {
    nodes_on(vec![Host { address: Ipv4Addr::LOCALHOST, namespace: None }; nodes])
}

/// A cluster that is to have a node on each of these hosts.
pub fn nodes_on(hosts: Vec<Host>) -> Setup {
    Setup { hosts, arguments: Vec::new(), certificate: None }
}

impl Setup {
    /// Gives an argument to each node, such as `--quota-backend-bytes=16777216`.
    pub fn argument(mut self, argument: &str) -> Setup {
        self.arguments.push(argument.to_string());
        self
    }

    /// Has the nodes talk to clients over TLS.
    pub fn certificate(mut self, certificate: Certificate) -> Setup {
        self.certificate = Some(certificate);
        self
    }

    /// Starts the cluster, and waits until it is healthy. `None`, having said so, where etcd is not
    /// installed.
    ///
    /// # Panics
    ///
    /// Where the nodes do not become healthy.
    pub fn start(self) -> Option<Cluster> {
        let programs = Programs::found()?;
        for _ in 0..5 {
            let mut cluster = Cluster::stopped(programs.clone(), self.clone());
            for at in 0..self.hosts.len() {
                cluster.spawn(at);
            }
            if cluster.became_healthy() {
                return Some(cluster);
            }
            // Somebody may have taken a port in between.
        }
        panic!("no cluster of {} nodes became healthy", self.hosts.len());
    }
}

/// Nodes of etcd, which end when it is dropped.
pub struct Cluster {
    programs: Programs,
    setup: Setup,
    nodes: Vec<Node>,
    folder: TempDir,
}

struct Node {
    host: Host,
    client: u16,
    peer: u16,
    metrics: u16,
    process: Option<Child>,
}

/// How long a node may take to start, or to be elected, on a machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(60);

impl Cluster {
    fn stopped(programs: Programs, setup: Setup) -> Cluster {
        let mut ports = free_ports(setup.hosts.len() * 3).into_iter();
        let mut port = || ports.next().unwrap();
        let nodes = setup.hosts.iter().cloned().map(|host| {
            let (client, peer, metrics) = (port(), port(), port());
            Node { host, client, peer, metrics, process: None }
        });
        let nodes = nodes.collect();
        Cluster { programs, setup, nodes, folder: TempDir::new().unwrap() }
    }

    /// Where the nodes answer clients, in their order.
    pub fn endpoints(&self) -> Vec<String> {
        self.nodes.iter().map(|node| self.url(node)).collect()
    }

    /// The sockets behind [`endpoints`](Self::endpoints).
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let address = |node: &Node| SocketAddr::from((node.host.address, node.client));
        self.nodes.iter().map(address).collect()
    }

    /// Ends a node as a loss of power to its machine would, but for what the machine has not synced.
    pub fn kill(&mut self, node: usize) {
        if let Some(mut process) = self.nodes[node].process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Starts a node again that was killed, and waits until it is healthy.
    ///
    /// # Panics
    ///
    /// Where it does not become so.
    pub fn restart(&mut self, node: usize) {
        self.kill(node);
        self.spawn(node);
        let restarted = eventually(|| {
            let process = self.nodes[node].process.as_mut().unwrap();
            if process.try_wait().unwrap().is_some() {
                self.spawn(node);
            }
            self.is_healthy(node).then_some(())
        });
        restarted.unwrap_or_else(|| panic!("node {node} did not come back:\n{}", self.log(node)));
    }

    /// Starts all nodes again, after they were killed, and waits until they are healthy.
    ///
    /// # Panics
    ///
    /// Where they do not become so.
    pub fn restart_all(&mut self) {
        // None is healthy before most of them are there.
        for node in 0..self.nodes.len() {
            self.kill(node);
            self.spawn(node);
        }
        assert!(self.became_healthy(), "the nodes did not come back:\n{}", self.log(0));
    }

    /// Stops a node where it stands: connections to it stay, and nothing is answered.
    pub fn pause(&self, node: usize) {
        self.signal(node, "-STOP");
        let status = format!("/proc/{}/stat", self.process_id(node));
        let stopped = eventually(|| {
            let status = fs::read_to_string(&status).ok()?;
            status.rsplit_once(") ")?.1.starts_with('T').then_some(())
        });
        stopped.expect("the node did not stop");
    }

    /// Lets a paused node go on.
    pub fn resume(&self, node: usize) {
        self.signal(node, "-CONT");
    }

    /// Runs `etcdctl` with these arguments against all nodes, and returns what it prints.
    ///
    /// # Panics
    ///
    /// Where it fails.
    pub fn etcdctl(&self, arguments: &[&str]) -> String {
        self.tried_etcdctl(arguments).unwrap_or_else(|complaint| panic!("{complaint}"))
    }

    /// As [`etcdctl`](Self::etcdctl), again and again until it succeeds: for nodes that were just struck.
    ///
    /// # Panics
    ///
    /// Where it does not.
    pub fn etcdctl_at_last(&self, arguments: &[&str]) -> String {
        let printed = eventually(|| self.tried_etcdctl(arguments).ok());
        printed.unwrap_or_else(|| panic!("etcdctl {arguments:?} did not succeed"))
    }

    fn tried_etcdctl(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = Command::new(&self.programs.etcdctl);
        command.env("ETCDCTL_API", "3").arg("--endpoints").arg(self.endpoints().join(","));
        if let Some(certificate) = &self.setup.certificate {
            command.arg("--cacert").arg(&certificate.authority);
        }
        let output = command.args(arguments).output().unwrap();
        if !output.status.success() {
            let complaint = String::from_utf8_lossy(&output.stderr);
            return Err(format!("etcdctl {arguments:?}: {complaint}"));
        }
        Ok(String::from_utf8(output.stdout).unwrap())
    }

    /// Forgets all that was replaced or deleted until now.
    ///
    /// # Panics
    ///
    /// Where etcd does not.
    pub fn compact(&self) {
        let read = self.etcdctl_at_last(&["get", "none", "--write-out", "json"]);
        let read: Value = serde_json::from_str(&read).unwrap();
        // Not again where it was done and not answered: that would be refused.
        self.etcdctl(&["compaction", &read["header"]["revision"].to_string()]);
    }

    /// The last lines that a node logged.
    pub fn log(&self, node: usize) -> String {
        let log = fs::read_to_string(self.log_file(node)).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    fn spawn(&mut self, at: usize) {
        let members = self.nodes.iter().enumerate();
        let members = members.map(|(at, node)| format!("n{at}={}", node.peer_url()));
        let members: Vec<_> = members.collect();
        let node = &self.nodes[at];
        let (client, peer) = (self.url(node), node.peer_url());
        let mut command = match &node.host.namespace {
            None => Command::new(&self.programs.etcd),
            Some(namespace) => {
                // Becomes etcd, so that its id is etcd's.
                let mut command = Command::new("ip");
                command.args(["netns", "exec", namespace]).arg(&self.programs.etcd);
                command
            }
        };
        command
            .args(["--name", &format!("n{at}"), "--listen-peer-urls", &peer])
            .args(["--initial-advertise-peer-urls", &peer, "--listen-client-urls", &client])
            .args(["--advertise-client-urls", &client])
            .args([
                "--listen-metrics-urls",
                &format!("http://{}:{}", node.host.address, node.metrics),
            ])
            .args(["--initial-cluster", &members.join(","), "--initial-cluster-state", "new"])
            .arg("--data-dir")
            .arg(self.folder.path().join(format!("n{at}")))
            .args(["--logger", "zap", "--log-outputs"])
            .arg(self.log_file(at))
            .args(&self.setup.arguments);
        if let Some(certificate) = &self.setup.certificate {
            command.arg("--cert-file").arg(&certificate.certificate);
            command.arg("--key-file").arg(&certificate.key);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.nodes[at].process = Some(command.spawn().unwrap());
    }

    /// Whether all nodes became healthy, before one ended or patience did.
    fn became_healthy(&mut self) -> bool {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if (0..self.nodes.len()).all(|node| self.is_healthy(node)) {
                return true;
            }
            for node in &mut self.nodes {
                if node.process.as_mut().is_none_or(|node| node.try_wait().unwrap().is_some()) {
                    return false;
                }
            }
            thread::sleep(POLL);
        }
        false
    }

    fn is_healthy(&self, node: usize) -> bool {
        self.asked(node, "/health").is_ok_and(|answer| answer.contains(r#""health":"true""#))
    }

    /// What a node answers to a request over HTTP: on the port of its metrics, which asks for no
    /// certificate and no password.
    fn asked(&self, node: usize, path: &str) -> io::Result<String> {
        let node = &self.nodes[node];
        let address = SocketAddr::from((node.host.address, node.metrics));
        let patience = Duration::from_secs(1);
        let mut stream = TcpStream::connect_timeout(&address, patience)?;
        stream.set_read_timeout(Some(patience))?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    fn signal(&self, node: usize, signal: &str) {
        send(signal, self.process_id(node));
    }

    fn process_id(&self, node: usize) -> u32 {
        self.nodes[node].process.as_ref().expect("the node does not run").id()
    }

    fn url(&self, node: &Node) -> String {
        let scheme = if self.setup.certificate.is_some() { "https" } else { "http" };
        format!("{scheme}://{}:{}", node.host.address, node.client)
    }

    fn log_file(&self, node: usize) -> PathBuf {
        Path::new(self.folder.path()).join(format!("n{node}.log"))
    }
}

impl Node {
    fn peer_url(&self) -> String {
        format!("http://{}:{}", self.host.address, self.peer)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for process in self.nodes.iter_mut().filter_map(|node| node.process.as_mut()) {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("endpoints", &self.endpoints()).finish_non_exhaustive()
    }
}

/// Sends a process a signal, such as `-STOP`.
pub(crate) fn send(signal: &str, process: u32) {
    assert!(Command::new("kill").args([signal, &process.to_string()]).status().unwrap().success());
}

const POLL: Duration = Duration::from_millis(50);

pub(crate) fn eventually<T>(mut found: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = found() {
            return Some(found);
        }
        if Instant::now() > deadline {
            return None;
        }
        thread::sleep(POLL);
    }
}

/// Ports that nobody listens on, and which the system does not give to outgoing connections either: they
/// are still free when a node comes back.
pub fn free_ports(count: usize) -> Vec<u16> {
    let begin = RandomState::new().hash_one("ports") % 10_000;
    let candidates = (0..10_000).map(|offset| 20_000 + ((begin + offset) % 10_000) as u16);
    let held: Vec<_> = candidates
        .filter_map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok())
        .take(count)
        .collect();
    held.iter().map(|listener| listener.local_addr().unwrap().port()).collect()
}
