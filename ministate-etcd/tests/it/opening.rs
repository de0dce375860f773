//! A journal is made by who asks for that, and by nobody else.

use ministate::shared::{Journal, Place};
use ministate_etcd::EtcdError;

use crate::{append_all, one_node, options, own_prefix};

#[tokio::test]
async fn a_journal_that_is_there_is_opened_and_not_made_again() {
    let Some(node) = one_node() else { return };
    let prefix = own_prefix();
    let journal = options(&node, &prefix).open().await.unwrap();
    append_all(&journal, 1).await;
    let with_slash = format!("{prefix}/");
    let opened = options(&node, &with_slash).open().await.unwrap();
    let existing = options(&node, &with_slash).open_existing().await.unwrap();
    for again in [opened, existing] {
        assert_eq!(again.id(), journal.id());
        assert_eq!(again.barrier().await.unwrap(), Place::new(1));
    }
    let other = options(&node, &own_prefix()).open().await.unwrap();
    assert_ne!(other.id(), journal.id());
}

#[tokio::test]
async fn of_many_who_make_a_journal_at_once_all_have_the_same() {
    let Some(node) = one_node() else { return };
    let prefix = own_prefix();
    let openings = [(); 8].map(|()| tokio::spawn(options(&node, &prefix).open()));
    let mut ids = Vec::new();
    for opening in openings {
        ids.push(opening.await.unwrap().unwrap().id().clone());
    }
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

/// An etcd that had lost all that it held was taken for a new one.
#[tokio::test]
async fn a_journal_that_is_lost_is_missed_and_not_made_again() {
    let Some(node) = one_node() else { return };
    let prefix = own_prefix();
    append_all(&options(&node, &prefix).open().await.unwrap(), 1).await;
    node.etcdctl(&["del", "--prefix", &format!("{prefix}/")]);
    let missed = options(&node, &prefix).open_existing().await;
    assert!(
        matches!(&missed, Err(EtcdError::NoJournal { key }) if *key == format!("{prefix}/journal")),
        "{missed:?}"
    );
    assert_eq!(node.etcdctl(&["get", "--prefix", "--keys-only", &format!("{prefix}/")]), "");
}

#[tokio::test]
async fn what_is_left_of_something_else_does_not_become_a_journal() {
    let Some(node) = one_node() else { return };
    let prefix = own_prefix();
    let journal = options(&node, &prefix).open().await.unwrap();
    append_all(&journal, 1).await;
    node.etcdctl(&["del", &format!("{prefix}/journal")]);
    let refused = options(&node, &prefix).open().await;
    assert!(matches!(refused, Err(EtcdError::NotAJournal { .. })), "{refused:?}");
    node.etcdctl(&["put", &format!("{prefix}/journal"), "of stamps"]);
    for refused in
        [options(&node, &prefix).open().await, options(&node, &prefix).open_existing().await]
    {
        assert!(matches!(refused, Err(EtcdError::NotAJournal { .. })), "{refused:?}");
    }
}

#[tokio::test]
async fn options_without_an_endpoint_or_a_prefix_are_refused() {
    let endpoint = ["http://127.0.0.1:1"];
    let none: [&str; 0] = [];
    let refused = ministate_etcd::EtcdOptions::new(none).open().await;
    assert!(matches!(refused, Err(EtcdError::NoEndpoint)), "{refused:?}");
    let refused = ministate_etcd::EtcdOptions::new(endpoint).prefix("/").open().await;
    assert!(matches!(refused, Err(EtcdError::NoPrefix)), "{refused:?}");
}
