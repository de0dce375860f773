//! One replica of the shared state, with clients of its own, until it is killed or told to end.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::{env, io, thread};

use ministate_cluster::replica::{self, Order, Settings};
use tokio::sync::watch;

#[tokio::main(worker_threads = 2)]
async fn main() {
    let settings: Settings = serde_json::from_str(&env::args().nth(1).unwrap()).unwrap();
    let (orders, received) = watch::channel(Order::Work);
    thread::spawn(move || {
        let mut line = String::new();
        if io::stdin().read_line(&mut line).unwrap() > 0 {
            orders.send_replace(Order::Stop);
            io::stdin().read_line(&mut line).unwrap();
        }
        // There is no more, or whoever started this has gone.
        orders.send_replace(Order::Tell);
    });
    replica::run(settings, received).await;
}
