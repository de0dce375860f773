//! An etcd that asks who is there, and that forgets who was.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ministate::shared::{AppendError, Journal, JournalError, Place};
use ministate_cluster::etcd::{self, Cluster};
use ministate_etcd::{EtcdError, EtcdOptions};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::{all_to, append_all, appended, entry, in_time, next_of, openssl, options, own_prefix};

#[tokio::test]
async fn a_user_who_may_opens_the_journal_and_nobody_else() {
    let Some(node) = etcd::nodes(1).start() else { return };
    let prefix = own_prefix();
    ask_who_is_there(&node, &prefix);
    let refused = options(&node, &prefix).open().await;
    assert!(matches!(refused, Err(EtcdError::Failed { .. })), "{refused:?}");
    let refused = options(&node, &prefix).user("registry", "guessed").open().await;
    assert!(matches!(refused, Err(EtcdError::Failed { .. })), "{refused:?}");
    let elsewhere = as_registry(&node, "/elsewhere").open().await;
    assert!(matches!(elsewhere, Err(EtcdError::Failed { .. })), "{elsewhere:?}");

    let journal = as_registry(&node, &prefix).open().await.unwrap();
    let told = format!("{journal:?} {:?}", as_registry(&node, &prefix));
    assert!(!told.contains("password"), "{told}");
    append_all(&journal, 3).await;
    assert_eq!(all_to(&journal, Place::new(3)).await.len(), 3);

    // Whoever had logged in is not known any more.
    as_root(&node, "auth disable");
    node.etcdctl(&["auth", "enable"]);
    let place = journal.append(Place::new(3), entry("logged in again")).await.unwrap();
    assert_eq!(place, Place::new(4));

    as_root(&node, "user revoke-role registry writer");
    let denied = journal.append(Place::new(4), entry("denied")).await;
    assert!(matches!(denied, Err(AppendError::NotWritten { .. })), "{denied:?}");
    let denied = journal.barrier().await;
    assert!(matches!(denied, Err(JournalError::Unreachable { .. })), "{denied:?}");
}

/// A change of users ends the logins that were made before it, and those with signed tokens were refused
/// for ever.
#[tokio::test]
async fn whoever_has_logged_in_is_let_in_after_a_change_of_users_or_roles() {
    let keys = tempfile::tempdir().unwrap();
    for tokens in kinds_of_tokens(keys.path()) {
        let argument = format!("--auth-token={tokens}");
        let Some(node) = etcd::nodes(1).argument(&argument).start() else { return };
        let prefix = own_prefix();
        ask_who_is_there(&node, &prefix);
        let journal = as_registry(&node, &prefix).look_every(Duration::from_secs(600));
        let journal = journal.open().await.unwrap();
        append_all(&journal, 1).await;
        let mut tail = journal.tail(Place::START);
        assert_eq!(next_of(&mut tail).await.place, Place::new(1));

        as_root(&node, "user add another:secret");
        assert_eq!(journal.append(Place::new(1), entry("x")).await.unwrap(), Place::new(2));
        as_root(&node, "role add another");
        assert_eq!(journal.barrier().await.unwrap(), Place::new(2));
        as_root(&node, "user grant-role registry another");
        journal.trim(Place::new(2)).await.unwrap();
        as_root(&node, "user delete another");
        assert_eq!(in_time(tail.next()).await.unwrap().place, Place::new(2));
        as_root(&node, "role delete another");
        assert!(timeout(Duration::from_millis(300), tail.next()).await.is_err());
        journal.append(Place::new(2), entry("x")).await.unwrap();
        assert_eq!(in_time(tail.next()).await.unwrap().place, Place::new(3));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_are_appended_once_while_users_come_and_go() {
    let keys = tempfile::tempdir().unwrap();
    for tokens in kinds_of_tokens(keys.path()) {
        let argument = format!("--auth-token={tokens}");
        let Some(node) = etcd::nodes(1).argument(&argument).start() else { return };
        let (node, prefix) = (Arc::new(node), own_prefix());
        ask_who_is_there(&node, &prefix);
        let journal = as_registry(&node, &prefix).open().await.unwrap();
        let changed = Arc::clone(&node);
        let changes = spawn_blocking(move || {
            for number in 0..10 {
                as_root(&changed, &format!("user add {number}:secret"));
                as_root(&changed, &format!("user grant-role {number} writer"));
            }
        });
        let mut count = 0;
        while count < 20 || !changes.is_finished() {
            let text = entry(&format!("entry {count}"));
            let place = appended(&journal, Place::new(count), &text).await;
            count += 1;
            assert_eq!(place, Place::new(count));
        }
        changes.await.unwrap();
        for (number, found) in all_to(&journal, Place::new(count)).await.into_iter().enumerate() {
            assert_eq!(found.bytes, entry(&format!("entry {number}")));
        }
    }
}

/// The outcome of an entry was unknown when the login was refused that had to be made for it.
#[tokio::test]
async fn what_found_its_login_refused_was_not_written() {
    let Some(node) = etcd::nodes(1).start() else { return };
    let prefix = own_prefix();
    ask_who_is_there(&node, &prefix);
    let journal = as_registry(&node, &prefix).open().await.unwrap();
    append_all(&journal, 1).await;

    set_password(&node, "another");
    let refused = journal.append(Place::new(1), entry("x")).await;
    assert!(matches!(refused, Err(AppendError::NotWritten { .. })), "{refused:?}");
    let refused = journal.barrier().await;
    assert!(matches!(refused, Err(JournalError::Unreachable { .. })), "{refused:?}");

    set_password(&node, "password");
    assert_eq!(journal.append(Place::new(1), entry("x")).await.unwrap(), Place::new(2));
}

/// Has etcd let in the user `registry`, with the `password`, to what is under the prefix.
pub(crate) fn ask_who_is_there(node: &Cluster, prefix: &str) {
    // The role is there in some versions, and has to be added in others.
    if !node.etcdctl(&["role", "list"]).lines().any(|role| role == "root") {
        node.etcdctl(&["role", "add", "root"]);
    }
    for command in [
        "user add root:secret",
        "user grant-role root root",
        "role add writer",
        &format!("role grant-permission writer --prefix readwrite {prefix}/"),
        "user add registry:password",
        "user grant-role registry writer",
        "auth enable",
    ] {
        node.etcdctl(&command.split(' ').collect::<Vec<_>>());
    }
}

pub(crate) fn as_registry(node: &Cluster, prefix: &str) -> EtcdOptions {
    options(node, prefix).user("registry", "password")
}

pub(crate) fn as_root(node: &Cluster, command: &str) {
    let arguments = ["--user", "root:secret"].into_iter().chain(command.split(' '));
    node.etcdctl(&arguments.collect::<Vec<_>>());
}

fn set_password(node: &Cluster, password: &str) {
    as_root(node, "user delete registry");
    as_root(node, &format!("user add registry:{password}"));
    as_root(node, "user grant-role registry writer");
}

/// How etcd may remember who has logged in: by itself, or by tokens that it has signed and that say so.
fn kinds_of_tokens(keys: &Path) -> Vec<String> {
    let signed = openssl(keys, "genrsa -out private.pem 2048")
        .and_then(|()| openssl(keys, "rsa -in private.pem -pubout -out public.pem"))
        .map(|()| {
            let keys = keys.display();
            format!(
                "jwt,pub-key={keys}/public.pem,priv-key={keys}/private.pem,sign-method=RS256,ttl=10m"
            )
        });
    ["simple".to_string()].into_iter().chain(signed).collect()
}
