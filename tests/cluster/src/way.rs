//! A way to a node of etcd on which its answers are lost, or what it is asked: exactly when a test says so.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// What does not get to the other end of a way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// All gets there.
    Nothing,
    /// What clients ask for gets there, and what they are answered does not.
    Answers,
    /// What clients ask for does not get there.
    Requests,
}

/// A way to a node: it listens where clients connect, and connects to the node for each of them.
#[derive(Debug)]
pub struct Way {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    node: SocketAddr,
    loss: Mutex<Loss>,
    /// How many bytes did not get to the other end.
    lost: AtomicU64,
    /// Both ends of all connections that were not cut.
    open: Mutex<Vec<TcpStream>>,
    is_closed: AtomicBool,
}

impl Way {
    /// A way to this node, on which nothing is lost.
    pub fn to(node: SocketAddr) -> Way {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Shared {
            node,
            loss: Mutex::new(Loss::Nothing),
            lost: AtomicU64::new(0),
            open: Mutex::default(),
            is_closed: AtomicBool::new(false),
        };
        let shared = Arc::new(shared);
        let accepting = Arc::clone(&shared);
        thread::spawn(move || accept(&listener, &accepting));
        Way { address, shared }
    }

    /// Where clients connect.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Loses this from now on. Connections on which something was lost before are cut: what comes next on
    /// them would not be understood.
    pub fn lose(&self, loss: Loss) {
        let mut now = held(&self.shared.loss);
        if *now != Loss::Nothing {
            self.cut();
        }
        *now = loss;
    }

    /// Ends all connections. What they had still to bring does not get to the other end.
    pub fn cut(&self) {
        for end in held(&self.shared.open).drain(..) {
            // It may have ended before.
            let _ = end.shutdown(Shutdown::Both);
        }
    }

    /// How many bytes were lost.
    pub fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.shared.is_closed.store(true, Ordering::Relaxed);
        // Wakes the one who waits for clients.
        let _ = TcpStream::connect(self.address);
        self.cut();
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        if shared.is_closed.load(Ordering::Relaxed) {
            return;
        }
        let (Ok(client), Ok(node)) = (client, TcpStream::connect(shared.node)) else { continue };
        for end in [&client, &node] {
            end.set_nodelay(true).unwrap();
            held(&shared.open).push(end.try_clone().unwrap());
        }
        let requests = (client.try_clone().unwrap(), node.try_clone().unwrap(), Loss::Requests);
        for (from, to, lost_with) in [requests, (node, client, Loss::Answers)] {
            let shared = Arc::clone(shared);
            thread::spawn(move || bring(from, to, lost_with, &shared));
        }
    }
}

/// Brings what comes from one end to the other, but for what is lost.
fn bring(mut from: TcpStream, mut to: TcpStream, lost_with: Loss, shared: &Shared) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        let loss = *held(&shared.loss);
        if loss == lost_with {
            shared.lost.fetch_add(count as u64, Ordering::Relaxed);
        } else if to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

fn held<T>(held: &Mutex<T>) -> MutexGuard<'_, T> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}
