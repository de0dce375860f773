//! What is struck: a cluster of etcd, and replicas in processes of their own.

use std::io::Write;
use std::num::NonZeroU64;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use fastrand::Rng;
use serde_json::Value;
use tempfile::TempDir;

use super::Ground;
use crate::etcd::{self, Cluster};
use crate::history::{self, Event, Line, Reader};
use crate::netns::Network;
use crate::replica::Settings;
use crate::way::{Loss, Way};

/// Nodes of etcd and replicas, all of which end when it is dropped.
pub(super) struct Stage {
    pub(super) cluster: Cluster,
    network: Option<Network>,
    /// Between the replicas and the nodes; none where they talk to each other at once.
    ways: Vec<Way>,
    program: PathBuf,
    replicas: Vec<Replica>,
    started: u64,
    random: Rng,
    folder: TempDir,
}

struct Replica {
    process: Child,
    history: Reader,
}

const NODES: usize = 3;
const REPLICAS: usize = 4;
const PREFIX: &str = "/test/replicas";
const SNAPSHOT_EVERY: NonZeroU64 = NonZeroU64::new(100).expect("not zero");

impl Stage {
    /// Starts all. `None`, having said so, where etcd is not installed, or where a network is needed and
    /// there is none.
    pub(super) fn set(ground: Ground, program: &Path, seed: u64) -> Option<Stage> {
        let (network, nodes) = match ground {
            Ground::Network => {
                let network = Network::of(NODES)?;
                let hosts = network.hosts();
                (Some(network), etcd::nodes_on(hosts))
            }
            Ground::Plain | Ground::Ways => (None, etcd::nodes(NODES)),
        };
        let cluster = nodes.start()?;
        let ways = match ground {
            Ground::Ways => cluster.addresses().into_iter().map(Way::to).collect(),
            Ground::Plain | Ground::Network => Vec::new(),
        };
        let folder = TempDir::with_prefix("ministate-cluster-").unwrap();
        let random = Rng::with_seed(seed);
        let program = program.to_path_buf();
        let (replicas, started) = (Vec::new(), 0);
        let mut stage =
            Stage { cluster, network, ways, program, replicas, started, random, folder };
        for _ in 0..REPLICAS {
            let replica = stage.started();
            stage.replicas.push(replica);
        }
        stage.wait_until_all_work();
        Some(stage)
    }

    pub(super) fn network(&self) -> &Network {
        self.network.as_ref().expect("the schedule has a network")
    }

    /// Lets so many milliseconds pass.
    pub(super) fn pass(&mut self, milliseconds: Range<u64>) {
        thread::sleep(Duration::from_millis(self.random.u64(milliseconds)));
    }

    /// Loses this on the ways to all nodes from now on.
    pub(super) fn lose(&self, loss: Loss) {
        for way in &self.ways {
            way.lose(loss);
        }
    }

    /// How many bytes were lost on the ways.
    pub(super) fn lost(&self) -> u64 {
        self.ways.iter().map(Way::lost).sum()
    }

    /// Waits until each replica has acknowledged what it was asked for from now on.
    pub(super) fn wait_until_all_work(&mut self) {
        let now = history::now();
        for replica in &mut self.replicas {
            let mut asked = None;
            replica.wait_until("at work", |line| match &line.event {
                Event::Asked(change) if line.at > now => {
                    asked.get_or_insert(change.id);
                    false
                }
                Event::Changed { id, .. } => asked.is_some_and(|asked| *id >= asked),
                _ => false,
            });
        }
    }

    pub(super) fn wait_until_more_is_appended_than_acknowledged(&mut self) {
        let is_it = || (self.appended() > self.acknowledged()).then_some(());
        etcd::eventually(is_it).expect("nothing is appended");
    }

    /// The last mutation in the journal.
    pub(super) fn appended(&self) -> u64 {
        let entries = format!("{PREFIX}/log/");
        let last = ["--sort-by", "KEY", "--order", "DESCEND", "--limit", "1", "--print-value-only"];
        let last = [&["get", "--prefix", &entries], &last[..]].concat();
        let entry = self.cluster.etcdctl_at_last(&last);
        let envelope: Value = serde_json::from_str(entry.lines().next().unwrap()).unwrap();
        envelope["first"].as_u64().unwrap() + envelope["count"].as_u64().unwrap() - 1
    }

    /// The last mutation that a replica acknowledged.
    pub(super) fn acknowledged(&mut self) -> u64 {
        let lines = self.replicas.iter_mut().flat_map(|replica| replica.history.lines());
        let seqs = lines.filter_map(|line| match line.event {
            Event::Changed { seq, .. } => Some(seq),
            _ => None,
        });
        seqs.max().unwrap_or(0)
    }

    /// Stops a replica until the journal does not hold any more what it wants next, and waits until it
    /// works again: with the state of a snapshot, since there is no other way.
    pub(super) fn overtake_a_replica(&mut self) {
        let stopped = self.random.usize(..REPLICAS);
        let process = self.replicas[stopped].process.id();
        etcd::send("-STOP", process);
        // What is on its way to it would let it go on without a snapshot.
        for way in &self.ways {
            way.cut();
        }
        let end = self.appended_place();
        let trimmed = etcd::eventually(|| (self.first() > end + 1).then_some(()));
        // A watch that begins in the past is told what was deleted since then.
        self.cluster.compact();
        let (known, now) = (self.acknowledged(), history::now());
        etcd::send("-CONT", process);
        trimmed.expect("the journal was not trimmed while a replica stood still");
        let stopped = &mut self.replicas[stopped];
        let is_behind =
            |line: &Line| matches!(line.event, Event::Changed { seq, .. } if seq > known);
        stopped.wait_until("there again", is_behind);
        let is_told = |line: &Line| line.at > now && matches!(line.event, Event::Trimmed { .. });
        stopped.wait_until("told that it was overtaken", is_told);
    }

    /// Kills so many replicas, and starts others in their places, which begin with a snapshot.
    pub(super) fn replace_replicas(&mut self, count: usize) {
        etcd::eventually(|| (self.first() > 1).then_some(())).expect("the journal was not trimmed");
        let first = self.random.usize(..REPLICAS);
        let killed = (first..first + count).map(|at| at % REPLICAS);
        for at in killed.clone() {
            self.replicas[at].kill();
        }
        self.pass(100..1_500);
        for at in killed.clone() {
            self.replicas[at] = self.started();
        }
        for at in killed {
            let mut snapshot = 0;
            self.replicas[at].wait_until("opened", |line| match line.event {
                Event::Opened { snapshot: begun_with, .. } => {
                    snapshot = begun_with;
                    true
                }
                _ => false,
            });
            assert!(snapshot > 0, "a replica began without a snapshot");
        }
    }

    /// Ends the replicas in peace, once they have done enough for it to mean something. Returns all that was
    /// written down, by each process, and the first place that the journal holds then.
    pub(super) fn ended(&mut self) -> (Vec<Vec<Line>>, u64) {
        // Not where one is broken, and has to be told of.
        let has_ended = |replica: &mut Replica| replica.process.try_wait().unwrap().is_some();
        let is_any_broken = self.replicas.iter_mut().any(has_ended);
        let trimmed = || (is_any_broken || self.first() > 1).then_some(());
        etcd::eventually(trimmed).expect("the journal was not trimmed");
        for replica in &mut self.replicas {
            replica.process.stdin.as_mut().unwrap().write_all(b"stop\n").unwrap_or_default();
        }
        for replica in &mut self.replicas {
            replica.wait_until("quiet", |line| line.event == Event::Quiet);
        }
        for replica in &mut self.replicas {
            drop(replica.process.stdin.take());
        }
        for replica in &mut self.replicas {
            replica.wait_until("told", |line| matches!(line.event, Event::Final { .. }));
        }
        let histories = (0..self.started).map(|number| Reader::of(self.history(number)));
        (histories.map(Reader::into_lines).collect(), self.first())
    }

    fn started(&mut self) -> Replica {
        let number = self.started;
        self.started += 1;
        let history = self.history(number);
        let mut endpoints = match &self.ways[..] {
            [] => self.cluster.endpoints(),
            ways => ways.iter().map(Way::endpoint).collect(),
        };
        // Each asks another node as long as that one answers.
        endpoints.rotate_left(number as usize % NODES);
        let settings = Settings {
            endpoints,
            prefix: PREFIX.to_string(),
            snapshots: self.folder.path().join("snapshots"),
            history: history.clone(),
            process: number,
            clients: 3,
            patience: number.is_multiple_of(2).then_some(Duration::from_secs(2)),
            snapshot_every: SNAPSHOT_EVERY,
            seed: self.random.u64(..),
        };
        let mut command = Command::new(&self.program);
        command.arg(serde_json::to_string(&settings).unwrap());
        let process = command.stdin(Stdio::piped()).spawn().unwrap();
        Replica { process, history: Reader::of(history) }
    }

    fn history(&self, number: u64) -> PathBuf {
        self.folder.path().join(format!("history.{number}.jsonl"))
    }

    /// The last place of the journal.
    fn appended_place(&self) -> u64 {
        let head = format!("{PREFIX}/head");
        self.cluster.etcdctl_at_last(&["get", "--print-value-only", &head]).trim().parse().unwrap()
    }

    /// The first place that the journal still holds.
    fn first(&self) -> u64 {
        let entries = format!("{PREFIX}/log/");
        let first = ["get", "--prefix", &entries, "--keys-only", "--limit", "1"];
        let key = self.cluster.etcdctl_at_last(&first);
        key.trim().rsplit_once('/').map_or(1, |(_, place)| place.parse().unwrap())
    }

    /// The folder with all that was written down, which then stays.
    pub(super) fn kept(&mut self) -> PathBuf {
        self.folder.disable_cleanup(true);
        self.folder.path().to_path_buf()
    }
}

impl Replica {
    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Waits until it has written that, or that it is broken, which the judge then tells.
    fn wait_until(&mut self, what: &str, mut is_it: impl FnMut(&Line) -> bool) {
        let mut seen = 0;
        let written = || {
            let lines = self.history.lines();
            let mut new = lines.iter().skip(seen);
            seen = lines.len();
            new.any(|line| is_it(line) || matches!(line.event, Event::Broken(_))).then_some(())
        };
        if etcd::eventually(written).is_none() {
            let end: Vec<_> = self.history.lines().iter().rev().take(20).collect();
            panic!("a replica was not {what} in time; it told last: {end:#?}");
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if thread::panicking() {
            let folder = self.kept();
            eprintln!("what the processes wrote down is in {folder:?}");
        }
        for replica in &mut self.replicas {
            let _ = replica.process.kill();
            let _ = replica.process.wait();
        }
    }
}
