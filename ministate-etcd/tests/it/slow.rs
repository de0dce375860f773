//! Entries get over a slow link, though each takes its time.

use std::sync::Arc;
use std::time::Duration;

use ministate::shared::{Journal, Place};
use ministate_etcd::EtcdOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use crate::{entry, in_time, one_node, options, own_prefix};

const BYTES_PER_SECOND: usize = 1 << 20;

/// A page that did not arrive in time was asked for again, as large and with as much time.
#[tokio::test]
async fn a_tail_gets_large_entries_over_a_slow_link() {
    let Some(node) = one_node() else { return };
    let prefix = own_prefix();
    let journal = options(&node, &prefix).open().await.unwrap();
    let large: Arc<[u8]> = vec![b'x'; 1 << 20].into();
    for number in 0..4 {
        journal.append(Place::new(number), Arc::clone(&large)).await.unwrap();
    }
    let far = EtcdOptions::new([slow_link(&node.endpoints()[0]).await]).prefix(&prefix);
    let far = far.request_timeout(Duration::from_millis(300)).open().await.unwrap();
    let mut tail = far.tail(Place::START);
    for place in 1..=4 {
        // Without an error in between: who opens a state begins anew after one.
        let next = in_time(tail.next()).await.unwrap();
        assert_eq!((next.place, &next.bytes), (Place::new(place), &large));
    }
}

/// An entry had no more time than a request of some bytes, and its outcome was unknown each time.
#[tokio::test]
async fn a_large_entry_is_appended_over_a_slow_link() {
    let Some(node) = one_node() else { return };
    let far = EtcdOptions::new([slow_link(&node.endpoints()[0]).await]).prefix(own_prefix());
    let far = far.request_timeout(Duration::from_millis(800)).open().await.unwrap();
    let large: Arc<[u8]> = vec![b'x'; 1 << 20].into();
    let place = in_time(far.append(Place::START, large)).await.unwrap();
    assert_eq!(far.append(place, entry("small")).await.unwrap(), Place::new(2));
}

/// An endpoint from which a node is reached over a link with so many bytes per second in each direction.
async fn slow_link(endpoint: &str) -> String {
    let node = endpoint.trim_start_matches("http://").to_string();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let node = node.clone();
            tokio::spawn(async move {
                let (from_client, to_client) = client.into_split();
                let (from_node, to_node) = TcpStream::connect(node).await.unwrap().into_split();
                tokio::select! {
                    () = carried(from_client, to_node) => {}
                    () = carried(from_node, to_client) => {}
                }
            });
        }
    });
    format!("http://{address}")
}

/// Carries bytes until one of the two ends is gone.
async fn carried(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    let mut bytes = vec![0; 1 << 15];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        sleep(Duration::from_secs(1) * count as u32 / BYTES_PER_SECOND as u32).await;
        if to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}
