//! What is struck: a cluster of etcd, and replicas in processes of their own.
#![expect(clippy::disallowed_methods, reason = "shows the end of a history")]

use std::fs;
use std::io::Write;
use std::num::NonZeroU64;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use fastrand::Rng;
use tempfile::TempDir;

use super::{Schedule, Summary};
use crate::etcd::{self, Cluster};
use crate::history::{self, Event};
use crate::judge;
use crate::netns::Network;
use crate::replica::Settings;

/// Nodes of etcd and replicas, all of which end when it is dropped.
pub(super) struct Stage {
    pub(super) cluster: Cluster,
    pub(super) faults: usize,
    network: Option<Network>,
    program: PathBuf,
    replicas: Vec<Replica>,
    started: u64,
    restarts: usize,
    overtaken: usize,
    random: Rng,
    folder: TempDir,
}

struct Replica {
    process: Child,
    history: PathBuf,
}

const NODES: usize = 3;
const REPLICAS: usize = 4;
const PREFIX: &str = "/test/replicas";
const SNAPSHOT_EVERY: NonZeroU64 = NonZeroU64::new(100).expect("not zero");

impl Stage {
    /// Starts all. `None`, having said so, where etcd is not installed, or where the schedule needs a
    /// network and there is none.
    pub(super) fn set(schedule: Schedule, program: &Path, seed: u64) -> Option<Stage> {
        let (network, nodes) = match schedule {
            Schedule::NetworkIsCut => {
                let network = Network::of(NODES)?;
                let hosts = network.hosts();
                (Some(network), etcd::nodes_on(hosts))
            }
            Schedule::LeaderIsKilled
            | Schedule::LeaderIsStopped
            | Schedule::AllNodesAreKilled
            | Schedule::ReplicasAreKilled => (None, etcd::nodes(NODES)),
        };
        let cluster = nodes.start()?;
        let folder = TempDir::with_prefix("ministate-cluster-").unwrap();
        let random = Rng::with_seed(seed);
        let program = program.to_path_buf();
        let mut stage = Stage {
            cluster,
            faults: 0,
            network,
            program,
            replicas: Vec::new(),
            started: 0,
            restarts: 0,
            overtaken: 0,
            random,
            folder,
        };
        for _ in 0..REPLICAS {
            let replica = stage.started();
            stage.replicas.push(replica);
        }
        for replica in &stage.replicas {
            replica.wait_until("opened", |event| matches!(event, Event::Opened(_)));
        }
        Some(stage)
    }

    /// Lets so many milliseconds pass.
    pub(super) fn pass(&mut self, milliseconds: Range<u64>) {
        thread::sleep(Duration::from_millis(self.random.u64(milliseconds)));
    }

    /// Cuts a node off from the other nodes; from the replicas too, or not.
    pub(super) fn cut(&mut self, node: usize) {
        let network = self.network.as_ref().unwrap();
        if self.random.bool() { network.cut_off(node) } else { network.cut_off_from_nodes(node) }
    }

    /// Lets all nodes reach each other.
    pub(super) fn heal(&self) {
        self.network.as_ref().unwrap().heal();
    }

    /// Stops a replica until the journal does not hold any more what it wants next.
    pub(super) fn overtake_a_replica(&mut self) {
        let stopped = self.random.usize(..REPLICAS);
        let process = self.replicas[stopped].process.id();
        etcd::send("-STOP", process);
        let end = self.end();
        let trimmed = etcd::eventually(|| (self.first() > end + 1).then_some(()));
        etcd::send("-CONT", process);
        trimmed.expect("the journal was not trimmed while a replica stood still");
        self.overtaken += 1;
    }

    /// Kills one replica or two, and starts others in their places.
    pub(super) fn replace_replicas(&mut self) {
        let (first, count) = (self.random.usize(..REPLICAS), self.random.usize(1..=2));
        let killed = (first..first + count).map(|at| at % REPLICAS);
        for at in killed.clone() {
            self.replicas[at].kill();
        }
        self.pass(100..1_500);
        for at in killed {
            self.replicas[at] = self.started();
            self.restarts += 1;
        }
    }

    /// Ends the replicas in peace, once they have done enough for it to mean something, and holds all that
    /// was written down against what must be.
    pub(super) fn judged(mut self, schedule: Schedule, seed: u64) -> Summary {
        // Not where one is broken, and has to be told of.
        let has_ended = |replica: &mut Replica| replica.process.try_wait().unwrap().is_some();
        let is_any_broken = self.replicas.iter_mut().any(has_ended);
        let trimmed = || (is_any_broken || self.first() > 1).then_some(());
        etcd::eventually(trimmed).expect("the journal was not trimmed");
        for replica in &mut self.replicas {
            replica.process.stdin.as_mut().unwrap().write_all(b"stop\n").unwrap_or_default();
        }
        for replica in &self.replicas {
            replica.wait_until("quiet", |event| *event == Event::Quiet);
        }
        for replica in &mut self.replicas {
            drop(replica.process.stdin.take());
        }
        for replica in &self.replicas {
            replica.wait_until("told", |event| matches!(event, Event::Final { .. }));
        }
        let first = self.first();
        let histories = (0..self.started).map(|number| history::read(&self.history(number)));
        let judged = judge::judged(&histories.collect::<Vec<_>>());
        let counts = judged.unwrap_or_else(|wrongs| {
            let count = wrongs.len();
            let folder = self.kept();
            let shown: Vec<_> = wrongs.into_iter().take(10).collect();
            panic!("{schedule:?}, seed {seed}: {count} wrong, see {folder:?}: {shown:#?}");
        });
        let Stage { faults, restarts, overtaken, .. } = self;
        Summary { schedule, seed, counts, faults, restarts, overtaken, first }
    }

    fn started(&mut self) -> Replica {
        let number = self.started;
        self.started += 1;
        let history = self.history(number);
        let settings = Settings {
            endpoints: self.cluster.endpoints(),
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
        Replica { process, history }
    }

    fn history(&self, number: u64) -> PathBuf {
        self.folder.path().join(format!("history.{number}.jsonl"))
    }

    /// The last place of the journal.
    fn end(&self) -> u64 {
        let head = format!("{PREFIX}/head");
        self.cluster.etcdctl(&["get", "--print-value-only", &head]).trim().parse().unwrap()
    }

    /// The first place that the journal still holds.
    fn first(&self) -> u64 {
        let entries = format!("{PREFIX}/log/");
        let key =
            self.cluster.etcdctl(&["get", "--prefix", &entries, "--keys-only", "--limit", "1"]);
        key.trim().rsplit_once('/').map_or(1, |(_, place)| place.parse().unwrap())
    }

    /// The folder with all that was written down, which then stays.
    fn kept(&mut self) -> PathBuf {
        self.folder.disable_cleanup(true);
        self.folder.path().to_path_buf()
    }
}

impl Replica {
    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Waits until it has written that, or that it is broken.
    fn wait_until(&self, what: &str, is_it: impl Fn(&Event) -> bool) {
        let is_told = |event: &Event| is_it(event) || matches!(event, Event::Broken(_));
        let written = || {
            // What comes late matters alone, and there may be much before it.
            let lines = history::read(&self.history);
            lines.iter().rev().any(|line| is_told(&line.event)).then_some(())
        };
        etcd::eventually(written).unwrap_or_else(|| {
            let end = fs::read_to_string(&self.history).unwrap_or_default();
            let end: Vec<_> = end.lines().rev().take(10).collect();
            panic!("a replica was not {what} in time: {end:#?}")
        });
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if thread::panicking() {
            self.kept();
        }
        for replica in &mut self.replicas {
            let _ = replica.process.kill();
            let _ = replica.process.wait();
        }
    }
}
