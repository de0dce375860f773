//! Is every payment that was acknowledged made, once, whatever becomes of the service?

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use ministate::storage::{Fault, Simulated};
use tokio::task::block_in_place;

use super::*;

/// A service in a process of its own, as a supervisor starts it.
struct Running {
    process: Child,
    stdout: BufReader<ChildStdout>,
    said: String,
    url: String,
}

const CHILD: &str = "HTTP_SERVICE_CHILD";

impl Running {
    fn start(dir: &tempfile::TempDir) -> Running {
        let mut process = Command::new(env::current_exe().unwrap())
            .args(["--exact", "tests::child", "--ignored", "--nocapture"])
            .env(CHILD, "yes")
            .env("STATE_DIR", dir.path())
            .env("ADDRESS", "127.0.0.1:0")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        let mut service = Running { process, stdout, said: String::new(), url: String::new() };
        while service.url.is_empty() {
            let from = service.said.len();
            let read = service.stdout.read_line(&mut service.said).unwrap();
            assert!(read > 0, "{}", service.said);
            if let Some(address) = service.said[from..].trim_end().strip_prefix("listening on ") {
                service.url = format!("http://{address}");
            }
        }
        service
    }

    /// Its last words.
    fn ended(mut self) -> String {
        self.stdout.read_to_string(&mut self.said).unwrap();
        self.process.wait().unwrap();
        std::mem::take(&mut self.said)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // So that a test that fails leaves no process behind.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
#[ignore = "the process that the other tests start and kill"]
fn child() {
    if env::var_os(CHILD).is_some() {
        main().unwrap();
    }
}

const CENTS: u64 = 5;

fn to_ann() -> Payment {
    Payment { to: "ann".into(), cents: CENTS }
}

/// The status of the answer. Without one it is 503: so `minreq` calls a connection that ends early,
/// and for a client it is the same. Its payment may be made or not.
fn put(url: &str, id: &str, payment: &Payment) -> u16 {
    let request = minreq::put(format!("{url}/payments/{id}")).with_json(payment).unwrap();
    request.with_timeout(60).send().map_or(503, |response| response.status_code)
}

fn status_and<T: for<'de> Deserialize<'de>>(url: &str, path: &str) -> (u16, Option<T>) {
    let response = minreq::get(format!("{url}{path}")).with_timeout(60).send().unwrap();
    (response.status_code, response.json().ok())
}

fn balance(url: &str) -> u64 {
    status_and(url, "/accounts/ann").1.unwrap()
}

#[derive(Default)]
struct Paying {
    answered: Vec<String>,
    unanswered: Vec<String>,
}

/// Several clients pay, and each goes on until it gets no answer. `stop` is called when so many
/// payments are answered, and the clients are in the middle of others.
fn pay_until(url: &str, round: &str, enough: usize, stop: impl FnOnce()) -> Paying {
    let count = AtomicUsize::new(0);
    let client = |client: usize| {
        let mut answered = Vec::new();
        for number in 0.. {
            let id = format!("{round}-{client}-{number}");
            match put(url, &id, &to_ann()) {
                503 => return (answered, id),
                status => assert_eq!(status, 201),
            }
            answered.push(id);
            count.fetch_add(1, Ordering::Relaxed);
        }
        unreachable!("the numbers do not end");
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (0..8).map(|it| scope.spawn(move || client(it))).collect();
        while count.load(Ordering::Relaxed) < enough {
            assert!(clients.iter().all(|client| !client.is_finished()), "nobody was stopped");
            thread::sleep(Duration::from_millis(1));
        }
        stop();
        let mut paying = Paying::default();
        for client in clients {
            let (answered, unanswered) = client.join().unwrap();
            paying.answered.extend(answered);
            paying.unanswered.push(unanswered);
        }
        paying
    })
}

#[test]
fn acknowledged_payments_survive_kill() {
    let dir = tempfile::tempdir().unwrap();
    let mut payments = Paying::default();
    for round in ["first", "second", "third"] {
        let mut service = Running::start(&dir);
        let url = service.url.clone();
        // On Unix this is `kill -9`.
        let paying = pay_until(&url, round, 200, || service.process.kill().unwrap());
        service.ended();
        payments.answered.extend(paying.answered);
        payments.unanswered.extend(paying.unanswered);
    }

    let service = Running::start(&dir);
    assert!(service.said.contains("the last run was cut short"), "{}", service.said);
    let url = &service.url;
    for id in &payments.answered {
        let there = status_and(url, &format!("/payments/{id}"));
        assert_eq!(there, (200, Some(to_ann())), "{id}");
    }
    let sum_of = |payments: usize| u64::try_from(payments).unwrap() * CENTS;
    let all = payments.answered.len() + payments.unanswered.len();
    let there = balance(url);
    assert!(sum_of(payments.answered.len()) <= there && there <= sum_of(all), "{there}");

    // Whoever got no answer asks again. Some of these were made, and none is made twice.
    for id in &payments.unanswered {
        assert!(matches!(put(url, id, &to_ann()), 200 | 201), "{id}");
    }
    assert_eq!(balance(url), sum_of(all));
}

#[test]
#[cfg(unix)]
fn a_service_that_is_asked_to_stop_answers_what_it_has_begun_and_closes() {
    let dir = tempfile::tempdir().unwrap();
    let service = Running::start(&dir);
    let pid = service.process.id();
    let paying = pay_until(&service.url, "only", 200, || {
        let kill = format!("kill -TERM {pid}");
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    });
    let said = service.ended();
    assert!(said.contains("\nclosed\n"), "{said}");

    let service = Running::start(&dir);
    assert!(service.said.contains("nothing was cut short"), "{}", service.said);
    let answered = u64::try_from(paying.answered.len()).unwrap();
    assert_eq!(balance(&service.url), answered * CENTS, "made and not answered");
}

async fn serve(ledger: &Ledgers) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = routes(Arc::clone(ledger));
    tokio::spawn(async { axum::serve(listener, routes).await });
    format!("http://{address}")
}

#[tokio::test(flavor = "multi_thread")]
async fn healthz_tells_that_the_disk_has_failed() {
    let disk = Simulated::new();
    let ledger = Options::new().storage(disk.clone()).open("app", JOURNAL).await.unwrap();
    let url = serve(&Arc::new(ledger)).await;
    block_in_place(|| {
        assert_eq!(put(&url, "p-1", &to_ann()), 201);
        assert_eq!(status_and::<Health>(&url, "/healthz").0, 200);

        disk.fail_from(disk.calls(), Fault::Fails);
        assert_eq!(put(&url, "p-2", &to_ann()), 503);
        let (status, health) = status_and::<Health>(&url, "/healthz");
        let Health { sequence, failure, .. } = health.unwrap();
        assert_eq!((status, sequence), (503, 1));
        let failure = failure.unwrap();
        assert!(failure.contains("open again"), "{failure}");
        assert_eq!(balance(&url), CENTS, "reads go on");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_is_made_once_and_no_other_takes_its_id() {
    let ledger = ministate::testing::in_memory();
    let url = serve(&Arc::new(ledger)).await;
    block_in_place(|| {
        let much = Payment { to: "ann".into(), cents: u64::MAX };
        assert_eq!(put(&url, "p-1", &to_ann()), 201);
        assert_eq!(put(&url, "p-1", &to_ann()), 200);
        assert_eq!(put(&url, "p-1", &much), 409);
        assert_eq!(put(&url, "p-2", &much), 422);
        assert_eq!(balance(&url), CENTS);
    });
}
