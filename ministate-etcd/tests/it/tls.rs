//! An etcd that talks over TLS.
#![expect(clippy::disallowed_methods, reason = "reads the certificates that it made")]

use std::path::Path;

use ministate::shared::Place;
use ministate_cluster::etcd::{self, Certificate};
use ministate_etcd::EtcdError;
use ministate_etcd::etcd_client::{Certificate as Trusted, TlsOptions};

use crate::{all_to, append_all, in_time, openssl, options, own_prefix};

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

/// The feature changed nothing: no certificate of the system was ever looked at.
#[cfg(feature = "tls-roots")]
#[tokio::test]
async fn over_tls_a_node_is_believed_that_the_system_trusts() {
    use std::process::Command;

    let folder = tempfile::tempdir().unwrap();
    let Some(certificate) = certificate_in(folder.path()) else { return };
    let authority = certificate.authority.clone();
    let Some(node) = etcd::nodes(1).certificate(certificate).start() else { return };
    // Which file the system keeps them in is a matter of the whole process.
    let mut asking = Command::new(std::env::current_exe().unwrap());
    asking.args(["--exact", "tls::asked_by_who_trusts_the_system", "--nocapture"]);
    asking.env(ENDPOINT, &node.endpoints()[0]).env("SSL_CERT_FILE", authority);
    let output = tokio::task::spawn_blocking(move || asking.output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("believed"), "{said}");
}

#[cfg(feature = "tls-roots")]
const ENDPOINT: &str = "MINISTATE_TEST_ENDPOINT";

/// Runs in a process of its own, and does nothing elsewhere.
#[cfg(feature = "tls-roots")]
#[tokio::test]
async fn asked_by_who_trusts_the_system() {
    let Ok(endpoint) = std::env::var(ENDPOINT) else { return };
    let options = ministate_etcd::EtcdOptions::new([&endpoint]).prefix("/trust");
    append_all(&options.clone().tls_roots().open().await.unwrap(), 1).await;
    // What is given is trusted, and nothing else.
    let refused = in_time(options.tls(TlsOptions::new()).open_existing()).await;
    assert!(matches!(refused, Err(EtcdError::Failed { .. })), "{refused:?}");
    println!("believed");
}

/// A certificate for this machine, and the authority that signed it; `None`, having said so, where
/// there is no `openssl`.
fn certificate_in(folder: &Path) -> Option<Certificate> {
    let key = "-newkey rsa:2048 -nodes -days 2";
    openssl(folder, &format!("req -x509 -subj /CN=authority -out ca.pem -keyout ca.key {key}"))?;
    let signed = "-CA ca.pem -CAkey ca.key -addext subjectAltName=IP:127.0.0.1 \
                  -addext basicConstraints=critical,CA:FALSE";
    openssl(
        folder,
        &format!("req -x509 -subj /CN=node -out node.pem -keyout node.key {signed} {key}"),
    )?;
    Some(Certificate {
        authority: folder.join("ca.pem"),
        certificate: folder.join("node.pem"),
        key: folder.join("node.key"),
    })
}
