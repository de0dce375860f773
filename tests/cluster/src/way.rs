//! A way to a node of etcd on which its answers are lost, or what it is asked: exactly when a test says so.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

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
    /// The one who waits for clients; none where nobody gets a connection.
    accepting: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    node: SocketAddr,
    loss: Mutex<Loss>,
    /// How many bytes did not get to the other end.
    lost: AtomicU64,
    /// Both ends of all connections that were not cut.
    connected: Mutex<Vec<TcpStream>>,
    is_closing: AtomicBool,
}

impl Way {
    /// A way to this node, on which nothing is lost. Clients connect at the port.
    pub fn to(node: SocketAddr, port: u16) -> Way {
        let shared = Shared {
            node,
            loss: Mutex::new(Loss::Nothing),
            lost: AtomicU64::new(0),
            connected: Mutex::default(),
            is_closing: AtomicBool::new(false),
        };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut way = Way { address, shared: Arc::new(shared), accepting: None };
        way.open();
        way
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
        for end in held(&self.shared.connected).drain(..) {
            // It may have ended before.
            let _ = end.shutdown(Shutdown::Both);
        }
    }

    /// Refuses connections from now on, and ends those that there are.
    pub fn close(&mut self) {
        let Some(accepting) = self.accepting.take() else { return };
        self.shared.is_closing.store(true, Ordering::Relaxed);
        // Wakes the one who waits for clients.
        let _ = TcpStream::connect(self.address);
        accepting.join().unwrap();
        self.cut();
    }

    /// Takes connections again.
    pub fn open(&mut self) {
        self.shared.is_closing.store(false, Ordering::Relaxed);
        let listener = TcpListener::bind(self.address).unwrap();
        let shared = Arc::clone(&self.shared);
        self.accepting = Some(thread::spawn(move || accept(&listener, &shared)));
    }

    /// How many bytes were lost.
    pub fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.close();
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        if shared.is_closing.load(Ordering::Relaxed) {
            return;
        }
        let (Ok(client), Ok(node)) = (client, TcpStream::connect(shared.node)) else { continue };
        for end in [&client, &node] {
            // One that has ended already needs none.
            let _ = end.set_nodelay(true);
            held(&shared.connected).push(end.try_clone().unwrap());
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
