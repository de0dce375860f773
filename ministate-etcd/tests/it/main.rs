//! What `ministate-etcd` promises, on etcd itself.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod apart;
mod basics;
mod conformance;
mod faults;
mod full;
mod logins;
mod opening;
mod slow;
mod tails;
#[cfg(feature = "tls")]
mod tls;
mod trims;

use std::future::Future;
use std::io::{self, Write};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use ministate::shared::{AppendError, Entry, Journal, Place, Tail, TailError};
use ministate_cluster::etcd::{self, Cluster};
use ministate_etcd::{EtcdJournal, EtcdOptions};

/// One node for all tests that do it no harm; it ends with the last of them.
fn one_node() -> Option<Arc<Cluster>> {
    static NODE: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());
    let mut node = NODE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(running) = node.upgrade() {
        return Some(running);
    }
    let started = Arc::new(etcd::nodes(1).start()?);
    *node = Arc::downgrade(&started);
    Some(started)
}

/// Three nodes for one test, which may do with them what it likes; the others wait.
async fn three_nodes() -> Option<(Cluster, tokio::sync::MutexGuard<'static, ()>)> {
    static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let turn = TURN.lock().await;
    Some((etcd::nodes(3).start()?, turn))
}

/// A prefix that no other test uses.
fn own_prefix() -> String {
    static USED: AtomicUsize = AtomicUsize::new(0);
    format!("/test/{}", USED.fetch_add(1, Ordering::Relaxed))
}

fn options(cluster: &Cluster, prefix: &str) -> EtcdOptions {
    EtcdOptions::new(cluster.endpoints()).prefix(prefix)
}

/// A deadline that only a test which hangs reaches.
async fn in_time<T>(future: impl Future<Output = T>) -> T {
    let patience = Duration::from_secs(120);
    tokio::time::timeout(patience, future).await.expect("this hangs")
}

fn entry(text: &str) -> Arc<[u8]> {
    Arc::from(format!("{text}\n").as_bytes())
}

/// Appends the entries one after the other, from the beginning.
async fn append_all(journal: &EtcdJournal, count: u64) {
    for number in 0..count {
        let text = entry(&format!("entry {}", number + 1));
        let place = journal.append(Place::new(number), text).await.unwrap();
        assert_eq!(place, Place::new(number + 1));
    }
}

/// The next entry, asked for again while etcd cannot be reached.
async fn next_of(tail: &mut Box<dyn Tail>) -> Entry {
    let next = async {
        loop {
            match tail.next().await {
                Ok(entry) => return entry,
                Err(TailError::Unreachable { .. }) => {}
                Err(error) => panic!("{error}: {error:?}"),
            }
        }
    };
    in_time(next).await
}

/// The place of the entry, which is appended behind `expected` or behind what others appended there.
/// Follows the rule for what is ambiguous: again at the same place, then look who is there.
async fn appended(journal: &EtcdJournal, expected: Place, bytes: &Arc<[u8]>) -> Place {
    in_time(appended_at_last(journal, expected, bytes)).await
}

async fn appended_at_last(journal: &EtcdJournal, mut expected: Place, bytes: &Arc<[u8]>) -> Place {
    let mut tail = journal.tail(expected);
    loop {
        match journal.append(expected, Arc::clone(bytes)).await {
            Ok(place) => return place,
            Err(AppendError::Ambiguous { .. } | AppendError::NotWritten { .. }) => {
                tokio::task::yield_now().await;
            }
            Err(AppendError::Conflict) => {
                let there = next_of(&mut tail).await;
                assert_eq!(there.place, expected.next());
                if there.bytes == *bytes {
                    return there.place;
                }
                expected = there.place;
            }
            Err(error) => panic!("{error}: {error:?}"),
        }
    }
}

/// All entries from the first to `last`, in their order.
async fn all_to(journal: &EtcdJournal, last: Place) -> Vec<Entry> {
    let mut tail = journal.tail(Place::START);
    let mut entries = Vec::new();
    while (entries.len() as u64) < last.number() {
        let next = next_of(&mut tail).await;
        assert_eq!(next.place.number(), entries.len() as u64 + 1);
        entries.push(next);
    }
    entries
}

/// The revision that etcd is at.
fn revision(node: &Cluster) -> i64 {
    let answer = node.etcdctl(&["get", "/", "--write-out", "json"]);
    let digits = answer.split("\"revision\":").nth(1).unwrap();
    digits[..digits.find(|digit: char| !digit.is_ascii_digit()).unwrap()].parse().unwrap()
}

/// Runs `openssl` with these arguments in a folder. `None`, having said so, where it is not installed.
fn openssl(folder: &Path, arguments: &str) -> Option<()> {
    let arguments = arguments.split_whitespace();
    let Ok(output) = Command::new("openssl").args(arguments).current_dir(folder).output() else {
        // Not `eprintln`, which is not shown for tests that pass.
        let skipped = "SKIPPED: NOTHING WAS TESTED THAT NEEDS OPENSSL, WHICH IS NOT INSTALLED\n";
        let _ = io::stderr().write_all(skipped.as_bytes());
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(())
}
