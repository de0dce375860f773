//! A reader misses nothing, whatever becomes of its watch.

use std::sync::Arc;
use std::time::Duration;

use ministate::shared::{Journal, Place, TailError};
use ministate_cluster::etcd::{self, Cluster};
use tokio::time::timeout;

use crate::{
    all_to, append_all, appended, entry, in_time, next_of, one_node, options, own_prefix, revision,
    three_nodes,
};

#[tokio::test]
async fn a_tail_yields_what_is_there_and_then_what_is_to_come() {
    let Some(node) = one_node() else { return };
    let journal = options(&node, &own_prefix()).open().await.unwrap();
    append_all(&journal, 200).await;
    let mut tail = journal.tail(Place::new(50));
    for place in 51..=200 {
        let next = next_of(&mut tail).await;
        assert_eq!((next.place.number(), next.bytes), (place, entry(&format!("entry {place}"))));
    }
    for place in 201..=220 {
        let text = entry(&format!("later {place}"));
        journal.append(Place::new(place - 1), text.clone()).await.unwrap();
        let next = next_of(&mut tail).await;
        assert_eq!((next.place.number(), next.bytes), (place, text));
    }
}

#[tokio::test]
async fn a_tail_whose_futures_are_dropped_at_any_moment_loses_nothing() {
    let Some(node) = etcd::nodes(1).start() else { return };
    let journal = options(&node, &own_prefix()).open().await.unwrap();
    let mut tail = journal.tail(Place::START);
    let mut read = 0;
    for number in 0..300 {
        journal.append(Place::new(number), entry(&format!("entry {}", number + 1))).await.unwrap();
        if number % 20 == 0 {
            compact(&node);
        }
        let moment = Duration::from_micros(37 * (number % 50));
        while let Ok(next) = timeout(moment, tail.next()).await {
            read += 1;
            assert_eq!(next.unwrap().place.number(), read);
        }
    }
    while read < 300 {
        read += 1;
        assert_eq!(next_of(&mut tail).await.place.number(), read);
    }
}

#[tokio::test]
async fn a_tail_that_comes_late_reads_on_behind_what_etcd_has_compacted() {
    let Some(node) = etcd::nodes(1).start() else { return };
    let journal = options(&node, &own_prefix()).open().await.unwrap();
    let mut tail = journal.tail(Place::START);
    append_all(&journal, 30).await;
    assert_eq!(next_of(&mut tail).await.place, Place::new(1));
    for number in 30..60 {
        journal.append(Place::new(number), entry("x")).await.unwrap();
        compact(&node);
    }
    for place in 2..=60 {
        assert_eq!(next_of(&mut tail).await.place, Place::new(place));
    }
}

#[tokio::test]
async fn a_tail_that_lost_its_place_to_a_trim_says_where_the_journal_begins() {
    let Some(node) = one_node() else { return };
    let journal = options(&node, &own_prefix()).open().await.unwrap();
    let mut tail = journal.tail(Place::START);
    append_all(&journal, 1).await;
    assert_eq!(next_of(&mut tail).await.place, Place::new(1));
    for number in 1..100 {
        journal.append(Place::new(number), entry("x")).await.unwrap();
    }
    journal.trim(Place::new(90)).await.unwrap();
    let mut late = journal.tail(Place::new(1));
    for _ in 0..2 {
        let error = late.next().await.unwrap_err();
        assert!(
            matches!(error, TailError::Trimmed { first } if first == Place::new(90)),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_journal_that_ends_before_what_was_read_has_regressed() {
    let Some(node) = one_node() else { return };
    let prefix = own_prefix();
    let journal = options(&node, &prefix).open().await.unwrap();
    append_all(&journal, 3).await;
    let mut tail = journal.tail(Place::START);
    for _ in 0..3 {
        next_of(&mut tail).await;
    }
    node.etcdctl(&["put", &format!("{prefix}/head"), "1"]);
    let error = in_time(tail.next()).await.unwrap_err();
    assert!(matches!(error, TailError::Regressed { last } if last == Place::new(1)), "{error:?}");
}

#[tokio::test]
async fn an_entry_that_somebody_removed_by_hand_is_not_passed_over() {
    let Some(node) = one_node() else { return };
    let prefix = own_prefix();
    let journal = options(&node, &prefix).open().await.unwrap();
    append_all(&journal, 3).await;
    node.etcdctl(&["del", &format!("{prefix}/log/00000000000000000002")]);
    let mut tail = journal.tail(Place::START);
    assert_eq!(next_of(&mut tail).await.place, Place::new(1));
    let error = in_time(tail.next()).await.unwrap_err();
    assert!(matches!(error, TailError::Unreachable { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tail_outlives_the_leader_that_it_watches() {
    let Some((mut cluster, _turn)) = three_nodes().await else { return };
    let prefix = own_prefix();
    let leader = cluster.leader();
    let mut endpoints = cluster.endpoints();
    endpoints.rotate_left(leader);
    let journal = ministate_etcd::EtcdOptions::new(endpoints.clone()).prefix(&prefix);
    let journal = journal.open().await.unwrap();
    let mut tail = journal.tail(Place::START);
    append_all(&journal, 5).await;
    for place in 1..=5 {
        assert_eq!(next_of(&mut tail).await.place, Place::new(place));
    }
    cluster.kill(leader);
    for place in 6..=10 {
        let text = entry(&format!("entry {place}"));
        assert_eq!(appended(&journal, Place::new(place - 1), &text).await, Place::new(place));
        assert_eq!(next_of(&mut tail).await.bytes, text);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tail_leaves_a_node_that_has_stopped() {
    let Some((cluster, _turn)) = three_nodes().await else { return };
    let prefix = own_prefix();
    let stopped = (cluster.leader() + 1) % 3;
    let mut endpoints = cluster.endpoints();
    let others: Vec<_> = (0..3).filter(|at| *at != stopped).collect();
    let others = others.into_iter().map(|at| endpoints[at].clone()).collect::<Vec<_>>();
    let writer = ministate_etcd::EtcdOptions::new(others).prefix(&prefix).open().await.unwrap();
    endpoints.rotate_left(stopped);
    let reader = ministate_etcd::EtcdOptions::new(endpoints).prefix(&prefix).open().await.unwrap();
    append_all(&writer, 5).await;
    let mut tail = reader.tail(Place::START);
    for place in 1..=5 {
        assert_eq!(next_of(&mut tail).await.place, Place::new(place));
    }
    // Waits for the entry, and thus watches.
    assert!(timeout(Duration::from_millis(300), tail.next()).await.is_err());
    cluster.pause(stopped);
    for place in 6..=10 {
        writer.append(Place::new(place - 1), entry("x")).await.unwrap();
    }
    for place in 6..=10 {
        assert_eq!(next_of(&mut tail).await.place, Place::new(place));
    }
    assert_eq!(all_to(&reader, Place::new(10)).await.len(), 10);
}

/// All watches shared one connection, on which what nobody takes keeps out all else.
#[tokio::test]
async fn tails_from_which_nobody_takes_do_not_hold_up_who_appends() {
    const TAILS: usize = 6;
    const LARGE: u64 = 12;
    let Some(node) = one_node() else { return };
    let journal = options(&node, &own_prefix()).open().await.unwrap();
    append_all(&journal, 1).await;
    let mut tails: Vec<_> = (0..TAILS).map(|_| journal.tail(Place::START)).collect();
    for tail in &mut tails {
        assert_eq!(next_of(tail).await.place, Place::new(1));
        // Waits for the next entry, and thus watches.
        assert!(timeout(Duration::from_millis(300), tail.next()).await.is_err());
    }
    let large: Arc<[u8]> = vec![b'x'; 1 << 20].into();
    for number in 1..=LARGE {
        journal.append(Place::new(number), Arc::clone(&large)).await.unwrap();
        assert_eq!(journal.barrier().await.unwrap(), Place::new(number + 1));
    }
    for tail in &mut tails {
        for number in 1..=LARGE {
            assert_eq!(next_of(tail).await.place, Place::new(number + 1));
        }
    }
}

#[tokio::test]
async fn a_tail_may_be_told_never_to_look_by_itself() {
    let Some(node) = one_node() else { return };
    let journal = options(&node, &own_prefix()).look_every(Duration::MAX).open().await.unwrap();
    append_all(&journal, 1).await;
    let mut tail = journal.tail(Place::START);
    assert_eq!(next_of(&mut tail).await.place, Place::new(1));
    assert!(timeout(Duration::from_millis(300), tail.next()).await.is_err());
    journal.append(Place::new(1), entry("x")).await.unwrap();
    assert_eq!(next_of(&mut tail).await.place, Place::new(2));
}

/// Has etcd forget its past up to now, for all journals in it.
fn compact(node: &Cluster) {
    node.etcdctl(&["compaction", &revision(node).to_string()]);
}
