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
use crate::replica::{IDS, Settings};
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
    /// What should have happened, so that a fault means something.
    missed: Vec<&'static str>,
}

struct Replica {
    number: u64,
    process: Child,
    history: Reader,
}

const NODES: usize = 3;
const REPLICAS: usize = 4;
/// So long callers wait; those of one replica for ever, unless answers are lost on the way to it: what
/// is in doubt matters to those who are told so.
const PATIENCE: Duration = Duration::from_secs(2);
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
            Ground::Ways => {
                let ends = cluster.addresses().into_iter().zip(etcd::free_ports(NODES));
                ends.map(|(node, port)| Way::to(node, port)).collect()
            }
            Ground::Plain | Ground::Network => Vec::new(),
        };
        let folder = TempDir::with_prefix("ministate-cluster-").unwrap();
        let random = Rng::with_seed(seed);
        let program = program.to_path_buf();
        let (replicas, started, missed) = (Vec::new(), 0, Vec::new());
        let mut stage =
            Stage { cluster, network, ways, program, replicas, started, random, folder, missed };
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

    /// Lets no replica connect to any node.
    pub(super) fn close_ways(&mut self) {
        self.ways.iter_mut().for_each(Way::close);
    }

    /// Lets them connect again.
    pub(super) fn open_ways(&mut self) {
        self.ways.iter_mut().for_each(Way::open);
    }

    /// How many bytes were lost on the ways.
    pub(super) fn lost(&self) -> u64 {
        self.ways.iter().map(Way::lost).sum()
    }

    /// Has it told, once the judge has found nothing worse, that this is not so.
    pub(super) fn expect(&mut self, is_so: bool, what: &'static str) {
        if !is_so {
            self.missed.push(what);
        }
    }

    /// Waits until this is so, unless a replica is broken, which the judge then tells.
    pub(super) fn wait_until(&mut self, what: &'static str, is_so: impl Fn(&mut Stage) -> bool) {
        let found = etcd::eventually(|| (is_so(self) || self.is_any_broken()).then_some(()));
        self.expect(found.is_some(), what);
    }

    /// What should have happened and has not.
    pub(super) fn missed(&self) -> &[&'static str] {
        &self.missed
    }

    /// Whether a replica has ended by itself.
    pub(super) fn is_any_broken(&mut self) -> bool {
        let has_ended = |replica: &mut Replica| replica.process.try_wait().unwrap().is_some();
        self.replicas.iter_mut().any(has_ended)
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

    /// The last mutation in the journal.
    pub(super) fn appended(&self) -> u64 {
        let entry = self.last_entry();
        let envelope: Value = serde_json::from_str(entry.lines().next().unwrap()).unwrap();
        envelope["first"].as_u64().unwrap() + envelope["count"].as_u64().unwrap() - 1
    }

    /// The replica that has written the last entry of the journal, by its place among those that run.
    pub(super) fn last_writer(&self) -> usize {
        let entry = self.last_entry();
        let (_, id) = entry.split_once(r#""id":"#).unwrap();
        let digits = id.find(|character: char| !character.is_ascii_digit()).unwrap();
        let process = id[..digits].parse::<u64>().unwrap() / IDS;
        self.replicas.iter().position(|replica| replica.number == process).unwrap()
    }

    fn last_entry(&self) -> String {
        let entries = format!("{PREFIX}/log/");
        let last = ["--sort-by", "KEY", "--order", "DESCEND", "--limit", "1", "--print-value-only"];
        let last = [&["get", "--prefix", &entries], &last[..]].concat();
        self.cluster.etcdctl_at_last(&last)
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

    /// One of the replicas.
    pub(super) fn chosen(&mut self) -> usize {
        self.random.usize(..REPLICAS)
    }

    /// Stops a replica where it stands. What is on its way to it does not get there.
    pub(super) fn pause(&self, replica: usize) {
        etcd::send("-STOP", self.replicas[replica].process.id());
        for way in &self.ways {
            way.cut();
        }
    }

    /// Waits until the journal does not hold any more what a replica that is stopped wants next, lets it go
    /// on, and waits until it works again: with the state of a snapshot, since there is no other way.
    pub(super) fn resume_overtaken(&mut self, replica: usize) {
        let end = self.appended_place();
        self.wait_until("the journal is trimmed", |stage| stage.first() > end + 1);
        // A watch that begins in the past is told what was deleted since then.
        self.cluster.compact();
        let (known, now) = (self.acknowledged(), history::now());
        let replica = &mut self.replicas[replica];
        etcd::send("-CONT", replica.process.id());
        let is_behind =
            |line: &Line| matches!(line.event, Event::Changed { seq, .. } if seq > known);
        replica.wait_until("there again", is_behind);
        let is_told = |line: &Line| line.at > now && matches!(line.event, Event::Trimmed { .. });
        replica.wait_until("told that it was overtaken", is_told);
    }

    /// Kills so many replicas, and starts others in their places, which begin with a snapshot.
    pub(super) fn replace_replicas(&mut self, count: usize) {
        self.wait_until("the journal is trimmed", |stage| stage.first() > 1);
        let first = self.chosen();
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
            self.expect(snapshot > 0, "a replica that is new begins with a snapshot");
        }
    }

    /// Ends the replicas in peace, once they have done enough for it to mean something. Returns all that was
    /// written down, by each process, and the first place that the journal holds then.
    pub(super) fn ended(&mut self) -> (Vec<Vec<Line>>, u64) {
        self.wait_until("the journal is trimmed", |stage| stage.first() > 1);
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
            patience: (number % 4 < 3 || !self.ways.is_empty()).then_some(PATIENCE),
            snapshot_every: SNAPSHOT_EVERY,
            seed: self.random.u64(..),
        };
        let mut command = Command::new(&self.program);
        command.arg(serde_json::to_string(&settings).unwrap());
        let process = command.stdin(Stdio::piped()).spawn().unwrap();
        Replica { number, process, history: Reader::of(history) }
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
