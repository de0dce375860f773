//! An etcd that asks who is there, that talks over TLS, or that is full.

use std::sync::Arc;

use ministate::shared::{AppendError, Journal, JournalError, Place};
use ministate_cluster::etcd;
use ministate_etcd::EtcdError;

use crate::{all_to, append_all, entry, options, own_prefix};

#[tokio::test]
async fn a_user_who_may_opens_the_journal_and_nobody_else() {
    let Some(node) = etcd::nodes(1).start() else { return };
    let prefix = own_prefix();
    for command in [
        "user add root:secret",
        "user grant-role root root",
        "role add writer",
        &format!("role grant-permission writer --prefix readwrite {prefix}/"),
        "user add registry:password",
        "user grant-role registry writer",
        "auth enable",
    ] {
        // The role `root` is there in some versions, and has to be added in others.
        if command == "user grant-role root root" {
            let roles = node.etcdctl(&["role", "list"]);
            if !roles.lines().any(|role| role == "root") {
                node.etcdctl(&["role", "add", "root"]);
            }
        }
        node.etcdctl(&command.split(' ').collect::<Vec<_>>());
    }
    let as_user = |password: &str| options(&node, &prefix).user("registry", password);
    let refused = options(&node, &prefix).open().await;
    assert!(matches!(refused, Err(EtcdError::Failed { .. })), "{refused:?}");
    let refused = as_user("guessed").open().await;
    assert!(matches!(refused, Err(EtcdError::Failed { .. })), "{refused:?}");
    let elsewhere = as_user("password").prefix("/elsewhere").open().await;
    assert!(matches!(elsewhere, Err(EtcdError::Failed { .. })), "{elsewhere:?}");

    let journal = as_user("password").open().await.unwrap();
    append_all(&journal, 3).await;
    assert_eq!(all_to(&journal, Place::new(3)).await.len(), 3);

    // Whoever had logged in is not known any more.
    let root = ["--user", "root:secret"];
    node.etcdctl(&[&root[..], &["auth", "disable"]].concat());
    node.etcdctl(&["auth", "enable"]);
    let place = journal.append(Place::new(3), entry("logged in again")).await.unwrap();
    assert_eq!(place, Place::new(4));

    node.etcdctl(&[&root[..], &["user", "revoke-role", "registry", "writer"]].concat());
    let denied = journal.append(Place::new(4), entry("denied")).await;
    assert!(matches!(denied, Err(AppendError::NotWritten { .. })), "{denied:?}");
    let denied = journal.barrier().await;
    assert!(matches!(denied, Err(JournalError::Unreachable { .. })), "{denied:?}");
}

#[tokio::test]
async fn of_a_full_etcd_it_is_known_what_was_written() {
    let Some(node) = etcd::nodes(1).argument("--quota-backend-bytes=16777216").start() else {
        return;
    };
    let prefix = own_prefix();
    let journal = options(&node, &prefix).open().await.unwrap();
    let large: Arc<[u8]> = vec![b'x'; 1 << 20].into();
    let mut end = Place::START;
    let refused = loop {
        match journal.append(end, Arc::clone(&large)).await {
            Ok(place) => end = place,
            Err(AppendError::Conflict) => end = end.next(),
            Err(error) => break error,
        }
        assert!(end < Place::new(64), "etcd does not fill up");
    };
    assert!(matches!(refused, AppendError::NotWritten { .. }), "{refused:?}");
    assert_eq!(journal.barrier().await.unwrap(), end);
    assert_eq!(all_to(&journal, end).await.len() as u64, end.number());

    journal.trim(end.next()).await.unwrap();
    let status = node.etcdctl(&["get", "/", "--write-out", "json"]);
    let revision = status.split("\"revision\":").nth(1).unwrap();
    let revision: String = revision.chars().take_while(char::is_ascii_digit).collect();
    node.etcdctl(&["compaction", "--physical", &revision]);
    node.etcdctl(&["defrag"]);
    node.etcdctl(&["alarm", "disarm"]);
    assert_eq!(journal.append(end, entry("room again")).await.unwrap(), end.next());
}

#[cfg(feature = "tls")]
#[expect(clippy::disallowed_methods, reason = "reads the certificates that it made")]
mod tls {
    use std::io::{self, Write};
    use std::path::Path;
    use std::process::Command;

    use ministate::shared::Place;
    use ministate_cluster::etcd::{self, Certificate};
    use ministate_etcd::EtcdError;
    use ministate_etcd::etcd_client::{Certificate as Trusted, TlsOptions};

    use crate::{all_to, append_all, in_time, options, own_prefix};

    #[tokio::test]
    async fn over_tls_only_a_node_is_believed_that_shows_a_certificate() {
        let folder = tempfile::tempdir().unwrap();
        let Some(certificate) = certificate_in(folder.path()) else { return };
        let trusted = std::fs::read_to_string(&certificate.authority).unwrap();
        let Some(node) = etcd::nodes(1).certificate(certificate).start() else { return };
        let trust = |pem: &str| TlsOptions::new().ca_certificate(Trusted::from_pem(pem));

        let journal = options(&node, &own_prefix()).tls(trust(&trusted)).open().await.unwrap();
        append_all(&journal, 3).await;
        assert_eq!(all_to(&journal, Place::new(3)).await.len(), 3);

        let other = tempfile::tempdir().unwrap();
        let other = certificate_in(other.path()).unwrap();
        let other = std::fs::read_to_string(&other.authority).unwrap();
        let refused = in_time(options(&node, &own_prefix()).tls(trust(&other)).open()).await;
        assert!(matches!(refused, Err(EtcdError::Failed { .. })), "{refused:?}");
    }

    /// A certificate for this machine, and the authority that signed it; `None`, having said so, where
    /// there is no `openssl`.
    fn certificate_in(folder: &Path) -> Option<Certificate> {
        if Command::new("openssl").arg("version").output().is_err() {
            let skipped = "SKIPPED: TLS WAS NOT TESTED, SINCE OPENSSL IS NOT INSTALLED\n";
            let _ = io::stderr().write_all(skipped.as_bytes());
            return None;
        }
        let key = ["-newkey", "rsa:2048", "-nodes", "-days", "2"];
        let mut authority = vec!["req", "-x509", "-subj", "/CN=authority", "-out", "ca.pem"];
        authority.extend(["-keyout", "ca.key"].into_iter().chain(key));
        let mut node = vec!["req", "-x509", "-subj", "/CN=node", "-out", "node.pem"];
        node.extend(["-keyout", "node.key", "-CA", "ca.pem", "-CAkey", "ca.key"]);
        node.extend(["-addext", "subjectAltName=IP:127.0.0.1"]);
        node.extend(["-addext", "basicConstraints=critical,CA:FALSE"].into_iter().chain(key));
        for arguments in [authority, node] {
            let output = Command::new("openssl").args(arguments).current_dir(folder).output();
            let output = output.unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        Some(Certificate {
            authority: folder.join("ca.pem"),
            certificate: folder.join("node.pem"),
            key: folder.join("node.key"),
        })
    }
}
