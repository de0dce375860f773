//! Redis: a server of its own, asked by tasks through a local socket, that syncs its log before it
//! answers (`appendfsync always`).
//!
//! All tasks share one connection, which sends what they ask at the same time together: the server
//! executes all that has arrived, writes it, syncs once, and answers.
#![expect(clippy::disallowed_methods, reason = "waits for the server's socket")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use ministate_benches::peers::{Callers, Peer, Put, State};
use ministate_benches::{Failure, Outcome};
use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands, Client};

use super::{see, text};

const MAP: &str = "map";

const SERVER: &str = "redis-server";

/// How long a server may read its log for.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Redis {
    connection: MultiplexedConnection,
    _server: Server,
}

/// What the server says of itself, where there is one.
pub(crate) fn version() -> Option<String> {
    let output = Command::new(SERVER).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.split(' ').find_map(|word| word.strip_prefix("v="))?.to_string())
}

/// Ends with the last who uses it.
struct Server {
    child: Child,
    /// Below the temporary directory, since the name of a socket may have about 100 bytes.
    socket: PathBuf,
}

impl Server {
    fn start(dir: &Path) -> Outcome<Server> {
        let socket = std::env::temp_dir().join(format!("ministate-{}.sock", std::process::id()));
        let child = Command::new(SERVER)
            .args(["--port", "0", "--save", "", "--appendonly", "yes", "--appendfsync", "always"])
            .arg("--dir")
            .arg(dir.canonicalize()?)
            .arg("--unixsocket")
            .arg(&socket)
            .stdout(Stdio::null())
            .spawn()
            .map_err(|failure| format!("{SERVER}: {failure}"))?;
        Ok(Server { child, socket })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // All that it has acknowledged is on the disk.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.socket);
    }
}

impl Peer for Redis {
    const CALLERS: Callers = Callers::Tasks;
    const STATE: State = State::Native;

    async fn open(dir: &Path) -> Outcome<Redis> {
        let server = Server::start(dir)?;
        let client = Client::open(format!("unix://{}", server.socket.display()))?;
        let began = Instant::now();
        loop {
            let ready: Result<_, Failure> = async {
                let mut connection = client.get_multiplexed_async_connection().await?;
                // Fails while it reads its log.
                let _: u64 = connection.hlen(MAP).await?;
                Ok(connection)
            }
            .await;
            match ready {
                Ok(connection) => return Ok(Redis { connection, _server: server }),
                Err(failure) if began.elapsed() > PATIENCE => return Err(failure),
                Err(_) => thread::sleep(Duration::from_millis(1)),
            }
        }
    }

    async fn apply(&self, put: Put) -> Outcome<()> {
        let _: u64 = self.connection.clone().hset(MAP, put.key, text(&put)?).await?;
        Ok(())
    }

    async fn apply_batch(&self, puts: impl Iterator<Item = Put> + Send) -> Outcome<()> {
        let entries = puts.map(|put| Ok((put.key, text(&put)?))).collect::<Outcome<Vec<_>>>()?;
        let () = self.connection.clone().hset_multiple(MAP, &entries).await?;
        Ok(())
    }

    async fn look_up(&self, key: u64) -> usize {
        let value: Result<String, _> = self.connection.clone().hget(MAP, key).await;
        value.map_or(0, |value| value.len())
    }

    async fn visit(&self, mut seen: impl FnMut(u64, &str) + Send) -> Outcome<()> {
        let values: Vec<String> = self.connection.clone().hvals(MAP).await?;
        values.iter().try_for_each(|value| see(value.as_bytes(), &mut seen))
    }

    fn sequence(&self) -> Option<u64> {
        None
    }
}
