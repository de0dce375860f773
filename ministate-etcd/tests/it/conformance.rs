//! The rules of a shared journal hold over etcd, as the suite for adapters sees them.

use std::sync::Arc;

use ministate::shared::Answer;
use ministate::shared::conformance::{self, Handle, JournalFixture};
use ministate_cluster::etcd::{self, Cluster};

use super::{options, own_prefix};

/// Journals in a cluster, each under a prefix of its own.
struct OverEtcd {
    cluster: Cluster,
    prefix: String,
}

impl OverEtcd {
    async fn opened(&self) -> Handle {
        Arc::new(options(&self.cluster, &self.prefix).open().await.unwrap())
    }
}

impl JournalFixture for OverEtcd {
    fn made(&mut self) -> Answer<'_, Handle> {
        self.prefix = own_prefix();
        Box::pin(self.opened())
    }

    fn reopened(&mut self) -> Answer<'_, Handle> {
        Box::pin(self.opened())
    }

    fn another(&mut self) -> Answer<'_, Option<Handle>> {
        Box::pin(async { Some(self.opened().await) })
    }

    fn recreated(&mut self) -> Answer<'_, Option<Handle>> {
        Box::pin(async {
            self.cluster.etcdctl(&["del", "--prefix", &format!("{}/", self.prefix)]);
            Some(self.opened().await)
        })
    }
}

async fn check(nodes: usize) {
    let Some(cluster) = etcd::nodes(nodes).start() else { return };
    conformance::journal(&mut OverEtcd { cluster, prefix: String::new() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn journal_in_one_node_keeps_the_rules() {
    check(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn journal_in_three_nodes_keeps_the_rules() {
    check(3).await;
}
