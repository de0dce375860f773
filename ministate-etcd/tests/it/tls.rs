//! An etcd that talks over TLS.
#![expect(clippy::disallowed_methods, reason = "reads the certificates that it made")]

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
