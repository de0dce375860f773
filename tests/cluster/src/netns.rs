//! A network of its own for each node of etcd, joined by a bridge, so that it can be cut.
#![expect(clippy::disallowed_methods, reason = "looks which namespaces there are")]

use std::env;
use std::fs;
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{self, Command};

/// Where a node runs.
#[derive(Debug, Clone)]
pub struct Host {
    /// Its address.
    pub address: Ipv4Addr,
    /// The namespace of the network that has the address; this process's own where there is none.
    pub namespace: Option<String>,
}

/// Namespaces of the kernel, one for each node, which go away when it is dropped. This process and the
/// replicas that it starts reach the nodes over the bridge.
#[derive(Debug)]
pub struct Network {
    nodes: usize,
}

impl Network {
    /// A network for so many nodes, all of which reach each other. `None`, having said so, where the
    /// kernel does not give it to us.
    ///
    /// # Panics
    ///
    /// Where it does not, and `MINISTATE_NETNS` is `require`.
    pub fn of(nodes: usize) -> Option<Network> {
        remove_stale();
        let network = Network { nodes };
        if let Err(why) = network.set_up() {
            let is_required = env::var("MINISTATE_NETNS").is_ok_and(|told| told == "require");
            assert!(!is_required, "there is no network to cut: {why}");
            let skipped = format!(
                "SKIPPED: NO NETWORK WAS CUT, SINCE THERE IS NONE TO CUT ({why}): BE ROOT, AND HAVE `ip`\n"
            );
            // Not `eprintln`, which is not shown for tests that pass.
            let _ = io::stderr().write_all(skipped.as_bytes());
            return None;
        }
        Some(network)
    }

    /// Where the nodes are.
    pub fn hosts(&self) -> Vec<Host> {
        let host = |node| Host { address: address(node), namespace: Some(namespace(node)) };
        (0..self.nodes).map(host).collect()
    }

    /// Cuts a node off from everybody.
    pub fn cut_off(&self, node: usize) {
        expect(&["link", "set", &port(node), "down"]);
    }

    /// Cuts a node off from the other nodes; clients reach it.
    pub fn cut_off_from_nodes(&self, node: usize) {
        for other in (0..self.nodes).filter(|other| *other != node) {
            for (here, there) in [(node, other), (other, node)] {
                let route = address(there).to_string();
                expect(&["-n", &namespace(here), "route", "add", "blackhole", &route]);
            }
        }
    }

    /// Lets all reach each other again.
    pub fn heal(&self) {
        for node in 0..self.nodes {
            expect(&["link", "set", &port(node), "up"]);
            let _ = ip(&["-n", &namespace(node), "route", "flush", "type", "blackhole"]);
        }
    }

    fn set_up(&self) -> Result<(), String> {
        let (bridge, own) = (bridge(), format!("{}/24", address_of(1)));
        ip(&["link", "add", &bridge, "type", "bridge"])?;
        ip(&["address", "add", &own, "dev", &bridge])?;
        ip(&["link", "set", &bridge, "up"])?;
        for node in 0..self.nodes {
            let (port, inside, address) =
                (port(node), namespace(node), format!("{}/24", address(node)));
            ip(&["netns", "add", &inside])?;
            ip(&["link", "add", &port, "type", "veth", "peer", "name", "out", "netns", &inside])?;
            ip(&["link", "set", &port, "master", &bridge, "up"])?;
            ip(&["-n", &inside, "address", "add", &address, "dev", "out"])?;
            ip(&["-n", &inside, "link", "set", "out", "up"])?;
            ip(&["-n", &inside, "link", "set", "lo", "up"])?;
        }
        Ok(())
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        remove(process::id());
    }
}

/// What was left by those who were killed.
fn remove_stale() {
    for name in names_in("/sys/class/net", "ms") {
        let owner = name.trim_start_matches("ms").split(['b', 'p']).next();
        let Some(owner) = owner.and_then(|owner| owner.parse().ok()) else { continue };
        if !Path::new(&format!("/proc/{owner}")).exists() || owner == process::id() {
            remove(owner);
        }
    }
}

fn remove(owner: u32) {
    for namespace in names_in("/run/netns", &format!("ms{owner}n")) {
        let _ = ip(&["netns", "delete", &namespace]);
    }
    // They would go away with their namespaces, but those may linger.
    for port in names_in("/sys/class/net", &format!("ms{owner}p")) {
        let _ = ip(&["link", "delete", &port]);
    }
    let _ = ip(&["link", "delete", &format!("ms{owner}b")]);
}

fn names_in(folder: &str, begins: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with(begins)).collect()
}

fn bridge() -> String {
    format!("ms{}b", process::id())
}

fn port(node: usize) -> String {
    format!("ms{}p{node}", process::id())
}

fn namespace(node: usize) -> String {
    format!("ms{}n{node}", process::id())
}

fn address(node: usize) -> Ipv4Addr {
    address_of(2 + node as u8)
}

/// One of 250 networks, so that two processes seldom have the same.
fn address_of(host: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 213, (process::id() % 250) as u8, host)
}

fn expect(arguments: &[&str]) {
    ip(arguments).unwrap_or_else(|why| panic!("{why}"));
}

fn ip(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("ip").args(arguments).output();
    let output = output.map_err(|error| format!("ip: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    Err(format!("ip {}: {}", arguments.join(" "), complaint.trim()))
}
