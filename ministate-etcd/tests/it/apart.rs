//! A journal that is gone, or was made again, is not taken for the one that was opened; and what cannot
//! be reached is not waited for.

use std::time::Duration;

use ministate::shared::{AppendError, Journal, JournalError, JournalId, Place, TailError};
use ministate_cluster::etcd::{self, Cluster};
use ministate_etcd::{EtcdError, EtcdJournal, EtcdOptions};

use crate::{all_to, append_all, appended, entry, in_time, next_of, one_node, options, own_prefix};

#[tokio::test]
async fn a_journal_that_was_removed_is_missed_by_every_call() {
    let Some(node) = one_node() else { return };
    let prefix = own_prefix();
    let journal = options(&node, &prefix).open().await.unwrap();
    append_all(&journal, 2).await;
    remove(&node, &prefix);
    assert_is_other(&journal, Place::new(2), None).await;
}

#[tokio::test]
async fn a_journal_that_was_made_again_is_another_for_every_call() {
    let Some(node) = one_node() else { return };
    let prefix = own_prefix();
    let journal = options(&node, &prefix).open().await.unwrap();
    append_all(&journal, 2).await;
    remove(&node, &prefix);
    let again = options(&node, &prefix).open().await.unwrap();
    append_all(&again, 2).await;
    assert_is_other(&journal, Place::new(2), Some(again.id())).await;
    assert_eq!(all_to(&again, Place::new(2)).await.len(), 2);
}

#[tokio::test]
async fn a_tail_that_waits_does_not_take_an_entry_of_the_journal_that_was_made_again() {
    let Some(node) = one_node() else { return };
    for read in [0, 2] {
        let prefix = own_prefix();
        let journal = options(&node, &prefix).look_every(Duration::from_secs(600));
        let journal = journal.open().await.unwrap();
        append_all(&journal, read).await;
        let mut tail = journal.tail(Place::START);
        for _ in 0..read {
            next_of(&mut tail).await;
        }
        let waited = tokio::time::timeout(Duration::from_millis(300), tail.next()).await;
        assert!(waited.is_err(), "{waited:?}");
        remove(&node, &prefix);
        let again = options(&node, &prefix).open().await.unwrap();
        append_all(&again, read + 1).await;
        let error = in_time(tail.next()).await.unwrap_err();
        assert!(
            matches!(&error, TailError::WrongJournal { found } if found.as_ref() == Some(again.id())),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn what_nobody_listens_to_was_not_written() {
    let Some(mut node) = etcd::nodes(1).start() else { return };
    let journal = options(&node, &own_prefix()).open().await.unwrap();
    append_all(&journal, 1).await;
    let mut tail = journal.tail(Place::START);
    next_of(&mut tail).await;
    node.kill(0);
    // The connection that broke may have had something under way; the one that is not made has not.
    let mut answer = in_time(journal.append(Place::new(1), entry("x"))).await;
    if matches!(answer, Err(AppendError::Ambiguous { .. })) {
        answer = in_time(journal.append(Place::new(1), entry("x"))).await;
    }
    assert!(matches!(answer, Err(AppendError::NotWritten { .. })), "{answer:?}");
    assert_unreachable(&journal, Place::new(1)).await;
    let error = in_time(tail.next()).await.unwrap_err();
    assert!(matches!(error, TailError::Unreachable { .. }), "{error:?}");
    node.restart(0);
    journal.append(Place::new(1), entry("x")).await.unwrap();
    assert_eq!(next_of(&mut tail).await.place, Place::new(2));
}

#[tokio::test]
async fn what_is_not_answered_is_ambiguous_and_there_once_when_it_is_tried_again() {
    let Some(node) = etcd::nodes(1).start() else { return };
    let patience = Duration::from_millis(500);
    let journal = options(&node, &own_prefix()).request_timeout(patience).open().await.unwrap();
    append_all(&journal, 1).await;
    node.pause(0);
    let text = entry("once");
    let answer = in_time(journal.append(Place::new(1), text.clone())).await;
    assert!(matches!(answer, Err(AppendError::Ambiguous { .. })), "{answer:?}");
    assert_unreachable(&journal, Place::new(1)).await;
    node.resume(0);
    assert_eq!(appended(&journal, Place::new(1), &text).await, Place::new(2));
    assert_eq!(appended(&journal, Place::new(2), &entry("next")).await, Place::new(3));
    let entries = all_to(&journal, Place::new(3)).await;
    assert_eq!((&entries[1].bytes, &entries[2].bytes), (&text, &entry("next")));
}

#[tokio::test]
async fn a_journal_that_cannot_be_reached_is_not_opened() {
    let unreachable = EtcdOptions::new(["http://127.0.0.1:1", "http://127.0.0.1:2"]);
    let refused = in_time(unreachable.open()).await;
    assert!(matches!(refused, Err(EtcdError::Failed { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_node_that_does_not_listen_is_passed_over() {
    let Some(node) = one_node() else { return };
    let mut endpoints = vec!["http://127.0.0.1:1".to_string()];
    endpoints.extend(node.endpoints());
    let journal = EtcdOptions::new(endpoints).prefix(own_prefix()).open().await.unwrap();
    append_all(&journal, 3).await;
    assert_eq!(journal.barrier().await.unwrap(), Place::new(3));
}

fn remove(node: &Cluster, prefix: &str) {
    node.etcdctl(&["del", "--prefix", &format!("{prefix}/")]);
}

async fn assert_is_other(journal: &EtcdJournal, end: Place, there: Option<&JournalId>) {
    let append = journal.append(end, entry("x")).await.unwrap_err();
    assert!(
        matches!(&append, AppendError::WrongJournal { found } if found.as_ref() == there),
        "{append:?}"
    );
    for error in [journal.barrier().await.unwrap_err(), journal.trim(end).await.unwrap_err()] {
        assert!(
            matches!(&error, JournalError::WrongJournal { found } if found.as_ref() == there),
            "{error:?}"
        );
    }
    for after in [Place::START, end] {
        let tail = in_time(journal.tail(after).next()).await.unwrap_err();
        assert!(
            matches!(&tail, TailError::WrongJournal { found } if found.as_ref() == there),
            "{tail:?}"
        );
    }
}

async fn assert_unreachable(journal: &EtcdJournal, end: Place) {
    let errors = [
        in_time(journal.barrier()).await.unwrap_err(),
        in_time(journal.trim(end)).await.unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, JournalError::Unreachable { .. }), "{error:?}");
    }
    let tail = in_time(journal.tail(end).next()).await.unwrap_err();
    assert!(matches!(tail, TailError::Unreachable { .. }), "{tail:?}");
}
