//! Which of many processes on one machine leads?
//!
//! ```sh
//! cargo run --example lease -- serve target/leases      # keeps the leases, over HTTP
//! cargo run --example lease -- lead backup ann          # wants to lead; run several of them
//! ```
//!
//! One process keeps the leases and the others ask it: a journal has one writer. While it is down
//! nobody gets a lease; when it is back, whoever had one has it still. For leaders among several
//! machines use a consensus store, such as etcd.

use std::collections::BTreeMap;
use std::env;
use std::error::Error;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, post};
use axum::{Json, Router};
use ministate::{Disposal, MiniStateError, Mutations, Operation, Options};
use ministate::{SnapshotEvery, StateManager};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

// The state, and what can happen to it.

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Leases {
    by_name: BTreeMap<String, Lease>,
    /// The last that was given. Whatever the leader writes to should refuse a token that is older
    /// than one it has seen: a process that was asleep does not know that it no longer leads.
    token: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Lease {
    holder: String,
    token: u64,
    /// In milliseconds since 1970, as are all times here.
    until: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
#[mutations(state = Leases)]
enum LeaseOp {
    Hold(Hold),
    Release { name: String, token: u64 },
}

/// The time is a field. Whoever makes the operation reads the clock, once; a handler that read it
/// would find all leases run out at the next start, or none.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Hold {
    name: String,
    holder: String,
    now: u64,
    lasts: u64,
}

impl Operation<Leases> for Hold {
    /// The lease, or that of somebody else.
    type Output = Result<Lease, Lease>;

    fn execute(self, leases: &mut Leases) -> Self::Output {
        let Hold { name, holder, now, lasts } = self;
        if let Some(other) = leases.of_another(&name, &holder, now) {
            return Err(other.clone());
        }
        let until = now.saturating_add(lasts);
        let token = match leases.by_name.get(&name) {
            Some(own) if own.until > now => own.token,
            _ => {
                leases.token += 1;
                leases.token
            }
        };
        let lease = Lease { holder, token, until };
        leases.by_name.insert(name, lease.clone());
        Ok(lease)
    }
}

impl Leases {
    #[expect(clippy::needless_pass_by_value, reason = "an operation hands over its fields")]
    fn release(&mut self, name: String, token: u64) {
        if self.by_name.get(&name).is_some_and(|lease| lease.token == token) {
            self.by_name.remove(&name);
        }
    }

    fn of_another(&self, name: &str, holder: &str, now: u64) -> Option<&Lease> {
        self.by_name.get(name).filter(|lease| lease.holder != holder && lease.until > now)
    }
}

// The process that keeps the leases.

type Keeper = Arc<StateManager<Leases, LeaseOp>>;

fn routes(keeper: Keeper) -> Router {
    Router::new()
        .route("/leases/{name}", post(hold))
        .route("/leases/{name}/{token}", delete(release))
        .with_state(keeper)
}

#[derive(Serialize, Deserialize)]
struct Wish {
    holder: String,
    lasts: u64,
}

async fn hold(
    State(keeper): State<Keeper>,
    Path(name): Path<String>,
    Json(Wish { holder, lasts }): Json<Wish>,
) -> Response {
    // One clock for all that ask.
    let now = now();
    // Those that wait for their turn ask again and again. Looking keeps them out of the journal.
    if let Some(other) = keeper.read(|leases| leases.of_another(&name, &holder, now).cloned()) {
        return (StatusCode::CONFLICT, Json(other)).into_response();
    }
    match keeper.execute(Hold { name, holder, now, lasts }).await {
        Ok(held) => match held.output {
            Ok(lease) => Json(lease).into_response(),
            Err(other) => (StatusCode::CONFLICT, Json(other)).into_response(),
        },
        Err(error) => unavailable(&error),
    }
}

async fn release(
    State(keeper): State<Keeper>,
    Path((name, token)): Path<(String, u64)>,
) -> Response {
    match keeper.apply(LeaseOp::Release { name, token }).await {
        Ok(_) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => unavailable(&error),
    }
}

fn unavailable(error: &MiniStateError) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into_response()
}

fn now() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX)
}

/// Leases are held on to all the time and old ones mean nothing, so the journal is kept small.
fn options() -> Options {
    Options::new().snapshot_every(SnapshotEvery::Bytes(1 << 20)).disposal(Disposal::Delete)
}

const JOURNAL: &str = "leases.wal.jsonl";
const ADDRESS: &str = "127.0.0.1:7071";

#[tokio::main]
async fn serve(state_dir: &str) -> Result<(), Box<dyn Error>> {
    let keeper: Keeper = Arc::new(options().open(state_dir, JOURNAL).await?);
    let listener = TcpListener::bind(ADDRESS).await?;
    println!("leases are kept in {state_dir}, at {ADDRESS}");
    let stop = async { tokio::signal::ctrl_c().await.unwrap_or_default() };
    axum::serve(listener, routes(Arc::clone(&keeper))).with_graceful_shutdown(stop).await?;
    Ok(keeper.close().await?)
}

// A process that wants to lead.

const LASTS: Duration = Duration::from_secs(6);

/// Asks for the lease, or to hold on to it. The answer is the leader's lease, and whether it is ours.
fn ask(server: &str, holder: &str, lasts: Duration) -> Result<(bool, Lease), minreq::Error> {
    let millis = u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX);
    let wish = Wish { holder: holder.into(), lasts: millis };
    let response =
        minreq::post(server).with_json(&wish)?.with_timeout(lasts.as_secs() / 3).send()?;
    Ok((response.status_code == 200, response.json()?))
}

/// What is done as the leader looks at `leads_until` before each step.
fn lead(server: &str, holder: &str) -> ! {
    let mut leads_until = None;
    loop {
        // From before the question on: when exactly it was answered, this process cannot know. And
        // by its own clock, which nobody sets.
        let asked = Instant::now();
        match ask(server, holder, LASTS) {
            Ok((true, lease)) => {
                leads_until = Some(asked + LASTS);
                println!("{holder} leads with token {}", lease.token);
            }
            Ok((false, lease)) => {
                leads_until = None;
                println!("{holder} waits: {} leads", lease.holder);
            }
            Err(error) => println!("{holder} got no answer ({error})"),
        }
        // Asks three times while a lease lasts, so that one lost answer costs nothing.
        thread::sleep(LASTS / 3);
        if leads_until.take_if(|until| *until <= Instant::now()).is_some() {
            println!("{holder} leads no more");
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["serve", state_dir] => serve(state_dir),
        ["lead", name, holder] => lead(&format!("http://{ADDRESS}/leases/{name}"), holder),
        _ => Err("usage: lease serve DIR, or lease lead NAME HOLDER".into()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use ministate::testing;
    use tokio::task::{JoinHandle, block_in_place};

    use super::*;

    fn hold(holder: &str, now: u64) -> Hold {
        Hold { name: "backup".into(), holder: holder.into(), now, lasts: 100 }
    }

    fn lease(holder: &str, token: u64, until: u64) -> Lease {
        Lease { holder: holder.into(), token, until }
    }

    #[test]
    fn a_lease_is_for_one_until_it_has_run_out() {
        let mut leases = Leases::default();
        assert_eq!(hold("ann", 1_000).execute(&mut leases), Ok(lease("ann", 1, 1_100)));
        assert_eq!(hold("bob", 1_099).execute(&mut leases), Err(lease("ann", 1, 1_100)));
        assert_eq!(hold("bob", 1_100).execute(&mut leases), Ok(lease("bob", 2, 1_200)));
        assert_eq!(hold("ann", 1_101).execute(&mut leases), Err(lease("bob", 2, 1_200)));
    }

    #[test]
    fn who_holds_on_keeps_the_token_and_who_comes_back_gets_another() {
        let mut leases = Leases::default();
        hold("ann", 1_000).execute(&mut leases).unwrap();
        assert_eq!(hold("ann", 1_050).execute(&mut leases), Ok(lease("ann", 1, 1_150)));
        assert_eq!(hold("ann", 1_150).execute(&mut leases), Ok(lease("ann", 2, 1_250)));
    }

    #[test]
    fn an_old_token_releases_nothing() {
        let mut leases = Leases::default();
        hold("ann", 1_000).execute(&mut leases).unwrap();
        hold("bob", 1_100).execute(&mut leases).unwrap();
        leases.release("backup".into(), 1);
        assert_eq!(hold("ann", 1_101).execute(&mut leases), Err(lease("bob", 2, 1_200)));
        leases.release("backup".into(), 2);
        assert_eq!(hold("ann", 1_102).execute(&mut leases), Ok(lease("ann", 3, 1_202)));
    }

    /// Every operation, in each way it can end.
    fn an_hour() -> Vec<LeaseOp> {
        let release = |token| LeaseOp::Release { name: "backup".into(), token };
        vec![
            LeaseOp::Hold(hold("ann", 1_000)),
            LeaseOp::Hold(hold("bob", 1_010)),
            LeaseOp::Hold(hold("ann", 1_020)),
            release(7),
            release(1),
            LeaseOp::Hold(hold("bob", 1_030)),
            LeaseOp::Hold(hold("ann", 1_500)),
        ]
    }

    #[test]
    fn a_restart_at_any_time_leaves_all_leases_as_they_were() {
        testing::assert_deterministic(Leases::default(), an_hour());
        testing::crash_test::<Leases, LeaseOp>(an_hour()).unwrap();
    }

    struct Server {
        url: String,
        keeper: Keeper,
        task: JoinHandle<std::io::Result<()>>,
    }

    impl Server {
        async fn start(dir: &Path) -> Server {
            let keeper: Keeper = Arc::new(options().open(dir, JOURNAL).await.unwrap());
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}/leases/backup", listener.local_addr().unwrap());
            let routes = routes(Arc::clone(&keeper));
            let task = tokio::spawn(async { axum::serve(listener, routes).await });
            Server { url, keeper, task }
        }

        async fn stop(self) {
            self.keeper.close().await.unwrap();
            self.task.abort();
        }
    }

    /// Longer than any test takes.
    const HOUR: Duration = Duration::from_secs(60 * 60);

    fn asks(server: &Server, holder: &str) -> (bool, Lease) {
        block_in_place(|| ask(&server.url, holder, HOUR).unwrap())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn of_many_that_ask_at_once_one_leads() {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::start(dir.path()).await;
        let holders: Vec<String> = (0..16).map(|number| format!("holder {number}")).collect();
        let answers = block_in_place(|| {
            thread::scope(|scope| {
                let ask = |holder| ask(&server.url, holder, HOUR).unwrap();
                let asking: Vec<_> =
                    holders.iter().map(|holder| scope.spawn(move || ask(holder))).collect();
                asking.into_iter().map(|asking| asking.join().unwrap()).collect::<Vec<_>>()
            })
        });
        let leaders: Vec<_> = answers.iter().filter(|(leads, _)| *leads).collect();
        assert_eq!(leaders.len(), 1);
        // And everybody was told who it is.
        assert!(answers.iter().all(|(_, lease)| *lease == leaders[0].1));
        server.stop().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_lease_outlives_the_process_that_keeps_it() {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::start(dir.path()).await;
        let (leads, before) = asks(&server, "ann");
        assert!(leads);
        server.stop().await;

        let server = Server::start(dir.path()).await;
        let (leads, after) = asks(&server, "bob");
        assert_eq!((leads, &after), (false, &before));

        let release = format!("{}/{}", server.url, before.token);
        let released = block_in_place(|| minreq::delete(release).send().unwrap());
        assert_eq!(released.status_code, 204);
        let (leads, lease) = asks(&server, "bob");
        assert_eq!((leads, lease.token), (true, 2));
        server.stop().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn waiting_for_a_turn_writes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::start(dir.path()).await;
        asks(&server, "ann");
        for _ in 0..10 {
            assert!(!asks(&server, "bob").0);
        }
        assert_eq!(server.keeper.sequence(), 1);
        server.stop().await;
    }
}
