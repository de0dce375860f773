//! What a way to a node loses, and what it does not.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;

use ministate_cluster::etcd;
use ministate_cluster::way::{Loss, Way};

/// A way to a node that answers each byte with itself, and what the node is asked.
fn way() -> (Way, mpsc::Receiver<u8>) {
    let node = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = node.local_addr().unwrap();
    let (asked, heard) = mpsc::channel();
    thread::spawn(move || {
        for client in node.incoming() {
            let (mut client, asked) = (client.unwrap(), asked.clone());
            thread::spawn(move || {
                let mut byte = [0];
                while client.read_exact(&mut byte).is_ok() {
                    // Nobody wants either in the end.
                    let _ = asked.send(byte[0]);
                    let _ = client.write_all(&byte);
                }
            });
        }
    });
    (Way::to(address, etcd::free_ports(1)[0]), heard)
}

fn connected(way: &Way) -> std::io::Result<TcpStream> {
    TcpStream::connect(way.endpoint().trim_start_matches("http://"))
}

fn asked(mut client: &TcpStream, byte: u8) -> &TcpStream {
    client.write_all(&[byte]).unwrap();
    client
}

fn answer(mut client: &TcpStream) -> Option<u8> {
    let mut byte = [0];
    client.read_exact(&mut byte).ok().map(|()| byte[0])
}

#[test]
fn requests_get_there_while_answers_are_lost() {
    let (way, heard) = way();
    let before = connected(&way).unwrap();
    assert_eq!(answer(asked(&before, 1)), Some(1));
    way.lose(Loss::Answers);
    asked(&before, 2);
    let meanwhile = connected(&way).unwrap();
    asked(&meanwhile, 3);
    let mut all: Vec<_> = heard.iter().take(3).collect();
    all.sort_unstable();
    assert_eq!(all, [1, 2, 3]);
    way.lose(Loss::Nothing);
    assert_eq!((answer(&before), answer(&meanwhile)), (None, None));
    assert_eq!(answer(asked(&connected(&way).unwrap(), 4)), Some(4));
}

#[test]
fn requests_that_are_lost_do_not_get_there_later() {
    let (way, heard) = way();
    let before = connected(&way).unwrap();
    way.lose(Loss::Requests);
    asked(&before, 1);
    while way.lost() == 0 {
        thread::yield_now();
    }
    way.lose(Loss::Nothing);
    assert_eq!(answer(&before), None);
    assert_eq!(answer(asked(&connected(&way).unwrap(), 2)), Some(2));
    assert_eq!(heard.recv(), Ok(2));
}

#[test]
fn a_way_that_is_closed_refuses_connections() {
    let (mut way, _heard) = way();
    let before = connected(&way).unwrap();
    assert_eq!(answer(asked(&before, 1)), Some(1));
    way.close();
    assert_eq!(answer(&before), None);
    assert!(connected(&way).is_err());
    way.open();
    assert_eq!(answer(asked(&connected(&way).unwrap(), 2)), Some(2));
}
