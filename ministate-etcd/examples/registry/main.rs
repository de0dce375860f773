//! Which revision of each component runs? A registry on several machines, here three processes of one.
//!
//! `ministate-etcd/examples/registry/watch` starts etcd and three of these, kills one, stops the leader of
//! etcd, and lets the one that was killed come back. To run one by hand:
//!
//! ```text
//! cargo run -p ministate-etcd --example registry -- a /tmp/snapshots http://127.0.0.1:2379
//! ```

use std::collections::BTreeMap;
use std::error::Error;
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use ministate::shared::{SharedError, SharedManager, SharedOptions};
use ministate::{Mutations, Operation};
use ministate_etcd::EtcdOptions;
use ministate_object_store::ObjectStoreSnapshots;
use serde::{Deserialize, Serialize};
use tokio::signal::unix::{SignalKind, signal};

#[derive(Debug, Default, Serialize, Deserialize)]
struct Registry {
    components: BTreeMap<String, Component>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Component {
    revision: u64,
    deployed_by: String,
}

/// Deploys the next revision of a component, unless somebody else has meanwhile.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Deploy {
    component: String,
    /// The revision that the caller has seen.
    over: u64,
    by: String,
}

impl Operation<Registry> for Deploy {
    /// The new revision; or who was faster.
    type Output = Result<u64, String>;

    fn execute(self, registry: &mut Registry) -> Self::Output {
        let component = registry.components.entry(self.component).or_default();
        if component.revision != self.over {
            return Err(component.deployed_by.clone());
        }
        component.revision += 1;
        component.deployed_by = self.by;
        Ok(component.revision)
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
#[mutations(state = Registry)]
enum RegistryOp {
    Deploy(Deploy),
}

type Replica = SharedManager<Registry, RegistryOp>;

const COMPONENTS: [&str; 4] = ["api", "billing", "search", "web"];

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "name of this replica, directory of the snapshots, endpoints of etcd";
    let name = arguments.next().ok_or(usage)?;
    let snapshots = arguments.next().ok_or(usage)?;
    let endpoints: Vec<String> = arguments.collect();

    // Each run of the example is the first start of its etcd; a service calls `open_existing` after that.
    let journal = EtcdOptions::new(endpoints).prefix("/examples/registry").open().await?;
    let snapshots = ObjectStoreSnapshots::in_directory(snapshots).await?;
    let options = SharedOptions::new()
        .snapshot_every(NonZeroU64::new(50).expect("it is not zero"))
        .patience(Duration::from_secs(5));
    let registry: Replica = options.open(journal, snapshots).await?;
    let status = registry.status();
    println!(
        "{name}: begins with the snapshot at {} and is at mutation {}",
        status.snapshot, status.sequence
    );

    let mut ended = signal(SignalKind::terminate())?;
    let mut turn = 0;
    while tokio::time::timeout(Duration::from_millis(250), ended.recv()).await.is_err() {
        deploy(&registry, &name, COMPONENTS[turn % COMPONENTS.len()]).await;
        turn += 1;
    }

    // The others end as well, and then all have the same state.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let all = registry.read_linearizable(serde_json::to_string).await??;
    println!("{name}: at the end {all}");
    registry.close().await;
    Ok(())
}

async fn deploy(registry: &Replica, name: &str, component: &str) {
    // A local read: another replica may be ahead, which the handler finds out.
    let over = registry
        .read(|registry| registry.components.get(component).map_or(0, |found| found.revision));
    let operation = Deploy { component: component.to_string(), over, by: name.to_string() };
    let asked = Instant::now();
    let answer = registry.execute(operation).await;
    let (took, status) = (asked.elapsed().as_millis(), registry.status());
    match answer {
        Ok(applied) => match applied.output {
            Ok(revision) => println!(
                "{name}: mutation {}: {component} has revision {revision} ({took} ms)",
                applied.seq
            ),
            Err(faster) => println!(
                "{name}: mutation {}: {faster} was faster to deploy {component} ({took} ms)",
                applied.seq
            ),
        },
        Err(error @ SharedError::OutcomeUnknown { .. }) => {
            println!("{name}: perhaps deployed {component}: {error}");
        }
        Err(error) => println!(
            "{name}: not deployed after {took} ms: {error}; reading on, {} ms stale",
            status.stale.as_millis()
        ),
    }
}
