//! What does a service look like whose answers survive `kill -9`?
//!
//! ```sh
//! STATE_DIR=target/payments ADDRESS=127.0.0.1:7070 cargo run --example http_service
//! curl -X PUT --json '{"to":"ann","cents":500}' localhost:7070/payments/p-1
//! curl localhost:7070/accounts/ann
//! curl localhost:7070/healthz
//! ```

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::env;
use std::error::Error;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use ministate::{MiniStateError, Mutations, Operation, Options, SnapshotEvery, StateManager};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

// The state, and what can happen to it.

#[derive(Debug, Default, Serialize, Deserialize)]
struct Ledger {
    payments: BTreeMap<String, Payment>,
    cents: BTreeMap<String, u64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Payment {
    to: String,
    cents: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
#[mutations(state = Ledger)]
enum LedgerOp {
    Pay(Pay),
}

/// The id is the client's. One that got no answer asks again with the same id, and the payment is
/// made once, whatever became of the first request.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Pay {
    id: String,
    payment: Payment,
}

#[derive(Debug, PartialEq)]
enum Paid {
    Now,
    Before,
    /// Under this id there is another payment.
    Otherwise(Payment),
    TooMuch,
}

impl Operation<Ledger> for Pay {
    type Output = Paid;

    fn execute(self, ledger: &mut Ledger) -> Paid {
        let Pay { id, payment } = self;
        let place = match ledger.payments.entry(id) {
            Entry::Occupied(known) if *known.get() == payment => return Paid::Before,
            Entry::Occupied(known) => return Paid::Otherwise(known.get().clone()),
            Entry::Vacant(place) => place,
        };
        let balance = ledger.cents.get(&payment.to).copied().unwrap_or_default();
        let Some(sum) = balance.checked_add(payment.cents) else { return Paid::TooMuch };
        ledger.cents.insert(payment.to.clone(), sum);
        place.insert(payment);
        Paid::Now
    }
}

// The service around it.

type Ledgers = Arc<StateManager<Ledger, LedgerOp>>;

fn routes(ledger: Ledgers) -> Router {
    Router::new()
        .route("/payments/{id}", get(payment).put(pay))
        .route("/accounts/{account}", get(account))
        .route("/healthz", get(healthz))
        .with_state(ledger)
}

async fn pay(
    State(ledger): State<Ledgers>,
    Path(id): Path<String>,
    Json(payment): Json<Payment>,
) -> Response {
    // A client that goes away meanwhile leaves nothing half done: the payment is made, or it never
    // will be.
    match ledger.execute(Pay { id, payment }).await.map(|paid| paid.output) {
        Ok(Paid::Now) => StatusCode::CREATED.into_response(),
        Ok(Paid::Before) => StatusCode::OK.into_response(),
        Ok(Paid::Otherwise(known)) => (StatusCode::CONFLICT, Json(known)).into_response(),
        Ok(Paid::TooMuch) => StatusCode::UNPROCESSABLE_ENTITY.into_response(),
        Err(error @ MiniStateError::Refused { .. }) => {
            (StatusCode::BAD_REQUEST, format!("{error:#}")).into_response()
        }
        // Made or not: the error says it, and asking again with the same id is right in both cases.
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error:#}")).into_response(),
    }
}

async fn payment(State(ledger): State<Ledgers>, Path(id): Path<String>) -> Response {
    match ledger.read(|ledger| ledger.payments.get(&id).cloned()) {
        Some(payment) => Json(payment).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn account(State(ledger): State<Ledgers>, Path(account): Path<String>) -> Json<u64> {
    Json(ledger.read(|ledger| ledger.cents.get(&account).copied().unwrap_or_default()))
}

#[derive(Debug, Serialize, Deserialize)]
struct Health {
    sequence: u64,
    /// Reads go on, and writes do not: the program has to start again.
    failure: Option<String>,
    /// Payments go on, and the journal grows.
    snapshot_failure: Option<String>,
}

async fn healthz(State(ledger): State<Ledgers>) -> (StatusCode, Json<Health>) {
    let status = ledger.journal_status();
    let health = Health {
        sequence: status.sequence,
        failure: status.writes_refused.map(|error| format!("{error:#}")),
        snapshot_failure: status.snapshot_failure.map(|error| format!("{error:#}")),
    };
    let code = match health.failure {
        Some(_) => StatusCode::SERVICE_UNAVAILABLE,
        None => StatusCode::OK,
    };
    (code, Json(health))
}

const JOURNAL: &str = "payments.wal.jsonl";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let state_dir = env::var("STATE_DIR").unwrap_or("target/payments".into());
    let address = env::var("ADDRESS").unwrap_or("127.0.0.1:7070".into());

    let options = Options::new().snapshot_every(SnapshotEvery::Growth(4));
    let ledger: Ledgers = Arc::new(options.open(state_dir, JOURNAL).await?);
    let recovery = ledger.recovery();
    let cut_short = !recovery.was_closed && !recovery.created;
    let ending = if cut_short { "the last run was cut short" } else { "nothing was cut short" };
    println!("recovered through mutation {}, {ending}", ledger.sequence());

    // Nobody is answered before the state is there.
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    let routes = routes(Arc::clone(&ledger));
    axum::serve(listener, routes).with_graceful_shutdown(asked_to_stop()).await?;
    // Should a client keep its connection open for longer than the supervisor has patience: what was
    // acknowledged is on the disk, and `kill -9` costs only this mark at the journal's end.
    ledger.close().await?;
    println!("closed");
    Ok(())
}

async fn asked_to_stop() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => return,
                _ = tokio::signal::ctrl_c() => return,
            }
        }
    }
    // Without a handler for it the signal ends the program as any other would.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests;
